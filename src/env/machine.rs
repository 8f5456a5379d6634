//! Which accelerator and which machine virtual machines get.

use std::fs::OpenOptions;

use serde_json::json;

use super::interview::{Question, interview};
use super::probe::LIMIT;
use super::{Accel, TestEnv, ToolKind};
use crate::error::{Error, Result};
use crate::process::Deadline;

/// The host's door to hardware virtualisation.
const KVM: &str = "/dev/kvm";

impl TestEnv {
    /// The accelerator for virtual machines: what IOTESTS_ACCEL says, or qtest if the emulator has
    /// it, or else one that runs the halting firmware.
    ///
    /// # Errors
    /// [`Error::Variable`] if IOTESTS_ACCEL asks for one that the emulator or the host lacks,
    /// [`Error::Setup`] if there is none at all.
    pub fn accelerator(&self) -> Result<Accel> {
        let emulator = self.caps().emulator()?;
        let problem = |accel: Accel| {
            if !emulator.has_accelerator(accel) {
                return Some(format!("{} was built without it", self.qemu_name()));
            }
            let opened = (accel == Accel::Kvm).then(|| OpenOptions::new().read(true).write(true).open(KVM));
            let error = opened?.err()?;
            Some(format!("{KVM} cannot be used: {error}"))
        };
        let works = |accel: &Accel| problem(*accel).is_none();
        match self.accel() {
            Some(wanted) => match problem(wanted) {
                None => Ok(wanted),
                Some(problem) => Err(Error::Variable {
                    name: "IOTESTS_ACCEL".to_owned(),
                    value: wanted.name().to_owned(),
                    expected: format!("{}, for {problem}", self.usable(works)),
                }),
            },
            None => Accel::ALL.into_iter().find(works).ok_or_else(|| {
                Error::Setup(format!(
                    "{} has no accelerator that works here: it was built with {}, and of those kvm needs {KVM}\n\
                     what to do: {}",
                    self.qemu_name(),
                    emulator.accelerators.join(", "),
                    ToolKind::Qemu.advice()
                ))
            }),
        }
    }

    /// Has QEMU use KVM, if it is to: that the device can be opened does not mean that it works.
    ///
    /// # Errors
    /// As [`accelerator`](Self::accelerator), and [`Error::Setup`] with what QEMU says.
    pub fn try_kvm(&self) -> Result<()> {
        if self.accelerator()? != Accel::Kvm {
            return Ok(());
        }
        let deadline = Deadline::after(self.timeout_scale().scale_plain(LIMIT));
        let question = Question("query-status", json!({}));
        let answers = interview(
            &self.tool(ToolKind::Qemu)?.program,
            &["-accel", Accel::Kvm.name()],
            self.caps().emulator()?.monitor,
            &[question],
            deadline,
        );
        match answers {
            Ok(_) => Ok(()),
            Err(problem) => Err(Error::Setup(format!(
                "kvm does not work here: {problem}\nwhat to do: set IOTESTS_ACCEL to another accelerator"
            ))),
        }
    }

    /// The machine that references may be specific to (`iotests.py: qemu_default_machine`):
    /// QEMU_DEFAULT_MACHINE, or what the emulator runs when no other is asked for, by its short
    /// name. Empty if there is none.
    ///
    /// # Errors
    /// [`Error::Setup`] when the emulator has to be asked, and does not answer.
    pub fn default_machine(&self) -> Result<&str> {
        match self.given_default_machine() {
            Some(machine) => Ok(machine),
            None => Ok(self.caps().emulator()?.default_machine()),
        }
    }

    /// The machine to ask for with `-machine`, on targets where the one that would run otherwise is
    /// missing or of no use, unless QEMU_OPTIONS asks for one.
    ///
    /// # Errors
    /// As [`default_machine`](Self::default_machine).
    pub fn machine_option(&self) -> Result<Option<&'static str>> {
        if self.qemu_options().iter().any(|word| matches!(word.trim_start_matches('-'), "machine" | "M")) {
            return Ok(None);
        }
        Ok(self.caps().emulator()?.preferred_machine())
    }

    fn usable(&self, works: impl Fn(&Accel) -> bool) -> String {
        let names: Vec<_> = Accel::ALL.into_iter().filter(works).map(Accel::name).collect();
        if names.is_empty() { "it to be unset".to_owned() } else { names.join(" or ") }
    }

    fn qemu_name(&self) -> String {
        self.tool(ToolKind::Qemu)
            .map_or_else(|_| "the emulator".to_owned(), |tool| tool.program.display().to_string())
    }
}
