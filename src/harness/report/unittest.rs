//! The seed's reproducible unittest report, byte for byte: no times, skips that look like passes, so
//! that it can be compared with a stored one (`iotests.py: ReproducibleTestResult`,
//! `ReproducibleStreamWrapper`).

use std::fmt::Write as _;

use super::super::outcome::{Outcome, Record};
use super::counts::Counts;

/// The report; `verbose` has a line for each trial, as with `-d` of `iotests.py`.
pub(super) fn text(records: &[Record], verbose: bool) -> String {
    let mut out = String::new();
    for record in records {
        if verbose {
            let _ = writeln!(out, "{} ... {}", record.name.description(), word(&record.outcome));
        } else {
            out.push(dot(&record.outcome));
        }
    }
    out.push('\n');
    sections(
        &mut out,
        records,
        "ERROR",
        |outcome| matches!(outcome, Outcome::Failed(report) if !report.is_failure),
    );
    sections(
        &mut out,
        records,
        "FAIL",
        |outcome| matches!(outcome, Outcome::Failed(report) if report.is_failure && !report.unexpected_success),
    );
    let successes = records.iter().filter(|record| is_unexpected_success(&record.outcome));
    for (index, record) in successes.enumerate() {
        if index == 0 {
            let _ = writeln!(out, "{}", "=".repeat(70));
        }
        let _ = writeln!(out, "UNEXPECTED SUCCESS: {}", record.name.description());
    }
    let counts = Counts::of(records);
    let only_skips = counts == Counts { skipped: counts.skipped, ..Counts::default() };
    let counts = if only_skips { Counts::default() } else { counts };
    // The seed's pattern makes it a plural even of one.
    let _ = writeln!(out, "{}\nRan {} tests\n\n{counts}", "-".repeat(70), records.len());
    out
}

fn is_unexpected_success(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Failed(report) if report.unexpected_success)
}

fn dot(outcome: &Outcome) -> char {
    match outcome {
        Outcome::Passed | Outcome::Skipped(_) => '.',
        Outcome::KnownFailure { .. } => 'x',
        Outcome::Failed(report) if report.unexpected_success => 'u',
        Outcome::Failed(report) if report.is_failure => 'F',
        Outcome::Failed(_) => 'E',
    }
}

fn word(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Passed => "ok".to_owned(),
        Outcome::Skipped(reason) => format!("skipped {}", python_literal(reason)),
        Outcome::KnownFailure { .. } => "expected failure".to_owned(),
        Outcome::Failed(report) if report.unexpected_success => "unexpected success".to_owned(),
        Outcome::Failed(report) if report.is_failure => "FAIL".to_owned(),
        Outcome::Failed(_) => "ERROR".to_owned(),
    }
}

fn sections(out: &mut String, records: &[Record], title: &str, belongs: fn(&Outcome) -> bool) {
    for record in records.iter().filter(|record| belongs(&record.outcome)) {
        let Outcome::Failed(report) = &record.outcome else { continue };
        let _ =
            writeln!(out, "{}\n{title}: {}\n{}", "=".repeat(70), record.name.description(), "-".repeat(70));
        let _ = writeln!(out, "{}", report.problems);
    }
}

/// Text as Python's `repr` writes it.
fn python_literal(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::from(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => _ = write!(out, "\\{c}"),
            c if is_printable(c) => out.push(c),
            c => match u32::from(c) {
                code @ ..0x100 => _ = write!(out, "\\x{code:02x}"),
                code @ ..0x10000 => _ = write!(out, "\\u{code:04x}"),
                code => _ = write!(out, "\\U{code:08x}"),
            },
        }
    }
    out.push(quote);
    out
}

/// As Python's `str.isprintable`. What combines with the character before it is, and Rust escapes it
/// where it comes first.
fn is_printable(c: char) -> bool {
    match c {
        ' ' | '\'' | '"' => true,
        c => !c.is_whitespace() && !format!("a{c}").escape_debug().any(|escaped| escaped == '\\'),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::super::name::{TestName, TrialName};
    use super::super::super::outcome::Report;
    use super::*;

    fn record(name: &str, outcome: Outcome) -> Record {
        let test = TestName { test: name.to_owned(), ..TestName::of_case("topic") };
        Record {
            name: TrialName::new(test, "raw", "file"),
            file: "cases/topic.rs".to_owned(),
            outcome,
            elapsed: Duration::from_secs(3),
            not_run: Vec::new(),
        }
    }

    fn failed(is_failure: bool, unexpected_success: bool) -> Outcome {
        let problems = "cases/topic.rs:7: it broke\n".to_owned();
        Outcome::Failed(Report {
            is_failure,
            unexpected_success,
            problems,
            hints: String::new(),
            printed: String::new(),
        })
    }

    #[test]
    fn skips_are_hidden_where_nothing_else_is_reported() {
        let skipped = || Outcome::Skipped("can't".to_owned());
        let rule = "-".repeat(70);
        let records = [record("a", Outcome::Passed), record("b", skipped())];
        assert_eq!(text(&records, false), format!("..\n{rule}\nRan 2 tests\n\nOK\n"));
        assert_eq!(
            text(&records[1..], true),
            format!("b::raw (topic) ... skipped \"can't\"\n\n{rule}\nRan 1 tests\n\nOK\n")
        );
        let records = [record("a", failed(true, false)), record("b", skipped())];
        assert!(text(&records, false).ends_with("\n\nFAILED (failures=1, skipped=1)\n"));
    }

    #[test]
    fn reasons_are_quoted_as_python_does() {
        for (text, repr) in [
            ("plain", "'plain'"),
            ("can't", "\"can't\""),
            ("\"can't\" \\", "'\"can\\'t\" \\\\'"),
            ("a\nb\t\u{1b}[0m", "'a\\nb\\t\\x1b[0m'"),
            ("\u{e9}\u{301} \u{1f600}", "'\u{e9}\u{301} \u{1f600}'"),
            ("\u{7f}\u{85}\u{a0}\u{2003}\u{200b}\u{e0001}", r"'\x7f\x85\xa0\u2003\u200b\U000e0001'"),
        ] {
            assert_eq!(python_literal(text), repr);
        }
    }

    #[test]
    fn errors_come_before_failures() {
        let records = [
            record("a", failed(true, false)),
            record("b", failed(false, false)),
            record(
                "c",
                Outcome::KnownFailure { reason: "so it is".to_owned(), problem: "it broke".to_owned() },
            ),
            record("d", failed(true, true)),
        ];
        let (double, single) = ("=".repeat(70), "-".repeat(70));
        assert_eq!(
            text(&records, false),
            format!(
                "FExu\n\
                 {double}\nERROR: b::raw (topic)\n{single}\ncases/topic.rs:7: it broke\n\n\
                 {double}\nFAIL: a::raw (topic)\n{single}\ncases/topic.rs:7: it broke\n\n\
                 {double}\nUNEXPECTED SUCCESS: d::raw (topic)\n\
                 {single}\nRan 4 tests\n\n\
                 FAILED (failures=1, errors=1, expected failures=1, unexpected successes=1)\n"
            )
        );
    }
}
