//! The header of a script: where it runs, and the names it declares.

use std::fmt;
use std::time::Duration;

use super::condition::{Guard, requirement};
use super::filter::{self, FilterWord};
use super::param::Param;
use crate::env::{AIO_MODES, CACHE_MODES};
use crate::script::text::name::is_name;
use crate::script::text::problem::{Pos, Problem};
use crate::suite::{Declaration, IMAGE_FORMATS, KnownFailure, PROTOCOLS, Place, Requirement};

/// Operating systems that QEMU runs on, as Rust and as Python call them.
const PLATFORMS: [&str; 9] =
    ["linux", "darwin", "macos", "freebsd", "netbsd", "openbsd", "sunos", "solaris", "win32"];

/// What a header says, all of it.
#[derive(Clone, Debug, Default)]
pub struct Header {
    /// Where the script runs.
    pub declaration: Declaration,
    /// Scratch files, used as variables.
    pub files: Vec<String>,
    /// Sockets, used as variables.
    pub sockets: Vec<String>,
    /// Named VMs besides the one without a name.
    pub vms: Vec<String>,
    /// Parameters; a trial for each combination of their values.
    pub params: Vec<Param>,
    /// What everything logged goes through besides the filters of each command.
    pub filters: Vec<&'static FilterWord>,
    /// What programs may print beside their work.
    pub ignored_stderr: Option<IgnoredLine>,
}

/// Lines that programs may print beside their work.
#[derive(Clone, Debug)]
pub struct IgnoredLine {
    /// Where they are printed; everywhere if there is none.
    pub guard: Option<Guard>,
    /// What each of them contains.
    pub text: String,
    /// Why they may stay.
    pub reason: String,
}

/// A line of the header.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// What it is about.
    pub key: &'static Key,
    /// Where the key stands.
    pub at: Pos,
    /// What it says: words without any quoting.
    pub values: Vec<(String, Pos)>,
}

/// A key of the header.
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What follows the colon.
    pub values: &'static str,
    /// What it means.
    pub about: &'static str,
    read: Read,
}

type Problems = Vec<Problem>;
type Read = fn(&Entry, &mut Header, &mut Problems);

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.name)
    }
}

const fn key(name: &'static str, values: &'static str, about: &'static str, read: Read) -> Key {
    Key { name, values, about, read }
}

