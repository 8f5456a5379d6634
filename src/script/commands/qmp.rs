//! The monitor of a virtual machine: commands and events.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::run::Run;
use super::{Call, Command, Done, Role, Thing};
use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::log::Msg;
use crate::qmp::{EventMatch, Wait, error_of};
use crate::value::ordered_qmp;
use crate::vm::{IoTarget, qemu_io_command_line};

const USES: Option<(Thing, Role)> = Some((Thing::Vm, Role::Uses));

const HMP_COMMAND: &str = "human-monitor-command";

/// How long an event is waited for.
const EVENT_LIMIT: Duration = Duration::from_secs(60);

pub(super) const QMP: Command = Command {
    name: "qmp",
    usage: "COMMAND [ARGUMENTS]",
    about: "sends a QMP command; logs command and reply",
    fails: Some("an error as reply"),
    yields: true,
    on: USES,
    run: |run, call| {
        let arguments = call.arguments(run)?;
        qmp(run, call.instance, call.text(0), arguments)
    },
    ..Command::BASE
};

pub(super) const HMP: Command = Command {
    name: "hmp",
    usage: "WORD...",
    about: "runs a command of the human monitor; logs the QMP command and its reply",
    fails: Some("an error as reply"),
    yields: true,
    on: USES,
    run: |run, call| hmp(run, call.instance, &call.texts.join(" ")),
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
    run: |run, call| {
        let wanted = wanted(call.text(0), call.arguments(run)?);
        let event = run.vm(call.instance).events_wait(&[wanted], Wait::For(EVENT_LIMIT))?;
        run.log(event.clone(), &[Filter::qmp_event()]);
        Ok(Done::reply(event))
    },
    ..Command::BASE
};

/// Sends a command to a VM; command and reply are logged.
pub(super) fn qmp(run: &mut Run<'_>, instance: &str, command: &str, arguments: Value) -> Result<Done> {
    log_command(run, command, &arguments);
    let reply = run.vm(instance).qmp(command, arguments)?;
    Ok(log_reply(run, command, reply))
}

fn hmp(run: &mut Run<'_>, instance: &str, command_line: &str) -> Result<Done> {
    let mut done = qmp(run, instance, HMP_COMMAND, json!({ "command-line": command_line }))?;
    let printed =
        done.reply.as_ref().and_then(|reply| reply["return"].as_str()).unwrap_or_default().to_owned();
    if done.failed.is_none() && (printed.starts_with("Error:") || printed.starts_with("unknown command")) {
        let message = format!("human monitor command {command_line:?} failed: {}", printed.trim_end());
        done.failed = Some(Error::assertion(message));
    }
    done.text = Some(printed);
    Ok(done)
}

fn hmp_qemu_io(run: &mut Run<'_>, call: &Call<'_>) -> Result<Done> {
    let name = call.text(0);
    let target = if call.has("qdev") { IoTarget::Device(name) } else { IoTarget::Drive(name) };
    log_command(run, HMP_COMMAND, &json!({ "command-line": qemu_io_command_line(target, call.text(1)) }));
    let io = run.vm(call.instance).try_drive_io(target, call.text(1))?;
    let failed = io.failure();
    Ok(Done { failed, text: Some(io.printed), ..log_reply(run, HMP_COMMAND, io.reply) })
}

/// Logs a command as `qmp_log` does.
pub(super) fn log_command(run: &Run<'_>, command: &str, arguments: &Value) {
    run.log(Msg::Ordered(json!({ "execute": command, "arguments": ordered_qmp(arguments, false) })), &[]);
}

/// Logs a reply as `qmp_log` does.
pub(super) fn log_reply(run: &Run<'_>, command: &str, reply: Value) -> Done {
    run.log(reply.clone(), &[]);
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
