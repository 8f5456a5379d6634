//! One monitor connection (`qemu.qmp: QMPClient`, `qemu.machine`'s event cache).

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::message::{Message, error_of};
use super::queue::Queue;
use super::transcript::Transcript;
use super::{Args, EventMatch};
use crate::error::{Error, Result};
use crate::process::{Deadline, Line, Patience, Wire};

/// A negotiated monitor. Replies are matched with their command by id; events are queued in the
/// order they came, from the first on, so that none is missed between a command and a wait.
#[derive(Debug)]
pub struct Monitor {
    wire: Wire,
    peer: String,
    transcript: Transcript,
    greeting: Value,
    events: Queue,
    next_id: u64,
    /// The command that was only sent in part: nothing can follow it.
    cut_off: Option<String>,
}

impl Monitor {
    /// Waits for the greeting and negotiates the capabilities it offers.
    ///
    /// `alive` is a pidfd of the process at the other end, watched along with the socket;
    /// `transcript` a file for everything that goes over the connection.
    ///
    /// # Errors
    /// [`Error::Monitor`] when the connection closes or carries something that is not QMP,
    /// [`Error::Timeout`] at the deadline.
    pub fn negotiate(
        stream: UnixStream,
        peer: &str,
        alive: Option<OwnedFd>,
        transcript: Option<&Path>,
        deadline: Deadline,
    ) -> Result<Self> {
        let mut monitor = Self {
            wire: Wire::new(stream, alive, "the monitor")?,
            peer: peer.to_owned(),
            transcript: Transcript::create(transcript)?,
            greeting: Value::Null,
            events: Queue::default(),
            next_id: 0,
            cut_off: None,
        };
        monitor.greeting = match monitor.receive(&mut Patience::until(deadline), "its greeting")? {
            None => return Err(monitor.timeout("the monitor's greeting", deadline)),
            Some(Message::Greeting(greeting)) => greeting,
            Some(_) => return Err(monitor.broken("spoke before its greeting")),
        };
        let offers_oob = monitor.greeting["QMP"]["capabilities"]
            .as_array()
            .is_some_and(|offered| offered.iter().any(|capability| capability == "oob"));
        let arguments = if offers_oob { json!({ "enable": ["oob"] }) } else { json!({}) };
        let reply = monitor.execute("qmp_capabilities", arguments, deadline)?;
        match error_of("qmp_capabilities", &reply) {
            Some(error) => Err(monitor.broken(&format!("refused the handshake: {error}"))),
            None => Ok(monitor),
        }
    }

    /// The greeting: version and capabilities.
    pub fn greeting(&self) -> &Value {
        &self.greeting
    }

    /// The socket, for passing descriptors alongside.
    pub fn stream(&self) -> &UnixStream {
        self.wire.stream()
    }

    /// Sends a command and returns its reply, `return` or `error`, without its id
    /// (`qemu.machine: qmp`).
    ///
    /// # Errors
    /// [`Error::Monitor`] when the connection breaks, [`Error::Timeout`] at the deadline.
    pub fn execute(
        &mut self,
        command: &str,
        arguments: impl Into<Args>,
        deadline: Deadline,
    ) -> Result<Value> {
        let arguments = arguments.into().into_object(command)?;
        let id = Value::from(self.next_id);
        self.next_id += 1;
        self.send(command, arguments, &id, deadline)?;
        let mut patience = Patience::until(deadline);
        let what = format!("the reply to {command}");
        loop {
            match self.receive(&mut patience, &what)? {
                None => return Err(self.timeout(&what, deadline)),
                Some(Message::Reply { id: Some(answered), body }) if answered == id => return Ok(body),
                // A command that could not even be parsed is refused without its id.
                Some(Message::Reply { id: None, body }) if body.get("error").is_some() => return Ok(body),
                Some(other) => self.keep(other)?,
            }
        }
    }

    fn send(
        &mut self,
        command: &str,
        arguments: Map<String, Value>,
        id: &Value,
        deadline: Deadline,
    ) -> Result<()> {
        if let Some(earlier) = &self.cut_off {
            return Err(
                self.broken(&format!("cannot be sent {command}: it took only a part of {earlier} before"))
            );
        }
        let mut message = Map::new();
        message.insert("execute".to_owned(), command.into());
        if !arguments.is_empty() {
            message.insert("arguments".to_owned(), Value::Object(arguments));
        }
        message.insert("id".to_owned(), id.clone());
        let mut line = Value::Object(message).to_string().into_bytes();
        self.transcript.sent(&line);
        line.push(b'\n');
        self.wire.write(&line, deadline).map_err(|error| match error {
            Error::Io { source, .. } => {
                self.closed(&format!("closed the monitor before {command} could be sent ({source})"))
            }
            Error::Timeout { .. } => {
                self.cut_off = Some(command.to_owned());
                self.timeout(&format!("the monitor to take {command}"), deadline)
            }
            other => other,
        })
    }

    /// Takes the oldest event that `wanted` picks, waiting for it if it has not arrived;
    /// `None` at the deadline.
    ///
    /// # Errors
    /// [`Error::Monitor`] when the connection breaks.
    pub fn next_event(
        &mut self,
        mut wanted: impl FnMut(&Value) -> bool,
        deadline: Deadline,
    ) -> Result<Option<Value>> {
        let mut patience = Patience::until(deadline);
        let mut looked_at = 0;
        loop {
            if let Some(found) = self.events.take(looked_at, &mut wanted) {
                return Ok(Some(found));
            }
            looked_at = self.events.len();
            match self.receive(&mut patience, "an event")? {
                None => return Ok(None),
                Some(message) => self.keep(message)?,
            }
        }
    }

