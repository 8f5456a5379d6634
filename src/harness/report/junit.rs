//! JUnit XML, a suite for each case file.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::super::outcome::{Outcome, Record};
use crate::error::{Error, Result};

/// The report of records in the order of their names, in which those of a case stand together.
pub(super) fn text(target: &str, records: &[Record], elapsed: Duration) -> Result<String> {
    let mut report = Report::new(target);
    report.set_time(elapsed);
    for group in records.chunk_by(|a, b| a.name.test.case == b.name.test.case) {
        let Some(first) = group.first() else { continue };
        let mut suite = TestSuite::new(first.name.test.case.as_str());
        suite.set_time(group.iter().map(|record| record.elapsed).sum());
        suite.extra.insert("file".into(), first.file.as_str().into());
        suite.add_test_cases(group.iter().map(case));
        report.add_test_suite(suite);
    }
    report.to_string().map_err(|error| Error::Other(Box::new(error)))
}

fn case(record: &Record) -> TestCase {
    let status = match &record.outcome {
        Outcome::Passed => TestCaseStatus::success(),
        Outcome::Skipped(reason) => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(reason.as_str());
            status
        }
        Outcome::KnownFailure { reason, problem } => {
            let mut status = TestCaseStatus::skipped();
            status.set_type("known failure").set_message(reason.as_str()).set_description(problem.as_str());
            status
        }
        Outcome::Failed(report) => {
            let kind = if report.is_failure { NonSuccessKind::Failure } else { NonSuccessKind::Error };
            let mut status = TestCaseStatus::non_success(kind);
            status
                .set_message(report.summary())
                .set_description(format!("{}\n{}", report.problems, report.hints));
            status
        }
    };
    let mut case = TestCase::new(record.name.to_string(), status);
    case.set_classname(record.name.test.case.as_str()).set_time(record.elapsed);
    if !record.not_run.is_empty() {
        let lines: Vec<_> = record.not_run.iter().map(|reason| format!("[case not run] {reason}")).collect();
        case.set_system_out(lines.join("\n"));
    }
    case
}
