//! The QEMU process: how it ended, and what it said.

use std::sync::Arc;
use std::time::Duration;

use crate::context::{Context, Scratch};
use crate::error::{Error, Result};
use crate::output::text_of;
use crate::process::{Child, Deadline, Printed, Status};

/// How long a QEMU that has closed its monitor may take to end.
const LAST_WORDS_LIMIT: Duration = Duration::from_secs(5);
/// What valgrind exits with when it found errors (`iotests.py: qemu_valgrind`).
const VALGRIND_ERRORS: i32 = 99;

/// A QEMU, and the file it prints to.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) child: Child,
    pub(super) log: Printed,
    pub(super) context: Arc<Context>,
}

/// What QEMU was about when its monitor broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Launching,
    Running,
    /// It was asked to quit.
    Quitting,
}

impl Process {
    /// An error of the monitor as the case shall see it: a QEMU that ended, or is about to, is to
    /// blame rather than the silence of its monitor. One that cannot be launched is killed.
    pub(super) fn explain(&mut self, mut error: Error, phase: Phase) -> Error {
        let launching = phase == Phase::Launching;
        if let Error::Monitor { closed: true, problem, transcript, .. } = &mut error
            && let Ok(status) = self.last_words()
        {
            if phase == Phase::Quitting && status.success() {
                problem.push_str(": it was asked to quit, and has");
                return error;
            }
            let monitor = if transcript.is_empty() { "" } else { problem.as_str() };
            return self.died(launching, status, format!("{monitor}\n{transcript}").trim().to_owned());
        }
        if launching { self.kill_for(error) } else { error }
    }

    /// Kills it, because of `error`, which then says so and has what QEMU printed.
    pub(super) fn kill_for(&mut self, mut error: Error) -> Error {
        if let Error::Timeout { what: why, last_seen: text, .. }
        | Error::Monitor { problem: why, transcript: text, .. } = &mut error
        {
            why.push_str(&format!(" (killed now): {}", self.child.command()));
            *text = format!("{text}\n{}", self.log.tail()).trim().to_owned();
        }
        // A failed kill changes nothing about why.
        let _ = self.child.kill();
        error
    }

    /// Waits for the end of a QEMU that no longer answers.
    pub(super) fn last_words(&mut self) -> Result<Status> {
        self.child.wait(self.context.limit(LAST_WORDS_LIMIT))
    }

    /// Waits for its end as long as it may take.
    pub(super) fn wait(&mut self, deadline: Deadline) -> Result<Status> {
        self.child.wait(deadline)
    }

    /// The error for an end that was not asked for.
    pub(super) fn died(&self, launching: bool, status: Status, monitor: String) -> Error {
        // The case gets it with the error.
        self.log.show();
        let mut log = self.log.tail();
        if let Some(findings) = self.valgrind_findings(status) {
            log = format!("{log}\n{findings}");
        }
        Error::Died {
            program: "QEMU".to_owned(),
            launching,
            status,
            command: self.child.command().to_owned(),
            monitor,
            log,
        }
    }

    /// Whether valgrind found errors.
    pub(super) fn has_valgrind_errors(&self, status: Status) -> bool {
        self.context.env().valgrind() && status == Status::Exited(VALGRIND_ERRORS)
    }

    /// valgrind's log when it found errors (`iotests.py: VM._post_shutdown`).
    fn valgrind_findings(&self, status: Status) -> Option<String> {
        let found = self.has_valgrind_errors(status).then(|| std::fs::read(self.valgrind_log()))?;
        Some(match found {
            Ok(bytes) => text_of(bytes),
            Err(error) => format!("valgrind's log {} cannot be read: {error}", self.valgrind_log().display()),
        })
    }

    /// Removes a log in which valgrind had nothing to say (`iotests.py: VM._post_shutdown`).
    pub(super) fn remove_valgrind_log(&self, status: Status) {
        if self.context.env().valgrind() && !self.has_valgrind_errors(status) {
            let _ = std::fs::remove_file(self.valgrind_log());
        }
    }

    fn valgrind_log(&self) -> std::path::PathBuf {
        self.context.scratch().dir().join(format!("{}.valgrind", self.child.pid()))
    }
}

/// The prefix that runs QEMU under valgrind (`iotests.py: qemu_valgrind`).
pub(super) fn valgrind(scratch: &Scratch) -> [String; 3] {
    let log = scratch.dir().join("%p.valgrind");
    [
        "valgrind".to_owned(),
        format!("--log-file={}", log.display()),
        format!("--error-exitcode={VALGRIND_ERRORS}"),
    ]
}
