//! Every way a case can end early, as values that carry what was tried, on what, what came back
//! and what to do about it.

use std::error::Error as StdError;
use std::fmt;
use std::panic::Location;
use std::path::PathBuf;
use std::time::Duration;

use crate::output::{Output, Status, with_line_ends};

/// What the library's own functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a case returns: nothing, or the [`Failure`] that `?` made of an [`Error`].
pub type TestResult<T = ()> = std::result::Result<T, Failure>;

/// All the ways a case, a tool or the harness can fail.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The trial cannot run here; the text is the reason (`iotests.py: notrun`, `case_skip`).
    #[error("skipped: {0}")]
    Skip(String),

    /// An assertion of the case did not hold.
    #[error("{0}")]
    Assertion(String),

    /// The case uses a function in a way that can't work, whatever QEMU does; the text says what to do instead.
    #[error("{0}")]
    Misuse(String),

    /// A tool failed: it ended with a bad exit status, or says itself that it failed.
    #[error("{}", tool_failed(.0))]
    Tool(Box<Output>),

    /// A tool ended as if it had succeeded, or failed, but showed nothing that proves it.
    #[error("no evidence that {tool} did its work: expected {expected}\ncommand: {command}{}", indented("its output", .printed))]
    NoEvidence {
        /// Short name of the tool.
        tool: String,
        /// The command line, quoted for a shell.
        command: String,
        /// What would have been the evidence.
        expected: String,
        /// What it printed.
        printed: String,
    },

    /// A program printed a line beside its work, such as a warning, that the case neither logs nor declares.
    #[error(
        "{program} printed what the case neither logs nor declares: {line}\ncommand: {command}\nwhat to do: log it, or declare a part of it as in `.ignores_stderr(\"a part of it\", \"why it may stay\")`, in a script `ignores-stderr: a part of it -- why it may stay`"
    )]
    Stderr {
        /// Short name of the program.
        program: String,
        /// The command line, quoted for a shell.
        command: String,
        /// The line.
        line: String,
    },

    /// A program printed without end and was killed.
    #[error("{program} printed more than {} MiB and was killed\ncommand: {command}{}", .limit >> 20, indented("a part of it", .printed))]
    Flood {
        /// Who printed it.
        program: String,
        /// The command line, quoted for a shell.
        command: String,
        /// How many bytes are the most.
        limit: usize,
        /// Its beginning or its end.
        printed: String,
    },

    /// A program died of a signal (`iotests.py: qemu_tool_pipe_and_status`).
    #[error("{}", crashed(.program, .output))]
    Crash {
        /// Short name of the program, such as `qemu-img`.
        program: String,
        /// What it was and what it printed.
        output: Box<Output>,
    },

    /// QEMU answered a command with an error.
    #[error(transparent)]
    Qmp(#[from] QmpError),

    /// The monitor connection broke or carried something that is not QMP.
    #[error("{peer} {problem}{}", indented("last messages", .transcript))]
    Monitor {
        /// Who was at the other end, such as `QEMU` or `qemu-storage-daemon`.
        peer: String,
        /// What went wrong.
        problem: String,
        /// Whether the other end closed it.
        closed: bool,
        /// The last lines that were exchanged.
        transcript: String,
    },

    /// A wait reached its deadline.
    #[error("timed out after {:.1} s waiting for {what}{}", .after.as_secs_f64(), indented("last seen", .last_seen))]
    Timeout {
        /// What was waited for.
        what: String,
        /// How long.
        after: Duration,
        /// What the other side had last said.
        last_seen: String,
    },

    /// QEMU or a daemon ended when it should not have.
    #[error("{program} {}: {status}\ncommand: {command}{}{}", if *.launching { "failed to start" } else { "ended unexpectedly" }, indented("its monitor", .monitor), indented("its output", .log))]
    Died {
        /// Short name of the program.
        program: String,
        /// Whether it ended before it was ready.
        launching: bool,
        /// How it ended.
        status: Status,
        /// The command line, quoted for a shell.
        command: String,
        /// What its monitor was doing and had last said, if it was in use.
        monitor: String,
        /// What it had printed, its lines ending as they did: scripts show a carriage return.
        log: String,
    },

    /// A case file has a mistake.
    #[error("{}:{line}:{column}: {message}", .path.display())]
    CaseFile {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong and what was expected.
        message: String,
    },

    /// A line of a script case failed.
    #[error("{}:{line}:{column}: {error}\n\n{script}", .path.display())]
    Script {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What went wrong.
        error: Box<Error>,
        /// The script up to this line.
        script: String,
    },

    /// An environment variable has a value that is not allowed.
    #[error("environment variable {name} is {value:?}: expected {expected}")]
    Variable {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
        /// What is allowed.
        expected: String,
    },

    /// The machine or the project lacks something; the text says what to do.
    #[error("{0}")]
    Setup(String),

    /// The operating system refused something.
    #[error("failed to {what}: {source}")]
    Io {
        /// What was tried, on what.
        what: String,
        /// What came back.
        source: std::io::Error,
    },

    /// A test of QEMU's own suite failed.
    #[error("{0}")]
    Suite(Box<SuiteFailure>),

    /// Anything else a case's `?` may bring.
    #[error(transparent)]
    Other(Box<dyn StdError + Send + Sync>),
}

/// An error reply of the monitor (`qemu.qmp: ExecuteError`).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("QMP command {command} failed: {desc} ({class})")]
pub struct QmpError {
    /// The command that was sent.
    pub command: String,
    /// QEMU's error class, nearly always `GenericError`.
    pub class: String,
    /// QEMU's own words.
    pub desc: String,
}

