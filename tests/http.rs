//! The endpoint from outside, over real sockets: formats, limits, bad clients, shutdown.

#![cfg(test)]

#[expect(
    dead_code,
    reason = "of the real parts these tests need promtool alone"
)]
mod real;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use real::prometheus::promtool_check_metrics;
use tenure::event::{Reason, Timestamp};
use tenure::measure::customer::Customer;
use tenure::measure::period::{Interval, Period};
use tenure::measure::report::{Family, Report, Sample, Withheld, WithheldReason};
use tenure::measure::settings::EvaluationSettings;
use tenure::measure::{MEASURES, Measure};
use tenure::serve::access::Access;
use tenure::serve::api::archive::{Archive, Asker, Moment, Series, SeriesQuestion};
use tenure::serve::api::refusal::Refusal;
use tenure::serve::api::{Api, Setting, Token};
use tenure::serve::http::{Endpoint, Limits, run};
use tenure::serve::readiness::Readiness;
use tenure::serve::{Basis, Instance, LogPosition, Published, ShardDigest, Sharing, Source};
use tenure::telemetry::Telemetry;
use tenure::telemetry::partition::{Degradation, PartitionStatus, ShardState};
use tokio::sync::oneshot;

/// Longer than anything here takes, on a loaded machine too.
const DEADLINE: Duration = Duration::from_secs(30);
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// A request that leaves the connection open.
const HEALTH: &[u8] = b"GET /-/healthy HTTP/1.1\r\nHost: test\r\n\r\n";
const SCRAPE: &[u8] = b"GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n";

/// What the endpoint shows, as a test sets it.
#[derive(Default)]
struct Scripted {
    published: Mutex<Option<Arc<Published>>>,
    partitions: Mutex<Vec<PartitionStatus>>,
    kafka_up: AtomicBool,
    dead: AtomicBool,
    sharing: Mutex<Option<Sharing>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Scripted {
    fn publish(&self, report: Report) {
        let start = Some(Timestamp::from_millis(1_700_000_000_000));
        let published = Published::new(Arc::new(report), 1.0, start);
        *lock(&self.published) = Some(Arc::new(published));
    }
}

impl Source for Scripted {
    fn published(&self) -> Option<Arc<Published>> {
        lock(&self.published).clone()
    }

    fn partitions(&self) -> Vec<PartitionStatus> {
        lock(&self.partitions).clone()
    }

    fn readiness(&self) -> Readiness {
        let kafka_up = self.kafka_up.load(Ordering::Relaxed);
        Readiness::of(kafka_up, &self.partitions(), self.published().as_deref())
    }

    fn alive(&self) -> bool {
        !self.dead.load(Ordering::Relaxed)
    }

    fn sharing(&self) -> Option<Sharing> {
        lock(&self.sharing).clone()
    }
}

/// The latest instant: 2026-11-18T11:06:40Z.
const LATEST: i64 = 1_795_000_000_000;

/// An archive that notes what it is asked, and answers or refuses as a test sets it.
#[derive(Default)]
struct Asked {
    refusal: Mutex<Option<Refusal>>,
    instants: Mutex<Vec<i64>>,
    periods: Mutex<Vec<Option<String>>>,
    /// How many customers were looked up.
    looked_up: Mutex<Vec<String>>,
    /// Answers only once nobody waits any more, and says that it saw so.
    slow: AtomicBool,
    given_up: AtomicBool,
}

impl Asked {
    fn note(&self, instants: &[Timestamp]) -> Result<(), Refusal> {
        *lock(&self.instants) = instants.iter().map(|at| at.as_millis()).collect();
        lock(&self.refusal).clone().map_or(Ok(()), Err)
    }
}

impl Archive for Asked {
    fn latest(&self) -> Result<Timestamp, Refusal> {
        Ok(Timestamp::from_millis(LATEST))
    }

    fn reports(&self, instants: &[Timestamp], asker: &Asker) -> Result<Vec<Published>, Refusal> {
        self.note(instants)?;
        while self.slow.load(Ordering::Relaxed) && !asker.is_gone() {
            std::thread::yield_now();
        }
        self.given_up.store(asker.is_gone(), Ordering::Relaxed);
        let report = |at: &Timestamp| Report {
            at: *at,
            ..report(7.0)
        };
        let published = |at| Published::new(Arc::new(report(at)), 1.0, None);
        Ok(instants.iter().map(published).collect())
    }

    fn series(&self, question: &SeriesQuestion, _: &Asker) -> Result<Series, Refusal> {
        let period = question.period.map(|period| period.to_string());
        lock(&self.periods).push(period);
        self.note(&question.instants)?;
        let moment = |at: &Timestamp| {
            let mut family = Family::empty(question.measure, &["plan".to_owned()]);
            for value in ["30d", "7d"] {
                let labels = vec![Cow::Borrowed(value); family.label_names.len()];
                family.samples.push(Sample::new(labels, 0.1 + 0.2));
            }
            Moment {
                at: *at,
                family,
                withheld: vec![WithheldReason::BaseIncomplete],
            }
        };
        Ok(Series {
            moments: question.instants.iter().map(moment).collect(),
            basis: Basis {
                positions: vec![LogPosition {
                    topic: "orders".into(),
                    partition: 1,
                    base_offset: 2,
                    next_offset: 3,
                }],
                digests: vec![ShardDigest {
                    partition: 1,
                    digest: 255,
                }],
            },
            history_start: None,
        })
    }

    fn customer(&self, id: &str, _: &Asker) -> Result<Customer, Refusal> {
        lock(&self.looked_up).push(id.to_owned());
        Err(Refusal::UnknownCustomer)
    }
}

fn setting() -> Setting {
    Setting {
        key: "inactivity_timeout".to_owned(),
        value: "90d".to_owned(),
        origin: "tenure.yaml:3".to_owned(),
    }
}

/// An endpoint on a free port, ended when dropped.
struct Server {
    address: SocketAddr,
    source: Arc<Scripted>,
    archive: Arc<Asked>,
    telemetry: Arc<Telemetry>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start() -> Self {
        Self::with(Limits::default())
    }

