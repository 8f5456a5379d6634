//! From arguments to a negotiated monitor.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::VmBuilder;
use super::qtest::QtestSocket;
use crate::context::ScratchFile;
use crate::env::{Accel, ToolKind};
use crate::error::{Error, Result};
use crate::process::{Child, Cmd, Stream};
use crate::qmp::Monitor;

/// How long QEMU may take from its start to a negotiated monitor (`iotests.py: VM`, its timer).
const LAUNCH_LIMIT: Duration = Duration::from_secs(15);
/// How long a QEMU that has closed its monitor may take to end.
const LAST_WORDS_LIMIT: Duration = Duration::from_secs(5);

/// A VM that has been launched and not yet been shut down.
#[derive(Debug)]
pub(super) struct Running {
    // The monitor goes first when dropped; what closing it makes QEMU do, its death then ends.
    pub(super) monitor: Monitor,
    pub(super) qtest: Option<QtestSocket>,
    pub(super) child: Child,
    pub(super) log: ScratchFile,
    pub(super) quit_sent: bool,
}

/// Starts QEMU and waits for its monitor, watching the process as well: a bad option fails at
/// once, with QEMU's own message.
pub(super) fn launch(config: &mut VmBuilder) -> Result<Running> {
    let test = config.test.clone();
    let context = test.context();
    let accel = match config.accel {
        Some(accel) => accel,
        None => context.env().accelerator()?,
    };
    let (near, far) = pair()?;
    let mut cmd = test
        .tool_cmd(ToolKind::Qemu)?
        .args(["-display", "none", "-vga", "none", "-chardev"])
        .arg(format!("socket,id=mon,fd={}", far.as_raw_fd()))
        .args(["-mon", "chardev=mon,mode=control"])
        .inherit(far);
    let mut qtest = None;
    (cmd, qtest) = match accel {
        Accel::Qtest => {
            let (near, far) = pair()?;
            let chardev = format!("socket,id=qtest,fd={}", far.as_raw_fd());
            let cmd = cmd.args(["-chardev", &chardev, "-qtest", "chardev:qtest"]).inherit(far);
            (cmd, Some(QtestSocket::new(near)))
        }
        Accel::Tcg | Accel::Kvm => {
            let firmware = context.env().write_firmware(context.scratch().run_dir())?;
            (cmd.arg("-bios").arg(firmware), qtest)
        }
    };
    cmd = cmd.args(["-accel", accel.name()]).args(context.env().qemu_options()).args(&config.args);
    for fd in config.passed_fds.drain(..) {
        cmd = cmd.inherit(fd);
    }
    let gdb = context.env().gdb();
    if !gdb.is_empty() {
        cmd = cmd.wrapped_in(gdb);
    } else if context.env().valgrind() {
        cmd = cmd.wrapped_in(super::machine::valgrind(context.scratch()));
    }
    let log = context.scratch().artefact(&config.name);
    let mut child = spawn(cmd, &log, config)?;
    let deadline = context.limit(LAUNCH_LIMIT);
    let transcript = context.scratch().artefact(&format!("qmp-{}", config.name));
    let alive = child.pidfd().try_clone_to_owned().map_err(Error::io("duplicate a pidfd"))?;
    match Monitor::negotiate(near, "QEMU", Some(alive), Some(transcript.as_path()), deadline) {
        Ok(monitor) => Ok(Running { monitor, qtest, child, log, quit_sent: false }),
        Err(error) => Err(launch_failure(error, &mut child, &log, config)),
    }
}

fn pair() -> Result<(UnixStream, OwnedFd)> {
    let (near, far) = UnixStream::pair().map_err(Error::io("create a socket pair"))?;
    Ok((near, far.into()))
}

fn spawn(cmd: Cmd, log: &ScratchFile, config: &VmBuilder) -> Result<Child> {
    let context = config.test.context();
    let (stdout, stderr) = if context.env().print_qemu() {
        // Not stdout: that carries libtest's own lines, which other programs read.
        let own = std::io::stderr();
        let copy = || own.as_fd().try_clone_to_owned().map_err(Error::io("duplicate stderr"));
        (Stream::To(copy()?), Stream::To(copy()?))
    } else {
        let file = File::create(log.as_path()).map_err(Error::io(format!("create {log}")))?;
        let copy = file.try_clone().map_err(Error::io(format!("duplicate {log}")))?;
        (Stream::To(file.into()), Stream::To(copy.into()))
    };
    cmd.spawn(Stream::Null, stdout, stderr, context.registry())
}

/// A QEMU that ended, or is about to, is to blame rather than the silence of its monitor.
fn launch_failure(error: Error, child: &mut Child, log: &ScratchFile, config: &VmBuilder) -> Error {
    if !matches!(error, Error::Monitor { .. }) {
        let _ = child.kill();
        return with_log(error, log);
    }
    match child.wait(config.test.context().limit(LAST_WORDS_LIMIT)) {
        Ok(status) => Error::Died {
            program: "QEMU".to_owned(),
            launching: true,
            status,
            command: child.command().to_owned(),
            log: read_log(log),
        },
        Err(_) => {
            let _ = child.kill();
            with_log(error, log)
        }
    }
}

fn with_log(error: Error, log: &ScratchFile) -> Error {
    let printed = read_log(log);
    match error {
        Error::Timeout { what, after, last_seen } => {
            Error::Timeout { what, after, last_seen: format!("{last_seen}\n{printed}").trim().to_owned() }
        }
        Error::Monitor { peer, problem, transcript } => {
            Error::Monitor { peer, problem, transcript: format!("{transcript}\n{printed}").trim().to_owned() }
        }
        other => other,
    }
}

/// What QEMU has printed.
pub(super) fn read_log(log: &ScratchFile) -> String {
    std::fs::read(log.as_path()).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}
