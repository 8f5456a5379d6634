//! The directories of one run of the harness, and the sweeping of those whose run is dead.

use std::fs::{self, File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};

use super::{Scratch, mounts};
use crate::error::{Error, Result};
use crate::process::remove_at_end;

const PREFIX: &str = "iotests-run-";
/// What a run's directory is called until it is locked.
const NEW: &str = ".iotests-new-";
const LOCK: &str = "lock";
/// When one that is still called so was left behind for sure: it takes no time to lock it.
const NEW_LIMIT: Duration = Duration::from_secs(600);

/// Scratch and socket directories of one run. A lock file held for the life of the process distinguishes a
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
    ///
    /// # Errors
    /// [`Error::Io`] when they cannot be made, or not be locked.
    pub fn create(base: &Path, sock_base: &Path) -> Result<Self> {
        for dir in [base, sock_base] {
            fs::create_dir_all(dir).map_err(Error::io(format!("create {}", dir.display())))?;
        }
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
    ///
    /// # Errors
    /// [`Error::Io`] when the scratch directory cannot be made; [`Error::Setup`] when its name is not UTF-8.
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
        self.scratch.remove();
        self.sockets.remove();
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

    fn remove(&self) {
        mounts::remove(&self.dir);
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Removes the directories of runs whose lock nobody holds any more. Best effort: what cannot be
/// removed now is removed by a later run.
fn sweep(base: &Path) {
    let Ok(entries) = fs::read_dir(base) else { return };
    let me = nix::unistd::geteuid().as_raw();
    for entry in entries.flatten() {
        let name = entry.file_name();
        let is_new = name.to_string_lossy().starts_with(NEW);
        if !is_new && !name.to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        let Ok(meta) = entry.path().symlink_metadata() else { continue };
        let own = meta.is_dir() && meta.uid() == me;
        if own && (!is_new || is_old(&meta)) && is_abandoned(&entry.path()) {
            mounts::remove(&entry.path());
        }
    }
}

fn is_old(meta: &Metadata) -> bool {
    let age = meta.modified().ok().and_then(|modified| modified.elapsed().ok());
    age.is_some_and(|age| age > NEW_LIMIT)
}

fn is_abandoned(dir: &Path) -> bool {
    match File::open(dir.join(LOCK)) {
        Ok(file) => Flock::lock(file, FlockArg::LockExclusiveNonblock).is_ok(),
        // A removal that was cut short may have taken the lock file first.
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    #[test]
    fn a_run_that_gets_no_directory_for_its_sockets_leaves_none_for_its_files() {
        let base = tempfile::tempdir().expect("temporary directory");
        // Nobody can make anything there.
        RunDir::create(base.path(), Path::new("/proc/self")).expect_err("no directory");
        assert_eq!(fs::read_dir(base.path()).expect("list").count(), 0);
    }

    #[test]
    fn a_directory_that_was_never_locked_is_swept_once_it_is_old() {
        let base = tempfile::tempdir().expect("temporary directory");
        let left = ["never", "locked"].map(|name| base.path().join(format!("{NEW}{name}")));
        for dir in &left {
            fs::create_dir(dir).expect("create");
        }
        File::create(left[1].join(LOCK)).expect("create");
        let sockets = tempfile::tempdir().expect("temporary directory");
        let is_alone = || RunDir::create(base.path(), sockets.path()).expect("a run").is_alone();
        assert!(!is_alone());
        let old = SystemTime::now() - 2 * NEW_LIMIT;
        for dir in &left {
            File::open(dir).expect("open").set_modified(old).expect("set the time");
        }
        let lock = File::open(left[1].join(LOCK)).expect("open");
        let held = Flock::lock(lock, FlockArg::LockExclusiveNonblock).expect("lock");
        assert!(!is_alone());
        assert!(!left[0].exists() && left[1].exists());
        drop(held);
        assert!(is_alone());
    }
}
