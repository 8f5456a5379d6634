//! Runs one trial: on a thread of its own, within its time, and compared with its reference.

use std::fs;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::artefacts::{self, Why, log_tails};
use super::failure::{self, Scene};
use super::matrix::Plan;
use super::name::TrialName;
use super::outcome::{Outcome, Problem, Record};
use super::panics::{self, Panic};
use super::printing::say;
use super::reference::{Location, Mismatch, Point};
use super::serial;
use super::shared::Run;
use crate::context::Context;
use crate::env::out_of_space;
use crate::error::{Error, Result, SuiteFailure, SuiteOutput, TestResult};
use crate::suite::{Body, KnownFailure, Place};
use crate::test::Test;

/// How long a case gets to end once its children are gone.
const GRACE: Duration = Duration::from_secs(5);

/// Runs a trial to its end, whatever that is.
pub(super) fn run(run: &Run, plan: &Plan) -> Record {
    let mut start = Instant::now();
    let mut not_run = Vec::new();
    let outcome = match &plan.skip {
        Some(reason) => Outcome::Skipped(reason.clone()),
        None => {
            let held = serial::hold(&plan.serial, run.env.tmp_dir());
            // Waiting for other trials does not count.
            start = Instant::now();
            match held.and_then(|_held| run_here(run, plan, &mut not_run)) {
                Ok(outcome) => outcome,
                Err(error) => {
                    let problems = [Problem::Harness(error)];
                    Outcome::Failed(failure::report(&problems, &scene(run, plan, &not_run, &[]), run.color))
                }
            }
        }
    };
    Record {
        name: plan.name.clone(),
        file: plan.file.to_string(),
        outcome,
        elapsed: start.elapsed(),
        not_run,
    }
}

fn run_here(run: &Run, plan: &Plan, not_run: &mut Vec<String>) -> Result<Outcome> {
    let limit = run.env.timeout_scale().scale(plan.limit);
    let (env, params) = (Arc::clone(&run.env), plan.name.params());
    let name = plan.name.to_string();
    let ctx = Context::new(env, params, run.dir.trial()?, limit, run.registry.child()).of_trial(&name);
    let ctx = Arc::new(ctx);
    let mut problems = Vec::new();
    let mut skipped = None;
    let end = run_body(plan, &ctx)?;
    let out_of_time = ctx.deadline().expired();
    run.stop_here_if_stopping();
    match end {
        End::Returned(Ok(())) => {}
        End::Returned(Err(failure)) => match failure.error {
            Error::Skip(reason) => skipped = Some(reason),
            Error::Suite(failure) => {
                let SuiteFailure { problem, is_error, output } = *failure;
                problems.extend(problem.map(|text| Problem::Suite { text, is_error }));
                let differs = |SuiteOutput { reference, expected, actual, bytes }| Mismatch::Differs {
                    path: reference,
                    expected,
                    actual,
                    bytes: Some(bytes),
                };
                problems.extend(output.map(differs).map(Problem::Reference));
            }
            _ => problems.push(Problem::Case(failure)),
        },
        End::Panicked(panic) => problems.push(Problem::Panic(panic)),
        End::Late { killed, result } => {
            let ended = result.is_some();
            problems.push(Problem::TimedOut { limit: limit.unwrap_or_default(), killed, ended });
            match result {
                Some(Ok(Err(failure))) => problems.push(Problem::Case(failure)),
                Some(Err(panic)) => problems.push(Problem::Panic(panic)),
                Some(Ok(Ok(()))) | None => {}
            }
        }
    }
    problems.extend(ctx.take_more_failures().into_iter().map(Problem::Case));
    let left_behind = !ctx.registry().is_empty();
    // A thread that the case left behind starts nothing any more either.
    ctx.registry().kill_all();
    if left_behind && problems.is_empty() {
        problems.push(Problem::Late(Error::misuse(
            "the case left processes running, which were killed: end what it starts",
        )));
    }
    for late in ctx.take_late() {
        let reported =
            |problem: &Problem| matches!(problem, Problem::Case(it) if it.error.describes_same_exit(&late));
        if !problems.iter().any(reported) {
            problems.push(Problem::Late(late));
        }
    }
    *not_run = ctx.not_run();
    if let (Some(reason), true) = (skipped, problems.is_empty()) {
        return Ok(Outcome::Skipped(reason));
    }
    if problems.is_empty() {
        problems.extend(ctx.unexpected_stderr().into_iter().map(Problem::Late));
    }
    let ended = problems.is_empty();
    let log = ctx.log().contents();
    problems.extend(compare(run, plan, &log, ended)?.map(Problem::Reference));
    if run.env.bless() && problems.is_empty() {
        problems.extend(agree(run, plan, &ctx, &log).err().map(Problem::Harness));
    }
    if run.env.bless()
        && plan.known_failure.is_none()
        && failure::can_bless(&problems)
        && let Some(Problem::Reference(mismatch)) = problems.first()
    {
        match run.bless(&plan.name, mismatch) {
            Ok(()) => problems.clear(),
            Err(error) => problems.push(Problem::Harness(error)),
        }
    }
    // What fails never gets a reference, so that its absence is not the failure that is known.
    let only_unreferenced = matches!(&*problems, [Problem::Reference(Mismatch::Missing { .. })]);
    if plan.known_failure.is_some() && only_unreferenced {
        problems.clear();
    }
    let passed = match (&plan.known_failure, problems.first()) {
        (Some(known), Some(first)) if problems.iter().all(|problem| can_be_known(problem, out_of_time)) => {
            let problem = failure::first_line(first, &run.project);
            Some(Outcome::KnownFailure { reason: known.reason.clone(), problem })
        }
        (Some(known), None) => {
            problems.push(unexpected_success(run, plan, known));
            None
        }
        (None, None) => Some(Outcome::Passed),
        (_, Some(_)) => None,
    };
    let Some(outcome) = passed else {
        return Ok(Outcome::Failed(report_failure(run, plan, &ctx, problems, not_run)));
    };
    run.kept.forget(&plan.name);
    if run.env.keep() {
        run.kept.keep(ctx.scratch().dir(), &plan.name, Why::Asked)?;
    }
    Ok(outcome)
}

