//! How several instances share the work.
//!
//! Owns which partitions an instance takes, where instances tell each other their results, and how
//! they reach each other. Promises that the topic of the results is none that is read or written
//! otherwise, that no results leave the machine under a digest key that everybody knows, and that no
//! complaint shows a token. Does not know how instances work together.

use std::net::IpAddr;

use super::complaint::quoted;
use super::keys::Key;
use super::reading::Reading;
use super::settings::{
    ClusterSettings, DeadLetterSettings, KafkaSettings, Ownership, RouterSettings, Settings,
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

impl Settings {
    /// Whether ids of customers, and the token, go unencrypted to another machine when one instance asks
    /// another for a customer.
    #[must_use]
    pub fn tells_customers_in_the_clear(&self) -> bool {
        let clear = match &self.cluster.advertise {
            Some(address) => address
                .strip_prefix("http://")
                .is_some_and(|it| !is_loopback(it)),
            None => {
                let web = self.web.as_ref();
                let encrypted = web.is_some_and(|file| file.settings.tls.is_some());
                !encrypted && !self.listen.ip().to_canonical().is_loopback()
            }
        };
        clear && self.api.customers && self.cluster.token.is_some()
    }
}

/// Whether a host with or without its port is the machine itself.
fn is_loopback(authority: &str) -> bool {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    let host = host.trim_matches(['[', ']']);
    let address: Result<IpAddr, _> = host.parse();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
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

#[cfg(test)]
mod tests {
    use crate::config::{Override, Sources, load};

    #[test]
    fn customers_are_told_in_the_clear_where_another_machine_asks_without_tls() {
        let customers = [
            ("api.customers", "true"),
            ("api.token_file", "/t"),
            ("customer_digest_key_file", "/t"),
        ];
        let check = |given: &[(&str, &str)], expected: bool| {
            let flag = |(key, text): &(&str, &str)| Override {
                key: (*key).to_owned(),
                text: (*text).to_owned(),
                flag: format!("--{key}"),
            };
            let sources = Sources {
                flags: given.iter().map(flag).collect(),
                // A key and a token.
                read_file: &|_, _| Ok(b"000102030405060708090a0b0c0d0e0f".to_vec()),
                ..Sources::none()
            };
            let settings = load(&sources).unwrap();
            assert_eq!(
                settings.tells_customers_in_the_clear(),
                expected,
                "{given:?}"
            );
        };
        let token = ("cluster.token_file", "/t");
        for (advertise, expected) in [
            ("http://tenure-0.tenure:9736", true),
            ("http://10.0.0.7:9736", true),
            ("http://10.0.0.7", true),
            ("http://localhost.example.com", true),
            ("http://[2001:db8::1]:9736", true),
            ("https://tenure-0.tenure:9736", false),
            ("http://localhost:9736", false),
            ("http://127.0.0.1:9736", false),
            ("http://[::1]:9736", false),
        ] {
            let address = ("cluster.advertise", advertise);
            let [one, two, three] = customers;
            check(&[one, two, three, token, address], expected);
            check(&[one, two, three, address], false);
            check(&[token, address], false);
        }
        let [one, two, three] = customers;
        check(&[one, two, three, token], true);
        check(
            &[one, two, three, token, ("listen", "127.0.0.1:9736")],
            false,
        );
    }
}
