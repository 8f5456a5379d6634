//! qemu-io, run to its end or kept at its prompt.

use super::command::{Command, Done, Role};
use super::refusal::refused;
use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::output::with_line_ends;
use crate::script::state::thing::Thing;
use crate::tools::reports_failure;

/// What `!` demands of a command of qemu-io.
pub(super) const REQUEST_FAILS: &str = "a request that fails, or data that is not the demanded pattern";

pub(super) const QEMU_IO: Command = Command {
    name: "qemu-io",
    usage: "ARG...",
    about: "runs qemu-io and logs what it prints, without times; the tested format is given by `-f` unless the \
            arguments name one",
    fails: Some("an exit status other than 0, or data that is not the demanded pattern"),
    yields: true,
    run: |state, call| {
        let (output, failed) = match state.test.qemu_io(&call.texts) {
            Err(Error::Tool(output)) => ((*output).clone(), Some(Error::Tool(output))),
            other => (other?, None),
        };
        state.log_output(&output, &[Filter::qemu_io_times()]);
        Ok(Done { failed, ..Done::tool(output) })
    },
    ..Command::BASE
};

pub(super) const OPEN: Command = Command {
    name: "io open",
    usage: "ARG...",
    about: "starts a qemu-io that waits for commands",
    fails: Some("that it ends before it takes any, and logs what it prints"),
    on: Some((Thing::Session, Role::Starts)),
    run: |state, call| match state.test.qemu_io_interactive(&call.texts) {
        Ok(session) => {
            state.sessions.insert(call.instance, session)?;
            Ok(Done::default())
        }
        Err(error) => refused(state, error),
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
    run: |state, call| {
        let command = call.texts.join(" ");
        let raw = state.sessions.get(call.instance)?.try_cmd_raw(&command)?;
        state.log(raw.as_str(), &[Filter::qemu_io_times()]);
        let (printed, _) = with_line_ends(raw);
        let failed = reports_failure(&printed)
            .then(|| Error::assertion(format!("qemu-io command {command:?} failed:\n{printed}")));
        Ok(Done { failed, text: Some(printed), ..Done::default() })
    },
    ..Command::BASE
};

pub(super) const CLOSE: Command = Command {
    name: "io close",
    about: "ends it, in order",
    on: Some((Thing::Session, Role::Ends)),
    run: |state, call| -> Result<Done> {
        state.sessions.take(call.instance)?.close()?;
        Ok(Done::default())
    },
    ..Command::BASE
};

pub(super) const KILL: Command = Command {
    name: "io kill",
    about: "kills it: what it has not written yet is lost",
    on: Some((Thing::Session, Role::Ends)),
    run: |state, call| -> Result<Done> {
        state.sessions.take(call.instance)?.kill()?;
        Ok(Done::default())
    },
    ..Command::BASE
};