    fn with(limits: Limits) -> Self {
        Self::serving(limits, None)
    }

    fn serving(limits: Limits, token: Option<Token>) -> Self {
        let source = Arc::new(Scripted::default());
        let archive = Arc::new(Asked::default());
        let telemetry = Arc::new(Telemetry::new().expect("telemetry"));
        let endpoint = Endpoint {
            telemetry: Arc::clone(&telemetry),
            source: Arc::clone(&source) as Arc<dyn Source>,
            api: Some(Api {
                archive: Arc::clone(&archive) as Arc<dyn Archive>,
                settings: vec![setting()],
                definition_hash: "0011223344556677".to_owned(),
                evaluation: EvaluationSettings::default(),
                dimensions: vec!["plan".to_owned()],
                token,
            }),
            peers: None,
            access: Access::this_machine(),
            limits,
        };
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("non-blocking");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || serve(listener, endpoint, stopped));
        Self {
            address,
            source,
            archive,
            telemetry,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect_timeout(&self.address, DEADLINE).expect("a connection");
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        stream.set_write_timeout(Some(DEADLINE)).expect("a timeout");
        stream
    }

    /// One request on a connection of its own.
    fn ask(&self, method: &str, path: &str, headers: &[&str]) -> Answer {
        let mut request =
            format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
        for header in headers {
            request.push_str(header);
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).expect("a request");
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("an answer");
        Answer::parse(&bytes)
    }

    fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[])
    }

    /// Asks to stop and returns how long that took.
    fn stop(&mut self) -> Duration {
        let begun = Instant::now();
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            if !std::thread::panicking() {
                ended.expect("the endpoint ends well");
            }
        }
        begun.elapsed()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn serve(listener: std::net::TcpListener, endpoint: Endpoint, stopped: oneshot::Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
        let stopped = async {
            let _ = stopped.await;
        };
        run(listener, endpoint, stopped).await;
    });
}

struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Self {
        let end = end_of_head(bytes)
            .unwrap_or_else(|| panic!("no head in {:?}", String::from_utf8_lossy(bytes)));
        let head = std::str::from_utf8(&bytes[..end]).expect("a head in ASCII");
        let mut lines = head.split("\r\n");
        let status = lines
            .next()
            .and_then(|line| line.split(' ').nth(1))
            .and_then(|code| code.parse().ok())
            .expect("a status line");
        let headers = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        Self {
            status,
            headers,
            body: bytes[end..].to_vec(),
        }
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    fn unzipped(&self) -> String {
        let mut text = String::new();
        flate2::read::GzDecoder::new(&self.body[..])
            .read_to_string(&mut text)
            .expect("a gzip body");
        text
    }
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    let blank = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    Some(blank + 4)
}

/// Asks on a connection that stays open, and reads the one answer.
fn ask_on(stream: &mut TcpStream, request: &[u8]) -> io::Result<Answer> {
    stream.write_all(request)?;
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        if let Some(end) = end_of_head(&bytes) {
            let answer = Answer::parse(&bytes);
            let length: usize = answer.header("content-length").parse().expect("a length");
            if bytes.len() >= end + length {
                return Ok(answer);
            }
        }
        match stream.read(&mut piece)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => bytes.extend_from_slice(&piece[..read]),
        }
    }
}

/// Reads until the other side has closed, however it did, and returns how much came.
fn read_to_close(stream: &mut TcpStream) -> usize {
    let mut piece = vec![0; 64 * 1024];
    let mut total = 0;
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return total,
            Ok(read) => total += read,
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return total,
            Err(error) => panic!("the connection was not closed in time: {error}"),
        }
    }
}

/// A report whose every measure has one series with this value, and whose instant goes with it.
fn report(value: f64) -> Report {
    let family = |measure: &'static Measure| {
        let family = Family::empty(measure, &["plan".to_owned()]);
        let labels = vec![Cow::Borrowed("30d"); family.label_names.len()];
        Family {
            samples: vec![Sample::new(labels, value)],
            ..family
        }
    };
    Report {
        families: MEASURES.iter().map(family).collect(),
        ..Report::empty(Timestamp::from_millis(1_795_000_000_000 + value as i64))
    }
}

/// A report whose page is larger than the buffers of two sockets.
fn large_report() -> Report {
    let mut report = report(1.0);
    let sample = report.families[1].samples[0].clone();
    report.families[1].samples = vec![sample; 300_000];
    report
}

fn partition(position: i64, state: ShardState) -> PartitionStatus {
    PartitionStatus {
        topic: "orders".into(),
        partition: 2,
        first_offset: Some(0),
        position: Some(position),
        end_offset: Some(100),
        committed: Some(20),
        last_record_at: Some(Timestamp::from_millis(1_795_000_000_000)),
        complete_until: Some(Timestamp::from_millis(1_795_000_000_000)),
        committed_at: None,
        state,
    }
}

fn withheld(reason: WithheldReason) -> Vec<Withheld> {
    let measure = "tenure_churn_ratio";
    vec![Withheld { measure, reason }]
}

#[test]
fn before_kafka_and_the_first_report_the_page_is_there_with_the_process() {
    let server = Server::start();
    let answer = server.get("/metrics");
    assert_eq!(answer.status, 200);
    assert!(answer.text().contains("\ntenure_kafka_up 0\n"));
    assert!(answer.text().contains("\nprocess_start_time_seconds "));
    assert!(!answer.text().contains("tenure_report_timestamp_seconds"));
}

#[test]
fn the_format_follows_what_the_client_accepts() {
    let server = Server::start();
    server.source.publish(report(1.0));
    for (accept, content_type) in [
        ("Accept: */*", TEXT),
        ("Accept: image/png", TEXT),
        ("X-Nothing: 1", TEXT),
        (
            "Accept: application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.2",
            OPENMETRICS,
        ),
        (
            "Accept: application/openmetrics-text;version=1.0.0;q=0.2,text/plain;q=0.5",
            TEXT,
        ),
    ] {
        let answer = server.ask("GET", "/metrics", &[accept]);
        let openmetrics = content_type == OPENMETRICS;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), content_type, "{accept}");
        assert_eq!(answer.header("vary"), "Accept, Accept-Encoding");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.text().ends_with("\n# EOF\n"), openmetrics);
        assert_eq!(
            answer.text().contains("# TYPE tenure_events counter"),
            openmetrics
        );
        assert!(answer.text().contains("\ntenure_customers 1\n"));
    }
}

