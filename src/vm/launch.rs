//! From arguments to a negotiated monitor.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::VmBuilder;
use super::process::{Phase, Process};
use super::qtest::QtestSocket;
use crate::context::ScratchFile;
use crate::env::{Accel, ToolKind};
use crate::error::{Error, Result};
use crate::process::{Child, Cmd, Printed, Stream};
use crate::qmp::Monitor;

/// How long QEMU may take from its start to a negotiated monitor (`iotests.py: VM`, its timer).
const LAUNCH_LIMIT: Duration = Duration::from_secs(15);

/// A VM that has been launched and not yet been shut down.
#[derive(Debug)]
pub(super) struct Running {
    // The monitor goes first when dropped; what closing it makes QEMU do, its death then ends.
    pub(super) monitor: Monitor,
    pub(super) qtest: Option<QtestSocket>,
    pub(super) accel: Accel,
    pub(super) process: Process,
    pub(super) quit_sent: bool,
    /// What the case itself sent: dying of it is no crash.
    pub(super) signals_sent: BTreeSet<Signal>,
}

/// A VM that has been started, and not yet spoken to.
pub(super) struct Started {
    pub(super) process: Process,
    pub(super) accel: Accel,
    monitor: UnixStream,
    qtest: Option<UnixStream>,
}

/// Starts QEMU.
pub(super) fn start(config: &VmBuilder) -> Result<Started> {
    let test = config.test.clone();
    let context = test.context();
    let accel = match config.accel {
        Some(accel) => accel,
        None => context.env().accelerator()?,
    };
    let (near, far) = pair()?;
    let cmd = test
        .tool_cmd(ToolKind::Qemu)?
        .args(["-display", "none", "-vga", "none", "-chardev"])
        .arg(format!("socket,id=mon,fd={}", far.as_raw_fd()))
        .args(["-mon", "chardev=mon,mode=control"])
        .inherit(far);
    let (mut cmd, qtest) = match accel {
        Accel::Qtest => {
            let (near, far) = pair()?;
            let chardev = format!("socket,id=qtest,fd={}", far.as_raw_fd());
            // Its protocol would be printed among QEMU's messages, and differ from what other
            // accelerators leave in the log.
            let quiet = ["-chardev", &chardev, "-qtest", "chardev:qtest", "-qtest-log", "none"];
            (cmd.args(quiet).inherit(far), Some(near))
        }
        Accel::Tcg | Accel::Kvm => {
            let firmware = context.env().write_firmware(context.scratch().run_dir())?;
            (cmd.arg("-bios").arg(firmware), None)
        }
    };
    if let Some(machine) = context.env().machine_option()? {
        cmd = cmd.args(["-machine", machine]);
    }
    let own = context.env().qemu_options().iter().chain(&config.args);
    if own.clone().any(|arg| matches!(arg.as_str(), "-daemonize" | "--daemonize")) {
        return Err(Error::misuse("leave -daemonize out: the harness ends QEMU itself"));
    }
    cmd = cmd.args(["-accel", accel.name()]).args(own);
    for fd in &config.passed_fds {
        cmd = cmd.inherit_shared(Arc::clone(fd));
    }
    let gdb = context.env().gdb();
    if !gdb.is_empty() {
        cmd = cmd.wrapped_in(gdb);
    } else if context.env().valgrind() {
        cmd = cmd.wrapped_in(super::process::valgrind(context.scratch()));
    }
    let log = context.scratch().artefact(&config.name);
    let child = spawn(cmd, &log, config)?;
    let process = Process { child, log: Printed::to(log.as_path()), context: context.clone() };
    Ok(Started { process, accel, monitor: near, qtest })
}

impl Started {
    /// Waits for its monitor, watching the process as well: a bad option fails at once, with QEMU's
    /// own message. It has ended, where this fails.
    pub(super) fn negotiate(mut self, name: &str) -> Result<Running, Box<(Error, Process)>> {
        match connect(&self.process, self.monitor, self.qtest, name) {
            Ok((monitor, qtest)) => Ok(Running {
                monitor,
                qtest,
                accel: self.accel,
                process: self.process,
                quit_sent: false,
                signals_sent: BTreeSet::new(),
            }),
            Err(error) => Err(Box::new((self.process.explain(error, Phase::Launching), self.process))),
        }
    }
}

fn connect(
    process: &Process,
    monitor: UnixStream,
    qtest: Option<UnixStream>,
    name: &str,
) -> Result<(Monitor, Option<QtestSocket>)> {
    let alive = || process.child.pidfd().try_clone_to_owned().map_err(Error::io("duplicate a pidfd"));
    let context = &process.context;
    let transcript = context.scratch().artefact(&format!("qmp-{name}"));
    let deadline = context.limit(LAUNCH_LIMIT);
    let qtest = qtest.map(|stream| QtestSocket::new(stream, alive()?)).transpose()?;
    let monitor = Monitor::negotiate(monitor, "QEMU", Some(alive()?), Some(transcript.as_path()), deadline)?;
    Ok((monitor, qtest))
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
