//! Alertmanager, the real server, with a receiver of its messages in the test.
//!
//! Owns a server with a configuration that is handed over, and a listener to which its webhooks
//! go. Promises the messages as they were posted. Deliberately knows no alert.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde::Deserialize;

use super::process::{Process, new_folder};
use super::{eventually, free_ports, http, installed};

const START: Duration = Duration::from_mins(1);

/// Somebody else can take a port between picking it and listening on it.
const START_ATTEMPTS: usize = 3;

/// How long a sender may take over its message.
const MESSAGE: Duration = Duration::from_secs(5);

/// An alert as Alertmanager holds it.
#[derive(Clone, Debug, Deserialize)]
pub struct HeldAlert {
    pub labels: BTreeMap<String, String>,
    pub status: Status,
}

/// Whether anybody is told of an alert.
#[derive(Clone, Debug, Deserialize)]
pub struct Status {
    /// `active`, `suppressed` or `unprocessed`.
    pub state: String,
    /// The fingerprints of the alerts that hold it back.
    #[serde(rename = "inhibitedBy")]
    pub inhibited_by: Vec<String>,
}

/// A running server, killed and removed on drop.
#[derive(Debug)]
pub struct Alertmanager {
    address: SocketAddr,
    process: Process,
}

impl Alertmanager {
    /// Starts a server with this configuration and waits until it answers.
    pub fn start(configuration: &str) -> Self {
        for _ in 1..START_ATTEMPTS {
            if let Ok(alertmanager) = Self::try_start(configuration) {
                return alertmanager;
            }
        }
        let started = Self::try_start(configuration);
        started.unwrap_or_else(|failure| panic!("Alertmanager did not start: {failure}"))
    }

    /// An error is the end of the process before it answered.
    fn try_start(configuration: &str) -> Result<Self, String> {
        let [port] = free_ports();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let folder = new_folder("alertmanager");
        let settings = folder.path().join("alertmanager.yml");
        fs::write(&settings, configuration)
            .unwrap_or_else(|error| panic!("cannot write {}: {error}", settings.display()));
        let mut server = Command::new(program(folder.path()));
        server
            .arg("--config.file=alertmanager.yml")
            .arg("--storage.path=data")
            // One server alone: no port for others of its kind.
            .arg("--cluster.listen-address=")
            .arg(format!("--web.listen-address={address}"));
        let process = Process::start(folder, &server);
        eventually(START, "Alertmanager to be ready", || {
            match process.exit_code() {
                Some(code) => Ok(Err(format!("exit code {code}\n{}", process.tail()))),
                None => http::get_ok(&format!("http://{address}/-/ready"), &[]).map(Ok),
            }
        })?;
        Ok(Self { address, process })
    }

    /// Where alerts are sent to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The alerts of that name that it holds, told of or not.
    pub fn alerts(&self, name: &str) -> Result<Vec<HeldAlert>, String> {
        let url = format!("http://{}/api/v2/alerts", self.address);
        let filter = format!("alertname=\"{name}\"");
        let body = http::get_ok(&url, &[("filter", &filter)])?;
        serde_json::from_str(&body).map_err(|error| format!("{error}: {body}"))
    }

    /// Waits until it holds alerts of that name that fit.
    #[track_caller]
    pub fn wait_for_alerts(
        &self,
        name: &str,
        deadline: Duration,
        fits: impl Fn(&[HeldAlert]) -> bool,
    ) -> Vec<HeldAlert> {
        self.process
            .wait_for(deadline, &format!("alerts named {name}"), || {
                let alerts = self.alerts(name)?;
                if fits(&alerts) {
                    Ok(alerts)
                } else {
                    Err(format!("they are {alerts:?}"))
                }
            })
    }
}

/// Where Debian's server looks for its templates.
const TEMPLATES: &str = "/usr/share/prometheus/alertmanager";
const TEMPLATE: &str = "default.tmpl";

/// The server. Debian's looks for its templates where the package installs them; where it is only
/// unpacked, a copy is made that looks into the folder in which it runs.
fn program(folder: &Path) -> PathBuf {
    let program = installed(
        "TENURE_ALERTMANAGER",
        "alertmanager/usr/bin/prometheus-alertmanager",
        Some("alertmanager"),
    );
    let unpacked = program
        .ancestors()
        .nth(3)
        .map(|root| root.join(&TEMPLATES[1..]))
        .filter(|templates| templates.join(TEMPLATE).exists());
    let Some(templates) = unpacked.filter(|_| !Path::new(TEMPLATES).join(TEMPLATE).exists()) else {
        return program;
    };
    for entry in
        fs::read_dir(templates).unwrap_or_else(|error| panic!("the folder of templates: {error}"))
    {
        let path = entry
            .unwrap_or_else(|error| panic!("a template: {error}"))
            .path();
        if path
            .extension()
            .is_some_and(|extension| extension == "tmpl")
        {
            let name = path.file_name().unwrap_or_default();
            fs::copy(&path, folder.join(name))
                .unwrap_or_else(|error| panic!("a copy of a template: {error}"));
        }
    }
    let mut bytes = fs::read(&program).unwrap_or_else(|error| panic!("the server: {error}"));
    // As long as the other, so that nothing in the program moves.
    let here = "./".repeat(TEMPLATES.len() / 2);
    assert_eq!(here.len(), TEMPLATES.len());
    let mut at = 0;
    while let Some(found) = position_of(&bytes[at..], TEMPLATES.as_bytes()) {
        at += found;
        bytes[at..at + here.len()].copy_from_slice(here.as_bytes());
    }
    let copy = folder.join("alertmanager");
    fs::write(&copy, bytes).unwrap_or_else(|error| panic!("a copy of the server: {error}"));
    fs::set_permissions(&copy, Permissions::from_mode(0o755))
        .unwrap_or_else(|error| panic!("a program: {error}"));
    copy
}

