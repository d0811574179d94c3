//! `tenure hash-password`: the hash of a password, for a web config file.

use std::io::{self, IsTerminal, Read};

use console::Term;

use crate::command::Failure;
use crate::command::paper::print;
use crate::config::web::COSTS;

const EXAMPLES: &str = "\
Examples:
  # Asks for the password on the terminal, without showing it
  tenure hash-password

  # From a file or a password manager; a line end after the password is ignored
  tenure hash-password < password
";

const NOTES: &str = "\
The output belongs below `basic_auth_users` of the web config file (web.config_file), after the name
of the user.";

/// bcrypt looks at no more.
const LONGEST: usize = 72;

/// Print the bcrypt hash of a password from standard input
#[derive(Debug, Clone, clap::Args)]
#[command(before_help = EXAMPLES, after_help = NOTES)]
pub struct HashPasswordArgs {
    /// How dear guessing is: one more doubles the time, 10 takes some 50 ms
    #[arg(long, value_name = "N", default_value_t = 10,
          value_parser = clap::value_parser!(u32).range(
              i64::from(*COSTS.start())..=i64::from(*COSTS.end())))]
    pub cost: u32,
}

/// Prints the hash to stdout.
///
/// # Errors
/// If there is no password, or one that bcrypt would not take whole.
pub fn run(args: &HashPasswordArgs) -> Result<(), Failure> {
    let password = password()?;
    if password.is_empty() {
        return Err(Failure::usage("there is no password on standard input"));
    }
    if password.len() > LONGEST {
        return Err(Failure::usage(format!(
            "the password has {} bytes, and bcrypt looks at {LONGEST} alone: choose a shorter one",
            password.len()
        )));
    }
    if password.contains(&b'\n') || password.contains(&0) {
        return Err(Failure::usage(
            "the password has more than one line, or a zero byte: nobody could type it",
        ));
    }
    let hash = bcrypt::hash_with_result(&password, args.cost)
        .map_err(|error| Failure::work(format!("could not make a hash: {error}")))?;
    print(&format!(
        "{}\n",
        hash.format_for_version(bcrypt::Version::TwoY)
    ))
}

fn password() -> Result<Vec<u8>, Failure> {
    let unreadable =
        |error: io::Error| Failure::work(format!("could not read the password: {error}"));
    if io::stdin().is_terminal() {
        eprint!("Password: ");
        let terminal = Term::stderr();
        return terminal
            .read_secure_line()
            .map(String::into_bytes)
            .map_err(unreadable);
    }
    let mut bytes = Vec::new();
    // A little more than fits, so that what is too long is seen to be.
    let mut input = io::stdin().take(4096);
    input.read_to_end(&mut bytes).map_err(unreadable)?;
    let password = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    Ok(password.strip_suffix(b"\r").unwrap_or(password).to_vec())
}
