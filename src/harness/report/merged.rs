//! One report for the trials of several processes: nextest starts one for each, and none of them is
//! the last.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use nix::fcntl::Flock;

use super::super::outcome::Record;
use super::super::serial;
use crate::error::{Error, Result};

const DIR: &str = "nextest";
const LOCK: &str = "nextest.lock";
/// How long other processes may take to write their reports.
const LIMIT: Duration = Duration::from_secs(60);
/// When a run that nothing was added to is over for sure.
const OVER: Duration = Duration::from_secs(24 * 3600);

/// What has run so far in a run of nextest. While this is there, no other process writes its reports.
#[derive(Debug)]
pub(super) struct Merged {
    records: Vec<Record>,
    _lock: Flock<File>,
}

impl Merged {
    /// Adds `records` to those of the run `id`, which are kept below `base`.
    pub(super) fn add(base: &Path, id: &str, records: &[Record]) -> Result<Self> {
        let dir = base.join(DIR);
        fs::create_dir_all(&dir).map_err(Error::io(format!("create {}", dir.display())))?;
        let lock = serial::lock_file(&base.join(LOCK), "another trial to write its reports", LIMIT)?;
        forget_old_runs(&dir);
        let name: String = id.chars().filter(char::is_ascii_alphanumeric).collect();
        let path = dir.join(name);
        let failed = || format!("write {}", path.display());
        let mut lines = String::new();
        for record in records {
            let line = serde_json::to_string(record).map_err(|error| Error::io(failed())(error.into()))?;
            // The line of a process that was killed may have no end.
            lines.push('\n');
            lines.push_str(&line);
        }
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let written = file.and_then(|mut file| file.write_all(lines.as_bytes()));
        written.map_err(Error::io(failed()))?;
        let text = fs::read_to_string(&path).map_err(Error::io(format!("read {}", path.display())))?;
        Ok(Self { records: latest(&text), _lock: lock })
    }

    /// The trials, sorted by their names.
    pub(super) fn records(&self) -> &[Record] {
        &self.records
    }

    /// How long they took together.
    pub(super) fn elapsed(&self) -> Duration {
        self.records.iter().map(|record| record.elapsed).sum()
    }
}

/// Of a trial that was repeated, the last time counts.
fn latest(text: &str) -> Vec<Record> {
    let records = text.lines().filter_map(|line| serde_json::from_str::<Record>(line).ok());
    let by_name: BTreeMap<_, _> = records.map(|record| (record.name.clone(), record)).collect();
    by_name.into_values().collect()
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
