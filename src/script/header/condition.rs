//! What `requires:` and the guards of lines may name: the one table of requirement names, and the
//! conditions made of it.

use std::fmt;

use super::param::{self, Param};
use crate::env::{ToolKind, Version};
use crate::error::Result;
use crate::script::text::problem::{Pos, Problem};
use crate::suite::{IMAGE_FORMATS, PROTOCOLS, Requirement, missing};
use crate::test::Test;

/// A name that a requirement goes by in scripts.
#[derive(Debug)]
pub struct RequirementWord {
    /// The name, or what it begins with.
    pub name: &'static str,
    /// What follows the name.
    pub value: &'static str,
    /// What must be there.
    pub about: &'static str,
    make: Make,
}

#[derive(Debug)]
enum Make {
    Plain(fn() -> Requirement),
    Named(fn(String) -> Requirement),
    Version(fn(Version) -> Requirement),
}

const fn plain(name: &'static str, about: &'static str, make: fn() -> Requirement) -> RequirementWord {
    RequirementWord { name, value: "", about, make: Make::Plain(make) }
}

const fn named(
    name: &'static str,
    value: &'static str,
    about: &'static str,
    make: fn(String) -> Requirement,
) -> RequirementWord {
    RequirementWord { name, value, about, make: Make::Named(make) }
}

const fn version(
    name: &'static str,
    about: &'static str,
    make: fn(Version) -> Requirement,
) -> RequirementWord {
    RequirementWord { name, value: "VERSION", about, make: Make::Version(make) }
}

/// All of them, in the order of the manual.
pub const REQUIREMENTS: &[RequirementWord] = &[
    version("qemu>=", "a QEMU of this version or later", Requirement::MinVersion),
    version("qemu<", "a QEMU before this version", Requirement::BelowVersion),
    named("format=", "FORMAT", "a format that QEMU can write", Requirement::Format),
    named("read-only-format=", "FORMAT", "a format that QEMU can at least read", Requirement::ReadOnlyFormat),
    named("device=", "NAME", "a device model of QEMU", Requirement::Device),
    named("qmp-command=", "NAME", "a QMP command", Requirement::QmpCommand),
    named(
        "qapi=",
        "PATH",
        "a path in QEMU's QAPI schema, as libvirt writes them: `blockdev-add/arg-type/+qcow2/data-file` (`+` is a \
         variant), `blockdev-add/arg-type/discard/^unmap` (`^` a value), `device_add/$json-cli` (`$` a feature)",
        Requirement::Qapi,
    ),
    named("program=", "NAME", "a program on `PATH`", Requirement::Program),
    plain("qemu-nbd", "qemu-nbd, on `PATH` or named by `QEMU_NBD_PROG`", || {
        Requirement::Tool(ToolKind::QemuNbd)
    }),
    plain("qemu-storage-daemon", "the storage daemon, on `PATH` or named by `QSD_PROG`", || {
        Requirement::Tool(ToolKind::QemuStorageDaemon)
    }),
    plain("virtio-blk", "a virtio block device", || Requirement::VirtioBlk),
    plain("virtio-scsi", "a virtio SCSI controller", || Requirement::VirtioScsi),
    plain("quorum", "the quorum driver", || Requirement::Quorum),
    plain("working-luks", "a LUKS driver that can create images", || Requirement::WorkingLuks),
    plain("qcow2-zstd", "zstd compression in qcow2", || Requirement::Qcow2Zstd),
    plain("qtest", "the qtest accelerator, for the virtual clock", || Requirement::Qtest),
    plain("root", "to be run as root", || Requirement::Root),
    plain("not-root", "not to be run as root", || Requirement::NotRoot),
];

/// Block drivers that QEMU calls formats.
const DRIVERS: [&str; 43] = [
    "blkdebug",
    "blklogwrites",
    "blkreplay",
    "blkverify",
    "bochs",
    "cloop",
    "compress",
    "copy-before-write",
    "copy-on-read",
    "dmg",
    "file",
    "ftp",
    "ftps",
    "gluster",
    "host_cdrom",
    "host_device",
    "http",
    "https",
    "io_uring",
    "iscsi",
    "luks",
    "nbd",
    "nfs",
    "null-aio",
    "null-co",
    "nvme",
    "parallels",
    "preallocate",
    "qcow2",
    "qcow",
    "qed",
    "quorum",
    "raw",
    "rbd",
    "replication",
    "snapshot-access",
    "ssh",
    "throttle",
    "vdi",
    "vhdx",
    "vmdk",
    "vpc",
    "vvfat",
];

/// What must hold for a guarded line to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The format under test is this one.
    Format(&'static str),
    /// The protocol under test is this one.
    Protocol(&'static str),
    /// The parameter has this value.
    Param {
        /// Its name.
        name: String,
        /// The value.
        value: String,
    },
    /// Something is there; with the word that names it.
    Requirement(String, Requirement),
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format(name) | Self::Protocol(name) => f.write_str(name),
            Self::Param { name, value } => write!(f, "{name}={value}"),
            Self::Requirement(word, _) => f.write_str(word),
        }
    }
}

/// `[condition]` or `[!condition]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Guard {
    /// Whether the condition must not hold.
    pub negated: bool,
    /// The condition.
    pub condition: Condition,
    /// Where it begins.
    pub at: Pos,
}

