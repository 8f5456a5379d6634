//! One report for the trials of all processes of a run of nextest.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::super::nextest::Notes;
use super::super::outcome::Record;
use crate::error::Result;

/// What has run so far in a run of nextest. While this is there, no other process writes its reports.
#[derive(Debug)]
pub(super) struct Merged {
    records: Vec<Record>,
    _notes: Notes,
}

impl Merged {
    /// Adds `records` to those of the run `id`, which are kept below `base`.
    pub(super) fn add(base: &Path, id: &str, records: &[Record]) -> Result<Self> {
        let notes = Notes::open(base, id, "")?;
        notes.add(records)?;
        Ok(Self { records: latest(notes.read()?), _notes: notes })
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
fn latest(records: Vec<Record>) -> Vec<Record> {
    let by_name: BTreeMap<_, _> = records.into_iter().map(|record| (record.name.clone(), record)).collect();
    by_name.into_values().collect()
}
