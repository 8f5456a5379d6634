//! Notes that the processes of one run of nextest share: it starts one process for each trial, and none of them knows
//! that it is the last.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::Flock;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::serial;
use crate::error::{Error, Result};

const DIR: &str = "nextest";
const LOCK: &str = "nextest.lock";
/// How long other processes may have theirs.
const LIMIT: Duration = Duration::from_secs(60);
/// When a run that nothing was added to is over for sure.
const OVER: Duration = Duration::from_secs(24 * 3600);

/// One kind of notes of a run. While this is there, no other process has any.
#[derive(Debug)]
pub(super) struct Notes {
    path: PathBuf,
    _lock: Flock<File>,
}

impl Notes {
    /// Those of the run `id` with this ending, kept below `base`.
    pub(super) fn open(base: &Path, id: &str, ending: &str) -> Result<Self> {
        let dir = base.join(DIR);
        fs::create_dir_all(&dir).map_err(Error::io(format!("create {}", dir.display())))?;
        let lock = serial::lock_file(&base.join(LOCK), "another trial to be done with its notes", LIMIT)?;
        forget_old_runs(&dir);
        let name: String = id.chars().filter(char::is_ascii_alphanumeric).collect();
        Ok(Self { path: dir.join(format!("{name}{ending}")), _lock: lock })
    }

    /// Adds some.
    pub(super) fn add<T: Serialize>(&self, notes: &[T]) -> Result<()> {
        let failed = || format!("write {}", self.path.display());
        let mut lines = String::new();
        for note in notes {
            let line = serde_json::to_string(note).map_err(|error| Error::io(failed())(error.into()))?;
            // The line of a process that was killed may have no end.
            lines.push('\n');
            lines.push_str(&line);
        }
        let file = OpenOptions::new().create(true).append(true).open(&self.path);
        file.and_then(|mut file| file.write_all(lines.as_bytes())).map_err(Error::io(failed()))
    }

    /// All of them, the oldest first.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<Vec<T>> {
        match fs::read(&self.path) {
            // That line may end in the middle of a character, too.
            Ok(text) => {
                let lines = text.split(|byte| *byte == b'\n');
                Ok(lines.filter_map(|line| serde_json::from_slice(line).ok()).collect())
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(Error::io(format!("read {}", self.path.display()))(error)),
        }
    }
}

/// Removes what is kept of runs that are over. Best effort: what stays is removed by a later run.
fn forget_old_runs(dir: &Path) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let changed = entry.metadata().and_then(|meta| meta.modified()).ok();
        if changed.and_then(|changed| changed.elapsed().ok()).is_some_and(|age| age > OVER) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_that_was_cut_short_does_not_hide_the_others() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let notes = Notes::open(dir.path(), "run", "").expect("notes");
        notes.add(&["one", "zwölf"]).expect("write");
        let text = fs::read(&notes.path).expect("read");
        let cut = text.iter().position(|byte| *byte > 127).expect("an umlaut") + 1;
        fs::write(&notes.path, &text[..cut]).expect("write");
        notes.add(&["three"]).expect("write");
        assert_eq!(notes.read::<String>().expect("read"), ["one", "three"]);
    }
}
