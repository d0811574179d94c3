//! `tenure run`: consume and serve until a signal.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use crate::command::configuration::ConfigurationArgs;
use crate::command::explain::plain_settings;
use crate::command::signal::Termination;
use crate::command::{Failure, log};
use crate::config::Settings;
use crate::engine::{Engine, StartError};
use crate::serve::api::{Api, Token};
use crate::serve::http::{self, Endpoint};
use crate::telemetry::Telemetry;

const EXAMPLES: &str = "\
Examples:
  # Defaults: localhost:9092, topic customer-events, http://0.0.0.0:9736/metrics
  tenure run

  tenure run --config /etc/tenure/tenure.yaml

  # Settings come from the environment and from flags too
  TENURE_KAFKA_BOOTSTRAP_SERVERS=kafka:9092 tenure run --set inactivity_timeout=90d
";

/// How long the threads may take to end before the process ends without them.
const GRACE: Duration = Duration::from_millis(1500);
/// How often it is looked whether everything is still at work.
const PULSE: Duration = Duration::from_millis(200);

/// Consume events and serve the metrics page
#[derive(Debug, Clone, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct RunArgs {
    #[command(flatten)]
    pub configuration: ConfigurationArgs,
}

/// Runs until SIGTERM or Ctrl-C, which are a success; a second one ends the process at once.
pub fn run(args: &RunArgs) -> Result<(), Failure> {
    let settings = args.configuration.load()?;
    service(&settings, |_| Ok(()))
}

/// The service with these settings; `listening` is called once with the address.
///
/// Does not return before a signal, except on failure.
pub fn service(
    settings: &Settings,
    listening: impl FnOnce(std::net::SocketAddr) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let telemetry = Telemetry::new().map_err(|error| Failure::work(error.to_string()))?;
    telemetry.configured(&settings.hash(), &settings.definition_hash());
    let telemetry = Arc::new(telemetry);
    log::start(settings.log, &telemetry);
    introduce(settings);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("http")
        .enable_all()
        .build()
        .map_err(|error| Failure::work(format!("could not start the HTTP side: {error}")))?;
    runtime.block_on(async {
        let listener = TcpListener::bind(settings.listen).await.map_err(|error| {
            Failure::unavailable(format!(
                "could not listen on {}: {error}; choose another address with --listen",
                settings.listen
            ))
        })?;
        let address = listener
            .local_addr()
            .map_err(|error| Failure::work(error.to_string()))?;
        let termination = Termination::watch().map_err(|error| Failure::work(error.to_string()))?;
        let engine =
            Engine::start(settings, Arc::clone(&telemetry)).map_err(|error| match error {
                StartError::Client(_) => Failure::configuration(error.to_string()),
                StartError::Thread(_) => Failure::work(error.to_string()),
            })?;
        tracing::info!(%address, "listening");
        listening(address)?;
        let endpoint = Endpoint {
            api: Some(api(settings, &engine)),
            ..Endpoint::new(telemetry, engine.live())
        };
        serve_until_the_end(listener, engine, endpoint, termination).await
    })
}

async fn serve_until_the_end(
    listener: TcpListener,
    engine: Engine,
    endpoint: Endpoint,
    mut termination: Termination,
) -> Result<(), Failure> {
    let live = engine.live();
    let (ended, end) = tokio::sync::oneshot::channel();
    let shutdown = async {
        let cause = tokio::select! {
            name = termination.wait() => Ok(name),
            reason = failed(&live) => Err(reason),
        };
        // Nobody waits for it once the server is gone.
        let _ = ended.send(cause);
    };
    http::run(listener, endpoint, shutdown).await;
    let cause = end.await.unwrap_or(Ok("the end of the server"));
    if let Ok(signal) = cause {
        tracing::info!(signal, "stopping; a second signal ends at once");
        tokio::spawn(async move {
            termination.wait().await;
            std::process::exit(1);
        });
    }
    if !engine.stop(GRACE) {
        tracing::warn!("some threads did not end in time, going without them");
    }
    match cause {
        Ok(_) => {
            tracing::info!("stopped");
            // The client's own clean-up can wait for brokers that are gone; there is nothing in it
            // that the state needs.
            std::process::exit(0);
        }
        Err(reason) => Err(Failure::work(reason)),
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

/// Completes once the engine cannot go on, with the reason.
async fn failed(live: &crate::engine::live::Live) -> String {
    loop {
        if let Some(reason) = live.failure() {
            return reason.to_owned();
        }
        tokio::time::sleep(PULSE).await;
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
    tracing::warn!(
        "rejected records are counted by reason and logged without their content, not kept: no \
         dead-letter topic is configured"
    );
    tracing::info!(
        on = settings.api.customers,
        "looking up single customers (api.customers)"
    );
    if settings.built_in_digest_key {
        tracing::warn!(
            "customer ids are kept as digests with a key that everybody knows: configure \
             customer_digest_key_file"
        );
    }
}
