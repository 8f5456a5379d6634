//! What is remembered of earlier runs: how long trials took, and which failed.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::outcome::{Outcome, Record};
use super::serial;
use crate::error::{Error, Result};

const FILE: &str = "history.json";
const LOCK: &str = "history.lock";
/// How long other processes may take to write theirs.
const LIMIT: Duration = Duration::from_secs(10);

/// The last time each trial ran.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct History {
    trials: BTreeMap<String, Last>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Last {
    seconds: f64,
    failed: bool,
}

impl History {
    /// What is remembered in `dir`. Nothing, if that cannot be read: the next run writes it anew.
    pub(super) fn read(dir: &Path) -> Self {
        let text = fs::read(dir.join(FILE)).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    fn duration(&self, trial: &str) -> Duration {
        let last = self.trials.get(trial);
        last.and_then(|last| Duration::try_from_secs_f64(last.seconds).ok()).unwrap_or(Duration::MAX)
    }

    /// Puts first what takes longest, so that it does not run on when all else is done. What is not
    /// known may take long; among equals the order stays.
    pub(super) fn longest_first<T>(&self, trials: &mut [T], name: impl Fn(&T) -> &str) {
        trials.sort_by_key(|trial| std::cmp::Reverse(self.duration(name(trial))));
    }

    /// Whether a trial failed the last time it ran.
    pub(super) fn failed(&self, trial: &str) -> bool {
        self.trials.get(trial).is_some_and(|last| last.failed)
    }

    /// Remembers how these went, besides what other processes remember meanwhile.
    pub(super) fn add(dir: &Path, records: &[Record]) -> Result<()> {
        let path = dir.join(FILE);
        let failed = || format!("write {}", path.display());
        let _lock = serial::lock_file(&dir.join(LOCK), "another run to write its history", LIMIT)?;
        let mut history = Self::read(dir);
        for record in records.iter().filter(|record| !matches!(record.outcome, Outcome::Skipped(_))) {
            let failed = matches!(record.outcome, Outcome::Failed(_));
            let seconds = (record.elapsed.as_secs_f64() * 1000.0).round() / 1000.0;
            history.trials.insert(record.name.clone(), Last { seconds, failed });
        }
        let text = serde_json::to_vec_pretty(&history).map_err(|error| Error::io(failed())(error.into()))?;
        let mut file = tempfile::NamedTempFile::new_in(dir).map_err(Error::io(failed()))?;
        file.write_all(&text).map_err(Error::io(failed()))?;
        file.persist(&path).map_err(|error| Error::io(failed())(error.error))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(name: &str, outcome: Outcome, seconds: u64) -> Record {
        Record {
            name: name.to_owned(),
            case: String::new(),
            file: String::new(),
            outcome,
            elapsed: Duration::from_secs(seconds),
            not_run: Vec::new(),
        }
    }

    #[test]
    fn the_longest_start_first() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let first = [record("short", Outcome::Passed, 1), record("long", Outcome::Passed, 9)];
        let second =
            [record("middle", Outcome::Passed, 5), record("skipped", Outcome::Skipped(String::new()), 0)];
        History::add(dir.path(), &first).expect("write");
        History::add(dir.path(), &second).expect("write beside what is there");
        let history = History::read(dir.path());
        let mut trials = ["short", "skipped", "middle", "long", "unknown"];
        history.longest_first(&mut trials, |name| name);
        assert_eq!(trials, ["skipped", "unknown", "long", "middle", "short"]);
        History::add(dir.path(), &[record("long", Outcome::Passed, 2)])
            .expect("write in place of what is there");
        History::read(dir.path()).longest_first(&mut trials, |name| name);
        assert_eq!(trials, ["skipped", "unknown", "middle", "long", "short"]);
    }

    #[test]
    fn what_cannot_be_read_is_forgotten() {
        let dir = tempfile::tempdir().expect("temporary directory");
        fs::write(dir.path().join(FILE), "{\"half\": ").expect("write");
        assert!(!History::read(dir.path()).failed("half"));
        History::add(dir.path(), &[record("half", Outcome::Passed, 1)]).expect("write");
        assert_eq!(History::read(dir.path()).duration("half"), Duration::from_secs(1));
    }
}