#[test]
fn a_page_is_packed_for_who_asks_for_it() {
    let server = Server::start();
    server.source.publish(report(1.0));
    let accept = "Accept-Encoding: gzip;q=0.3, identity;q=0.1";
    let plain = server.get("/metrics");
    let packed = server.ask("GET", "/metrics", &[accept]);
    assert_eq!(plain.header("content-encoding"), "");
    assert_eq!(packed.header("content-encoding"), "gzip");
    assert_eq!(packed.header("content-type"), TEXT);
    assert!(packed.body.len() * 3 < plain.body.len());
    // The values of the process move from scrape to scrape, the lines do not.
    let names = |page: &str| -> Vec<String> {
        page.lines()
            .map(|line| line.split(' ').next().unwrap_or_default().to_owned())
            .collect()
    };
    assert_eq!(names(&packed.unzipped()), names(plain.text()));
    let refused = server.ask("GET", "/metrics", &["Accept-Encoding: gzip;q=0"]);
    assert_eq!(refused.header("content-encoding"), "");
}

#[test]
fn head_gives_the_headers_of_get_without_the_body() {
    let server = Server::start();
    for path in ["/metrics", "/-/healthy", "/"] {
        let head = server.ask("HEAD", path, &[]);
        let get = server.get(path);
        assert_eq!((head.status, get.status), (200, 200), "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"));
        assert!(head.body.is_empty(), "{path}");
        let length: usize = head.header("content-length").parse().expect("a length");
        // The values on the page move, its size hardly does.
        assert!(length.abs_diff(get.body.len()) < 200, "{path}: {length}");
    }
}

#[test]
fn other_paths_and_methods_are_refused_without_an_echo() {
    let server = Server::start();
    for path in ["/%3Cscript%3Esecret", "/metrics/secret", "/-/reload?secret"] {
        let answer = server.ask("GET", path, &["X-Secret: secret"]);
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.text(), "not found\n");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
    }
    for path in [
        "/metrics",
        "/-/healthy",
        "/-/ready",
        "/",
        "/console/console.js",
        "/api/v1/status",
    ] {
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "BREW"] {
            let answer = server.ask(method, path, &[]);
            assert_eq!(answer.status, 405, "{method} {path}");
            assert_eq!(answer.header("allow"), "GET,HEAD", "{method} {path}");
            assert_eq!(answer.header("x-content-type-options"), "nosniff");
        }
    }
}

#[test]
fn a_body_is_not_waited_for() {
    let server = Server::start();
    let endless = "Content-Length: 1000000000";
    assert_eq!(server.ask("POST", "/metrics", &[endless]).status, 405);
    assert_eq!(server.ask("GET", "/-/healthy", &[endless]).status, 200);
}

#[test]
fn health_is_about_the_threads_and_not_about_kafka() {
    let server = Server::start();
    let answer = server.get("/-/healthy");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.text(), "{\"status\":\"ok\"}\n");
    assert_eq!(answer.header("content-type"), "application/json");
    server.source.dead.store(true, Ordering::Relaxed);
    assert_eq!(server.get("/-/healthy").status, 503);
}

#[test]
fn an_instance_can_be_ready_before_the_page_of_all_is_complete() {
    let server = Server::start();
    server.source.kafka_up.store(true, Ordering::Relaxed);
    let check = |state: ShardState, expected: [u16; 2]| {
        *lock(&server.source.partitions) = vec![partition(25, state)];
        let paths = ["/-/ready", "/-/ready?scope=instance"];
        let statuses = paths.map(|path| server.get(path).status);
        assert_eq!(statuses, expected, "{state:?}");
    };
    check(ShardState::Ready, [503, 200]);
    server.source.publish(Report {
        withheld: withheld(WithheldReason::Incomplete),
        ..report(0.0)
    });
    check(ShardState::Ready, [503, 200]);
    check(ShardState::CatchingUp, [503, 503]);
    server.source.publish(report(0.0));
    check(ShardState::Ready, [200, 200]);
    // Anything else that is asked changes nothing.
    *lock(&server.source.partitions) = vec![partition(25, ShardState::CatchingUp)];
    assert_eq!(server.get("/-/ready?scope=all").status, 503);
}

#[test]
fn readiness_names_what_it_waits_for() {
    let server = Server::start();
    let check = |status: u16, expected: &str| {
        let answer = server.get("/-/ready");
        assert_eq!(answer.status, status);
        assert_eq!(answer.text().trim_end(), expected);
    };
    *lock(&server.source.partitions) = vec![partition(25, ShardState::CatchingUp)];
    check(
        503,
        r#"{"status":"not_ready","waiting_for":[{"reason":"kafka_unreachable"},{"reason":"catching_up","topic":"orders","partition":2,"percent":25.0},{"reason":"no_report"}],"withheld":[]}"#,
    );
    server.source.kafka_up.store(true, Ordering::Relaxed);
    *lock(&server.source.partitions) = vec![partition(100, ShardState::Ready)];
    server.source.publish(Report {
        withheld: withheld(WithheldReason::NoChurnSource),
        ..report(0.0)
    });
    check(
        200,
        r#"{"status":"ready","waiting_for":[],"report_at":"2026-11-18T11:06:40.000Z","withheld":[{"measure":"tenure_churn_ratio","reason":"no_churn_source"}]}"#,
    );
}

/// The files that the console's page names, with their kinds.
fn console_files(page: &str) -> Vec<(String, &'static str)> {
    let named = |mark: &'static str| {
        let pieces = page.split(mark).skip(1);
        pieces.filter_map(|rest| rest.split('"').next())
    };
    let scripts =
        named("src=\"").map(|path| (format!("/{path}"), "text/javascript; charset=utf-8"));
    let styles = named("href=\"console/")
        .map(|file| (format!("/console/{file}"), "text/css; charset=utf-8"));
    scripts.chain(styles).collect()
}

