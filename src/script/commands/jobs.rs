//! Jobs and migration: from their start to their end.

use serde_json::json;

use super::command::{Call, Command, Done, Role};
use super::qmp::qmp;
use crate::error::{Error, Result};
use crate::script::state::running::Running;
use crate::script::state::thing::Thing;
use crate::script::text::problem::Problem;
use crate::script::text::word::Word;
use crate::vm::RunJob;

const USES: Option<(Thing, Role)> = Some((Thing::Vm, Role::Uses));

pub(super) const JOB: Command = Command {
    name: "job",
    usage: "ID [auto-finalize=on|off] [auto-dismiss=on|off] [cancel]",
    about: "takes a job to its end, through all that it waits for, and logs what happens on the way. Say how it was \
            started if not with auto-finalize on and auto-dismiss off; `cancel` cancels it instead of finalizing it",
    fails: Some("that the job ends with an error, as one does that is cancelled"),
    on: USES,
    look: |args| {
        let finalizes = args.named("auto-finalize").and_then(Word::plain) != Some("off");
        if let Some(at) = args.place_of("cancel").filter(|_| finalizes) {
            let message =
                "a job that finalizes itself is never cancelled here: expected auto-finalize=off as well";
            return Err(Problem::new(at, "cancel".len(), message));
        }
        Ok(())
    },
    run: |state, call| {
        let mut options = RunJob::new().filters(state.filters(&[]));
        if call.named("auto-finalize", state)?.as_deref() == Some("off") {
            options = options.manual_finalize();
        }
        if call.named("auto-dismiss", state)?.as_deref() == Some("on") {
            options = options.auto_dismiss();
        }
        if call.has("cancel") {
            options = options.cancel();
        }
        run_job(state, call.instance, call.text(0), options)
    },
    ..Command::BASE
};

pub(super) const BLOCKDEV_CREATE: Command = Command {
    name: "blockdev-create",
    usage: "ARGUMENTS",
    about: "creates an image by a job of a VM, with these options, and logs the reply and what happens on the way",
    fails: Some("that it is refused, or that the job ends with an error"),
    on: USES,
    run: |state, call| {
        let options = call.arguments(state)?;
        let mut done =
            qmp(state, call.instance, "blockdev-create", json!({ "job-id": "job0", "options": options }))?;
        if done.failed.is_none() {
            let options = RunJob::new().filters(state.filters(&[]));
            done = run_job(state, call.instance, "job0", options)?;
        }
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

fn run_job(state: &mut Running<'_>, vm: &str, id: &str, options: RunJob<'_>) -> Result<Done> {
    let failed = state.vm(vm).run_job(id, options).map_err(|failure| failure.error)?;
    let failed = failed.map(|why| Error::assertion(format!("job {id} failed: {why}")));
    Ok(Done { failed, ..Done::default() })
}

fn migrate(state: &mut Running<'_>, call: &Call<'_>) -> Result<Done> {
    let target = call.named("to", state)?;
    let source = call.instance;
    let called = |name: &str| if name.is_empty() { "VM".to_owned() } else { name.to_owned() };
    let filters = state.filters(&[]);
    state.vm(source).enable_migration_events_with(&called(source), &filters)?;
    if let Some(target) = &target {
        state.vm(target).enable_migration_events_with(&called(target), &filters)?;
    }
    let mut done = qmp(state, source, "migrate", json!({ "uri": call.text(0) }))?;
    if done.failed.is_some() {
        return Ok(done);
    }
    let arrived = state.vm(source).wait_migration_with("postmigrate", &filters)?
        && target.map_or(Ok(true), |target| state.vm(&target).wait_migration_with("running", &filters))?;
    if !arrived {
        done.failed = Some(Error::assertion(format!("the migration to {} failed", call.text(0))));
    }
    Ok(done)
}
