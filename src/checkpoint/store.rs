//! Where checkpoints lie: a folder, or a bucket of an object store.
//!
//! Owns the small synchronous interface that the rest sees, and its implementation over
//! `object_store`. Promises that a put is there as a whole or not at all, that what was acknowledged
//! survives a loss of power, that no call takes longer than its deadline however long the store
//! hangs, and that nobody but the owner can read a folder. Does not know what the bytes are.
//!
//! ```text
//!  any thread --operation--> runtime of its own --> object_store --> disk, network
//!      ^                          |
//!      +------ answer, or the deadline passes and the operation is given up
//! ```

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::{Duration, SystemTime};

use futures_util::TryStreamExt;
use object_store::local::LocalFileSystem;
use object_store::path::Path as Key;
use object_store::{GetOptions, ObjectStore, ObjectStoreExt, PutPayload};
use tokio::runtime::{Builder, Runtime};

use super::name;
use crate::config::{BucketKind, StateUrl};

/// An object in a store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    pub key: String,
    pub bytes: u64,
}

/// Objects with names, as little of it as checkpoints need.
///
/// Every call may take long and may fail; none may take for ever.
pub trait Storage: Send + Sync {
    /// All objects under a prefix of whole path segments, in no order. None if there is none.
    fn list(&self, prefix: &str) -> Result<Vec<Listed>, StoreError>;

    /// The whole object.
    fn get(&self, key: &str) -> Result<Vec<u8>, StoreError>;

    /// Its first bytes, at most so many.
    fn get_start(&self, key: &str, bytes: usize) -> Result<Vec<u8>, StoreError> {
        let mut whole = self.get(key)?;
        whole.truncate(bytes);
        Ok(whole)
    }

    /// Writes an object whether there was one or not; it is there as a whole or not at all. After an
    /// error it may be there.
    fn put(&self, key: &str, bytes: Vec<u8>) -> Result<(), StoreError>;

    /// Gives an object another name, whether there was an object of that name or not.
    fn rename(&self, from: &str, to: &str) -> Result<(), StoreError>;

    /// Takes an object away.
    fn delete(&self, key: &str) -> Result<(), StoreError>;
}

/// Why a store did not do what it was asked. What was tried and on what is part of the text.
#[derive(Debug, Clone, thiserror::Error)]
#[error("could not {tried}: {why}")]
pub struct StoreError {
    pub kind: StoreErrorKind,
    tried: String,
    why: String,
}

/// What can be done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreErrorKind {
    /// There is no such object: somebody else took it away.
    Missing,
    /// Tenure may not do that: somebody has to change permissions or credentials.
    Denied,
    /// There is no room left: somebody has to make some.
    Full,
    /// No answer within the deadline; what was asked for may still happen.
    Deadline,
    /// Anything else; another attempt may help.
    Failed,
}

impl StoreErrorKind {
    /// The value of the label `reason` of metrics.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Denied => "denied",
            Self::Full => "full",
            Self::Deadline => "deadline",
            Self::Failed => "failed",
        }
    }
}

impl StoreError {
    /// For stores other than [`Objects`]: `tried` as in "write a checkpoint".
    #[must_use]
    pub fn new(kind: StoreErrorKind, tried: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            kind,
            tried: tried.into(),
            why: why.into(),
        }
    }

    fn of(tried: &str, error: &object_store::Error) -> Self {
        Self::new(kind_of(error), tried, cause(error))
    }
}

/// Why a place for checkpoints cannot be used; each needs somebody to change something.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("could not make or read the folder {}: {source}", folder.display())]
    Folder { folder: PathBuf, source: io::Error },
    #[error("{} is no folder", folder.display())]
    NoFolder { folder: PathBuf },
    #[error(
        "everybody may write to {}: make it yours alone with `chmod 700`, or choose another folder for `state.url`",
        folder.display()
    )]
    Open { folder: PathBuf },
    #[error("could not open {url}: {why}")]
    Bucket { url: String, why: String },
    #[error("could not start the runtime of the store: {0}")]
    Runtime(io::Error),
}

