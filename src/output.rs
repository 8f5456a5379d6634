//! How a program ended and what it printed.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::os::unix::process::ExitStatusExt;

use nix::sys::signal::Signal;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It exited with this status.
    Exited(i32),
    /// It died of this signal.
    Signalled(i32),
}

impl Status {
    /// Exit status 0.
    pub fn success(self) -> bool {
        self == Self::Exited(0)
    }

    /// The exit status, if it exited.
    pub fn code(self) -> Option<i32> {
        match self {
            Self::Exited(code) => Some(code),
            Self::Signalled(_) => None,
        }
    }

    /// The signal it died of.
    pub fn signal(self) -> Option<i32> {
        match self {
            Self::Exited(_) => None,
            Self::Signalled(signal) => Some(signal),
        }
    }

    /// As Python's `subprocess` counts: the exit status, or minus the signal.
    pub fn returncode(self) -> i32 {
        match self {
            Self::Exited(code) => code,
            Self::Signalled(signal) => -signal,
        }
    }
}

impl From<std::process::ExitStatus> for Status {
    fn from(status: std::process::ExitStatus) -> Self {
        match status.signal() {
            Some(signal) => Self::Signalled(signal),
            None => Self::Exited(status.code().unwrap_or(-1)),
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "exit status {code}"),
            Self::Signalled(signal) => match Signal::try_from(*signal) {
                Ok(name) => write!(f, "signal {signal} ({name})"),
                Err(_) => write!(f, "signal {signal}"),
            },
        }
    }
}

/// A finished run of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The command line, quoted for a shell.
    pub command: String,
    /// How it ended.
    pub status: Status,
    /// What it printed on stdout, and on stderr too unless they were captured apart. Bytes that are
    /// not UTF-8 show as `\xfe`, and every line ends in `\n` alone, whatever it was.
    pub stdout: String,
    /// What it printed on stderr, if captured apart.
    pub stderr: String,
    /// [`stdout`](Self::stdout) with its lines ending as they did, where that is not in `\n` alone.
    pub(crate) raw: Option<String>,
}

impl Output {
    /// Everything it printed.
    pub fn text(&self) -> Cow<'_, str> {
        if self.stderr.is_empty() {
            Cow::Borrowed(&self.stdout)
        } else {
            Cow::Owned(format!("{}{}", self.stdout, self.stderr))
        }
    }

    /// What a program printed, as one text whose lines end as they did.
    pub(crate) fn of(command: String, status: Status, raw: String) -> Self {
        let (stdout, raw) = with_line_ends(raw);
        Self { command, status, stdout, stderr: String::new(), raw }
    }

    /// What it printed on stdout, its lines ending as they did.
    pub(crate) fn raw(&self) -> &str {
        self.raw.as_deref().unwrap_or(&self.stdout)
    }

    /// Exit status 0.
    pub fn success(&self) -> bool {
        self.status.success()
    }
}

/// What a program printed, as cases see it: [`readable`], and lines that end in `\r\n` or `\r` end in `\n`
/// (`iotests.py: universal_newlines`).
pub(crate) fn text_of(bytes: Vec<u8>) -> String {
    with_line_ends(raw_text_of(bytes)).0
}

/// As [`text_of`], lines ending as they do.
pub(crate) fn raw_text_of(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| readable(error.as_bytes()))
}

/// The text with every line ending in `\n`, and the text as it was where that differs.
pub(crate) fn with_line_ends(raw: String) -> (String, Option<String>) {
    if raw.contains('\r') { (raw.replace("\r\n", "\n").replace('\r', "\n"), Some(raw)) } else { (raw, None) }
}

/// Bytes as text: each that is not UTF-8 is shown as `\xfe`, so that two that differ stay different. A backslash in the
/// text is left as it is.
pub(crate) fn readable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_in_one_way_only() {
        assert_eq!(text_of(b"a\r\nb\rc\n\r\r\n\xff\r".to_vec()), "a\nb\nc\n\n\n\\xff\n");
    }

    #[test]
    fn each_byte_that_is_not_text_shows() {
        assert_eq!(readable("ä\u{1b}".as_bytes()), "ä\u{1b}");
        // The second begins a character that does not go on.
        assert_eq!(readable(b"a\xfe\xc3b\\xfe"), "a\\xfe\\xc3b\\xfe");
        assert_ne!(text_of(b"\xfe".to_vec()), text_of(b"\xff".to_vec()));
    }
}
