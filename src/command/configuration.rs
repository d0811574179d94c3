//! The flags that every command with a configuration has.

use std::path::{Path, PathBuf};

use crate::command::Failure;
use crate::config::{Complaints, Override, Settings, Sources, load};

/// Where the configuration comes from: flags over `TENURE_*` environment over file over defaults.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Configuration")]
pub struct ConfigurationArgs {
    /// Configuration file (YAML); without one, defaults are used
    #[arg(long, short, value_name = "FILE", env = "TENURE_CONFIG")]
    pub config: Option<PathBuf>,

    /// Any setting by its dotted key; lists separated by commas; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = assignment)]
    pub set: Vec<(String, String)>,

    /// Address of the HTTP endpoint (listen)
    #[arg(long, value_name = "ADDRESS", alias = "web.listen-address")]
    pub listen: Option<String>,

    /// Brokers to begin with, comma-separated (kafka.bootstrap_servers)
    #[arg(long, value_name = "HOST:PORT")]
    pub bootstrap_servers: Option<String>,

    /// Topics to read, comma-separated (kafka.topics)
    #[arg(long, value_name = "TOPIC")]
    pub topics: Option<String>,

    /// Level of the log: error, warn, info, debug or trace (log.level)
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<String>,

    /// Form of the log: text or json (log.format)
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<String>,
}

/// What commands have that know the endpoint.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Configuration")]
pub struct WebArgs {
    /// TLS, client certificates and users, in the format of Prometheus exporters (web.config_file)
    #[arg(long = "web.config.file", value_name = "FILE")]
    pub web_config_file: Option<String>,
}

impl ConfigurationArgs {
    /// The same as [`Self::load`], with the flags about the endpoint, and others of the command's own,
    /// which win.
    pub fn load_serving(
        &self,
        web: &WebArgs,
        others: impl IntoIterator<Item = Override>,
    ) -> Result<Settings, Failure> {
        let own = web.web_config_file.clone().map(|text| Override {
            key: "web.config_file".to_owned(),
            text,
            flag: "--web.config.file".to_owned(),
        });
        let settings = self.load_with(own.into_iter().chain(others))?;
        eprint!("{}", settings.warnings);
        Ok(settings)
    }

    /// Reads and checks the settings. Warnings go to stderr.
    ///
    /// # Errors
    /// With every complaint at once, each at its place.
    pub fn load(&self) -> Result<Settings, Failure> {
        let settings = self.load_quietly()?;
        eprint!("{}", settings.warnings);
        Ok(settings)
    }

    /// The same, with the warnings left in the settings.
    pub fn load_quietly(&self) -> Result<Settings, Failure> {
        self.load_with(None)
    }

    /// The same, with values of a command's own flags, which win.
    pub fn load_with(&self, own: impl IntoIterator<Item = Override>) -> Result<Settings, Failure> {
        let flags = self.overrides().into_iter().chain(own).collect();
        load(&Sources::of_process(self.config.clone(), flags))
            .map_err(|complaints| Failure::configuration(complaints.to_string()))
    }

    /// Reads the settings as if the configuration file held this text.
    ///
    /// # Errors
    /// With every complaint at once.
    pub fn load_as_if(&self, text: &str) -> Result<Settings, Complaints> {
        let sources = Sources::of_process(self.config.clone(), self.overrides());
        let read = |path: &Path, most: u64| {
            if Some(path) == self.config.as_deref() {
                return Ok(text.as_bytes().to_vec());
            }
            (sources.read_file)(path, most)
        };
        load(&Sources {
            file: sources.file.clone(),
            environment: sources.environment.clone(),
            flags: sources.flags.clone(),
            read_file: &read,
        })
    }

    fn overrides(&self) -> Vec<Override> {
        let named = [
            ("listen", "--listen", &self.listen),
            (
                "kafka.bootstrap_servers",
                "--bootstrap-servers",
                &self.bootstrap_servers,
            ),
            ("kafka.topics", "--topics", &self.topics),
            ("log.level", "--log-level", &self.log_level),
            ("log.format", "--log-format", &self.log_format),
        ];
        let named = named.into_iter().filter_map(|(key, flag, text)| {
            let text = text.clone()?;
            Some(Override {
                key: key.to_owned(),
                text,
                flag: flag.to_owned(),
            })
        });
        let set = self.set.iter().map(|(key, text)| Override {
            key: key.clone(),
            text: text.clone(),
            flag: "--set".to_owned(),
        });
        set.chain(named).collect()
    }
}

fn assignment(text: &str) -> Result<(String, String), String> {
    let (key, value) = text
        .split_once('=')
        .ok_or("give it as KEY=VALUE, as in history=400d")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}
