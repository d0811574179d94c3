//! The real parts keep their promises, which all other tests with real parts rely on.

#![cfg(test)]

#[expect(dead_code, reason = "these tests tell nobody of alerts")]
mod real;

use std::collections::HashSet;
use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Command, Stdio};
use std::slice;
use std::thread;
use std::time::{Duration, SystemTime};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};

use real::folder::KeptFolder;
use real::host::{Host, Mood};
use real::kafka::{Kafka, KafkaOptions, Purpose};
use real::process::{Process, Signal, new_folder, tenure};
use real::prometheus::{Prometheus, promtool_check_metrics, promtool_check_web_config};
use real::proxy::Proxy;
use real::{eventually, free_ports, http};

/// Generous: the machine may be busy with other things.
const DEADLINE: Duration = Duration::from_mins(1);

const PARTITIONS: i32 = 4;

#[test]
fn every_record_comes_back_from_its_partition() {
    let kafka = Kafka::shared();
    kafka.create_topic("round-trip", PARTITIONS, &[]);
    let written: HashSet<String> = (0..10_000)
        .map(|number| format!("value-{number}"))
        .collect();
    produce(kafka, "round-trip", &written);
    assert_eq!(consume(kafka, "round-trip", written.len()), written);
}

#[test]
fn deleting_records_moves_the_start_of_the_log() {
    let kafka = Kafka::shared();
    kafka.create_topic("deleted-head", 1, &[]);
    produce(
        kafka,
        "deleted-head",
        &(0..100).map(|number| number.to_string()).collect(),
    );
    assert_eq!(kafka.offsets("deleted-head", 0), (0, 100));
    kafka.delete_records("deleted-head", 0, 40);
    assert_eq!(kafka.offsets("deleted-head", 0), (40, 100));
}

#[test]
fn settings_of_a_topic_reach_the_broker() {
    let kafka = Kafka::shared();
    kafka.create_topic("small-records", 1, &[("max.message.bytes", "1000")]);
    let producer: BaseProducer = kafka.client_config().create().unwrap();
    let value = "x".repeat(2000);
    producer
        .send(BaseRecord::<str, str>::to("small-records").payload(&value))
        .unwrap();
    producer.flush(DEADLINE).unwrap();
    assert_eq!(
        kafka.offsets("small-records", 0),
        (0, 0),
        "the record was to be refused"
    );
}

#[test]
fn a_topic_is_never_created_by_asking_for_it() {
    let kafka = Kafka::shared();
    let consumer: BaseConsumer = kafka.client_config().create().unwrap();
    let metadata = consumer
        .fetch_metadata(Some("not-created"), DEADLINE)
        .unwrap();
    let error = metadata.topics()[0].error().map(RDKafkaErrorCode::from);
    assert_eq!(error, Some(RDKafkaErrorCode::UnknownTopicOrPartition));
}

#[test]
fn a_node_of_its_own_takes_options_and_ends_with_its_value() {
    let options = KafkaOptions {
        purpose: Purpose::Benchmark,
        heap_mib: 400,
        properties: vec![("auto.create.topics.enable".to_owned(), "true".to_owned())],
        ..KafkaOptions::default()
    };
    let kafka = Kafka::start(&options);
    let arguments = arguments_of(kafka.process().pid());
    assert!(
        arguments.contains("-Xmx400m") && !arguments.contains("TieredStop"),
        "{arguments}"
    );
    let mut config = kafka.client_config();
    let producer: BaseProducer = config
        .set("allow.auto.create.topics", "true")
        .create()
        .unwrap();
    producer
        .send(BaseRecord::<str, str>::to("by-asking").payload("value"))
        .unwrap();
    producer.flush(DEADLINE).unwrap();
    assert_eq!(kafka.offsets("by-asking", 0), (0, 1));

    let address = kafka.bootstrap_servers().to_owned();
    drop(producer);
    drop(kafka);
    assert!(
        TcpStream::connect(address).is_err(),
        "somebody still listens"
    );
}

