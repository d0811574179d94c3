//! What is said about web config files that are wrong, and what is never shown.

use std::io;

use super::*;

/// What is said about a file that names others, none of which exists but `broken.pem`.
fn complaints(text: &str) -> String {
    let read_file = |path: &Path, _: u64| match path.to_str() {
        Some("conf/web.yml") => Ok(text.as_bytes().to_vec()),
        Some("conf/broken.pem") => Ok(b"hunter2".to_vec()),
        _ => Err(io::Error::from(io::ErrorKind::NotFound)),
    };
    let mut complaints = Complaints::default();
    let path = Path::new("conf/web.yml");
    let (settings, _) = read(path, &read_file, &mut complaints, |_| {
        Complaint::error("none")
    });
    // As for every other setting, one error is enough for nothing to be used.
    assert!(settings.is_some() || complaints.has_errors(), "{text}");
    complaints.sort();
    let shown = complaints.to_string();
    assert!(!shown.contains("hunter2"), "{shown}");
    shown
}

#[test]
fn an_empty_file_asks_for_nothing() {
    for text in [
        "",
        "# nothing\n",
        "tls_server_config:\nbasic_auth_users: {}\n",
        "tls_server_config: { cert_file: '' }\n",
        "http_server_config: { http2: false, headers: {} }\nrate_limit: { interval: 0, burst: 0 }\n",
    ] {
        assert_eq!(complaints(text), "", "{text}");
    }
}

#[test]
fn a_complaint_shows_its_place_and_a_way_out() {
    let expected = "\
error: unknown key `cert_fil` in `tls_server_config`
  --> conf/web.yml:2:3
   |
 2 |   cert_fil: ***
   |   ^^^^^^^^
   = help: did you mean `cert_file`?
";
    let text = "tls_server_config:\n  cert_fil: server.crt\n";
    assert_eq!(complaints(text), expected);
}

#[test]
fn what_cannot_be_done_is_refused() {
    let tls = |rest: &str| format!("tls_server_config:\n  {rest}\n");
    for (text, expected) in [
        (tls("min_version: TLS10"), "`TLS10` is not spoken: it is no longer safe"),
        (tls("max_version: TLS11"), "`TLS11` is not spoken"),
        (tls("min_version: TLS14"), "`TLS14` is no version of TLS"),
        (tls("min_version: TLS12"), "`tls_server_config` has no `cert_file`"),
        (tls("cert_file: missing.crt"), "could not read `missing.crt`"),
        (tls("cert: hunter2"), "`tls_server_config` has no `key_file`"),
        (
            tls("cert: hunter2\n  key_file: broken.pem"),
            "`tls_server_config.cert` holds no certificate",
        ),
        (
            tls("cert_file: broken.pem\n  key: hunter2"),
            "`tls_server_config.key` holds no private key",
        ),
        (
            tls("cert_file: broken.pem\n  cert: hunter2"),
            "has `cert` and `cert_file`",
        ),
        (
            tls("cipher_suites: [TLS_RSA_WITH_AES_128_CBC_SHA]"),
            "`TLS_RSA_WITH_AES_128_CBC_SHA` is not spoken",
        ),
        (tls("curve_preferences: [CurveP521]"), "`CurveP521` is no curve"),
        (tls("cipher_suites: TLS_AES_128_GCM_SHA256"), "takes a list"),
        (tls("prefer_server_cipher_suites: maybe"), "neither true nor false"),
        (tls("client_auth_type: RequireClient"), "is no such type"),
        (tls("client_auth_type: [NoClientCert]"), "takes one value"),
        ("tls_server_config: on".to_owned(), "holds keys, not a value"),
        ("tls_servr_config:".to_owned(), "did you mean `tls_server_config`?"),
        (
            "http_server_config: { headers: { Server: nginx } }".to_owned(),
            "unknown key `Server` in `headers`",
        ),
        (
            "http_server_config: { headers: { X-Frame-Options: none } }".to_owned(),
            "write deny or sameorigin",
        ),
        (
            "http_server_config: { headers: { Content-Security-Policy: \"a\\nb\" } }".to_owned(),
            "is no value of this header",
        ),
        ("basic_auth_users: { alice: hunter2 }".to_owned(), "`alice`: this is no bcrypt hash"),
        ("basic_auth_users: { alice: }".to_owned(), "`alice` has no hash"),
        ("basic_auth_users: [alice]".to_owned(), "holds names with hashes"),
        (
            "basic_auth_users: { 'a:b': $2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i }"
                .to_owned(),
            "cannot be the name of a user",
        ),
        (
            "basic_auth_users: { a: $2a$20$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i }"
                .to_owned(),
            "cost 20 takes too long",
        ),
        ("rate_limit: { interval: 1s }".to_owned(), "lets nobody through"),
        ("rate_limit: { interval: soon, burst: 1 }".to_owned(), "is no length of time"),
        ("rate_limit: { interval: 1s, burst: -1 }".to_owned(), "no whole number"),
        ("rate_limit: {}\nrate_limit: {}".to_owned(), "given twice"),
        ("a: &b c".to_owned(), "anchors"),
        ("[".to_owned(), "not YAML"),
    ] {
        let shown = complaints(&text);
        assert!(shown.contains(expected), "{text}\n{shown}");
    }
}

#[test]
fn a_list_of_users_of_which_one_is_wrong_shows_no_hash() {
    let hash = "$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i";
    let shown = complaints(&format!(
        "basic_auth_users:\n  alice: {hash}\n  bob: {hash}0\n  carol: hunter2\n"
    ));
    assert!(!shown.contains("If6bvum7"), "{shown}");
    assert!(shown.contains("conf/web.yml:3:3"), "{shown}");
    assert!(shown.contains("conf/web.yml:4:3"), "{shown}");
}
