//! How many ended how, as unittest counts.

use std::fmt;

use super::super::outcome::{Outcome, Record};

/// Numbers of trials that did not simply pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) failures: usize,
    pub(super) errors: usize,
    pub(super) skipped: usize,
    pub(super) expected_failures: usize,
    pub(super) unexpected_successes: usize,
}

impl Counts {
    /// Counts these.
    pub(super) fn of(records: &[Record]) -> Self {
        let mut counts = Self::default();
        for record in records {
            match &record.outcome {
                Outcome::Passed => {}
                Outcome::KnownFailure { .. } => counts.expected_failures += 1,
                Outcome::Skipped(_) => counts.skipped += 1,
                Outcome::Failed(report) if report.unexpected_success => counts.unexpected_successes += 1,
                Outcome::Failed(report) if report.is_failure => counts.failures += 1,
                Outcome::Failed(_) => counts.errors += 1,
            }
        }
        counts
    }
}

/// unittest's last line.
impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bad = self.failures + self.errors + self.unexpected_successes;
        f.write_str(if bad == 0 { "OK" } else { "FAILED" })?;
        let counts = [
            ("failures", self.failures),
            ("errors", self.errors),
            ("skipped", self.skipped),
            ("expected failures", self.expected_failures),
            ("unexpected successes", self.unexpected_successes),
        ];
        let named: Vec<_> =
            counts.iter().filter(|(_, n)| *n > 0).map(|(what, n)| format!("{what}={n}")).collect();
        if named.is_empty() { Ok(()) } else { write!(f, " ({})", named.join(", ")) }
    }
}
