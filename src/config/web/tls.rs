//! The section `tls_server_config`: certificates, versions, suites and curves.
//!
//! Owns the way from texts to the settings of the TLS library. Promises that what is in use fits
//! together (the key belongs to the certificate, some suite can be spoken), and that old clients are
//! refused aloud: TLS 1.0 and 1.1, and suites without forward secrecy, do not exist here.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, SupportedKxGroup, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::{
    CipherSuite, InconsistentKeys, ProtocolVersion, ServerConfig, SupportedProtocolVersion, version,
};

use super::Files;
use super::clients::{self, ClientAuth, Wanted};
use super::section::{Section, complain};
use crate::config::complaint::{Complaints, Place, quoted};
use crate::config::document::Node;
use crate::config::nearest::nearest;
use crate::config::values::{self, Parsed, Trouble};

const OF_TLS: [&str; 13] = [
    "cert",
    "key",
    "client_ca",
    "cert_file",
    "key_file",
    "client_auth_type",
    "client_ca_file",
    "client_allowed_sans",
    "min_version",
    "max_version",
    "cipher_suites",
    "prefer_server_cipher_suites",
    "curve_preferences",
];

/// The suites by their names in the standards, which are also those of Go.
const SUITES: [(&str, CipherSuite); 9] = [
    (
        "TLS_AES_128_GCM_SHA256",
        CipherSuite::TLS13_AES_128_GCM_SHA256,
    ),
    (
        "TLS_AES_256_GCM_SHA384",
        CipherSuite::TLS13_AES_256_GCM_SHA384,
    ),
    (
        "TLS_CHACHA20_POLY1305_SHA256",
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
    ),
    (
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    ),
    (
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    ),
    (
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
    (
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    ),
    (
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    ),
    (
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
];

const CURVES: [&str; 3] = ["X25519", "CurveP256", "CurveP384"];

/// The bytes of a certificate or key, and where they come from.
pub(super) struct Pem {
    pub bytes: Vec<u8>,
    pub place: Place,
    /// The key they were given under, as messages call it.
    pub name: &'static str,
}

/// The settings of the TLS library, if the section asks for TLS, and whether every client has to
/// show a certificate that is vouched for. None after a complaint.
pub(super) fn tls(
    node: Node,
    files: &Files<'_>,
    complaints: &mut Complaints,
) -> Option<(Option<Arc<ServerConfig>>, bool)> {
    let place = node.place.clone();
    let mut section = Section::of(node, "`tls_server_config`", &OF_TLS, complaints)?;
    if section.is_empty() {
        return Some((None, false));
    }
    // All of them are read before the first complaint ends it.
    let identity = identity(&mut section, &place, files, complaints);
    let clients = clients(&mut section, files, complaints);
    let spoken = spoken(&mut section, &place, complaints);
    let clients_verified = clients.as_ref()?.auth == ClientAuth::RequireAndVerify;
    let spoken = spoken?;
    let verifier = clients?.verifier(&spoken.provider, &place, complaints);
    let (identity, verifier) = (identity?, verifier?);

    let builder = ServerConfig::builder_with_provider(spoken.provider)
        .with_protocol_versions(&spoken.versions)
        .map_err(|_| {
            let message = "`tls_server_config`: none of the `cipher_suites` belongs to a version \
                           that is allowed";
            let help = "leave `cipher_suites` out, or add TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 and \
                        TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256";
            complain(complaints, &place, message, help);
        })
        .ok()?;
    let builder = match verifier {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder
        .with_single_cert(identity.chain, identity.key)
        .map_err(|error| unusable(&error, &identity.from, complaints))
        .ok()?;
    config.ignore_client_order = spoken.prefer_own;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Who comes again shows everything again, so that what was revoked by a new file stays outside.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Some((Some(Arc::new(config)), clients_verified))
}

/// What the service shows.
struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    /// The certificate and the key as they were given.
    from: [Pem; 2],
}

fn identity(
    section: &mut Section,
    place: &Place,
    files: &Files<'_>,
    complaints: &mut Complaints,
) -> Option<Identity> {
    let mut given = |names: [&'static str; 2]| {
        let pem = pem(section, names, files, complaints)?;
        present(pem, names[1], place, complaints)
    };
    let cert = given(["cert", "cert_file"]);
    let key = given(["key", "key_file"]);
    let chain = cert.as_ref().and_then(|cert| chain(cert, complaints));
    let der = key.as_ref().and_then(|key| private_key(key, complaints));
    Some(Identity {
        chain: chain?,
        key: der?,
        from: [cert?, key?],
    })
}

fn clients(
    section: &mut Section,
    files: &Files<'_>,
    complaints: &mut Complaints,
) -> Option<Wanted> {
    let names = ["client_ca", "client_ca_file"];
    let authorities = pem(section, names, files, complaints);
    let auth = section.text("client_auth_type", complaints, clients::auth);
    let text = |text: &str| Ok(text.to_owned());
    let allowed = section.list("client_allowed_sans", complaints, text);
    Some(Wanted {
        auth: auth?.unwrap_or(ClientAuth::None),
        authorities: authorities?,
        allowed: allowed?,
    })
}

/// What is spoken with clients.
struct Spoken {
    versions: Vec<&'static SupportedProtocolVersion>,
    provider: Arc<CryptoProvider>,
    /// Whether the order of the suites here counts, and not the client's.
    prefer_own: bool,
}

fn spoken(section: &mut Section, place: &Place, complaints: &mut Complaints) -> Option<Spoken> {
    let least = section.text("min_version", complaints, tls_version);
    let most = section.text("max_version", complaints, tls_version);
    let suites = section.list("cipher_suites", complaints, suite);
    let prefer_own = section.switch("prefer_server_cipher_suites", complaints);
    let curves = section.list("curve_preferences", complaints, curve);
    Some(Spoken {
        versions: versions(least?, most?, place, complaints)?,
        provider: Arc::new(provider(suites?.as_deref(), curves?.as_deref())),
        prefer_own: prefer_own?.unwrap_or(true),
    })
}

/// The bytes under one of two keys: the text itself, or the path of a file with it.
#[expect(
    clippy::option_option,
    reason = "two questions: is it right, and is it there"
)]
fn pem(
    section: &mut Section,
    [inline, file]: [&'static str; 2],
    files: &Files<'_>,
    complaints: &mut Complaints,
) -> Option<Option<Pem>> {
    let text = section.placed(inline, complaints)?;
    let path = section.placed(file, complaints)?;
    match (text, path) {
        (None, None) => Some(None),
        (Some((text, place)), None) => Some(Some(Pem {
            bytes: text.into_bytes(),
            place,
            name: inline,
        })),
        (None, Some((path, place))) => match files.named(&path) {
            Ok(bytes) => Some(Some(Pem {
                bytes,
                place,
                name: file,
            })),
            Err(error) => {
                let shown = quoted(&path);
                let message =
                    format!("`tls_server_config.{file}`: could not read {shown}: {error}");
                let help = "a relative path begins at the folder of the web config file";
                complain(complaints, &place, message, help);
                None
            }
        },
        (Some((_, place)), Some(_)) => {
            let message = format!("`tls_server_config` has `{inline}` and `{file}`");
            complain(complaints, &place, message, "remove one of them");
            None
        }
    }
}

fn present(
    pem: Option<Pem>,
    name: &str,
    place: &Place,
    complaints: &mut Complaints,
) -> Option<Pem> {
    if pem.is_none() {
        let message = format!("`tls_server_config` has no `{name}`");
        let help = "TLS needs a certificate and its key: `cert_file` and `key_file`";
        complain(complaints, place, message, help);
    }
    pem
}

fn chain(pem: &Pem, complaints: &mut Complaints) -> Option<Vec<CertificateDer<'static>>> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem.bytes).collect();
    if let Some(chain) = chain.ok().filter(|chain| !chain.is_empty()) {
        return Some(chain);
    }
    let message = format!("`tls_server_config.{}` holds no certificate", pem.name);
    let help = "it must be PEM: the certificate of the server first, then those of its authorities";
    complain(complaints, &pem.place, message, help);
    None
}