#[test]
fn a_node_comes_back_with_what_it_had_on_its_old_address_and_behind_its_proxy() {
    let mut kafka = Kafka::start(&KafkaOptions {
        proxied: true,
        ..KafkaOptions::default()
    });
    kafka.create_replicated_topic("kept", &[1], &[]);
    let values: HashSet<String> = (0..10).map(|number| number.to_string()).collect();
    produce(&kafka, "kept", &values);
    kafka.stop(1);
    assert!(!kafka.runs(1));
    let segment = std::fs::read(kafka.first_segment(1, "kept", 0)).unwrap();
    assert!(segment.len() > 100, "{} bytes", segment.len());
    kafka.boot(1);
    kafka.wait_for_replicas("kept", 0, 1, &[1]);
    kafka.kill(1);
    kafka.boot(1);
    assert_eq!(kafka.offsets("kept", 0), (0, 10));

    // Through the proxy the same node answers, as long as the proxy lets it.
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", kafka.proxied_servers());
    let client: BaseConsumer = config.create().unwrap();
    let ask = |patience| client.fetch_watermarks("kept", 0, patience);
    assert_eq!(ask(DEADLINE).unwrap(), (0, 10));
    kafka.proxy(1).stall();
    assert!(ask(Duration::from_millis(300)).is_err());
    kafka.proxy(1).go_on();
    assert_eq!(ask(DEADLINE).unwrap(), (0, 10));
}

#[test]
fn topics_grow_and_go_and_come_again() {
    let kafka = Kafka::shared();
    kafka.create_topic("changing", 1, &[]);
    produce(kafka, "changing", &HashSet::from(["a".to_owned()]));
    kafka.grow_topic("changing", 3);
    assert_eq!(kafka.offsets("changing", 2), (0, 0));
    kafka.delete_topic("changing");
    kafka.create_topic("changing", 1, &[]);
    assert_eq!(kafka.offsets("changing", 0), (0, 0));
}

#[test]
fn a_proxy_passes_bytes_on_holds_them_and_cuts_connections() {
    let echo = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = Proxy::listen();
    proxy.lead_to(echo.local_addr().unwrap().port());
    let echoed = thread::spawn(move || {
        let (mut stream, _) = echo.accept().unwrap();
        let mut copy = stream.try_clone().unwrap();
        std::io::copy(&mut stream, &mut copy)
    });
    let mut stream = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
    let mut said = [0; 4];
    stream.write_all(b"ping").unwrap();
    stream.read_exact(&mut said).unwrap();
    assert_eq!(&said, b"ping");

    proxy.stall();
    stream.write_all(b"wait").unwrap();
    let patience = Duration::from_millis(200);
    stream.set_read_timeout(Some(patience)).unwrap();
    assert!(stream.read_exact(&mut said).is_err());
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    proxy.go_on();
    stream.read_exact(&mut said).unwrap();
    assert_eq!(&said, b"wait");

    proxy.damage(4, vec![b"none".to_vec(), b"turn".to_vec()], 2);
    stream.write_all(b"turn").unwrap();
    stream.read_exact(&mut said).unwrap();
    assert_eq!(&said, b"tusn");
    assert!(proxy.has_damaged());

    proxy.cut();
    assert!(matches!(stream.read(&mut said), Ok(0) | Err(_)));
    drop(stream);
    echoed.join().unwrap().ok();
}

#[test]
fn a_disk_works_fails_and_hangs_as_it_is_told() {
    let (disk, folder) = (Host::new(), KeptFolder::new("on-disk"));
    let file = folder.path().join("one.ckpt");
    std::fs::write(&file, "content").unwrap();
    assert_eq!(folder.files(), *slice::from_ref(&file));
    let start = |program: &str| {
        let mut command = Command::new(program);
        command.arg(&file);
        disk.hold(&mut command);
        Process::start(new_folder(program), &command)
    };
    for (program, set) in [
        ("sync", Host::syncs as fn(&Host, Mood)),
        ("cat", Host::reads),
    ] {
        assert_eq!(start(program).wait(DEADLINE), 0);
        set(&disk, Mood::Fails);
        let failed = start(program);
        assert_eq!(failed.wait(DEADLINE), 1);
        assert!(failed.stderr().contains("Input/output"), "{failed:?}");
        set(&disk, Mood::Hangs);
        let hanging = start(program);
        thread::sleep(Duration::from_millis(300));
        assert_eq!(hanging.exit_code(), None);
        set(&disk, Mood::Works);
        assert_eq!(hanging.wait(DEADLINE), 0);
    }
}