#[test]
fn the_front_page_is_the_console_and_nothing_from_elsewhere() {
    let server = Server::start();
    let page = server.get("/");
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(page.text().contains("<noscript>"));
    for link in ["href=\"metrics\"", "href=\"api/v1/report\""] {
        assert!(page.text().contains(link), "{link}");
    }
    let files = console_files(page.text());
    assert!(files.len() >= 4, "{files:?}");
    for (path, kind) in files
        .iter()
        .chain([&("/".to_owned(), "text/html; charset=utf-8")])
    {
        let answer = server.get(path);
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("content-type"), *kind, "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
        let policy = answer.header("content-security-policy");
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
        ] {
            assert!(policy.contains(part), "{path}: {part} in {policy}");
        }
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
    }
}

#[test]
fn the_files_of_the_console_are_packed_and_kept_until_they_change() {
    let server = Server::start();
    let plain = server.get("/console/console.js");
    let packed = server.ask("GET", "/console/console.js", &["Accept-Encoding: gzip"]);
    assert_eq!(packed.header("content-encoding"), "gzip");
    assert_eq!(packed.unzipped(), plain.text());
    assert!(packed.body.len() * 2 < plain.body.len());
    assert_eq!(plain.header("cache-control"), "no-cache");
    let tag = plain.header("etag");
    assert_eq!(packed.header("etag"), tag);
    let known = format!("If-None-Match: {tag}");
    let again = server.ask("GET", "/console/console.js", &[&known]);
    assert_eq!((again.status, again.body.len()), (304, 0));
    assert_eq!(again.header("x-content-type-options"), "nosniff");
    let other = server.ask("GET", "/console/console.css", &[&known]);
    assert_eq!(other.status, 200);
    for path in [
        "/console/",
        "/console/secret.js",
        "/console/../Cargo.toml",
        "/console",
    ] {
        let answer = server.get(path);
        assert_eq!(
            (answer.status, answer.text()),
            (404, "not found\n"),
            "{path}"
        );
    }
}

fn status_of(server: &Server) -> serde_json::Value {
    let answer = server.get("/api/v1/status");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "no-store");
    serde_json::from_slice(&answer.body).expect("JSON")
}

#[test]
fn the_status_is_there_before_kafka_and_the_first_report() {
    let server = Server::start();
    let status = status_of(&server);
    assert_eq!(status["ready"], false);
    assert_eq!(status["alive"], true);
    assert_eq!(status["kafka_up"], false);
    assert_eq!(status["report"], serde_json::Value::Null);
    assert_eq!(status["lag_records"], serde_json::Value::Null);
    assert_eq!(
        status["checkpoint"]["last_success_at"],
        serde_json::Value::Null
    );
    assert_eq!(status["waiting_for"][0]["reason"], "kafka_unreachable");
    let sentence = status["waiting_for"][0]["sentence"]
        .as_str()
        .expect("a sentence");
    assert!(sentence.starts_with("Kafka does not answer"), "{sentence}");
    assert_eq!(server.get("/api/v1/status?secret=1").status, 400);
}

#[test]
fn the_status_tells_which_instance_has_which_partitions_and_which_nobody_has() {
    let server = Server::start();
    assert_eq!(status_of(&server)["cluster"], serde_json::Value::Null);
    let instance = |name: &str, partitions: &[i32], degraded: &[i32]| Instance {
        name: name.to_owned(),
        address: format!("http://{name}:9736"),
        heard_at: Timestamp::from_millis(LATEST),
        partitions: partitions.to_vec(),
        degraded: degraded.to_vec(),
        complete_until: Some(Timestamp::from_millis(LATEST - 5000)).filter(|_| name == "one"),
    };
    let sharing = |caught_up| Sharing {
        instance: "two".to_owned(),
        caught_up,
        partitions: Some(5),
        instances: vec![instance("one", &[0, 3], &[3]), instance("two", &[1], &[])],
    };
    let check = |caught_up: bool, unowned: serde_json::Value| {
        *lock(&server.source.sharing) = Some(sharing(caught_up));
        let expected = serde_json::json!({
            "instance": "two",
            "report_topic_read": caught_up,
            "partitions": 5,
            "unowned": unowned,
            "instances": [
                {
                    "name": "one",
                    "address": "http://one:9736",
                    "heard_at": "2026-11-18T11:06:40.000Z",
                    "partitions": [0, 3],
                    "degraded": [3],
                    "complete_until": "2026-11-18T11:06:35.000Z",
                },
                {
                    "name": "two",
                    "address": "http://two:9736",
                    "heard_at": "2026-11-18T11:06:40.000Z",
                    "partitions": [1],
                    "degraded": [],
                    "complete_until": null,
                },
            ],
        });
        assert_eq!(status_of(&server)["cluster"], expected);
    };
    check(false, serde_json::Value::Null);
    check(true, serde_json::json!([2, 4]));
}

