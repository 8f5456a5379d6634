//! How a trial ended, kept as values until something prints them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::name::TrialName;
use super::panics::Panic;
use super::reference::Mismatch;
use crate::error::{Error, Failure};

/// One trial that has ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Record {
    /// What it is.
    pub(super) name: TrialName,
    /// The case file, relative to the project's root.
    pub(super) file: String,
    /// How it ended.
    pub(super) outcome: Outcome,
    /// How long it took.
    pub(super) elapsed: Duration,
    /// Parts that it did not run, with their reasons.
    pub(super) not_run: Vec<String>,
}

/// How a trial ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Outcome {
    /// It did what it should.
    Passed,
    /// It failed as it is known to.
    KnownFailure {
        /// Why it is known to fail.
        reason: String,
        /// What happened, in a line.
        problem: String,
    },
    /// It was not run, for this reason.
    Skipped(String),
    /// It failed.
    Failed(Report),
}

/// A failure as text.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Report {
    /// Whether an assertion or the reference did not hold; if not, it was an error such as a crash, a
    /// time-out or a broken environment.
    pub(super) is_failure: bool,
    /// Whether all that is wrong is that a known failure did not happen.
    pub(super) unexpected_success: bool,
    /// What went wrong.
    pub(super) problems: String,
    /// What there is to look at, and what to do.
    pub(super) hints: String,
    /// All of it, as libtest prints it.
    pub(super) printed: String,
}

impl Report {
    /// What went wrong, in one line.
    pub(super) fn summary(&self) -> String {
        in_one_line(&self.problems)
    }
}

/// The first line of a text; where it only announces what follows, that as well.
pub(super) fn in_one_line(text: &str) -> String {
    let mut line = String::new();
    for next in text.lines().map(str::trim).filter(|next| !next.is_empty()) {
        line = if line.is_empty() { next.to_owned() } else { format!("{line} {next}") };
        if !line.ends_with(':') {
            return line;
        }
    }
    line.trim_end_matches(':').to_owned()
}

/// One thing that went wrong in a trial.
#[derive(Debug)]
pub(super) enum Problem {
    /// The case ended with an error.
    Case(Failure),
    /// A test of QEMU's own suite failed.
    Suite {
        /// What went wrong.
        text: String,
        /// Whether that is an error, and no mere failure.
        is_error: bool,
    },
    /// The case panicked.
    Panic(Panic),
    /// The case did not end by its deadline, and said nothing of its own about it.
    TimedOut {
        /// Its limit.
        limit: Duration,
        /// The children that were killed then.
        killed: Vec<String>,
        /// Whether it ended at all, once they were gone.
        ended: bool,
    },
    /// Something was found where no error could be returned.
    Late(Error),
    /// The log is not what the reference says.
    Reference(Mismatch),
    /// A known failure did not happen.
    Passed {
        /// Why it is known to fail.
        reason: String,
        /// The declaration, and where it is.
        declaration: String,
    },
    /// The harness could not do its part.
    Harness(Error),
}

impl Problem {
    /// Whether this is a failure as unittest counts it, rather than an error.
    pub(super) fn is_failure(&self) -> bool {
        match self {
            Self::Case(failure) => failure.error.is_failure(),
            Self::Late(error) => error.is_failure(),
            Self::Suite { is_error, .. } => !is_error,
            // Rust's own assertions are panics.
            Self::Panic(_) | Self::Reference(_) | Self::Passed { .. } => true,
            Self::TimedOut { .. } | Self::Harness(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_does_not_end_where_it_announces_something() {
        for (text, line) in [
            ("it broke\nin two\n", "it broke"),
            (
                "cases/a.rs:7: qemu-img failed:\n\n    no such file\nmore",
                "cases/a.rs:7: qemu-img failed: no such file",
            ),
            ("one:\ntwo:\nthree", "one: two: three"),
            ("it failed:\n", "it failed"),
            ("", ""),
        ] {
            assert_eq!(in_one_line(text), line);
        }
    }
}
