//! What the servers have in common: a pid file that says they are ready, a file for what they
//! print, an end in order.

use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use super::noise::is_noise;
use crate::context::{Clock, Late, ScratchFile};
use crate::env::ToolKind;
use crate::error::{Error, Result};
use crate::process::{Child, Cmd, Output, PidFileWatch, Printed, Ready, Signal, Status, Stream};
use crate::test::Test;

/// How long a server may take to end after a signal that asks it to.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// A server of the trial. Dropping it asks it to end (SIGTERM) and waits until it has, so that it closes its images;
/// if it ends badly, or had done so before, the trial fails. After the deadline, or during a panic, it is killed.
#[derive(Debug)]
pub(super) struct Daemon {
    pub(super) child: Child,
    kind: ToolKind,
    log: Printed,
    pid_file: ScratchFile,
    late: Late,
    clock: Clock,
    /// Whether the case knows how it ended.
    end_is_known: bool,
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
            clock: context.clock(),
            end_is_known: true,
        };
        let ready = watch.wait(&mut daemon.child, context.deadline());
        match ready {
            Ok(Ready::File(text)) if text.trim() == daemon.child.pid().to_string() => {
                daemon.end_is_known = false;
                context.watch(kind.name(), daemon.child.command(), daemon.log.clone(), is_noise);
                Ok(Start::Serving(daemon))
            }
            Ok(Ready::File(text)) => Err(Error::no_evidence(
                kind.name(),
                daemon.child.command(),
                format!("its own process, {}, in its pid file, not {}", daemon.child.pid(), text.trim()),
                &daemon.printed(),
            )),
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
        Output::of(self.child.command().to_owned(), status, self.log.whole())
    }

    /// The error for an end that nobody asked for. The case gets with it what the server has printed.
    pub(super) fn died(&mut self, status: Status, monitor: String) -> Error {
        self.end_is_known = true;
        self.log.show();
        self.unexpected_end(status, monitor)
    }

    fn unexpected_end(&self, status: Status, monitor: String) -> Error {
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

impl Daemon {
    /// Asks it to end (SIGTERM) and waits until it has.
    ///
    /// # Errors
    /// [`Error::Died`] when it had ended by itself, or ends with a bad status; [`Error::Timeout`] when it does not end
    /// in time: it is killed then.
    pub(super) fn stop(self) -> Result<()> {
        if self.clock.is_no_time_to_wait() {
            return self.end_by(Signal::SIGKILL).map(drop);
        }
        match self.end_by(Signal::SIGTERM)? {
            (Status::Exited(0), _) => Ok(()),
            (_, error) => Err(error),
        }
    }

    /// Ends it by a signal, in whatever way. Returns how it ended, and the error for where that is not fine.
    ///
    /// # Errors
    /// [`Error::Died`] when it had ended by itself; [`Error::Timeout`] when it does not end in time: it is killed then.
    pub(super) fn end_by(mut self, signal: Signal) -> Result<(Status, Error)> {
        self.end_is_known = true;
        if let Some(status) = self.child.try_status()? {
            let error = self.died(status, String::new());
            return if self.child.was_killed_with_the_rest() { Ok((status, error)) } else { Err(error) };
        }
        self.child.signal(signal)?;
        let status = self.child.wait(self.clock.limit(STOP_LIMIT)).map_err(|error| match error {
            Error::Timeout { what, after, .. } => Error::Timeout {
                what: format!("{what} after {signal} (killed now)"),
                after,
                last_seen: self.printed(),
            },
            other => other,
        })?;
        let error = self.unexpected_end(status, String::new());
        Ok((status, error))
    }

    /// How a server that nobody has ended ends now, at the latest; any end with exit status 0 is fine.
    fn finish(&mut self) -> Result<()> {
        if self.child.try_status()?.is_none() && !self.clock.is_no_time_to_wait() {
            self.child.signal(Signal::SIGTERM)?;
            self.child.wait(self.clock.limit(STOP_LIMIT))?;
        }
        match self.child.try_status()? {
            Some(status) if !status.success() && !self.child.was_killed_with_the_rest() => {
                Err(self.died(status, String::new()))
            }
            _ => Ok(()),
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if !self.end_is_known
            && let Err(error) = self.finish()
        {
            self.late.report(error);
        }
        let _ = self.child.kill();
        let _ = fs::remove_file(self.pid_file());
    }
}

/// Why no server forks.
pub(super) const IN_FOREGROUND: &str =
    "a start returns once the server is ready, and the harness ends it itself";

/// Refuses options that are the harness's to choose: each with the reason.
pub(super) fn refuse(args: &[String], options: &[(&str, &str)]) -> Result<()> {
    for (option, why) in options {
        // The servers take the beginning of a long option for all of it.
        let names_it = |arg: &String| {
            let name = arg.split('=').next().unwrap_or_default();
            name.len() > "--".len() && option.starts_with(name)
        };
        if args.iter().any(names_it) {
            return Err(Error::misuse(format!("leave {option} out: {why}")));
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
                monitor: String::new(),
                log: output.raw().to_owned(),
                command: output.command,
            }),
        }
    }
}

fn create(path: &ScratchFile) -> Result<File> {
    File::options().create(true).append(true).open(path.as_path()).map_err(Error::io(format!("open {path}")))
}
