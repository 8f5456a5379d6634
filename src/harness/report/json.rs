//! One JSON object a trial, one trial a line.

use serde_json::json;

use super::super::outcome::{Outcome, Record};

/// The report.
pub(super) fn text(records: &[Record]) -> String {
    records.iter().map(|record| format!("{}\n", object(record))).collect()
}

fn object(record: &Record) -> serde_json::Value {
    let (outcome, reason, text) = match &record.outcome {
        Outcome::Passed => ("passed", None, None),
        Outcome::Skipped(reason) => ("skipped", Some(reason.clone()), None),
        Outcome::KnownFailure { reason, problem } => {
            ("known failure", Some(reason.clone()), Some(problem.clone()))
        }
        Outcome::Failed(report) => {
            let outcome = if report.is_failure { "failed" } else { "error" };
            (outcome, Some(report.summary()), Some(format!("{}\n{}", report.problems, report.hints)))
        }
    };
    let mut object = json!({
        "name": record.name.to_string(),
        "file": record.file,
        "outcome": outcome,
        "seconds": record.elapsed.as_secs_f64(),
    });
    if let Some(reason) = reason {
        object["reason"] = reason.into();
    }
    if let Some(text) = text {
        object["text"] = text.into();
    }
    if !record.not_run.is_empty() {
        object["not_run"] = record.not_run.clone().into();
    }
    object
}
