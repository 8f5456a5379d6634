//! qemu-storage-daemon, always with a monitor.

use nix::sys::signal::Signal;

use super::qmp::{log_command, log_reply, wanted};
use super::{Command, Done, Role, Thing};
use crate::env::ToolKind;
use crate::error::Result;
use crate::filter::Filter;

const DAEMON: Option<(Thing, Role)> = Some((Thing::StorageDaemon, Role::Uses));

pub(super) const START: Command = Command {
    name: "storage-daemon start",
    usage: "[ARG...]",
    about: "starts a storage daemon with a monitor",
    fails: Some("that it ends before it is ready, and logs what it prints"),
    tool: Some(ToolKind::QemuStorageDaemon),
    on: Some((Thing::StorageDaemon, Role::Starts)),
    run: |run, call| {
        // No name begins with a digit.
        let id = if call.instance.is_empty() { "0" } else { call.instance };
        match run.test.storage_daemon(&call.texts).instance(id).qmp().start() {
            Ok(daemon) => {
                run.daemons.insert(call.instance, daemon)?;
                Ok(Done::default())
            }
            Err(error) => run.refusal(error),
        }
    },
    ..Command::BASE
};

pub(super) const QMP: Command = Command {
    name: "storage-daemon qmp",
    usage: "COMMAND [ARGUMENTS]",
    about: "sends it a QMP command; logs command and reply",
    fails: Some("an error as reply"),
    yields: true,
    on: DAEMON,
    run: |run, call| {
        let (command, arguments) = (call.text(0), call.arguments(run)?);
        log_command(run, command, &arguments);
        let reply = run.daemons.get(call.instance)?.qmp(command, arguments)?;
        Ok(log_reply(run, command, reply))
    },
    ..Command::BASE
};

pub(super) const EVENT: Command = Command {
    name: "storage-daemon event",
    usage: "NAME [ARGUMENTS]",
    about: "waits for an event of it, as `event` does",
    yields: true,
    on: DAEMON,
    run: |run, call| {
        let wanted = wanted(call.text(0), call.arguments(run)?);
        let event = run.daemons.get(call.instance)?.event_wait(wanted)?;
        run.log(event.clone(), &[Filter::qmp_event()]);
        Ok(Done::reply(event))
    },
    ..Command::BASE
};

pub(super) const STOP: Command = Command {
    name: "storage-daemon stop",
    about: "asks it to end, and waits until it has",
    on: DAEMON,
    run: |run, call| {
        run.daemons.take(call.instance)?.stop()?;
        Ok(Done::default())
    },
    ..Command::BASE
};

pub(super) const KILL: Command = Command {
    name: "storage-daemon kill",
    about: "kills it",
    on: DAEMON,
    run: |run, call| -> Result<Done> {
        run.daemons.take(call.instance)?.kill(Signal::SIGKILL)?;
        Ok(Done::default())
    },
    ..Command::BASE
};
