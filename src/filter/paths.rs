//! Filters that hide where a trial's files live.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, NoExpand, Regex};

use super::text::{pattern, replace, then};

/// Where a trial's files live, and the process id that begins their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// Directory of images and other plain files (`TEST_DIR`).
    pub test_dir: String,
    /// Directory of sockets (`SOCK_DIR`).
    pub sock_dir: String,
    /// The number that begins the name of every scratch file.
    pub pid: u32,
}

impl Paths {
    pub(super) fn prefixes(&self) -> Prefixes {
        let prefix = |dir: &str| {
            let slash = if dir.is_empty() || dir.ends_with('/') { "" } else { "/" };
            format!("{dir}{slash}{}-", self.pid)
        };
        Prefixes { test: prefix(&self.test_dir), sock: prefix(&self.sock_dir) }
    }
}

/// What every path of a scratch file begins with, put together once for many texts.
#[derive(Clone)]
pub(super) struct Prefixes {
    test: String,
    sock: String,
}

impl Prefixes {
    pub(super) fn hide<'a>(&self, text: &'a str) -> Cow<'a, str> {
        then(replace(text, &self.test, "TEST_DIR/PID-"), |text| replace(text, &self.sock, "SOCK_DIR/PID-"))
    }
}

/// Makes the paths of scratch files the same on every run: `TEST_DIR/PID-` and `SOCK_DIR/PID-`
/// (`iotests.py: filter_testfiles`).
///
/// Only files of this trial are known by their number; where both directories are one, all is
/// `TEST_DIR`.
pub fn filter_testfiles<'a>(text: &'a str, paths: &Paths) -> Cow<'a, str> {
    paths.prefixes().hide(text)
}

/// The test directory becomes `TEST_DIR` wherever it stands (`iotests.py: filter_test_dir`).
///
/// The directory is read as a regular expression, so a `.` in it is any character: references made
/// by `iotests.py` depend on that. As in Python, a `{` that begins no count is itself, and so is a `[` in
/// brackets. One that is no regular expression to Rust's `regex`, or matches nothing at all, is taken
/// literally; a `+` after another repeat repeats that.
pub fn filter_test_dir<'a>(text: &'a str, test_dir: &str) -> Cow<'a, str> {
    TestDir::new(test_dir).hide(text)
}

/// The test directory, made ready once for many texts.
#[derive(Clone)]
pub(super) enum TestDir {
    Literal(String),
    Pattern(Regex),
}

impl TestDir {
    pub(super) fn new(test_dir: &str) -> Self {
        let literal = regex::escape(test_dir) == test_dir;
        match Regex::new(&as_in_python(test_dir)) {
            Ok(pattern) if !literal && !pattern.is_match("") => Self::Pattern(pattern),
            _ => Self::Literal(test_dir.to_owned()),
        }
    }

    pub(super) fn hide<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match self {
            Self::Literal(dir) => replace(text, dir, "TEST_DIR"),
            Self::Pattern(pattern) => pattern.replace_all(text, NoExpand("TEST_DIR")),
        }
    }
}

/// A pattern of Python's as Rust's `regex` takes it: there, a `{` that begins no count is a mistake, a
/// count has a lower bound, and what stands in brackets may be nested and combined.
fn as_in_python(python: &str) -> Cow<'_, str> {
    static SYNTAX: LazyLock<Regex> = LazyLock::new(|| {
        let set = r"(?<open>\[\^?)(?<set>\]?(?:\\.|[^\]\\])*)\]";
        let count = r"\{(?:[0-9]+|(?<low>[0-9]*),(?<high>[0-9]*))\}";
        pattern(&format!(r"(?s)\\.|{set}|{count}|(?<literal>\{{)"))
    });
    static IN_SET: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?s)\\.|(?<literal>[\[&~])"));
    SYNTAX.replace_all(python, |found: &Captures<'_>| {
        if let Some(set) = found.name("set") {
            return format!("{}{}]", &found["open"], IN_SET.replace_all(set.as_str(), escape_literal));
        }
        match found.name("low") {
            Some(low) if low.is_empty() => format!("{{0,{}}}", &found["high"]),
            _ => escape_literal(found),
        }
    })
}

/// What was found, with a backslash if it is its `literal`.
fn escape_literal(found: &Captures<'_>) -> String {
    let backslash = if found.name("literal").is_some() { "\\" } else { "" };
    format!("{backslash}{}", &found[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_brace_counts_where_python_counts() {
        let hidden = |dir: &str, text: &str| filter_test_dir(text, dir).into_owned();
        for (dir, text) in [
            ("/t/a.b{x}", "/t/aXb{x}"),
            ("/t/a.{}", "/t/ab{}"),
            ("/t/a.{1", "/t/ab{1"),
            ("/t/a.{1,2", "/t/ab{1,2"),
            ("/t/a.{ 1}", "/t/ab{ 1}"),
            ("/t/.{x}{2}", "/t/a{x}}"),
            ("/t/a.{2}", "/t/abc"),
            ("/t/a.{2,}", "/t/abcd"),
            ("/t/a.{1,2}", "/t/abc"),
            ("/t/a{,2}", "/t/aa"),
            ("/t/a{,}", "/t/aaa"),
            (r"/t/.\{2}", "/t/a{2}"),
            ("/t/.[{]2}", "/t/a{2}"),
            ("/t/a[{,}]", "/t/a,"),
        ] {
            assert_eq!(hidden(dir, text), "TEST_DIR", "{dir}");
        }
        assert_eq!(hidden("/t/a[{,}]", "/t/a0"), "/t/a0");
    }

    #[test]
    fn what_stands_in_brackets_is_one_of_these_characters() {
        for (dir, others) in [
            ("/t/[[]", ["[", "[", "[", "]"]),
            ("/t/[a[b]", ["[", "a", "b", "]"]),
            ("/t/[^a[b]", ["]", "c", "^", "a"]),
            ("/t/[]a[]", ["]", "a", "[", "b"]),
            (r"/t/[\]\[a]", ["]", "[", "a", r"\"]),
            ("/t/[a&&b]", ["a", "&", "b", "c"]),
            ("/t/[a~~b]", ["a", "~", "b", "c"]),
        ] {
            for (index, other) in others.into_iter().enumerate() {
                let text = format!("/t/{other}");
                let hidden = filter_test_dir(&text, dir);
                assert_eq!(hidden, if index < 3 { "TEST_DIR" } else { &text }, "{dir} {text}");
            }
        }
        assert_eq!(filter_test_dir("/t/:]/t/[]/t/a", "/t/[[:alpha:]]"), "TEST_DIRTEST_DIR/t/a");
    }
}
