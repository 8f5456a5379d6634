//! qemu-nbd and NBD servers.

use super::command::{Command, Done, Role};
use super::refusal::refused;
use crate::env::ToolKind;
use crate::error::{Error, Unchecked};
use crate::filter::Filter;
use crate::script::state::thing::Thing;

pub(super) const QEMU_NBD: Command = Command {
    name: "qemu-nbd",
    usage: "ARG...",
    about: "starts qemu-nbd, which serves until the end of the trial, or runs it to its end if it serves nothing",
    fails: Some("that it ends with an exit status other than 0, and logs what it prints"),
    tool: Some(ToolKind::QemuNbd),
    run: |state, call| match state.test.qemu_nbd(&call.texts) {
        Ok(output) => Ok(Done { text: Some(output.stdout), ..Done::default() }),
        Err(Error::Tool(output)) => {
            state.log_output(&output, &[]);
            Ok(Done::tool(*output))
        }
        Err(other) => Err(other),
    },
    ..Command::BASE
};

pub(super) const LIST: Command = Command {
    name: "nbd-list",
    usage: "ARG...",
    about: "logs the exports of an NBD server, without block sizes",
    fails: Some("an exit status other than 0"),
    yields: true,
    tool: Some(ToolKind::QemuNbd),
    run: |state, call| {
        let output = state.test.qemu_nbd_list(&call.texts).unchecked()?;
        state.log_output(&output, &[Filter::nbd_exports()]);
        Ok(Done::tool(output))
    },
    ..Command::BASE
};

pub(super) const START: Command = Command {
    name: "nbd-server start",
    usage: "ARG...",
    about: "starts a qemu-nbd that serves any number of clients, and logs that",
    fails: Some("that it ends before it serves, and logs what it prints"),
    tool: Some(ToolKind::QemuNbd),
    on: Some((Thing::NbdServer, Role::Starts)),
    run: |state, call| match state.test.qemu_nbd_server(&call.texts) {
        Ok(server) => {
            state.servers.insert(call.instance, server)?;
            Ok(Done::default())
        }
        Err(error) => refused(state, error),
    },
    ..Command::BASE
};

pub(super) const STOP: Command = Command {
    name: "nbd-server stop",
    about: "asks it to end, waits until it has, and logs that",
    on: Some((Thing::NbdServer, Role::Ends)),
    run: |state, call| {
        state.servers.take(call.instance)?.stop()?;
        Ok(Done::default())
    },
    ..Command::BASE
};

pub(super) const KILL: Command = Command {
    name: "nbd-server kill",
    about: "kills it, and logs that",
    on: Some((Thing::NbdServer, Role::Ends)),
    run: |state, call| {
        state.servers.take(call.instance)?.kill()?;
        Ok(Done::default())
    },
    ..Command::BASE
};
