//! Commands and events of a VM.

use std::time::Duration;

use serde_json::{Value, json};

use super::Vm;
use super::process::Phase;
use crate::error::{Error, Result};
use crate::filter::{Filter, apply_all, filter_qmp_event};
use crate::log::Msg;
use crate::process::Deadline;
use crate::qmp::{Args, EventMatch, Wait, error_of};
use crate::value::ordered_qmp;

impl Vm {
    /// Sends a command and returns its reply, `return` or `error` (`qemu.machine: qmp`).
    ///
    /// # Errors
    /// [`Error::Monitor`] or [`Error::Died`] when QEMU is not there to answer,
    /// [`Error::Timeout`] at the trial's deadline.
    pub fn qmp(&mut self, command: &str, arguments: impl Into<Args>) -> Result<Value> {
        let deadline = self.config.test.context().deadline();
        let running = self.running_mut(command)?;
        let reply = running.monitor.execute(command, arguments, deadline);
        match reply {
            Ok(reply) => {
                if command == "quit" && reply.get("return").is_some() {
                    running.quit_sent = true;
                }
                Ok(reply)
            }
            Err(error) => match self.explain(error) {
                // It may go before its answer does.
                Error::Died { status, .. } if command == "quit" && status.success() => {
                    self.running_mut(command)?.quit_sent = true;
                    Ok(json!({ "return": {} }))
                }
                // It may be asked twice.
                Error::Monitor { closed: true, .. }
                    if command == "quit" && self.running_mut(command)?.quit_sent =>
                {
                    Ok(json!({ "return": {} }))
                }
                other => Err(other),
            },
        }
    }

    /// Sends a command and returns the value of its `return` (`qemu.machine: cmd`, `command`).
    ///
    /// # Errors
    /// [`Error::Qmp`] for an error reply; those of [`Vm::qmp`].
    pub fn cmd(&mut self, command: &str, arguments: impl Into<Args>) -> Result<Value> {
        let mut reply = self.qmp(command, arguments)?;
        match error_of(command, &reply) {
            Some(error) => Err(error.into()),
            None => Ok(reply["return"].take()),
        }
    }

    /// Sends a query without arguments and returns its whole reply.
    ///
    /// # Errors
    /// Those of [`Vm::qmp`].
    pub fn query(&mut self, command: &str) -> Result<Value> {
        self.qmp(command, ())
    }

    /// Sends a command and logs it and its reply, scratch files hidden
    /// (`iotests.py: VM.qmp_log` with `filter_qmp_testfiles`).
    ///
    /// # Errors
    /// Those of [`Vm::qmp`]. An error reply is logged and returned.
    pub fn qmp_log(&mut self, command: &str, arguments: impl Into<Args>) -> Result<Value> {
        let filters = [self.config.test.filter_testfiles()];
        self.qmp_log_with(command, arguments, &filters, None)
    }

    /// Sends a command and logs it and its reply through `filters`, with `indent` blanks a level
    /// or on one line (`iotests.py: VM.qmp_log`). The reply comes back filtered, as it was logged.
    ///
    /// # Errors
    /// Those of [`Vm::qmp`]. An error reply is logged and returned.
    pub fn qmp_log_with(
        &mut self,
        command: &str,
        arguments: impl Into<Args>,
        filters: &[Filter],
        indent: Option<usize>,
    ) -> Result<Value> {
        let arguments = Value::Object(arguments.into().into_object(command)?);
        let shown = json!({ "execute": command, "arguments": ordered_qmp(&arguments, false) });
        let test = self.test();
        test.log_indented(Msg::Ordered(shown), filters, indent);
        let mut reply = Msg::Json(self.qmp(command, arguments)?);
        apply_all(filters, &mut reply);
        test.log_indented(reply.clone(), &[], indent);
        match reply {
            Msg::Json(value) | Msg::Ordered(value) => Ok(value),
            Msg::Text(text) => Ok(Value::String(text)),
        }
    }

    /// Waits for an event (`qemu.machine: event_wait`), 60 s at most. Events that are passed over
    /// stay for later waits.
    ///
    /// # Errors
    /// [`Error::Timeout`], showing what was seen last; [`Error::Died`] when QEMU ends meanwhile.
    pub fn event_wait(&mut self, wanted: impl Into<EventMatch>) -> Result<Value> {
        self.events_wait(&[wanted.into()], Wait::DEFAULT)
    }

