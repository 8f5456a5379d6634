//! Virtual machines: what they are started with, and their life.

use super::command::{Call, Command, Done, Role};
use super::refusal::refused;
use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::output::with_line_ends;
use crate::process::Status;
use crate::script::state::running::Running;
use crate::script::state::thing::Thing;
use crate::script::text::problem::Problem;
use crate::script::text::word::{Piece, Word};
use crate::vm::{Drive, VmBuilder};

const PREPARES: Option<(Thing, Role)> = Some((Thing::Vm, Role::Prepares));
const USES: Option<(Thing, Role)> = Some((Thing::Vm, Role::Uses));
const ENDS: Option<(Thing, Role)> = Some((Thing::Vm, Role::Ends));

/// A command that only changes what the next launch starts with.
const CONFIG: Command = Command { on: PREPARES, ..Command::BASE };

pub(super) const DRIVE: Command = Command {
    name: "vm drive",
    usage: "[FILE] [options=OPTIONS] [interface=NAME] [format=FORMAT]",
    about: "adds a `-drive` with this image, or without a medium: `drive0`, `drive1`, … in the order of these \
            lines; interface virtio, tested format, cache and AIO mode of the run",
    run: drive,
    ..CONFIG
};

pub(super) const DRIVE_RAW: Command = Command {
    name: "vm drive-raw",
    usage: "OPTIONS",
    about: "adds a `-drive` with these options alone",
    run: |state, call| configure(state, call, |vm| vm.drive_raw(call.text(0))),
    ..CONFIG
};

pub(super) const BLOCKDEV: Command = Command {
    name: "vm blockdev",
    usage: "OPTION...",
    about: "adds a `-blockdev`: options, joined by commas, or one JSON object",
    look: |args| match args.positional() {
        [_, other, ..]
            if args
                .positional()
                .iter()
                .any(|word| matches!(word.pieces.first(), Some(Piece::Json { .. }))) =>
        {
            Err(Problem::new(other.at, 1, "a JSON object is the whole -blockdev: expected nothing beside it"))
        }
        _ => Ok(()),
    },
    run: |state, call| configure(state, call, |vm| vm.blockdev(call.texts.clone())),
    ..CONFIG
};

pub(super) const DEVICE: Command = Command {
    name: "vm device",
    usage: "OPTIONS",
    about: "adds a `-device`",
    run: |state, call| configure(state, call, |vm| vm.device(call.text(0))),
    ..CONFIG
};

pub(super) const OBJECT: Command = Command {
    name: "vm object",
    usage: "OPTIONS",
    about: "adds an `-object`",
    run: |state, call| configure(state, call, |vm| vm.object(call.text(0))),
    ..CONFIG
};

pub(super) const INCOMING: Command = Command {
    name: "vm incoming",
    usage: "ADDRESS",
    about: "has it wait for a migration",
    run: |state, call| configure(state, call, |vm| vm.incoming(call.text(0))),
    ..CONFIG
};

pub(super) const ARG: Command = Command {
    name: "vm arg",
    usage: "ARG...",
    about: "adds arguments as they are, such as `-S`",
    run: |state, call| configure(state, call, |vm| vm.args(call.texts.clone())),
    ..CONFIG
};

pub(super) const LAUNCH: Command = Command {
    name: "vm launch",
    about: "launches it; it can be launched again after its end. One that still runs at the end of the script is \
            shut down",
    fails: Some("that QEMU ends before its monitor is ready, and logs what it prints"),
    on: Some((Thing::Vm, Role::Starts)),
    run: |state, call| match state.vm(call.instance).launch() {
        Ok(()) => Ok(Done::default()),
        Err(error) => refused(state, error),
    },
    ..Command::BASE
};

pub(super) const SEND_FILE: Command = Command {
    name: "vm send-file",
    usage: "FILE",
    about: "opens a file for reading and passes the descriptor, for the `add-fd` or `getfd` that follows",
    on: USES,
    run: |state, call| {
        state.vm(call.instance).send_file(call.text(0))?;
        Ok(Done::default())
    },
    ..Command::BASE
};

