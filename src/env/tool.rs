//! Where the binaries are, and what to do when one is missing.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use super::lookup::find_program;

/// A binary to test, and the options it always gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool {
    /// The program, as it was found: absolute, but with its links unresolved, for programs name
    /// themselves in messages by what they were started as.
    pub program: PathBuf,
    /// The words of its `*_OPTIONS` variable.
    pub options: Vec<String>,
}

/// The binaries that cases run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ToolKind {
    /// The system emulator.
    Qemu,
    /// The image tool.
    QemuImg,
    /// The I/O exerciser.
    QemuIo,
    /// The NBD server.
    QemuNbd,
    /// The storage daemon.
    QemuStorageDaemon,
}

impl ToolKind {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Qemu, Self::QemuImg, Self::QemuIo, Self::QemuNbd, Self::QemuStorageDaemon];

    /// Its short name, whatever its file is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Qemu => "qemu",
            Self::QemuImg => "qemu-img",
            Self::QemuIo => "qemu-io",
            Self::QemuNbd => "qemu-nbd",
            Self::QemuStorageDaemon => "qemu-storage-daemon",
        }
    }

    /// The variable that names it.
    pub const fn variable(self) -> &'static str {
        match self {
            Self::Qemu => "QEMU_PROG",
            Self::QemuImg => "QEMU_IMG_PROG",
            Self::QemuIo => "QEMU_IO_PROG",
            Self::QemuNbd => "QEMU_NBD_PROG",
            Self::QemuStorageDaemon => "QSD_PROG",
        }
    }

    /// What is looked for when the variable is unset, best first. (The seed looks for `qemu`, which
    /// no distribution has; `check` takes the emulator of the host's own architecture.)
    pub(super) fn candidates(self) -> Vec<PathBuf> {
        match self {
            Self::Qemu => vec![
                format!("qemu-system-{}", host()).into(),
                "qemu-kvm".into(),
                "/usr/libexec/qemu-kvm".into(),
            ],
            other => vec![other.name().into()],
        }
    }

    /// What to do about a missing or broken one.
    pub(super) fn advice(self) -> String {
        format!(
            "run `sh setup.sh`, or install the package {}, or set {} to a {} that works",
            self.packages(host()),
            self.variable(),
            self.name()
        )
    }

    /// The packages that it is in, those of `setup.sh`. `arch` is that of the machine, as emulators are
    /// named after.
    fn packages(self, arch: &str) -> String {
        if self != Self::Qemu {
            return "qemu-utils (Debian, Ubuntu), qemu-tools (openSUSE) or qemu-img (Fedora, Arch, Alpine)"
                .to_owned();
        }
        let family = match arch {
            "i386" | "x86_64" => "x86",
            "ppc" | "ppc64" => "ppc",
            "riscv32" | "riscv64" => "riscv",
            other => other,
        };
        let with_arm = if arch == "aarch64" { "arm" } else { family };
        format!(
            "qemu-system-{with_arm} (Debian, Ubuntu), qemu-system-{family}-core (Fedora), qemu-{with_arm} (openSUSE), \
             qemu-system-{family} (Arch) or qemu-system-{arch} (Alpine)"
        )
    }

    /// Finds it: the program that `given` names, or else the first candidate that there is. The
    /// error says where it was looked for.
    pub(super) fn locate(self, given: Option<OsString>, path: &[PathBuf]) -> Result<PathBuf, String> {
        let searched = SearchPath(path);
        let problem = match given.map(PathBuf::from) {
            Some(name) => match find_program(&name, path) {
                Some(program) => return Ok(program),
                None => format!("{} is {:?}, {}", self.variable(), name, searched.lacks(&name)),
            },
            None => {
                let candidates = self.candidates();
                if let Some(program) = candidates.iter().find_map(|name| find_program(name, path)) {
                    return Ok(program);
                }
                let names: Vec<_> = candidates.iter().map(|name| name.display().to_string()).collect();
                format!(
                    "{} is not set, and there is no {} on {searched}",
                    self.variable(),
                    names.join(" or ")
                )
            }
        };
        Err(format!("no {}: {problem}\nwhat to do: {}", self.name(), self.advice()))
    }
}

impl fmt::Display for ToolKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The architecture of this machine, as emulators are named after.
fn host() -> &'static str {
    match std::env::consts::ARCH {
        "x86" => "i386",
        "powerpc64" => "ppc64",
        "powerpc" => "ppc",
        other => other,
    }
}

/// PATH, for messages.
pub(super) struct SearchPath<'a>(pub(super) &'a [PathBuf]);

impl SearchPath<'_> {
    /// Why a program of this name was not found.
    pub(super) fn lacks(&self, name: &Path) -> String {
        if name.components().count() == 1 {
            return format!("which is not a program on {self}");
        }
        match std::fs::metadata(name) {
            Ok(file) if file.is_file() => "which may not be executed".to_owned(),
            Ok(_) => "which is not a file".to_owned(),
            Err(error) => format!("which cannot be found: {error}"),
        }
    }
}

impl fmt::Display for SearchPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("PATH, which is empty");
        }
        let dirs: Vec<_> = self.0.iter().map(|dir| dir.display().to_string()).collect();
        write!(f, "PATH ({})", dirs.join(":"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_named_as_each_distribution_has_them() {
        assert_eq!(
            ToolKind::Qemu.packages("aarch64"),
            "qemu-system-arm (Debian, Ubuntu), qemu-system-aarch64-core (Fedora), qemu-arm (openSUSE), \
             qemu-system-aarch64 (Arch) or qemu-system-aarch64 (Alpine)"
        );
        assert_eq!(
            ToolKind::Qemu.packages("x86_64"),
            "qemu-system-x86 (Debian, Ubuntu), qemu-system-x86-core (Fedora), qemu-x86 (openSUSE), \
             qemu-system-x86 (Arch) or qemu-system-x86_64 (Alpine)"
        );
    }
}