fn private_key(pem: &Pem, complaints: &mut Complaints) -> Option<PrivateKeyDer<'static>> {
    if let Ok(key) = PrivateKeyDer::from_pem_slice(&pem.bytes) {
        return Some(key);
    }
    let message = format!("`tls_server_config.{}` holds no private key", pem.name);
    let help = "it must be PEM and not encrypted: PKCS #8, PKCS #1 or SEC 1";
    complain(complaints, &pem.place, message, help);
    None
}

fn unusable(error: &rustls::Error, [cert, key]: &[Pem; 2], complaints: &mut Complaints) {
    let (pem, what, help) = match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => (
            key,
            "this key does not belong to the certificate".to_owned(),
            "give the certificate and the key that were made together",
        ),
        rustls::Error::InvalidCertificate(error) => (
            cert,
            format!("this certificate cannot be used: {error}"),
            "it must be an X.509 certificate of version 3",
        ),
        _ => (
            key,
            "this key cannot be used".to_owned(),
            "use RSA with 2048 to 8192 bits, ECDSA on P-256 or P-384, or Ed25519",
        ),
    };
    let message = format!("`tls_server_config.{}`: {what}", pem.name);
    complain(complaints, &pem.place, message, help);
}

fn tls_version(text: &str) -> Parsed<ProtocolVersion> {
    match text {
        "TLS12" => Ok(ProtocolVersion::TLSv1_2),
        "TLS13" => Ok(ProtocolVersion::TLSv1_3),
        "TLS10" | "TLS11" => Err(Trouble {
            message: format!("{} is not spoken: it is no longer safe", quoted(text)),
            help: "write TLS12 or TLS13".to_owned(),
        }),
        _ => Err(Trouble {
            message: format!("{} is no version of TLS", quoted(text)),
            help: "write TLS12 or TLS13".to_owned(),
        }),
    }
}

