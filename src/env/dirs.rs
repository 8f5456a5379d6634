//! The directories that variables name, and what a place for scratch files must be like.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use nix::sys::statvfs::statvfs;
use nix::unistd::{AccessFlags, access};

use super::TestEnv;
use super::lookup::is_directory;
use crate::error::Error;
use crate::output::readable;

impl TestEnv {
    /// Makes TEST_DIR and SOCK_DIR, as `check` does, and checks that these, TMPDIR and SAMPLE_IMG_DIR can be used. Returns
    /// an [`Error::Variable`] for each that cannot.
    pub fn make_dirs(&self) -> Vec<Error> {
        let given = |name: &str| self.given().iter().any(|(given, _)| *given == name);
        let samples = self.sample_img_dir().filter(|_| given("SAMPLE_IMG_DIR"));
        let checks: [(&str, Option<&Path>, Check); 4] = [
            ("TEST_DIR", self.test_dir(), |dir| nameable(dir).and_then(|()| made(dir))),
            ("SOCK_DIR", self.sock_dir(), |dir| nameable(dir).and_then(|()| made(dir))),
            ("TMPDIR", Some(self.tmp_dir()), |dir| nameable(dir).and_then(|()| writable(dir))),
            ("SAMPLE_IMG_DIR", samples, is_directory),
        ];
        let problem = |(name, dir, check): (&str, Option<&Path>, Check)| {
            let expected = check(dir?).err()?;
            Some(Error::Variable {
                name: name.to_owned(),
                value: readable(dir?.as_os_str().as_bytes()),
                expected,
            })
        };
        checks.into_iter().filter_map(problem).collect()
    }
}

/// The space in bytes that a run of many trials needs; less makes most of them fail.
const LEAST_SPACE: u64 = 64 << 20;
/// With less than this, a full disk is the likely reason of a failure.
const NO_SPACE: u64 = 4 << 20;

/// Checks that scratch files can be named where `dir` is: the default in place of TEST_DIR.
///
/// # Errors
/// [`Error::Setup`] with what to do.
pub(crate) fn check_scratch_base(dir: &Path) -> Result<(), Error> {
    nameable(dir).map_err(|expected| {
        Error::Setup(format!(
            "scratch files cannot be below {}: expected {expected}\nwhat to do: set TEST_DIR to another directory",
            readable(dir.as_os_str().as_bytes())
        ))
    })
}

/// Checks that a run of many trials has the space it needs.
///
/// # Errors
/// [`Error::Setup`] with what to do.
pub(crate) fn check_space(dir: &Path) -> Result<(), Error> {
    match free_space(dir) {
        Some(free) if free < LEAST_SPACE => Err(Error::Setup(format!(
            "only {} MiB are free in {}, and a run needs {} MiB\nwhat to do: free some space, or set TEST_DIR to a \
             directory on another disk",
            free >> 20,
            dir.display(),
            LEAST_SPACE >> 20
        ))),
        _ => Ok(()),
    }
}

/// An error if what failed in `dir` has probably failed for lack of space.
pub(crate) fn out_of_space(dir: &Path) -> Option<Error> {
    let is_full = free_space(dir).is_some_and(|free| free < NO_SPACE);
    is_full.then(|| {
        Error::Setup(
            "the disk that TEST_DIR is on is full: free some space, or set TEST_DIR to a directory on another disk"
                .to_owned(),
        )
    })
}

/// The space in bytes that is left for this user; `None` where the file system does not say.
fn free_space(dir: &Path) -> Option<u64> {
    let disk = statvfs(dir).ok().filter(|disk| disk.blocks() > 0)?;
    Some(disk.blocks_available().saturating_mul(disk.fragment_size()))
}

/// Whether files below a directory can be named in QEMU's options and in logs.
fn nameable(dir: &Path) -> Result<(), String> {
    match dir.to_str() {
        None => Err("a path that is UTF-8, for QMP and logs hold the names of files in it".to_owned()),
        Some(text) if text.contains(',') => {
            Err("a path without a comma, which ends a file's name in QEMU's options".to_owned())
        }
        Some(_) => Ok(()),
    }
}

type Check = fn(&Path) -> Result<(), String>;

fn made(dir: &Path) -> Result<(), String> {
    fs::create_dir_all(dir).map_err(|error| format!("a directory that can be made: {error}"))?;
    writable(dir)
}

fn writable(dir: &Path) -> Result<(), String> {
    is_directory(dir)?;
    access(dir, AccessFlags::W_OK | AccessFlags::X_OK)
        .map_err(|errno| format!("a directory that can be written to: {}", std::io::Error::from(errno)))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn scratch_files_are_not_put_where_qemu_cannot_name_them() {
        check_scratch_base(Path::new("/a dir/target")).expect("a good place");
        for (dir, shown) in [(b"/a,b/target".as_slice(), "/a,b/target"), (b"/a\xfe", r"/a\xfe")] {
            let error = check_scratch_base(Path::new(OsStr::from_bytes(dir))).expect_err(shown).to_string();
            assert!(
                error.starts_with(&format!("scratch files cannot be below {shown}: expected ")),
                "{error}"
            );
            assert!(error.ends_with("what to do: set TEST_DIR to another directory"), "{error}");
        }
    }
}
