//! What a system emulator says of itself.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::interview::Question;
use super::{Accel, MonitorOption, Version};

/// A system emulator, as it describes itself through its monitor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Emulator {
    /// Its version.
    pub version: Version,
    /// The distribution's own version, if it has one.
    pub package: String,
    /// The architecture of its guests, such as `x86_64`.
    pub target: String,
    /// The accelerators built into it, by the names `-accel` takes.
    pub accelerators: Vec<String>,
    /// Its machines.
    pub machines: Vec<Machine>,
    /// Its device types, sorted.
    pub devices: Vec<String>,
    /// Its monitor commands, sorted.
    pub commands: Vec<String>,
    /// How it is given a QMP monitor.
    pub(crate) monitor: MonitorOption,
}

/// A machine type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Its full name, such as `pc-i440fx-10.0`.
    pub name: String,
    /// Its short name, such as `pc`.
    pub alias: Option<String>,
    /// Whether it is the one that runs when none is asked for.
    pub is_default: bool,
}

impl Emulator {
    /// The questions that [`from_answers`](Self::from_answers) wants answered.
    pub(super) fn questions() -> [Question; 6] {
        [
            Question("query-version", json!({})),
            Question("query-target", json!({})),
            Question("qom-list-types", json!({"implements": "accel"})),
            Question("query-machines", json!({})),
            Question("qom-list-types", json!({"implements": "device", "abstract": false})),
            Question("query-commands", json!({})),
        ]
    }

    /// Reads the answers; `None` if they are not what QEMU would say.
    pub(super) fn from_answers(answers: Vec<Value>, monitor: MonitorOption) -> Option<Self> {
        let [version, target, accelerators, machines, devices, commands] = answers.try_into().ok()?;
        let number = |name: &str| u32::try_from(version["qemu"][name].as_u64()?).ok();
        let names = |list: &Value| -> Option<Vec<String>> {
            let entries = list.as_array()?.iter();
            let mut names =
                entries.map(|entry| Some(entry["name"].as_str()?.to_owned())).collect::<Option<Vec<_>>>()?;
            names.sort_unstable();
            Some(names)
        };
        Some(Self {
            version: Version::new(number("major")?, number("minor")?, number("micro")?),
            package: version["package"].as_str().unwrap_or_default().to_owned(),
            target: target["arch"].as_str()?.to_owned(),
            accelerators: names(&accelerators)?
                .iter()
                .filter_map(|name| Some(name.strip_suffix("-accel")?.to_owned()))
                .collect(),
            machines: machines.as_array()?.iter().map(Machine::from_answer).collect::<Option<_>>()?,
            devices: names(&devices)?,
            commands: names(&commands)?,
            monitor,
        })
    }

    /// Whether it was built with this accelerator. (Whether the host supports it is another
    /// matter.)
    pub fn has_accelerator(&self, accel: Accel) -> bool {
        self.accelerators.iter().any(|name| name == accel.name())
    }

    /// Whether it has a device type of exactly this name.
    pub fn has_device(&self, name: &str) -> bool {
        self.devices.binary_search_by(|device| device.as_str().cmp(name)).is_ok()
    }

    /// Whether its monitor has this command.
    pub fn has_command(&self, name: &str) -> bool {
        self.commands.binary_search_by(|command| command.as_str().cmp(name)).is_ok()
    }

    /// The machine that runs when none is asked for, by its short name if it has one; empty if
    /// there is none.
    pub fn default_machine(&self) -> &str {
        let default = self.machines.iter().find(|machine| machine.is_default);
        default.map_or("", |machine| machine.alias.as_deref().unwrap_or(&machine.name))
    }

    /// The machine that `check` asks for on targets whose default is missing or of no use.
    pub(super) fn preferred_machine(&self) -> Option<&'static str> {
        match self.target.as_str() {
            "arm" | "aarch64" | "m68k" | "riscv32" | "riscv64" | "or1k" => Some("virt"),
            "avr" => Some("mega2560"),
            "rx" => Some("gdbsim-r5f562n8"),
            "sh4" | "sh4eb" => Some("r2d"),
            "tricore" => Some("tricore_testboard"),
            _ => None,
        }
    }
}

impl Machine {
    fn from_answer(answer: &Value) -> Option<Self> {
        Some(Self {
            name: answer["name"].as_str()?.to_owned(),
            alias: answer["alias"].as_str().map(str::to_owned),
            is_default: answer["is-default"].as_bool().unwrap_or(false),
        })
    }
}
