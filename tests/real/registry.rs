//! Apicurio Registry, a schema registry that speaks the protocol of Confluent's.
//!
//! Owns a server with its database on disk, its start and end, and the registration of schemas.
//! Promises that a server that comes back has the address and the schemas that it had. Deliberately
//! knows no records.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{env, fs};

use serde_json::{Value, json};
use ureq::Agent;

use super::folder::KeptFolder;
use super::process::{Process, Signal, new_folder};
use super::{eventually, free_ports, http, installed};

/// The jars that `scripts/test` fetches; their names say the release.
const JARS: &str = include_str!("../../scripts/registry/jars.sha256");

/// It takes four seconds on a machine of its own.
const START: Duration = Duration::from_secs(90);

/// Somebody else can take a port between picking it and listening on it.
const START_ATTEMPTS: usize = 3;

/// A server, killed and removed on drop.
#[derive(Debug)]
pub struct Registry {
    port: u16,
    folder: KeptFolder,
    process: Option<Process>,
}

impl Registry {
    /// Starts a server without schemas and waits until it answers.
    pub fn start() -> Self {
        for _ in 1..START_ATTEMPTS {
            if let Ok(registry) = Self::try_start() {
                return registry;
            }
        }
        let started = Self::try_start();
        started.unwrap_or_else(|failure| panic!("the schema registry did not start: {failure}"))
    }

    fn try_start() -> Result<Self, String> {
        let [port] = free_ports();
        let mut registry = Self {
            port,
            folder: KeptFolder::new("registry"),
            process: None,
        };
        registry.try_boot()?;
        Ok(registry)
    }

    /// The address to configure.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/apis/ccompat/v7", self.port)
    }

    /// Ends the server as a power cut would; what was registered stays.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.send(Signal::Kill);
            process.wait(START);
        }
    }

    /// Starts it again where it was and with what it had.
    pub fn boot(&mut self) {
        let booted = self.try_boot();
        booted.unwrap_or_else(|failure| panic!("the schema registry did not come back: {failure}"));
    }

    /// An error is the end of the process before it answered.
    fn try_boot(&mut self) -> Result<(), String> {
        let command = server(self.port, self.folder.path());
        let process = Process::start(new_folder("registry-process"), &command);
        let url = format!("{}/subjects", self.url());
        eventually(START, "the schema registry to answer", || {
            match process.exit_code() {
                Some(code) => Ok(Err(format!("exit code {code}\n{}", process.tail()))),
                None => http::get_ok(&url, &[]).map(|_| Ok(())),
            }
        })?;
        self.process = Some(process);
        Ok(())
    }

    /// Registers a schema and answers its id; references are names with subjects, each in its first
    /// version.
    pub fn register(
        &self,
        subject: &str,
        kind: &str,
        schema: &str,
        references: &[(&str, &str)],
    ) -> u32 {
        let references: Vec<Value> = references
            .iter()
            .map(|(name, subject)| json!({"name": name, "subject": subject, "version": 1}))
            .collect();
        let body = json!({"schemaType": kind, "schema": schema, "references": references});
        let url = format!("{}/subjects/{subject}/versions", self.url());
        let agent: Agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(30)))
            .build()
            .into();
        let request = agent
            .post(&url)
            .header("Content-Type", "application/vnd.schemaregistry.v1+json");
        let mut response = request
            .send(body.to_string())
            .unwrap_or_else(|error| panic!("{url}: {error}"));
        let answer = response.body_mut().read_to_string();
        let answer = answer.unwrap_or_else(|error| panic!("{url}: {error}"));
        let id = serde_json::from_str::<Value>(&answer).ok();
        let id = id.and_then(|answer| u32::try_from(answer["id"].as_u64()?).ok());
        id.unwrap_or_else(|| panic!("{subject} was not registered: {answer}"))
    }
}

fn server(port: u16, folder: &Path) -> Command {
    let mut server = Command::new(java());
    server
        .args(["-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"])
        .arg("-Dquarkus.http.host=127.0.0.1")
        .arg(format!("-Dquarkus.http.port={port}"))
        .args([
            "-Dapicurio.storage.kind=sql",
            "-Dapicurio.storage.sql.kind=h2",
        ])
        .arg(format!(
            "-Dapicurio.datasource.url=jdbc:h2:file:{}/registry",
            folder.display()
        ))
        .arg("-jar")
        .arg(runner())
        .current_dir(folder);
    server
}

/// The jar to run, which finds the others beside it.
fn runner() -> PathBuf {
    let name = JARS
        .lines()
        .filter_map(|line| line.split_whitespace().last())
        .find(|name| name.ends_with("-runner.jar"));
    let name = name.unwrap_or_else(|| panic!("no jar to run is listed"));
    let version = name
        .trim_start_matches("apicurio-registry-app-")
        .trim_end_matches("-runner.jar");
    let folder = installed("TENURE_REGISTRY", &format!("apicurio-{version}"), None);
    let runner = folder.join(name);
    // Where the process runs is not where the test does.
    fs::canonicalize(&runner).unwrap_or_else(|error| panic!("{}: {error}", runner.display()))
}

fn java() -> PathBuf {
    let home = env::var_os("JAVA_HOME").map(PathBuf::from);
    home.map_or_else(|| PathBuf::from("java"), |home| home.join("bin/java"))
}
