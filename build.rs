//! Tells the crate what it was built with and for: `TENURE_RUSTVERSION` and `TENURE_TARGET`, for
//! the build information on the metrics page.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=TENURE_REVISION");
    println!(
        "cargo::rustc-env=TENURE_RUSTVERSION={}",
        compiler_version().unwrap_or_else(|| "unknown".to_owned())
    );
    println!(
        "cargo::rustc-env=TENURE_TARGET={}",
        std::env::var("TARGET").unwrap_or_else(|_| "unknown".to_owned())
    );
}

/// The number in "rustc 1.88.0 (6b00bc388 2025-06-23)".
fn compiler_version() -> Option<String> {
    let compiler = std::env::var_os("RUSTC")?;
    let output = Command::new(compiler).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.split_whitespace().nth(1).map(str::to_owned)
}