/// How long listing, renaming, deleting and the first bytes may take.
const DEADLINE: Duration = Duration::from_secs(30);
/// How long a whole object may take, whatever its size.
const TRANSFER: Duration = Duration::from_mins(5);
/// Operations that hang keep a thread each; what does not find one waits, and its deadline passes.
const THREADS: usize = 8;
/// What a killed process was just writing is taken away once it is this old.
const STAGED: Duration = Duration::from_mins(10);
/// Larger objects go to a bucket in parts, so that a retry does not begin anew.
const LARGE: usize = 64 << 20;
const PART: usize = 16 << 20;

/// A folder or a bucket.
#[derive(Debug)]
pub struct Objects {
    store: Arc<dyn ObjectStore>,
    /// What all keys begin with in a bucket.
    prefix: String,
    /// A folder's own, whose files are given to nobody else.
    folder: Option<PathBuf>,
    /// Taken out when dropped: what hangs in it must not be waited for.
    runtime: Option<Runtime>,
    deadline: Duration,
    transfer: Duration,
}

impl Objects {
    /// Opens a place for checkpoints; a folder is made if there is none, and rid of what a killed
    /// process left half written. A bucket is not asked for anything yet.
    ///
    /// # Errors
    /// If there can be no such folder, if everybody may write to it, or if the address of a bucket or
    /// what the environment says about it is wrong.
    pub fn open(url: &StateUrl) -> Result<Self, OpenError> {
        if let StateUrl::Folder(folder) = url {
            make_own(folder)?;
            sweep(&folder.join(name::ROOT), SystemTime::now());
        }
        Self::look(url)
    }

    /// The same without changing anything there: a folder has to be there already.
    ///
    /// # Errors
    /// If there is no such folder, or the address of a bucket or what the environment says about it is
    /// wrong.
    pub fn look(url: &StateUrl) -> Result<Self, OpenError> {
        match url {
            StateUrl::Folder(folder) => {
                let failed = |source| OpenError::Folder {
                    folder: folder.clone(),
                    source,
                };
                let folder = folder.canonicalize().map_err(failed)?;
                let store = LocalFileSystem::new_with_prefix(&folder)
                    .map_err(|error| failed(io::Error::other(cause(&error))))?
                    .with_fsync(true);
                Self::over(Arc::new(store), String::new(), Some(folder))
            }
            StateUrl::Bucket { kind, url } => {
                let store = bucket(*kind, url).map_err(|error| OpenError::Bucket {
                    url: url.clone(),
                    why: cause(&error),
                })?;
                Self::over(store, prefix_in(url), None)
            }
        }
    }

    /// Any store of `object_store`, with what all keys are to begin with.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn over(
        store: Arc<dyn ObjectStore>,
        prefix: String,
        folder: Option<PathBuf>,
    ) -> Result<Self, OpenError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(THREADS)
            .thread_name("store")
            .enable_all()
            .build()
            .map_err(OpenError::Runtime)?;
        Ok(Self {
            store,
            // As the store spells it, so that it can be taken off again.
            prefix: match Key::from(prefix) {
                prefix if prefix.as_ref().is_empty() => String::new(),
                prefix => format!("{prefix}/"),
            },
            folder,
            runtime: Some(runtime),
            deadline: DEADLINE,
            transfer: TRANSFER,
        })
    }

    /// With other deadlines: of a small operation, and of the transfer of a whole object.
    #[must_use]
    pub const fn with_deadlines(mut self, deadline: Duration, transfer: Duration) -> Self {
        self.deadline = deadline;
        self.transfer = transfer;
        self
    }

    fn key(&self, key: &str) -> Key {
        // Keys and the prefix are spelled as stores spell them; whatever is not is made so.
        let whole = format!("{}{key}", self.prefix);
        Key::parse(&whole).unwrap_or_else(|_| Key::from(whole))
    }

    /// Waits for an operation, but not beyond its deadline. May be called on any thread.
    fn wait<T: Send + 'static>(
        &self,
        tried: &str,
        deadline: Duration,
        operation: impl Future<Output = object_store::Result<T>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let Some(runtime) = &self.runtime else {
            let kind = StoreErrorKind::Failed;
            return Err(StoreError::new(kind, tried, "the store is closed"));
        };
        let (answer, answers) = mpsc::sync_channel(1);
        let task = runtime.spawn(async move {
            // Nobody listens any more once the deadline has passed.
            let _ = answer.send(operation.await);
        });
        match answers.recv_timeout(deadline) {
            Ok(outcome) => outcome.map_err(|error| StoreError::of(tried, &error)),
            Err(_) => {
                task.abort();
                let why = format!("no answer within {} s", deadline.as_secs_f64());
                Err(StoreError::new(StoreErrorKind::Deadline, tried, why))
            }
        }
    }

    fn fetch(&self, key: &str, options: GetOptions) -> Result<Vec<u8>, StoreError> {
        let (store, at) = (Arc::clone(&self.store), self.key(key));
        let tried = format!("read {key}");
        self.wait(&tried, self.transfer, async move {
            let bytes = store.get_opts(&at, options).await?.bytes().await?;
            Ok(Vec::from(bytes))
        })
    }
}