/// Whether this can be the failure that was declared. A hang, and what the harness could not do, may have another
/// cause.
fn can_be_known(problem: &Problem, out_of_time: bool) -> bool {
    match problem {
        Problem::TimedOut { .. } | Problem::Harness(_) => false,
        // A case may wrap the error that it gets at the deadline, or panic over it.
        Problem::Case(_) | Problem::Panic(_) | Problem::Late(_) => !out_of_time,
        _ => true,
    }
}

/// A known failure that did not happen.
fn unexpected_success(run: &Run, plan: &Plan, known: &KnownFailure) -> Problem {
    let declaration = match known.declared {
        Place::Code(at) => format!("`.known_failure(…)` from {}:{}", run.project.show(at.file()), at.line()),
        Place::Line(line) => format!("`known-failure:` from {}:{line}", plan.file),
    };
    Problem::Passed { reason: known.reason.clone(), declaration }
}

/// Compares the log with its reference. That of a case that did not run to its end is shown only as
/// far as it goes.
fn compare(run: &Run, plan: &Plan, log: &str, ended: bool) -> Result<Option<Mismatch>> {
    if !plan.logs {
        return Ok(None);
    }
    let mismatch = at_point(run, plan, |location, point| location.check(log, point))?;
    Ok(mismatch.filter(|mismatch| ended || matches!(mismatch, Mismatch::Differs { .. })))
}

/// Notes that the log agrees with its reference, so that no other trial writes something else there.
fn agree(run: &Run, plan: &Plan, ctx: &Context, log: &str) -> Result<()> {
    if let Some((path, text)) = ctx.take_agreement() {
        return run.blessing.agree(&plan.name, &path, &text);
    }
    match plan
        .logs
        .then(|| at_point(run, plan, |location, point| location.find(point)))
        .transpose()?
        .flatten()
    {
        Some(path) => run.blessing.agree(&plan.name, &path, log),
        None => Ok(()),
    }
}

/// Looks at the references of a trial's test, from the trial's point of the matrix.
fn at_point<T>(
    run: &Run,
    plan: &Plan,
    look: impl FnOnce(&Location<'_>, &Point<'_>) -> Result<T>,
) -> Result<T> {
    let location = Location::new(run.project.references(), &plan.name.test);
    let point = Point {
        nocache: run.env.cachemode() == "none",
        imgfmt: &plan.name.imgfmt,
        machine: &|| run.machine(),
        version: &|| run.version(),
    };
    look(&location, &point)
}

