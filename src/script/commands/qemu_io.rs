//! qemu-io, run to its end or kept at its prompt.

use super::{Command, Done, Role, Thing};
use crate::error::{Error, Result, Unchecked};
use crate::filter::Filter;

/// What qemu-io prints when data is not what `read -P` demands.
const WRONG_DATA: &str = "Pattern verification failed";

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
        let wrong_data = output.stdout.contains(WRONG_DATA);
        let mut done = Done::tool(output.clone());
        // Before 10.1 the exit status says nothing of a pattern that does not match.
        if wrong_data {
            done.failed = Some(Error::Tool(Box::new(output)));
        }
        Ok(done)
    },
    ..Command::BASE
};

pub(super) const OPEN: Command = Command {
    name: "io open",
    usage: "ARG...",
    about: "starts a qemu-io that waits for commands",
    on: Some((Thing::Session, Role::Starts)),
    run: |run, call| {
        let session = run.test.qemu_io_interactive(&call.texts)?;
        run.sessions.insert(call.instance, session)?;
        Ok(Done::default())
    },
    ..Command::BASE
};

pub(super) const CMD: Command = Command {
    name: "io cmd",
    usage: "WORD...",
    about: "has it run a command and logs what it prints, without times",
    yields: true,
    on: Some((Thing::Session, Role::Uses)),
    run: |run, call| {
        let printed = run.sessions.get(call.instance)?.cmd(&call.texts.join(" "))?;
        run.log(printed.as_str(), &[Filter::qemu_io()]);
        Ok(Done { text: Some(printed), ..Done::default() })
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
