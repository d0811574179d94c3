//! The engine: shards on worker threads, evaluation by the clock, the report of the moment.
//!
//! Owns every shard, by exactly one worker each, and wires the reader, the workers, the evaluation
//! and what the endpoint shows. Only it, and the watch that dates
//! its questions to Kafka, ask what time it is. Promises that folding
//! waits for nothing but an evaluation of the same shard, that queues are bounded in bytes, and that
//! what is published is one immutable report. Does not know how numbers come about.
//!
//! ```text
//!  reader --batches--> [ queue ] --> worker 0: shards 0, 2, 4 ..   decode, fold
//!                      [ queue ] --> worker 1: shards 1, 3, 5 ..
//!                                       ^  |
//!  evaluation tick ---one shard at a----+  +--partial--> merge -> report -> published
//!                     time
//! ```

pub mod evaluation;
pub mod ground;
pub mod inquiry;
pub mod intake;
pub mod live;
pub mod slices;
pub mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;

use crate::config::Settings;
use crate::engine::evaluation::Evaluation;
use crate::engine::inquiry::Inquiry;
use crate::engine::live::Live;
use crate::engine::worker::{Dispatcher, Task, Worker};
use crate::kafka::client::{Consumer, Context, configuration};
use crate::kafka::reader::{Ended, Reader};
use crate::kafka::watch::Watch;
use crate::serve::api::archive::Archive;
use crate::telemetry::{Failure, Telemetry};

/// The watch asks for ends at least this often: what it knows is the age of a report before it is
/// made, and new events shall be on the page within two seconds.
const WATCH_AT_MOST: Duration = Duration::from_millis(250);

/// All threads of the data path, at work.
pub struct Engine {
    live: Arc<Live>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    client: Arc<Consumer>,
    inquiry: Arc<Inquiry>,
}

/// The engine could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the Kafka client refuses its configuration (kafka.properties): {0}")]
    Client(String),
    #[error("could not start a thread: {0}")]
    Thread(#[from] std::io::Error),
}

impl Engine {
    /// Starts reading, folding and evaluating.
    ///
    /// Returns at once: brokers that do not answer yet are waited for.
    ///
    /// # Errors
    /// If the client does not take its configuration.
    pub fn start(settings: &Settings, telemetry: Arc<Telemetry>) -> Result<Self, StartError> {
        let live = Arc::new(Live::new(Arc::clone(&telemetry)));
        let stop = Arc::new(AtomicBool::new(false));
        let mut threads = Vec::new();

        let mut queues = Vec::new();
        for number in 0..worker_count() {
            let (queue, tasks) = worker::queue();
            let worker = Worker::new(settings, &live, tasks);
            threads.push(spawn(&format!("worker-{number}"), &live, move || {
                worker.run();
            })?);
            queues.push(queue);
        }
        let evaluation = Evaluation::new(settings, Arc::clone(&live), queues.clone());
        let inquiry = Inquiry::new(settings, Arc::clone(&live), queues.clone());
        let stopped = Arc::clone(&stop);
        threads.push(spawn("evaluation", &live, move || {
            evaluation.run(&stopped);
        })?);
        let client = client(settings, &live)?;
        threads.push(read(settings, &live, &stop, queues, Arc::clone(&client))?);
        Ok(Self {
            live,
            stop,
            threads,
            client,
            inquiry: Arc::new(inquiry),
        })
    }

    /// What the endpoint shows.
    #[must_use]
    pub fn live(&self) -> Arc<Live> {
        Arc::clone(&self.live)
    }

    /// Answers to questions about the past.
    #[must_use]
    pub fn archive(&self) -> Arc<dyn Archive> {
        Arc::clone(&self.inquiry) as Arc<dyn Archive>
    }

