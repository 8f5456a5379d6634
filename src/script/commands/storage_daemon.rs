//! qemu-storage-daemon, always with a monitor.

use nix::sys::signal::Signal;

use super::command::{Command, Done, Role};
use super::qmp::{log_reply, wanted};
use super::refusal::refused;
use crate::env::ToolKind;
use crate::error::Result;
use crate::filter::Filter;
use crate::script::state::thing::Thing;

const DAEMON: Option<(Thing, Role)> = Some((Thing::StorageDaemon, Role::Uses));
const ENDS: Option<(Thing, Role)> = Some((Thing::StorageDaemon, Role::Ends));

pub(super) const START: Command = Command {
    name: "storage-daemon start",
    usage: "[ARG...]",
    about: "starts a storage daemon with a monitor",
    fails: Some("that it ends before it is ready, and logs what it prints"),
    tool: Some(ToolKind::QemuStorageDaemon),
    on: Some((Thing::StorageDaemon, Role::Starts)),
    run: |state, call| {
        // No name begins with a digit.
        let id = if call.instance.is_empty() { "0" } else { call.instance };
        match state.test.storage_daemon(&call.texts).instance(id).qmp().start() {
            Ok(daemon) => {
                state.daemons.insert(call.instance, daemon)?;
                Ok(Done::default())
            }
            Err(error) => refused(state, error),
        }
    },
    ..Command::BASE
};

pub(super) const QMP: Command = Command {
    name: "storage-daemon qmp",
    usage: "COMMAND [ARGUMENTS]",
    about: "sends it a QMP command and logs the reply",
    fails: Some("an error as reply"),
    yields: true,
    on: DAEMON,
    run: |state, call| {
        let (command, arguments) = (call.text(0), call.arguments(state)?);
        let reply = state.daemons.get(call.instance)?.qmp(command, arguments)?;
        Ok(log_reply(state, command, reply))
    },
    ..Command::BASE
};

pub(super) const EVENT: Command = Command {
    name: "storage-daemon event",
    usage: "NAME [ARGUMENTS]",
    about: "waits for an event of it, as `event` does",
    yields: true,
    on: DAEMON,
    run: |state, call| {
        let wanted = wanted(call.text(0), call.arguments(state)?);
        let event = state.daemons.get(call.instance)?.event_wait(wanted)?;
        state.log(event.clone(), &[Filter::qmp_event()]);
        Ok(Done::reply(event))
    },
    ..Command::BASE
};

pub(super) const STOP: Command = Command {
    name: "storage-daemon stop",
    about: "asks it to end, and waits until it has",
    on: ENDS,
    run: |state, call| {
        state.daemons.take(call.instance)?.stop()?;
        Ok(Done::default())
    },
    ..Command::BASE
};

pub(super) const KILL: Command = Command {
    name: "storage-daemon kill",
    about: "kills it",
    on: ENDS,
    run: |state, call| -> Result<Done> {
        state.daemons.take(call.instance)?.kill(Signal::SIGKILL)?;
        Ok(Done::default())
    },
    ..Command::BASE
};