impl Guard {
    /// The guard with this text between its brackets, the first of which stands at `open`.
    pub(crate) fn parse(inner: &str, open: Pos, params: &[Param]) -> Result<Self, Problem> {
        let (negated, text) = inner.strip_prefix('!').map_or((false, inner), |text| (true, text));
        let at = Pos { column: open.column + 1 + usize::from(negated), ..open };
        Ok(Self { negated, condition: Condition::parse(text, at, params)?, at: open })
    }

    /// Whether it holds for this trial.
    pub(crate) fn holds(&self, test: &Test) -> Result<bool> {
        Ok(self.condition.holds(test)? != self.negated)
    }

    /// Whether it demands that this binary is there.
    pub(crate) fn demands(&self, tool: ToolKind) -> bool {
        let wanted = Requirement::Tool(tool);
        !self.negated && matches!(&self.condition, Condition::Requirement(_, there) if *there == wanted)
    }
}

/// Formats and protocols that a guard can name: all but `generic`, which is none.
fn points() -> impl Iterator<Item = (&'static str, fn(&'static str) -> Condition)> {
    let formats = IMAGE_FORMATS.into_iter().map(|name| (name, Condition::Format as fn(_) -> _));
    let protocols = PROTOCOLS.into_iter().map(|name| (name, Condition::Protocol as fn(_) -> _));
    formats.chain(protocols).filter(|(name, _)| *name != "generic")
}

impl Condition {
    /// The condition that `text` names; `params` are the declared parameters with their values.
    pub(crate) fn parse(text: &str, at: Pos, params: &[Param]) -> Result<Self, Problem> {
        if let Some((name, make)) = points().find(|(name, _)| *name == text) {
            return Ok(make(name));
        }
        if let Some((name, value)) = text.split_once('=')
            && let Some(param) = params.iter().find(|param| param.name == name)
        {
            return if param.values.iter().any(|known| known == value) {
                Ok(Self::Param { name: name.to_owned(), value: value.to_owned() })
            } else {
                let expected = format!("{name} is one of {}", param.values.join(", "));
                let at = Pos { column: at.column + name.chars().count() + 1, ..at };
                Err(Problem::unknown(at, &format!("value of {name}"), value, &param.values, &expected))
            };
        }
        let points = points().map(|(name, _)| name.to_owned());
        let names = points.chain(params.iter().map(|param| format!("{}=VALUE", param.name)));
        match requirement(text, at, "condition", names) {
            Ok(requirement) => Ok(Self::Requirement(text.to_owned(), requirement)),
            Err(problem) => Err(problem),
        }
    }

    /// Whether it and another, which is not the same, never hold both.
    pub(crate) fn excludes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Format(_), Self::Format(_)) | (Self::Protocol(_), Self::Protocol(_)) => true,
            (Self::Param { name, .. }, Self::Param { name: other, .. }) => name == other,
            _ => false,
        }
    }

    /// Whether it holds for this trial.
    pub(crate) fn holds(&self, test: &Test) -> Result<bool> {
        match self {
            Self::Format(name) => Ok(test.imgfmt() == *name),
            Self::Protocol(name) => Ok(test.imgproto() == *name),
            Self::Param { name, value } => {
                Ok(param::chosen(test.param()).any(|(key, chosen)| key == name && chosen == value))
            }
            Self::Requirement(_, requirement) => Ok(missing(requirement, test.context().env())?.is_none()),
        }
    }
}

/// The requirement that `text` names; `more` is what else could have been written.
pub(crate) fn requirement(
    text: &str,
    at: Pos,
    what: &str,
    more: impl IntoIterator<Item = String>,
) -> Result<Requirement, Problem> {
    let width = text.chars().count();
    for word in REQUIREMENTS {
        let Some(value) = text.strip_prefix(word.name) else { continue };
        match word.make {
            Make::Plain(make) if value.is_empty() => return Ok(make()),
            Make::Plain(_) => {}
            Make::Named(_) | Make::Version(_) if value.is_empty() => {
                let message = format!("{what} {:?} lacks its {}", word.name, word.value);
                return Err(Problem::new(at, width, message));
            }
            Make::Named(make) => {
                if word.value == "FORMAT" && !DRIVERS.contains(&value) {
                    let at = Pos { column: at.column + word.name.len(), ..at };
                    let expected = format!("known are {}", DRIVERS.join(", "));
                    return Err(Problem::unknown(at, "format", value, DRIVERS, &expected));
                }
                return Ok(make(value.to_owned()));
            }
            Make::Version(make) => {
                return value.parse().map(make).map_err(|error| Problem::new(at, width, error.to_string()));
            }
        }
    }
    let forms =
        more.into_iter().chain(REQUIREMENTS.iter().map(|word| format!("{}{}", word.name, word.value)));
    let forms: Vec<String> = forms.collect();
    let stem = stem_of(text);
    let meant: Vec<&str> = forms.iter().map(String::as_str).filter(|form| stem_of(form) == stem).collect();
    if !meant.is_empty() {
        let message = format!("unknown {what} {text:?}: {stem} is written {}", meant.join(" or "));
        return Err(Problem::new(at, width, message));
    }
    let known: Vec<&str> = forms.iter().map(|form| stem_of(form)).collect();
    let expected = format!("known are {}", forms.join(", "));
    Err(Problem::unknown(at, what, stem, &known, &expected))
}

/// What a condition is about.
fn stem_of(text: &str) -> &str {
    text.find(['=', '<', '>']).map_or(text, |end| &text[..end])
}
