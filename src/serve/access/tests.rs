//! Who is let in, by where they come from, what they ask for, and what they show.

use std::net::IpAddr;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;

use super::*;
use crate::config::web::Rate;

const LOCAL: &str = "127.0.0.1";
const ELSEWHERE: &str = "203.0.113.9";

fn gate(open: bool, settings: WebSettings) -> Gate {
    Gate {
        open,
        peers: None,
        file: None,
        rules: ArcSwap::from_pointee(Rules::of(&settings)),
        changes: watch::Sender::new(()),
        passwords: Passwords::new(),
    }
}

fn users() -> BTreeMap<String, PasswordHash> {
    let hash = |password: &str| bcrypt::hash(password, 4).unwrap().parse().unwrap();
    BTreeMap::from([
        ("alice".to_owned(), hash("open sesame")),
        ("bob".to_owned(), hash("a:colon")),
    ])
}

fn request(path: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).unwrap().into_parts().0
}

fn visitor(peer: &str, verified: bool) -> Visitor {
    let peer: IpAddr = peer.parse().unwrap();
    Visitor {
        peer: peer.to_canonical(),
        verified,
    }
}

/// What becomes of a request: `in`, or the status and the code of the refusal.
async fn judged(gate: &Gate, visitor: Visitor, request: &Parts) -> String {
    match gate.judge(visitor, request).await {
        Ok(()) => "in".to_owned(),
        Err(Obstacle::Unknown) => "unknown".to_owned(),
        Err(Obstacle::Stranger(Stranger::Elsewhere)) => "elsewhere".to_owned(),
        Err(Obstacle::Stranger(Stranger::OtherName)) => "other name".to_owned(),
        Err(Obstacle::TooMany) => "too many".to_owned(),
        Err(Obstacle::NoPeer) => "no peer".to_owned(),
        Err(Obstacle::NoPeers) => "no peers".to_owned(),
    }
}

#[tokio::test]
async fn without_users_the_rest_is_for_this_machine() {
    let gate = gate(false, WebSettings::default());
    for (peer, path, host, expected) in [
        (LOCAL, "/", "localhost:9736", "in"),
        (LOCAL, "/", "LocalHost", "in"),
        (LOCAL, "/api/v1/report", "127.0.0.1:9736", "in"),
        ("127.8.9.1", "/", "localhost", "in"),
        ("::1", "/", "[::1]:9736", "in"),
        ("::ffff:127.0.0.1", "/", "10.0.0.7", "in"),
        (LOCAL, "/", "tenure.example.com", "other name"),
        (
            LOCAL,
            "/api/v1/report",
            "localhost.example.com",
            "other name",
        ),
        (LOCAL, "/", "localhost:9736:9736", "other name"),
        (LOCAL, "/", "me@localhost", "in"),
        (LOCAL, "/", "localhost@example.com", "other name"),
        (LOCAL, "/", "", "other name"),
        (LOCAL, "/whatever/comes/later", "example.com", "other name"),
        (LOCAL, "/metrics", "tenure.example.com", "in"),
        (ELSEWHERE, "/", "localhost", "elsewhere"),
        ("::ffff:203.0.113.9", "/", "localhost", "elsewhere"),
        ("2001:db8::1", "/api/v1/report", "localhost", "elsewhere"),
        (ELSEWHERE, "/metrics/", "localhost", "elsewhere"),
        (ELSEWHERE, "/whatever/comes/later", "localhost", "elsewhere"),
        (ELSEWHERE, "/metrics", "tenure:9736", "in"),
        (ELSEWHERE, "/-/healthy", "tenure:9736", "in"),
        (ELSEWHERE, "/-/ready", "tenure:9736", "in"),
    ] {
        let request = request(path, &[("host", host)]);
        let found = judged(&gate, visitor(peer, false), &request).await;
        assert_eq!(found, expected, "{peer} {path} {host}");
    }
}

#[tokio::test]
async fn what_a_proxy_passes_on_is_not_from_this_machine() {
    let gate = gate(false, WebSettings::default());
    for header in ["Forwarded", "Via", "X-Forwarded-For", "X-Real-IP"] {
        let request = request("/", &[("host", "localhost"), (header, "127.0.0.1")]);
        let found = judged(&gate, visitor(LOCAL, false), &request).await;
        assert_eq!(found, "elsewhere", "{header}");
    }
    let twice = request("/", &[("host", "localhost"), ("host", "localhost")]);
    let found = judged(&gate, visitor(LOCAL, false), &twice).await;
    assert_eq!(found, "other name");
    let absolute = request("http://example.com/", &[("host", "localhost")]);
    let found = judged(&gate, visitor(LOCAL, false), &absolute).await;
    assert_eq!(found, "other name");
}

#[tokio::test]
async fn an_open_api_and_a_verified_certificate_let_everybody_in() {
    let request = request("/api/v1/report", &[("host", "tenure.example.com")]);
    for (open, verified, expected) in [
        (true, false, "in"),
        (false, true, "in"),
        (false, false, "elsewhere"),
    ] {
        let gate = gate(open, WebSettings::default());
        let found = judged(&gate, visitor(ELSEWHERE, verified), &request).await;
        assert_eq!(found, expected, "{open} {verified}");
    }
}

