//! Folders that outlive the processes in them, and are gone after the test process.
//!
//! Owns their making and their clean-up, also of small file systems mounted there. Promises that
//! folder and mount are gone after the drop, after a panic, and when the test process is killed: a
//! shell holds the other end of a pipe, see [`super::process`].

use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::process::new_folder;

/// The processes in the folder are being killed by their own keepers at the same moment, so what
/// they still write is removed with a second attempt.
const KEEPER: &str = r#"
cat >/dev/null
for attempt in 1 2 3; do
    [ -e "$1" ] || exit 0
    umount -l "$1"
    rm -rf "$1"
    sleep 1
done
"#;

/// A folder, removed on drop.
#[derive(Debug)]
pub struct KeptFolder {
    path: PathBuf,
    mounted: bool,
    keeper: Child,
}

impl KeptFolder {
    /// A new empty folder on a disk.
    pub fn new(name: &str) -> Self {
        let path = new_folder(name).keep();
        // Inherited outputs would keep the pipes of the test runner open.
        let keeper = Command::new("/bin/sh")
            .args(["-c", KEEPER, "keeper"])
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        Self {
            path,
            mounted: false,
            keeper: keeper.unwrap_or_else(|error| panic!("no keeper of {name}: {error}")),
        }
    }

    /// A new file system in memory that holds so many bytes. Mounting takes root: without, the
    /// answer is what `mount` said.
    pub fn small(name: &str, bytes: u64) -> Result<Self, String> {
        let mut folder = Self::new(name);
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={bytes},mode=700"), name])
            .arg(&folder.path)
            .output()
            .map_err(|error| format!("cannot run mount: {error}"))?;
        folder.mounted = mounted.status.success();
        if folder.mounted {
            Ok(folder)
        } else {
            Err(String::from_utf8_lossy(&mounted.stderr).trim().to_owned())
        }
    }

    /// Gives the small file system more room.
    pub fn grow(&self, bytes: u64) {
        let grown = Command::new("mount")
            .args(["-o", &format!("remount,size={bytes}")])
            .arg(&self.path)
            .status();
        assert!(
            grown.as_ref().is_ok_and(std::process::ExitStatus::success),
            "{}: {grown:?}",
            self.path.display()
        );
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Every file below the folder, sorted.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let mut folders = vec![self.path.clone()];
        while let Some(folder) = folders.pop() {
            // A file that a process removed meanwhile was none.
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            for path in entries.map(|entry| entry.path()) {
                if path.is_dir() {
                    folders.push(path);
                } else {
                    files.push(path);
                }
            }
        }
        files.sort();
        files
    }
}

impl Drop for KeptFolder {
    fn drop(&mut self) {
        if self.mounted {
            // Lazily: a process that is about to end may still be in it.
            let _ = Command::new("umount").arg("-l").arg(&self.path).status();
        }
        match fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                eprintln!("{} stays for its keeper: {error}", self.path.display());
            }
            _ => {}
        }
        drop(self.keeper.stdin.take());
        // Reaped if it has nothing left to do, which is so nearly always.
        let _ = self.keeper.wait();
    }
}
