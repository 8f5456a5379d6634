//! The monitor of a virtual machine: commands and events.

use std::time::Duration;

use serde_json::{Value, json};

use super::command::{Call, Command, Done, Role};
use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::qmp::{EventMatch, Wait, error_of};
use crate::script::state::running::Running;
use crate::script::state::thing::Thing;
use crate::vm::IoTarget;

const USES: Option<(Thing, Role)> = Some((Thing::Vm, Role::Uses));

const HMP_COMMAND: &str = "human-monitor-command";

/// How long an event is waited for.
const EVENT_LIMIT: Duration = Duration::from_secs(60);

pub(super) const QMP: Command = Command {
    name: "qmp",
    usage: "COMMAND [ARGUMENTS]",
    about: "sends a QMP command and logs the reply",
    fails: Some("an error as reply"),
    yields: true,
    on: USES,
    run: |state, call| {
        let arguments = call.arguments(state)?;
        qmp(state, call.instance, call.text(0), arguments)
    },
    ..Command::BASE
};

pub(super) const HMP: Command = Command {
    name: "hmp",
    usage: "WORD...",
    about: "runs a command of the human monitor and logs the reply to the QMP command that carries it",
    fails: Some("an error as reply"),
    yields: true,
    on: USES,
    run: |state, call| hmp(state, call.instance, &call.texts.join(" ")),
    ..Command::BASE
};

pub(super) const HMP_QEMU_IO: Command = Command {
    name: "hmp-qemu-io",
    usage: "DRIVE COMMAND [qdev]",
    about: "runs a qemu-io command on a drive or node, or with `qdev` on a device; what it prints goes to QEMU's \
            output, see `vm log`",
    fails: Some("an error as reply, a request that fails, or data that is not the demanded pattern"),
    yields: true,
    on: USES,
    run: hmp_qemu_io,
    ..Command::BASE
};

pub(super) const EVENT: Command = Command {
    name: "event",
    usage: "NAME [ARGUMENTS]",
    about: "waits, 60 s at most, for an event whose data has these values, and logs it without its time; it may \
            have come before. `null` is any value",
    yields: true,
    on: USES,
    run: |state, call| {
        let wanted = wanted(call.text(0), call.arguments(state)?);
        let event = state.vm(call.instance).events_wait(&[wanted], Wait::For(EVENT_LIMIT))?;
        state.log(event.clone(), &[Filter::qmp_event()]);
        Ok(Done::reply(event))
    },
    ..Command::BASE
};

/// Sends a command to a VM and logs the reply. The command is in the log as the script has it.
pub(super) fn qmp(state: &mut Running<'_>, instance: &str, command: &str, arguments: Value) -> Result<Done> {
    let reply = state.vm(instance).qmp(command, arguments)?;
    Ok(log_reply(state, command, reply))
}

fn hmp(state: &mut Running<'_>, instance: &str, command_line: &str) -> Result<Done> {
    let mut done = qmp(state, instance, HMP_COMMAND, json!({ "command-line": command_line }))?;
    let printed =
        done.reply.as_ref().and_then(|reply| reply["return"].as_str()).unwrap_or_default().to_owned();
    if done.failed.is_none() && (printed.starts_with("Error:") || printed.starts_with("unknown command")) {
        let message = format!("human monitor command {command_line:?} failed: {}", printed.trim_end());
        done.failed = Some(Error::assertion(message));
    }
    done.text = Some(printed);
    Ok(done)
}

fn hmp_qemu_io(state: &mut Running<'_>, call: &Call<'_>) -> Result<Done> {
    let name = call.text(0);
    let target = if call.has("qdev") { IoTarget::Device(name) } else { IoTarget::Drive(name) };
    let io = state.vm(call.instance).try_drive_io(target, call.text(1))?;
    let failed = io.failure();
    Ok(Done { failed, text: Some(io.printed), ..log_reply(state, HMP_COMMAND, io.reply) })
}

/// Logs the reply to a command.
pub(super) fn log_reply(state: &Running<'_>, command: &str, reply: Value) -> Done {
    state.log(reply.clone(), &[]);
    Done { failed: error_of(command, &reply).map(Error::from), ..Done::reply(reply) }
}

/// What `event` waits for.
pub(super) fn wanted(name: &str, data: Value) -> EventMatch {
    let wanted = EventMatch::new(name);
    match &data {
        Value::Object(fields) if fields.is_empty() => wanted,
        _ => wanted.data(data),
    }
}