#[tokio::test]
async fn with_users_everything_needs_one_of_them() {
    let settings = WebSettings {
        users: users(),
        ..WebSettings::default()
    };
    let gate = gate(true, settings);
    let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
    for (shown, expected) in [
        (basic("alice:open sesame"), "in"),
        (basic("alice:open sesame").replace("Basic", "bAsIc"), "in"),
        (basic("bob:a:colon"), "in"),
        (basic("alice:open sesam"), "unknown"),
        (basic("alice:"), "unknown"),
        (basic("bob:open sesame"), "unknown"),
        (basic("carol:open sesame"), "unknown"),
        (basic("Alice:open sesame"), "unknown"),
        (basic("alice"), "unknown"),
        (basic(":"), "unknown"),
        ("Basic !".to_owned(), "unknown"),
        ("Basic".to_owned(), "unknown"),
        ("Bearer open sesame".to_owned(), "unknown"),
        (String::new(), "unknown"),
    ] {
        for path in ["/metrics", "/-/healthy", "/"] {
            let headers = [("host", "localhost"), ("authorization", shown.as_str())];
            let found = judged(&gate, visitor(LOCAL, true), &request(path, &headers)).await;
            assert_eq!(found, expected, "{shown} {path}");
        }
    }
    let shown = basic("alice:open sesame");
    let twice = request("/", &[("authorization", &shown), ("authorization", &shown)]);
    let found = judged(&gate, visitor(LOCAL, false), &twice).await;
    assert_eq!(found, "unknown");
}

#[tokio::test]
async fn a_changed_hash_is_compared_anew() {
    let desk = Passwords::new();
    let peer: IpAddr = LOCAL.parse().unwrap();
    let mut users = users();
    let shown = || b"open sesame".to_vec();
    for _ in 0..2 {
        let verdict = desk.judge(peer, &users, b"alice", shown()).await;
        assert_eq!(verdict, Verdict::Right);
    }
    users.insert("alice".to_owned(), users["bob"].clone());
    let verdict = desk.judge(peer, &users, b"alice", shown()).await;
    assert_eq!(verdict, Verdict::Wrong);
}

#[tokio::test]
async fn nobody_fills_the_queue_alone_and_who_was_admitted_does_not_wait() {
    let desk = Passwords::new();
    let hash = |password: &str| bcrypt::hash(password, 12).unwrap().parse().unwrap();
    let users = Arc::new(BTreeMap::from([("alice".to_owned(), hash("open sesame"))]));
    let local: IpAddr = LOCAL.parse().unwrap();
    let elsewhere: IpAddr = ELSEWHERE.parse().unwrap();
    let right = b"open sesame".to_vec();
    let verdict = desk.judge(local, &users, b"alice", right.clone()).await;
    assert_eq!(verdict, Verdict::Right);

    let guesses: Vec<_> = (0..12_u8)
        .map(|number| {
            let (desk, users) = (Arc::clone(&desk), Arc::clone(&users));
            tokio::spawn(async move { desk.judge(elsewhere, &users, b"bob", vec![number]).await })
        })
        .collect();
    let mut verdicts = Vec::new();
    for (index, guess) in guesses.into_iter().enumerate() {
        verdicts.push(guess.await.unwrap());
        if index == 0 {
            // The rest of the line still waits, and nobody else can join it.
            let verdict = desk.judge(elsewhere, &users, b"alice", right.clone()).await;
            assert_eq!(verdict, Verdict::Right);
            let verdict = desk.judge(elsewhere, &users, b"alice", vec![1]).await;
            assert_eq!(verdict, Verdict::Busy);
            let verdict = desk.judge(local, &users, b"alice", vec![1]).await;
            assert_eq!(verdict, Verdict::Wrong);
        }
    }
    let wrong = verdicts
        .iter()
        .filter(|verdict| **verdict == Verdict::Wrong);
    assert_eq!(wrong.count(), 4, "{verdicts:?}");
    assert!(!verdicts.contains(&Verdict::Right));
}

#[test]
fn addresses_of_one_network_stand_in_one_line() {
    for (a, b, expected) in [
        ("10.0.0.1", "10.0.0.1", true),
        ("10.0.0.1", "10.0.0.2", false),
        ("2001:db8::1", "2001:db8::ffff:0:0:2", true),
        ("2001:db8::1", "2001:db8:0:1::1", false),
    ] {
        let [a, b] = [a, b].map(|text| passwords::line_of(text.parse().unwrap()));
        assert_eq!(a == b, expected, "{a} {b}");
    }
}

#[tokio::test]
async fn too_many_requests_are_refused_whoever_asks() {
    let settings = WebSettings {
        users: users(),
        rate: Some(Rate {
            interval: Duration::from_hours(1),
            burst: 2,
        }),
        ..WebSettings::default()
    };
    let gate = gate(false, settings);
    for expected in ["unknown", "unknown", "too many"] {
        let found = judged(&gate, visitor(LOCAL, false), &request("/metrics", &[])).await;
        assert_eq!(found, expected);
    }
}

