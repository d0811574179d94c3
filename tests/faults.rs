//! Faults of the brokers and of the log against the program: what it cannot know it says, what it
//! says is true, and a restart never passes over a loss.

#![cfg(test)]

#[expect(
    dead_code,
    reason = "these tests need no Prometheus and no disk that fails"
)]
mod real;
#[expect(dead_code, reason = "the numbers here are told without a replay")]
mod service;

use std::fs;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Message, Offset, TopicPartitionList};

use real::eventually;
use real::kafka::{Kafka, KafkaOptions};
use service::{DEADLINE, Installation, Sent, Service, send, signup, signups};

const ACCEPT_LOSS: &str = "--accept-history-loss";

/// A node behind a proxy, which tests end and cut off, one after the other.
fn fragile() -> MutexGuard<'static, Kafka> {
    static FRAGILE: OnceLock<Mutex<Kafka>> = OnceLock::new();
    let options = KafkaOptions {
        proxied: true,
        ..KafkaOptions::default()
    };
    ready(
        FRAGILE.get_or_init(|| Mutex::new(Kafka::start(&options))),
        1,
    )
}

/// Three nodes, of which tests end some, one after the other.
fn cluster() -> MutexGuard<'static, Kafka> {
    static CLUSTER: OnceLock<Mutex<Kafka>> = OnceLock::new();
    let options = KafkaOptions {
        nodes: 3,
        heap_mib: 320,
        // The group has a coordinator whichever node is down, as clusters have it.
        properties: vec![(
            "offsets.topic.replication.factor".to_owned(),
            "3".to_owned(),
        )],
        ..KafkaOptions::default()
    };
    ready(
        CLUSTER.get_or_init(|| Mutex::new(Kafka::start(&options))),
        3,
    )
}

