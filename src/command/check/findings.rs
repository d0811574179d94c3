//! What a check found: one line each, and the verdict.

use crate::command::Failure;

/// Lines as they are found, and how bad it is.
#[derive(Debug)]
pub struct Findings {
    warnings: u32,
    errors: u32,
}

impl Findings {
    /// `warned` says whether the configuration came with warnings.
    #[must_use]
    pub fn new(warned: bool) -> Self {
        Self {
            warnings: u32::from(warned),
            errors: 0,
        }
    }

    pub fn good(&mut self, text: &str) {
        println!("ok       {text}");
    }

    pub fn note(&mut self, text: &str) {
        println!("note     {text}");
    }

    pub fn warning(&mut self, text: &str) {
        self.warnings += 1;
        println!("warning  {text}");
    }

    pub fn error(&mut self, text: &str) {
        self.errors += 1;
        println!("error    {text}");
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