/// How a test of QEMU's own suite failed. It says all there is to say: where in the harness it was
/// noticed does not matter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .problem.as_deref().unwrap_or("the output differs from its reference"))]
pub struct SuiteFailure {
    /// What went wrong, unless it is the output alone.
    pub problem: Option<String>,
    /// Whether that is an error, such as a crash or a time-out, and no mere failure.
    pub is_error: bool,
    /// What it printed, where that is not what the reference says.
    pub output: Option<SuiteOutput>,
}

/// What a test of QEMU's own suite printed, and what it should have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuiteOutput {
    /// The reference.
    pub reference: PathBuf,
    /// What it says, with escapes for what is no text.
    pub expected: String,
    /// What was printed, with escapes for what is no text.
    pub actual: String,
    /// What was printed, as it is.
    pub bytes: Vec<u8>,
}

impl Error {
    /// Wraps an OS error with what was tried, such as `"open /x"`.
    pub fn io(what: impl fmt::Display) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.to_string();
        move |source| Self::Io { what, source }
    }

    /// As [`Error::io`], for errors of the `nix` crate.
    pub fn os(what: impl fmt::Display) -> impl FnOnce(nix::errno::Errno) -> Self {
        let what = what.to_string();
        move |errno| Self::Io { what, source: errno.into() }
    }

    /// A failed assertion with this message.
    pub fn assertion(message: impl Into<String>) -> Self {
        Self::Assertion(message.into())
    }

    /// A wrong use of the library: what, and what to do instead.
    pub fn misuse(message: impl Into<String>) -> Self {
        Self::Misuse(message.into())
    }

    /// The error for a tool that did not show that it had done its work.
    pub(crate) fn no_evidence(tool: &str, command: &str, expected: String, printed: &str) -> Self {
        let [tool, command, printed] = [tool, command, printed].map(str::to_owned);
        Self::NoEvidence { tool, command, expected, printed }
    }

    /// Whether both describe the same end of the same program, perhaps in other words.
    pub fn describes_same_exit(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Script { error, .. }, other) => error.describes_same_exit(other),
            (
                Self::Died { program, status, command, .. },
                Self::Died { program: its_program, status: its_status, command: its_command, .. },
            ) => (program, status, command) == (its_program, its_status, its_command),
            _ => false,
        }
    }

    /// Whether this is a failure of the case (assertion, reference), as unittest distinguishes them from
    /// errors such as a crash, a time-out or a broken environment.
    pub fn is_failure(&self) -> bool {
        match self {
            Self::Assertion(_) => true,
            Self::Script { error, .. } => error.is_failure(),
            Self::Suite(failure) => !failure.is_error,
            _ => false,
        }
    }
}

/// An [`Error`] and the line of the case that met it.
pub struct Failure {
    /// What went wrong.
    pub error: Error,
    /// Where in the case.
    pub location: &'static Location<'static>,
}

impl Failure {
    /// Notes the caller as the place where `error` was met.
    #[track_caller]
    pub fn new(error: Error) -> Self {
        Self { error, location: Location::caller() }
    }
}

// `Failure` itself must not implement `std::error::Error`, or this would overlap with the
// reflexive `From`.
impl<E: StdError + Send + Sync + 'static> From<E> for Failure {
    #[track_caller]
    fn from(error: E) -> Self {
        let boxed: Box<dyn StdError + Send + Sync> = Box::new(error);
        Self::new(match boxed.downcast::<Error>() {
            Ok(own) => *own,
            Err(other) => Error::Other(other),
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if matches!(self.error, Error::Script { .. }) {
            // It names the line of the script, which is the one to look at.
            return fmt::Display::fmt(&self.error, f);
        }
        write!(f, "{}:{}: {}", self.location.file(), self.location.line(), self.error)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a case may expect of a tool other than success.
pub trait Unchecked {
    /// The output of a tool that ran to its end with any exit status. Death by a signal stays an
    /// error.
    ///
    /// # Errors
    /// Every error but [`Error::Tool`].
    fn unchecked(self) -> Result<Output>;

    /// The output of a tool that had to fail: by a bad exit status, with a message that says why. (For a request of an
    /// `aio_` command, after which qemu-io ends with 0, the message is enough.)
    ///
    /// # Errors
    /// [`Error::Assertion`] for a success; every error but [`Error::Tool`].
    fn must_fail(self) -> Result<Output>;
}

impl Unchecked for Result<Output> {
    fn unchecked(self) -> Result<Output> {
        match self {
            Err(Error::Tool(output)) => Ok(*output),
            other => other,
        }
    }

    fn must_fail(self) -> Result<Output> {
        match self {
            Err(Error::Tool(output)) => Ok(*output),
            Ok(output) => {
                let printed = indented("its output", &output.text());
                Err(Error::Assertion(format!(
                    "command had to fail, but succeeded: {}{printed}",
                    output.command
                )))
            }
            other => other,
        }
    }
}

fn tool_failed(output: &Output) -> String {
    let own_words = if output.success() { ", but reports a failure" } else { "" };
    format!(
        "command ended with {}{own_words}: {}{}",
        output.status,
        output.command,
        indented("its output", &output.text())
    )
}

fn crashed(program: &str, output: &Output) -> String {
    format!(
        "{program} received {}: {}{}",
        output.status,
        output.command,
        indented("its output", &output.text())
    )
}

fn indented(title: &str, text: &str) -> String {
    let (text, _) = with_line_ends(text.trim_end().to_owned());
    if text.is_empty() {
        return String::new();
    }
    let mut out = format!("\n{title}:");
    for line in text.lines() {
        out.push_str("\n    ");
        out.push_str(line);
    }
    out
}
