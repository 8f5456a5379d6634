//! Where things stand in a script, and what is wrong with one: each mistake with its line, a mark
//! below the place, and what was expected.

use std::path::Path;

use crate::env::similar_word;
use crate::error::Error;

/// A place in a script, from 1. All places are equal: where something stands says nothing about
/// what it is, so that scripts can be compared by what they mean.
#[derive(Clone, Copy, Debug)]
pub struct Pos {
    /// Line.
    pub line: usize,
    /// Column, in characters.
    pub column: usize,
}

impl PartialEq for Pos {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Pos {}

/// A mistake in a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    at: Pos,
    width: usize,
    message: String,
}

impl Problem {
    /// A mistake at a place; `width` characters of it are marked.
    pub(crate) fn new(at: Pos, width: usize, message: impl Into<String>) -> Self {
        Self { at, width, message: message.into() }
    }

    /// Something unknown: `expected` says what could stand there, and the most similar of `known`
    /// is proposed.
    pub(crate) fn unknown<S: AsRef<str>>(
        at: Pos,
        what: &str,
        name: &str,
        known: impl IntoIterator<Item = S>,
        expected: &str,
    ) -> Self {
        let hint = similar_word(name, known).unwrap_or_else(|| expected.to_owned());
        Self::new(at, name.chars().count(), format!("unknown {what} {name:?}: {hint}"))
    }

    /// Where it is.
    pub fn at(&self) -> Pos {
        self.at
    }

    /// What is wrong and what was expected.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The mistake as an error of the file at `path`, with the line of `text` and a mark below it.
    pub fn into_error(self, path: &Path, text: &str) -> Error {
        let Self { at, width, message } = self;
        let line = text.lines().nth(at.line.saturating_sub(1)).unwrap_or_default();
        let before = at.column.saturating_sub(1);
        let indent: String = line.chars().take(before).map(|c| if c == '\t' { c } else { ' ' }).collect();
        let rest = line.chars().count().saturating_sub(before);
        let mark = "^".repeat(width.min(rest).max(1));
        Error::CaseFile {
            path: path.to_owned(),
            line: at.line,
            column: at.column,
            message: format!("{message}\n    {line}\n    {indent}{mark}"),
        }
    }
}

/// Sorts mistakes by their place.
pub(crate) fn sort(problems: &mut [Problem]) {
    problems.sort_by_key(|problem| (problem.at.line, problem.at.column));
}
