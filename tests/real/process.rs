//! Processes that a test starts, and that end with it.
//!
//! Owns the life of a process and of its folder. Promises that both are gone after the drop, after
//! a panic, and also when the test process itself is killed:
//!
//! ```text
//! test process --pipe--> keeper (a shell) --fork--> the process, which dies with its keeper
//!                           |
//!                           one line, one signal to the process;
//!                           end of the pipe: kill it, remove the folder
//! ```
//!
//! The kernel closes the pipe when the test process goes, whatever the cause. The keeper is a group
//! of its own, so a Ctrl-C meant for the tests leaves it alive to clean up. The death signal could
//! not be bound to the test process itself: the kernel sends it when the *thread* that forked ends,
//! and each test is a thread.

use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{eventually, http};

/// Files appear under their final name only when they are complete. Shells let what they start in
/// the background ignore Ctrl-C, hence the reset of these signals. The process leads a group, which
/// is killed as a whole: what the process started and left behind goes with it.
const KEEPER: &str = r#"
folder=$1; shift
exec 3<&0
setpriv --pdeathsig KILL -- setsid env --default-signal=INT,QUIT "$@" \
    </dev/null >"$folder/stdout" 2>"$folder/stderr" 3<&- &
process=$!
echo "$process" >"$folder/pid.new" && mv "$folder/pid.new" "$folder/pid"
(
    while read -r signal <&3; do
        [ -e "$folder/exit" ] || kill -s "$signal" "$process"
    done
    [ -e "$folder/exit" ] || kill -s KILL -- "-$process" || kill -s KILL "$process"
) &
wait "$process"
code=$?
kill -s KILL -- "-$process"
echo "$code" >"$folder/exit.new" && mv "$folder/exit.new" "$folder/exit"
wait
rm -rf "$folder"
"#;

/// How much of an output a failure shows.
const TAIL_LINES: usize = 40;

/// How long the keeper may take to kill the process and to remove its folder.
const CLEAN_UP: Duration = Duration::from_secs(10);

/// Signals that tests send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// What service managers send.
    Terminate,
    /// Ends a process without asking it.
    Kill,
    /// Freezes a process.
    Stop,
    /// Ends a freeze.
    Continue,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "INT",
            Self::Terminate => "TERM",
            Self::Kill => "KILL",
            Self::Stop => "STOP",
            Self::Continue => "CONT",
        }
    }
}

/// A new empty folder below cargo's own, which is on a disk: logs of brokers can be large. It is
/// removed with the value, or by the process that is started in it.
pub fn new_folder(name: &str) -> TempDir {
    tempfile::Builder::new()
        .prefix(&format!("{name}-"))
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
        .unwrap_or_else(|error| panic!("cannot make a folder for {name}: {error}"))
}

/// The program under test with its state in this folder, to be completed by the caller.
pub fn tenure(state: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenure"));
    command.env("TENURE_STATE_URL", state);
    command
}

/// A running process with its outputs, killed on drop.
#[derive(Debug)]
pub struct Process {
    name: String,
    folder: PathBuf,
    keeper: Child,
    signals: Option<ChildStdin>,
}

impl Process {
    /// Starts the program under test with these arguments. Its state goes with its folder.
    pub fn tenure(arguments: &[&str]) -> Self {
        let folder = new_folder("tenure");
        let mut command = tenure(&folder.path().join("state"));
        command.args(arguments);
        Self::start(folder, &command)
    }

    /// Starts a command whose outputs go to files of the folder, which the process takes over.
    /// The command's program, arguments, environment and current folder count, its redirections
    /// do not. A program that is not there shows as an exit code of 127.
    pub fn start(folder: TempDir, command: &Command) -> Self {
        let name = Path::new(command.get_program())
            .file_name()
            .unwrap_or_default();
        let name = name.to_string_lossy().into_owned();
        let mut keeper = keeper_of(folder.path(), command)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        let signals = keeper.stdin.take();
        let process = Self {
            name,
            folder: folder.keep(),
            keeper,
            signals,
        };
        eventually(CLEAN_UP, "a process id", || {
            process.read("pid").ok_or("none yet".to_owned())
        });
        process
    }

