//! Tells the crate what it was built with and for: `TENURE_RUSTVERSION` and `TENURE_TARGET`, for
//! the build information on the metrics page; and which presets there are, `presets.rs` of the
//! output folder.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use std::process::Command;

fn main() -> std::io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=config/presets");
    println!("cargo::rerun-if-env-changed=TENURE_REVISION");
    println!(
        "cargo::rustc-env=TENURE_RUSTVERSION={}",
        compiler_version().unwrap_or_else(|| "unknown".to_owned())
    );
    println!(
        "cargo::rustc-env=TENURE_TARGET={}",
        std::env::var("TARGET").unwrap_or_else(|_| "unknown".to_owned())
    );
    list_presets()
}

/// The number in "rustc 1.88.0 (6b00bc388 2025-06-23)".
fn compiler_version() -> Option<String> {
    let compiler = std::env::var_os("RUSTC")?;
    let output = Command::new(compiler).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.split_whitespace().nth(1).map(str::to_owned)
}

/// Writes the list of names and texts of `config/presets/*.yaml`, in the order of their names.
fn list_presets() -> std::io::Result<()> {
    let of_cargo = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .unwrap_or_default()
    };
    let folder = of_cargo("CARGO_MANIFEST_DIR").join("config/presets");
    let mut files = Vec::new();
    if folder.is_dir() {
        for entry in std::fs::read_dir(folder)? {
            files.push(entry?.path());
        }
    }
    files.retain(|file| {
        file.extension()
            .is_some_and(|extension| extension == "yaml")
    });
    files.sort();
    let mut list = String::from("&[\n");
    for file in &files {
        let name = file.file_stem().map(Path::new).unwrap_or(file);
        let name = name.to_string_lossy();
        let path = file.to_string_lossy();
        // Writing into a text cannot fail.
        let _ = writeln!(list, "    ({name:?}, include_str!({path:?})),");
    }
    list.push_str("]\n");
    std::fs::write(of_cargo("OUT_DIR").join("presets.rs"), list)
}
