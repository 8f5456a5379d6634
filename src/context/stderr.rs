//! What programs print beside their work: a line that the case neither logs nor declares is news.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::Error;
use crate::process::Printed;

/// A line that a program has printed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    program: String,
    command: String,
    text: String,
}

/// A program that prints to a file while it runs.
#[derive(Debug)]
struct Watched {
    program: String,
    command: String,
    printed: Printed,
    is_noise: IsNoise,
}

/// All that was heard in one trial, and what of it may stay.
#[derive(Debug, Default)]
pub(super) struct Stderr {
    lines: Mutex<Vec<Line>>,
    watched: Mutex<Vec<Watched>>,
    declared: Mutex<Vec<Declared>>,
}

/// A text that a case declares, of lines that may stay.
#[derive(Debug)]
struct Declared {
    text: String,
    /// Whether a line has had it.
    used: bool,
}

/// Whether a line is one of those that a program always prints, and that say nothing new.
pub(crate) type IsNoise = fn(&str) -> bool;

impl Stderr {
    pub(super) fn hear<'l>(&self, program: &str, command: &str, lines: impl Iterator<Item = &'l str>) {
        let line = |text: &str| Line {
            program: program.to_owned(),
            command: command.to_owned(),
            text: text.to_owned(),
        };
        lock(&self.lines).extend(lines.map(line));
    }

    pub(super) fn watch(&self, program: &str, command: &str, printed: Printed, is_noise: IsNoise) {
        let (program, command) = (program.to_owned(), command.to_owned());
        lock(&self.watched).push(Watched { program, command, printed, is_noise });
    }

    pub(super) fn ignore(&self, text: &str) {
        lock(&self.declared).push(Declared { text: text.to_owned(), used: false });
    }

    /// An error for each line that is neither declared nor, according to `is_logged`, in the log, and for each
    /// declaration that no line has needed.
    pub(super) fn unexpected(&self, is_logged: impl Fn(&str) -> bool) -> Vec<Error> {
        for Watched { program, command, printed, is_noise } in lock(&self.watched).drain(..) {
            self.hear(&program, &command, printed.unseen().lines().filter(|line| !is_noise(line)));
        }
        let mut declared = lock(&self.declared);
        let mut unexpected: Vec<Line> = Vec::new();
        for line in lock(&self.lines).drain(..) {
            let mut is_known = false;
            for one in declared.iter_mut().filter(|one| line.text.contains(&one.text)) {
                (is_known, one.used) = (true, true);
            }
            let is_known = is_known || is_logged(&line.text);
            let is_repeated = unexpected.iter().any(|other| other.text == line.text);
            if !is_known && !is_repeated && !line.text.trim().is_empty() {
                unexpected.push(line);
            }
        }
        let error = |Line { program, command, text }| Error::Stderr { program, command, line: text };
        // Each is reported once.
        let unused = declared.extract_if(.., |one| !one.used).map(|one| unused(&one.text));
        unexpected.into_iter().map(error).chain(unused).collect()
    }
}

fn unused(text: &str) -> Error {
    Error::assertion(format!(
        "no program printed a line with {text:?}, which the case declares to be ignored on stderr\nwhat to do: remove the \
         declaration, or declare it only where such a line is printed: `t.ignore_stderr(…)` under a condition, in a \
         script `ignores-stderr: [condition] …`"
    ))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
