//! `tenure check`.

use crate::command::Failure;

#[derive(Debug, Clone, clap::Args)]
pub struct CheckArgs {}

pub fn run(_: &CheckArgs) -> Result<(), Failure> {
    Ok(())
}
