//! `tenure run`: consume and serve until a signal.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use crate::command::check::IN_THE_CLEAR;
use crate::command::configuration::{ConfigurationArgs, WebArgs};
use crate::command::explain::plain_settings;
use crate::command::serving::{Work, serve};
use crate::command::{Failure, log};
use crate::config::Settings;
use crate::engine::{Engine, StartError, Terms};
use crate::ledger::corrections::Corrections;
use crate::serve::access::Access;
use crate::serve::api::{Api, Token};
use crate::serve::http::Endpoint;
use crate::telemetry::Telemetry;

const EXAMPLES: &str = "\
Examples:
  # Defaults: localhost:9092, topic customer-events, http://0.0.0.0:9736/metrics
  tenure run

  tenure run --config /etc/tenure/tenure.yaml

  # Settings come from the environment and from flags too
  TENURE_KAFKA_BOOTSTRAP_SERVERS=kafka:9092 tenure run --set inactivity_timeout=90d

  # Part of the log is gone for good (tenure_shard_degraded): go on with what there is
  tenure run --config /etc/tenure/tenure.yaml --accept-history-loss
";

/// Consume events and serve the metrics page
#[derive(Debug, Clone, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct RunArgs {
    #[command(flatten)]
    pub configuration: ConfigurationArgs,

    #[command(flatten)]
    pub web: WebArgs,

    /// Go on although part of the log is lost: what is known stays, customers from before count as
    /// unknown, and the loss is noted in the state
    #[arg(long)]
    pub accept_history_loss: bool,

    /// Go on although the number of partitions changed since the state was made: only right if no
    /// customer's events moved to another partition
    #[arg(long)]
    pub accept_new_partitions: bool,
}

/// Runs until SIGTERM or Ctrl-C, which are a success; a second one ends the process at once.
pub fn run(args: &RunArgs) -> Result<(), Failure> {
    let settings = args.configuration.load_serving(&args.web, None)?;
    let terms = Terms {
        accept_history_loss: args.accept_history_loss,
        accept_new_partitions: args.accept_new_partitions,
        ..Terms::default()
    };
    service(&settings, terms, |_| Ok(()))
}

/// The service with these settings; `listening` is called once with the address.
///
/// Does not return before a signal, except on failure.
pub fn service(
    settings: &Settings,
    terms: Terms,
    listening: impl FnOnce(SocketAddr) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let telemetry = Telemetry::new().map_err(|error| Failure::work(error.to_string()))?;
    telemetry.configured(&settings.hash(), &settings.definition_hash());
    let telemetry = Arc::new(telemetry);
    log::start(settings.log, &telemetry);
    introduce(settings);
    let grace = settings.shutdown_grace;
    serve(settings.listen, grace, |address| {
        let token = settings.cluster.token.as_ref();
        let access = Access::of(settings.api.open, settings.web.clone())
            .with_peers(token.map(|token| Token::new(token.reveal())));
        let reached_at = advertised(settings, access.scheme(), address);
        let engine = Engine::start(settings, terms, reached_at, Arc::clone(&telemetry)).map_err(
            |error| match error {
                StartError::Client(_)
                | StartError::Store(_)
                | StartError::Registry(_)
                | StartError::Peers(_) => Failure::configuration(error.to_string()),
                StartError::Thread(_) => Failure::work(error.to_string()),
            },
        )?;
        introduce_access(settings, &access, address);
        listening(address)?;
        let endpoint = Endpoint {
            api: Some(api(settings, &engine)),
            peers: token.map(|_| engine.peers()),
            access,
            ..Endpoint::new(telemetry, engine.live())
        };
        Ok((engine, endpoint))
    })
}

/// Where other instances reach this one, if it is not configured: at the machine's name, unless one
/// address is listened on.
fn advertised(settings: &Settings, scheme: &str, address: SocketAddr) -> String {
    if let Some(url) = &settings.cluster.advertise {
        return url.clone();
    }
    if !address.ip().is_unspecified() {
        return format!("{scheme}://{address}");
    }
    let name = rustix::system::uname();
    let name = name.nodename().to_string_lossy();
    format!("{scheme}://{name}:{}", address.port())
}