#[test]
fn a_clock_is_as_wrong_as_it_is_told() {
    let host = Host::with_clock_ahead(-1_000_000);
    let mut command = Command::new("date");
    command.arg("+%s");
    host.hold(&mut command);
    let process = Process::start(new_folder("date"), &command);
    assert_eq!(process.wait(DEADLINE), 0);
    let shown: u64 = process.stdout().trim().parse().unwrap();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let behind = now.unwrap().as_secs() - shown;
    assert!((1_000_000..1_000_060).contains(&behind), "{behind}");
}

#[test]
fn a_small_file_system_is_full_when_it_should_be_and_goes_with_its_value() {
    let folder = match KeptFolder::small("small", 64 << 10) {
        Ok(folder) => folder,
        Err(refused) => {
            assert!(!refused.is_empty());
            eprintln!("not tested, no file system can be mounted here: {refused}");
            return;
        }
    };
    let file = folder.path().join("large");
    let written = std::fs::write(&file, vec![0; 256 << 10]);
    assert_eq!(written.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    folder.grow(1 << 20);
    std::fs::write(&file, vec![0; 256 << 10]).unwrap();
    let path = folder.path().to_owned();
    drop(folder);
    assert!(!path.exists());
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap();
    assert!(!mounts.contains(path.to_str().unwrap()), "{mounts}");
}

#[test]
fn prometheus_returns_what_it_has_scraped() {
    let page = "# TYPE tenure_customers gauge\ntenure_customers{plan=\"pro\"} 41.5\n";
    let target = serve(page);
    let prometheus = Prometheus::start(&[target], Duration::from_millis(500));

    let samples = prometheus.wait_until("tenure_customers", DEADLINE, |found| !found.is_empty());
    assert_eq!(samples.len(), 1);
    assert_eq!(samples[0].value, 41.5);
    assert_eq!(samples[0].labels["plan"], "pro");
    assert_eq!(samples[0].labels["instance"], target.to_string());
    assert_eq!(samples[0].labels["job"], "tenure");

    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_secs_f64();
    assert_eq!(
        prometheus.query_at("tenure_customers", now).unwrap()[0].value,
        41.5
    );
    assert_eq!(
        prometheus
            .query_at("tenure_customers", now - 3600.0)
            .unwrap(),
        []
    );
    let refused = prometheus.query("tenure_customers{").unwrap_err();
    assert!(refused.contains("parse error"), "{refused}");
    assert_eq!(
        http::get(&format!("{}/none", prometheus.url()), &[])
            .unwrap()
            .0,
        404
    );
}

#[test]
fn promtool_accepts_a_clean_page_and_says_what_is_wrong_with_others() {
    check_page(
        "# HELP tenure_customers Active.\n# TYPE tenure_customers gauge\ntenure_customers 1\n",
        "",
    );
    check_page(
        "# TYPE tenure_customers gauge\ntenure_customers 1\n",
        "no help text",
    );
    check_page("tenure_customers{ 1\n", "parsing error");
}

#[test]
fn promtool_tells_good_web_config_files_from_bad_ones() {
    let folder = new_folder("web");
    for (text, complaint) in [
        ("http_server_config: { http2: false }\n", ""),
        ("http_server_config: { http3: false }\n", "http3"),
    ] {
        let file = folder.path().join("web.yml");
        std::fs::write(&file, text).unwrap();
        match promtool_check_web_config(&file) {
            Ok(()) => assert_eq!(complaint, ""),
            Err(found) => assert!(
                !complaint.is_empty() && found.contains(complaint),
                "{found}"
            ),
        }
    }
}

fn check_page(page: &str, complaint: &str) {
    let found = promtool_check_metrics(page);
    match complaint {
        "" => assert_eq!(found, Ok(())),
        _ => assert!(
            found.clone().is_err_and(|found| found.contains(complaint)),
            "{found:?}"
        ),
    }
}

#[test]
fn the_program_under_test_starts_and_ends() {
    let process = Process::tenure(&["--version"]);
    assert_eq!(process.wait(DEADLINE), 0, "{}", process.tail());
    let state = Path::new("/somewhere/else");
    let variables: Vec<_> = tenure(state)
        .get_envs()
        .map(|(_, v)| v.map(ToOwned::to_owned))
        .collect();
    assert_eq!(variables, [Some(state.as_os_str().to_owned())]);
}

#[test]
fn a_process_gets_signals_and_shows_its_outputs() {
    let mut process = shell(
        "trap 'echo stopping >&2; exit 7' TERM; trap 'echo interrupted >&2' INT
         echo out; echo ready now >&2; while :; do sleep 0.05; done",
    );
    assert_eq!(process.wait_for_line("ready", DEADLINE), "ready now");
    process.send(Signal::Stop);
    process.send(Signal::Interrupt);
    eventually(DEADLINE, "the freeze", || {
        match stat_of(process.pid())[0].as_str() {
            "T" => Ok(()),
            state => Err(format!("state {state}")),
        }
    });
    assert!(!process.stderr().contains("interrupted"));
    process.send(Signal::Continue);
    process.wait_for_line("interrupted", DEADLINE);
    assert_eq!(process.exit_code(), None);
    process.send(Signal::Terminate);
    assert_eq!(process.wait(DEADLINE), 7);
    assert_eq!(process.stdout(), "out\n");
    assert!(process.tail().contains("stopping"), "{}", process.tail());
}

#[test]
fn a_signal_that_ends_a_process_shows_in_its_exit_code() {
    let mut process = shell("exec sleep 600");
    process.send(Signal::Kill);
    assert_eq!(process.wait(DEADLINE), 128 + 9);
}

#[test]
fn a_page_is_waited_for_until_its_status_is_200() {
    let server = serve("a page");
    let process = shell("exec sleep 600");
    assert_eq!(
        process.wait_for_page(&format!("http://{server}/metrics"), DEADLINE),
        "a page"
    );
}

#[test]
#[should_panic(expected = "it ended with Some(3)")]
fn waiting_for_a_dead_process_ends_at_once() {
    shell("echo no more >&2; exit 3").wait_for_line("never written", DEADLINE);
}

#[test]
#[should_panic(expected = "for a miracle: none so far")]
fn waiting_ends_at_its_deadline_with_the_last_failure() {
    eventually(Duration::from_millis(50), "a miracle", || {
        Err::<(), _>("none so far".to_owned())
    });
}

#[test]
fn nothing_of_a_process_is_left_after_its_drop_and_after_a_panic() {
    let process = shell("sleep 600 & echo child $! >&2; wait");
    let (pid, folder) = (process.pid(), process.folder().to_owned());
    let line = process.wait_for_line("child", DEADLINE);
    let child = line.trim_start_matches("child ").parse().unwrap();
    assert!(lives(pid) && lives(child) && folder.exists());
    drop(process);
    assert!(!lives(pid) && !folder.exists());
    // Whoever inherits an orphan reaps it a moment later.
    eventually(DEADLINE, "the end of the child", || {
        if lives(child) {
            Err("it lives".to_owned())
        } else {
            Ok(())
        }
    });

    let mut seen = None;
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let process = shell("exec sleep 600");
        seen = Some((process.pid(), process.folder().to_owned()));
        panic!("on purpose");
    }));
    let (pid, folder) = seen.unwrap();
    assert!(panicked.is_err() && !lives(pid) && !folder.exists());
}

