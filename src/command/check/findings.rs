//! What a check found: one line each, and the verdict.

use std::io::{self, Stdout, Write};

use crate::command::Failure;

/// Lines as they are found, and how bad it is.
#[derive(Debug)]
pub struct Findings {
    out: Stdout,
    warnings: u32,
    errors: u32,
}

impl Findings {
    /// `warned` says whether the configuration came with warnings.
    #[must_use]
    pub fn new(warned: bool) -> Self {
        Self {
            out: io::stdout(),
            warnings: u32::from(warned),
            errors: 0,
        }
    }

    pub fn good(&mut self, text: &str) {
        self.say("ok", text);
    }

    pub fn note(&mut self, text: &str) {
        self.say("note", text);
    }

    pub fn warning(&mut self, text: &str) {
        self.warnings += 1;
        self.say("warning", text);
    }

    pub fn error(&mut self, text: &str) {
        self.errors += 1;
        self.say("error", text);
    }

    fn say(&mut self, kind: &str, text: &str) {
        // Nobody reads on if the output is closed; the exit code still tells.
        let _ = writeln!(self.out, "{kind:<9}{text}");
    }

    /// Success unless something is wrong.
    pub fn verdict(&self, deny_warnings: bool) -> Result<(), Failure> {
        match (self.errors, self.warnings) {
            (0, 0) => Ok(()),
            (0, warnings) if !deny_warnings => {
                println!("{}", counted(warnings, "warning"));
                Ok(())
            }
            (0, warnings) => Err(Failure::configuration(format!(
                "{}, denied by --deny-warnings",
                counted(warnings, "warning")
            ))),
            (errors, _) => Err(Failure::configuration(format!(
                "{}: see above",
                counted(errors, "thing that must be repaired")
            ))),
        }
    }
}

fn counted(count: u32, what: &str) -> String {
    match (count, what) {
        (1, what) => format!("1 {what}"),
        (count, "warning") => format!("{count} warnings"),
        (count, _) => format!("{count} things that must be repaired"),
    }
}
