//! `tenure completions`: a script that completes commands and flags in a shell.

use std::io::{self, Write};

use clap::CommandFactory;
use clap_complete::Shell;

use crate::command::{Arguments, Failure};

const EXAMPLES: &str = "\
Examples:
  tenure completions bash > /etc/bash_completion.d/tenure
  tenure completions zsh > \"${fpath[1]}/_tenure\"
  tenure completions fish > ~/.config/fish/completions/tenure.fish
";

/// Print a completion script for a shell
#[derive(Debug, Clone, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Writes the script to standard output.
pub fn run(args: &CompletionsArgs) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Arguments::command(), "tenure", &mut script);
    io::stdout()
        .write_all(&script)
        .map_err(|error| Failure::work(error.to_string()))
}
