//! The harness's side of a supervisor.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read as _, pipe};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::report::{MARK, Report};
use crate::error::{Error, Result};
use crate::process::Deadline;

/// How long a supervisor gets beyond its test's time: to notice a daemon's end, to kill, to report.
const SLACK: Duration = Duration::from_secs(30);

/// How long after its test's time it may take until [`run`] returns.
pub(in crate::upstream) const PATIENCE: Duration = Duration::from_secs(2 * SLACK.as_secs() + 1);

/// The program that runs here, also once its file is gone or another: cargo may build it anew meanwhile.
const THIS_PROGRAM: &str = "/proc/self/exe";

/// A test to be run.
#[derive(Debug)]
pub(in crate::upstream) struct Job {
    /// The command line.
    pub(in crate::upstream) argv: Vec<OsString>,
    /// Variables to set, or to remove, in the harness's own environment.
    pub(in crate::upstream) env: Vec<(OsString, Option<OsString>)>,
    /// The working directory.
    pub(in crate::upstream) dir: PathBuf,
    /// The file that stdout and stderr go to.
    pub(in crate::upstream) output: PathBuf,
    /// How long it may take; `None` for as long as it likes.
    pub(in crate::upstream) limit: Option<Duration>,
}

/// Runs a test to its end.
///
/// # Errors
/// When the supervisor cannot be started or does not report.
pub(in crate::upstream) fn run(job: &Job) -> Result<Report> {
    // The write end stays here and is closed by the kernel however this process ends.
    let (lifeline_read, lifeline) = pipe().map_err(Error::io("create a pipe"))?;
    let (report_read, report_write) = pipe().map_err(Error::io("create a pipe"))?;
    let mut command = Command::new(THIS_PROGRAM);
    // At least a millisecond: none at all means no limit.
    let limit = job.limit.map_or(0, |limit| limit.as_millis().max(1));
    command.arg(MARK).arg(limit.to_string()).arg(&job.output).arg(&job.dir).args(&job.argv);
    for (name, value) in &job.env {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.stdin(Stdio::from(OwnedFd::from(lifeline_read)));
    command.stdout(Stdio::from(OwnedFd::from(report_write))).stderr(Stdio::inherit());
    let mut supervisor = command.spawn().map_err(Error::io("start the supervisor of a test"))?;
    // Its ends of the pipes are ours as long as the command is.
    drop(command);
    let deadline = job.limit.map_or_else(Deadline::never, |limit| Deadline::after(limit + SLACK));
    let mut report = Pipe::new(report_read.into())?;
    let read = report.read_to_end(deadline);
    drop(lifeline);
    if let Err(error) = read {
        // Told to end by the lifeline; once more it gets time to kill what it guards.
        let _ = report.read_to_end(Deadline::after(SLACK));
        let _ = supervisor.kill();
        let _ = supervisor.wait();
        return Err(error);
    }
    let status = supervisor.wait().map_err(Error::io("reap the supervisor of a test"))?;
    serde_json::from_slice(&report.text).map_err(|error| {
        Error::Setup(format!(
            "the supervisor of a test ended with {status} and without a report that can be read: {error}\n\
             its report: {:?}",
            String::from_utf8_lossy(&report.text)
        ))
    })
}

/// A supervisor's report as it arrives.
struct Pipe {
    file: File,
    text: Vec<u8>,
}

impl Pipe {
    fn new(pipe: OwnedFd) -> Result<Self> {
        fcntl(&pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(Error::os("set a pipe non-blocking"))?;
        Ok(Self { file: pipe.into(), text: Vec::new() })
    }

    fn read_to_end(&mut self, deadline: Deadline) -> Result<()> {
        loop {
            let [readable] =
                deadline.wait_readable([self.file.as_fd()]).map_err(Error::os("wait for a test's end"))?;
            if !readable {
                return Err(Error::Timeout {
                    what: "the supervisor of a test to report".to_owned(),
                    after: deadline.elapsed(),
                    last_seen: String::new(),
                });
            }
            match self.file.read_to_end(&mut self.text) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(Error::io("read a supervisor's report")(error)),
            }
        }
    }
}
