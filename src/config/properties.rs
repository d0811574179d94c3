//! Which settings of librdkafka may be passed through.
//!
//! Owns the verdict on every property: refused, because it would run foreign code, open a hole or
//! break a promise of Tenure; secret; or plain. Plain is an allow-list: only the values of plain
//! properties are ever shown. Does not know the values.

/// What is thought of a property.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// May be set and shown.
    Plain,
    /// May be set; never shown.
    Masked,
    /// May be set, better from a file; never shown.
    Secret,
    /// Must not be set, for this reason.
    Refused(&'static str),
    /// Not known.
    Unknown,
}

const RUNS_CODE: &str = "it runs or loads code that the configuration names";
const OFFSETS: &str = "Tenure keeps the offsets itself, together with the state they belong to";
const START: &str =
    "Tenure decides itself where a partition is read from, so that nothing is skipped in silence";
const PLACES: &str = "Tenure decides itself how partitions are placed";
const NO_TEXT: &str = "its value is no text";
const MOCK: &str = "it replaces the brokers by simulated ones";

/// The refused properties, each with the reason; sorted by reason, not by name.
const REFUSED: [(&str, &str); 37] = [
    ("plugin.library.paths", RUNS_CODE),
    ("sasl.kerberos.kinit.cmd", RUNS_CODE),
    ("ssl.engine.location", RUNS_CODE),
    ("ssl.engine.id", RUNS_CODE),
    ("ssl.providers", RUNS_CODE),
    (
        "internal.termination.signal",
        "it lets librdkafka send signals to the process",
    ),
    (
        "bootstrap.servers",
        "it has a key of its own: `kafka.bootstrap_servers`",
    ),
    (
        "metadata.broker.list",
        "it has a key of its own: `kafka.bootstrap_servers`",
    ),
    ("group.id", "it has a key of its own: `kafka.group_id`"),
    ("enable.auto.commit", OFFSETS),
    ("auto.commit.enable", OFFSETS),
    ("auto.commit.interval.ms", OFFSETS),
    ("enable.auto.offset.store", OFFSETS),
    ("offset.store.method", OFFSETS),
    ("offset.store.path", OFFSETS),
    ("offset.store.sync.interval.ms", OFFSETS),
    ("auto.offset.reset", START),
    ("topic.blacklist", START),
    (
        "isolation.level",
        "records of aborted transactions would be counted",
    ),
    ("check.crcs", "damaged batches would be counted"),
    (
        "enable.partition.eof",
        "Tenure finds the ends of the partitions itself",
    ),
    (
        "allow.auto.create.topics",
        "a misspelt topic would be created instead of noticed",
    ),
    ("group.protocol.type", PLACES),
    (
        "group.instance.id",
        "it has a key of its own: `cluster.instance_id`",
    ),
    ("group.remote.assignor", PLACES),
    ("transactional.id", "Tenure uses no transactions"),
    ("enabled_events", NO_TEXT),
    ("interceptors", NO_TEXT),
    ("opaque", NO_TEXT),
    ("default_topic_conf", NO_TEXT),
    ("msg_order_cmp", NO_TEXT),
    ("ssl_key", NO_TEXT),
    ("ssl_certificate", NO_TEXT),
    ("ssl_ca", NO_TEXT),
    ("ssl_engine_callback_data", NO_TEXT),
    ("builtin.features", "it is decided when Tenure is built"),
    (
        "enable.gapless.guarantee",
        "it is an experiment of librdkafka",
    ),
];

/// Secrets: with one of them an attacker is whoever Tenure is.
const SECRET: [&str; 9] = [
    "sasl.password",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.keystore.password",
    "sasl.oauthbearer.config",
    "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.client.credentials.client.secret",
    "sasl.oauthbearer.assertion.private.key.passphrase",
    "sasl.oauthbearer.assertion.private.key.pem",
];

/// Not secrets, but nothing for a log either.
const MASKED: [&str; 10] = [
    "sasl.username",
    "sasl.kerberos.principal",
    "sasl.oauthbearer.client.id",
    "sasl.oauthbearer.client.credentials.client.id",
    "sasl.oauthbearer.extensions",
    "sasl.oauthbearer.assertion.claim.sub",
    "sasl.oauthbearer.assertion.claim.iss",
    "ssl.ca.pem",
    "ssl.certificate.pem",
    "https.ca.pem",
];

