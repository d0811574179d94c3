//! Who is let in: the program itself over real sockets, with certificates, users and files that
//! change, and beside it promtool and Prometheus, whose format the web config file has.

#![cfg(test)]

#[expect(dead_code, reason = "who may connect has nothing to do with Kafka")]
mod real;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    SanType,
};
use real::process::{Process, new_folder, tenure};
use real::prometheus::{Prometheus, promtool_check_web_config};
use real::{eventually, free_ports};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
};
use tempfile::TempDir;
use tenure::cluster::asked::{PartialQuestion, Refused, Terms};
use tenure::cluster::peers::{Line, Peers, Unanswered};
use tenure::config::{Override, Sources, load};
use tenure::event::Timestamp;
use tenure::measure::question::Sections;

/// Generous: the machine may be busy with other things.
const DEADLINE: Duration = Duration::from_mins(1);
const BOTH: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS13, &rustls::version::TLS12];

/// An authority and what it has signed.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate with its key, as PEM.
#[derive(Clone)]
struct Identity {
    certificate: String,
    key: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        Self { issuer, pem }
    }

    fn server(&self) -> Identity {
        let names = ["localhost", "127.0.0.1"].map(str::to_owned);
        self.sign(CertificateParams::new(names).unwrap())
    }

    fn client(&self, names: &[SanType]) -> Identity {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.subject_alt_names = names.to_vec();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params)
    }

    fn sign(&self, params: CertificateParams) -> Identity {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }
}

fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

/// A folder with a web config file and what it names.
struct Folder {
    folder: TempDir,
    authority: Authority,
}

impl Folder {
    fn new() -> Self {
        let folder = Self {
            folder: new_folder("web"),
            authority: Authority::new("servers"),
        };
        folder.identify(&folder.authority.server());
        folder.write("ca.crt", &folder.authority.pem);
        folder
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, name: &str, text: &str) {
        let new = self.path().join("new");
        fs::write(&new, text).unwrap();
        fs::rename(new, self.path().join(name)).unwrap();
    }

    fn identify(&self, identity: &Identity) {
        self.write("server.crt", &identity.certificate);
        self.write("server.key", &identity.key);
    }
}

const TLS: &str = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n";

/// A service without a Kafka: it answers, and its numbers are not ready.
struct Service {
    process: Process,
    port: u16,
}

impl Service {
    /// On all addresses, so that it can be asked as from elsewhere.
    fn start(settings: &[&str]) -> Self {
        let [port] = free_ports();
        let listen = format!("0.0.0.0:{port}");
        let mut command = tenure(Path::new("null"));
        command.args([
            "run",
            "--listen",
            &listen,
            "--bootstrap-servers",
            "127.0.0.1:1",
        ]);
        for setting in settings {
            command.args(["--set", setting]);
        }
        let process = Process::start(new_folder("tenure"), &command);
        process.wait_for_line("listening", DEADLINE);
        Self { process, port }
    }

    fn with(folder: &Folder, text: &str) -> Self {
        folder.write("web.yml", text);
        let file = folder.path().join("web.yml");
        Self::start(&[&format!("web.config_file={}", file.display())])
    }

    fn local(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// The same, as other machines see it.
    fn seen_from_elsewhere(&self) -> SocketAddr {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        // Sends nothing; the system chooses the address that it would send from.
        socket.connect("203.0.113.1:9").expect("a network");
        let own = socket.local_addr().unwrap().ip();
        assert!(!own.is_loopback(), "this machine has no address of its own");
        SocketAddr::new(own, self.port)
    }

    fn ask(&self, path: &str, headers: &[&str]) -> Answer {
        ask(connect(self.local()), path, headers).expect("an answer")
    }

    fn ask_from_elsewhere(&self, path: &str, headers: &[&str]) -> Answer {
        ask(connect(self.seen_from_elsewhere()), path, headers).expect("an answer")
    }

    fn ask_encrypted(&self, client: &Client, path: &str, headers: &[&str]) -> io::Result<Answer> {
        ask(client.connect(self.local())?, path, headers)
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, DEADLINE).expect("a connection");
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_write_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// How a client connects that speaks TLS.
struct Client(Arc<ClientConfig>);

impl Client {
    /// Trusts this authority, and shows this certificate if it is asked for one.
    fn of(authority: &Authority, identity: Option<&Identity>) -> Self {
        Self::speaking(&BOTH, authority, identity)
    }

    fn speaking(
        versions: &[&'static SupportedProtocolVersion],
        authority: &Authority,
        identity: Option<&Identity>,
    ) -> Self {
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap();
        roots.add(root).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        let config = match identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let chain = CertificateDer::from_pem_slice(identity.certificate.as_bytes());
                let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes());
                builder
                    .with_client_auth_cert(vec![chain.unwrap()], key.unwrap())
                    .unwrap()
            }
        };
        Self(Arc::new(config))
    }

