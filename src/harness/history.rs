//! What is remembered of earlier runs: how long trials took, and which failed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::ops::Bound;
use std::path::Path;
use std::time::Duration;

use super::name::TrialName;
use super::outcome::{Outcome, Record};
use super::serial;
use crate::error::{Error, Result};

/// A line a trial, under the name of its project: a run of one trial reads and writes all of them, and
/// nothing is read and written faster.
const FILE: &str = "history.txt";
const LOCK: &str = "history.lock";
/// How long other processes may take to write theirs.
const LIMIT: Duration = Duration::from_secs(10);

/// The last time each trial of a project ran.
#[derive(Debug, Default)]
pub(super) struct History {
    trials: BTreeMap<String, Last>,
}

/// What the file holds: several projects may have one directory for their files.
type Projects = BTreeMap<String, History>;

#[derive(Clone, Copy, Debug)]
struct Last {
    seconds: f64,
    failed: bool,
}

impl History {
    /// What is remembered in `dir` of a project.
    pub(super) fn read(dir: &Path, project: &str) -> Self {
        read(dir).remove(project).unwrap_or_default()
    }

    fn duration(&self, trial: &TrialName) -> Duration {
        let last = self.trials.get(&trial.to_string()).or_else(|| self.longest_elsewhere(trial));
        last.and_then(|last| Duration::try_from_secs_f64(last.seconds).ok()).unwrap_or(Duration::MAX)
    }

    /// The longest of the same test at other points of the matrix.
    fn longest_elsewhere(&self, trial: &TrialName) -> Option<&Last> {
        let test = trial.test_prefix();
        let there = self.trials.range::<str, _>((Bound::Included(test.as_str()), Bound::Unbounded));
        let there = there.take_while(|(name, _)| name.starts_with(&test)).map(|(_, last)| last);
        there.max_by(|a, b| a.seconds.total_cmp(&b.seconds))
    }

    /// Puts first what takes longest, so that it does not run on when all else is done. What is not
    /// known may take long; among equals the order stays.
    pub(super) fn longest_first<T>(&self, trials: &mut [T], name: impl Fn(&T) -> &TrialName) {
        trials.sort_by_cached_key(|trial| std::cmp::Reverse(self.duration(name(trial))));
    }

    /// Whether a trial failed the last time it ran.
    pub(super) fn failed(&self, trial: &TrialName) -> bool {
        self.trials.get(&trial.to_string()).is_some_and(|last| last.failed)
    }

    /// Adds how these went to what this and other processes have written, and forgets the trials for which `exists`, if
    /// given, is false; returns their names. Writes nothing if nothing is new.
    pub(super) fn add(
        dir: &Path,
        project: &str,
        records: &[Record],
        exists: Option<&dyn Fn(&str) -> bool>,
    ) -> Result<Vec<String>> {
        let mut ran =
            records.iter().filter(|record| !matches!(record.outcome, Outcome::Skipped(_))).peekable();
        if ran.peek().is_none() && exists.is_none() {
            return Ok(Vec::new());
        }
        let path = dir.join(FILE);
        let failed = || format!("write {}", path.display());
        let _lock = serial::lock_file(&dir.join(LOCK), "another run to write its history", LIMIT)?;
        let mut projects = read(dir);
        let history = projects.entry(project.to_owned()).or_default();
        let is_new = ran.peek().is_some();
        for record in ran {
            let failed = matches!(record.outcome, Outcome::Failed(_));
            history
                .trials
                .insert(record.name.to_string(), Last { seconds: record.elapsed.as_secs_f64(), failed });
        }
        let is_gone = |name: &String| exists.is_some_and(|exists| !exists(name));
        let gone: Vec<_> = history.trials.keys().filter(|name| is_gone(name)).cloned().collect();
        if gone.is_empty() && !is_new {
            return Ok(gone);
        }
        history.trials.retain(|name, _| !is_gone(name));
        let mut file = tempfile::NamedTempFile::new_in(dir).map_err(Error::io(failed()))?;
        file.write_all(text(&projects).as_bytes()).map_err(Error::io(failed()))?;
        file.persist(&path).map_err(|error| Error::io(failed())(error.error))?;
        Ok(gone)
    }
}

/// What is remembered in `dir`. What cannot be read is forgotten: the next run writes it anew.
fn read(dir: &Path) -> Projects {
    let text = fs::read(dir.join(FILE)).unwrap_or_default();
    let mut projects = Projects::new();
    let mut project = None;
    for line in String::from_utf8_lossy(&text).lines() {
        if let Some(name) = line.strip_prefix(PROJECT) {
            project = Some(projects.entry(name.to_owned()).or_default());
        } else if let (Some(project), Some((name, last))) = (&mut project, Last::from_line(line)) {
            project.trials.insert(name.to_owned(), last);
        }
    }
    projects
}

/// What the lines that name projects begin with.
const PROJECT: &str = "project ";
const VERDICTS: [&str; 2] = ["passed", "failed"];