    /// The id of the process itself, for its figures below `/proc`.
    pub fn pid(&self) -> u32 {
        let pid = self.read("pid").and_then(|text| text.trim().parse().ok());
        pid.unwrap_or_else(|| panic!("{} has no process id", self.name))
    }

    /// The folder of the process, removed on drop.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Everything that the process has written to its standard output.
    pub fn stdout(&self) -> String {
        self.read("stdout").unwrap_or_default()
    }

    /// Everything that the process has written to its standard error.
    pub fn stderr(&self) -> String {
        self.read("stderr").unwrap_or_default()
    }

    /// The last lines of both outputs, for messages of failures.
    pub fn tail(&self) -> String {
        format!(
            "--- standard output of {0}\n{1}\n--- standard error of {0}\n{2}",
            self.name,
            last_lines(&self.stdout()),
            last_lines(&self.stderr())
        )
    }

    /// Waits until a line of the standard error contains the text, and returns that line.
    #[track_caller]
    pub fn wait_for_line(&self, text: &str, deadline: Duration) -> String {
        self.wait_for(deadline, &format!("a line with '{text}'"), || {
            let stderr = self.stderr();
            let line = stderr
                .lines()
                .find(|line| line.contains(text))
                .map(str::to_owned);
            line.ok_or_else(|| "no such line".to_owned())
        })
    }

    /// Waits until a page answers with status 200 and returns its body.
    #[track_caller]
    pub fn wait_for_page(&self, url: &str, deadline: Duration) -> String {
        self.wait_for(deadline, url, || http::get_ok(url, &[]))
    }

    /// Waits for a condition that only a living process can bring about: its end ends the wait.
    #[track_caller]
    pub fn wait_for<T>(
        &self,
        deadline: Duration,
        what: &str,
        mut attempt: impl FnMut() -> Result<T, String>,
    ) -> T {
        eventually(deadline, what, || {
            // Looked at before the attempt: what a process did last still counts.
            let exit = self.exit_code();
            attempt().map_err(|failure| {
                assert!(
                    exit.is_none(),
                    "{what}: it ended with {exit:?}\n{}",
                    self.tail()
                );
                format!("{failure}\n{}", self.tail())
            })
        })
    }

    /// Sends a signal; to a process that has ended it does nothing.
    pub fn send(&mut self, signal: Signal) {
        if let Some(signals) = &mut self.signals
            && let Err(error) = writeln!(signals, "{}", signal.name())
        {
            panic!("cannot send {signal:?} to {}: {error}", self.name);
        }
    }

    /// The exit code of a process that has ended, as shells tell it: 128 and the number of the
    /// signal if one ended it.
    pub fn exit_code(&self) -> Option<i32> {
        self.read("exit").and_then(|code| code.trim().parse().ok())
    }

    /// Waits until the process has ended and returns its exit code.
    #[track_caller]
    pub fn wait(&self, deadline: Duration) -> i32 {
        eventually(deadline, &format!("the end of {}", self.name), || {
            self.exit_code()
                .ok_or_else(|| format!("it still runs\n{}", self.tail()))
        })
    }

    fn read(&self, file: &str) -> Option<String> {
        let bytes = fs::read(self.folder.join(file)).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}", self.tail());
        }
        drop(self.signals.take());
        let started = Instant::now();
        while matches!(self.keeper.try_wait(), Ok(None)) {
            if started.elapsed() > CLEAN_UP {
                eprintln!("{} in {} does not end", self.name, self.folder.display());
                return;
            }
            thread::sleep(super::LOOK_EVERY);
        }
        // The keeper has done it, unless it was itself killed.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn keeper_of(folder: &Path, command: &Command) -> Command {
    let mut keeper = Command::new("/bin/sh");
    keeper.args(["-c", KEEPER, "keeper"]).arg(folder);
    keeper.arg(command.get_program()).args(command.get_args());
    keeper.current_dir(command.get_current_dir().unwrap_or(folder));
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => keeper.env(name, value),
            None => keeper.env_remove(name),
        };
    }
    // Inherited outputs would keep the pipes of the test runner open.
    keeper
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0);
    keeper
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}