#[test]
fn the_status_tells_of_the_pipeline_and_why_numbers_are_missing() {
    let server = Server::start();
    server.source.kafka_up.store(true, Ordering::Relaxed);
    let degraded = ShardState::Degraded(Degradation::Truncated);
    *lock(&server.source.partitions) = vec![
        partition(25, ShardState::CatchingUp),
        partition(100, degraded),
    ];
    server.telemetry.durability.succeeded(1_795_000_000.5);
    server.telemetry.fold.outcomes.applied.inc_by(5);
    server.telemetry.fold.rejected(Reason::InvalidTime).inc();
    let period: Period = "30d".parse().expect("a period");
    let interval = Interval {
        start: Timestamp::from_millis(LATEST - 30 * 86_400_000),
        end: Timestamp::from_millis(LATEST),
    };
    let mut report = Report {
        periods: vec![(period, interval)],
        withheld: withheld(WithheldReason::NoChurnSource),
        ..report(0.0)
    };
    let gone = ["tenure_churn_ratio", "tenure_csat_ratio"];
    for family in &mut report.families {
        if gone.contains(&family.measure.name) {
            family.samples.clear();
        }
    }
    server.source.publish(report);
    let status = status_of(&server);
    assert_eq!(status["report"]["at"], "2026-11-18T11:06:40.000Z");
    assert_eq!(status["report"]["coverage"], 1.0);
    assert_eq!(status["lag_records"], 75);
    assert_eq!(status["partitions"][0]["state"], "catching_up");
    assert_eq!(status["partitions"][0]["percent"], 25.0);
    assert_eq!(status["partitions"][1]["because"], "truncated");
    assert_eq!(
        status["checkpoint"]["last_success_at"],
        "2026-11-18T11:06:40.500Z"
    );
    assert_eq!(status["records"]["applied"], 5);
    assert_eq!(status["records"]["rejected"]["invalid_time"], 1);
    let held = &status["withheld"][0];
    assert_eq!(held["reason"], "no_churn_source");
    assert_eq!(held["measures"], serde_json::json!(["tenure_churn_ratio"]));
    let way_out = held["way_out"].as_str().expect("a way out");
    assert!(way_out.contains("inactivity_timeout"), "{way_out}");
    let missing = status["missing"].as_array().expect("a list");
    let told: Vec<[&str; 3]> = missing
        .iter()
        .map(|one| ["metric", "period", "state"].map(|name| one[name].as_str().unwrap_or("")))
        .collect();
    assert_eq!(
        told,
        [
            ["tenure_churn_ratio", "30d", "withheld"],
            ["tenure_csat_ratio", "30d", "absent"],
        ]
    );
}

#[test]
fn every_scrape_is_of_one_report_while_reports_change() {
    let server = Server::start();
    server.source.publish(report(0.0));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let scrape = || (0..25).for_each(|_| check_one_report(&server));
        let scrapers: Vec<_> = (0..4).map(|_| scope.spawn(scrape)).collect();
        scope.spawn(|| {
            let mut value = 0.0;
            while !done.load(Ordering::Relaxed) {
                value += 1.0;
                server.source.publish(report(value));
            }
        });
        let ended: Vec<_> = scrapers
            .into_iter()
            .map(std::thread::ScopedJoinHandle::join)
            .collect();
        done.store(true, Ordering::Relaxed);
        assert!(ended.iter().all(Result::is_ok), "a scrape was wrong");
    });
}

fn check_one_report(server: &Server) {
    let answer = server.ask("GET", "/metrics", &["Accept: application/openmetrics-text"]);
    let page = answer.text();
    let value = |name: &str| -> f64 {
        let line = page.lines().find(|line| line.starts_with(name));
        let value = line.and_then(|line| line.rsplit(' ').next());
        value
            .and_then(|value| value.parse().ok())
            .unwrap_or_else(|| panic!("no {name}"))
    };
    let first = value("tenure_customers ");
    let at = value("tenure_report_timestamp_seconds ");
    assert_eq!((at * 1000.0).round() - 1_795_000_000_000.0, first);
    for measure in MEASURES {
        let end = if measure.labels.is_empty() { ' ' } else { '{' };
        let name = measure.name;
        assert_eq!(value(&format!("{name}{end}")), first, "{name}");
    }
}

#[test]
fn half_open_connections_do_not_keep_a_scrape_out() {
    let server = Server::start();
    server.source.publish(report(1.0));
    let half_open: Vec<TcpStream> = (0..200)
        .map(|_| {
            let mut stream = server.connect();
            // In a full house a connection can be closed at any time, so the write may fail.
            let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: te");
            stream
        })
        .collect();
    for _ in 0..10 {
        let begun = Instant::now();
        assert_eq!(server.get("/metrics").status, 200);
        let took = begun.elapsed();
        assert!(took < Duration::from_millis(500), "{took:?}");
    }
    drop(half_open);
}

#[test]
fn in_a_full_house_the_one_that_waited_longest_makes_room() {
    let server = Server::with(Limits {
        connections: 4,
        ..Limits::default()
    });
    let status = |stream: &mut TcpStream| ask_on(stream, HEALTH).map(|answer| answer.status).ok();
    let mut open: Vec<TcpStream> = (0..4).map(|_| server.connect()).collect();
    for stream in &mut open {
        assert_eq!(status(stream), Some(200));
    }
    // The first asks again, so the second has now been idle for the longest time.
    assert_eq!(status(&mut open[0]), Some(200));
    let mut newcomer = server.connect();
    assert_eq!(status(&mut newcomer), Some(200));
    assert_eq!(read_to_close(&mut open[1]), 0);
    for at in [0, 2, 3] {
        assert_eq!(status(&mut open[at]), Some(200), "{at}");
    }
}

#[test]
fn headers_have_a_size_and_a_time() {
    let server = Server::with(Limits {
        header_time: Duration::from_secs(1),
        ..Limits::default()
    });
    let long = format!("X-Long: {}", "x".repeat(17 * 1024));
    assert_eq!(server.ask("GET", "/metrics", &[&long]).status, 431);
    let fitting = format!("X-Long: {}", "x".repeat(12 * 1024));
    assert_eq!(server.ask("GET", "/metrics", &[&fitting]).status, 200);

    let mut silent = server.connect();
    let mut half = server.connect();
    half.write_all(b"GET / HTTP/1.1\r\n").expect("a beginning");
    assert_eq!(read_to_close(&mut silent), 0);
    assert_eq!(read_to_close(&mut half), 0);
    assert_eq!(server.get("/-/healthy").status, 200);
}

#[test]
fn a_connection_is_kept_between_requests_but_not_for_ever() {
    let server = Server::with(Limits {
        idle_time: Duration::from_secs(3),
        header_time: Duration::from_secs(1),
        ..Limits::default()
    });
    let mut stream = server.connect();
    for _ in 0..3 {
        let answer = ask_on(&mut stream, SCRAPE).expect("a kept connection");
        assert_eq!(answer.status, 200);
    }
    let idle = Instant::now();
    assert_eq!(read_to_close(&mut stream), 0);
    // Longer than the time for headers, which begins with the next request only.
    let took = idle.elapsed();
    assert!(took > Duration::from_secs(2), "{took:?}");
}

