//! The directories of one trial.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use super::{ScratchFile, mounts};
use crate::env::TestEnv;
use crate::error::{Error, Result};
use crate::filter::Paths;

/// Longest path the kernel takes for a Unix socket, without the final NUL.
const SOCKET_PATH_MAX: usize = 107;

/// An error if the directory that sockets are made below is so long that the kernel would not take a socket in it. `below`
/// is what follows the directory in the longest path of a socket.
pub(crate) fn too_long_for_sockets(env: &TestEnv, below: &str) -> Option<Error> {
    let (name, dir) = match env.sock_dir() {
        Some(dir) => ("SOCK_DIR", dir),
        None => ("TMPDIR", env.tmp_dir()),
    };
    let limit = SOCKET_PATH_MAX - below.len();
    (dir.as_os_str().len() > limit).then(|| Error::Variable {
        name: name.to_owned(),
        value: dir.display().to_string(),
        expected: format!(
            "a path of at most {limit} bytes, since the sockets of the tests are made below it; SOCK_DIR may name another"
        ),
    })
}

/// The scratch and the socket directory of one trial. Removed when dropped, unless kept.
#[derive(Debug)]
pub struct Scratch {
    dir: PathBuf,
    sock_dir: PathBuf,
    paths: Paths,
    sock_dir_made: OnceLock<()>,
    next: AtomicU32,
    keep: bool,
}

impl Scratch {
    /// Creates `dir`; `sock_dir` only once a socket is asked for.
    pub(super) fn create(dir: PathBuf, sock_dir: PathBuf) -> Result<Self> {
        fs::create_dir_all(&dir).map_err(Error::io(format!("create scratch directory {}", dir.display())))?;
        let text = |path: &Path| {
            path.to_str().map(str::to_owned).ok_or_else(|| {
                Error::Setup(format!(
                    "the scratch directory {} is not UTF-8: name another in TEST_DIR and SOCK_DIR",
                    path.display()
                ))
            })
        };
        let paths = Paths { test_dir: text(&dir)?, sock_dir: text(&sock_dir)?, pid: std::process::id() };
        Ok(Self {
            dir,
            sock_dir,
            paths,
            sock_dir_made: OnceLock::new(),
            next: AtomicU32::new(0),
            keep: false,
        })
    }

    /// The scratch directory (`iotests.py: test_dir`).
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The directory of the whole run, for what its trials can share.
    pub fn run_dir(&self) -> &Path {
        self.dir.parent().unwrap_or(&self.dir)
    }

    /// The directories and the pid that file names carry, as the filters want them.
    pub fn paths(&self) -> &Paths {
        &self.paths
    }

    /// Names a scratch file (`iotests.py: file_path`).
    pub fn file(&self, name: &str) -> ScratchFile {
        ScratchFile::new(format!("{}/{}-{name}", self.paths.test_dir, self.paths.pid))
    }

    /// Names a scratch file that no other call names.
    pub fn unique(&self, name: &str) -> ScratchFile {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.file(&format!("{name}.{number}"))
    }

    /// Names a log file of the harness itself, to be kept and shown when the trial fails.
    pub fn artefact(&self, name: &str) -> ScratchFile {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        ScratchFile::new(format!("{}/{name}.{number}.log", self.paths.test_dir))
    }

    /// Names a socket in the socket directory (`iotests.py: file_path(base_dir=sock_dir)`).
    ///
    /// # Errors
    /// [`Error::Setup`] when the path is longer than the kernel allows.
    pub fn socket(&self, name: &str) -> Result<ScratchFile> {
        let path = format!("{}/{}-{name}", self.paths.sock_dir, self.paths.pid);
        if path.len() > SOCKET_PATH_MAX {
            return Err(Error::Setup(format!(
                "socket path {path} has {} bytes, the limit is {SOCKET_PATH_MAX}: name a shorter directory in SOCK_DIR",
                path.len()
            )));
        }
        self.sock_dir()?;
        Ok(ScratchFile::new(path))
    }

    /// The socket directory, which is made if it is not there yet (`iotests.py: sock_dir`).
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be made.
    pub fn sock_dir(&self) -> Result<&Path> {
        if self.sock_dir_made.get().is_none() {
            fs::create_dir_all(&self.sock_dir)
                .map_err(Error::io(format!("create socket directory {}", self.sock_dir.display())))?;
            let _ = self.sock_dir_made.set(());
        }
        Ok(&self.sock_dir)
    }

    /// Leaves the scratch directory behind when this is dropped; sockets go all the same.
    pub fn keep(&mut self) {
        self.keep = true;
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.sock_dir_made.get().is_some() {
            mounts::remove(&self.sock_dir);
        }
        if !self.keep {
            mounts::remove(&self.dir);
        }
    }
}
