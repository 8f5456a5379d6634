//! What a tool printed: held back until its end, and changed where the lie wants it.

use std::io::{PipeReader, Read, Write, pipe};
use std::os::fd::AsFd;
use std::process::Command;
use std::thread::{JoinHandle, spawn};

use nix::sys::stat::fstat;

use super::record::Record;
use crate::lie::Lie;

/// The pipes that the real program prints to: one, where stdout and stderr are one, so that what is printed keeps
/// its order.
#[derive(Debug)]
pub(super) struct Capture {
    out: PipeReader,
    err: Option<PipeReader>,
}

/// What it prints, being read.
#[derive(Debug)]
pub(super) struct Reading {
    out: JoinHandle<Vec<u8>>,
    err: Option<JoinHandle<Vec<u8>>>,
}

impl Capture {
    pub(super) fn new(command: &mut Command) -> Self {
        let (out, write) = pipe().expect("a pipe can be made");
        let err = if are_one() {
            command.stderr(write.try_clone().expect("a pipe can be duplicated"));
            None
        } else {
            let (err, write) = pipe().expect("a pipe can be made");
            command.stderr(write);
            Some(err)
        };
        command.stdout(write);
        Self { out, err }
    }

    pub(super) fn read(self) -> Reading {
        let reader = |mut pipe: PipeReader| {
            spawn(move || {
                let mut bytes = Vec::new();
                pipe.read_to_end(&mut bytes).expect("a pipe can be read");
                bytes
            })
        };
        Reading { out: reader(self.out), err: self.err.map(reader) }
    }
}

impl Reading {
    /// Prints it, as it is or as the lie has it: in stdout, or in stderr where there is nothing in stdout to change.
    /// `numbers_matter` is false where what is printed repeats defaults that nobody reads.
    pub(super) fn print(self, record: &Record, numbers_matter: bool) {
        let bytes = |reading: JoinHandle<Vec<u8>>| reading.join().expect("reading does not panic");
        let mut texts = [bytes(self.out), self.err.map(bytes).unwrap_or_default()];
        let with_other_digit = |text: &[u8]| if numbers_matter { with_other_digit(text) } else { None };
        for lie in [Lie::LastLine, Lie::Digit] {
            let change = |text: &[u8]| match lie {
                Lie::LastLine => without_last_line(text),
                _ => with_other_digit(text),
            };
            let changed = texts.iter().enumerate().find_map(|(index, text)| Some((index, change(text)?)));
            if let Some((index, text)) = changed
                && record.tells(lie)
            {
                texts[index] = text;
            }
        }
        // Whoever reads may be gone by now.
        let _ = std::io::stdout().write_all(&texts[0]).and_then(|()| std::io::stdout().flush());
        let _ = std::io::stderr().write_all(&texts[1]);
    }
}

/// Whether stdout and stderr go to the same pipe or file.
fn are_one() -> bool {
    let (out, err) = (fstat(std::io::stdout().as_fd()), fstat(std::io::stderr().as_fd()));
    matches!((out, err), (Ok(out), Ok(err)) if (out.st_dev, out.st_ino) == (err.st_dev, err.st_ino))
}

fn without_last_line(text: &[u8]) -> Option<Vec<u8>> {
    let end = text.strip_suffix(b"\n").unwrap_or(text);
    let start = end.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    (!text.is_empty()).then(|| text[..start].to_vec())
}

/// Changes the last digit of the first number. A number is a run of digits that follows neither a letter, nor a
/// digit and a dot, in a word that is no path.
fn with_other_digit(text: &[u8]) -> Option<Vec<u8>> {
    let mut start = 0;
    for word in text.split_inclusive(u8::is_ascii_whitespace) {
        if let Some(at) = last_digit_of_first_number(word) {
            let mut changed = text.to_vec();
            // Even numbers become odd and odd ones even, so that a digit stays a digit.
            changed[start + at] ^= 1;
            return Some(changed);
        }
        start += word.len();
    }
    None
}

fn last_digit_of_first_number(word: &[u8]) -> Option<usize> {
    let is_path = word
        .windows(2)
        .any(|pair| pair[0] == b'/' && !pair[1].is_ascii_digit() && !pair[1].is_ascii_whitespace());
    if is_path {
        return None;
    }
    let is_part = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_' || byte == b'-' || byte == b'.';
    let mut at = 0;
    while at < word.len() {
        if !word[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        let end =
            word[at..].iter().position(|byte| !byte.is_ascii_digit()).map_or(word.len(), |count| at + count);
        if at == 0 || !is_part(word[at - 1]) {
            return Some(end - 1);
        }
        at = end;
    }
    None
}

/// What lies about output make of it.
pub(crate) fn check() {
    let lines = |text: &str| without_last_line(text.as_bytes()).map(|text| String::from_utf8(text).unwrap());
    assert_eq!(lines(""), None);
    assert_eq!(lines("a\nb\n").as_deref(), Some("a\n"));
    assert_eq!(lines("a\nb").as_deref(), Some("a\n"));
    assert_eq!(lines("a\n").as_deref(), Some(""));
    let digit = |text: &str| with_other_digit(text.as_bytes()).map(|text| String::from_utf8(text).unwrap());
    assert_eq!(digit("wrote 65536/65536 bytes").as_deref(), Some("wrote 65537/65536 bytes"));
    assert_eq!(digit("file format: qcow2\nsize: 10\n").as_deref(), Some("file format: qcow2\nsize: 11\n"));
    assert_eq!(digit("image: /tmp/1/a\n'/tmp/2': 3").as_deref(), Some("image: /tmp/1/a\n'/tmp/2': 2"));
    assert_eq!(digit("cluster_size=64").as_deref(), Some("cluster_size=65"));
    assert_eq!(digit("qcow2 /1/a"), None);
}
