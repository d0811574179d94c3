//! `tenure demo`: the whole thing on a broker inside the process.
//!
//! The broker is the mock cluster of the Kafka client: the real protocol over a real socket, with
//! nothing to install. It keeps 5 MiB of each partition, so the history must stay below that.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use rdkafka::mocking::MockCluster;

use crate::command::Failure;
use crate::command::run::service;
use crate::config::{Override, Ownership, Property, Settings, Sources, load};
use crate::engine::Terms;
use crate::engine::live::Live;
use crate::generate::sink::topic::{Topic, TopicSettings};
use crate::generate::sink::{Sink, SinkError};
use crate::generate::{Generator, GeneratorSettings, Record, Scenario};

const EXAMPLES: &str = "\
Examples:
  # A shop with 30,000 customers and 200 days of history, then live events
  tenure demo

  # NPS falls in the last five days
  tenure demo --scenario nps-drop
";

const TOPIC: &str = "customer-events";
const PARTITIONS: u32 = 12;
const DAYS: u32 = 200;
/// Where the demo listens if nobody says otherwise and the port is free.
const ADDRESS: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9736);
/// A live event is sent at most this long after its time.
const PULSE: Duration = Duration::from_millis(50);

/// Run everything on an embedded broker with generated events
#[derive(Debug, Clone, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct DemoArgs {
    /// Address of the HTTP endpoint [default: 127.0.0.1:9736, or a free port if that is taken]
    // The image sets the variable: what listens on a container's loopback interface is not reached
    // through a published port.
    #[arg(long, value_name = "ADDRESS", env = "TENURE_DEMO_LISTEN")]
    pub listen: Option<SocketAddr>,

    /// Customers of the shop
    #[arg(long, value_name = "N", default_value_t = 30_000,
          value_parser = clap::value_parser!(u32).range(1..=60_000))]
    pub customers: u32,

    /// Live events a second
    #[arg(long, value_name = "R", default_value_t = 20.0, value_parser = rate)]
    pub rate: f64,

    /// Another seed, other customers
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,

    /// What happens in the last days
    #[arg(long, value_enum, default_value_t)]
    pub scenario: Scenario,
}

/// Loads the history, goes on producing, and serves until Ctrl-C.
pub fn run(args: &DemoArgs) -> Result<(), Failure> {
    let broken = |error: rdkafka::error::KafkaError| {
        Failure::work(format!("could not start the embedded broker: {error}"))
    };
    let cluster = MockCluster::new(1).map_err(broken)?;
    cluster
        .create_topic(TOPIC, PARTITIONS as i32, 1)
        .map_err(broken)?;
    let servers = cluster.bootstrap_servers();

    let generated = GeneratorSettings {
        customers: args.customers,
        days: DAYS,
        seed: args.seed,
        until: Live::now(),
        scenario: args.scenario,
        live_rate: Some(args.rate),
    };
    let undelivered =
        |error: SinkError| Failure::work(format!("could not fill the embedded broker: {error}"));
    let mut stream = Stream {
        generator: Generator::new(generated).map_err(|error| Failure::work(error.to_string()))?,
        topic: Topic::open(&producer(&servers)).map_err(undelivered)?,
        record: Record::buffer(),
    };
    eprintln!(
        "loading {DAYS} days of a shop with {} customers",
        args.customers
    );
    let count = stream.load().map_err(undelivered)?;
    eprintln!(
        "{count} events are in the topic {TOPIC}, {} more come every second",
        args.rate
    );

    std::thread::Builder::new()
        .name("demo-events".into())
        .spawn(move || stream.go_on())
        .map_err(|error| Failure::work(format!("could not start a thread: {error}")))?;
    let terms = Terms {
        topics_without_identity: true,
        ..Terms::default()
    };
    service(&settings(args, &servers)?, terms, |address| {
        eprintln!("\n  Tenure is at http://{address}/ (the metrics at http://{address}/metrics)");
        eprintln!("  Ctrl-C ends it\n");
        Ok(())
    })
}

fn settings(args: &DemoArgs, servers: &str) -> Result<Settings, Failure> {
    let flag = |key: &str, text: String| Override {
        key: key.to_owned(),
        text,
        flag: "tenure demo".to_owned(),
    };
    let sources = Sources {
        flags: vec![
            flag("listen", address(args.listen).to_string()),
            flag("kafka.bootstrap_servers", servers.to_owned()),
            flag("kafka.topics", TOPIC.to_owned()),
            flag("dimensions", "plan,country".to_owned()),
            // The embedded broker forgets everything, so there is nothing to go on from.
            flag("state.url", "null".to_owned()),
            // Customers that do not exist have no secrets.
            flag("api.open", "true".to_owned()),
            flag("log.level", "warn".to_owned()),
        ],
        ..Sources::none()
    };
    let mut settings =
        load(&sources).map_err(|complaints| Failure::configuration(complaints.to_string()))?;
    // The embedded broker always lets an empty fetch wait as long as it may.
    let wait = Property::Plain("10".to_owned());
    settings
        .kafka
        .properties
        .insert("fetch.wait.max.ms".to_owned(), wait);
    // Nobody shares the embedded broker, and a group would be waited for.
    settings.cluster.ownership = Ownership::All;
    // Ids of a generated shop are nobody's.
    settings.built_in_digest_key = false;
    Ok(settings)
}

/// The address asked for, else the usual one, else a free port.
fn address(asked: Option<SocketAddr>) -> SocketAddr {
    asked.unwrap_or_else(|| match TcpListener::bind(ADDRESS) {
        Ok(_) => ADDRESS,
        Err(_) => SocketAddr::new(ADDRESS.ip(), 0),
    })
}

/// Large batches: the embedded broker looks through all it has for each fetch.
fn producer(servers: &str) -> TopicSettings {
    let properties = [("batch.size", "1000000"), ("linger.ms", "50")];
    TopicSettings {
        bootstrap_servers: servers.to_owned(),
        topic: TOPIC.to_owned(),
        create_with_partitions: None,
        properties: properties
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect::<BTreeMap<_, _>>(),
    }
}

/// Generated events on their way to the embedded broker.
struct Stream {
    generator: Generator,
    topic: Topic,
    record: Record,
}

impl Stream {
    /// Sends everything that arrived before now; leaves the next record in the buffer.
    fn load(&mut self) -> Result<u64, SinkError> {
        let now = Live::now();
        let mut count = 0;
        while self.generator.next_into(&mut self.record) && self.record.arrives_at < now {
            self.topic.send(&self.record)?;
            count += 1;
        }
        self.topic.finish()?;
        Ok(count)
    }

    /// Sends the rest, each record when its time comes, for as long as the process lives.
    fn go_on(mut self) {
        loop {
            while Live::now() < self.record.arrives_at {
                std::thread::sleep(PULSE);
            }
            let sent = self
                .topic
                .send(&self.record)
                .and_then(|()| self.topic.flush());
            if let Err(error) = sent {
                tracing::warn!(%error, "could not send a live event");
                return;
            }
            if !self.generator.next_into(&mut self.record) {
                return;
            }
        }
    }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| format!("`{text}` is no number"))?;
    if rate > 0.0 && rate <= 10_000.0 {
        Ok(rate)
    } else {
        Err("give a rate above 0 and up to 10000 events a second".to_owned())
    }
}