fn versions(
    least: Option<ProtocolVersion>,
    most: Option<ProtocolVersion>,
    place: &Place,
    complaints: &mut Complaints,
) -> Option<Vec<&'static SupportedProtocolVersion>> {
    let least = least.unwrap_or(ProtocolVersion::TLSv1_2);
    let most = most.unwrap_or(ProtocolVersion::TLSv1_3);
    let versions: Vec<_> = [&version::TLS13, &version::TLS12]
        .into_iter()
        .filter(|version| {
            let number = u16::from(version.version);
            (u16::from(least)..=u16::from(most)).contains(&number)
        })
        .collect();
    if versions.is_empty() {
        let message = "`tls_server_config`: `min_version` is later than `max_version`";
        complain(complaints, place, message, "leave `max_version` out");
        return None;
    }
    Some(versions)
}

fn suite(text: &str) -> Parsed<CipherSuite> {
    let names = SUITES.map(|(name, _)| name);
    values::choice(text, &SUITES).map_err(|_| Trouble {
        message: format!("{} is not spoken", quoted(text)),
        help: match nearest(text, names) {
            Some(near) => format!("did you mean `{near}`? The others are {}", names.join(", ")),
            None => format!("known are {}", names.join(", ")),
        },
    })
}

fn curve(text: &str) -> Parsed<&'static dyn SupportedKxGroup> {
    match text {
        "X25519" => Ok(ring::kx_group::X25519),
        "CurveP256" => Ok(ring::kx_group::SECP256R1),
        "CurveP384" => Ok(ring::kx_group::SECP384R1),
        _ => Err(Trouble {
            message: format!("{} is no curve that is spoken", quoted(text)),
            help: format!("known are {}", CURVES.join(", ")),
        }),
    }
}

/// The library's choices, or those that the file names. As in Go, a list of suites is about TLS 1.2:
/// those of TLS 1.3 are always offered.
fn provider(
    suites: Option<&[CipherSuite]>,
    curves: Option<&[&'static dyn SupportedKxGroup]>,
) -> CryptoProvider {
    let mut provider = ring::default_provider();
    if let Some(named) = suites.filter(|named| !named.is_empty()) {
        let rank = |suite: CipherSuite| named.iter().position(|named| *named == suite);
        provider
            .cipher_suites
            .retain(|suite| suite.tls13().is_some() || rank(suite.suite()).is_some());
        // Stable: those of TLS 1.3 stay first, in the library's order.
        provider
            .cipher_suites
            .sort_by_key(|suite| match suite.tls13() {
                Some(_) => None,
                None => rank(suite.suite()),
            });
    }
    if let Some(named) = curves.filter(|named| !named.is_empty()) {
        provider.kx_groups = named.to_vec();
    }
    provider
}
