//! The file that a script comes from: errors and transcripts show its lines.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::script::parse::parser::parse;
use crate::script::syntax::script::{Script, Step};
use crate::script::text::problem::Problem;

/// The text of a script, and where it is.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    /// A text, and the path that errors give.
    pub(crate) fn new(path: &Path, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// The script. Its mistakes, all of which are reported when it is found, come down to the first.
    pub(crate) fn parse(&self) -> Result<Script> {
        let first = |problems| self.errors(problems).into_iter().next();
        parse(&self.text).map_err(|problems| {
            first(problems).unwrap_or_else(|| Error::assertion("the script cannot be read"))
        })
    }

    /// Mistakes as errors.
    pub(crate) fn errors(&self, problems: Vec<Problem>) -> Vec<Error> {
        problems.into_iter().map(|problem| problem.into_error(&self.path, &self.text)).collect()
    }

    /// The error of a command, with the script up to there. A skip stays one.
    pub(crate) fn blame(&self, step: &Step, error: Error) -> Error {
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

    /// A command as it is written, without its guards.
    pub(super) fn command(&self, step: &Step) -> String {
        let (start, end) = (step.unguarded, step.last);
        let skipped = start.column.saturating_sub(1);
        let text = self.text.strip_prefix('\u{feff}').unwrap_or(&self.text);
        let lines = text.lines().skip(start.line.saturating_sub(1)).take(end.line + 1 - start.line);
        let cut = |(index, line): (usize, &str)| match index {
            0 => line.chars().skip(skipped).collect(),
            _ => line.to_owned(),
        };
        lines.enumerate().map(cut).collect::<Vec<String>>().join("\n")
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
