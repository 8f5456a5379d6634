//! qemu-nbd: one-shot commands, and servers that end with their scope or their trial.

use super::daemon::{self, Daemon, IN_FOREGROUND, Start};
use super::run::words;
use crate::env::ToolKind;
use crate::error::{Error, Result, Unchecked};
use crate::filter::Filter;
use crate::process::{Capture, Output, Status};
use crate::test::Test;

impl Test {
    /// Starts qemu-nbd and returns once it serves (`iotests.py: qemu_nbd`, `qemu_nbd_early_pipe`),
    /// or once it ended if it has nothing to serve. It goes on until the end of the trial.
    ///
    /// The seed lets it fork into the background; here it stays a child of the harness, so that
    /// nothing outlives the trial. A successful start has exit status 0 and no output, as with
    /// `--fork`.
    ///
    /// # Errors
    /// [`Error::Tool`] with what it printed for a bad exit status before it served;
    /// [`Error::Crash`] for death by a signal; [`Error::Assertion`] for `--fork` and `--pid-file`.
    pub fn qemu_nbd<S: AsRef<str>>(&self, args: impl IntoIterator<Item = S>) -> Result<Output> {
        let args = words(args);
        match start(self, &args, false)? {
            Start::Serving(daemon) => {
                let command = daemon.child.command().to_owned();
                self.context().own(daemon);
                Ok(Output {
                    command,
                    status: Status::Exited(0),
                    stdout: String::new(),
                    stderr: String::new(),
                    raw: None,
                })
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
    /// [`Error::Tool`] for a bad exit status, [`Error::Crash`] for death by a signal.
    pub fn qemu_nbd_list<S: AsRef<str>>(&self, args: impl IntoIterator<Item = S>) -> Result<Output> {
        let mut full = vec!["-L".to_owned()];
        full.extend(words(args));
        self.run_tool(ToolKind::QemuNbd, &full, Capture::Merged)
    }

    /// Lists the exports of a server and logs them, whatever the exit status
    /// (`iotests.py: qemu_nbd_list_log`). The output comes back as it was.
    ///
    /// # Errors
    /// [`Error::Crash`] for death by a signal.
    pub fn qemu_nbd_list_log<S: AsRef<str>>(&self, args: impl IntoIterator<Item = S>) -> Result<Output> {
        let output = self.qemu_nbd_list(args).unchecked()?;
        self.log_with(output.stdout.as_str(), &[self.filter_testfiles(), Filter::nbd_exports()]);
        Ok(output)
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

/// A running NBD server (`iotests.py: qemu_nbd_popen`); killed when dropped.
#[derive(Debug)]
#[must_use = "dropping it kills the server"]
pub struct NbdServer {
    test: Test,
    daemon: Option<Daemon>,
}

impl NbdServer {
    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.daemon.as_ref().map_or(0, |daemon| daemon.child.pid().as_raw())
    }

    /// Kills it, as dropping does.
    ///
    /// # Errors
    /// [`Error::Died`] when it had ended by itself.
    pub fn kill(mut self) -> Result<()> {
        self.end()
    }

    fn end(&mut self) -> Result<()> {
        let Some(mut daemon) = self.daemon.take() else { return Ok(()) };
        self.test.log("Kill NBD server");
        match daemon.child.try_status()? {
            None => Ok(()),
            Some(_) if daemon.child.was_killed_with_the_rest() => Ok(()),
            Some(status) => Err(daemon.died(status, String::new())),
        }
    }
}

impl Drop for NbdServer {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            self.test.context().report_late(error);
        }
    }
}
