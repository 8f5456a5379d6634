//! The search: sequence after sequence, until one shows a fault, which is then shrunk and kept.

use std::time::{Duration, Instant};

use super::Image;
use super::disk::Library;
use super::finding::{Finding, Stop};
use super::generate::{Ground, generate};
use super::kept::{self, Kept};
use super::model::meaningful;
use super::op::{Abilities, Op};
use super::report::Report;
use super::shrink::shrink;
use super::side::{Entry, Side};
use crate::env::OracleSeeds;
use crate::error::{Error, Result};
use crate::test::Test;

/// How many operations a sequence has unless it is said otherwise.
const USUAL_OPS: usize = 100;
/// How many sequences are tried unless it is said otherwise.
const USUAL_SEEDS: u64 = 16;
/// How long a finding is shrunk at most.
const SHRINK_LIMIT: Duration = Duration::from_secs(50);

/// What is left of a trial's time when shrinking ends, so that the finding can still be reported.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// A random-I/O oracle: one or several sides, each a library and a kind of image, that must all agree with a
/// shadow model after every operation.
pub struct Oracle<'t> {
    test: &'t Test,
    name: String,
    sides: Vec<Entry>,
    size: Option<u64>,
    ops: usize,
    seeds: u64,
    without: Abilities,
}

impl std::fmt::Debug for Oracle<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sides: Vec<_> = self.sides.iter().map(Entry::name).collect();
        f.debug_struct("Oracle").field("name", &self.name).field("sides", &sides).finish_non_exhaustive()
    }
}

impl<'t> Oracle<'t> {
    /// An oracle without sides. What it finds is kept under `name`, and tried first the next time.
    pub fn new(test: &'t Test, name: impl Into<String>) -> Self {
        Self {
            test,
            name: name.into(),
            sides: Vec::new(),
            size: None,
            ops: USUAL_OPS,
            seeds: USUAL_SEEDS,
            without: Abilities::NONE,
        }
    }

    /// Adds a side. All operations go to all sides, and only those are drawn that all of them can do.
    #[must_use]
    pub fn side(mut self, image: Image, library: impl Library + 'static) -> Self {
        self.sides.push(Entry::new(image, Box::new(library)));
        self
    }

    /// How large the disk is at first. By default it is as large as it takes to have two tables of the
    /// highest level that fits into 8 GiB.
    #[must_use]
    pub fn size(mut self, bytes: u64) -> Self {
        self.size = Some(bytes);
        self
    }

    /// How many operations a sequence has; 100 by default.
    #[must_use]
    pub fn ops(mut self, count: usize) -> Self {
        self.ops = count;
        self
    }

    /// How many sequences are tried where `IOTESTS_SEEDS` says nothing else: those of the seeds from 0 on. 16 by
    /// default.
    #[must_use]
    pub fn seeds(mut self, count: u64) -> Self {
        self.seeds = count;
        self
    }

    /// Leaves operations out although all sides can do them.
    #[must_use]
    pub fn without(mut self, abilities: Abilities) -> Self {
        self.without = self.without | abilities;
        self
    }

    /// Searches, and fails if there is a finding, with the shortest sequence that shows it.
    ///
    /// # Errors
    /// [`Error::Assertion`] with the finding; otherwise what kept it from searching.
    pub fn run(&self) -> Result<()> {
        match self.search()? {
            None => Ok(()),
            Some(report) => Err(Error::assertion(report.to_string())),
        }
    }

    /// As [`run`](Self::run), with the finding as a value.
    ///
    /// # Errors
    /// What kept it from searching.
    pub fn search(&self) -> Result<Option<Report>> {
        let ground = self.ground()?;
        let dir = kept::directory(self.test, &self.name);
        for (path, kept) in kept::read(&dir)? {
            if let Some(finding) = self.try_ops(kept.size, &kept.ops, true)? {
                let report = self.report(kept.seed, kept.size, kept.ops, finding);
                return Ok(Some(report.kept_in(path)));
            }
        }
        for seed in self.chosen_seeds() {
            let mut ops = generate(seed, &ground, self.ops);
            let tried = self.try_ops(ground.size, &ops, true).map_err(|error| self.with_seed(error, seed));
            let Some(finding) = tried? else { continue };
            let finding = self.shrink(ground.size, &mut ops, finding)?;
            let path = kept::write(&dir, &Kept { seed, size: ground.size, ops: ops.clone() })?;
            return Ok(Some(self.report(seed, ground.size, ops, finding).kept_in(path)));
        }
        Ok(None)
    }

    /// Runs these operations and nothing else.
    ///
    /// # Errors
    /// [`Error::Assertion`] with what goes wrong, or with an operation that cannot be done at its place, such as one
    /// beyond the end of the disk; otherwise what kept it from running them.
    pub fn replay(&self, ops: &[Op]) -> Result<()> {
        let size = self.ground()?.size;
        let possible = meaningful(size, ops);
        if possible != ops {
            let same = ops.iter().zip(&possible).take_while(|(one, other)| one == other).count();
            return Err(Error::assertion(format!(
                "operation {same} ({}) cannot be done: the disk, which had {size} bytes at first, has no such range, snapshot \
                 or image by then",
                ops[same]
            )));
        }
        match self.try_ops(size, ops, true)? {
            None => Ok(()),
            Some(finding) => Err(Error::assertion(finding.to_string())),
        }
    }

