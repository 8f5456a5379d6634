//! The text of a failure: all that went wrong, what there is to look at, and how to do it again.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::Project;
use super::diff;
use super::name::TrialName;
use super::outcome::{Problem, Report, in_one_line};
use super::reference::Mismatch;
use crate::error::Error;

/// Lines of a diff that are shown.
const DIFF_LINES: usize = 200;

/// What surrounds a failure.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    /// The project.
    pub(super) project: &'a Project,
    /// The trial.
    pub(super) trial: &'a TrialName,
    /// Variables that the run was given and that change what a trial does.
    pub(super) variables: &'a [(String, String)],
    /// Parts of the case that were not run.
    pub(super) not_run: &'a [String],
    /// Ends of the log files that were found.
    pub(super) logs: &'a [(String, String)],
    /// Where its files are kept.
    pub(super) kept: Option<PathBuf>,
    /// Whether references were to be written.
    pub(super) blessing: bool,
}

/// The text of a failure, plain and as it is to be printed.
pub(super) fn report(problems: &[Problem], scene: &Scene<'_>, color: bool) -> Report {
    let problems_text = list(problems, scene, false);
    let hints = hints(problems, scene);
    let printed = if color { list(problems, scene, true) } else { problems_text.clone() };
    Report {
        is_failure: problems.iter().all(Problem::is_failure),
        unexpected_success: problems.iter().any(|problem| matches!(problem, Problem::Passed { .. })),
        printed: format!("{printed}\n{hints}"),
        problems: problems_text,
        hints,
    }
}

/// A problem in a line, for where there is no room for all of it.
pub(super) fn first_line(problem: &Problem, project: &Project) -> String {
    in_one_line(&describe(problem, project, false))
}

/// Whether writing the reference anew would make the trial pass.
pub(super) fn can_bless(problems: &[Problem]) -> bool {
    let blessed =
        |problem: &Problem| matches!(problem, Problem::Reference(mismatch) if mismatch.actual().is_some());
    !problems.is_empty() && problems.iter().all(blessed)
}

/// What went wrong.
fn list(problems: &[Problem], scene: &Scene<'_>, color: bool) -> String {
    let mut out = String::new();
    for problem in problems {
        let _ = writeln!(out, "{}\n", describe(problem, scene.project, color).trim_end());
    }
    for reason in scene.not_run {
        let _ = writeln!(out, "part not run: {reason}\n");
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

/// What there is to look at, and what to do.
fn hints(problems: &[Problem], scene: &Scene<'_>) -> String {
    let mut out = String::new();
    for (name, tail) in scene.logs {
        let _ = writeln!(out, "{name}:\n{}\n", indented(tail));
    }
    if scene.blessing && problems.iter().any(|problem| !concerns_reference(problem)) {
        let _ = writeln!(out, "not blessed: only a trial that runs to its end writes its reference");
    }
    if let Some(kept) = &scene.kept {
        let _ = writeln!(out, "files:     {}", scene.project.show(kept));
    }
    let again = command(scene);
    let _ = writeln!(out, "reproduce: {again}");
    if can_bless(problems) && !scene.blessing {
        let _ = writeln!(out, "bless:     IOTESTS_BLESS=1 {again}");
    }
    out.truncate(out.trim_end().len());
    out
}

/// Whether this is about the reference itself, rather than about how the case ran.
fn concerns_reference(problem: &Problem) -> bool {
    matches!(problem, Problem::Reference(_) | Problem::Harness(_))
}

/// The command that runs this trial alone, under the same variables.
fn command(scene: &Scene<'_>) -> String {
    let mut words: Vec<_> =
        scene.variables.iter().map(|(name, value)| format!("{name}={}", shell_words::quote(value))).collect();
    let trial = scene.trial.to_string();
    let trial = shell_words::quote(&trial);
    words.push(format!("cargo test --test {} -- --exact {trial}", scene.project.target()));
    words.join(" ")
}

fn describe(problem: &Problem, project: &Project, color: bool) -> String {
    match problem {
        Problem::Case(failure) if matches!(failure.error, Error::Script { .. }) => failure.error.to_string(),
        Problem::Case(failure) => {
            let file = project.show(failure.location.file());
            format!("{file}:{}: {}", failure.location.line(), failure.error)
        }
        Problem::Suite { text, .. } => text.clone(),
        Problem::Panic(panic) => {
            let place = panic.location.as_ref();
            let place =
                place.map(|(file, line)| format!("{}:{line}: ", project.show(file))).unwrap_or_default();
            let mut text = match panic.message.trim() {
                "" => format!("{place}panicked without a message"),
                message => format!("{place}panicked: {message}"),
            };
            if let Some(backtrace) = &panic.backtrace {
                let _ = write!(text, "\n{}", indented(backtrace));
            }
            text
        }
        Problem::TimedOut { limit, killed, ended } => {
            let mut text = format!("timed out after {:.1} s", limit.as_secs_f64());
            if !ended {
                text.push_str(" and still runs: does the case loop? Its thread was left behind");
            }
            for command in killed {
                let _ = write!(text, "\nkilled: {command}");
            }
            text
        }
        Problem::Late(error) => format!("afterwards: {error}"),
        Problem::Reference(mismatch) => mismatch_text(mismatch, project, color),
        Problem::Passed { reason, declaration } => {
            format!("passed, though it is declared to fail: {reason}\nwhat to do: remove {declaration}")
        }
        Problem::Harness(error) => format!("the harness could not do its part: {error}"),
    }
}

fn mismatch_text(mismatch: &Mismatch, project: &Project, color: bool) -> String {
    let path = project.show(mismatch.path());
    match mismatch {
        Mismatch::Missing { actual, .. } => format!(
            "logged something, but there is no reference {path}\n{}",
            shortened(&diff::unified("no reference", "", "actual", actual, color))
        ),
        Mismatch::Differs { expected, actual, .. } => {
            format!(
                "the log differs from its reference\n{}",
                shortened(&diff::unified(&path, expected, "actual", actual, color))
            )
        }
        Mismatch::Unexpected { .. } => format!(
            "logged nothing, but there is a reference {path}\nwhat to do: remove the reference, or let the case log"
        ),
    }
}

/// The first lines of a long diff. The files are there for the rest.
fn shortened(diff: &str) -> String {
    let count = diff.lines().count();
    if count <= DIFF_LINES {
        return diff.to_owned();
    }
    let first: Vec<_> = diff.lines().take(DIFF_LINES).collect();
    format!("{}\n… {} lines more", first.join("\n"), count - DIFF_LINES)
}

fn indented(text: &str) -> String {
    let lines: Vec<_> = text.trim_end().lines().map(|line| format!("    {line}")).collect();
    lines.join("\n")
}
