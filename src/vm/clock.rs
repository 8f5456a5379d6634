//! Qtest commands, and the virtual clock, which they step.

use super::Vm;
use crate::env::Accel;
use crate::error::{Error, Result};

impl Vm {
    /// Sends a qtest command and returns the one line of its answer, with its end
    /// (`qemu.machine: QEMUQtestMachine.qtest`).
    ///
    /// # Errors
    /// [`Error::Skip`] when this QEMU runs without the qtest accelerator;
    /// [`Error::Timeout`] at the trial's deadline.
    pub fn qtest(&mut self, command: &str) -> Result<String> {
        let deadline = self.test().context().deadline();
        let running = self.running_mut("qtest")?;
        match (&mut running.qtest, running.accel) {
            (Some(qtest), _) => qtest.ask(command, deadline).map_err(|error| self.explain(error)),
            (None, accel) => Err(Error::Skip(format!(
                "needs the {} accelerator, this VM runs with {}",
                Accel::Qtest.name(),
                accel.name()
            ))),
        }
    }

    /// Steps the virtual clock by this many nanoseconds, or to its next timer; returns what it shows
    /// then, in nanoseconds.
    ///
    /// # Errors
    /// Those of [`Vm::qtest`]; [`Error::Assertion`] when QEMU refuses.
    pub fn clock_step(&mut self, nanoseconds: Option<u64>) -> Result<u64> {
        let command = match nanoseconds {
            Some(nanoseconds) => format!("clock_step {nanoseconds}"),
            None => "clock_step".to_owned(),
        };
        let answer = self.qtest(&command)?;
        let time = answer.trim_end().strip_prefix("OK ").and_then(|time| time.parse().ok());
        time.ok_or_else(|| Error::assertion(format!("qtest command {command} was answered: {answer}")))
    }
}
