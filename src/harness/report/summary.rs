//! The summary after libtest's lines: what did not simply pass, with its reason, and unittest's
//! verdict (`iotests.py: ReproducibleTestRunner`, with the time and the skips that it hides).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::super::outcome::{Outcome, Record};
use super::counts::Counts;

/// Kinds of remarks, in the order they are told in: what matters most is read last.
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

/// A trial, and what happened where the reason does not tell.
type Told<'a> = (&'a str, Option<&'a str>);

/// The summary of a run.
pub(super) fn text(records: &[Record], elapsed: Duration) -> String {
    let mut remarks: BTreeMap<(Kind, &str), Vec<Told<'_>>> = BTreeMap::new();
    for record in records {
        let outcome = match &record.outcome {
            Outcome::Passed => None,
            Outcome::Skipped(reason) => Some((Kind::Skipped, reason.as_str())),
            Outcome::KnownFailure { reason, .. } => Some((Kind::KnownFailure, reason.as_str())),
            Outcome::Failed(report) if report.is_failure => Some((Kind::Failure, report.summary())),
            Outcome::Failed(report) => Some((Kind::Error, report.summary())),
        };
        let parts = record.not_run.iter().map(|reason| (Kind::PartNotRun, reason.as_str()));
        for remark in outcome.into_iter().chain(parts) {
            remarks.entry(remark).or_default().push((&record.name, happened(remark.0, record)));
        }
    }
    let mut out = String::new();
    for ((kind, reason), trials) in remarks {
        let reason: Vec<_> = reason.lines().collect();
        let _ = writeln!(out, "{}: {}", kind.title(), reason.join(" "));
        for (trial, happened) in trials {
            let happened = happened.map(|problem| format!(": {problem}")).unwrap_or_default();
            let _ = writeln!(out, "    {trial}{happened}");
        }
    }
    let plural = if records.len() == 1 { "" } else { "s" };
    let rule = "-".repeat(70);
    let _ = writeln!(out, "{rule}\nRan {} test{plural} in {:.3}s\n", records.len(), elapsed.as_secs_f64());
    let _ = writeln!(out, "{}", Counts::of(records));
    out
}

/// What happened where the reason tells only what was expected.
fn happened(kind: Kind, record: &Record) -> Option<&str> {
    match &record.outcome {
        Outcome::KnownFailure { problem, .. } if kind == Kind::KnownFailure => Some(problem),
        _ => None,
    }
}