fn text(projects: &Projects) -> String {
    let mut text = String::new();
    for (name, project) in projects {
        let _ = writeln!(text, "{PROJECT}{name}");
        for (trial, Last { seconds, failed }) in &project.trials {
            let _ = writeln!(text, "{seconds:.3} {} {trial}", VERDICTS[usize::from(*failed)]);
        }
    }
    text
}

impl Last {
    /// What a line says, and of which trial.
    fn from_line(line: &str) -> Option<(&str, Self)> {
        let (seconds, rest) = line.split_once(' ')?;
        let (verdict, trial) = rest.split_once(' ')?;
        let failed = VERDICTS.iter().position(|word| *word == verdict)? == 1;
        Some((trial, Self { seconds: seconds.parse().ok()?, failed }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::name::{TestName, WrittenName};
    use super::*;

    /// The trial of a case that is one test, at the point of the matrix that its name ends in, or else on raw.
    fn trial(name: &str) -> TrialName {
        let written = WrittenName::parse(name);
        TrialName::new(TestName::of_case(written.test), written.imgfmt.unwrap_or("raw"), written.imgproto)
    }

    fn record(name: &str, outcome: Outcome, seconds: u64) -> Record {
        Record {
            name: trial(name),
            file: String::new(),
            outcome,
            elapsed: Duration::from_secs(seconds),
            not_run: Vec::new(),
        }
    }

    fn add(dir: &Path, records: &[Record]) {
        let gone = History::add(dir, "ours", records, None).expect("write");
        assert_eq!(gone, Vec::<String>::new());
    }

    #[test]
    fn the_longest_start_first() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let first = [record("short", Outcome::Passed, 1), record("long", Outcome::Passed, 9)];
        let second =
            [record("middle", Outcome::Passed, 5), record("skipped", Outcome::Skipped(String::new()), 0)];
        add(dir.path(), &first);
        add(dir.path(), &second);
        let history = History::read(dir.path(), "ours");
        let mut trials = ["short", "skipped", "middle", "long", "unknown"].map(trial);
        history.longest_first(&mut trials, |trial| trial);
        assert_eq!(trials, ["skipped", "unknown", "long", "middle", "short"].map(trial));
        add(dir.path(), &[record("long", Outcome::Passed, 2)]);
        History::read(dir.path(), "ours").longest_first(&mut trials, |trial| trial);
        assert_eq!(trials, ["skipped", "unknown", "middle", "long", "short"].map(trial));
    }

    #[test]
    fn a_test_may_take_as_long_in_another_format() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let known = ["30::qcow2", "30::raw", "40::raw", "300::raw"];
        let known: Vec<_> =
            known.iter().zip([5, 2, 3, 9]).map(|(name, time)| record(name, Outcome::Passed, time)).collect();
        add(dir.path(), &known);
        let mut trials = ["40::vdi", "30::raw::nbd", "50::vdi", "30::raw"].map(trial);
        History::read(dir.path(), "ours").longest_first(&mut trials, |trial| trial);
        assert_eq!(trials, ["50::vdi", "30::raw::nbd", "40::vdi", "30::raw"].map(trial));
    }

    #[test]
    fn what_cannot_be_read_is_forgotten() {
        let dir = tempfile::tempdir().expect("temporary directory");
        fs::write(
            dir.path().join(FILE),
            "1.000 failed half::raw\nproject ours\nx failed half::raw\n2.0 fai\n",
        )
        .expect("write");
        assert!(!History::read(dir.path(), "ours").failed(&trial("half")));
        add(dir.path(), &[record("half", Outcome::Passed, 1)]);
        assert_eq!(History::read(dir.path(), "ours").duration(&trial("half")), Duration::from_secs(1));
    }

    #[test]
    fn nothing_new_is_not_written() {
        let dir = tempfile::tempdir().expect("temporary directory");
        add(dir.path(), &[record("skipped", Outcome::Skipped(String::new()), 0)]);
        assert!(!dir.path().join(FILE).exists());
        add(dir.path(), &[record("ran", Outcome::Passed, 1)]);
        let written = fs::read_to_string(dir.path().join(FILE)).expect("read");
        assert_eq!(written, "project ours\n1.000 passed ran::raw\n");
    }

    #[test]
    fn what_is_gone_is_forgotten_of_one_project_alone() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let both = [record("old", Outcome::Passed, 1), record("new", Outcome::Passed, 1)];
        add(dir.path(), &both);
        History::add(dir.path(), "theirs", &both, None).expect("write");
        let gone = History::add(dir.path(), "ours", &[], Some(&|name| name != "old::raw")).expect("write");
        assert_eq!(gone, ["old::raw"]);
        let left = |project: &str| History::read(dir.path(), project).trials.into_keys().collect::<Vec<_>>();
        assert_eq!(
            (left("ours"), left("theirs")),
            (vec!["new::raw".into()], vec!["new::raw".into(), "old::raw".into()])
        );
    }
}