#[test]
fn the_second_request_has_a_time_for_its_headers_too() {
    let server = Server::with(Limits {
        header_time: Duration::from_secs(1),
        ..Limits::default()
    });
    let mut stream = server.connect();
    ask_on(&mut stream, HEALTH).expect("an answer");
    stream.write_all(b"GET / HTTP").expect("a beginning");
    // Well before the idle time, which is longer than this waits.
    assert_eq!(read_to_close(&mut stream), 0);
}

#[test]
fn who_reads_too_slowly_is_cut_off() {
    let answer_time = Duration::from_millis(1500);
    let server = Server::with(Limits {
        answer_time,
        ..Limits::default()
    });
    server.source.publish(large_report());
    // The page is written once here, so that the slow reader's time is its own.
    let whole = server.get("/metrics").body.len();
    let mut slow = server.connect();
    slow.write_all(SCRAPE).expect("a request");
    let begun = Instant::now();
    let mut came = 0;
    while begun.elapsed() < answer_time * 2 {
        // A request in between is what makes the reader slow.
        assert_eq!(server.get("/-/healthy").status, 200);
        came += slow.read(&mut [0; 16]).expect("more of the page");
    }
    came += read_to_close(&mut slow);
    assert!(came < whole, "{came} of {whole} bytes");
}

#[test]
fn a_house_full_of_slow_readers_still_has_room() {
    let server = Server::with(Limits {
        connections: 2,
        answer_time: DEADLINE * 2,
        ..Limits::default()
    });
    server.source.publish(large_report());
    let slow: Vec<TcpStream> = (0..2)
        .map(|_| {
            let mut stream = server.connect();
            stream.write_all(SCRAPE).expect("a request");
            stream.peek(&mut [0; 1]).expect("the answer has begun");
            stream
        })
        .collect();
    assert_eq!(server.get("/-/healthy").status, 200);
    drop(slow);
}

#[test]
fn what_is_no_http_is_refused_and_forgotten() {
    let server = Server::start();
    for noise in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : x\r\nContent-Length: -1\r\n\r\n",
    ] {
        let mut stream = server.connect();
        stream.write_all(noise).expect("a request of some kind");
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        let answer = String::from_utf8_lossy(&bytes);
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
            "{answer}"
        );
    }
    assert_eq!(server.get("/-/healthy").status, 200);
}

#[test]
fn a_shutdown_is_quick_whoever_is_connected() {
    let mut server = Server::start();
    let mut kept = server.connect();
    assert!(ask_on(&mut kept, HEALTH).is_ok());
    let mut half = server.connect();
    half.write_all(b"GET /metrics HT").expect("a beginning");
    let silent = server.connect();

    let took = server.stop();
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert_eq!(read_to_close(&mut kept), 0);
    assert_eq!(read_to_close(&mut half), 0);
    assert!(TcpStream::connect(server.address).is_err());
    drop(silent);
}

#[test]
fn an_idle_connection_does_not_hold_up_a_shutdown() {
    let mut server = Server::with(Limits {
        grace: DEADLINE,
        ..Limits::default()
    });
    let mut kept = server.connect();
    assert!(ask_on(&mut kept, HEALTH).is_ok());
    let took = server.stop();
    assert!(took < DEADLINE / 2, "{took:?}");
}

#[test]
fn promtool_finds_nothing_to_complain_about() {
    let server = Server::start();
    let topic = server.telemetry.kafka.topic("orders");
    topic.events_received.inc();
    server.telemetry.fold.event_delay.observe(2.0);
    *lock(&server.source.partitions) = vec![partition(25, ShardState::Ready)];
    server.source.publish(Report {
        withheld: withheld(WithheldReason::BaseIncomplete),
        ..report(1.0)
    });
    let page = server.get("/metrics");

    let text = String::from_utf8(page.body).expect("text");
    promtool_check_metrics(&text).expect("nothing to complain about");
}

/// The status and the code of an error, in the form that every error has.
#[track_caller]
fn check_refused(answer: &Answer, status: u16, code: &str, message: &str) {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "no-store");
    let body: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert_eq!(body["error"]["code"], code);
    let text = body["error"]["message"].as_str().expect("a message");
    assert!(text.contains(message), "{text}");
    assert_eq!(body.as_object().map(serde_json::Map::len), Some(1));
}

#[test]
fn parameters_that_are_not_understood_are_refused_and_not_shown() {
    let server = Server::start();
    for (path, code, message) in [
        ("report?at=mallory", "bad_parameter", "at: give a time"),
        (
            "report?at=2026-11-01T00:00:00",
            "bad_parameter",
            "with its zone",
        ),
        ("report?at=1&at=mallory", "bad_parameter", "once"),
        ("report?mallory=1", "unknown_parameter", "known are at"),
        (
            "report?att=1793491200",
            "unknown_parameter",
            "did you mean at?",
        ),
        ("report?at=%FFmallory", "bad_parameter", "UTF-8"),
        ("series", "bad_parameter", "metric"),
        ("series?metric=mallory", "unknown_metric", "no metric"),
        (
            "series?metric=tenure_churn_ration",
            "unknown_metric",
            "near is tenure_churn_ratio",
        ),
        (
            "series?metric=tenure_churn_ratio&reason=mallory",
            "unknown_parameter",
            "known are metric, start, end, step, period",
        ),
        (
            "series?metric=tenure_churn_ratio&perod=30d",
            "unknown_parameter",
            "did you mean period?",
        ),
        (
            "series?metric=tenure_segment_revenue&country=mallory",
            "unknown_parameter",
            "period, plan, currency",
        ),
        (
            "series?metric=tenure_churn_ratio&period=mallory",
            "bad_parameter",
            "period: give",
        ),
        (
            "series?metric=tenure_churn_ratio&step=0",
            "bad_parameter",
            "step: give",
        ),
        (
            "series?metric=tenure_churn_ratio&start=1795000001&end=1795000000",
            "bad_parameter",
            "start",
        ),
    ] {
        let answer = server.get(&format!("/api/v1/{path}"));
        check_refused(&answer, 400, code, message);
        assert!(!answer.text().contains("mallory"), "{}", answer.text());
    }
    let answer = server.get("/api/v1/series?metric=tenure_churn_ratio&start=946684800&step=1");
    check_refused(&answer, 422, "too_much", "2000 instants");
    assert!(
        lock(&server.archive.instants).is_empty(),
        "nobody was asked"
    );
    assert_eq!(server.get("/api/v1/mallory").status, 404);
    assert_eq!(server.ask("POST", "/api/v1/report", &[]).status, 405);
}

