//! The tools, the lies, and which lie makes sense of which tool. Knows nothing of how either is done.

use std::fmt;

use iotests::env::ToolKind;

/// How a tool lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lie {
    /// It ends with 0 where it should end with something else.
    ExitZero,
    /// It ends with 1 where it should end with 0.
    ExitOne,
    /// It does nothing, prints nothing, and ends with 0.
    NoWork,
    /// A server that says it is ready, and serves nothing.
    NoService,
    /// It is asked for its version, so that it prints that and does nothing: no stand-in, but a variable of the user's.
    VersionOnly,
    /// The last line that it prints is missing.
    LastLine,
    /// One digit of what it prints is another.
    Digit,
    /// What it wrote is damaged afterwards.
    Damage,
    /// It does all its work and dies of SIGABRT at its end.
    CrashAfter,
    /// An error reply of the monitor says that all is well.
    ErrorAsSuccess,
}

/// How many of the trials that meet a lie must notice it, those excused by name left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Demand {
    /// Every one.
    All,
    /// So many of a hundred.
    Percent(usize),
    /// As many as the table holds.
    AsBefore,
}

impl Lie {
    /// In the table's order.
    pub(crate) const ALL: [Self; 10] = [
        Self::ExitZero,
        Self::ExitOne,
        Self::NoWork,
        Self::NoService,
        Self::VersionOnly,
        Self::LastLine,
        Self::Digit,
        Self::Damage,
        Self::CrashAfter,
        Self::ErrorAsSuccess,
    ];

    /// Its name in the table.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::ExitZero => "exit-0",
            Self::ExitOne => "exit-1",
            Self::NoWork => "no-work",
            Self::NoService => "no-service",
            Self::VersionOnly => "version-only",
            Self::LastLine => "last-line",
            Self::Digit => "digit",
            Self::Damage => "damage",
            Self::CrashAfter => "crash-after",
            Self::ErrorAsSuccess => "error-as-success",
        }
    }

    /// What it is, for those who read the table.
    pub(crate) const fn meaning(self) -> &'static str {
        match self {
            Self::ExitZero => "ends with 0 where it should end with another status",
            Self::ExitOne => "ends with 1 where it should end with 0",
            Self::NoWork => "does nothing, prints nothing, ends with 0",
            Self::NoService => "writes its pid file and serves nothing",
            Self::VersionOnly => {
                "gets `-V` as its first option, so that it prints its version and does nothing"
            }
            Self::LastLine => "does not print its last line",
            Self::Digit => {
                "prints another digit: the last one of the first number that is not part of a name or a path; \
                 not where qemu-img create repeats defaults"
            }
            Self::Damage => {
                "damages what it has written: qemu-io, and QEMU as qemu-io of the human monitor, the beginning of the last \
                 write, qemu-img the beginning of the data in the target of convert, dd, rebase or commit"
            }
            Self::CrashAfter => "does all its work and dies of SIGABRT at its end",
            Self::ErrorAsSuccess => {
                "replies `{\"return\": {}}` instead of an error, and nothing to an HMP command that failed"
            }
        }
    }

    /// What is demanded of the trials that meet it.
    pub(crate) const fn demand(self) -> Demand {
        match self {
            Self::Damage => Demand::Percent(95),
            Self::LastLine | Self::Digit => Demand::AsBefore,
            _ => Demand::All,
        }
    }

    /// Why it makes no sense of a tool, if it does not.
    pub(crate) const fn senseless(self, tool: ToolKind) -> Option<&'static str> {
        use ToolKind::{Qemu, QemuImg, QemuIo, QemuNbd, QemuStorageDaemon};
        match (self, tool) {
            (Self::NoService, QemuImg | QemuIo) => Some("serves nothing"),
            (Self::NoService, Qemu) => {
                Some("has no pid file: its monitor says that it is ready, see no-work")
            }
            (Self::VersionOnly, Qemu | QemuStorageDaemon) => {
                Some("no variable brings such an option before all others")
            }
            (Self::LastLine | Self::Digit, Qemu | QemuStorageDaemon) => {
                Some("what it has to say, it says over its monitor")
            }
            (Self::Damage, QemuNbd | QemuStorageDaemon) => {
                Some("what it writes, its clients ask for: see qemu-io")
            }
            (Self::ErrorAsSuccess, QemuImg | QemuIo | QemuNbd) => Some("has no monitor"),
            _ => None,
        }
    }

    /// The lie of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lie| lie.name() == name)
    }
}

impl fmt::Display for Lie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The tool of this name.
pub(crate) fn tool_named(name: &str) -> Option<ToolKind> {
    ToolKind::ALL.into_iter().find(|tool| tool.name() == name)
}