/// Starts itself again as a test process that starts a process, and kills that test process.
#[test]
fn nothing_of_a_process_is_left_when_the_test_process_is_killed() {
    const INNER: &str = "TENURE_HARNESS_INNER";
    if env::var_os(INNER).is_some() {
        let process = shell("exec sleep 600");
        let small = KeptFolder::small("small", 1 << 20);
        let kept = small.unwrap_or_else(|_| KeptFolder::new("kept"));
        let folders = [process.folder(), kept.path()].map(Path::display);
        println!("started {} {} {}", process.pid(), folders[0], folders[1]);
        thread::park_timeout(DEADLINE);
        return;
    }
    let own_name = "nothing_of_a_process_is_left_when_the_test_process_is_killed";
    let mut inner = Command::new(env::current_exe().unwrap())
        .args(["--exact", own_name, "--nocapture"])
        .env(INNER, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(inner.stdout.take().unwrap()).lines();
    let line = lines
        .map(Result::unwrap)
        .find(|line| line.contains("started "))
        .unwrap();
    let mut words = line.split_once("started ").unwrap().1.split(' ');
    let pid: u32 = words.next().unwrap().parse().unwrap();
    let folders: Vec<&Path> = words.map(Path::new).collect();
    assert!(lives(pid) && folders.len() == 2);
    inner.kill().unwrap();
    inner.wait().unwrap();
    eventually(DEADLINE, "the end of the process", || {
        if lives(pid) || folders.iter().any(|folder| folder.exists()) {
            Err("still there".to_owned())
        } else {
            Ok(())
        }
    });
}

#[test]
fn a_process_dies_with_its_keeper() {
    let process = shell("exec sleep 600");
    let (pid, folder) = (process.pid(), process.folder().to_owned());
    let keeper = stat_of(pid)[1].clone();
    assert!(
        Command::new("/bin/sh")
            .args(["-c", "kill -s KILL $0", &keeper])
            .status()
            .unwrap()
            .success()
    );
    eventually(DEADLINE, "the end of the process", || {
        if lives(pid) {
            Err("it lives".to_owned())
        } else {
            Ok(())
        }
    });
    drop(process);
    assert!(!folder.exists());
}

#[test]
fn free_ports_differ_and_are_free() {
    let ports: [u16; 20] = free_ports();
    assert_eq!(ports.iter().collect::<HashSet<_>>().len(), ports.len());
    assert!(
        ports
            .iter()
            .all(|port| TcpStream::connect(("127.0.0.1", *port)).is_err())
    );
}

fn produce(kafka: &Kafka, topic: &str, values: &HashSet<String>) {
    let producer: BaseProducer = kafka.client_config().create().unwrap();
    for value in values {
        // Fewer than the producer queues, so that none is refused.
        producer
            .send(BaseRecord::to(topic).key(value).payload(value))
            .unwrap();
    }
    producer.flush(DEADLINE).unwrap();
}

/// Reads a topic of four partitions from its beginning until it has seen so many records, and
/// returns their values, of which no two are equal.
fn consume(kafka: &Kafka, topic: &str, records: usize) -> HashSet<String> {
    let mut config: ClientConfig = kafka.client_config();
    let consumer: BaseConsumer = config.set("group.id", topic).create().unwrap();
    let mut assignment = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        assignment
            .add_partition_offset(topic, partition, Offset::Beginning)
            .unwrap();
        assert!(
            kafka.offsets(topic, partition).1 > 0,
            "partition {partition} is empty"
        );
    }
    consumer.assign(&assignment).unwrap();
    let mut values = HashSet::new();
    while values.len() < records {
        let record = consumer.poll(DEADLINE).expect("no further record").unwrap();
        let value = String::from_utf8(record.payload().unwrap().to_vec()).unwrap();
        assert!(values.insert(value), "a value came twice");
    }
    values
}

fn shell(script: &str) -> Process {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script]);
    Process::start(new_folder("shell"), &command)
}

/// Answers every request with one page, for as long as the test process lives.
fn serve(page: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            // A client that goes away is its own affair.
            let _ = stream.and_then(|stream| answer(stream, page));
        }
    });
    address
}

fn answer(mut stream: TcpStream, page: &str) -> std::io::Result<()> {
    let request = BufReader::new(stream.try_clone()?).lines();
    for line in request {
        if line?.is_empty() {
            break;
        }
    }
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{page}",
        page.len()
    )
}

fn arguments_of(pid: u32) -> String {
    let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap();
    String::from_utf8(arguments).unwrap().replace('\0', " ")
}

/// The fields after the name of the process: its state, its parent, and so on.
fn stat_of(pid: u32) -> Vec<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    fields.split(' ').map(str::to_owned).collect()
}

fn lives(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}
