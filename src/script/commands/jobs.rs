//! Jobs and migration: from their start to their end.

use serde_json::json;

use super::super::run::Run;
use super::qmp::qmp;
use super::{Call, Command, Done, Problem, Role, Thing};
use crate::error::{Error, Result};
use crate::vm::RunJob;

const USES: Option<(Thing, Role)> = Some((Thing::Vm, Role::Uses));

pub(super) const JOB: Command = Command {
    name: "job",
    usage: "ID [auto-finalize=on|off] [auto-dismiss=on|off] [cancel]",
    about: "takes a job to its end, through all that it waits for, and logs what happens on the way. Say how it was \
            started if not with auto-finalize on and auto-dismiss off; `cancel` cancels it instead of finalizing it",
    fails: Some("that the job ends with an error, as one does that is cancelled"),
    on: USES,
    // The first word without a = is the job.
    look: |args| match args.iter().filter(|word| word.split_option().is_none()).nth(1) {
        Some(cancel) if !args.iter().any(|word| word.plain() == Some("auto-finalize=off")) => {
            let message =
                "a job that finalizes itself is never cancelled here: expected auto-finalize=off as well";
            Err(Problem::new(cancel.at, 6, message))
        }
        _ => Ok(()),
    },
    run: |run, call| {
        let mut options = RunJob::new().filters(run.filters(&[]));
        if call.named("auto-finalize", run)?.as_deref() == Some("off") {
            options = options.manual_finalize();
        }
        if call.named("auto-dismiss", run)?.as_deref() == Some("on") {
            options = options.auto_dismiss();
        }
        if call.has("cancel") {
            options = options.cancel();
        }
        run_job(run, call.instance, call.text(0), options)
    },
    ..Command::BASE
};

pub(super) const BLOCKDEV_CREATE: Command = Command {
    name: "blockdev-create",
    usage: "ARGUMENTS",
    about: "creates an image by a job of a VM, with these options, and logs all of it",
    fails: Some("that it is refused, or that the job ends with an error"),
    on: USES,
    run: |run, call| {
        let options = call.arguments(run)?;
        let mut done =
            qmp(run, call.instance, "blockdev-create", json!({ "job-id": "job0", "options": options }))?;
        if done.failed.is_none() {
            let options = RunJob::new().filters(run.filters(&[]));
            done = run_job(run, call.instance, "job0", options)?;
        }
        run.test.log("");
        Ok(done)
    },
    ..Command::BASE
};

pub(super) const MIGRATE: Command = Command {
    name: "migrate",
    usage: "ADDRESS [to=VM]",
    about: "migrates a VM to an address and waits until it has stopped, and until the VM that waits there, if one is \
            named, runs; logs the events",
    fails: Some("that the migration fails"),
    on: USES,
    run: migrate,
    ..Command::BASE
};

fn run_job(run: &mut Run<'_>, vm: &str, id: &str, options: RunJob<'_>) -> Result<Done> {
    let failed = run.vm(vm).run_job(id, options).map_err(|failure| failure.error)?;
    let failed = failed.map(|why| Error::assertion(format!("job {id} failed: {why}")));
    Ok(Done { failed, ..Done::default() })
}

fn migrate(run: &mut Run<'_>, call: &Call<'_>) -> Result<Done> {
    let target = call.named("to", run)?;
    let source = call.instance;
    let called = |name: &str| if name.is_empty() { "VM".to_owned() } else { name.to_owned() };
    let filters = run.filters(&[]);
    run.vm(source).enable_migration_events_with(&called(source), &filters)?;
    if let Some(target) = &target {
        run.vm(target).enable_migration_events_with(&called(target), &filters)?;
    }
    let mut done = qmp(run, source, "migrate", json!({ "uri": call.text(0) }))?;
    if done.failed.is_some() {
        return Ok(done);
    }
    let arrived = run.vm(source).wait_migration_with("postmigrate", &filters)?
        && target.map_or(Ok(true), |target| run.vm(&target).wait_migration_with("running", &filters))?;
    if !arrived {
        done.failed = Some(Error::assertion(format!("the migration to {} failed", call.text(0))));
    }
    Ok(done)
}
