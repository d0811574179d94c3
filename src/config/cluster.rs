//! How several instances share the work.
//!
//! Owns which partitions an instance takes, where instances tell each other their results, and how
//! they reach each other. Promises that the topic of the results is none that is read or written
//! otherwise, that no results leave the machine under a digest key that everybody knows, and that no
//! complaint shows a token. Does not know how instances work together.

use super::complaint::quoted;
use super::keys::Key;
use super::reading::Reading;
use super::settings::{
    ClusterSettings, DeadLetterSettings, KafkaSettings, Ownership, RouterSettings,
};
use super::values::{self, Parsed, Trouble};

const OWNERSHIP: [(&str, Ownership); 2] = [("group", Ownership::Group), ("all", Ownership::All)];

/// The topics that have a use already, each with the key that names it.
pub(super) struct Used(Vec<(Key, String)>);

impl Used {
    /// `kafka` has the topics that the service reads.
    pub fn of(
        kafka: &KafkaSettings,
        router: &RouterSettings,
        dead_letters: &DeadLetterSettings,
    ) -> Self {
        let named = |key: Key| move |topic: &String| (key, topic.clone());
        let mut used: Vec<_> = router.from.iter().map(named(Key::Topics)).collect();
        used.extend(router.to.iter().map(named(Key::RouterTo)));
        used.extend(kafka.topics.iter().map(named(Key::Topics)));
        used.extend(dead_letters.topic.iter().map(named(Key::DeadLettersTopic)));
        Self(used)
    }
}

impl Reading<'_> {
    /// How instances work together. `own_digest_key` is unknown after a complaint about the key.
    pub fn cluster(
        &mut self,
        used: Option<&Used>,
        own_digest_key: Option<bool>,
    ) -> Option<ClusterSettings> {
        let ownership = self.choice(Key::ClusterOwnership, &OWNERSHIP);
        let instance_id = self.optional(Key::ClusterInstanceId, instance_id);
        let report_topic = self.optional(Key::ClusterReportTopic, values::topic);
        let advertise = self.optional(Key::ClusterAdvertise, advertise);
        let token = self.token(Key::ClusterTokenFile);
        let authorities = self.file_of(Key::ClusterCaFile);
        if let Some(Some(topic)) = &report_topic {
            self.check_report_topic(topic, used, own_digest_key);
        }
        let (token, token_file) = token?.unzip();
        let (ca_file, authorities) = authorities?.unzip();
        Some(ClusterSettings {
            ownership: ownership?,
            instance_id: instance_id?,
            report_topic: report_topic?,
            advertise: advertise?,
            token,
            authorities,
            token_file,
            ca_file,
        })
    }

    fn check_report_topic(
        &mut self,
        topic: &str,
        used: Option<&Used>,
        own_digest_key: Option<bool>,
    ) {
        let user = used.and_then(|Used(used)| used.iter().find(|(_, other)| other == topic));
        if let Some((key, _)) = user {
            let message = format!(
                "`cluster.report_topic`: {} is in `{}`",
                quoted(topic),
                key.path()
            );
            let help = "name another topic, of its own, for instance `tenure-reports`";
            self.error(&[Key::ClusterReportTopic, *key], message, help);
        }
        if own_digest_key == Some(false) {
            let message = "`cluster.report_topic` needs `customer_digest_key_file`".to_owned();
            let help = "make a key with `openssl rand -hex 16`, give the same file to every instance \
                        and write its path there: under the built-in key whoever reads the topic can \
                        try out customer ids";
            self.error(&[Key::ClusterReportTopic], message, help);
        }
    }
}

/// The name of a static member.
fn instance_id(text: &str) -> Parsed<String> {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if (1..=249).contains(&text.len()) && text.bytes().all(letter) {
        return Ok(text.to_owned());
    }
    Err(Trouble {
        message: format!("{} is no name of an instance", quoted(text)),
        help: "write 1 to 249 of the characters a-z, A-Z, 0-9, `.`, `_` and `-`, for instance the name \
               of the pod"
            .to_owned(),
    })
}

/// An address without a path.
fn advertise(text: &str) -> Parsed<String> {
    let url = text.trim_end_matches('/');
    let rest = url
        .strip_prefix("http://")
        .or_else(|| url.strip_prefix("https://"));
    if rest.is_some_and(|host| !host.is_empty() && !host.contains(['/', '?', '#', ' ', '@'])) {
        return Ok(url.to_owned());
    }
    Err(Trouble {
        message: format!("{} is no address of an instance", quoted(text)),
        help:
            "write http://HOST:PORT or https://HOST:PORT, as other instances reach this one, for \
               instance http://tenure-0.tenure:9736"
                .to_owned(),
    })
}