#[test]
fn refusals_have_a_status_and_say_when_to_come_again() {
    let server = Server::start();
    let latest = Timestamp::from_millis(LATEST);
    for (refusal, status, code, retry) in [
        (Refusal::NotReached { latest }, 422, "not_reached", ""),
        (Refusal::NotReady, 503, "not_ready", "10"),
        (Refusal::Busy, 503, "busy", "5"),
        (Refusal::TimedOut { seconds: 60 }, 503, "timed_out", "60"),
        (Refusal::Degraded, 409, "degraded", ""),
        (Refusal::Incomplete, 409, "incomplete", ""),
    ] {
        *lock(&server.archive.refusal) = Some(refusal);
        for path in ["report?at=1793491200", "series?metric=tenure_customers"] {
            let answer = server.get(&format!("/api/v1/{path}"));
            check_refused(&answer, status, code, "");
            assert_eq!(answer.header("retry-after"), retry, "{code}");
        }
    }
    let unread = server.get("/api/v1/report");
    check_refused(&unread, 503, "not_ready", "");
}

#[test]
fn a_report_has_every_measure_and_what_it_rests_on() {
    let server = Server::start();
    server.source.publish(Report {
        withheld: withheld(WithheldReason::BaseIncomplete),
        ..report(0.3)
    });
    let latest = server.get("/api/v1/report");
    assert_eq!(latest.status, 200);
    let body: serde_json::Value = serde_json::from_slice(&latest.body).expect("JSON");
    assert_eq!(body["at"], "2026-11-18T11:06:40.000Z");
    assert_eq!(body["history_start"], "2023-11-14T22:13:20.000Z");
    assert_eq!(body["settings"][0]["origin"], "tenure.yaml:3");
    assert_eq!(body["definition_hash"], "0011223344556677");
    assert_eq!(body["withheld"][0]["reason"], "base_incomplete");
    let measures = body["measures"].as_array().expect("measures");
    assert_eq!(measures.len(), MEASURES.len());
    for (shown, measure) in measures.iter().zip(MEASURES) {
        assert_eq!(shown["name"], measure.name);
        assert_eq!(shown["help"], measure.help);
        assert_eq!(shown["series"][0]["value"], 0.3);
    }
    let past = server.get("/api/v1/report?at=2026-11-01T00:00:00%2B01:00");
    let body: serde_json::Value = serde_json::from_slice(&past.body).expect("JSON");
    assert_eq!(body["at"], "2026-10-31T23:00:00.000Z");
    assert_eq!(body["measures"][0]["series"][0]["value"], 7.0);

    let zipped = server.ask("GET", "/api/v1/report", &["Accept-Encoding: gzip"]);
    assert_eq!(zipped.header("content-encoding"), "gzip");
    assert_eq!(zipped.unzipped(), latest.text());
}

#[test]
fn an_explanation_asks_for_the_instant_before_and_shows_nothing_of_the_client() {
    let server = Server::start();
    let unread = server.get("/api/v1/explain?metric=customers");
    check_refused(&unread, 503, "not_ready", "");
    server.source.publish(report(0.3));
    let month = 30 * 86_400_000;
    let explained = |query: &str| -> serde_json::Value {
        let answer = server.get(&format!("/api/v1/explain?metric={query}"));
        assert_eq!(answer.status, 200, "{}", answer.text());
        serde_json::from_slice(&answer.body).expect("JSON")
    };
    let body = explained("customers");
    assert_eq!(body["metric"], "tenure_customers");
    assert_eq!(body["now"]["outcome"]["value"], 0.3);
    assert_eq!(body["before"]["known"]["outcome"]["value"], 7.0);
    assert_eq!(body["change"], 0.3 - 7.0);
    assert_eq!(*lock(&server.archive.instants), [LATEST - month]);
    let body = explained("tenure_customers&at=1793491200");
    assert_eq!(body["now"]["at"]["utc"], "2026-11-01T00:00:00.000Z");
    let before = 1_793_491_200_000 - month;
    assert_eq!(*lock(&server.archive.instants), [before, 1_793_491_200_000]);

    *lock(&server.archive.refusal) = Some(Refusal::NotReady);
    let body = explained("customers");
    assert_eq!(body["now"]["outcome"]["value"], 0.3);
    assert!(body["before"]["unknown"]["why"].is_string(), "{body}");
    *lock(&server.archive.refusal) = Some(Refusal::Busy);
    let busy = server.get("/api/v1/explain?metric=customers");
    check_refused(&busy, 503, "busy", "");
    *lock(&server.archive.refusal) = None;

    // Nobody has seen such a currency, so its name is not shown either.
    let body = explained("customer_lifetime_value&currency=mallory");
    assert_eq!(body["now"]["outcome"]["state"], "absent");
    assert_eq!(body["labels"], serde_json::json!([]));
    assert!(!body.to_string().contains("mallory"), "{body}");
    for (query, code, message) in [
        ("", "bad_parameter", "metric: name one"),
        (
            "?metric=mallory",
            "unknown_metric",
            "no metric of that name",
        ),
        (
            "?metric=customers&mallory=1",
            "unknown_parameter",
            "known are metric, at",
        ),
        (
            "?metric=customers&at=mallory",
            "bad_parameter",
            "at: give a time",
        ),
        ("?metric=churn_ratio", "bad_parameter", "give period=.."),
        (
            "?metric=churn_ratio&period=mallory",
            "bad_parameter",
            "period: give a length",
        ),
        (
            "?metric=churn_ratio&period=30d",
            "bad_parameter",
            "there is no such period",
        ),
        (
            "?metric=dormant_customers&for=mallory",
            "bad_parameter",
            "no such for; there are 30d",
        ),
    ] {
        let answer = server.get(&format!("/api/v1/explain{query}"));
        check_refused(&answer, 400, code, message);
        assert!(!answer.text().contains("mallory"), "{}", answer.text());
    }
}

