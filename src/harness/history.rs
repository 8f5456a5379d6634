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

    /// How long a trial took. What is not known counts as long.
    pub(super) fn duration(&self, trial: &str) -> Duration {
        let last = self.trials.get(trial);
        last.and_then(|last| Duration::try_from_secs_f64(last.seconds).ok()).unwrap_or(Duration::MAX)
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