    /// After the handshake, as far as the client can tell.
    fn connect(&self, address: SocketAddr) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
        let name = ServerName::try_from("localhost").unwrap();
        let session = ClientConnection::new(Arc::clone(&self.0), name).unwrap();
        let mut stream = StreamOwned::new(session, connect(address));
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(stream)
    }
}

struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// One request on a connection of its own. Without a `Host:` among the headers it is for localhost.
fn ask(mut stream: impl Read + Write, path: &str, headers: &[&str]) -> io::Result<Answer> {
    let mut request = format!("GET {path} HTTP/1.1\r\nConnection: close\r\n");
    if !headers.iter().any(|header| header.starts_with("Host:")) {
        request.push_str("Host: localhost\r\n");
    }
    for header in headers {
        request.push_str(header);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes())?;
    let mut text = Vec::new();
    stream.read_to_end(&mut text)?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let (head, body) = text
        .split_once("\r\n\r\n")
        .ok_or(io::ErrorKind::UnexpectedEof)?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1));
    Ok(Answer {
        status: status.and_then(|status| status.parse().ok()).unwrap(),
        headers: lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect(),
        body: body.to_owned(),
    })
}

fn code(answer: &Answer) -> String {
    let body: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
    body["error"]["code"].as_str().expect("a code").to_owned()
}

fn basic(user: &str, password: &str) -> String {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    let shown = STANDARD.encode(format!("{user}:{password}"));
    format!("Authorization: Basic {shown}")
}

/// A flag that is raised at the end of its scope, however that comes.
struct Raised<'a>(&'a AtomicBool);