    fn ground(&self) -> Result<Ground> {
        if self.sides.is_empty() {
            return Err(Error::Setup(format!("the oracle {} has no side to try: add one", self.name)));
        }
        let largest = self.sides.iter().map(|entry| entry.image.usual_size()).max();
        let can = self
            .sides
            .iter()
            .fold(Abilities::ALL, |can, entry| can & entry.library.can() & entry.image.can());
        let mut units: Vec<_> = self.sides.iter().flat_map(|entry| entry.image.units()).collect();
        units.sort_unstable();
        units.dedup();
        let size = self.size.or(largest).unwrap_or_default();
        let alignment = self.sides.iter().map(|entry| entry.library.alignment()).max().unwrap_or(1).max(1);
        let cluster = self.sides.iter().map(|entry| entry.image.cluster()).max().unwrap_or(512);
        if size == 0 || !size.is_multiple_of(alignment.max(512)) {
            let unit = alignment.max(512);
            return Err(Error::Setup(format!(
                "a disk of {size} bytes: the size must be a multiple of {unit}"
            )));
        }
        Ok(Ground { size, can: can.without(self.without), alignment, cluster, units })
    }

    fn chosen_seeds(&self) -> Box<dyn Iterator<Item = u64>> {
        match self.test.context().env().oracle_seeds() {
            None => Box::new(0..self.seeds),
            Some(OracleSeeds::Count(count)) => Box::new(0..count),
            Some(OracleSeeds::For(time)) => {
                let start = Instant::now();
                // Other seeds each time: the first ones are those of every short run.
                let first = std::time::SystemTime::now()
                    .duration_since(std::time::UNIX_EPOCH)
                    .map_or(0, |since| since.as_nanos() as u64);
                Box::new(
                    (0..)
                        .map(move |number| first.wrapping_add(number))
                        .take_while(move |_| start.elapsed() < time),
                )
            }
        }
    }

    /// Says of a wait without an end during which sequence it was.
    fn with_seed(&self, error: Error, seed: u64) -> Error {
        match error {
            Error::Timeout { what, after, last_seen } => {
                Error::Timeout { what: format!("{what} (seed {seed} of {})", self.name), after, last_seen }
            }
            other => other,
        }
    }

    /// Runs a sequence on all sides, and looks at the images at the end if `finish` says so.
    fn try_ops(&self, size: u64, ops: &[Op], finish: bool) -> Result<Option<Finding>> {
        let dir = tempfile::Builder::new()
            .prefix("oracle-")
            .tempdir_in(self.test.context().scratch().dir())
            .map_err(Error::io("create a directory for the oracle's images"))?;
        let mut sides = Vec::new();
        for (number, entry) in self.sides.iter().enumerate() {
            let dir = dir.path().join(number.to_string());
            std::fs::create_dir(&dir).map_err(Error::io(format!("create {}", dir.display())))?;
            match Side::start(self.test, entry, dir, size) {
                Ok(side) => sides.push((entry, side)),
                Err(stop) => return self.found(entry, None, stop).map(Some),
            }
        }
        for (step, op) in meaningful(size, ops).iter().enumerate() {
            for (entry, side) in &mut sides {
                if let Err(stop) = side.step(op) {
                    return self.found(entry, Some(step), stop).map(Some);
                }
            }
        }
        for (entry, side) in sides.iter_mut().filter(|_| finish) {
            if let Err(stop) = side.finish() {
                return self.found(entry, None, stop).map(Some);
            }
        }
        Ok(None)
    }

    fn found(&self, entry: &Entry, step: Option<usize>, stop: Stop) -> Result<Finding> {
        match stop {
            // Where everything is killed, from Ctrl-C or at the end of the trial's time, that is no fault of anybody.
            _ if self.test.context().registry().is_closed() => {
                Err(Error::assertion(format!("the search of {} was interrupted", self.name)))
            }
            Stop::Found(kind, what) => Ok(Finding { kind, side: entry.name(), what, step }),
            Stop::Broken(error) => Err(error),
        }
    }

    /// Shrinks the operations, and returns the finding that the shortest show.
    fn shrink(&self, size: u64, ops: &mut Vec<Op>, first: Finding) -> Result<Finding> {
        *ops = meaningful(size, ops);
        if let Some(step) = first.step {
            ops.truncate(step + 1);
        }
        let start = Instant::now();
        let deadline = self.test.context().deadline();
        // What is seen during an operation is looked for there alone: the end takes most of the time.
        let finish = first.step.is_none();
        let mut finding = first;
        let mut fails = |ops: &[Op]| -> Result<bool, Option<Error>> {
            let late = deadline.remaining().is_some_and(|left| left < LAST_WORDS);
            if late || start.elapsed() > SHRINK_LIMIT {
                return Err(None);
            }
            // What means nothing without what was left out would only seem to be a part of it.
            if meaningful(size, ops) != ops {
                return Ok(false);
            }
            let again = self.try_ops(size, ops, finish).map_err(Some)?;
            let same = again.filter(|again| again.kind == finding.kind && again.side == finding.side);
            let fails = same.is_some();
            if let Some(same) = same {
                finding = same;
            }
            Ok(fails)
        };
        match shrink(ops, &mut fails) {
            Ok(()) | Err(None) => Ok(finding),
            Err(Some(error)) => Err(error),
        }
    }

    fn report(&self, seed: u64, size: u64, ops: Vec<Op>, finding: Finding) -> Report {
        let entry = self.sides.iter().find(|entry| entry.name() == finding.side);
        let image = entry.map_or_else(|| Image::new("raw"), |entry| entry.image.clone());
        Report { name: self.name.clone(), seed, size, ops, finding, image, kept: None }
    }
}
