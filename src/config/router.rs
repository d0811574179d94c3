//! The router: which topic it writes to, and which topic the service reads then.
//!
//! Owns the rule that nobody reads what they write. Does not know how records are routed.

use super::keys::Key;
use super::reading::Reading;
use super::settings::{DeadLetterSettings, KafkaSettings, RouterSettings};
use super::values;

/// Each partition costs every broker files, and the service a shard.
const MOST_PARTITIONS: usize = 10_000;

impl Reading<'_> {
    /// The router; `kafka` has the topics as they are configured. What could not be read is unknown.
    pub fn router(
        &mut self,
        kafka: Option<&KafkaSettings>,
        dead_letters: Option<&DeadLetterSettings>,
    ) -> Option<RouterSettings> {
        let to = self.optional(Key::RouterTo, values::topic);
        let partitions = self.scalar(Key::RouterPartitions, |text| {
            values::count(text, 1..=MOST_PARTITIONS)
        });
        let inside = self.choice(Key::RouterInside, &[("true", true), ("false", false)]);
        let to = to?;
        if let (Some(to), Some(kafka)) = (&to, kafka)
            && kafka.topics.contains(to)
        {
            let message = format!("`router.to`: `{to}` is one of `kafka.topics`");
            let help = "name another topic, of its own: what is routed would be read and routed \
                        again, for ever";
            self.error(&[Key::RouterTo], message, help);
        }
        let letters = dead_letters.and_then(|letters| letters.topic.as_ref());
        if let Some(to) = to.as_ref().filter(|to| letters == Some(to)) {
            let message = format!("`router.to`: `{to}` is `dead_letters.topic`");
            let help = "name another topic: what is rejected must not be among what is read";
            self.error(&[Key::RouterTo, Key::DeadLettersTopic], message, help);
        }
        Some(RouterSettings {
            to,
            from: kafka?.topics.clone(),
            partitions: i32::try_from(partitions?).ok()?,
            inside: inside?,
        })
    }
}

/// How the service reaches Kafka and what it reads: with a router, the topic that this one writes to.
pub(super) fn read_by_the_service(
    kafka: Option<KafkaSettings>,
    router: Option<&RouterSettings>,
) -> Option<KafkaSettings> {
    let kafka = kafka?;
    let routed = router?.to.iter().cloned();
    let topics: Vec<String> = routed.collect();
    Some(if topics.is_empty() {
        kafka
    } else {
        KafkaSettings { topics, ..kafka }
    })
}
