//! The typed values that variables turn into.

use std::fmt;
use std::time::Duration;

/// What runs a virtual machine's processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Accel {
    /// Nothing does, and the virtual clock stands still until it is stepped.
    Qtest,
    /// Emulation.
    Tcg,
    /// The host's own processor.
    Kvm,
}

impl Accel {
    pub(super) const ALL: [Self; 3] = [Self::Qtest, Self::Tcg, Self::Kvm];

    /// As `-accel` takes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Qtest => "qtest",
            Self::Tcg => "tcg",
            Self::Kvm => "kvm",
        }
    }

    /// The accelerator of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|accel| accel.name() == name)
    }
}

impl fmt::Display for Accel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How much valgrind slows QEMU down, about.
const VALGRIND_FACTOR: f64 = 10.0;

/// What all time limits are multiplied by; under gdb there are none
/// (`iotests.py: Timeout`, which has none under valgrind either).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TimeoutScale {
    factor: f64,
    valgrind: bool,
    gdb: bool,
}

impl TimeoutScale {
    pub(super) fn new(factor: f64, valgrind: bool, gdb: bool) -> Self {
        Self { factor, valgrind, gdb }
    }

    /// The limit to apply instead of `limit`; `None` when there is to be none.
    pub fn scale(&self, limit: Duration) -> Option<Duration> {
        let slower = if self.valgrind { VALGRIND_FACTOR } else { 1.0 };
        (!self.gdb).then(|| multiply(limit, self.factor * slower))
    }

    /// As [`scale`](Self::scale), for programs that never run under gdb or valgrind.
    pub fn scale_plain(&self, limit: Duration) -> Duration {
        multiply(limit, self.factor)
    }
}

fn multiply(limit: Duration, factor: f64) -> Duration {
    Duration::try_from_secs_f64(limit.as_secs_f64() * factor).unwrap_or(Duration::MAX)
}

/// Which groups of cases to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupFilter {
    /// A case must be in one of these, if there are any.
    pub include: Vec<String>,
    /// A case must be in none of these.
    pub exclude: Vec<String>,
}

impl GroupFilter {
    /// Reads `quick,!slow`; `None` if a name is missing or has a character that group names cannot
    /// have.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut filter = Self::default();
        for word in text.split(',').map(str::trim) {
            let (name, list) = match word.strip_prefix('!') {
                Some(name) => (name, &mut filter.exclude),
                None => (word, &mut filter.include),
            };
            if !is_name(name) {
                return None;
            }
            list.push(name.to_owned());
        }
        Some(filter)
    }

    /// Whether a case of these groups is to run.
    pub fn selects<S: AsRef<str>>(&self, groups: &[S]) -> bool {
        let among =
            |names: &[String]| groups.iter().any(|group| names.iter().any(|name| name == group.as_ref()));
        (self.include.is_empty() || among(&self.include)) && !among(&self.exclude)
    }
}

/// How long each trial of the oracle searches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OracleSeeds {
    /// So many sequences.
    Count(u64),
    /// So long.
    For(Duration),
}

/// How long one sequence may take when many are asked for; far longer than it does.
const SEED_LIMIT: Duration = Duration::from_secs(10);

impl OracleSeeds {
    /// How much longer a trial may take for it.
    pub fn at_most(self) -> Duration {
        match self {
            Self::Count(count) => SEED_LIMIT.saturating_mul(count.try_into().unwrap_or(u32::MAX)),
            Self::For(time) => time,
        }
    }

    /// Reads `200`, `90s`, `30m` or `1h`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (digits, seconds) = match text.char_indices().next_back()? {
            (at, 's') => (&text[..at], Some(1)),
            (at, 'm') => (&text[..at], Some(60)),
            (at, 'h') => (&text[..at], Some(3600)),
            _ => (text, None),
        };
        let number: u64 = digits.parse().ok().filter(|number| *number > 0)?;
        Some(match seconds {
            None => Self::Count(number),
            Some(seconds) => Self::For(Duration::from_secs(number.checked_mul(seconds)?)),
        })
    }
}

/// What to print instead of running anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Listing {
    /// The groups, each with its cases.
    Groups,
    /// The environment of a test of QEMU's own suite, as shell commands.
    Environment,
}

impl Listing {
    pub(super) fn from_name(name: &str) -> Option<Self> {
        match name {
            "groups" => Some(Self::Groups),
            "environment" => Some(Self::Environment),
            _ => None,
        }
    }
}

/// Image formats, as declarations name them.
pub const IMAGE_FORMATS: [&str; 15] = [
    "raw",
    "qcow2",
    "qcow",
    "qed",
    "vdi",
    "vhdx",
    "vmdk",
    "vpc",
    "parallels",
    "luks",
    "bochs",
    "cloop",
    "dmg",
    "vvfat",
    "generic",
];

/// Protocols, as declarations name them.
pub const PROTOCOLS: [&str; 7] = ["file", "nbd", "ssh", "nfs", "rbd", "fuse", "generic"];

/// Cache modes of drives, one name for each.
pub(crate) const CACHE_MODES: [&str; 5] = ["writeback", "writethrough", "none", "directsync", "unsafe"];
/// Asynchronous I/O modes of drives.
pub(crate) const AIO_MODES: [&str; 3] = ["threads", "native", "io_uring"];

/// Reads a cache mode as `-drive cache=` and `qemu-io --cache` take it, where `off` means `none`.
pub(super) fn parse_cache_mode(text: &str) -> Option<&'static str> {
    let name = if text == "off" { "none" } else { text };
    CACHE_MODES.into_iter().find(|mode| *mode == name)
}

/// Whether this can name a format, a protocol, a group or a part of a case's path.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

/// Reads `qcow2,raw`, each name once.
pub(super) fn parse_names(text: &str) -> Option<Vec<String>> {
    let names = text.split(',').map(str::trim).map(|name| is_name(name).then(|| name.to_owned()));
    names.collect::<Option<_>>().map(unique)
}

/// Each name once, in the order of the first.
pub(crate) fn unique(names: Vec<String>) -> Vec<String> {
    let mut unique = Vec::with_capacity(names.len());
    for name in names {
        if !unique.contains(&name) {
            unique.push(name);
        }
    }
    unique
}

/// Whether this is the path of a case to make: at least a topic and a name, lower case.
pub(super) fn is_case_path(text: &str) -> bool {
    text.contains('/')
        && text.split('/').all(|part| is_name(part) && !part.bytes().any(|b| b.is_ascii_uppercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oracle_searches_for_a_number_of_seeds_or_for_a_time() {
        let seconds = |number| Some(OracleSeeds::For(Duration::from_secs(number)));
        assert_eq!(OracleSeeds::parse("200"), Some(OracleSeeds::Count(200)));
        assert_eq!(["90s", "30m", "1h"].map(OracleSeeds::parse), [90, 1800, 3600].map(seconds));
        for bad in
            ["0", "h", "1d", "-1", "1.5h", "0s", "1 h", "99999999999999999999h", "9999999999999999999h"]
        {
            assert_eq!(OracleSeeds::parse(bad), None, "{bad}");
        }
    }
}