fn report_failure(
    run: &Run,
    plan: &Plan,
    ctx: &Context,
    mut problems: Vec<Problem>,
    not_run: &[String],
) -> super::outcome::Report {
    let dir = ctx.scratch().dir();
    if let Some(error) = out_of_space(dir) {
        // First, so that the summary has it as the reason that these trials have in common.
        problems.insert(0, Problem::Harness(error));
    }
    let log = ctx.log().contents();
    if !log.is_empty() {
        let path = dir.join(artefacts::ACTUAL);
        if let Err(error) = fs::write(&path, log) {
            problems.push(Problem::Harness(Error::io(format!("write {}", path.display()))(error)));
        }
    }
    let logs = log_tails(dir);
    let kept = match run.kept.keep(dir, &plan.name, Why::Failed) {
        Ok(place) => Some(place),
        Err(error) => {
            problems.push(Problem::Harness(error));
            None
        }
    };
    let scene = Scene { kept, ..scene(run, plan, not_run, &logs) };
    failure::report(&problems, &scene, run.color)
}

fn scene<'a>(run: &'a Run, plan: &'a Plan, not_run: &'a [String], logs: &'a [(String, String)]) -> Scene<'a> {
    Scene {
        project: &run.project,
        trial: &plan.name,
        variables: &run.variables,
        not_run,
        logs,
        kept: None,
        blessing: run.env.bless(),
    }
}

/// How a body ended.
enum End {
    Returned(TestResult),
    Panicked(Panic),
    /// Not by the deadline; what it returned once its children were killed, if it did.
    Late {
        killed: Vec<String>,
        result: Option<Result<TestResult, Panic>>,
    },
}

/// Runs the body on a thread of its own: its children die with that thread, and it can be left
/// behind.
fn run_body(plan: &Plan, ctx: &Arc<Context>) -> Result<End> {
    let (sender, receiver) = sync_channel(1);
    let (body, own): (Body, _) = (Arc::clone(&plan.body), Arc::clone(ctx));
    thread::Builder::new()
        .name(plan.name.to_string())
        .spawn(move || {
            let result = panics::catch(|| body(&mut Test::with_context(Arc::clone(&own))));
            // Servers that the case had run until its end. They die with this thread, so they are
            // ended on it.
            let ended = panics::catch(|| own.end_owned());
            drop(own);
            let _ = sender.send(result.and_then(|result| ended.map(|()| result)));
        })
        .map_err(Error::io("start a thread for the trial"))?;
    if let Some(result) = in_time(&receiver, ctx, plan.head_start) {
        return Ok(match result {
            Ok(result) => End::Returned(result),
            Err(panic) => End::Panicked(panic),
        });
    }
    let killed = ctx.registry().commands();
    ctx.registry().kill_all();
    Ok(End::Late { killed, result: receiver.recv_timeout(GRACE).ok() })
}

fn in_time<T>(receiver: &Receiver<T>, ctx: &Context, head_start: Duration) -> Option<T> {
    match ctx.deadline().remaining() {
        None => receiver.recv().ok(),
        Some(left) => receiver.recv_timeout(left + head_start).ok(),
    }
}

impl Run {
    /// Writes the reference of a trial that ran to its end.
    fn bless(&self, trial: &TrialName, mismatch: &Mismatch) -> Result<()> {
        let (path, Some(text), Some(bytes)) = (mismatch.path(), mismatch.actual(), mismatch.bytes()) else {
            return Ok(());
        };
        self.blessing.write(trial, path, text, bytes)?;
        say(format_args!("blessed {} ({trial})", self.project.show(path)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_at_the_deadline_is_not_the_failure_that_is_known() {
        let panic = || Panic { message: "no event came".to_owned(), location: None, backtrace: None };
        assert!(can_be_known(&Problem::Panic(panic()), false));
        assert!(!can_be_known(&Problem::Panic(panic()), true));
        assert!(!can_be_known(&Problem::Late(Error::assertion("no event came")), true));
    }
}
