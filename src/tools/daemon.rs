//! What the servers have in common: a pid file that says they are ready, a file for what they
//! print, an end that comes for certain.

use std::fs::{self, File};
use std::path::Path;

use crate::context::ScratchFile;
use crate::env::ToolKind;
use crate::error::{Error, Result};
use crate::process::{Child, Cmd, Output, PidFileWatch, Ready, Status, Stream};
use crate::test::Test;

/// A server of the trial. Dropping it kills it.
#[derive(Debug)]
pub(super) struct Daemon {
    pub(super) child: Child,
    kind: ToolKind,
    log: ScratchFile,
    pid_file: ScratchFile,
}

/// How a server's start went.
pub(super) enum Start {
    /// It runs.
    Serving(Daemon),
    /// It ended, by itself, before it was ready.
    Ended(Output),
}

impl Daemon {
    /// Starts a server in the foreground and waits for its pid file, which `cmd` must name.
    pub(super) fn start(test: &Test, kind: ToolKind, cmd: Cmd, pid_file: ScratchFile) -> Result<Start> {
        let log = test.context().scratch().artefact(kind.name());
        let out = create(&log)?;
        let err = out.try_clone().map_err(Error::io(format!("duplicate {log}")))?;
        let watch = PidFileWatch::new(pid_file.as_path())?;
        let mut child = cmd.spawn(
            Stream::Null,
            Stream::To(out.into()),
            Stream::To(err.into()),
            test.context().registry(),
        )?;
        let ready = watch.wait(&mut child, test.context().deadline());
        let printed =
            || fs::read(&log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
        match ready {
            Ok(Ready::File(_)) => Ok(Start::Serving(Self { child, kind, log, pid_file })),
            Ok(Ready::Ended(status)) => Ok(Start::Ended(Output {
                command: child.command().to_owned(),
                status,
                stdout: printed(),
                stderr: String::new(),
            })),
            Err(Error::Timeout { what, after, .. }) => {
                Err(Error::Timeout { what, after, last_seen: printed() })
            }
            Err(other) => Err(other),
        }
    }

    /// What it has printed so far.
    pub(super) fn printed(&self) -> String {
        fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// The error for an end that nobody asked for.
    pub(super) fn died(&self, status: Status) -> Error {
        Error::Died {
            program: self.kind.name().to_owned(),
            launching: false,
            status,
            command: self.child.command().to_owned(),
            log: self.printed(),
        }
    }

    /// What the file by which it said that it is ready is called.
    pub(super) fn pid_file(&self) -> &Path {
        self.pid_file.as_path()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = fs::remove_file(self.pid_file());
    }
}

impl Start {
    /// The server, or the error of its early end.
    pub(super) fn serving(self, kind: ToolKind) -> Result<Daemon> {
        match self {
            Self::Serving(daemon) => Ok(daemon),
            Self::Ended(output) => Err(Error::Died {
                program: kind.name().to_owned(),
                launching: true,
                status: output.status,
                command: output.command,
                log: output.stdout,
            }),
        }
    }
}

fn create(path: &ScratchFile) -> Result<File> {
    File::options().create(true).append(true).open(path.as_path()).map_err(Error::io(format!("open {path}")))
}