const PEER_TOKEN: &str = "0123456789abcdef-of-the-instances";

fn for_peers(gate: Gate) -> Gate {
    let token = Some(Arc::new(Token::new(PEER_TOKEN)));
    Gate {
        peers: token,
        ..gate
    }
}

#[tokio::test]
async fn the_token_of_instances_opens_two_paths_and_nothing_else_does() {
    let with_users = || WebSettings {
        users: users(),
        ..WebSettings::default()
    };
    let (bearer, bearer_in_capitals) = (
        format!("Bearer {PEER_TOKEN}"),
        format!("BEARER {PEER_TOKEN}"),
    );
    let longer = format!("Bearer {PEER_TOKEN}0");
    let shorter = &bearer[..bearer.len() - 1];
    let user = format!("Basic {}", STANDARD.encode("alice:open sesame"));
    let as_password = format!("Basic {}", STANDARD.encode(format!("alice:{PEER_TOKEN}")));
    let host = ("host", "tenure-0.tenure:9736");
    let own = ("x-tenure-token", PEER_TOKEN);
    for (path, shown, open, expected, expected_with_users) in [
        (
            "/peer/v1/partial",
            &[("authorization", &*bearer)][..],
            false,
            "in",
            "in",
        ),
        (
            "/peer/v1/customer",
            &[("authorization", &bearer)],
            false,
            "in",
            "in",
        ),
        (
            "/peer/v1/partial",
            &[("authorization", &bearer_in_capitals)],
            false,
            "in",
            "in",
        ),
        ("/peer/v1/partial", &[], true, "no peer", "no peer"),
        (
            "/peer/v1/partial",
            &[("authorization", &longer)],
            true,
            "no peer",
            "no peer",
        ),
        (
            "/peer/v1/partial",
            &[("authorization", shorter)],
            true,
            "no peer",
            "no peer",
        ),
        (
            "/peer/v1/partial",
            &[("authorization", "Bearer ")],
            true,
            "no peer",
            "no peer",
        ),
        (
            "/peer/v1/partial",
            &[("authorization", PEER_TOKEN)],
            true,
            "no peer",
            "no peer",
        ),
        ("/peer/v1/partial", &[own], true, "no peer", "no peer"),
        (
            "/peer/v1/partial",
            &[("authorization", &bearer), ("authorization", &bearer)],
            true,
            "no peer",
            "no peer",
        ),
        (
            "/peer/v1/customer",
            &[("authorization", &user)],
            true,
            "no peer",
            "no peer",
        ),
        (
            "/peer/v1/partial/",
            &[("authorization", &bearer)],
            false,
            "elsewhere",
            "unknown",
        ),
        (
            "/peer/v1/",
            &[("authorization", &bearer)],
            false,
            "elsewhere",
            "unknown",
        ),
        (
            "/PEER/v1/partial",
            &[("authorization", &bearer)],
            false,
            "elsewhere",
            "unknown",
        ),
        (
            "/api/v1/report",
            &[("authorization", &bearer)],
            false,
            "elsewhere",
            "unknown",
        ),
        (
            "/api/v1/customers",
            &[("authorization", &bearer), own],
            false,
            "elsewhere",
            "unknown",
        ),
        (
            "/api/v1/customers",
            &[("authorization", &as_password)],
            false,
            "elsewhere",
            "unknown",
        ),
        (
            "/",
            &[("authorization", &bearer)],
            false,
            "elsewhere",
            "unknown",
        ),
        (
            "/metrics",
            &[("authorization", &bearer)],
            false,
            "in",
            "unknown",
        ),
    ] {
        let headers: Vec<_> = std::iter::once(host).chain(shown.iter().copied()).collect();
        let request = request(path, &headers);
        let visitor = visitor(ELSEWHERE, false);
        let without = for_peers(gate(open, WebSettings::default()));
        let found = judged(&without, visitor, &request).await;
        assert_eq!(found, expected, "{path} {shown:?}");
        let with = for_peers(gate(open, with_users()));
        let found = judged(&with, visitor, &request).await;
        assert_eq!(found, expected_with_users, "{path} {shown:?} beside users");
        if expected == "in" && path.starts_with("/peer") {
            let found = judged(&gate(true, with_users()), visitor, &request).await;
            assert_eq!(found, "no peers", "{path} {shown:?} without a token");
        }
    }
}

#[tokio::test]
async fn instances_are_let_in_however_many_clients_ask() {
    let settings = WebSettings {
        rate: Some(Rate {
            interval: Duration::from_hours(1),
            burst: 1,
        }),
        ..WebSettings::default()
    };
    let gate = for_peers(gate(false, settings));
    let bearer = format!("Bearer {PEER_TOKEN}");
    let asked = request("/peer/v1/partial", &[("authorization", &bearer)]);
    let guessed = request("/peer/v1/partial", &[("authorization", "Bearer guess")]);
    for (request, expected) in [
        (&asked, "in"),
        (&guessed, "no peer"),
        (&guessed, "too many"),
        (&asked, "in"),
    ] {
        assert_eq!(
            judged(&gate, visitor(ELSEWHERE, false), request).await,
            expected
        );
    }
}
