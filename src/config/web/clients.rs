//! Certificates of clients: whether one is asked for, and which are good.
//!
//! Owns the five policies of the exporter toolkit and the check of alternative names. The signatures
//! are the TLS library's to check. Does not know requests.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme,
};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use super::section::complain;
use super::tls::Pem;
use crate::config::complaint::{Complaints, Place, quoted};
use crate::config::nearest::nearest;
use crate::config::values::{Parsed, Trouble};

/// What is asked of clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// Nothing.
    None,
    /// A certificate, any or none at all.
    Request,
    /// A certificate, any.
    RequireAny,
    /// If there is one, it has to be vouched for.
    VerifyIfGiven,
    /// One that is vouched for.
    RequireAndVerify,
}

const POLICIES: [(&str, ClientAuth); 6] = [
    ("NoClientCert", ClientAuth::None),
    ("RequestClientCert", ClientAuth::Request),
    ("RequireAnyClientCert", ClientAuth::RequireAny),
    // The same by its former name.
    ("RequireClientCert", ClientAuth::RequireAny),
    ("VerifyClientCertIfGiven", ClientAuth::VerifyIfGiven),
    ("RequireAndVerifyClientCert", ClientAuth::RequireAndVerify),
];

pub(super) fn auth(text: &str) -> Parsed<ClientAuth> {
    let found = POLICIES.into_iter().find(|(name, _)| *name == text);
    found.map(|(_, auth)| auth).ok_or_else(|| {
        let names = POLICIES.map(|(name, _)| name);
        Trouble {
            message: format!("{} is no such type", quoted(text)),
            help: match nearest(text, names) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known are {}", names.join(", ")),
            },
        }
    })
}

/// What the file says about clients.
pub(super) struct Wanted {
    pub auth: ClientAuth,
    pub authorities: Option<Pem>,
    pub allowed: Option<Vec<String>>,
}

impl Wanted {
    /// The check of certificates, unless none are asked for. None after a complaint.
    #[expect(
        clippy::option_option,
        reason = "two questions: is it right, and is it there"
    )]
    pub fn verifier(
        self,
        provider: &Arc<CryptoProvider>,
        place: &Place,
        complaints: &mut Complaints,
    ) -> Option<Option<Arc<dyn ClientCertVerifier>>> {
        if let Some((message, help)) = self.contradiction() {
            complain(
                complaints,
                place,
                format!("`tls_server_config`: {message}"),
                help,
            );
            return None;
        }
        let verifies = match self.auth {
            ClientAuth::None => return Some(None),
            ClientAuth::Request | ClientAuth::RequireAny => false,
            ClientAuth::VerifyIfGiven | ClientAuth::RequireAndVerify => true,
        };
        // Authorities of those who may show anything are read, so that mistakes in them show.
        let roots = match &self.authorities {
            Some(pem) => Some(roots(pem, complaints)?),
            None => None,
        };
        let vouching = match roots.filter(|_| verifies) {
            Some(roots) => {
                let builder =
                    WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider));
                Some(builder.build().ok()?)
            }
            None => None,
        };
        Some(Some(Arc::new(Clients {
            vouching,
            mandatory: matches!(
                self.auth,
                ClientAuth::RequireAny | ClientAuth::RequireAndVerify
            ),
            allowed: self.allowed.map(|names| names.into_iter().collect()),
            algorithms: provider.signature_verification_algorithms,
        })))
    }

    fn contradiction(&self) -> Option<(&'static str, &'static str)> {
        let verifies = matches!(
            self.auth,
            ClientAuth::VerifyIfGiven | ClientAuth::RequireAndVerify
        );
        let asks = self.auth != ClientAuth::None;
        match (&self.authorities, &self.allowed) {
            (None, _) if verifies => Some((
                "certificates of clients are to be verified, but `client_ca_file` is missing",
                "write `client_ca_file`, with the authorities that may vouch for clients",
            )),
            (Some(_), _) if !asks => Some((
                "there are authorities for clients, but no certificate is asked for",
                "write `client_auth_type: RequireAndVerifyClientCert`",
            )),
            (_, Some(_)) if !asks => Some((
                "`client_allowed_sans` has no effect, because no certificate is asked for",
                "write `client_auth_type: RequireAndVerifyClientCert`",
            )),
            (_, Some(names)) if names.is_empty() => Some((
                "`client_allowed_sans` is empty, so nobody could connect",
                "name at least one, or remove the key",
            )),
            _ => None,
        }
    }
}

fn roots(pem: &Pem, complaints: &mut Complaints) -> Option<Arc<RootCertStore>> {
    let mut roots = RootCertStore::empty();
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem.bytes).collect();
    let (usable, unusable) = roots.add_parsable_certificates(certificates.unwrap_or_default());
    if usable > 0 && unusable == 0 {
        return Some(Arc::new(roots));
    }
    let what = if unusable > 0 {
        "holds a certificate that cannot be read"
    } else {
        "holds no certificate"
    };
    let message = format!("`tls_server_config.{}` {what}", pem.name);
    let help = "it must be PEM: the certificates of the authorities that vouch for clients";
    complain(complaints, &pem.place, message, help);
    None
}

/// Checks certificates of clients.
#[derive(Debug)]
struct Clients {
    /// Without it any certificate will do.
    vouching: Option<Arc<dyn ClientCertVerifier>>,
    mandatory: bool,
    /// The alternative names one of which a certificate must have.
    allowed: Option<BTreeSet<String>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientCertVerifier for Clients {
    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        match &self.vouching {
            Some(vouching) => vouching.root_hint_subjects(),
            None => &[],
        }
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        if let Some(vouching) = &self.vouching {
            vouching.verify_client_cert(end_entity, intermediates, now)?;
        }
        let allowed = self.allowed.as_ref();
        if allowed.is_none_or(|allowed| names_one_of(end_entity, allowed)) {
            return Ok(ClientCertVerified::assertion());
        }
        Err(CertificateError::ApplicationVerificationFailure.into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Whether an alternative name of the certificate is exactly one of these.
fn names_one_of(certificate: &CertificateDer<'_>, allowed: &BTreeSet<String>) -> bool {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else {
        return false;
    };
    let Ok(Some(names)) = certificate.subject_alternative_name() else {
        return false;
    };
    names.value.general_names.iter().any(|name| match name {
        GeneralName::DNSName(name) | GeneralName::RFC822Name(name) | GeneralName::URI(name) => {
            allowed.contains(*name)
        }
        GeneralName::IPAddress(bytes) => {
            address(bytes).is_some_and(|address| allowed.contains(&address.to_string()))
        }
        _ => false,
    })
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let short = <[u8; 4]>::try_from(bytes).map(|bytes| IpAddr::from(Ipv4Addr::from(bytes)));
    let long = || <[u8; 16]>::try_from(bytes).map(|bytes| IpAddr::from(Ipv6Addr::from(bytes)));
    short.or_else(|_| long()).ok()
}