pub(super) const PAUSE_DRIVE: Command = Command {
    name: "vm pause-drive",
    usage: "DRIVE [EVENT]",
    about: "holds the requests of a drive at a breakpoint of its blkdebug node, reads and writes if no EVENT is named",
    on: USES,
    run: |state, call| -> Result<Done> {
        let vm = state.vm(call.instance);
        match call.texts.get(1) {
            Some(event) => vm.pause_drive_at(call.text(0), event)?,
            None => vm.pause_drive(call.text(0))?,
        }
        Ok(Done::default())
    },
    ..Command::BASE
};

pub(super) const RESUME_DRIVE: Command = Command {
    name: "vm resume-drive",
    usage: "DRIVE",
    about: "lets a held drive go on",
    on: USES,
    run: |state, call| {
        state.vm(call.instance).resume_drive(call.text(0))?;
        Ok(Done::default())
    },
    ..Command::BASE
};

pub(super) const CLOCK_STEP: Command = Command {
    name: "vm clock-step",
    usage: "[NANOSECONDS]",
    about: "steps the virtual clock, or to its next timer; needs `requires: qtest`",
    look: |args| match args.positional().first().and_then(Word::plain) {
        Some(text) if text.parse::<u64>().is_err() => {
            Err(Problem::new(args.positional()[0].at, text.len(), "expected a number of nanoseconds"))
        }
        _ => Ok(()),
    },
    on: USES,
    run: |state, call| {
        let nanoseconds = call.texts.first().map(|text| {
            text.parse().map_err(|_| Error::assertion(format!("{text:?} is no number of nanoseconds")))
        });
        state.vm(call.instance).clock_step(nanoseconds.transpose()?)?;
        Ok(Done::default())
    },
    ..Command::BASE
};

pub(super) const SHUTDOWN: Command = Command {
    name: "vm shutdown",
    about: "has it quit and waits for its end",
    fails: Some("an exit status other than 0"),
    on: ENDS,
    run: |state, call| ended(state.running_vm(call.instance)?.shutdown()),
    ..Command::BASE
};

pub(super) const WAIT: Command = Command {
    name: "vm wait",
    about: "waits until it ends by itself",
    fails: Some("an exit status other than 0"),
    on: ENDS,
    run: |state, call| ended(state.vm(call.instance).wait_exit().map(drop)),
    ..Command::BASE
};

pub(super) const KILL: Command = Command {
    name: "vm kill",
    about: "kills it",
    on: ENDS,
    run: |state, call| {
        state.running_vm(call.instance)?.kill()?;
        Ok(Done::default())
    },
    ..Command::BASE
};

pub(super) const LOG: Command = Command {
    name: "vm log",
    about: "logs what QEMU has printed since its launch, such as the output of `hmp-qemu-io`, without times",
    yields: true,
    on: USES,
    run: |state, call| {
        let raw = state.vm(call.instance).raw_log().unwrap_or_default();
        state.log(raw.as_str(), &[Filter::qtest(), Filter::qemu_io_times(), state.program_names()]);
        Ok(Done { text: Some(with_line_ends(raw).0), ..Done::default() })
    },
    ..Command::BASE
};

fn configure(
    state: &mut Running<'_>,
    call: &Call<'_>,
    change: impl FnOnce(VmBuilder) -> VmBuilder,
) -> Result<Done> {
    state.configure(call.instance, change)?;
    Ok(Done::default())
}

fn drive(state: &mut Running<'_>, call: &Call<'_>) -> Result<Done> {
    let mut drive = if call.texts.is_empty() { Drive::empty() } else { Drive::new(call.text(0)) };
    if let Some(options) = call.named("options", state)? {
        drive = drive.options(options);
    }
    if let Some(interface) = call.named("interface", state)? {
        drive = drive.interface(interface);
    }
    if let Some(format) = call.named("format", state)? {
        drive = drive.format(format);
    }
    configure(state, call, |vm| vm.drive_with(drive))
}

fn ended(result: Result<()>) -> Result<Done> {
    match result {
        Ok(()) => Ok(Done::default()),
        // One that was gone before it was asked to end may have ended with 0.
        Err(error @ Error::Died { status: Status::Exited(code), .. }) if code != 0 => {
            Ok(Done { failed: Some(error), ..Done::default() })
        }
        Err(other) => Err(other),
    }
}
