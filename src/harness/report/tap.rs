//! TAP, version 14: numbered, with reasons.

use std::fmt::Write as _;

use super::super::outcome::{Outcome, Record};

/// The report; one of a run that was interrupted says so.
pub(super) fn text(records: &[Record], is_whole: bool) -> String {
    let mut out = format!("TAP version 14\n1..{}\n", records.len());
    for (index, record) in records.iter().enumerate() {
        let (ok, directive) = match &record.outcome {
            Outcome::Passed => ("ok", String::new()),
            Outcome::Skipped(reason) => ("ok", format!(" # SKIP {}", escaped(reason))),
            Outcome::KnownFailure { reason, .. } => ("not ok", format!(" # TODO {}", escaped(reason))),
            Outcome::Failed(_) => ("not ok", String::new()),
        };
        let _ = writeln!(out, "{ok} {} - {}{directive}", index + 1, escaped(&record.name.to_string()));
        diagnostics(&mut out, record);
    }
    if !is_whole {
        out.push_str("Bail out! interrupted\n");
    }
    out
}

/// A YAML block with the rest of what is known.
fn diagnostics(out: &mut String, record: &Record) {
    let _ = writeln!(out, "  ---\n  duration_ms: {}", record.elapsed.as_millis());
    if !record.not_run.is_empty() {
        let _ = writeln!(out, "  not_run:");
        for reason in &record.not_run {
            let _ = writeln!(out, "    - {}", serde_json::Value::from(reason.as_str()));
        }
    }
    match &record.outcome {
        Outcome::Failed(report) => {
            let severity = if report.is_failure { "fail" } else { "error" };
            let _ = writeln!(out, "  severity: {severity}");
            message(out, &format!("{}\n{}", report.problems, report.hints));
        }
        Outcome::KnownFailure { problem, .. } => message(out, problem),
        Outcome::Passed | Outcome::Skipped(_) => {}
    }
    out.push_str("  ...\n");
}

fn message(out: &mut String, text: &str) {
    let _ = writeln!(out, "  message: |");
    for line in text.lines() {
        let _ = writeln!(out, "{}", format!("    {}", printable(line)).trim_end());
    }
}

/// `#` starts a directive.
fn escaped(text: &str) -> String {
    text.lines().collect::<Vec<_>>().join(" ").replace('\\', "\\\\").replace('#', "\\#")
}

/// YAML takes no control characters.
fn printable(line: &str) -> String {
    line.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect()
}
