//! The summary after libtest's lines: what did not simply pass, with its reason, and unittest's
//! verdict (`iotests.py: ReproducibleTestRunner`, with the time and the skips that it hides).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::LazyLock;
use std::time::Duration;

use regex::Regex;

use super::super::name::TrialName;
use super::super::outcome::{Outcome, Record};
use super::counts::Counts;

/// Kinds of remarks, in the order they are printed in: what matters most comes last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Skipped,
    PartNotRun,
    KnownFailure,
    Failure,
    Error,
}

impl Kind {
    fn title(self) -> &'static str {
        match self {
            Self::Skipped => "skipped",
            Self::PartNotRun => "part not run",
            Self::KnownFailure => "failed as it is known to",
            Self::Failure => "FAIL",
            Self::Error => "ERROR",
        }
    }
}

/// A trial, and what happened if the reason does not say it.
type Entry<'a> = (&'a TrialName, Option<&'a str>);

/// How many of so many trials, skipped for one reason, are named: a format may be none of most of QEMU's
/// own tests, and libtest has named them all.
fn shown(count: usize) -> usize {
    const MOST: usize = 10;
    if count > MOST { MOST - 1 } else { count }
}

/// The summary of a run.
pub(super) fn text(records: &[Record], elapsed: Duration) -> String {
    let mut remarks: BTreeMap<(Kind, String), Vec<Entry<'_>>> = BTreeMap::new();
    for record in records {
        let outcome = match &record.outcome {
            Outcome::Passed => None,
            Outcome::Skipped(reason) => Some((Kind::Skipped, reason.clone())),
            Outcome::KnownFailure { reason, .. } => Some((Kind::KnownFailure, reason.clone())),
            Outcome::Failed(report) if report.is_failure => Some((Kind::Failure, report.summary())),
            Outcome::Failed(report) => Some((Kind::Error, report.summary())),
        };
        let parts = record.not_run.iter().map(|reason| (Kind::PartNotRun, reason.clone()));
        for (kind, reason) in outcome.into_iter().chain(parts) {
            let entry = (&record.name, happened(kind, record));
            remarks.entry((kind, common(&reason).into_owned())).or_default().push(entry);
        }
    }
    let mut out = String::new();
    for ((kind, reason), trials) in remarks {
        let reason: Vec<_> = reason.lines().collect();
        let _ = writeln!(out, "{}: {}", kind.title(), reason.join(" "));
        let shown = if kind == Kind::Skipped { shown(trials.len()) } else { trials.len() };
        for (trial, happened) in &trials[..shown] {
            let happened = happened.map(|problem| format!(": {problem}")).unwrap_or_default();
            let _ = writeln!(out, "    {trial}{happened}");
        }
        if shown < trials.len() {
            let _ = writeln!(out, "    and {} more", trials.len() - shown);
        }
    }
    let plural = if records.len() == 1 { "" } else { "s" };
    let rule = "-".repeat(70);
    let _ = writeln!(out, "{rule}\nRan {} test{plural} in {:.3}s\n", records.len(), elapsed.as_secs_f64());
    let _ = writeln!(out, "{}", Counts::of(records));
    out
}

static SCRATCH: LazyLock<Option<Regex>> = LazyLock::new(|| {
    // A trial's own directory in that of the run, and what scratch files begin with.
    Regex::new(r"/[^\s'\x22]*/iotests-run-[^/\s]+/[0-9]+/(?:[0-9]+-)?").ok()
});

/// A reason as several trials may have it: their scratch files are in directories of their own.
fn common(reason: &str) -> Cow<'_, str> {
    SCRATCH.as_ref().map_or(Cow::Borrowed(reason), |scratch| scratch.replace_all(reason, "TEST_DIR/"))
}

/// What happened, if the reason says only what was expected.
fn happened(kind: Kind, record: &Record) -> Option<&str> {
    match &record.outcome {
        Outcome::KnownFailure { problem, .. } if kind == Kind::KnownFailure => Some(problem),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::super::name::{TestName, TrialName};
    use super::super::super::outcome::{Outcome, Record};
    use super::{common, text};

    #[test]
    fn many_that_are_skipped_for_one_reason_are_not_all_named() {
        let skipped = |count: usize| {
            let record = |number| Record {
                name: TrialName::new(TestName::of_case(&format!("{number:03}")), "raw", "file"),
                file: String::new(),
                outcome: Outcome::Skipped("no moon".to_owned()),
                elapsed: Duration::ZERO,
                not_run: Vec::new(),
            };
            let records: Vec<_> = (1..=count).map(record).collect();
            text(&records, Duration::ZERO)
        };
        assert!(skipped(10).contains("\n    010::raw\n---"), "{}", skipped(10));
        assert!(skipped(12).contains("\n    009::raw\n    and 3 more\n---"), "{}", skipped(12));
    }

    #[test]
    fn trials_have_a_reason_in_common_whatever_their_directories() {
        let of = |dir| common(dir).into_owned();
        let one =
            of("failed: qemu-img info '/a dir/w/iotests-run-AbC123/1/17-disk' /w/iotests-run-AbC123/1/t.raw");
        assert_eq!(
            one,
            of(
                "failed: qemu-img info '/a dir/w/iotests-run-Xyz987/12/9-disk' /w/iotests-run-Xyz987/12/t.raw"
            )
        );
        assert_eq!(
            of("failed to read /w/iotests-run-AbC123/1/17-disk: no"),
            "failed to read TEST_DIR/disk: no"
        );
        assert_eq!(of("nothing of /w/iotests/1/17-disk"), "nothing of /w/iotests/1/17-disk");
    }
}