#[test]
fn a_series_goes_from_start_to_end_in_steps_and_keeps_to_its_labels() {
    let server = Server::start();
    for (query, first, last, count) in [
        ("", LATEST - 90 * 86_400_000, LATEST, 91),
        ("&step=1h", LATEST - 90 * 3_600_000, LATEST, 91),
        (
            "&end=1794000000",
            1_794_000_000_000 - 90 * 86_400_000,
            1_794_000_000_000,
            91,
        ),
        (
            "&start=1794000000.5&end=1794000010.4&step=3",
            1_794_000_000_500,
            1_794_000_009_500,
            4,
        ),
        (
            "&start=1794000000&end=1794000000",
            1_794_000_000_000,
            1_794_000_000_000,
            1,
        ),
    ] {
        let path = format!("/api/v1/series?metric=tenure_churn_ratio&period=12d{query}");
        assert_eq!(server.get(&path).status, 200, "{query}");
        let instants = lock(&server.archive.instants).clone();
        let ends = (instants.first().copied(), instants.last().copied());
        assert_eq!(ends, (Some(first), Some(last)), "{query}");
        assert_eq!(instants.len(), count, "{query}");
    }
    let asked = lock(&server.archive.periods).clone();
    assert!(asked.iter().all(|period| period.as_deref() == Some("12d")));

    let one = "&start=1794000000&end=1794000000.5&step=1";
    let path = format!("/api/v1/series?metric=tenure_churn_ratio&period=7d{one}");
    let body = server.get(&path);
    let expected = r#","positions":[{"topic":"orders","partition":1,"base_offset":2,"next_offset":3}],"digests":[{"partition":1,"digest":"000000000000000000000000000000ff"}],"series":[{"labels":{"period":"7d"},"points":[[1794000000.0,0.30000000000000004]]}],"withheld":[{"at":"2026-11-06T21:20:00.000Z","reason":"base_incomplete"}]}"#;
    assert!(
        body.text().trim_end().ends_with(expected),
        "{}",
        body.text()
    );
}

#[test]
fn customers_are_shown_to_nobody_without_the_token() {
    let id = "j%C3%B6rg+x%40example.com";
    let path = format!("/api/v1/customers?id={id}");
    let off = Server::start();
    check_refused(&off.get(&path), 404, "disabled", "api.customers");

    let token = "a-token-of-some-length";
    let server = Server::serving(Limits::default(), Some(Token::new(token)));
    let good = format!("Authorization: Bearer {token}");
    for headers in [
        &[][..],
        &["Authorization: Bearer"],
        &["Authorization: Bearer "],
        &["Authorization: Bearer a-token-of-some-lengtH"],
        &["Authorization: Bearer a-token-of-some-length-and-more"],
        &["Authorization: a-token-of-some-length"],
        &["Authorization: Basic a-token-of-some-length"],
        &["X-Authorization: Bearer a-token-of-some-length"],
        &[&good, "Authorization: Bearer another"],
        &["X-Tenure-Token: another"],
        &["X-Tenure-Token: Bearer a-token-of-some-length"],
        &[&good, "X-Tenure-Token: another"],
    ] {
        let answer = server.ask("GET", &path, headers);
        check_refused(&answer, 401, "unauthorized", "Bearer TOKEN");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
        assert!(!answer.text().contains(token));
    }
    assert!(lock(&server.archive.looked_up).is_empty());
    let answer = server.ask("GET", &path, &[&good]);
    check_refused(&answer, 404, "unknown_customer", "");
    assert!(!answer.text().contains("example"), "{}", answer.text());
    assert_eq!(lock(&server.archive.looked_up)[..], ["jörg x@example.com"]);
    // For who has to show name and password too.
    let beside = [
        "Authorization: Basic YTpi",
        "X-Tenure-Token: a-token-of-some-length",
    ];
    check_refused(
        &server.ask("GET", &path, &beside),
        404,
        "unknown_customer",
        "",
    );
    assert_eq!(lock(&server.archive.looked_up).len(), 2);
    for query in ["", "?id=", "?id=%FF", "?id=a&id=b", "?id=a&ID=b"] {
        let answer = server.ask("GET", &format!("/api/v1/customers{query}"), &[&good]);
        assert_eq!(answer.status, 400, "{query}");
    }
    let long = format!("/api/v1/customers?id={}", "x".repeat(257));
    check_refused(
        &server.ask("GET", &long, &[&good]),
        400,
        "bad_parameter",
        "256",
    );
    assert_eq!(lock(&server.archive.looked_up).len(), 2);
}

#[test]
fn a_question_whose_client_is_gone_is_given_up_and_meanwhile_everything_else_answers() {
    let server = Server::with(Limits {
        answer_time: Duration::from_millis(300),
        ..Limits::default()
    });
    server.source.publish(report(1.0));
    server.archive.slow.store(true, Ordering::Relaxed);
    let mut asking = server.connect();
    let question = b"GET /api/v1/report?at=1793491200 HTTP/1.1\r\nHost: localhost\r\n\r\n";
    asking.write_all(question).expect("a question");
    let wait = |what: &str, condition: &dyn Fn() -> bool| {
        let begun = Instant::now();
        while !condition() {
            assert!(begun.elapsed() < DEADLINE, "{what}");
            assert_eq!(server.get("/metrics").status, 200);
        }
    };
    wait("the question", &|| {
        !lock(&server.archive.instants).is_empty()
    });
    // The time for writing an answer does not run while it is thought about.
    let begun = Instant::now();
    wait("a while", &|| begun.elapsed() > Duration::from_millis(900));
    assert!(!server.archive.given_up.load(Ordering::Relaxed));
    drop(asking);
    wait("giving up", &|| {
        server.archive.given_up.load(Ordering::Relaxed)
    });
}