/// Where a text begins, if it is there.
fn position_of(bytes: &[u8], text: &[u8]) -> Option<usize> {
    let (first, rest) = text.split_first()?;
    let mut from = 0;
    loop {
        let at = from + bytes[from..].iter().position(|byte| byte == first)?;
        if bytes[at + 1..].starts_with(rest) {
            return Some(at);
        }
        from = at + 1;
    }
}

/// An alert in a message.
#[derive(Clone, Debug, Deserialize)]
pub struct ToldAlert {
    /// `firing` or `resolved`.
    pub status: String,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
}

/// What a receiver is told, with the path to which it was posted.
#[derive(Clone, Debug)]
pub struct Message {
    pub path: String,
    pub alerts: Vec<ToldAlert>,
}

#[derive(Deserialize)]
struct Body {
    alerts: Vec<ToldAlert>,
}

type Messages = Arc<Mutex<Vec<Result<Message, String>>>>;

/// A server that takes the messages of Alertmanager until it is dropped.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    over: Arc<AtomicBool>,
    messages: Messages,
    thread: Option<JoinHandle<()>>,
}

impl Receiver {
    /// Listens on a free port of the loopback interface.
    pub fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .unwrap_or_else(|error| panic!("a free port: {error}"));
        let address = listener
            .local_addr()
            .unwrap_or_else(|error| panic!("an address: {error}"));
        let (over, messages) = (Arc::new(AtomicBool::new(false)), Messages::default());
        let thread = {
            let (over, messages) = (Arc::clone(&over), Arc::clone(&messages));
            thread::spawn(move || {
                for stream in listener.incoming() {
                    if over.load(Ordering::Relaxed) {
                        return;
                    }
                    let message = stream.map_err(|error| error.to_string()).and_then(take);
                    let mut all = messages.lock().unwrap_or_else(PoisonError::into_inner);
                    all.push(message);
                }
            })
        };
        Self {
            address,
            over,
            messages,
            thread: Some(thread),
        }
    }

    /// Where messages with that path are posted to.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// All messages so far.
    pub fn messages(&self) -> Vec<Message> {
        let messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        let all: Result<Vec<Message>, String> = messages.iter().cloned().collect();
        all.unwrap_or_else(|failure| panic!("not a message of Alertmanager: {failure}"))
    }

    /// Waits until somebody is told of a firing alert of that name, and says by which path.
    #[track_caller]
    pub fn wait_for(&self, name: &str, deadline: Duration) -> (String, ToldAlert) {
        eventually(deadline, &format!("a message about {name}"), || {
            let messages = self.messages();
            let told = messages.iter().find_map(|message| {
                let alert = message
                    .alerts
                    .iter()
                    .find(|alert| alert.status == "firing" && alert.labels["alertname"] == name)?;
                Some((message.path.clone(), alert.clone()))
            });
            told.ok_or_else(|| format!("there are {messages:?}"))
        })
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // Wakes the listener, which then sees that it is over.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Reads one request and answers it.
fn take(mut stream: TcpStream) -> Result<Message, String> {
    let failed = |error: std::io::Error| error.to_string();
    stream.set_read_timeout(Some(MESSAGE)).map_err(failed)?;
    let mut reader = BufReader::new(stream.try_clone().map_err(failed)?);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).map_err(failed)?;
        if line.trim().is_empty() {
            break;
        }
        head.push(line.trim().to_owned());
    }
    let path = head.first().and_then(|line| line.split(' ').nth(1));
    let path = path.ok_or("no request line")?.to_owned();
    let length = head.iter().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let length = name.eq_ignore_ascii_case("content-length");
        length.then(|| value.trim().parse().ok())?
    });
    let mut body = vec![0; length.ok_or("no length")?];
    reader.read_exact(&mut body).map_err(failed)?;
    stream
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        .map_err(failed)?;
    let body: Body = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
    Ok(Message {
        path,
        alerts: body.alerts,
    })
}