impl Storage for Objects {
    fn list(&self, prefix: &str) -> Result<Vec<Listed>, StoreError> {
        let (store, under) = (Arc::clone(&self.store), self.key(prefix));
        let own = self.prefix.len();
        let tried = format!("list {prefix}");
        self.wait(&tried, self.deadline, async move {
            let objects: Vec<_> = store.list(Some(&under)).try_collect().await?;
            let listed = objects.into_iter().filter_map(|object| {
                let key = object.location.as_ref().get(own..)?.to_owned();
                let bytes = object.size;
                Some(Listed { key, bytes })
            });
            Ok(listed.collect())
        })
    }

    fn get(&self, key: &str) -> Result<Vec<u8>, StoreError> {
        self.fetch(key, GetOptions::default())
    }

    fn get_start(&self, key: &str, bytes: usize) -> Result<Vec<u8>, StoreError> {
        let range = Some((0..bytes as u64).into());
        let options = GetOptions {
            range,
            ..GetOptions::default()
        };
        self.fetch(key, options)
    }

    fn put(&self, key: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        let (store, at) = (Arc::clone(&self.store), self.key(key));
        let file = self.folder.as_ref().map(|folder| folder.join(key));
        self.wait(&format!("write {key}"), self.transfer, async move {
            match file {
                Some(file) => put_file(&*store, &at, bytes, file).await,
                None if bytes.len() > LARGE => put_parts(&*store, &at, bytes).await,
                None => store.put(&at, PutPayload::from(bytes)).await.map(|_| ()),
            }
        })
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), StoreError> {
        let store = Arc::clone(&self.store);
        let (old, new) = (self.key(from), self.key(to));
        let tried = format!("rename {from} to {to}");
        // A bucket copies, which takes as long as a transfer.
        let deadline = if self.folder.is_some() {
            self.deadline
        } else {
            self.transfer
        };
        self.wait(
            &tried,
            deadline,
            async move { store.rename(&old, &new).await },
        )
    }

    fn delete(&self, key: &str) -> Result<(), StoreError> {
        let (store, at) = (Arc::clone(&self.store), self.key(key));
        let tried = format!("delete {key}");
        self.wait(
            &tried,
            self.deadline,
            async move { store.delete(&at).await },
        )
    }
}

