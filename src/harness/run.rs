//! One run: its trials, and how they are handed to libtest-mimic.

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use super::args::Args;
use super::matrix::Plan;
use super::outcome::{Outcome, Record};
use super::shared::Run;
use super::{printing, report, trial};

/// Runs what is planned and selected, also where libtest's lines can no longer be written.
pub(super) fn all(run: &Arc<Run>, plans: Vec<Plan>, args: &Args) -> ExitCode {
    let plans: Vec<_> = plans.into_iter().map(Arc::new).collect();
    let arguments = args.of_marked();
    match printing::libtest(&arguments, trials(run, &plans, args)) {
        Ok(code) => code,
        Err(error) => {
            let code = printing::failed(&error);
            let unheard = Arguments { logfile: Some("/dev/null".to_owned()), ..arguments };
            match printing::libtest(&unheard, trials(run, &plans, args)) {
                Ok(_) => code,
                Err(error) => printing::failed(&error),
            }
        }
    }
}

/// The trials that have not run yet, as libtest-mimic wants them.
fn trials(run: &Arc<Run>, plans: &[Arc<Plan>], args: &Args) -> Vec<Trial> {
    let marks_ignored = args.marks_ignored();
    let done = run.names();
    let trial = |plan: &Arc<Plan>| {
        let ignored = marks_ignored && plan.skip.is_some();
        let (run, own) = (Arc::clone(run), Arc::clone(plan));
        let trial = Trial::ignorable_test(plan.name.to_string(), move || perform(&run, &own));
        args.mark(trial.with_ignored_flag(ignored))
    };
    plans.iter().filter(|plan| !done.contains(&plan.name)).map(trial).collect()
}

fn perform(run: &Run, plan: &Plan) -> Result<Completion, Failed> {
    // It would make directories anew that were just removed.
    run.stop_here_if_stopping();
    let record = match run.first_failure.get() {
        Some(first) if run.env.fail_fast() && plan.skip.is_none() => {
            not_run(plan, format!("not run, for {first} failed before and IOTESTS_FAIL_FAST is set"))
        }
        _ => trial::run(run, plan),
    };
    let result = match &record.outcome {
        Outcome::Passed | Outcome::KnownFailure { .. } => Ok(Completion::Completed),
        Outcome::Skipped(reason) => Ok(Completion::ignored_with(one_line(reason))),
        Outcome::Failed(report) => {
            let _ = run.first_failure.set(record.name.clone());
            Err(Failed::from(&report.printed))
        }
    };
    let noted = run.env.output_dir().map_or(Ok(()), |dir| report::write_not_run(dir, &record));
    run.add(record);
    match noted {
        Ok(()) => result,
        Err(error) => Err(Failed::from(error)),
    }
}

fn not_run(plan: &Plan, reason: String) -> Record {
    Record {
        name: plan.name.clone(),
        file: plan.file.to_string(),
        outcome: Outcome::Skipped(reason),
        elapsed: std::time::Duration::ZERO,
        not_run: Vec::new(),
    }
}

fn one_line(text: &str) -> String {
    text.lines().collect::<Vec<_>>().join(" ")
}