/// Whatever the test before left, all nodes run and nothing stands in the way.
fn ready(kafka: &'static Mutex<Kafka>, nodes: u16) -> MutexGuard<'static, Kafka> {
    let mut kafka = kafka.lock().unwrap_or_else(PoisonError::into_inner);
    for node in 1..=nodes {
        if !kafka.runs(node) {
            kafka.boot(node);
        }
        if nodes == 1 {
            kafka.proxy(node).go_on();
        }
    }
    kafka
}

/// A topic with this many customers, and a service that has read and kept them.
fn begun(topic: &str, customers: u32) -> (Installation, Service) {
    let kafka = Kafka::shared();
    kafka.create_topic(topic, 1, &[]);
    signups(&kafka.client_config(), topic, 0, 0..customers);
    let installation = Installation::new(kafka.bootstrap_servers(), topic, &[]);
    let service = installation.start();
    has_customers(&service, i64::from(customers), customers);
    kept_at(&installation, i64::from(customers));
    (installation, service)
}

#[track_caller]
fn has_customers(service: &Service, position: i64, customers: u32) {
    let page = service.page_at(position);
    assert_eq!(
        page.value("tenure_customers"),
        Some(f64::from(customers)),
        "{page:#?}"
    );
    assert_eq!(page.sum("tenure_shard_degraded"), 0.0, "{page:#?}");
}

/// Waits until a checkpoint of the partition lies at this offset.
#[track_caller]
fn kept_at(installation: &Installation, offset: i64) {
    eventually(DEADLINE, &format!("a checkpoint at {offset}"), || {
        let offsets = installation.checkpoint_offsets(0);
        if offsets.contains(&offset) {
            Ok(())
        } else {
            Err(format!("{offsets:?}"))
        }
    });
}

#[test]
fn after_a_broker_was_killed_and_came_back_nothing_is_missing_or_counted_twice() {
    let mut kafka = fragile();
    let client = kafka.client_config();
    kafka.create_topic("killed-broker", 1, &[]);
    signups(&client, "killed-broker", 0, 0..100);
    let servers = kafka.bootstrap_servers().to_owned();
    let installation = Installation::new(&servers, "killed-broker", &[]);
    let service = installation.start();
    has_customers(&service, 100, 100);

    kafka.kill(1);
    let page = service.page_when("no broker", |page| {
        page.value("tenure_kafka_up") == Some(0.0)
    });
    assert_eq!(page.value("tenure_customers"), Some(100.0));
    kafka.boot(1);
    signups(&client, "killed-broker", 0, 50..150);
    has_customers(&service, 200, 150);
    // However often the client complains, the log stays readable.
    let lines = service.process.stderr().lines().count();
    assert!(lines < 40, "{lines} lines\n{}", service.process.stderr());
    service.ends_well();
}

#[test]
fn a_network_that_stalls_and_cuts_connections_delays_and_loses_nothing() {
    let kafka = fragile();
    let client = kafka.client_config();
    kafka.create_topic("stalled", 1, &[]);
    signups(&client, "stalled", 0, 0..100);
    let settings = ["max_staleness=5s"];
    let installation = Installation::new(&kafka.proxied_servers(), "stalled", &settings);
    let service = installation.start();
    has_customers(&service, 100, 100);
    kafka.proxy(1).stall();
    signups(&client, "stalled", 0, 100..200);
    // Numbers of a moment ago are true of that moment, and are not shown as if they were live.
    let page = service.page_when("no answer", |page| {
        page.value("tenure_kafka_up") == Some(0.0) && !page.withheld("catching_up").is_empty()
    });
    assert_eq!(page.value("tenure_customers"), None);
    kafka.proxy(1).cut();
    signups(&client, "stalled", 0, 200..300);
    kafka.proxy(1).go_on();
    has_customers(&service, 300, 300);
}

#[test]
fn when_a_leader_dies_reading_goes_on_at_the_new_one_without_gap_or_repeat() {
    let mut kafka = cluster();
    let client = kafka.client_config();
    kafka.create_replicated_topic("moved", &[1, 2, 3], &[("min.insync.replicas", "2")]);
    signups(&client, "moved", 0, 0..100);
    let servers = kafka.bootstrap_servers().to_owned();
    let installation = Installation::new(&servers, "moved", &[]);
    let service = installation.start();
    has_customers(&service, 100, 100);

    kafka.kill(1);
    kafka.wait_for_replicas("moved", 0, 2, &[2, 3]);
    signups(&client, "moved", 0, 50..150);
    has_customers(&service, 200, 150);
    service.ends_well();
    let service = installation.start();
    has_customers(&service, 200, 150);
    kafka.boot(1);
}

/// Node 2 has 50 records when it stops, node 1 takes 30 more and dies, and node 2 leads without them.
fn unclean_election(kafka: &mut Kafka, topic: &str, between: impl FnOnce()) {
    let client = kafka.client_config();
    kafka.stop(2);
    kafka.wait_for_replicas(topic, 0, 1, &[1]);
    signups(&client, topic, 0, 50..80);
    between();
    kafka.kill(1);
    kafka.boot(2);
    kafka.wait_for_replicas(topic, 0, 2, &[2]);
}

const UNCLEAN: [(&str, &str); 2] = [
    ("unclean.leader.election.enable", "true"),
    ("min.insync.replicas", "1"),
];

#[test]
fn a_log_cut_by_an_unclean_election_degrades_until_a_restart_goes_back_to_before_the_cut() {
    let mut kafka = cluster();
    let client = kafka.client_config();
    kafka.create_replicated_topic("cut", &[1, 2], &UNCLEAN);
    signups(&client, "cut", 0, 0..50);
    let servers = kafka.bootstrap_servers().to_owned();
    let installation = Installation::new(&servers, "cut", &[]);
    let service = installation.start();
    has_customers(&service, 50, 50);
    kept_at(&installation, 50);
    unclean_election(&mut kafka, "cut", || {
        has_customers(&service, 80, 80);
        kept_at(&installation, 80);
    });
    service.degraded(0, "truncated");
    // The log grows past the position with other records.
    signups(&client, "cut", 0, 900..960);
    service.degraded(0, "truncated");
    service.ends_well();

    let service = installation.start();
    has_customers(&service, 110, 110);
    service.ends_well();
    let service = installation.start();
    has_customers(&service, 110, 110);
    kafka.boot(1);
}

#[test]
fn a_log_that_was_cut_and_has_grown_past_the_position_while_nobody_looked_is_noticed_at_the_start()
{
    let mut kafka = cluster();
    let client = kafka.client_config();
    kafka.create_replicated_topic("cut-unseen", &[1, 2], &UNCLEAN);
    signups(&client, "cut-unseen", 0, 0..50);
    let servers = kafka.bootstrap_servers().to_owned();
    let installation = Installation::new(&servers, "cut-unseen", &[]);
    unclean_election(&mut kafka, "cut-unseen", || {
        let service = installation.start();
        has_customers(&service, 80, 80);
        service.ends_well();
    });
    kept_at(&installation, 80);
    signups(&client, "cut-unseen", 0, 900..960);

    // Nothing older than the cut was kept, so there is nothing to go back to.
    let service = installation.start();
    service.degraded(0, "truncated");
    service.ends_well();
    let service = installation.start_with(&[ACCEPT_LOSS], |_| {});
    // What was seen stays seen: 50 that are still there, 30 that are gone, 60 new ones.
    has_customers(&service, 110, 140);
    kafka.boot(1);
}

#[test]
fn records_deleted_while_the_service_was_down_degrade_until_the_loss_is_accepted() {
    let kafka = Kafka::shared();
    let (installation, service) = begun("deleted-down", 10);
    service.ends_well();
    signups(&kafka.client_config(), "deleted-down", 0, 10..40);
    kafka.delete_records("deleted-down", 0, 35);

    for _ in 0..2 {
        let service = installation.start();
        let page = service.degraded(0, "records_deleted");
        assert_eq!(page.value("tenure_kafka_up"), Some(1.0));
        service.ends_well();
    }
    let service = installation.start_with(&[ACCEPT_LOSS], |_| {});
    has_customers(&service, 40, 15);
    let page = service.page().unwrap();
    assert!(
        page.withheld("base_incomplete")
            .contains("tenure_retention_ratio"),
        "{page:#?}"
    );
    service.ends_well();
    // Once accepted it stays so, and visible.
    let service = installation.start();
    has_customers(&service, 40, 15);
    let page = service.page().unwrap();
    assert!(
        page.withheld("base_incomplete")
            .contains("tenure_retention_ratio"),
        "{page:#?}"
    );
}

#[test]
fn a_head_deleted_behind_the_position_is_no_loss() {
    let kafka = Kafka::shared();
    let (installation, service) = begun("deleted-behind", 10);
    service.ends_well();
    kafka.delete_records("deleted-behind", 0, 10);
    signups(&kafka.client_config(), "deleted-behind", 0, 10..20);
    let service = installation.start();
    has_customers(&service, 20, 20);
}

/// Removes every checkpoint, and with them all that is known.
fn lose_state(installation: &Installation) {
    let checkpoints = installation.checkpoints();
    assert!(!checkpoints.is_empty());
    for file in checkpoints {
        fs::remove_file(file).unwrap();
    }
}

/// Starts a service that commits how far it came, ends it and loses its state.
fn lost_state(topic: &str) -> Installation {
    let (installation, service) = begun(topic, 10);
    service.page_when("a commit", |page| {
        page.sum("tenure_kafka_partition_committed_offset") == 10.0
    });
    service.ends_well();
    lose_state(&installation);
    installation
}

#[test]
fn lost_state_is_made_anew_from_a_log_that_still_has_everything() {
    let installation = lost_state("state-lost");
    let service = installation.start();
    has_customers(&service, 10, 10);
}

#[test]
fn lost_state_of_a_log_without_its_head_is_no_first_start() {
    let installation = lost_state("history-gone");
    let kafka = Kafka::shared();
    kafka.delete_records("history-gone", 0, 4);
    let service = installation.start();
    service.degraded(0, "history_gone");
    service.ends_well();
    let service = installation.start_with(&[ACCEPT_LOSS], |_| {});
    has_customers(&service, 10, 6);
    service.ends_well();
    let service = installation.start();
    has_customers(&service, 10, 6);
}

#[test]
fn a_topic_that_is_deleted_degrades_and_its_return_with_other_records_is_not_taken_for_the_old_one()
{
    let kafka = Kafka::shared();
    let (installation, service) = begun("deleted-topic", 10);
    kafka.delete_topic("deleted-topic");
    let page = service.degraded(0, "topic_missing");
    assert_eq!(page.value("tenure_state_customers"), Some(10.0));
    service.ends_well();
    // Without its topic a service has nothing to say, rather than that there is nobody.
    let service = installation.start();
    service
        .process
        .wait_for_line("topic `deleted-topic` does not exist", DEADLINE);
    let page = service.page().unwrap();
    assert_eq!(page.value("tenure_customers"), None, "{page:#?}");
    kafka.create_topic("deleted-topic", 1, &[]);
    service.degraded(0, "recreated");
    service.ends_well();
}

/// How a topic is made anew.
struct Anew {
    topic: &'static str,
    /// Whether the service runs meanwhile.
    running: bool,
    /// How many records the new topic has when the service sees it; the old one had 10.
    records: u32,
}

#[test]
fn a_topic_made_anew_is_never_taken_for_the_old_one() {
    for anew in [
        Anew {
            topic: "anew-running-shorter",
            running: true,
            records: 4,
        },
        Anew {
            topic: "anew-running-longer",
            running: true,
            records: 30,
        },
        Anew {
            topic: "anew-stopped-shorter",
            running: false,
            records: 4,
        },
        Anew {
            topic: "anew-stopped-longer",
            running: false,
            records: 30,
        },
    ] {
        check_anew(&anew);
    }
}

fn check_anew(anew: &Anew) {
    let kafka = fragile();
    let Anew {
        topic,
        running,
        records,
    } = *anew;
    let client = kafka.client_config();
    kafka.create_topic(topic, 1, &[]);
    signups(&client, topic, 0, 0..10);
    let installation = Installation::new(&kafka.proxied_servers(), topic, &[]);
    let mut service = Some(installation.start());
    if let Some(service) = &service {
        has_customers(service, 10, 10);
        kept_at(&installation, 10);
    }
    // What the client cannot see while it happens it would not notice by itself.
    if running {
        kafka.proxy(1).stall();
    } else if let Some(service) = service.take() {
        service.ends_well();
    }
    kafka.delete_topic(topic);
    kafka.create_topic(topic, 1, &[]);
    signups(&client, topic, 0, 100..100 + records);
    kafka.proxy(1).go_on();

    let service = service.unwrap_or_else(|| installation.start());
    service.degraded(0, "recreated");
    // Nothing of the new topic is ever kept as if it followed from the old one.
    service.ends_well();
    assert_eq!(installation.checkpoint_offsets(0), [10], "{topic}");
    let service = installation.start();
    service.degraded(0, "recreated");
    service.ends_well();
    let service = installation.start_with(&[ACCEPT_LOSS], |_| {});
    has_customers(&service, i64::from(records), 10 + records);
    service.ends_well();
    let service = installation.start();
    has_customers(&service, i64::from(records), 10 + records);
}

#[test]
fn added_partitions_withhold_customer_measures_until_an_operator_says_that_keys_stay_whole() {
    let kafka = Kafka::shared();
    let (installation, service) = begun("grown", 10);
    kafka.grow_topic("grown", 2);
    let suspected = |page: &service::Page| {
        page.value("tenure_rekey_suspected") == Some(1.0)
            && page.value("tenure_customers").is_none()
    };
    service.page_when("the suspicion", suspected);
    service
        .process
        .wait_for_line("number of partitions changed", DEADLINE);
    service.ends_well();
    signups(&kafka.client_config(), "grown", 1, 10..15);

    let service = installation.start();
    service.page_when("the suspicion after a restart", suspected);
    service.ends_well();
    let service = installation.start_with(&["--accept-new-partitions"], |_| {});
    has_customers(&service, 15, 15);
    service.ends_well();
    // Accepted once, it is how things are.
    let service = installation.start();
    has_customers(&service, 15, 15);
}

/// The byte in a file of records at which the batch with this number begins.
fn batch_at(segment: &[u8], number: usize) -> usize {
    let mut at = 0;
    for _ in 0..number {
        let length = u32::from_be_bytes(segment[at + 8..at + 12].try_into().unwrap());
        at += 12 + usize::try_from(length).unwrap();
    }
    at
}

#[test]
fn a_batch_that_is_damaged_on_the_brokers_disk_is_never_skipped() {
    let mut kafka = fragile();
    let client = kafka.client_config();
    kafka.create_topic("flipped", 1, &[]);
    for batch in 0..5 {
        signups(&client, "flipped", 0, batch * 10..batch * 10 + 10);
    }
    kafka.stop(1);
    let file = kafka.first_segment(1, "flipped", 0);
    let mut segment = fs::read(&file).unwrap();
    let batch = batch_at(&segment, 2);
    assert_eq!(segment[batch..batch + 8], 20_i64.to_be_bytes());
    segment[batch + 100] ^= 1;
    fs::write(&file, segment).unwrap();
    kafka.boot(1);

    let servers = kafka.bootstrap_servers().to_owned();
    let installation = Installation::new(&servers, "flipped", &[]);
    for _ in 0..2 {
        let service = installation.start();
        let page = service.degraded(0, "bad_batch");
        let position = page.sum("tenure_kafka_partition_position_offset");
        assert_eq!(position, 20.0, "{page:#?}");
        service.ends_well();
    }
    kafka.delete_records("flipped", 0, 30);
    let service = installation.start_with(&[ACCEPT_LOSS], |_| {});
    has_customers(&service, 50, 40);
}

/// The service reads a thousand customers, of which a bit is changed on the way, and has all of them.
#[track_caller]
fn survives_damage(topic: &str, texts: Vec<Vec<u8>>, behind: usize) -> Service {
    let kafka = fragile();
    let client = kafka.client_config();
    kafka.create_topic(topic, 1, &[]);
    signups(&client, topic, 0, 0..10);
    let installation = Installation::new(&kafka.proxied_servers(), topic, &[]);
    let service = installation.start();
    has_customers(&service, 10, 10);
    // So much at once are records, and not an answer about offsets.
    kafka.proxy(1).damage(1_000, texts, behind);
    signups(&client, topic, 0, 10..1010);
    has_customers(&service, 1010, 1010);
    assert!(kafka.proxy(1).has_damaged());
    service
}

#[test]
fn a_batch_that_was_damaged_on_its_way_is_fetched_again() {
    let ids = (500..600).map(|customer| format!("c-{customer}").into_bytes());
    let service = survives_damage("damaged-once", ids.collect(), 2);
    let page = service.page().unwrap();
    let unreadable = page
        .of("tenure_errors_total")
        .filter(|(series, count)| series.contains("error_type=\"bad_message\"") && *count > 0.0);
    assert_eq!(unreadable.count(), 1, "{page:#?}");
}

#[test]
fn an_offset_that_was_damaged_on_its_way_is_not_believed() {
    // The first offset of a batch is the one part of it that its checksum leaves out. The highest
    // byte leads far past the end of the log, the others to offsets that come once more.
    let offsets = || (500_i64..600).step_by(10).map(i64::to_be_bytes);
    for byte in [0, 5, 6, 7] {
        let offsets = offsets().map(|offset| offset.to_vec()).collect();
        let topic = format!("damaged-offset-{byte}");
        drop(survives_damage(&topic, offsets, byte));
    }
}

#[test]
fn a_record_that_unpacks_to_many_megabytes_is_rejected_and_those_after_it_are_read() {
    let kafka = Kafka::shared();
    kafka.create_topic("unpacks", 1, &[]);
    let mut client = kafka.client_config();
    client.set("compression.type", "gzip");
    client.set("message.max.bytes", "80000000");
    send(
        &client,
        "unpacks",
        [(0, None, Some(vec![b' '; 60_000_000]))],
    );
    signups(&client, "unpacks", 0, 0..10);
    let installation = Installation::new(kafka.bootstrap_servers(), "unpacks", &[]);
    let service = installation.start();
    has_customers(&service, 11, 10);
    let page = service.page().unwrap();
    let rejected = "tenure_events_rejected_total{reason=\"too_large\"}";
    assert_eq!(page.value(rejected), Some(1.0), "{page:#?}");
}

#[test]
fn gaps_of_compaction_are_no_losses_not_even_at_the_last_record_read() {
    let kafka = Kafka::shared();
    let settings = [
        ("cleanup.policy", "compact"),
        ("segment.ms", "100"),
        ("min.cleanable.dirty.ratio", "0.001"),
        ("min.compaction.lag.ms", "0"),
        ("delete.retention.ms", "0"),
    ];
    kafka.create_topic("compacted", 1, &settings);
    let client = kafka.client_config();
    let keyed = |customers: std::ops::Range<u32>| -> Vec<Sent> {
        let record = |n: u32| (0, Some(format!("k-{}", n % 3)), Some(signup(n)));
        customers.map(record).collect()
    };
    send(&client, "compacted", keyed(0..30));
    let installation = Installation::new(kafka.bootstrap_servers(), "compacted", &[]);
    let service = installation.start();
    has_customers(&service, 30, 30);
    service.ends_well();

    // Each write closes the segment before it. The records read last are replaced by later ones.
    let mut next = 30;
    eventually(DEADLINE, "compaction", || {
        send(&client, "compacted", keyed(next..next + 3));
        next += 3;
        match first_left(&client, "compacted") {
            first if first >= 30 => Ok(()),
            first => Err(format!("the first record left is {first}")),
        }
    });
    send(&client, "compacted", [(0, Some("k-1".to_owned()), None)]);
    let service = installation.start();
    let position = i64::from(next) + 1;
    let page = service.page_at(position);
    assert_eq!(page.sum("tenure_shard_degraded"), 0.0, "{page:#?}");
    let customers = page.value("tenure_customers").unwrap();
    assert!(
        (33.0..=f64::from(next)).contains(&customers),
        "{customers} customers"
    );
}

/// The offset of the first record that the log still has.
fn first_left(client: &ClientConfig, topic: &str) -> i64 {
    let mut client = client.clone();
    let consumer: BaseConsumer = client.set("group.id", "first-left").create().unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, Offset::Beginning)
        .unwrap();
    consumer.assign(&list).unwrap();
    consumer.poll(DEADLINE).unwrap().unwrap().offset()
}
