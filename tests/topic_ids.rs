//! Identities of topics, as a real Kafka gives them.

#![cfg(test)]

use std::fs;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use tenure::checkpoint::TopicId;
use tenure_librdkafka::{TopicIdsError, topic_ids};

use real::eventually;
use real::kafka::Kafka;

#[expect(dead_code, reason = "these tests need a broker alone")]
mod real;

const PATIENCE: Duration = Duration::from_secs(30);

/// What the broker itself writes, a moment later, beside the records of partition 0; `not` is what
/// it had written for the topic's predecessor.
fn on_disk(kafka: &Kafka, topic: &str, not: Option<TopicId>) -> TopicId {
    let file = kafka
        .partition_folder(1, topic, 0)
        .join("partition.metadata");
    eventually(PATIENCE, "the identity on the disk", || {
        let text = fs::read_to_string(&file).map_err(|error| error.to_string())?;
        let id = text
            .lines()
            .find_map(|line| line.strip_prefix("topic_id: "));
        let id = id.and_then(|id| id.parse().ok());
        id.filter(|id| Some(*id) != not).ok_or(text)
    })
}

#[test]
fn a_topic_made_anew_has_another_identity() {
    let kafka = Kafka::shared();
    kafka.create_topic("identified", 2, &[]);
    kafka.create_topic("another", 1, &[]);
    let consumer: BaseConsumer = kafka
        .client_config()
        .set("group.id", "test")
        .create()
        .unwrap();
    let ids = |names: &[&str]| {
        let ids = topic_ids(consumer.client(), names, PATIENCE)?;
        Ok(ids
            .into_iter()
            .map(|id| id.map(TopicId))
            .collect::<Vec<_>>())
    };

    let found = ids(&["identified", "another", "identified"]).unwrap();
    let first = on_disk(kafka, "identified", None);
    let expected = [first, on_disk(kafka, "another", None), first].map(Some);
    assert_eq!(found, expected);
    let missing = TopicIdsError::UnknownTopic {
        topic: "missing".to_owned(),
    };
    assert_eq!(ids(&["identified", "missing"]), Err(missing));

    let admin: AdminClient<DefaultClientContext> = kafka.client_config().create().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let deleted = admin.delete_topics(&["identified"], &AdminOptions::new());
    assert!(runtime.block_on(deleted).unwrap()[0].is_ok());
    eventually(PATIENCE, "the topic to go", || match ids(&["identified"]) {
        Err(TopicIdsError::UnknownTopic { .. }) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    kafka.create_topic("identified", 2, &[]);
    let second = ids(&["identified"]).unwrap()[0].unwrap();
    assert_ne!(second, first);
    assert_eq!(second, on_disk(kafka, "identified", Some(first)));
}
