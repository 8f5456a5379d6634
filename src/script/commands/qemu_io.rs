//! qemu-io, run to its end or kept at its prompt.

use super::{Command, Done, Role, Thing};
use crate::error::{Error, Result, Unchecked};
use crate::filter::Filter;
use crate::tools::tells_of_failure;

/// What `!` demands of a command of qemu-io.
pub(super) const REQUEST_FAILS: &str = "a request that fails, or data that is not the demanded pattern";

pub(super) const QEMU_IO: Command = Command {
    name: "qemu-io",
    usage: "ARG...",
    about: "runs qemu-io and logs what it prints, without times; the tested format is given by `-f` unless the \
            arguments name one",
    fails: Some("an exit status other than 0, or data that is not the demanded pattern"),
    yields: true,
    run: |run, call| {
        let output = run.test.qemu_io(&call.texts).unchecked()?;
        run.log(output.stdout.as_str(), &[Filter::qemu_io()]);
        // Older versions end with 0 even when data is not the demanded pattern.
        let wrong = (output.success() && tells_of_failure(&output.stdout))
            .then(|| Error::assertion(format!("a request failed: {}\n{}", output.command, output.stdout)));
        let done = Done::tool(output);
        Ok(Done { failed: done.failed.or(wrong), ..done })
    },
    ..Command::BASE
};

pub(super) const OPEN: Command = Command {
    name: "io open",
    usage: "ARG...",
    about: "starts a qemu-io that waits for commands",
    fails: Some("that it ends before it takes any, and logs what it prints"),
    on: Some((Thing::Session, Role::Starts)),
    run: |run, call| match run.test.qemu_io_interactive(&call.texts) {
        Ok(session) => {
            run.sessions.insert(call.instance, session)?;
            Ok(Done::default())
        }
        Err(error) => run.refusal(error),
    },
    ..Command::BASE
};

pub(super) const CMD: Command = Command {
    name: "io cmd",
    usage: "WORD...",
    about: "has it run a command and logs what it prints, without times",
    fails: Some(REQUEST_FAILS),
    yields: true,
    on: Some((Thing::Session, Role::Uses)),
    run: |run, call| {
        let command = call.texts.join(" ");
        let printed = run.sessions.get(call.instance)?.cmd(&command)?;
        run.log(printed.as_str(), &[Filter::qemu_io()]);
        let failed = tells_of_failure(&printed)
            .then(|| Error::assertion(format!("qemu-io command {command:?} failed:\n{printed}")));
        Ok(Done { failed, text: Some(printed), ..Done::default() })
    },
    ..Command::BASE
};

pub(super) const CLOSE: Command = Command {
    name: "io close",
    about: "ends it",
    on: Some((Thing::Session, Role::Uses)),
    run: |run, call| -> Result<Done> {
        run.sessions.take(call.instance)?.close()?;
        Ok(Done::default())
    },
    ..Command::BASE
};

pub(super) const KILL: Command = Command {
    name: "io kill",
    about: "kills it: what it has not written yet is lost",
    on: Some((Thing::Session, Role::Uses)),
    run: |run, call| -> Result<Done> {
        run.sessions.take(call.instance)?.kill()?;
        Ok(Done::default())
    },
    ..Command::BASE
};