impl Drop for Objects {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Writes a file that nobody but its owner can read. Its folder is made here rather than by the store,
/// which would let others look into it.
async fn put_file(
    store: &dyn ObjectStore,
    at: &Key,
    bytes: Vec<u8>,
    file: PathBuf,
) -> object_store::Result<()> {
    if let Some(folder) = file.parent().map(Path::to_owned) {
        blocking(move || create_own(&folder)).await?;
    }
    store.put(at, PutPayload::from(bytes)).await?;
    // Its folder is closed to others already, and another writer may have deleted it by now: whatever
    // comes of this, it was written.
    let closed = blocking(move || fs::set_permissions(file, Permissions::from_mode(0o600)));
    closed.await.or(Ok(()))
}

/// Asks the file system on a thread that may hang.
async fn blocking(
    work: impl FnOnce() -> io::Result<()> + Send + 'static,
) -> object_store::Result<()> {
    let failed = |source| object_store::Error::Generic {
        store: "folder",
        source,
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome.map_err(|error| failed(error.into())),
        Err(error) => Err(failed(error.into())),
    }
}

/// Uploads a large object; parts that were uploaded are taken back if one fails, since a store would
/// keep them, and charge for them.
async fn put_parts(store: &dyn ObjectStore, at: &Key, bytes: Vec<u8>) -> object_store::Result<()> {
    let mut upload = store.put_multipart(at).await?;
    let whole = PutPayload::from(bytes);
    let bytes = whole.as_ref().first().cloned().unwrap_or_default();
    let mut outcome = Ok(());
    let mut start = 0;
    while outcome.is_ok() && start < bytes.len() {
        let end = bytes.len().min(start + PART);
        outcome = upload.put_part(bytes.slice(start..end).into()).await;
        start = end;
    }
    if outcome.is_ok() {
        outcome = upload.complete().await.map(|_| ());
    }
    if outcome.is_err() {
        // The first error is the one to tell of.
        let _ = upload.abort().await;
    }
    outcome
}

/// Makes a folder that only its owner may open, and those above it where they are missing. A loss of
/// power does not undo it.
fn create_own(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let above = match folder.parent() {
        Some(above) if !above.as_os_str().is_empty() => above,
        _ => Path::new("."),
    };
    create_own(above)?;
    match DirBuilder::new().mode(0o700).create(folder) {
        // Another writer was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        outcome => outcome?,
    }
    File::open(above)?.sync_all()
}

fn make_own(folder: &Path) -> Result<(), OpenError> {
    let failed = |source| OpenError::Folder {
        folder: folder.to_owned(),
        source,
    };
    let metadata = match fs::metadata(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            create_own(folder).map_err(failed)?;
            fs::metadata(folder).map_err(failed)?
        }
        other => other.map_err(failed)?,
    };
    let folder = folder.to_owned();
    if !metadata.is_dir() {
        Err(OpenError::NoFolder { folder })
    } else if metadata.permissions().mode() & 0o002 != 0 {
        Err(OpenError::Open { folder })
    } else {
        Ok(())
    }
}

