//! Where the state is kept, and how long ending may take.
//!
//! Owns the addresses of folders and buckets. Promises that an address that this build cannot use is
//! refused with the way to one that can, and that no state leaves the machine under a key that
//! everybody knows. Does not know checkpoints.

use std::path::PathBuf;
use std::time::Duration;

use super::complaint::quoted;
use super::keys::Key;
use super::parts::DAY;
use super::reading::Reading;
use super::settings::{BucketKind, Origin, StateSettings, StateUrl};
use super::values::{self, Parsed, Trouble};

const SECOND: i64 = 1000;
const HOUR: i64 = 3600 * SECOND;
/// Each is as large as the state.
const MOST_KEPT: usize = 100;
/// The schemes of buckets; each is a feature of the build, by the same name.
const BUCKETS: [&str; 3] = ["s3", "gs", "az"];

impl Reading<'_> {
    /// The place of the state; `own_digest_key` is unknown after a complaint about the key.
    pub fn state(&mut self, own_digest_key: Option<bool>) -> Option<StateSettings> {
        let from_file = matches!(self.layers.origin(Key::StateUrl), Some(Origin::File { .. }));
        let url = self.optional(Key::StateUrl, url);
        let interval = self.length(Key::StateInterval, SECOND, DAY);
        let keep = self.scalar(Key::StateKeep, |text| values::count(text, 1..=MOST_KEPT));
        if let (Some(Some(StateUrl::Bucket { .. })), Some(false)) = (&url, own_digest_key) {
            let message =
                "`state.url` is a bucket, which needs `customer_digest_key_file`".to_owned();
            let help = "make a key with `openssl rand -hex 16` and write the path of its file there: \
                        under the built-in key whoever reads the bucket can try out customer ids";
            self.error(&[Key::StateUrl], message, help);
        }
        let url = url?.map(|url| match url {
            StateUrl::Folder(folder) => StateUrl::Folder(self.located(folder, from_file)),
            bucket @ StateUrl::Bucket { .. } => bucket,
        });
        Some(StateSettings {
            url,
            interval: duration(interval?)?,
            keep: keep?,
        })
    }

    pub fn shutdown_grace(&mut self) -> Option<Duration> {
        duration(self.length(Key::ShutdownGrace, SECOND, HOUR)?)
    }
}

fn duration(millis: i64) -> Option<Duration> {
    Some(Duration::from_millis(u64::try_from(millis).ok()?))
}

/// The kind of a bucket, if this build can speak to it.
fn bucket_kind(scheme: &str) -> Option<BucketKind> {
    match scheme {
        #[cfg(feature = "s3")]
        "s3" => Some(BucketKind::S3),
        #[cfg(feature = "gs")]
        "gs" => Some(BucketKind::Gs),
        #[cfg(feature = "az")]
        "az" => Some(BucketKind::Az),
        _ => None,
    }
}

fn url(text: &str) -> Parsed<StateUrl> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Ok(StateUrl::Folder(PathBuf::from(text)));
    };
    let scheme = scheme.to_ascii_lowercase();
    if scheme == "file" {
        return file(rest);
    }
    if !BUCKETS.contains(&scheme.as_str()) {
        return Err(Trouble {
            message: format!("{} is no kind of place that Tenure knows", quoted(&scheme)),
            help: "write a path, `file:///path`, `s3://bucket/prefix`, `gs://bucket/prefix`, \
                   `az://container/prefix`, or null"
                .to_owned(),
        });
    }
    // Checked before anything is shown: what comes before an @ may be credentials.
    if rest.contains(['@', '?', '#']) {
        return Err(Trouble {
            message: "the address holds more than a bucket and a prefix".to_owned(),
            help: format!(
                "write `{scheme}://bucket/prefix`; credentials and endpoints are read from the \
                 environment, by the names that the provider's own tools use"
            ),
        });
    }
    if rest.split('/').next().is_none_or(str::is_empty) {
        return Err(Trouble {
            message: "the address names no bucket".to_owned(),
            help: format!("write `{scheme}://bucket/prefix`"),
        });
    }
    let url = format!("{scheme}://{rest}");
    match bucket_kind(&scheme) {
        Some(kind) => Ok(StateUrl::Bucket { kind, url }),
        None => Err(Trouble {
            message: format!("this build of Tenure cannot use `{scheme}://`"),
            help: format!(
                "build it with `cargo build --release --features {scheme}`, or write the path of a \
                 folder"
            ),
        }),
    }
}

fn file(rest: &str) -> Parsed<StateUrl> {
    // A path may begin with a host, of which there is only one here.
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    if path.starts_with('/') {
        Ok(StateUrl::Folder(PathBuf::from(path)))
    } else {
        Err(Trouble {
            message: "the address has no path that begins with `/`".to_owned(),
            help: "write `file:///path`, or a path alone".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_folder_however_it_is_written() {
        for (text, folder) in [
            ("./state", "./state"),
            ("/var/lib/tenure", "/var/lib/tenure"),
            ("file:///var/lib/tenure", "/var/lib/tenure"),
            ("FILE://localhost/var/lib/tenure", "/var/lib/tenure"),
        ] {
            let expected = StateUrl::Folder(folder.into());
            assert_eq!(url(text).ok(), Some(expected), "{text}");
        }
    }

    #[test]
    fn a_bucket_needs_a_build_that_can_speak_to_it() {
        for scheme in BUCKETS {
            let text = format!("{scheme}://bucket/prefix");
            match (bucket_kind(scheme), url(&text)) {
                (Some(kind), outcome) => {
                    let expected = StateUrl::Bucket { kind, url: text };
                    assert_eq!(outcome.ok(), Some(expected));
                }
                (None, Err(Trouble { message, help })) => {
                    assert_eq!(
                        message,
                        format!("this build of Tenure cannot use `{scheme}://`")
                    );
                    assert!(help.contains(&format!("--features {scheme}")), "{help}");
                }
                (None, Ok(url)) => panic!("{url}"),
            }
        }
    }
}
