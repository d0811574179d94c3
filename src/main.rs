//! The program `tenure`: see `tenure --help`.

use std::process::ExitCode;

/// Faster than the system's allocator, which librdkafka keeps to.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    tenure::command::main()
}