/// Takes away the files that a process was writing when it was killed: `name#1`, which the store
/// itself neither lists nor deletes. Those of the last minutes may be somebody's at work. What cannot
/// be looked at or taken away is left: it costs room, and nothing else.
fn sweep(folder: &Path, now: SystemTime) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        // Not followed: a link may lead anywhere.
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        if kind.is_dir() {
            sweep(&entry.path(), now);
        } else if kind.is_file() && staged(&entry.file_name().to_string_lossy()) {
            let modified = entry.metadata().and_then(|metadata| metadata.modified());
            let age = modified.map(|at| now.duration_since(at).unwrap_or_default());
            if age.is_ok_and(|age| age >= STAGED) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// Whether a file is one that the store was just writing.
fn staged(file: &str) -> bool {
    file.rsplit_once('#').is_some_and(|(before, number)| {
        before.contains(name::EXTENSION)
            && !number.is_empty()
            && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// What the keys in a bucket begin with, from `scheme://bucket/prefix`.
fn prefix_in(url: &str) -> String {
    let path = url.split_once("://").map_or(url, |(_, rest)| rest);
    path.split_once('/')
        .map_or_else(String::new, |(_, prefix)| prefix.to_owned())
}

/// A bucket, with credentials and endpoints from the environment, as each provider's own tools have
/// them.
#[cfg_attr(
    not(any(feature = "s3", feature = "gs", feature = "az")),
    expect(
        unused_variables,
        reason = "a build without buckets has no kind of them"
    )
)]
fn bucket(kind: BucketKind, url: &str) -> object_store::Result<Arc<dyn ObjectStore>> {
    match kind {
        #[cfg(feature = "s3")]
        BucketKind::S3 => Ok(Arc::new(
            object_store::aws::AmazonS3Builder::from_env()
                .with_url(url)
                .with_checksum_algorithm(object_store::aws::Checksum::SHA256)
                .with_retry(remote::retries())
                .with_client_options(remote::client())
                .build()?,
        )),
        #[cfg(feature = "gs")]
        BucketKind::Gs => Ok(Arc::new(
            object_store::gcp::GoogleCloudStorageBuilder::from_env()
                .with_url(url)
                .with_retry(remote::retries())
                .with_client_options(remote::client())
                .build()?,
        )),
        #[cfg(feature = "az")]
        BucketKind::Az => Ok(Arc::new(
            object_store::azure::MicrosoftAzureBuilder::from_env()
                .with_url(url)
                .with_retry(remote::retries())
                .with_client_options(remote::client())
                .build()?,
        )),
    }
}

#[cfg(any(feature = "s3", feature = "gs", feature = "az"))]
mod remote {
    //! How long the clients of buckets try: the first answer counts, and who calls tries again later.

    use std::time::Duration;

    use object_store::{ClientOptions, RetryConfig};

    pub fn retries() -> RetryConfig {
        RetryConfig {
            max_retries: 5,
            retry_timeout: Duration::from_secs(20),
            ..RetryConfig::default()
        }
    }

    pub fn client() -> ClientOptions {
        // A single part may be large, and a line slow; the deadline of the whole is above it.
        ClientOptions::new()
            .with_timeout(Duration::from_secs(120))
            .with_connect_timeout(Duration::from_secs(5))
    }
}

fn kind_of(error: &object_store::Error) -> StoreErrorKind {
    use object_store::Error;
    match error {
        Error::NotFound { .. } => StoreErrorKind::Missing,
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => StoreErrorKind::Denied,
        error => {
            let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
            while let Some(error) = cause {
                if let Some(error) = error.downcast_ref::<io::Error>() {
                    return kind_of_io(error);
                }
                cause = error.source();
            }
            StoreErrorKind::Failed
        }
    }
}

fn kind_of_io(error: &io::Error) -> StoreErrorKind {
    match error.kind() {
        io::ErrorKind::NotFound => StoreErrorKind::Missing,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            StoreErrorKind::Denied
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreErrorKind::Full,
        _ => StoreErrorKind::Failed,
    }
}

/// The text of the innermost cause that says more than "generic".
fn cause(error: &object_store::Error) -> String {
    match error {
        object_store::Error::Generic { source, .. } => source.to_string(),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_in_a_bucket_begin_with_the_path_of_its_address() {
        for (url, expected) in [
            ("s3://bucket", "v1/x"),
            ("s3://bucket/", "v1/x"),
            ("s3://bucket/a", "a/v1/x"),
            ("gs://bucket/a/b c~/", "a/b c%7E/v1/x"),
        ] {
            let memory = Arc::new(object_store::memory::InMemory::new());
            let objects = Objects::over(memory, prefix_in(url), None).unwrap();
            assert_eq!(objects.key("v1/x").as_ref(), expected, "{url}");
            objects.put("v1/x", vec![1]).unwrap();
            assert_eq!(objects.list("v1").unwrap()[0].key, "v1/x", "{url}");
        }
    }

    #[test]
    fn only_old_leftovers_of_checkpoints_are_swept() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("v1/topic/p00000");
        fs::create_dir_all(&inside).unwrap();
        let names = [
            "a.ckpt",
            "a.ckpt#1",
            "a.ckpt#x",
            "b.ckpt#22",
            "notes#1",
            "c.ckpt.damaged#3",
        ];
        for name in names {
            File::create(inside.join(name)).unwrap();
        }
        sweep(folder.path(), SystemTime::now());
        let left = || {
            let mut left: Vec<String> = fs::read_dir(&inside)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            left.sort();
            left
        };
        assert_eq!(left().len(), names.len(), "they are new");
        sweep(folder.path(), SystemTime::now() + STAGED);
        assert_eq!(left(), ["a.ckpt", "a.ckpt#x", "notes#1"]);
    }

    #[test]
    fn a_large_object_in_parts_is_the_same_object() {
        let memory = Arc::new(object_store::memory::InMemory::new());
        let objects = Objects::over(memory, "deep/er/".to_owned(), None).unwrap();
        let bytes: Vec<u8> = (0..LARGE + PART + 7).map(|at| (at >> 9) as u8).collect();
        objects.put("v1/x", bytes.clone()).unwrap();
        let listed = objects.list("v1").unwrap();
        assert_eq!(
            (listed[0].key.as_str(), listed[0].bytes),
            ("v1/x", bytes.len() as u64)
        );
        assert_eq!(objects.get_start("v1/x", 3).unwrap(), &bytes[..3]);
        assert!(objects.get("v1/x").unwrap() == bytes);
    }
}
