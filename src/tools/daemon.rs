//! What the servers have in common: a pid file that says they are ready, a file for what they
//! print, an end that comes for certain.

use std::fs::{self, File};
use std::path::Path;

use crate::context::{Late, ScratchFile};
use crate::env::ToolKind;
use crate::error::{Error, Result};
use crate::process::{Child, Cmd, Output, PidFileWatch, Printed, Ready, Status, Stream};
use crate::test::Test;

/// A server of the trial. Dropping it kills it; one that had ended badly before that fails the
/// trial.
#[derive(Debug)]
pub(super) struct Daemon {
    pub(super) child: Child,
    kind: ToolKind,
    log: Printed,
    pid_file: ScratchFile,
    late: Late,
    /// Whether how it ended, if it did, is known to the case.
    pub(super) end_told: bool,
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
        let context = test.context();
        let log = context.scratch().artefact(kind.name());
        let out = create(&log)?;
        let err = out.try_clone().map_err(Error::io(format!("duplicate {log}")))?;
        let watch = PidFileWatch::new(pid_file.as_path())?;
        let child =
            cmd.spawn(Stream::Null, Stream::To(out.into()), Stream::To(err.into()), context.registry())?;
        let mut daemon = Self {
            child,
            kind,
            log: Printed::to(log.as_path()),
            pid_file: pid_file.clone(),
            late: context.late(),
            end_told: true,
        };
        let ready = watch.wait(&mut daemon.child, context.deadline());
        match ready {
            Ok(Ready::File(text)) if text.trim() == daemon.child.pid().to_string() => {
                daemon.end_told = false;
                Ok(Start::Serving(daemon))
            }
            Ok(Ready::File(text)) => Err(Error::assertion(format!(
                "the pid file of {} names process {}, but it is {}",
                daemon.child.command(),
                text.trim(),
                daemon.child.pid()
            ))),
            Ok(Ready::Ended(status)) => Ok(Start::Ended(daemon.output(status))),
            Err(Error::Timeout { what, after, .. }) => {
                Err(Error::Timeout { what, after, last_seen: daemon.printed() })
            }
            Err(other) => Err(other),
        }
    }

    /// What it has printed last.
    pub(super) fn printed(&self) -> String {
        self.log.tail()
    }

    /// Its whole run.
    fn output(&self, status: Status) -> Output {
        Output {
            command: self.child.command().to_owned(),
            status,
            stdout: self.log.whole(),
            stderr: String::new(),
            raw: None,
        }
    }

    /// The error for an end that nobody asked for.
    pub(super) fn died(&mut self, status: Status, monitor: String) -> Error {
        self.end_told = true;
        Error::Died {
            program: self.kind.name().to_owned(),
            launching: false,
            status,
            command: self.child.command().to_owned(),
            monitor,
            log: self.printed(),
        }
    }

    /// What the file by which it said that it is ready is called.
    fn pid_file(&self) -> &Path {
        self.pid_file.as_path()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if !self.end_told
            && let Ok(Some(status)) = self.child.try_status()
            && !status.success()
            && !self.child.was_killed_with_the_rest()
        {
            let error = self.died(status, String::new());
            self.late.report(error);
        }
        let _ = self.child.kill();
        let _ = fs::remove_file(self.pid_file());
    }
}

/// Why no server forks.
pub(super) const IN_FOREGROUND: &str =
    "a start returns once the server is ready, and its end is for the harness to see to";

/// Refuses options that are the harness's to choose: each with the reason.
pub(super) fn refuse(args: &[String], options: &[(&str, &str)]) -> Result<()> {
    for (option, why) in options {
        // The servers take the beginning of a long option for all of it.
        let names_it = |arg: &String| {
            let name = arg.split('=').next().unwrap_or_default();
            name.len() > "--".len() && option.starts_with(name)
        };
        if args.iter().any(names_it) {
            return Err(Error::assertion(format!("leave {option} out: {why}")));
        }
    }
    Ok(())
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
                monitor: String::new(),
                log: output.stdout,
            }),
        }
    }
}

fn create(path: &ScratchFile) -> Result<File> {
    File::options().create(true).append(true).open(path.as_path()).map_err(Error::io(format!("open {path}")))
}
