//! One short conversation with an emulator: all questions in one process, which is killed once it
//! has answered them. It needs no guest, no machine and no particular accelerator.

use std::io::{PipeReader, Read, pipe};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use serde_json::{Value, json};

use super::MonitorOption;
use super::ask::quoted;
use crate::error::{Error, Result as OwnResult};
use crate::output::readable;
use crate::process::{Child, Cmd, Deadline, Line, Patience, Registry, Stream, Wire};

/// How long the end of a process that has closed its monitor is waited for.
const EXIT_LIMIT: Duration = Duration::from_secs(5);

/// The first of these that works is taken, and nothing of it is used.
pub(super) const ANY_ACCELERATOR: [&str; 6] = ["-accel", "tcg", "-accel", "kvm", "-accel", "qtest"];

/// A machine without anything in it.
pub(super) const NO_MACHINE: [&str; 5] = ["-nodefaults", "-display", "none", "-machine", "none"];

/// How much of what it has printed is looked at: it may go on printing, as fast as this reads.
const MOST_PRINTED: u64 = 64 << 10;

/// A question: a QMP command and its arguments.
pub(super) struct Question(pub(super) &'static str, pub(super) Value);

/// Starts `program` with these accelerators and this kind of monitor, and asks it everything; answers in the order of the
/// questions. The error is a clause that says what went wrong.
pub(super) fn interview(
    program: &Path,
    accelerators: &[&str],
    monitor: MonitorOption,
    questions: &[Question],
    deadline: Deadline,
) -> Result<Vec<Value>, String> {
    let mut talk = Conversation::start(program, accelerators, monitor).map_err(|error| error.to_string())?;
    let text = transcript(questions);
    // If QEMU is gone already, the reader below finds out why.
    let _ = talk.monitor.write(text.as_bytes(), deadline);
    let mut patience = Patience::until(deadline);
    let mut answers = vec![None; questions.len()];
    while answers.iter().any(Option::is_none) {
        let line = talk.line(&mut patience, deadline)?;
        let mut message: Value = serde_json::from_slice(&line)
            .map_err(|error| format!("it answered something that is not JSON: {error}"))?;
        let Some(index) = message["id"].as_u64().and_then(|id| usize::try_from(id).ok()) else {
            continue;
        };
        if let Some(error) = message["error"]["desc"].as_str() {
            let command = questions.get(index).map_or("qmp_capabilities", |question| question.0);
            return Err(format!("it refused the QMP command {command}: {error}"));
        }
        if let Some(slot) = answers.get_mut(index) {
            *slot = Some(message["return"].take());
        }
    }
    Ok(answers.into_iter().flatten().collect())
}

/// All that is sent; the handshake has the number after the last question's.
fn transcript(questions: &[Question]) -> String {
    let mut text = format!("{}\n", json!({"execute": "qmp_capabilities", "id": questions.len()}));
    for (id, Question(command, arguments)) in questions.iter().enumerate() {
        let message = json!({"execute": command, "arguments": arguments, "id": id});
        text.push_str(&format!("{message}\n"));
    }
    text
}

struct Conversation {
    child: Child,
    monitor: Wire,
    output: PipeReader,
}

impl Conversation {
    fn start(program: &Path, accelerators: &[&str], monitor: MonitorOption) -> OwnResult<Self> {
        let io = |what: &'static str| Error::io(what);
        let (ours, theirs) = UnixStream::pair().map_err(io("create a socket pair"))?;
        let (output, stdout) = pipe().map_err(io("create a pipe"))?;
        fcntl(&output, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(Error::os("set a pipe non-blocking"))?;
        let stderr = stdout.try_clone().map_err(io("duplicate a pipe"))?;
        let chardev = format!("socket,id=probe,fd={}", theirs.as_raw_fd());
        let child = Cmd::new(program)
            .args(NO_MACHINE)
            .args(accelerators)
            .args(["-chardev", &chardev])
            .args(monitor.arguments("probe"))
            .inherit(theirs.into())
            .spawn(Stream::Null, Stream::To(stdout.into()), Stream::To(stderr.into()), &Registry::new())?;
        let alive = child.pidfd().try_clone_to_owned().map_err(io("duplicate a pidfd"))?;
        Ok(Self { child, monitor: Wire::new(ours, Some(alive), "a monitor")?, output })
    }

    /// The next line that is not empty.
    fn line(&mut self, patience: &mut Patience, deadline: Deadline) -> Result<Vec<u8>, String> {
        loop {
            match self.monitor.read_line(patience).map_err(|error| error.to_string())? {
                Line::Whole(line) if line.is_empty() => {}
                Line::Whole(line) => return Ok(line),
                Line::TooLong(_) => return Err("it answered without an end".to_owned()),
                Line::Closed(_) => return Err(self.how_it_ended()),
                Line::Nothing => {
                    let (command, seconds) =
                        (self.child.command().to_owned(), deadline.elapsed().as_secs_f64());
                    return Err(format!(
                        "`{command}` had not answered through its monitor after {seconds:.1} s{}",
                        self.printed()
                    ));
                }
            }
        }
    }

    fn how_it_ended(&mut self) -> String {
        let command = self.child.command().to_owned();
        match self.child.wait(Deadline::after(EXIT_LIMIT)) {
            Ok(status) => format!("`{command}` ended with {status}{}", self.printed()),
            Err(_) => format!("`{command}` closed its monitor{}", self.printed()),
        }
    }

    /// What it has printed so far.
    fn printed(&mut self) -> String {
        let mut bytes = Vec::new();
        // Reading ends with "would block" if somebody still holds the other end.
        let _ = (&mut self.output).take(MOST_PRINTED).read_to_end(&mut bytes);
        quoted(&readable(&bytes))
    }
}