/// The rest of what librdkafka 2.12 knows, of consumers, producers and topics.
const PLAIN: [&str; 115] = [
    "acks",
    "api.version.fallback.ms",
    "api.version.request",
    "api.version.request.timeout.ms",
    "batch.num.messages",
    "batch.size",
    "broker.address.family",
    "broker.address.ttl",
    "broker.version.fallback",
    "client.dns.lookup",
    "client.id",
    "client.rack",
    "compression.codec",
    "compression.level",
    "compression.type",
    "connections.max.idle.ms",
    "consume.callback.max.messages",
    "coordinator.query.interval.ms",
    "debug",
    "delivery.report.only.error",
    "delivery.timeout.ms",
    "enable.idempotence",
    "enable.metrics.push",
    "enable.random.seed",
    "enable.sasl.oauthbearer.unsecure.jwt",
    "enable.ssl.certificate.verification",
    "fetch.error.backoff.ms",
    "fetch.max.bytes",
    "fetch.message.max.bytes",
    "fetch.min.bytes",
    "fetch.queue.backoff.ms",
    "fetch.wait.max.ms",
    "group.protocol",
    "heartbeat.interval.ms",
    "https.ca.location",
    "linger.ms",
    "log.connection.close",
    "log.queue",
    "log.thread.name",
    "log_level",
    "max.in.flight",
    "max.in.flight.requests.per.connection",
    "max.partition.fetch.bytes",
    "max.poll.interval.ms",
    "message.copy.max.bytes",
    "message.max.bytes",
    "message.send.max.retries",
    "message.timeout.ms",
    "metadata.max.age.ms",
    "metadata.recovery.rebootstrap.trigger.ms",
    "metadata.recovery.strategy",
    "partition.assignment.strategy",
    "partitioner",
    "produce.offset.report",
    "queue.buffering.backpressure.threshold",
    "queue.buffering.max.kbytes",
    "queue.buffering.max.messages",
    "queue.buffering.max.ms",
    "queued.max.messages.kbytes",
    "queued.min.messages",
    "queuing.strategy",
    "receive.message.max.bytes",
    "reconnect.backoff.jitter.ms",
    "reconnect.backoff.max.ms",
    "reconnect.backoff.ms",
    "request.required.acks",
    "request.timeout.ms",
    "retries",
    "retry.backoff.max.ms",
    "retry.backoff.ms",
    "sasl.kerberos.keytab",
    "sasl.kerberos.min.time.before.relogin",
    "sasl.kerberos.service.name",
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.oauthbearer.assertion.algorithm",
    "sasl.oauthbearer.assertion.claim.aud",
    "sasl.oauthbearer.assertion.claim.exp.seconds",
    "sasl.oauthbearer.assertion.claim.jti.include",
    "sasl.oauthbearer.assertion.claim.nbf.seconds",
    "sasl.oauthbearer.assertion.file",
    "sasl.oauthbearer.assertion.jwt.template.file",
    "sasl.oauthbearer.assertion.private.key.file",
    "sasl.oauthbearer.grant.type",
    "sasl.oauthbearer.metadata.authentication.type",
    "sasl.oauthbearer.method",
    "sasl.oauthbearer.scope",
    "sasl.oauthbearer.token.endpoint.url",
    "security.protocol",
    "session.timeout.ms",
    "socket.blocking.max.ms",
    "socket.connection.setup.timeout.ms",
    "socket.keepalive.enable",
    "socket.max.fails",
    "socket.nagle.disable",
    "socket.receive.buffer.bytes",
    "socket.send.buffer.bytes",
    "socket.timeout.ms",
    "ssl.ca.certificate.stores",
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.cipher.suites",
    "ssl.crl.location",
    "ssl.curves.list",
    "ssl.endpoint.identification.algorithm",
    "ssl.key.location",
    "ssl.keystore.location",
    "ssl.sigalgs.list",
    "statistics.interval.ms",
    "sticky.partitioning.linger.ms",
    "topic.metadata.propagation.max.ms",
    "topic.metadata.refresh.fast.cnt",
    "topic.metadata.refresh.fast.interval.ms",
    "topic.metadata.refresh.interval.ms",
    "topic.metadata.refresh.sparse",
];

/// What is thought of the property of this name.
pub fn verdict(name: &str) -> Verdict {
    if let Some((_, reason)) = REFUSED.iter().find(|(refused, _)| *refused == name) {
        return Verdict::Refused(reason);
    }
    if name.ends_with("_cb") {
        return Verdict::Refused(NO_TEXT);
    }
    if name.starts_with("test.mock.") {
        return Verdict::Refused(MOCK);
    }
    if SECRET.contains(&name) {
        return Verdict::Secret;
    }
    if MASKED.contains(&name) {
        return Verdict::Masked;
    }
    if PLAIN.contains(&name) {
        return Verdict::Plain;
    }
    Verdict::Unknown
}

/// Whether a line that sets the property may be shown: it is plain, or refused whatever its value.
pub fn printable(name: &str) -> bool {
    matches!(verdict(name), Verdict::Plain | Verdict::Refused(_))
}

/// The names of all properties that may be set, for suggestions.
pub fn settable() -> impl Iterator<Item = &'static str> {
    PLAIN.into_iter().chain(SECRET).chain(MASKED)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Whether librdkafka has the property, whatever it thinks of the value.
    fn known(name: &str) -> bool {
        let mut config = rdkafka::ClientConfig::new();
        let result = config.set(name, "1").create_native_config();
        match result.err().map(|error| error.to_string()) {
            Some(error) => !error.contains("No such configuration property"),
            None => true,
        }
    }

    #[test]
    fn librdkafka_knows_every_property_of_the_tables() {
        assert!(!known("sasl.pasword"));
        let refused = REFUSED.iter().map(|(name, _)| *name);
        for name in settable().chain(refused) {
            assert!(known(name), "{name}");
        }
    }

    #[test]
    fn every_property_has_one_verdict() {
        let refused = REFUSED.iter().map(|(name, _)| *name);
        let all: Vec<&str> = settable().chain(refused).collect();
        let distinct: BTreeSet<&str> = all.iter().copied().collect();
        assert_eq!(all.len(), distinct.len());
    }

    #[test]
    fn nothing_that_sounds_secret_is_shown() {
        for name in PLAIN {
            let telling = ["password", "secret", "passphrase", ".pem", "username"];
            assert!(!telling.iter().any(|word| name.contains(word)), "{name}");
        }
    }

    #[test]
    fn callbacks_and_simulated_brokers_are_refused_as_families() {
        for name in [
            "rebalance_cb",
            "ssl.certificate.verify_cb",
            "test.mock.num.brokers",
        ] {
            assert!(matches!(verdict(name), Verdict::Refused(_)), "{name}");
        }
        assert_eq!(verdict("sasl.pasword"), Verdict::Unknown);
    }
}
