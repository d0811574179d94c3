//! Questions to a registry that speaks Confluent's protocol, over HTTP.
//!
//! Owns addresses, credentials, and what an answer means. Promises that one question takes at most
//! one time-out for each address and schema, and that a password goes to the configured addresses
//! alone. Does not know what was asked before.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use ureq::Agent;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use crate::config::SchemaRegistrySettings;
use crate::event::schema::{Language, SchemaText};

/// The largest answer: schemas of some thousand fields stay far below.
const LARGEST: u64 = 4 << 20;
/// Schemas that one refers to, directly or not.
const MOST_REFERENCES: usize = 256;
/// What an answer says about an id, a subject or a version that does not exist begins here.
const NOT_FOUND: i64 = 40_400;

/// Asks one registry, at any of its addresses.
pub struct Client {
    agent: Agent,
    urls: Vec<String>,
    /// The address that answered last.
    first: AtomicUsize,
    /// What to show, if anything: a secret.
    authorization: Option<String>,
}

/// Why there is no schema. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unanswered {
    /// The registry says that there is no schema with that id.
    Unknown,
    /// Something that the schema refers to is not there.
    Half(String),
    /// Credentials are missing, or are not enough: the status.
    Refused(u16),
    /// No answer, or none that a registry would give.
    Failed(String),
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("it knows no schema with that id"),
            Self::Half(what) => f.write_str(what),
            Self::Refused(status) => write!(
                f,
                "it refuses to answer with status {status}: look at schema_registry.user and \
                 schema_registry.password_file"
            ),
            Self::Failed(reason) => f.write_str(reason),
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    schema: String,
    /// Nothing is Avro.
    #[serde(rename = "schemaType")]
    schema_type: Option<String>,
    references: Option<Vec<Reference>>,
}

#[derive(Deserialize)]
struct Reference {
    name: String,
    subject: String,
    version: u32,
}

#[derive(Deserialize)]
struct Complaint {
    error_code: i64,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("urls", &self.urls)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// An error if the certificates of the authorities are none.
    pub fn new(settings: &SchemaRegistrySettings) -> Result<Self, String> {
        let mut tls = TlsConfig::builder();
        if let Some(pem) = &settings.authorities {
            let found = parse_pem(pem).filter_map(|item| match item {
                Ok(PemItem::Certificate(certificate)) => Some(certificate),
                _ => None,
            });
            let found: Vec<Certificate<'static>> = found.collect();
            if found.is_empty() {
                return Err("schema_registry.ca_file holds no certificate (PEM)".to_owned());
            }
            tls = tls.root_certs(RootCerts::from(found));
        }
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            // A password must not go anywhere else.
            .max_redirects(0)
            .timeout_global(Some(settings.timeout))
            .tls_config(tls.build())
            .build();
        let password = settings.password.as_ref();
        let authorization = settings.user.as_ref().zip(password);
        Ok(Self {
            agent: agent.into(),
            urls: settings.urls.clone(),
            first: AtomicUsize::new(0),
            authorization: authorization.map(|(user, password)| {
                let shown = STANDARD.encode(format!("{user}:{}", password.reveal()));
                format!("Basic {shown}")
            }),
        })
    }

    /// The schema with an id, and all that it refers to.
    pub fn schema(&self, id: u32) -> Result<SchemaText, Unanswered> {
        let answer = self.ask(&format!("/schemas/ids/{id}"))?;
        let language = match answer.schema_type.as_deref() {
            None | Some("AVRO") => Language::Avro,
            Some("PROTOBUF") => Language::Protobuf,
            Some("JSON") => Language::JsonSchema,
            Some(_) => {
                let what = "its type is neither AVRO, PROTOBUF nor JSON";
                return Err(Unanswered::Half(what.to_owned()));
            }
        };
        let mut references = Vec::new();
        // Nobody looks into the schemas of JSON.
        if language != Language::JsonSchema {
            let mut seen = BTreeSet::new();
            self.follow(answer.references, &mut seen, &mut references)?;
        }
        Ok(SchemaText {
            language,
            text: answer.schema,
            references,
        })
    }

    /// Adds what is referred to, each behind what it refers to itself.
    fn follow(
        &self,
        references: Option<Vec<Reference>>,
        seen: &mut BTreeSet<String>,
        found: &mut Vec<(String, String)>,
    ) -> Result<(), Unanswered> {
        for reference in references.unwrap_or_default() {
            let Reference {
                name,
                subject,
                version,
            } = reference;
            if !seen.insert(name.clone()) {
                continue;
            }
            if seen.len() > MOST_REFERENCES {
                let what = format!("it refers to more than {MOST_REFERENCES} others");
                return Err(Unanswered::Half(what));
            }
            let path = format!(
                "/subjects/{}/versions/{version}?deleted=true",
                encoded(&subject)
            );
            let answer = self.ask(&path).map_err(|error| match error {
                Unanswered::Unknown => Unanswered::Half(format!(
                    "version {version} of the subject {subject} is not there, which it refers to as {name}"
                )),
                error => error,
            })?;
            self.follow(answer.references, seen, found)?;
            found.push((name, answer.schema));
        }
        Ok(())
    }

    /// Asks one address after the other, beginning with the one that answered last.
    fn ask(&self, path: &str) -> Result<Answer, Unanswered> {
        let first = self.first.load(Ordering::Relaxed);
        let mut last = Unanswered::Failed("no address is configured".to_owned());
        for turn in 0..self.urls.len() {
            let place = (first + turn) % self.urls.len();
            match self.ask_at(&self.urls[place], path) {
                Ok(answer) => {
                    self.first.store(place, Ordering::Relaxed);
                    return Ok(answer);
                }
                // Every address is the same registry.
                Err(Unanswered::Unknown) => {
                    self.first.store(place, Ordering::Relaxed);
                    return Err(Unanswered::Unknown);
                }
                Err(failed) => last = failed,
            }
        }
        Err(last)
    }

    fn ask_at(&self, url: &str, path: &str) -> Result<Answer, Unanswered> {
        let failed = |error: ureq::Error| Unanswered::Failed(format!("{url}: {error}"));
        let mut request = self.agent.get(format!("{url}{path}"));
        request = request.header("Accept", "application/vnd.schemaregistry.v1+json");
        if let Some(authorization) = &self.authorization {
            request = request.header("Authorization", authorization);
        }
        let mut response = request.call().map_err(failed)?;
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(LARGEST);
        let text = body.read_to_string().map_err(failed)?;
        match status {
            200 => serde_json::from_str(&text).map_err(|_| {
                Unanswered::Failed(format!(
                    "{url} does not answer as a schema registry: is there a path missing behind it?"
                ))
            }),
            401 | 403 => Err(Unanswered::Refused(status)),
            404 if is_unknown(&text) => Err(Unanswered::Unknown),
            _ => Err(Unanswered::Failed(format!(
                "{url} answers with status {status}"
            ))),
        }
    }
}

/// Whether it is the registry that says so, and not somebody else at a wrong address.
fn is_unknown(text: &str) -> bool {
    let complaint: Result<Complaint, _> = serde_json::from_str(text);
    complaint.is_ok_and(|complaint| complaint.error_code >= NOT_FOUND)
}

/// A name as a part of a path.
fn encoded(name: &str) -> String {
    let mut path = String::new();
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                path.push(char::from(byte));
            }
            _ => path.push_str(&format!("%{byte:02X}")),
        }
    }
    path
}
