//! The directories that variables name.

use std::fs;
use std::path::Path;

use nix::unistd::{AccessFlags, access};

use super::TestEnv;
use crate::error::Error;

impl TestEnv {
    /// Makes TEST_DIR and SOCK_DIR, as `check` does, and looks whether what is to be in them, in TMPDIR and in
    /// SAMPLE_IMG_DIR can be there. Returns an [`Error::Variable`] for each that is no good.
    pub fn make_dirs(&self) -> Vec<Error> {
        let given = |name: &str| self.given().iter().any(|(given, _)| *given == name);
        let samples = self.sample_img_dir().filter(|_| given("SAMPLE_IMG_DIR"));
        let checks: [(&str, Option<&Path>, Check); 4] = [
            ("TEST_DIR", self.test_dir(), made),
            ("SOCK_DIR", self.sock_dir(), made),
            ("TMPDIR", Some(self.tmp_dir()), writable),
            ("SAMPLE_IMG_DIR", samples, exists),
        ];
        let problem = |(name, dir, check): (&str, Option<&Path>, Check)| {
            let expected = check(dir?).err()?;
            Some(Error::Variable { name: name.to_owned(), value: dir?.display().to_string(), expected })
        };
        checks.into_iter().filter_map(problem).collect()
    }
}

type Check = fn(&Path) -> Result<(), String>;

fn made(dir: &Path) -> Result<(), String> {
    fs::create_dir_all(dir).map_err(|error| format!("a directory that can be made: {error}"))?;
    writable(dir)
}

fn writable(dir: &Path) -> Result<(), String> {
    exists(dir)?;
    access(dir, AccessFlags::W_OK | AccessFlags::X_OK)
        .map_err(|errno| format!("a directory that can be written to: {}", std::io::Error::from(errno)))
}

/// What is expected of a directory that is not there.
pub(super) fn exists(dir: &Path) -> Result<(), String> {
    match fs::metadata(dir) {
        Ok(meta) if meta.is_dir() => Ok(()),
        Ok(_) => Err("a directory, not a file".to_owned()),
        Err(error) => Err(format!("a directory that exists: {error}")),
    }
}
