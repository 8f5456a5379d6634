//! What was found out about a binary, kept on disk until the binary changes.
//!
//! One small file a question, so that nothing is ever merged and a trial reads only what it needs.
//! The cache is never in the way: a file that cannot be read is asked for again, and a directory
//! that cannot be written to only means that the next process has to ask as well.

use std::fs::{File, Metadata, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::Flock;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::process::lock;

/// To be raised when the meaning of a stored value changes.
const FORMAT: u32 = 2;

/// A directory of answers; without one, nothing is remembered.
#[derive(Debug, Default)]
pub(super) struct Cache {
    pub(super) dir: Option<PathBuf>,
}

/// A question to a binary, and everything that the answer depends on.
#[derive(Debug)]
pub(super) struct Key<'a> {
    /// What is asked, as the file is called.
    pub(super) topic: &'a str,
    pub(super) program: &'a Path,
    /// What the answer depends on besides the binary.
    pub(super) arguments: &'a [String],
    /// Where the binary may find its modules, which can bring formats and accelerators of their own.
    pub(super) module_dirs: &'a [PathBuf],
}

/// A stored answer, and what it holds for.
#[derive(Serialize, Deserialize)]
struct Entry<T> {
    identity: Identity,
    answer: T,
}

/// What must be as it was for an answer to hold.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct Identity {
    format: u32,
    program: Stamp,
    modules: Vec<Stamp>,
    arguments: Vec<String>,
}

/// A file or a directory at one point of its life.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    path: PathBuf,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Stamp {
    fn new(path: PathBuf, metadata: &Metadata) -> Self {
        let modified = (metadata.mtime(), metadata.mtime_nsec());
        Self { path, inode: metadata.ino(), size: metadata.size(), modified }
    }

    fn of(path: &Path) -> Option<Self> {
        let path = path.canonicalize().ok()?;
        let metadata = path.metadata().ok()?;
        Some(Self::new(path, &metadata))
    }
}

impl Identity {
    fn of(key: &Key<'_>) -> Option<Self> {
        Some(Self {
            format: FORMAT,
            program: Stamp::of(key.program)?,
            modules: key.module_dirs.iter().filter_map(|dir| Stamp::of(dir)).collect(),
            arguments: key.arguments.to_vec(),
        })
    }

    fn hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (&self.program.path, &self.arguments).hash(&mut hasher);
        hasher.finish()
    }
}

impl Cache {
    /// The stored answer for `key`, or else what `ask` brings, which is then stored if it is
    /// worth keeping. Of several processes only one asks; the others wait for it, but no longer
    /// than `patience`.
    pub(super) fn answer<T, E>(
        &self,
        key: &Key<'_>,
        patience: Duration,
        worth_keeping: impl FnOnce(&T) -> bool,
        ask: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E>
    where
        T: Serialize + DeserializeOwned,
    {
        let (Some(dir), Some(identity)) = (&self.dir, Identity::of(key)) else { return ask() };
        let stem = format!("{}-{:016x}", key.topic, identity.hash());
        let file = dir.join(format!("{stem}.json"));
        if let Some(answer) = load(&file, &identity) {
            return Ok(answer);
        }
        let lock = std::fs::create_dir_all(dir)
            .ok()
            .and_then(|()| lock_file(&dir.join(format!("{stem}.lock")), patience));
        if lock.is_some()
            && let Some(answer) = load(&file, &identity)
        {
            return Ok(answer);
        }
        let answer = ask()?;
        if !worth_keeping(&answer) {
            return Ok(answer);
        }
        let entry = Entry { identity, answer };
        // A cache that cannot be written is none.
        let _ = store(dir, &file, &entry);
        Ok(entry.answer)
    }

    /// Forgets every answer. Best effort, as everything here.
    pub(super) fn forget(&self) {
        let entries = self.dir.iter().filter_map(|dir| std::fs::read_dir(dir).ok());
        for entry in entries.flatten().flatten() {
            if entry.path().extension().is_some_and(|extension| extension == "json") {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
}

fn load<T: DeserializeOwned>(file: &Path, identity: &Identity) -> Option<T> {
    let entry: Entry<T> = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
    (entry.identity == *identity).then_some(entry.answer)
}

fn store<T: Serialize>(dir: &Path, file: &Path, entry: &Entry<T>) -> std::io::Result<()> {
    let temporary = tempfile::NamedTempFile::new_in(dir)?;
    serde_json::to_writer(&temporary, entry)?;
    temporary.persist(file)?;
    Ok(())
}

/// Takes the lock; `None` if that cannot be had, or not in time.
fn lock_file(file: &Path, patience: Duration) -> Option<Flock<File>> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(file).ok()?;
    lock(file, patience).ok()?
}