/// All keys, in the order of the manual.
pub static KEYS: &[Key] = &[
    key("files", "NAME...", "scratch files, used as `$NAME`", |entry, header, problems| {
        header.files = names(entry, problems);
    }),
    key("sockets", "NAME...", "Unix sockets, used as `$NAME`", |entry, header, problems| {
        header.sockets = names(entry, problems);
    }),
    key("vms", "NAME...", "virtual machines with a name, used as `vm@NAME`", |entry, header, problems| {
        header.vms = names(entry, problems);
    }),
    key(
        "formats",
        "FORMAT...",
        "image formats it runs on; `generic` is all that can be created",
        |e, h, p| {
            h.declaration.formats = known(e, "format", &IMAGE_FORMATS, p);
        },
    ),
    key("unsupported-formats", "FORMAT...", "image formats it does not run on", |e, h, p| {
        h.declaration.unsupported_formats = known(e, "format", &IMAGE_FORMATS, p);
    }),
    key("required-formats", "FORMAT...", "formats that QEMU must be able to write", |e, h, p| {
        let formats = known(e, "format", &IMAGE_FORMATS, p).into_iter().map(Requirement::Format);
        h.declaration.requirements.extend(formats);
    }),
    key("protocols", "PROTOCOL...", "protocols it runs over; `file` if there is no such line", |e, h, p| {
        h.declaration.protocols = known(e, "protocol", &PROTOCOLS, p);
    }),
    key("unsupported-protocols", "PROTOCOL...", "protocols it does not run over", |e, h, p| {
        h.declaration.unsupported_protocols = known(e, "protocol", &PROTOCOLS, p);
    }),
    key("platforms", "OS...", "operating systems it runs on, by prefix", |e, h, p| {
        h.declaration.platforms = platforms(e, p);
    }),
    key("unsupported-platforms", "OS...", "operating systems it does not run on", |e, h, p| {
        h.declaration.unsupported_platforms = platforms(e, p);
    }),
    key("cache-modes", "MODE...", "cache modes it runs with", |e, h, p| {
        h.declaration.cache_modes = known(e, "cache mode", &CACHE_MODES, p);
    }),
    key("aio-modes", "MODE...", "AIO modes it runs with", |e, h, p| {
        h.declaration.aio_modes = known(e, "AIO mode", &AIO_MODES, p);
    }),
    key("unsupported-imgopts", "WORD...", "words that `IMGOPTS` must not contain", |e, h, _| {
        h.declaration.unsupported_imgopts = texts(e);
    }),
    key("requires", "REQUIREMENT...", "what else must be there", |entry, header, problems| {
        for (text, at) in &entry.values {
            match requirement(text, *at, "requirement", []) {
                Ok(requirement) => header.declaration.requirements.push(requirement),
                Err(problem) => problems.push(problem),
            }
        }
    }),
    key("groups", "GROUP...", "groups to select it by", |e, h, p| {
        h.declaration.groups = labels(e, "group", p);
    }),
    key("serial", "RESOURCE...", "resources of the host that one trial at a time may use", |e, h, p| {
        h.declaration.serial = labels(e, "resource", p);
    }),
    key("params", "NAME=VALUE,VALUE...", "values it runs with, used as `$NAME`: a trial for each", params),
    key("filters", "FILTER...", "what is hidden in all that is logged, besides scratch files", |e, h, p| {
        for (text, at) in &e.values {
            match filter::find(text, *at) {
                Ok(filter) => h.filters.push(filter),
                Err(problem) => p.push(problem),
            }
        }
    }),
    key("timeout", "SECONDS", "how long a trial may take, as in `30s` or `5m`; 3 minutes otherwise", timeout),
    key(
        "ignores-stderr",
        "[CONDITION] TEXT -- REASON",
        "lines with this text that programs print beside their work, such as warnings, and why they may stay; a text \
         that no line has is a failure, so a condition, as in guards, may say where it is printed",
        ignores_stderr,
    ),
    key(
        "known-failure",
        "REASON",
        "it fails today: it passes while it does (by other than a time-out), and fails once it doesn't",
        |e, h, _| {
            let declared = Place::Line(e.at.line);
            h.declaration.known_failure = Some(KnownFailure { reason: texts(e).join(" "), declared });
        },
    ),
];

impl Key {
    /// The key of this name.
    pub(crate) fn find(name: &str, at: Pos) -> Result<&'static Self, Problem> {
        KEYS.iter().find(|key| key.name == name).ok_or_else(|| {
            let names = KEYS.iter().map(|key| key.name);
            let expected = format!("known keys are {}", names.clone().collect::<Vec<_>>().join(", "));
            Problem::unknown(at, "header key", name, names, &expected)
        })
    }
}

impl Entry {
    /// Whether a word is among those before the one at `index`.
    pub(crate) fn gives_before(&self, index: usize, word: &str) -> bool {
        self.values[..index].iter().any(|(before, _)| before == word)
    }
}

impl Header {
    /// Takes in one line.
    pub(crate) fn read(&mut self, entry: &Entry, problems: &mut Problems) {
        if entry.values.is_empty() {
            let message = format!("{}: expected {}", entry.key.name, entry.key.values);
            problems.push(Problem::new(entry.at, entry.key.name.len(), message));
            return;
        }
        // Text and a reason may repeat a word, and of parameters it is the names that may not repeat.
        if !["known-failure", "ignores-stderr", "params"].contains(&entry.key.name) {
            let again = |(index, (text, _)): &(usize, &(String, Pos))| entry.gives_before(*index, text);
            for (_, (text, at)) in entry.values.iter().enumerate().filter(again) {
                problems.push(wrong(text, *at, format!("{text} is given twice")));
            }
        }
        (entry.key.read)(entry, self, problems);
    }
}

fn texts(entry: &Entry) -> Vec<String> {
    entry.values.iter().map(|(text, _)| text.clone()).collect()
}

fn wrong(text: &str, at: Pos, message: String) -> Problem {
    Problem::new(at, text.chars().count(), message)
}

fn known(entry: &Entry, what: &str, words: &[&str], problems: &mut Problems) -> Vec<String> {
    for (text, at) in entry.values.iter().filter(|(text, _)| !words.contains(&text.as_str())) {
        problems.push(if text.contains(',') {
            wrong(text, *at, "expected blanks between the words, not commas".to_owned())
        } else {
            Problem::unknown(*at, what, text, words, &format!("known are {}", words.join(", ")))
        });
    }
    texts(entry)
}

