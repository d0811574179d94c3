use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use super::*;
use crate::config::{Override, SchemaRegistrySettings, Sources, load};
use crate::event::schema::Language;

/// The path and the credentials of a request.
type Asked = (String, Option<String>);

/// A server that answers by path, for as long as the test runs.
struct Server {
    address: SocketAddr,
    /// Every request.
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    fn start(answer: fn(&str) -> (u16, &'static str)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::new(Mutex::default());
        let told = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that goes away is no concern of the server.
                let _ = serve(stream, answer, &told);
            }
        });
        Self { address, asked }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn paths(&self) -> Vec<String> {
        let asked = self.asked.lock().expect("no panic");
        asked.iter().map(|(path, _)| path.clone()).collect()
    }
}

fn serve(
    mut stream: TcpStream,
    answer: fn(&str) -> (u16, &'static str),
    asked: &Mutex<Vec<(String, Option<String>)>>,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut credentials = None;
    for line in lines {
        let line = line?;
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(": ")
            && name.eq_ignore_ascii_case("authorization")
        {
            credentials = Some(value.to_owned());
        }
    }
    let (status, body) = answer(&path);
    asked.lock().expect("no panic").push((path, credentials));
    write!(
        stream,
        "HTTP/1.1 {status} -\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// An address at which nobody listens.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    format!("http://{}", listener.local_addr().expect("an address"))
}

fn settings(urls: &str, more: &[(&str, &str)]) -> SchemaRegistrySettings {
    let flag = |(key, text): &(&str, &str)| Override {
        key: format!("schema_registry.{key}"),
        text: (*text).to_owned(),
        flag: "--set".to_owned(),
    };
    let read_file = |path: &Path, _: u64| Ok(path.as_os_str().as_encoded_bytes().to_vec());
    let sources = Sources {
        flags: [("url", urls)].iter().chain(more).map(flag).collect(),
        read_file: &read_file,
        ..Sources::none()
    };
    load(&sources).expect("settings").schema_registry
}

fn client(urls: &str) -> Client {
    Client::new(&settings(urls, &[])).expect("a client")
}

fn answer(path: &str) -> (u16, &'static str) {
    match path {
        "/schemas/ids/1" => (200, r#"{"schema":"\"string\""}"#),
        "/schemas/ids/2" => (
            200,
            r#"{"schema":"a","schemaType":"PROTOBUF","references":[
                {"name":"b.proto","subject":"b/1","version":3},
                {"name":"c.proto","subject":"c","version":1}]}"#,
        ),
        "/subjects/b%2F1/versions/3?deleted=true" => (
            200,
            r#"{"schema":"b","schemaType":"PROTOBUF","references":[
                {"name":"c.proto","subject":"c","version":1}]}"#,
        ),
        "/subjects/c/versions/1?deleted=true" => (200, r#"{"schema":"c","references":[]}"#),
        "/schemas/ids/3" => (
            200,
            r#"{"schema":"a","references":[{"name":"gone","subject":"d","version":1}]}"#,
        ),
        "/schemas/ids/4" => (200, "<html>"),
        "/schemas/ids/5" => (500, r#"{"error_code":50001}"#),
        "/schemas/ids/6" => (404, "<html>"),
        "/schemas/ids/7" => (404, r#"{"error_code":404}"#),
        "/schemas/ids/8" => (401, r#"{"error_code":40101}"#),
        "/schemas/ids/9" => (200, r#"{"schema":"{}","schemaType":"JSON"}"#),
        "/schemas/ids/10" => (200, r#"{"schema":"{}","schemaType":"XML"}"#),
        "/schemas/ids/11" => (200, r#"{"schema":"{"}"#),
        "/schemas/ids/12" => (302, ""),
        _ => (404, r#"{"error_code":40403,"message":"Schema not found"}"#),
    }
}

#[test]
fn what_a_registry_says_is_told_from_what_others_say_at_its_address() {
    let server = Server::start(answer);
    let client = client(&server.url());
    let schema = |id| client.schema(id).map(|written| written.language);
    assert_eq!(schema(1), Ok(Language::Avro));
    assert_eq!(schema(9), Ok(Language::JsonSchema));
    assert_eq!(schema(77), Err(Unanswered::Unknown));
    assert_eq!(schema(8), Err(Unanswered::Refused(401)));
    for id in [4, 5, 6, 7, 12] {
        assert!(matches!(schema(id), Err(Unanswered::Failed(_))), "{id}");
    }
    for id in [3, 10] {
        assert!(matches!(schema(id), Err(Unanswered::Half(_))), "{id}");
    }
}

#[test]
fn what_a_schema_refers_to_comes_before_what_refers_to_it_and_once() {
    let server = Server::start(answer);
    let written = client(&server.url()).schema(2).expect("a schema");
    let names = written.references.iter();
    let names: Vec<(&str, &str)> = names
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    assert_eq!(names, [("c.proto", "c"), ("b.proto", "b")]);
}

#[test]
fn another_address_is_asked_where_one_does_not_answer_and_then_first() {
    let server = Server::start(answer);
    let client = client(&format!("{},{}", nobody(), server.url()));
    for _ in 0..2 {
        assert!(client.schema(1).is_ok());
    }
    assert_eq!(server.paths().len(), 2);
    let both = client_of_two(&server);
    // That there is no such schema is an answer.
    assert_eq!(both.schema(77), Err(Unanswered::Unknown));
    assert_eq!(server.paths().len(), 3);
    // An error is none.
    assert!(matches!(both.schema(5), Err(Unanswered::Failed(_))));
    assert_eq!(server.paths().len(), 5);
}

fn client_of_two(server: &Server) -> Client {
    client(&format!("{},{}", server.url(), server.url()))
}

#[test]
fn a_user_is_shown_with_the_password_of_the_file() {
    let server = Server::start(answer);
    // The content of a file is its path here.
    let own = settings(
        &server.url(),
        &[("user", "reader"), ("password_file", "/secret")],
    );
    let client = Client::new(&own).expect("a client");
    assert!(client.schema(1).is_ok());
    let asked = server.asked.lock().expect("no panic");
    assert_eq!(
        asked[0].1.as_deref(),
        Some(format!("Basic {}", "cmVhZGVyOi9zZWNyZXQ=").as_str())
    );
    let shown = format!("{client:?} {own:?}");
    assert!(!shown.contains("cmVhZGVyO"), "{shown}");
}

#[test]
fn certificates_that_are_none_are_told_at_the_start() {
    let own = settings("https://localhost:1", &[("ca_file", "/none.pem")]);
    let error = Client::new(&own).expect_err("no certificates");
    assert!(error.contains("schema_registry.ca_file"), "{error}");
}

#[test]
fn schemas_are_asked_for_once_and_what_cannot_be_read_is_settled() {
    let server = Server::start(answer);
    let telemetry = Arc::new(Telemetry::new().expect("no clash"));
    let registry = Registry::new(&settings(&server.url(), &[]), Arc::clone(&telemetry));
    let registry = registry.expect("a client").expect("an address");
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| registry.run(&stop));
        for id in [1, 11, 1, 10] {
            registry.want(id);
            assert!(registry.wait(id, Duration::from_secs(20)), "{id}");
        }
        // An id that nobody knows is not waited for on the spot.
        registry.want(77);
        assert!(!registry.wait(77, Duration::from_secs(20)));
        assert!(!registry.settled(77));
        assert_eq!(registry.awaited(), 1);
        stop.store(true, Ordering::Relaxed);
    });
    assert!(matches!(registry.find(1), Found::Schema(_)));
    assert!(matches!(registry.find(11), Found::Unreadable));
    assert!(matches!(registry.find(10), Found::Unreadable));
    assert!(matches!(registry.find(77), Found::NotYet));
    let of_one = server.paths().into_iter();
    let of_one = of_one.filter(|path| path == "/schemas/ids/1").count();
    assert_eq!(of_one, 1);
    assert_eq!(telemetry.schemas.known.get(), 1);
}

#[test]
fn a_registry_that_is_away_settles_nothing_and_is_asked_again() {
    let away = nobody();
    let telemetry = Arc::new(Telemetry::new().expect("no clash"));
    let registry = Registry::new(&settings(&away, &[]), Arc::clone(&telemetry));
    let registry = registry.expect("a client").expect("an address");
    let stop = AtomicBool::new(false);
    let begun = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| registry.run(&stop));
        registry.want(1);
        // It is not waited for where there is no hope.
        while registry.wait(1, Duration::from_mins(1)) {}
        while telemetry.schemas.failed.get() < 2 {
            assert!(begun.elapsed() < Duration::from_secs(50));
            thread::yield_now();
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(!registry.settled(1));
    assert_eq!(registry.awaited(), 1);
}
