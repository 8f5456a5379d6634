//! One monitor connection (`qemu.qmp: QMPClient`, `qemu.machine`'s event cache).

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::message::{Message, error_of};
use super::transcript::Transcript;
use super::wire::{Line, Wire};
use super::{Args, EventMatch};
use crate::error::{Error, Result};
use crate::process::Deadline;

/// A negotiated monitor. Replies are matched with their command by id; events are queued in the
/// order they came, from the first on, so that none is missed between a command and a wait.
#[derive(Debug)]
pub struct Monitor {
    wire: Wire,
    peer: String,
    transcript: Transcript,
    greeting: Value,
    events: VecDeque<Value>,
    next_id: u64,
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
            wire: Wire::new(stream, alive)?,
            peer: peer.to_owned(),
            transcript: Transcript::create(transcript)?,
            greeting: Value::Null,
            events: VecDeque::new(),
            next_id: 0,
        };
        monitor.greeting = match monitor.receive(deadline)? {
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
            Some(error) => Err(error.into()),
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
        let mut message = Map::new();
        message.insert("execute".to_owned(), command.into());
        if !arguments.is_empty() {
            message.insert("arguments".to_owned(), Value::Object(arguments));
        }
        message.insert("id".to_owned(), id.clone());
        let mut line = Value::Object(message).to_string().into_bytes();
        self.transcript.sent(&line);
        line.push(b'\n');
        if let Err(error) = self.wire.write(&line, deadline) {
            return Err(match error {
                Error::Io { source, .. } => {
                    self.broken(&format!("closed the monitor before {command} could be sent ({source})"))
                }
                other => other,
            });
        }
        loop {
            match self.receive(deadline)? {
                None => return Err(self.timeout(&format!("the reply to {command}"), deadline)),
                // A command that could not even be parsed is answered without its id.
                Some(Message::Reply { id: answered, body })
                    if answered.as_ref().is_none_or(|it| *it == id) =>
                {
                    return Ok(body);
                }
                // Late answer to a command whose wait was given up.
                Some(Message::Reply { .. }) => {}
                Some(Message::Event(event)) => self.events.push_back(event),
                Some(Message::Greeting(_)) => return Err(self.broken("greeted a second time")),
            }
        }
    }

    /// Takes the oldest event that `wanted` picks, waiting for it if it has not arrived;
    /// `None` at the deadline.
    pub fn next_event(
        &mut self,
        mut wanted: impl FnMut(&Value) -> bool,
        deadline: Deadline,
    ) -> Result<Option<Value>> {
        let mut looked_at = 0;
        loop {
            if let Some(found) = self.events.range(looked_at..).position(&mut wanted) {
                return Ok(self.events.remove(looked_at + found));
            }
            looked_at = self.events.len();
            match self.receive(deadline)? {
                None => return Ok(None),
                Some(Message::Event(event)) => self.events.push_back(event),
                Some(Message::Reply { .. }) => {}
                Some(Message::Greeting(_)) => return Err(self.broken("greeted a second time")),
            }
        }
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
    pub fn take_events(&mut self, deadline: Deadline) -> Result<Vec<Value>> {
        let now = deadline.at_most(std::time::Duration::ZERO);
        let Some(first) = self.next_event(|_| true, deadline)? else { return Ok(Vec::new()) };
        let mut events = vec![first];
        while let Some(event) = self.next_event(|_| true, now)? {
            events.push(event);
        }
        Ok(events)
    }

    /// Forgets the events that nobody asked for.
    pub fn clear_events(&mut self) {
        self.events.clear();
    }

    /// Puts events back that another connection of the same peer had queued.
    pub fn restore_events(&mut self, events: VecDeque<Value>) {
        self.events = events;
    }

    /// Reads until the other end closes, keeping the events it still sends.
    pub fn drain(&mut self, deadline: Deadline) -> VecDeque<Value> {
        while let Ok(Line::Whole(line)) = self.wire.read_line(deadline) {
            self.transcript.received(&line);
            if let Ok(Message::Event(event)) = Message::parse(&line) {
                self.events.push_back(event);
            }
        }
        std::mem::take(&mut self.events)
    }

    fn receive(&mut self, deadline: Deadline) -> Result<Option<Message>> {
        loop {
            match self.wire.read_line(deadline)? {
                Line::Whole(line) if line.is_empty() => {}
                Line::Whole(line) => {
                    self.transcript.received(&line);
                    return match Message::parse(&line) {
                        Ok(message) => Ok(Some(message)),
                        Err(problem) => Err(self.broken(&format!("sent a line that is {problem}"))),
                    };
                }
                Line::Nothing => return Ok(None),
                Line::Closed(rest) if rest.is_empty() => return Err(self.broken("closed the monitor")),
                Line::Closed(rest) => {
                    self.transcript.received(&rest);
                    return Err(self.broken("closed the monitor in the middle of a message"));
                }
            }
        }
    }

    fn broken(&self, problem: &str) -> Error {
        Error::Monitor {
            peer: self.peer.clone(),
            problem: problem.to_owned(),
            transcript: self.transcript.tail(),
        }
    }

    fn timeout(&self, what: &str, deadline: Deadline) -> Error {
        Error::Timeout { what: what.to_owned(), after: deadline.elapsed(), last_seen: self.transcript.tail() }
    }
}
