//! The directories of one run of the harness, and the sweeping of those whose run is dead.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::fcntl::{Flock, FlockArg};

use super::Scratch;
use crate::error::{Error, Result};
use crate::process::remove_at_end;

const PREFIX: &str = "iotests-run-";
/// What a run's directory is called until it is locked.
const NEW: &str = ".iotests-new-";
const LOCK: &str = "lock";

/// Scratch and socket directories of one run. A lock file held for the life of the process tells a
/// live run from a dead one, whose directories the next run removes.
#[derive(Debug)]
pub struct RunDir {
    scratch: Locked,
    sockets: Locked,
    next: AtomicU32,
}

#[derive(Debug)]
struct Locked {
    dir: PathBuf,
    // Held for its lock; released by the kernel even after SIGKILL.
    _lock: Flock<File>,
}

impl RunDir {
    /// Makes the run's directories below `base` (scratch files) and `sock_base` (sockets, so a
    /// short path), after removing those of runs that are gone.
    pub fn create(base: &Path, sock_base: &Path) -> Result<Self> {
        fs::create_dir_all(base).map_err(Error::io(format!("create {}", base.display())))?;
        sweep(base);
        if sock_base != base {
            sweep(sock_base);
        }
        Ok(Self {
            scratch: Locked::create(base)?,
            sockets: Locked::create(sock_base)?,
            next: AtomicU32::new(1),
        })
    }

    /// Directories for the next trial.
    pub fn trial(&self) -> Result<Scratch> {
        let number = self.next.fetch_add(1, Ordering::Relaxed).to_string();
        Scratch::create(self.scratch.dir.join(&number), self.sockets.dir.join(&number))
    }

    /// Where the scratch directories are.
    pub fn path(&self) -> &Path {
        &self.scratch.dir
    }

    /// Whether no other run has its scratch files beside those of this one.
    pub fn is_alone(&self) -> bool {
        let beside = self.scratch.dir.parent().map(fs::read_dir);
        let mut beside = beside.into_iter().flatten().flatten().flatten();
        let is_run = |name: &str| name.starts_with(PREFIX) || name.starts_with(NEW);
        !beside.any(|entry| entry.path() != self.scratch.dir && is_run(&entry.file_name().to_string_lossy()))
    }

    /// Removes everything at once; for a run that ends by a signal.
    pub fn remove(&self) {
        let _ = fs::remove_dir_all(&self.scratch.dir);
        let _ = fs::remove_dir_all(&self.sockets.dir);
    }
}

impl Drop for RunDir {
    fn drop(&mut self) {
        self.remove();
    }
}

impl Locked {
    fn create(base: &Path) -> Result<Self> {
        // Made under another name and renamed once locked, so that no sweep sees it unlocked.
        let made = tempfile::Builder::new()
            .prefix(NEW)
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700))
            .tempdir_in(base)
            .map_err(Error::io(format!("create a directory in {}", base.display())))?;
        let lock_path = made.path().join(LOCK);
        let file = File::create(&lock_path).map_err(Error::io(format!("create {}", lock_path.display())))?;
        let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock)
            .map_err(|(_, errno)| Error::os(format!("lock {}", lock_path.display()))(errno))?;
        let suffix = made.path().file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let suffix = suffix.trim_start_matches(NEW);
        let dir = base.join(format!("{PREFIX}{suffix}"));
        fs::rename(made.path(), &dir).map_err(Error::io(format!("name {}", dir.display())))?;
        remove_at_end(&dir);
        // Renamed away: nothing is left to remove under the old name.
        let _ = made.keep();
        Ok(Self { dir, _lock: lock })
    }
}

/// Removes the directories of runs whose lock nobody holds any more. Best effort: what cannot be
/// removed now is removed by a later run.
fn sweep(base: &Path) {
    let Ok(entries) = fs::read_dir(base) else { return };
    let me = nix::unistd::geteuid().as_raw();
    for entry in entries.flatten() {
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        let own = entry.path().symlink_metadata().is_ok_and(|meta| meta.is_dir() && meta.uid() == me);
        if own && is_abandoned(&entry.path()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn is_abandoned(dir: &Path) -> bool {
    match File::open(dir.join(LOCK)) {
        Ok(file) => Flock::lock(file, FlockArg::LockExclusiveNonblock).is_ok(),
        // A removal that was cut short may have taken the lock file first.
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}
