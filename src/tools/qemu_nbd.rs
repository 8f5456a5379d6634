//! qemu-nbd: one-shot commands, and servers that end with their scope or their trial.

use super::daemon::{self, Daemon, IN_FOREGROUND, Start};
use super::run::words;
use crate::env::ToolKind;
use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::process::{Capture, Output, Signal, Status};
use crate::test::Test;

impl Test {
    /// Starts qemu-nbd and returns once it serves (`iotests.py: qemu_nbd`, `qemu_nbd_early_pipe`),
    /// or once it ended if it has nothing to serve. It goes on until the end of the trial.
    ///
    /// `iotests.py` lets it fork into the background; here it stays a child of the harness, so that
    /// nothing outlives the trial. A successful start has exit status 0 and no output, as with
    /// `--fork`. At the end of the trial it is asked to end (SIGTERM); if it does so badly, the trial fails.
    ///
    /// # Errors
    /// [`Error::Tool`] with what it printed for a bad exit status before it served;
    /// [`Error::Crash`] for death by a signal; [`Error::Misuse`] for `--fork` and `--pid-file`.
    pub fn qemu_nbd<S: AsRef<str>>(&self, args: impl IntoIterator<Item = S>) -> Result<Output> {
        let args = words(args);
        match start(self, &args, false)? {
            Start::Serving(daemon) => {
                let command = daemon.child.command().to_owned();
                self.context().own(daemon);
                Ok(Output::of(command, Status::Exited(0), String::new()))
            }
            Start::Ended(output) => match output.status {
                Status::Exited(0) => Ok(output),
                Status::Exited(_) => Err(Error::Tool(Box::new(output))),
                Status::Signalled(_) => Err(Error::Crash {
                    program: ToolKind::QemuNbd.name().to_owned(),
                    output: Box::new(output),
                }),
            },
        }
    }

    /// Lists the exports of a server.
    ///
    /// # Errors
    /// [`Error::Tool`] for a bad exit status, [`Error::Crash`] for death by a signal; [`Error::NoEvidence`] when it
    /// does not say how many exports there are.
    pub fn qemu_nbd_list<S: AsRef<str>>(&self, args: impl IntoIterator<Item = S>) -> Result<Output> {
        let mut full = vec!["-L".to_owned()];
        full.extend(words(args));
        self.run_tool(ToolKind::QemuNbd, &full, &full, Capture::Merged)
    }

    /// Lists the exports of a server and logs them (`iotests.py: qemu_nbd_list_log`, which takes any exit status). The
    /// output comes back as it was.
    ///
    /// # Errors
    /// As [`Test::qemu_nbd_list`]; the output is logged whatever the exit status.
    pub fn qemu_nbd_list_log<S: AsRef<str>>(&self, args: impl IntoIterator<Item = S>) -> Result<Output> {
        let result = self.qemu_nbd_list(args);
        self.log_output(&result, &[self.filter_testfiles(), Filter::nbd_exports()]);
        result
    }

    /// Starts an NBD server for as long as the returned value lives
    /// (`iotests.py: qemu_nbd_popen`). It serves when the call returns, any number of clients.
    /// Start and end are logged.
    ///
    /// # Errors
    /// [`Error::Died`] with what it printed when it does not get to serve.
    pub fn qemu_nbd_server<S: AsRef<str>>(&self, args: impl IntoIterator<Item = S>) -> Result<NbdServer> {
        self.log("Start NBD server");
        let daemon = start(self, &words(args), true)?.serving(ToolKind::QemuNbd)?;
        Ok(NbdServer { test: self.clone(), daemon: Some(daemon) })
    }
}

fn start(test: &Test, args: &[String], persistent: bool) -> Result<Start> {
    daemon::refuse(
        args,
        &[("--fork", IN_FOREGROUND), ("--pid-file", "the harness chooses the server's pid file")],
    )?;
    let pid_file = test.context().scratch().unique("qemu-nbd-pid");
    let cmd = test
        .tool_cmd(ToolKind::QemuNbd)?
        .args(&test.context().env().tool(ToolKind::QemuNbd)?.options)
        .args(persistent.then_some("--persistent"))
        .args(["--pid-file", &pid_file])
        .args(args);
    Daemon::start(test, ToolKind::QemuNbd, cmd, pid_file)
}

/// A running NBD server (`iotests.py: qemu_nbd_popen`). Dropping it ends it as [`stop`](Self::stop) does, and what
/// goes wrong then fails the trial.
#[derive(Debug)]
#[must_use = "dropping it ends the server"]
pub struct NbdServer {
    test: Test,
    daemon: Option<Daemon>,
}

impl NbdServer {
    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.daemon.as_ref().map_or(0, |daemon| daemon.child.pid().as_raw())
    }

    /// Asks it to end (SIGTERM), waits until it has, and logs that. So its images are closed in order, while
    /// `iotests.py` kills it.
    ///
    /// # Errors
    /// [`Error::Died`] when it had ended by itself or ends with a bad status; [`Error::Timeout`] when it does not end
    /// within 30 s, and is killed.
    pub fn stop(mut self) -> Result<()> {
        self.end()
    }

    /// Kills it, and logs that (`iotests.py: qemu_nbd_popen`, at its end). Its images are left as they are, with
    /// bitmaps still in use.
    ///
    /// # Errors
    /// [`Error::Died`] when it had ended by itself.
    pub fn kill(mut self) -> Result<()> {
        let Some(daemon) = self.daemon.take() else { return Ok(()) };
        self.test.log("Kill NBD server");
        daemon.end_by(Signal::SIGKILL).map(drop)
    }

    fn end(&mut self) -> Result<()> {
        let Some(daemon) = self.daemon.take() else { return Ok(()) };
        self.test.log("Stop NBD server");
        daemon.stop()
    }
}

impl Drop for NbdServer {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            self.test.context().report_late(error);
        }
    }
}
