//! What `scripts/dist` packs: the right files, the same bytes each time, a package that installs and
//! goes again. A small program stands in for Tenure, since how that is built is another matter.

#![cfg(test)]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Takes any arguments, prints nothing, succeeds.
const STAND_IN: &str = "/bin/true";

/// The standard output of a command that must succeed.
fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        // Else it is that of the last commit, of which there may be another in between.
        .env("SOURCE_DATE_EPOCH", "1767225600")
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {complaint}"
    );
    String::from_utf8(output.stdout).unwrap()
}

fn pack(folder: &Path) {
    let folder = folder.to_str().unwrap();
    run("scripts/dist", &["--binary", STAND_IN, "--output", folder]);
}

/// The path of the only file in the folder whose name ends so.
fn only(folder: &Path, end: &str) -> String {
    let mut found: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_str().unwrap().ends_with(end))
        .collect();
    assert_eq!(found.len(), 1, "{end}: {found:?}");
    found.remove(0).into_os_string().into_string().unwrap()
}

fn holds(listing: &str, paths: &[&str]) {
    for path in paths {
        let there = listing.lines().any(|line| line.ends_with(path));
        assert!(there, "{path} is not in\n{listing}");
    }
}

#[test]
fn a_release_is_complete_and_the_same_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = ["first", "second"].map(|name| folder.path().join(name));
    pack(&first);
    pack(&second);
    let sums = fs::read_to_string(first.join("SHA256SUMS")).unwrap();
    assert_eq!(sums, fs::read_to_string(second.join("SHA256SUMS")).unwrap());
    assert_eq!(sums.lines().count(), 4, "{sums}");
    let verified = Command::new("sha256sum")
        .args(["--check", "--strict", "--quiet", "SHA256SUMS"])
        .current_dir(&first)
        .status();
    assert!(verified.unwrap().success());

    the_tarball_holds_everything(&first);
    the_chart_is_one(&first);
    the_bill_of_materials_is_complete(&first);
    the_package_installs_and_goes_again(&first, &folder.path().join("root"));
}

fn the_tarball_holds_everything(folder: &Path) {
    let tarball = only(folder, "-linux.tar.gz");
    let listing = run("tar", &["--list", "--gzip", "--file", &tarball]);
    holds(
        &listing,
        &[
            "/bin/tenure",
            "/LICENSE",
            "/THIRD-PARTY.txt",
            "/config/tenure.yaml",
            "/docs/deploy.md",
            "/deploy/systemd/tenure.service",
            "/deploy/compose/compose.yaml",
            "/deploy/helm/tenure/Chart.yaml",
            "/share/bash-completion/completions/tenure",
            "/share/zsh/vendor-completions/_tenure",
            "/share/fish/vendor_completions.d/tenure.fish",
        ],
    );
    let inside = format!("tenure-{VERSION}-");
    assert!(
        listing.lines().all(|line| line.starts_with(&inside)),
        "{listing}"
    );
    let texts = run(
        "tar",
        &[
            "--extract",
            "--gzip",
            "--to-stdout",
            "--wildcards",
            "--file",
            &tarball,
            "*/THIRD-PARTY.txt",
        ],
    );
    for work in ["tokio ", "(librdkafka/LICENSE)", "(openssl/LICENSE.txt)"] {
        assert!(texts.contains(work), "no licence of {work}");
    }
}

fn the_chart_is_one(folder: &Path) {
    let chart = only(folder, &format!("tenure-{VERSION}.tgz"));
    let listing = run("tar", &["--list", "--gzip", "--file", &chart]);
    holds(
        &listing,
        &[
            "tenure/Chart.yaml",
            "tenure/values.yaml",
            "tenure/values.schema.json",
            "tenure/files/rules.yaml",
            "tenure/templates/statefulset.yaml",
        ],
    );
    assert!(!listing.contains("tenure/ci/"), "{listing}");
}

fn the_bill_of_materials_is_complete(folder: &Path) {
    let text = fs::read_to_string(only(folder, ".cdx.json")).unwrap();
    let bill: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(bill["bomFormat"], "CycloneDX");
    assert_eq!(bill["metadata"]["component"]["version"], VERSION);
    let components = bill["components"].as_array().unwrap();
    assert!(components.len() > 100, "{} components", components.len());
    let names: Vec<&str> = components
        .iter()
        .map(|component| component["name"].as_str().unwrap())
        .collect();
    for linked in [
        "rdkafka-sys",
        "openssl-src",
        "tokio",
        "serde",
        "tenure-librdkafka",
    ] {
        assert!(names.contains(&linked), "{linked} is missing");
    }
    // What only tests and builds use is in no release.
    for other in ["proptest", "criterion", "cmake", "cc"] {
        assert!(!names.contains(&other), "{other} is not linked");
    }
    for component in components {
        let name = &component["name"];
        if name != "tenure-librdkafka" {
            assert!(
                component["licenses"][0]["expression"].is_string(),
                "{name}: no licence"
            );
            assert_eq!(
                component["hashes"][0]["alg"], "SHA-256",
                "{name}: no checksum"
            );
        }
    }
}

/// dpkg in a folder of its own, whatever the architecture and the libraries of this machine.
fn dpkg(root: &Path, arguments: &[&str]) {
    let root = format!("--root={}", root.display());
    let force = [
        "--force-not-root",
        "--force-depends",
        "--force-script-chrootless",
    ];
    let log = "--log=/dev/null";
    run("dpkg", &[&[&*root, log], &force[..], arguments].concat());
}

fn the_package_installs_and_goes_again(folder: &Path, root: &Path) {
    let package = only(folder, ".deb");
    let field = |name: &str| {
        run("dpkg-deb", &["--field", &package, name])
            .trim()
            .to_owned()
    };
    assert_eq!(field("Version"), VERSION);
    assert!(
        field("Depends").contains("libc6 (>= 2."),
        "{}",
        field("Depends")
    );

    fs::create_dir_all(root.join("var/lib/dpkg/info")).unwrap();
    fs::create_dir_all(root.join("var/lib/dpkg/updates")).unwrap();
    fs::write(root.join("var/lib/dpkg/status"), "").unwrap();
    dpkg(root, &["--install", &package]);
    let settings = root.join("etc/tenure/tenure.yaml");
    let unit = root.join("usr/lib/systemd/system/tenure.service");
    let program = root.join("usr/bin/tenure");
    for file in [&settings, &unit, &program] {
        assert!(file.exists(), "{} is missing", file.display());
    }
    assert!(Command::new(&program).status().unwrap().success());

    // Settings of the user outlive the package, and an upgrade.
    fs::write(&settings, "kafka: { bootstrap_servers: mine:9092 }\n").unwrap();
    dpkg(root, &["--force-confold", "--install", &package]);
    dpkg(root, &["--remove", "tenure"]);
    assert!(!program.exists() && !unit.exists(), "something stays");
    assert!(fs::read_to_string(&settings).unwrap().contains("mine"));
    dpkg(root, &["--purge", "tenure"]);
    assert!(!settings.exists(), "the settings stay after a purge");
}
