//! `tenure route`: route and answer over HTTP until a signal, or until what was there is routed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::error::KafkaError;

use crate::command::configuration::{ConfigurationArgs, WebArgs};
use crate::command::run::introduce_access;
use crate::command::serving::{Work, serve};
use crate::command::{Failure, log};
use crate::config::{Override, Settings};
use crate::engine::admission::with_registry;
use crate::kafka::routed::RoutedWatch;
use crate::registry::Registry;
use crate::router::goal::Goal;
use crate::router::{Router, kafka_settings};
use crate::serve::access::Access;
use crate::serve::http::Endpoint;
use crate::serve::readiness::{Obstacle, Readiness};
use crate::serve::{Published, Source};
use crate::telemetry::Telemetry;
use crate::telemetry::partition::PartitionStatus;

const EXAMPLES: &str = "\
Examples:
  # The file has router: { to: tenure-events, inside: false }; `tenure run` reads it too, elsewhere
  tenure route --config /etc/tenure/tenure.yaml

  # Both on one machine
  tenure route --config tenure.yaml --listen 127.0.0.1:9737

  # A topic that has more partitions now: all of it into a new one, and again for what came since
  tenure route --config tenure.yaml --topics customer-events --to customer-events-24 \\
    --partitions 24 --until-caught-up --listen 127.0.0.1:9737
";

const NOTES: &str = "\
Reads the topics under kafka.topics as a member of the consumer group <kafka.group_id>-router, makes
events of their records, and writes these to the topic under router.to, keyed by the customer id.
Several processes share the work. With --to the group is <kafka.group_id>-<to>-router, so that each
topic that is written to gets everything once. Needs READ on the topics and the group, WRITE and,
the first time, CREATE on the topic that is written to; see docs/router.md.";

/// How often it is looked whether the threads have ended.
const LOOK: Duration = Duration::from_millis(5);

/// Route events to the topic that the service reads, keyed by customer
#[derive(Debug, Clone, clap::Args)]
#[command(before_help = EXAMPLES, after_help = NOTES)]
pub struct RouteArgs {
    #[command(flatten)]
    pub configuration: ConfigurationArgs,

    #[command(flatten)]
    pub web: WebArgs,

    /// Topic to write to, of its own group of routers (router.to)
    #[arg(long, value_name = "TOPIC")]
    pub to: Option<String>,

    /// Partitions of that topic (router.partitions)
    #[arg(long, value_name = "N", requires = "to")]
    pub partitions: Option<String>,

    /// End with success once everything is routed that was there at the start
    #[arg(long)]
    pub until_caught_up: bool,
}

impl RouteArgs {
    fn settings(&self) -> Result<Settings, Failure> {
        let named = [
            ("router.to", "--to", &self.to),
            ("router.partitions", "--partitions", &self.partitions),
        ];
        let own = named.into_iter().filter_map(|(key, flag, text)| {
            let text = text.clone()?;
            Some(Override {
                key: key.to_owned(),
                text,
                flag: flag.to_owned(),
            })
        });
        let mut settings = self.configuration.load_serving(&self.web, own)?;
        if let Some(to) = &self.to {
            // What another group has committed says nothing of what is in this topic.
            settings.kafka.group_id = format!("{}-{to}", settings.kafka.group_id);
            // A service that routes does so to where its own settings say.
            settings.router.inside = false;
        }
        Ok(settings)
    }
}

/// Runs until SIGTERM or Ctrl-C, or until it is done, which are a success; another signal then ends the
/// process at once.
pub fn run(args: &RouteArgs) -> Result<(), Failure> {
    let settings = args.settings()?;
    let telemetry = Telemetry::new().map_err(|error| Failure::work(error.to_string()))?;
    telemetry.configured(&settings.hash(), &settings.definition_hash());
    let telemetry = Arc::new(telemetry);
    let Some(router) = Router::new(&settings, Arc::clone(&telemetry)) else {
        return Err(Failure::configuration(
            "there is nothing to route: `router.to` is not set; name the topic that the events are \
             to be written to",
        ));
    };
    log::start(settings.log, &telemetry);
    introduce(&settings);
    let registry = Registry::new(&settings.schema_registry, Arc::clone(&telemetry));
    let registry = registry.map_err(|reason| {
        Failure::configuration(format!("the schema registry cannot be asked: {reason}"))
    })?;
    let registry = registry.map(Arc::new);
    let router = match &registry {
        Some(registry) => with_registry(router, registry),
        None => router,
    };
    let refused = |error: KafkaError| {
        Failure::configuration(format!(
            "the Kafka client refuses its configuration (kafka.properties): {error}"
        ))
    };
    let watch = RoutedWatch::new(kafka_settings(&settings), Arc::clone(&telemetry), None);
    let watch = watch.map_err(refused)?;
    let goal = args
        .until_caught_up
        .then(|| Goal::new(&kafka_settings(&settings), Arc::clone(&telemetry)))
        .transpose()
        .map_err(refused)?;
    let shown = Arc::new(Shown {
        telemetry: Arc::clone(&telemetry),
        router: Arc::new(router),
        registry: registry.clone(),
        failure: OnceLock::new(),
        done: AtomicBool::new(false),
    });
    serve(settings.listen, settings.shutdown_grace, |address| {
        let routing = Routing::start(&shown, watch, goal, registry)?;
        let access = Access::of(settings.api.open, settings.web.clone());
        introduce_access(&settings, &access, address);
        let source: Arc<dyn Source> = shown;
        let endpoint = Endpoint {
            access,
            ..Endpoint::new(telemetry, source)
        };
        Ok((routing, endpoint))
    })
}