    /// How many events have arrived and were not taken.
    pub fn queued_events(&self) -> usize {
        self.events.len()
    }

    /// Waits for an event that `wanted` picks, not counting the `from` oldest. It stays for whoever
    /// asks next; `false` at the deadline.
    ///
    /// # Errors
    /// [`Error::Monitor`] when the connection breaks.
    pub fn await_event(
        &mut self,
        mut from: usize,
        wanted: impl Fn(&Value) -> bool,
        deadline: Deadline,
    ) -> Result<bool> {
        let mut patience = Patience::until(deadline);
        while !self.events.any(from, &wanted) {
            from = self.events.len();
            match self.receive(&mut patience, "an event")? {
                None => return Ok(false),
                Some(message) => self.keep(message)?,
            }
        }
        Ok(true)
    }

    /// Takes the oldest event that fits one of `wanted` (`qemu.machine: events_wait`).
    ///
    /// # Errors
    /// [`Error::Timeout`], naming the last events seen, at the deadline.
    pub fn wait_event(&mut self, wanted: &[EventMatch], deadline: Deadline) -> Result<Value> {
        let found = self.next_event(|event| wanted.iter().any(|one| one.matches(event)), deadline)?;
        found.ok_or_else(|| {
            let names: Vec<_> = wanted.iter().map(ToString::to_string).collect();
            self.timeout(&format!("event {}", names.join(" or ")), deadline)
        })
    }

    /// Takes all events that have arrived; waits for the first until `deadline` if there is none
    /// (`qemu.machine: get_qmp_events`), oldest first.
    ///
    /// # Errors
    /// [`Error::Monitor`] when the connection breaks.
    pub fn take_events(&mut self, deadline: Deadline) -> Result<Vec<Value>> {
        if !self.await_event(0, |_| true, deadline)? {
            return Ok(Vec::new());
        }
        let mut patience = Patience::until(deadline.at_most(Duration::ZERO));
        loop {
            match self.receive(&mut patience, "an event") {
                Ok(Some(message)) => self.keep(message)?,
                // A connection that has ended is an error for the next one who asks: these came before.
                Ok(None) | Err(Error::Monitor { closed: true, .. }) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(self.events.take_all())
    }

    /// Forgets the queued events that `unwanted` picks.
    pub fn forget_events(&mut self, unwanted: impl Fn(&Value) -> bool) {
        self.events.forget(unwanted);
    }

    /// Puts events back that waits on another connection of the same peer had passed over.
    pub fn restore_events(&mut self, events: Vec<Value>) {
        self.events.restore(events);
    }

    /// Reads what the other end has sent until it closed, and takes all queued events: those that
    /// waits have passed over, and those that none has looked at.
    pub fn drain(&mut self, deadline: Deadline) -> (Vec<Value>, Vec<Value>) {
        let mut patience = Patience::until(deadline);
        while let Ok(Line::Whole(line)) = self.wire.read_line(&mut patience) {
            self.transcript.received(&line);
            if let Ok(Message::Event { event, bytes }) = Message::parse(&line)
                && !self.events.push(event, bytes)
            {
                break;
            }
        }
        (self.events.take_passed_over(), self.events.take_all())
    }

    /// The last messages, for what the caller has to say.
    pub fn last_messages(&self) -> String {
        self.transcript.tail()
    }

    /// Queues an event; other messages that nobody waits for are fine or not.
    fn keep(&mut self, message: Message) -> Result<()> {
        match message {
            Message::Event { event, bytes } => {
                if !self.events.push(event, bytes) {
                    return Err(
                        self.broken("sent more events than there is room for, and nobody asked for them")
                    );
                }
            }
            // Late answer to a command whose wait was given up.
            Message::Reply { id: Some(_), .. } => {}
            Message::Reply { id: None, .. } => return Err(self.broken("answered where nothing was asked")),
            Message::Greeting(_) => return Err(self.broken("greeted a second time")),
        }
        Ok(())
    }

    /// The next message; `None` at the end of patience. `what` is what would have come next.
    fn receive(&mut self, patience: &mut Patience, what: &str) -> Result<Option<Message>> {
        loop {
            match self.wire.read_line(patience)? {
                Line::Whole(line) if line.is_empty() => {}
                Line::Whole(line) => {
                    self.transcript.received(&line);
                    return match Message::parse(&line) {
                        Ok(message) => Ok(Some(message)),
                        Err(problem) => Err(self.broken(&format!("sent a line that is {problem}"))),
                    };
                }
                Line::Nothing => return Ok(None),
                Line::TooLong(beginning) => {
                    self.transcript.received(&beginning);
                    let most = self.wire.longest_line();
                    return Err(self.broken(&format!("sent a line of more than {most} bytes")));
                }
                Line::Closed(rest) if rest.is_empty() => {
                    return Err(self.closed(&format!("closed the monitor before {what}")));
                }
                Line::Closed(rest) => {
                    self.transcript.received(&rest);
                    return Err(
                        self.closed(&format!("closed the monitor in the middle of a message, before {what}"))
                    );
                }
            }
        }
    }

    fn broken(&self, problem: &str) -> Error {
        Error::Monitor {
            peer: self.peer.clone(),
            problem: problem.to_owned(),
            closed: false,
            transcript: self.transcript.tail(),
        }
    }

    fn closed(&self, problem: &str) -> Error {
        Error::Monitor {
            peer: self.peer.clone(),
            problem: problem.to_owned(),
            closed: true,
            transcript: self.transcript.tail(),
        }
    }

    fn timeout(&self, what: &str, deadline: Deadline) -> Error {
        Error::Timeout { what: what.to_owned(), after: deadline.elapsed(), last_seen: self.transcript.tail() }
    }
}
