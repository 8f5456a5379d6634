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
    declared: Mutex<Vec<String>>,
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
        lock(&self.declared).push(text.to_owned());
    }

    /// An error for each line that is neither declared nor, according to `is_logged`, in the log.
    pub(super) fn unexpected(&self, is_logged: impl Fn(&str) -> bool) -> Vec<Error> {
        for Watched { program, command, printed, is_noise } in lock(&self.watched).drain(..) {
            self.hear(&program, &command, printed.unseen().lines().filter(|line| !is_noise(line)));
        }
        let declared = lock(&self.declared);
        let mut unexpected: Vec<Line> = Vec::new();
        for line in lock(&self.lines).drain(..) {
            let is_known = declared.iter().any(|text| line.text.contains(text)) || is_logged(&line.text);
            let is_repeated = unexpected.iter().any(|other| other.text == line.text);
            if !is_known && !is_repeated && !line.text.trim().is_empty() {
                unexpected.push(line);
            }
        }
        let error = |Line { program, command, text }| Error::Stderr { program, command, line: text };
        unexpected.into_iter().map(error).collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