    /// Asks every thread to end and waits for them, but not longer than `grace`. False if one of
    /// them was still at work.
    #[must_use]
    pub fn stop(self, grace: Duration) -> bool {
        self.live.stopping();
        self.inquiry.close();
        // Closing the client can wait for brokers that are gone, and the state needs nothing of it.
        std::mem::forget(self.client);
        self.stop.store(true, Ordering::Relaxed);
        let until = Instant::now() + grace;
        while Instant::now() < until {
            if self.threads.iter().all(JoinHandle::is_finished) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.threads.iter().all(JoinHandle::is_finished)
    }
}

/// One worker for each core, so that folding is never the part that waits for cores.
fn worker_count() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn client(settings: &Settings, live: &Live) -> Result<Arc<Consumer>, StartError> {
    configuration(&settings.kafka)
        .create_with_context(Context::new(live.telemetry()))
        .map(Arc::new)
        .map_err(|error| StartError::Client(error.to_string()))
}

/// The threads that talk to Kafka: the watch, and inside of it the reader once there is what to read.
fn read(
    settings: &Settings,
    live: &Arc<Live>,
    stop: &Arc<AtomicBool>,
    queues: Vec<Sender<Task>>,
    consumer: Arc<Consumer>,
) -> Result<JoinHandle<()>, StartError> {
    let watch = Watch {
        consumer,
        topics: settings.kafka.topics.clone(),
        telemetry: live.telemetry(),
        progress: live.progress(),
        interval: settings.evaluation_interval.min(WATCH_AT_MOST),
        repartitioned: live.repartitioned(),
    };
    let (stop, owner) = (Arc::clone(stop), Arc::clone(live));
    Ok(spawn("kafka-watch", live, move || {
        watch_and_read(&watch, queues, &owner, &stop);
    })?)
}

fn watch_and_read(
    watch: &Watch,
    queues: Vec<Sender<Task>>,
    live: &Arc<Live>,
    stop: &Arc<AtomicBool>,
) {
    let Some(starts) = watch.starts(stop) else {
        return;
    };
    live.progress().begin(starts.clone());
    tracing::info!(
        topics = watch.topics.join(","),
        partitions = starts.len(),
        records = starts
            .iter()
            .map(|start| start.end_offset - start.first_offset)
            .sum::<i64>(),
        "reading from the first record there is"
    );
    let headless = starts.iter().filter(|start| start.first_offset > 0).count();
    if headless > 0 {
        tracing::warn!(
            partitions = headless,
            "the log does not begin at its beginning: customers from before are unknown until they \
             are seen again (customer_base_complete_since, inactivity_timeout)"
        );
    }
    let reader = Reader::new(
        Arc::clone(&watch.consumer),
        watch.topics.clone(),
        live.telemetry(),
        live.progress(),
        Dispatcher::new(queues, live.lost()),
    );
    let (stopped, owner) = (Arc::clone(stop), Arc::clone(live));
    let reading = spawn("kafka-reader", live, move || {
        match reader.run(&starts, &stopped) {
            Ended::Stopped | Ended::Abandoned => {}
            Ended::Fatal(reason) => {
                owner.failed(format!("the Kafka client cannot go on: {reason}"));
            }
        }
    });
    match reading {
        Ok(reading) => {
            watch.run(stop);
            // The reader's own end is what is waited for; its outcome is noted by the guard.
            let _ = reading.join();
        }
        Err(error) => live.failed(error.to_string()),
    }
}

/// Starts a thread whose unexpected end ends the process: nothing goes on half alive.
fn spawn(
    name: &str,
    live: &Arc<Live>,
    work: impl FnOnce() + Send + 'static,
) -> std::io::Result<JoinHandle<()>> {
    let guard = Guard {
        name: name.to_owned(),
        live: Arc::clone(live),
    };
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            let guard = guard;
            work();
            drop(guard);
        })
}

/// Notes that its thread ended.
struct Guard {
    name: String,
    live: Arc<Live>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.live.is_stopping() {
            self.live.telemetry().errors.of(Failure::WorkerLost).inc();
            self.live.failed(format!("the thread {} ended", self.name));
        }
    }
}