fn introduce(settings: &Settings) {
    tracing::info!(
        version = crate::telemetry::VERSION,
        kafka = settings.kafka.bootstrap_servers,
        "tenure starts to route"
    );
    if settings.dead_letters.topic.is_none() {
        tracing::warn!(
            "rejected records are counted by reason and logged without their content, not kept: no \
             dead-letter topic is configured"
        );
    }
    if settings.router.inside {
        tracing::warn!(
            "`tenure run` routes too, since router.inside is true: the two share the work"
        );
    }
}

/// What the endpoint shows of the router.
struct Shown {
    telemetry: Arc<Telemetry>,
    router: Arc<Router>,
    registry: Option<Arc<Registry>>,
    failure: OnceLock<String>,
    /// Everything is routed that was to be.
    done: AtomicBool,
}

impl Source for Shown {
    fn published(&self) -> Option<Arc<Published>> {
        None
    }

    fn partitions(&self) -> Vec<PartitionStatus> {
        Vec::new()
    }

    fn readiness(&self) -> Readiness {
        let up = self.telemetry.kafka.up.get() == 1;
        let unreachable = (!up).then_some(Obstacle::KafkaUnreachable);
        let schemas = self.registry.as_ref().map_or(0, |known| known.awaited());
        let awaited = (schemas > 0).then_some(Obstacle::SchemasAwaited { schemas });
        let outside = (!self.router.joined()).then_some(Obstacle::NotRouting);
        Readiness {
            obstacles: unreachable
                .into_iter()
                .chain(outside)
                .chain(awaited)
                .collect(),
        }
    }

    fn alive(&self) -> bool {
        self.failure.get().is_none()
    }
}

/// The threads.
struct Routing {
    shown: Arc<Shown>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Routing {
    fn start(
        shown: &Arc<Shown>,
        watch: RoutedWatch,
        goal: Option<Goal>,
        registry: Option<Arc<Registry>>,
    ) -> Result<Self, Failure> {
        let stop = Arc::new(AtomicBool::new(false));
        let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
            let named = std::thread::Builder::new().name(name.to_owned());
            named
                .spawn(work)
                .map_err(|error| Failure::work(format!("could not start a thread: {error}")))
        };
        let (watched, routed) = (Arc::clone(&stop), Arc::clone(&stop));
        let owner = Arc::clone(shown);
        let mut threads = vec![
            spawn("router-watch", Box::new(move || watch.run(&watched)))?,
            spawn(
                "router",
                Box::new(move || {
                    if let Err(error) = owner.router.run(&routed) {
                        // Only the first failure is the cause.
                        let _ = owner.failure.set(error.to_string());
                    }
                }),
            )?,
        ];
        if let Some(goal) = goal {
            let (looked, owner) = (Arc::clone(&stop), Arc::clone(shown));
            let looking = Box::new(move || {
                let reached = goal.wait(&looked);
                owner.done.store(reached, Ordering::Relaxed);
            });
            threads.push(spawn("router-goal", looking)?);
        }
        if let Some(registry) = registry {
            let asked = Arc::clone(&stop);
            let asking = Box::new(move || registry.run(&asked));
            threads.push(spawn("schemas", asking)?);
        }
        Ok(Self {
            shown: Arc::clone(shown),
            stop,
            threads,
        })
    }

    fn ended(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }
}

impl Work for Routing {
    const UNDONE: &str = "what was not acknowledged is routed again";

    fn failure(&self) -> Option<String> {
        if let Some(reason) = self.shown.failure.get() {
            return Some(reason.clone());
        }
        let lost = self.threads.iter().find(|thread| thread.is_finished())?;
        // The thread that looks whether all is routed ends by itself once it is.
        if self.is_done() {
            return None;
        }
        let name = lost.thread().name().unwrap_or_default().to_owned();
        Some(format!("the thread {name} ended"))
    }

    fn is_done(&self) -> bool {
        self.shown.done.load(Ordering::Relaxed)
    }

    fn stop(self, until: Instant) -> bool {
        self.shown.router.close();
        self.stop.store(true, Ordering::Relaxed);
        while Instant::now() < until && !self.ended() {
            std::thread::sleep(LOOK);
        }
        self.ended()
    }
}