impl Drop for Raised<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What the program itself makes of a password; cheap, unless the test is about the price.
fn hashed(password: &str, cost: u32) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tenure"))
        .args(["hash-password", "--cost", &cost.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(format!("{password}\n").as_bytes()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout)
        .unwrap()
        .trim_end()
        .to_owned()
}

#[test]
fn without_users_console_and_api_are_for_this_machine() {
    let service = Service::start(&[]);
    for (path, here, elsewhere) in [
        ("/metrics", 200, 200),
        ("/-/healthy", 200, 200),
        ("/-/ready", 503, 503),
        ("/", 200, 403),
        ("/api/v1/report", 503, 403),
        ("/no/such/page", 404, 403),
    ] {
        assert_eq!(service.ask(path, &[]).status, here, "{path}");
        let answer = service.ask_from_elsewhere(path, &[]);
        assert_eq!(answer.status, elsewhere, "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
    }
    let page = service.ask_from_elsewhere("/", &[]);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(page.body.contains("`web.config_file`") && page.body.contains("`api.open: true`"));
    assert_eq!(
        code(&service.ask_from_elsewhere("/api/v1/report", &[])),
        "forbidden"
    );
    // A page from elsewhere whose name stands for this machine now.
    for path in ["/", "/api/v1/report"] {
        let answer = service.ask(path, &["Host: rebound.example.com:9736"]);
        assert_eq!(answer.status, 403, "{path}");
        assert!(!answer.body.contains("rebound"), "{path}");
        assert_eq!(
            service.ask(path, &["X-Forwarded-For: 203.0.113.9"]).status,
            403
        );
    }
    let scraped = service.ask("/metrics", &["Host: rebound.example.com:9736"]);
    assert_eq!(scraped.status, 200);
    assert!(!scraped.body.contains("tenure_web_config"));
}

#[test]
fn an_open_api_is_for_everybody_and_the_log_says_so() {
    let service = Service::start(&["api.open=true"]);
    assert_eq!(service.ask_from_elsewhere("/", &[]).status, 200);
    assert_eq!(
        service.ask_from_elsewhere("/api/v1/report", &[]).status,
        503
    );
    let line = service
        .process
        .wait_for_line("can read all numbers", DEADLINE);
    assert!(line.contains("WARN"), "{line}");
}

#[test]
fn with_a_certificate_the_endpoint_speaks_tls_alone() {
    let folder = Folder::new();
    let headers = "http_server_config:\n  http2: true\n  headers:\n    X-Frame-Options: deny\n    \
                   Strict-Transport-Security: max-age=7\n";
    let service = Service::with(&folder, &format!("{TLS}{headers}"));
    let client = Client::of(&folder.authority, None);
    for path in ["/metrics", "/", "/no/such/page"] {
        let answer = service.ask_encrypted(&client, path, &[]).unwrap();
        assert_eq!(answer.status == 404, path == "/no/such/page");
        assert_eq!(answer.header("x-frame-options"), "deny");
        assert_eq!(answer.header("strict-transport-security"), "max-age=7");
    }
    let old = Client::speaking(&[&rustls::version::TLS12], &folder.authority, None);
    assert_eq!(
        service.ask_encrypted(&old, "/metrics", &[]).unwrap().status,
        200
    );
    let other = Client::of(&Authority::new("others"), None);
    assert!(service.ask_encrypted(&other, "/metrics", &[]).is_err());
    assert!(ask(connect(service.local()), "/metrics", &[]).is_err());
    // Who is encrypted is not known by that.
    let stream = client.connect(service.seen_from_elsewhere()).unwrap();
    assert_eq!(ask(stream, "/", &[]).unwrap().status, 403);
}

#[test]
fn versions_suites_and_curves_are_those_of_the_file() {
    let folder = Folder::new();
    let v12 = || Client::speaking(&[&rustls::version::TLS12], &folder.authority, None);
    let v13 = || Client::speaking(&[&rustls::version::TLS13], &folder.authority, None);
    for (rest, old, new) in [
        ("min_version: TLS13", false, true),
        ("max_version: TLS12", true, false),
        (
            "cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]",
            false,
            true,
        ),
        (
            "cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]",
            true,
            true,
        ),
        ("cipher_suites: [TLS_AES_128_GCM_SHA256]", false, true),
        (
            "curve_preferences: [CurveP384]\n  prefer_server_cipher_suites: false",
            true,
            true,
        ),
    ] {
        let service = Service::with(&folder, &format!("{TLS}  {rest}\n"));
        let spoken = |client: Client| service.ask_encrypted(&client, "/metrics", &[]).is_ok();
        assert_eq!((spoken(v12()), spoken(v13())), (old, new), "{rest}");
    }
}

#[test]
fn certificates_of_clients_are_asked_for_in_five_ways() {
    let folder = Folder::new();
    let clients = Authority::new("clients");
    folder.write("clients.crt", &clients.pem);
    let known = clients.client(&[dns("prometheus")]);
    let stranger = Authority::new("strangers").client(&[dns("prometheus")]);
    // Whether a client without a certificate, a stranger and a known one are let in.
    for (policy, expected) in [
        ("NoClientCert", [true, true, true]),
        ("RequestClientCert", [true, true, true]),
        ("RequireAnyClientCert", [false, true, true]),
        ("RequireClientCert", [false, true, true]),
        (
            "VerifyClientCertIfGiven\n  client_ca_file: clients.crt",
            [true, false, true],
        ),
        (
            "RequireAndVerifyClientCert\n  client_ca_file: clients.crt",
            [false, false, true],
        ),
    ] {
        let service = Service::with(&folder, &format!("{TLS}  client_auth_type: {policy}\n"));
        let admitted = [None, Some(&stranger), Some(&known)].map(|identity| {
            let client = Client::of(&folder.authority, identity);
            service.ask_encrypted(&client, "/metrics", &[]).is_ok()
        });
        assert_eq!(admitted, expected, "{policy}");
        // Only a certificate that is vouched for opens what is not for everybody.
        let client = Client::of(&folder.authority, Some(&known));
        let stream = client.connect(service.seen_from_elsewhere()).unwrap();
        let status = if policy.starts_with("RequireAndVerify") {
            200
        } else {
            403
        };
        assert_eq!(ask(stream, "/", &[]).unwrap().status, status, "{policy}");
    }
}

#[test]
fn one_of_the_alternative_names_of_a_client_has_to_be_allowed() {
    let folder = Folder::new();
    let clients = Authority::new("clients");
    folder.write("clients.crt", &clients.pem);
    let service = Service::with(
        &folder,
        &format!(
            "{TLS}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: clients.crt\n  \
             client_allowed_sans: [scraper.example.com, ops@example.com, 'spiffe://shop/scraper', \
             10.0.0.7]\n"
        ),
    );
    for (names, expected) in [
        (vec![dns("scraper.example.com")], true),
        (
            vec![dns("other.example.com"), dns("scraper.example.com")],
            true,
        ),
        (
            vec![SanType::Rfc822Name("ops@example.com".try_into().unwrap())],
            true,
        ),
        (
            vec![SanType::URI("spiffe://shop/scraper".try_into().unwrap())],
            true,
        ),
        (vec![SanType::IpAddress([10, 0, 0, 7].into())], true),
        (vec![SanType::IpAddress([10, 0, 0, 8].into())], false),
        (vec![dns("example.com")], false),
        (vec![dns("x.scraper.example.com")], false),
        (
            vec![SanType::Rfc822Name("dev@example.com".try_into().unwrap())],
            false,
        ),
    ] {
        let client = Client::of(&folder.authority, Some(&clients.client(&names)));
        let admitted = service.ask_encrypted(&client, "/metrics", &[]).is_ok();
        assert_eq!(admitted, expected, "{names:?}");
    }
}

#[test]
fn with_users_everything_needs_name_and_password() {
    let folder = Folder::new();
    let users = format!("basic_auth_users:\n  alice: {}\n", hashed("open sesame", 4));
    let service = Service::with(&folder, &users);
    let right = basic("alice", "open sesame");
    for path in [
        "/metrics",
        "/-/healthy",
        "/",
        "/api/v1/report",
        "/no/such/page",
    ] {
        for wrong in [
            "X-Nothing: shown".to_owned(),
            basic("alice", "open sesam"),
            basic("bob", "open sesame"),
        ] {
            let answer = service.ask(path, &[&wrong]);
            assert_eq!(answer.status, 401, "{path}");
            let challenge = answer.header("www-authenticate");
            assert_eq!(challenge, "Basic realm=\"tenure\", charset=\"UTF-8\"");
        }
        let status = service.ask_from_elsewhere(path, &[&right]).status;
        assert!(![401, 403].contains(&status), "{path}: {status}");
    }
    assert_eq!(code(&service.ask("/api/v1/report", &[])), "unauthorized");
    let log = service.process.stderr();
    assert!(!log.contains("sesame") && !log.contains("$2"), "{log}");
}

#[test]
fn a_flood_of_wrong_passwords_keeps_no_scrape_waiting() {
    let folder = Folder::new();
    let hashes = ["open sesame", "sesame"].map(|password| hashed(password, 11));
    let users = format!(
        "basic_auth_users:\n  prometheus: {}\n  alice: {}\n",
        hashes[0], hashes[1]
    );
    let service = Service::with(&folder, &users);
    let right = basic("prometheus", "open sesame");
    assert_eq!(service.ask("/metrics", &[&right]).status, 200);
    let (address, over) = (service.local(), AtomicBool::new(false));
    let slowest = thread::scope(|scope| {
        for guesser in 0..16 {
            let over = &over;
            scope.spawn(move || {
                for number in 0.. {
                    if over.load(Ordering::Relaxed) {
                        return;
                    }
                    let guess = basic("prometheus", &format!("{guesser} {number}"));
                    // A connection that waits for too long makes room, so there may be no answer.
                    if let Ok(answer) = ask(connect(address), "/metrics", &[&guess]) {
                        assert!([401, 429].contains(&answer.status), "{}", answer.status);
                    }
                }
            });
        }
        // Also when something fails below, or the guessers would be waited for.
        let _over = Raised(&over);
        let slowest = (0..30)
            .map(|_| {
                let begun = Instant::now();
                assert_eq!(service.ask("/metrics", &[&right]).status, 200);
                begun.elapsed()
            })
            .max();
        // Nor is somebody from elsewhere kept waiting who was not there before.
        let (newcomer, elsewhere) = (basic("alice", "sesame"), service.seen_from_elsewhere());
        eventually(DEADLINE, "a comparison", || {
            match ask(connect(elsewhere), "/metrics", &[&newcomer]).map(|answer| answer.status) {
                Ok(200) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        });
        slowest
    });
    assert!(slowest < Some(Duration::from_secs(5)), "{slowest:?}");
}

#[test]
fn a_limited_rate_is_kept() {
    let folder = Folder::new();
    let service = Service::with(&folder, "rate_limit: { interval: 1h, burst: 3 }\n");
    let statuses = [(); 5].map(|()| service.ask("/metrics", &[]).status);
    assert_eq!(statuses, [200, 200, 200, 429, 429]);
    assert_eq!(
        code(&service.ask("/api/v1/report", &[])),
        "too_many_requests"
    );
}

#[test]
fn a_changed_file_is_in_force_without_a_restart_and_a_broken_one_is_not() {
    let folder = Folder::new();
    let users =
        |password: &str| format!("{TLS}basic_auth_users:\n  alice: {}\n", hashed(password, 4));
    let service = Service::with(&folder, &users("first"));
    let client = Client::of(&folder.authority, None);
    let page = |client: &Client, password: &str| {
        let shown = basic("alice", password);
        let answer = service.ask_encrypted(client, "/metrics", &[&shown]);
        answer.map(|answer| (answer.status, answer.body))
    };
    let says = |client: &Client, password: &str, successful: &str| {
        let line = format!("tenure_web_config_last_reload_successful {successful}\n");
        eventually(
            DEADLINE,
            &format!("{password} and {successful}"),
            || match page(client, password) {
                Ok((200, body)) if body.contains(&line) => Ok(body),
                other => Err(format!("{other:?}").chars().take(200).collect()),
            },
        )
    };
    let read_at = |body: &str| {
        let line = body.lines().find(|line| {
            line.starts_with("tenure_web_config_last_reload_success_timestamp_seconds ")
        });
        line.unwrap().to_owned()
    };
    let first = read_at(&says(&client, "first", "1"));

    folder.write("web.yml", &users("second"));
    let second = read_at(&says(&client, "second", "1"));
    assert_ne!(first, second);
    assert_eq!(page(&client, "first").unwrap().0, 401);

    folder.write("web.yml", &format!("{}  bob: hunter2\n", users("third")));
    assert_eq!(read_at(&says(&client, "second", "0")), second);
    assert_eq!(page(&client, "third").unwrap().0, 401);
    let line = service.process.wait_for_line("cannot be used", DEADLINE);
    assert!(line.contains("WARN") && line.contains("`bob`"), "{line}");
    assert!(!line.contains("hunter2"), "{line}");

    // Another authority: the certificate first, and a while later the key that belongs to it.
    let other = Authority::new("others");
    let identity = other.server();
    folder.write("web.yml", &users("fourth"));
    folder.write("server.crt", &identity.certificate);
    says(&client, "second", "0");
    folder.write("server.key", &identity.key);
    let new = Client::of(&other, None);
    says(&new, "fourth", "1");
    assert!(page(&client, "fourth").is_err());
}

/// How another instance asks that trusts this authority.
fn line(folder: &Folder, authority: &Authority, token: &str) -> Line {
    folder.write("peers.crt", &authority.pem);
    folder.write("token", token);
    let file = |name: &str| folder.path().join(name).display().to_string();
    let flag = |(key, name): (&str, &str)| Override {
        key: key.to_owned(),
        text: file(name),
        flag: format!("--{key}"),
    };
    let flags = [
        ("cluster.token_file", "token"),
        ("cluster.ca_file", "peers.crt"),
    ];
    let sources = Sources {
        flags: flags.map(flag).to_vec(),
        ..Sources::none()
    };
    let settings = load(&sources).expect("settings");
    let peers = Peers::new(&settings.cluster).expect("certificates");
    Arc::new(peers.expect("a token")).line()
}

#[test]
fn instances_ask_each_other_by_their_token_whatever_others_have_to_show() {
    let folder = Folder::new();
    let token = "0123456789abcdef-of-the-instances";
    folder.write("own-token", token);
    let users = format!("{TLS}basic_auth_users:\n  alice: {}\n", hashed("sesame", 4));
    folder.write("web.yml", &users);
    let [file, own_token] = ["web.yml", "own-token"].map(|name| folder.path().join(name));
    let service = Service::start(&[
        &format!("web.config_file={}", file.display()),
        &format!("cluster.token_file={}", own_token.display()),
    ]);
    let question = PartialQuestion {
        terms: Terms {
            definition: "of somebody else".to_owned(),
            partitions: 1,
        },
        of: vec![0],
        instants: vec![Timestamp::FIRST],
        sections: Sections::ALL.bits(),
        periods: Vec::new(),
    };
    let encrypted = format!("https://localhost:{}", service.port);
    let clear = format!("http://localhost:{}", service.port);
    let ask = |line: &Line, address: &str| line.partial(address, &question, DEADLINE).unwrap_err();

    let right = line(&folder, &folder.authority, token);
    let arrived = Unanswered::Refused(Refused::OtherDefinition);
    assert_eq!(ask(&right, &encrypted), arrived);
    assert!(matches!(ask(&right, &clear), Unanswered::Unreached(_)));
    let wrong = line(&folder, &folder.authority, &token.replace('0', "1"));
    assert_eq!(ask(&wrong, &encrypted), Unanswered::Token);
    let stranger = line(&folder, &Authority::new("others"), token);
    let Unanswered::Unreached(why) = ask(&stranger, &encrypted) else {
        panic!("an authority vouched that is not known");
    };
    assert!(!why.contains(token), "{why}");

    let client = Client::of(&folder.authority, None);
    let shown = format!("Authorization: Bearer {token}");
    let own = format!("X-Tenure-Token: {token}");
    for path in [
        "/metrics",
        "/api/v1/report",
        "/api/v1/customers?id=c",
        "/",
        "/peer/v1/more",
    ] {
        for headers in [&[&*shown][..], &[&own], &[&shown, &own]] {
            let answer = service.ask_encrypted(&client, path, headers).unwrap();
            assert_eq!(answer.status, 401, "{path} {headers:?}");
        }
    }
    let user = basic("alice", "sesame");
    let answer = service
        .ask_encrypted(&client, "/peer/v1/partial", &[&user])
        .unwrap();
    assert_eq!((answer.status, &*code(&answer)), (401, "unauthorized"));
    let answer = service
        .ask_encrypted(&client, "/peer/v1/partial", &[&shown])
        .unwrap();
    assert_eq!(answer.status, 405, "it is asked by POST");

    // Who asks every client for a certificate asks other instances too.
    let clients = Authority::new("clients");
    folder.write("clients.crt", &clients.pem);
    let strict = "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: clients.crt\n";
    folder.write("web.yml", &format!("{TLS}{strict}"));
    eventually(DEADLINE, "certificates of clients", || {
        match ask(&right, &encrypted) {
            Unanswered::Unreached(_) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    // Not where only those that are shown have to be good.
    let given = strict.replace("RequireAndVerifyClientCert", "VerifyClientCertIfGiven");
    folder.write("web.yml", &format!("{TLS}{given}"));
    eventually(DEADLINE, "no certificate", || {
        match ask(&right, &encrypted) {
            refused if refused == arrived => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
}

#[test]
fn without_a_token_no_instance_is_let_in() {
    let service = Service::start(&[]);
    let answer = service.ask("/peer/v1/partial", &["Authorization: Bearer "]);
    assert_eq!((answer.status, &*code(&answer)), (404, "disabled"));
    assert!(
        answer.body.contains("cluster.token_file"),
        "{}",
        answer.body
    );
}

#[test]
fn a_connection_does_not_outlive_the_rules_that_let_it_in() {
    let folder = Folder::new();
    let clients = Authority::new("clients");
    folder.write("clients.crt", &clients.pem);
    let service = Service::with(&folder, TLS);
    let mut stream = Client::of(&folder.authority, None)
        .connect(service.local())
        .unwrap();
    // It could go on: it was answered, and waits for the next question.
    stream
        .write_all(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    let (mut text, mut piece) = (Vec::new(), [0; 1024]);
    while !text.ends_with(b"}\n") {
        let read = stream.read(&mut piece).unwrap();
        assert!(read > 0, "{}", String::from_utf8_lossy(&text));
        text.extend_from_slice(&piece[..read]);
    }
    let strict = "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: clients.crt\n";
    folder.write("web.yml", &format!("{TLS}{strict}"));
    match stream.read(&mut piece) {
        Ok(0) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
        other => panic!("the connection goes on: {other:?}"),
    }
    let known = clients.client(&[dns("prometheus")]);
    let client = Client::of(&folder.authority, Some(&known));
    assert_eq!(
        service
            .ask_encrypted(&client, "/metrics", &[])
            .unwrap()
            .status,
        200
    );
}

#[test]
fn stalled_handshakes_and_slow_requests_keep_no_scrape_waiting() {
    let folder = Folder::new();
    let service = Service::with(&folder, TLS);
    let client = Client::of(&folder.authority, None);
    let begun = Instant::now();
    let mut silent = connect(service.local());
    let mut started = connect(service.local());
    // The head of a handshake message whose body never comes.
    started.write_all(&[22, 3, 1, 0, 200, 1, 0]).unwrap();
    let mut slow = client.connect(service.local()).unwrap();
    slow.write_all(b"GET /metrics HTTP/1.1\r\nHost: lo")
        .unwrap();
    slow.flush().unwrap();
    let read = |stream: &mut dyn Read| {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(rest.len() < 100, "{rest:?}");
        begun.elapsed()
    };
    for closed in [read(&mut silent), read(&mut started), read(&mut slow)] {
        assert!((4..20).contains(&closed.as_secs()), "{closed:?}");
    }
    // More of both than there are seats.
    let stalled: Vec<TcpStream> = (0..150)
        .map(|number| {
            let mut stream = connect(service.local());
            if number % 2 == 0 {
                // It may have been closed already, in favour of a newcomer.
                let _ = stream.write_all(&[22, 3, 1, 0, 200, 1, 0]);
            }
            stream
        })
        .collect();
    for _ in 0..10 {
        let begun = Instant::now();
        assert_eq!(
            service
                .ask_encrypted(&client, "/metrics", &[])
                .unwrap()
                .status,
            200
        );
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(1), "{took:?}");
    }
    drop(stalled);
}

#[test]
fn prometheus_scrapes_with_a_certificate_and_a_password() {
    let folder = Folder::new();
    let clients = Authority::new("clients");
    let known = clients.client(&[dns("prometheus")]);
    folder.write("clients.crt", &clients.pem);
    folder.write("client.crt", &known.certificate);
    folder.write("client.key", &known.key);
    folder.write("password", "open sesame");
    // The example, with another password.
    let example = include_str!("../deploy/prometheus/web-config.example.yml");
    let (before, _) = example.rsplit_once("prometheus: ").unwrap();
    let hash = hashed("open sesame", 10);
    let service = Service::with(&folder, &format!("{before}prometheus: {hash}\n"));
    let here = folder.path().display();
    let prometheus = Prometheus::start_with(&format!(
        "global: {{ scrape_interval: 500ms, scrape_timeout: 500ms }}\n\
         scrape_configs:\n\
         - job_name: tenure\n  \
           scheme: https\n  \
           basic_auth: {{ username: prometheus, password_file: '{here}/password' }}\n  \
           tls_config: {{ ca_file: '{here}/ca.crt', cert_file: '{here}/client.crt', \
             key_file: '{here}/client.key', server_name: localhost }}\n  \
           static_configs: [{{ targets: ['{}'] }}]\n\
         - job_name: without\n  \
           scheme: https\n  \
           tls_config: {{ ca_file: '{here}/ca.crt', cert_file: '{here}/client.crt', \
             key_file: '{here}/client.key', server_name: localhost }}\n  \
           static_configs: [{{ targets: ['{}'] }}]\n",
        service.local(),
        service.local()
    ));
    let up = |job: &str, value: f64| {
        prometheus.wait_until(&format!("up{{job='{job}'}}"), DEADLINE, |samples| {
            samples.len() == 1 && (samples[0].value - value).abs() < f64::EPSILON
        });
    };
    up("tenure", 1.0);
    up("without", 0.0);
    prometheus.wait_until(
        "tenure_web_config_last_reload_successful",
        DEADLINE,
        |samples| samples.len() == 1,
    );
}

/// What the program and promtool say about a file in the folder.
fn verdicts(folder: &Folder, text: &str) -> [Result<(), String>; 2] {
    folder.write("web.yml", text);
    let file = folder.path().join("web.yml");
    let output = Command::new(env!("CARGO_BIN_EXE_tenure"))
        .args(["check", "--offline", "--deny-warnings", "--web.config.file"])
        .arg(&file)
        .output()
        .unwrap();
    let own = match output.status.code() {
        Some(0) => Ok(()),
        Some(78) => Err(String::from_utf8(output.stderr).unwrap()),
        other => panic!("{other:?}: {}", String::from_utf8_lossy(&output.stderr)),
    };
    [own, promtool_check_web_config(&file)]
}

#[test]
fn what_promtool_accepts_in_the_example_is_accepted_and_what_it_rejects_is_rejected() {
    let folder = Folder::new();
    let clients = Authority::new("clients");
    folder.write("clients.crt", &clients.pem);
    folder.write("other.key", &clients.client(&[]).key);
    let hash = hashed("open sesame", 4);
    let curves = "curve_preferences: [CurveP256, CurveP384, X25519]";
    for good in [
        include_str!("../deploy/prometheus/web-config.example.yml"),
        "",
        TLS,
        &format!("{TLS}  client_auth_type: RequestClientCert\n"),
        &format!("{TLS}  client_auth_type: RequireClientCert\n"),
        &format!("{TLS}  client_auth_type: RequireAnyClientCert\n"),
        &format!(
            "{TLS}  client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: clients.crt\n"
        ),
        &format!("{TLS}  min_version: TLS12\n  max_version: TLS13\n  {curves}\n"),
        &format!("{TLS}  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]\n"),
        &format!("{TLS}  prefer_server_cipher_suites: true\n"),
        &format!("{TLS}http_server_config: {{ http2: true }}\n"),
        "http_server_config:\n  headers:\n    X-XSS-Protection: 1\n    X-Content-Type-Options: nosniff\n",
        &format!("basic_auth_users: {{ alice: {hash} }}\n"),
        &format!(
            "basic_auth_users: {{ alice: {} }}\n",
            hash.replace("$2y$", "$2a$")
        ),
        &format!(
            "basic_auth_users: {{ alice: {} }}\n",
            hash.replace("$2y$", "$2b$")
        ),
    ] {
        assert_eq!(verdicts(&folder, good), [Ok(()), Ok(())], "{good}");
    }
    for bad in [
        "tls_server_config: { cert_file: server.crt }",
        "tls_server_config: { key_file: server.key }",
        "tls_server_config: { cert_file: missing.crt, key_file: server.key }",
        "tls_server_config: { cert_file: server.crt, key_file: missing.key }",
        "tls_server_config: { cert_file: server.crt, key_file: other.key }",
        "tls_server_config: { cert_file: server.key, key_file: server.key }",
        "tls_server_config: { cert_file: server.crt, key_file: server.crt }",
        "tls_server_config: { client_auth_type: RequireAndVerifyClientCert }",
        "tls_server_config: { client_ca_file: clients.crt }",
        &format!("{TLS}  client_ca_file: clients.crt\n"),
        &format!("{TLS}  client_auth_type: RequireAndVerify\n"),
        &format!(
            "{TLS}  client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: missing.crt\n"
        ),
        &format!("{TLS}  min_version: TLS14\n"),
        &format!("{TLS}  min_version: 1.2\n"),
        &format!("{TLS}  cipher_suites: [TLS_INVENTED]\n"),
        &format!("{TLS}  cipher_suites: TLS_INVENTED\n"),
        &format!("{TLS}  curve_preferences: [CurveP257]\n"),
        &format!("{TLS}  prefer_server_cipher_suites: perhaps\n"),
        &format!("{TLS}  cert_fil: server.crt\n"),
        "tls_server_confi: {}",
        "tls_server_config: on",
        "http_server_config: { http2: perhaps }",
        "http_server_config: { http3: true }",
        "http_server_config: { headers: { Server: nginx } }",
        "http_server_config: { headers: { x-frame-options: deny } }",
        "http_server_config: { headers: { X-Frame-Options: none } }",
        "http_server_config: { headers: { X-Content-Type-Options: sniff } }",
        "basic_auth_users: { alice: hunter2 }",
        "basic_auth_users: { alice: $1$06$If6bvum7DFjUnE9p2uDeDu0YHzr }",
        "basic_auth_users: [alice]",
        "rate_limit: { interval: soon }",
        "basic_auth_users: { alice: [",
        "junk",
    ] {
        let [own, theirs] = verdicts(&folder, bad);
        let (own, _) = (own.expect_err(bad), theirs.expect_err(bad));
        assert!(own.contains("web.yml:"), "{bad}: {own}");
        assert!(!own.contains("hunter2"), "{bad}: {own}");
    }
    // Old and weak is what promtool lets through, and what is not spoken here.
    for weak in [
        "min_version: TLS10",
        "min_version: TLS11",
        "cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA]",
        "curve_preferences: [CurveP521]",
    ] {
        let [own, theirs] = verdicts(&folder, &format!("{TLS}  {weak}\n"));
        assert_eq!(theirs, Ok(()), "{weak}");
        assert!(own.expect_err(weak).contains("spoken"), "{weak}");
    }
}

#[test]
fn the_commands_that_ask_a_service_can_show_what_it_wants_to_see() {
    let folder = Folder::new();
    let clients = Authority::new("clients");
    let known = clients.client(&[dns("auditor")]);
    folder.write("clients.crt", &clients.pem);
    folder.write("client.crt", &known.certificate);
    folder.write("client.key", &known.key);
    folder.write("password", "open sesame\n");
    folder.write("wrong", "open sesam\n");
    let service = Service::with(
        &folder,
        &format!(
            "{TLS}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: clients.crt\n\
             basic_auth_users:\n  alice: {}\n",
            hashed("open sesame", 4)
        ),
    );
    let url = format!("https://localhost:{}", service.port);
    let ask = |command: &[&str], url: &str, password: &str, authority: &str| {
        let file = |name: &str| folder.path().join(name);
        let mut asking = Command::new(env!("CARGO_BIN_EXE_tenure"));
        asking.args(command).args(["--url", url]);
        asking.arg("--ca-file").arg(file(authority));
        asking.args(["--username", "alice"]);
        asking.arg("--password-file").arg(file(password));
        asking.arg("--cert-file").arg(file("client.crt"));
        asking.arg("--key-file").arg(file("client.key"));
        let output = asking.output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    for command in [
        &["explain", "tenure_customers"][..],
        &["statement", "--period", "30d"][..],
    ] {
        // Let in, and told that there is nothing yet.
        let (code, said) = ask(command, &url, "password", "ca.crt");
        assert_eq!(code, Some(69), "{said}");
        assert!(said.contains("ask again later"), "{said}");
        let (code, said) = ask(command, &url, "wrong", "ca.crt");
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("does not let this in"), "{said}");
        let (code, said) = ask(command, &url, "password", "clients.crt");
        assert_eq!(code, Some(69), "{said}");
        assert!(said.contains("does not answer"), "{said}");
        let plain = "http://tenure.example.com:9736";
        let (code, said) = ask(command, plain, "password", "ca.crt");
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("over https only"), "{said}");
    }
}
