//! The program `tenure`: see `tenure --help`.

use std::process::ExitCode;

/// librdkafka's memory comes from here too; the system's allocator gives fragments back late.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    tenure::command::main()
}
