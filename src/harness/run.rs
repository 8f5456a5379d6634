//! One run: what its trials share, and what they leave.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use super::args::Args;
use super::artefacts::Kept;
use super::bless::Blessing;
use super::matrix::Plan;
use super::outcome::{Outcome, Record};
use super::{Project, printing, report, trial};
use crate::context::RunDir;
use crate::env::{TestEnv, ToolKind, Version};
use crate::error::Result;
use crate::process::Registry;

/// What the trials of a run share.
#[derive(Debug)]
pub(super) struct Run {
    /// Whose cases are run.
    pub(super) project: Project,
    /// The environment.
    pub(super) env: Arc<TestEnv>,
    /// Where trials get their directories.
    pub(super) dir: RunDir,
    /// Everything that is alive.
    pub(super) registry: Registry,
    /// Where the files of failed trials go.
    pub(super) kept: Kept,
    /// Whether failures are told in colours.
    pub(super) color: bool,
    /// Variables that change what a trial does, as they were given.
    pub(super) variables: Vec<(String, String)>,
    /// What its trials say that references are.
    pub(super) blessing: Blessing,
    /// Held for good by whoever ends the process by a signal.
    pub(super) stopping: Mutex<()>,
    records: Mutex<Vec<Record>>,
    first_failure: OnceLock<String>,
}

impl Run {
    /// A run that has not begun, with its files below `base`.
    pub(super) fn new(
        project: Project,
        env: Arc<TestEnv>,
        base: &Path,
        blessing: Blessing,
        color: bool,
    ) -> Result<Self> {
        let dir = RunDir::create(base, env.sock_dir().unwrap_or(env.tmp_dir()))?;
        Ok(Self {
            kept: Kept::below(base, project.suite_mark()),
            variables: super::variables::of(&env),
            project,
            env,
            dir,
            registry: Registry::new(),
            color,
            blessing,
            stopping: Mutex::default(),
            records: Mutex::default(),
            first_failure: OnceLock::new(),
        })
    }

    /// Goes no further once the process is about to die of a signal: what its children's death
    /// brings about is nobody's failure.
    pub(super) fn stop_here_if_stopping(&self) {
        drop(self.stopping.lock());
    }

    /// What has run so far.
    pub(super) fn take_records(&self) -> Vec<Record> {
        std::mem::take(&mut self.records.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The names of what has run so far.
    fn names(&self) -> BTreeSet<String> {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        records.iter().map(|record| record.name.clone()).collect()
    }

    /// QEMU's default machine, which a reference may be specific to.
    pub(super) fn machine(&self) -> Result<String> {
        self.env.default_machine().map(str::to_owned)
    }

    /// The version that a reference may be specific to. The tools are always there, and come from
    /// the same QEMU.
    pub(super) fn version(&self) -> Result<Version> {
        self.env.caps().version(ToolKind::QemuImg)
    }
}

/// Runs what is planned and selected, also where libtest's lines can no longer be written.
pub(super) fn all(run: &Arc<Run>, plans: Vec<Plan>, args: &Args) -> ExitCode {
    let plans: Vec<_> = plans.into_iter().map(Arc::new).collect();
    match printing::libtest(&args.libtest, trials(run, &plans, args)) {
        Ok(code) => code,
        Err(error) => {
            let code = printing::failed(&error);
            let unheard = Arguments { logfile: Some("/dev/null".to_owned()), ..args.libtest.clone() };
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
    let mut trials: Vec<_> = plans
        .iter()
        .filter(|plan| !done.contains(&plan.name))
        .map(|plan| {
            let ignored = marks_ignored && plan.skip.is_some();
            let (run, own) = (Arc::clone(run), Arc::clone(plan));
            Trial::ignorable_test(&plan.name, move || perform(&run, &own)).with_ignored_flag(ignored)
        })
        .collect();
    args.keep_matching(&mut trials);
    trials
}

fn perform(run: &Run, plan: &Plan) -> Result<Completion, Failed> {
    let record = match run.first_failure.get() {
        Some(first) if run.env.fail_fast() && plan.skip.is_none() => {
            not_run(plan, format!("not run, for {first} failed before and IOTESTS_FAIL_FAST is set"))
        }
        _ => trial::run(run, plan),
    };
    let result = match &record.outcome {
        Outcome::Passed | Outcome::KnownFailure(_) => Ok(Completion::Completed),
        Outcome::Skipped(reason) => Ok(Completion::ignored_with(one_line(reason))),
        Outcome::Failed(report) => {
            let _ = run.first_failure.set(record.name.clone());
            Err(Failed::from(&report.printed))
        }
    };
    let noted = run.env.output_dir().map_or(Ok(()), |dir| report::write_not_run(dir, &record));
    run.records.lock().unwrap_or_else(PoisonError::into_inner).push(record);
    match noted {
        Ok(()) => result,
        Err(error) => Err(Failed::from(error)),
    }
}

fn not_run(plan: &Plan, reason: String) -> Record {
    Record {
        name: plan.name.clone(),
        case: plan.case.to_string(),
        file: plan.file.to_string(),
        outcome: Outcome::Skipped(reason),
        elapsed: std::time::Duration::ZERO,
        not_run: Vec::new(),
    }
}

fn one_line(text: &str) -> String {
    text.lines().collect::<Vec<_>>().join(" ")
}
