//! Writes the Grafana dashboards to `deploy/grafana/dashboards`: `cargo run --example dashboards`.
//!
//! They are written here, in `boards`, and nowhere else; `tests/dashboards.rs` holds the committed
//! files against it.

mod boards;

use std::path::Path;
use std::{fs, io};

fn main() -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/grafana/dashboards");
    fs::create_dir_all(&folder)?;
    for (name, text) in boards::files() {
        fs::write(folder.join(name), text)?;
    }
    Ok(())
}