impl Work for Engine {
    const UNDONE: &str = "what was not yet in a checkpoint is read again";

    fn failure(&self) -> Option<String> {
        self.live().failure().map(str::to_owned)
    }

    fn stop(self, until: Instant) -> bool {
        Self::stop(self, until)
    }
}

/// What the API serves: numbers to everybody, single customers to who shows the token.
fn api(settings: &Settings, engine: &Engine) -> Api {
    let mut shown = plain_settings(settings);
    shown.retain(|setting| setting.key != "customer_digest_key_file");
    let token = settings.api.token.as_ref();
    Api {
        archive: engine.archive(),
        settings: shown,
        definition_hash: settings.definition_hash(),
        evaluation: settings.evaluation.clone(),
        dimensions: settings.fold.dimensions.clone(),
        token: token
            .filter(|_| settings.api.customers)
            .map(|token| Token::new(token.reveal())),
    }
}

fn introduce(settings: &Settings) {
    tracing::info!(
        version = crate::telemetry::VERSION,
        kafka = settings.kafka.bootstrap_servers,
        topics = settings.kafka.topics.join(","),
        "tenure starts"
    );
    for setting in settings.describe() {
        let (key, value, origin) = (&setting.key, &setting.value, &setting.origin);
        tracing::debug!(%key, %value, %origin, "setting");
    }
    match &settings.dead_letters.topic {
        Some(topic) => tracing::info!(
            topic,
            "rejected records are written to the dead-letter topic (dead_letters.topic)"
        ),
        None => tracing::warn!(
            "rejected records are counted by reason and logged without their content, not kept: no \
             dead-letter topic is configured"
        ),
    }
    match &settings.state.url {
        Some(url) => tracing::info!(
            %url,
            interval = ?settings.state.interval,
            keep = settings.state.keep,
            "checkpoints (state.url)"
        ),
        None => tracing::info!(
            "the state is in memory only, and every start reads the topics again: state.url is null"
        ),
    }
    tracing::info!(
        on = settings.api.customers,
        "looking up single customers (api.customers)"
    );
    introduce_router(settings);
    introduce_peers(settings);
    introduce_corrections(&settings.fold.corrections);
    if settings.built_in_digest_key {
        tracing::warn!(
            "customer ids are kept as digests with a key that everybody knows: configure \
             customer_digest_key_file"
        );
    }
}

fn introduce_router(settings: &Settings) {
    let router = &settings.router;
    let Some(to) = &router.to else {
        return;
    };
    tracing::info!(
        from = router.from.join(","),
        to,
        here = router.inside,
        "what is read is routed (router.to)"
    );
}

fn introduce_peers(settings: &Settings) {
    if settings.cluster.token.is_some() {
        tracing::info!("other instances may ask what this one has (cluster.token_file)");
    }
    if settings.tells_customers_in_the_clear() {
        tracing::warn!("{IN_THE_CLEAR}");
    }
}

pub(super) fn introduce_access(settings: &Settings, access: &Access, address: SocketAddr) {
    let url = format!("{}://{address}", access.scheme());
    tracing::info!(%address, url, "listening");
    let local = address.ip().to_canonical().is_loopback();
    match (access.authenticates(), settings.api.open) {
        (true, _) => tracing::info!(
            "everything is for the users and certificates of the web config file alone \
             (web.config_file)"
        ),
        (false, true) if !local => tracing::warn!(
            "whoever can connect can read all numbers: api.open is true, and no users are \
             configured (web.config_file)"
        ),
        (false, true) => {}
        (false, false) => tracing::info!(
            "the console and the API are for this machine alone, the metrics page for everybody \
             (api.open, web.config_file)"
        ),
    }
}

/// Corrections that are named in the log at the start; of more there is the number.
const NAMED_CORRECTIONS: usize = 20;

fn introduce_corrections(corrections: &Corrections) {
    let given = corrections.given();
    for correction in given.iter().take(NAMED_CORRECTIONS) {
        let note = &correction.note;
        tracing::info!(note, skips = %correction, "a correction is in force");
    }
    if given.len() > NAMED_CORRECTIONS {
        tracing::info!(corrections = given.len(), "corrections are in force");
    }
}
