//! `tenure demo`.

use crate::command::Failure;

#[derive(Debug, Clone, clap::Args)]
pub struct DemoArgs {}

pub fn run(_: &DemoArgs) -> Result<(), Failure> {
    Ok(())
}
