//! The file that a script comes from: errors are told with its path and its lines.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::parse::parse;
use super::problem::Problem;
use super::syntax::{Script, Step};
use crate::error::{Error, Result};

/// The text of a script, and where it is.
#[derive(Clone, Debug)]
pub(super) struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    /// A text, and the path that errors give.
    pub(super) fn new(path: &Path, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// The script. Its mistakes, which are told when it is found, come down to the first.
    pub(super) fn parse(&self) -> Result<Script> {
        let first = |problems| self.errors(problems).into_iter().next();
        parse(&self.text).map_err(|problems| {
            first(problems).unwrap_or_else(|| Error::assertion("the script cannot be read"))
        })
    }

    /// Mistakes as errors.
    pub(super) fn errors(&self, problems: Vec<Problem>) -> Vec<Error> {
        problems.into_iter().map(|problem| problem.into_error(&self.path, &self.text)).collect()
    }

    /// The error of a command, with the script up to there. A skip stays one.
    pub(super) fn blame(&self, step: &Step, error: Error) -> Error {
        if matches!(error, Error::Skip(_)) {
            return error;
        }
        Error::Script {
            path: self.path.clone(),
            line: step.at.line,
            column: step.at.column,
            script: self.excerpt(step.at.line, step.last.line),
            error: Box::new(error),
        }
    }

    /// The lines of the part under the last heading, up to line `end`, those from `start` on with a mark;
    /// of the parts before it, the headings.
    fn excerpt(&self, start: usize, end: usize) -> String {
        let lines: Vec<&str> = self.text.lines().take(end).collect();
        let is_heading = |line: &str| line.trim_start().starts_with("==");
        let part = lines.iter().rposition(|line| is_heading(line)).unwrap_or(0);
        let mut out = String::new();
        for (index, line) in
            lines.iter().enumerate().filter(|(index, line)| *index >= part || is_heading(line))
        {
            let mark = if index + 1 >= start { '>' } else { ' ' };
            let _ = writeln!(out, "{mark}{:4} | {line}", index + 1);
        }
        out
    }
}