    /// Waits for the first event that fits one of several (`qemu.machine: events_wait`). The limit
    /// is for the whole wait, whatever else arrives.
    ///
    /// # Errors
    /// As [`Vm::event_wait`].
    pub fn events_wait(&mut self, wanted: &[EventMatch], wait: Wait) -> Result<Value> {
        let deadline = self.deadline(wait);
        let found = self.running_mut("waiting for an event")?.monitor.wait_event(wanted, deadline);
        found.map_err(|error| self.explain(error))
    }

    /// Takes an event that fits one of several if it has arrived (`qemu.machine: events_wait`
    /// without a wait).
    ///
    /// # Errors
    /// [`Error::Died`] when QEMU has ended.
    pub fn try_event(&mut self, wanted: &[EventMatch]) -> Result<Option<Value>> {
        self.next_event(|event| wanted.iter().any(|one| one.matches(event)), Wait::No)
    }

    /// Waits for an event for which `wanted` holds; `None` when the wait ends without.
    ///
    /// # Errors
    /// [`Error::Died`] when QEMU ends meanwhile.
    pub fn next_event(&mut self, wanted: impl FnMut(&Value) -> bool, wait: Wait) -> Result<Option<Value>> {
        let deadline = self.deadline(wait);
        let found = self.running_mut("waiting for an event")?.monitor.next_event(wanted, deadline);
        found.map_err(|error| self.explain(error))
    }

    /// Takes the oldest event (`qemu.machine: get_qmp_event`); `None` when the wait ends without.
    ///
    /// # Errors
    /// [`Error::Died`] when QEMU ends meanwhile.
    pub fn get_qmp_event(&mut self, wait: Wait) -> Result<Option<Value>> {
        self.next_event(|_| true, wait)
    }

    /// Takes all events that have arrived, oldest first; waits for the first if there is none
    /// (`qemu.machine: get_qmp_events`).
    ///
    /// # Errors
    /// [`Error::Timeout`] when a wait with a limit ends without; [`Error::Died`] when QEMU ends.
    pub fn get_qmp_events(&mut self, wait: Wait) -> Result<Vec<Value>> {
        let deadline = self.deadline(wait);
        let events = self.running_mut("waiting for events")?.monitor.take_events(deadline);
        let events = events.map_err(|error| self.explain(error))?;
        if events.is_empty() && wait != Wait::No {
            let what = "any event of QEMU".to_owned();
            return Err(Error::Timeout { what, after: deadline.elapsed(), last_seen: self.last_messages() });
        }
        Ok(events)
    }

    /// As [`Vm::get_qmp_events`], timestamps hidden (`iotests.py: VM.get_qmp_events_filtered`).
    ///
    /// # Errors
    /// As [`Vm::get_qmp_events`].
    pub fn get_qmp_events_filtered(&mut self, wait: Wait) -> Result<Vec<Value>> {
        Ok(self.get_qmp_events(wait)?.iter().map(filter_qmp_event).collect())
    }

    /// Logs an event, its timestamp and scratch files hidden.
    pub fn log_event(&self, event: &Value) {
        let test = &self.config.test;
        test.log_with(event.clone(), &[Filter::qmp_event(), test.filter_testfiles()]);
    }

    pub(super) fn queued_events(&mut self) -> Result<usize> {
        Ok(self.running_mut("waiting for an event")?.monitor.queued_events())
    }

    /// Waits for an event that `wanted` picks, not counting the `from` oldest. It stays for later waits;
    /// `false` at the deadline.
    pub(super) fn await_event(
        &mut self,
        from: usize,
        wanted: impl Fn(&Value) -> bool,
        deadline: Deadline,
    ) -> Result<bool> {
        let monitor = &mut self.running_mut("waiting for an event")?.monitor;
        monitor.await_event(from, wanted, deadline).map_err(|error| self.explain(error))
    }

    pub(super) fn last_messages(&mut self) -> String {
        self.running_mut("asking what was said")
            .map_or_else(|_| String::new(), |it| it.monitor.last_messages())
    }

    pub(super) fn deadline(&self, wait: Wait) -> Deadline {
        let context = self.config.test.context();
        match wait {
            Wait::No => context.deadline().at_most(Duration::ZERO),
            Wait::Forever => context.deadline(),
            Wait::For(limit) => context.limit(limit),
        }
    }

    /// A monitor that broke because QEMU ended is reported as QEMU's end, with its last words.
    pub(super) fn explain(&mut self, error: Error) -> Error {
        let Ok(running) = self.running_mut("asking how QEMU ended") else { return error };
        let phase = if running.quit_sent { Phase::Quitting } else { Phase::Running };
        running.process.explain(error, phase)
    }
}