/// Beginnings of names of operating systems, with or without their version.
fn platforms(entry: &Entry, problems: &mut Problems) -> Vec<String> {
    let is_version = |rest: &str| rest.bytes().all(|byte| byte.is_ascii_digit());
    let is_one = |text: &str| {
        let fits =
            |known: &&str| known.starts_with(text) || text.strip_prefix(*known).is_some_and(is_version);
        PLATFORMS.iter().any(fits)
    };
    for (text, at) in entry.values.iter().filter(|(text, _)| !is_one(text)) {
        let expected = format!("known are {}", PLATFORMS.join(", "));
        problems.push(Problem::unknown(*at, "operating system", text, PLATFORMS, &expected));
    }
    texts(entry)
}

/// Names of variables and VMs.
fn names(entry: &Entry, problems: &mut Problems) -> Vec<String> {
    for (text, at) in entry.values.iter().filter(|(text, _)| !is_name(text)) {
        let expected = "expected a name of letters, digits and _, with blanks between the names";
        problems.push(wrong(text, *at, format!("{text:?}: {expected}")));
    }
    texts(entry)
}

/// Words that become parts of file names and of lists in variables.
fn labels(entry: &Entry, what: &str, problems: &mut Problems) -> Vec<String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    for (text, at) in entry.values.iter().filter(|(text, _)| !text.chars().all(fits)) {
        problems.push(wrong(text, *at, format!("{what} {text:?}: expected letters, digits, _ - and . only")));
    }
    texts(entry)
}

fn params(entry: &Entry, header: &mut Header, problems: &mut Problems) {
    // They become parts of the trial's name, and so of the names of references.
    let fits = |value: &str| {
        !value.is_empty() && value.chars().all(|c| c.is_ascii_alphanumeric() || "_-.+".contains(c))
    };
    for (text, at) in &entry.values {
        let parts = text.split_once('=').filter(|(name, _)| is_name(name));
        let Some((name, values)) = parts else {
            problems.push(wrong(text, *at, format!("{text:?}: expected a parameter, as in size=1M,1G")));
            continue;
        };
        let values: Vec<String> = values.split(',').map(str::to_owned).collect();
        for (index, value) in values.iter().enumerate() {
            if !fits(value) {
                let expected = "expected letters, digits, _ - . and + only";
                problems.push(wrong(text, *at, format!("value {value:?} of {name}: {expected}")));
            } else if values[..index].contains(value) {
                problems.push(wrong(text, *at, format!("value {value:?} of {name} is given twice")));
            }
        }
        header.params.push(Param { name: name.to_owned(), values, at: *at });
    }
}

fn ignores_stderr(entry: &Entry, header: &mut Header, problems: &mut Problems) {
    let (first, at) = &entry.values[0];
    let condition = first.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let guard = match condition.map(|text| Guard::parse(text, *at, &header.params)).transpose() {
        Ok(guard) => guard,
        Err(problem) => return problems.push(problem),
    };
    let words = texts(entry)[usize::from(guard.is_some())..].join(" ");
    match words.split_once(" -- ").map(|(text, reason)| (text.trim(), reason.trim())) {
        Some((text, reason)) if !text.is_empty() && !reason.is_empty() => {
            let (text, reason) = (text.to_owned(), reason.to_owned());
            header.ignored_stderr = Some(IgnoredLine { guard, text, reason });
        }
        _ => problems.push(wrong(&texts(entry).join(" "), *at, "expected TEXT -- REASON".to_owned())),
    }
}

fn timeout(entry: &Entry, header: &mut Header, problems: &mut Problems) {
    let (text, at) = &entry.values[0];
    let seconds = match text.strip_suffix('m') {
        Some(minutes) => minutes.parse().ok().and_then(|minutes: u64| minutes.checked_mul(60)),
        None => text.strip_suffix('s').and_then(|seconds| seconds.parse().ok()),
    };
    match seconds {
        Some(seconds) if seconds > 0 && entry.values.len() == 1 => {
            header.declaration.timeout = Some(Duration::from_secs(seconds));
        }
        _ => problems.push(wrong(text, *at, "expected one time limit, as in 30s or 5m".to_owned())),
    }
}
