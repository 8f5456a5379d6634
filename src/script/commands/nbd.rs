//! qemu-nbd and NBD servers.

use super::super::run::Run;
use super::{Command, Done, Role, Thing};
use crate::env::ToolKind;
use crate::error::{Error, Result, Unchecked};
use crate::filter::Filter;
use crate::process::Status;

pub(super) const QEMU_NBD: Command = Command {
    name: "qemu-nbd",
    usage: "ARG...",
    about: "starts qemu-nbd, which serves until the end of the trial, or runs it to its end if it serves nothing",
    fails: Some("that it ends with an exit status other than 0, and logs what it prints"),
    tool: Some(ToolKind::QemuNbd),
    run: |run, call| match run.test.qemu_nbd(&call.texts) {
        Ok(output) => Ok(Done { text: Some(output.stdout), ..Done::default() }),
        Err(Error::Tool(output)) => {
            run.log(output.stdout.as_str(), &[]);
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
    run: |run, call| {
        let output = run.test.qemu_nbd_list(&call.texts).unchecked()?;
        run.log(output.stdout.as_str(), &[Filter::nbd_exports()]);
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
    run: |run, call| match run.test.qemu_nbd_server(&call.texts) {
        Ok(server) => {
            run.servers.insert(call.instance, server)?;
            Ok(Done::default())
        }
        Err(error) => run.refusal(error),
    },
    ..Command::BASE
};

pub(super) const STOP: Command = Command {
    name: "nbd-server stop",
    about: "asks it to end, waits until it has, and logs that",
    on: Some((Thing::NbdServer, Role::Uses)),
    run: |run, call| {
        run.servers.take(call.instance)?.stop()?;
        Ok(Done::default())
    },
    ..Command::BASE
};

pub(super) const KILL: Command = Command {
    name: "nbd-server kill",
    about: "kills it, and logs that",
    on: Some((Thing::NbdServer, Role::Uses)),
    run: |run, call| {
        run.servers.take(call.instance)?.kill()?;
        Ok(Done::default())
    },
    ..Command::BASE
};

impl Run<'_> {
    /// A program that ended by itself, with a status other than 0, before it was ready: what it printed is logged.
    /// Its end by a signal, or with 0, is no refusal.
    pub(super) fn refusal(&self, error: Error) -> Result<Done> {
        match &error {
            Error::Died { launching: true, status: Status::Exited(1..), log, .. } => {
                self.log(log.as_str(), &[self.program_names()]);
                Ok(Done { failed: Some(error), ..Done::default() })
            }
            _ => Err(error),
        }
    }
}
