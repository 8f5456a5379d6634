//! Names: that each is declared once, known where it is used, and of use where it is declared.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::script::header::condition::Condition;
use crate::script::state::variables::VARIABLES;
use crate::script::syntax::script::{Line, Script};
use crate::script::text::problem::{Pos, Problem};
use crate::script::text::word::Word;

/// Everything wrong with the names of variables. Lines with a mistake are no part of the script: `meant` are
/// the names that they too would have declared, and `loose` their words. What is never used is reported only of
/// a script that is otherwise `sound`.
pub(super) fn check(script: &Script, meant: &[String], loose: &[Word], sound: bool) -> Vec<Problem> {
    let mut scope = Scope { meant, known: BTreeMap::new(), used: BTreeSet::new(), problems: Vec::new() };
    scope.declare(script);
    let mut later: BTreeMap<&str, usize> = BTreeMap::new();
    for capture in script.steps().filter_map(|step| step.capture.as_ref()) {
        later.entry(&capture.name).or_insert(capture.at.line);
    }
    let mut replied = false;
    for step in script.steps() {
        scope.look_up(step.args.words(), &later);
        for guard in &step.guards {
            if let Condition::Param { name, .. } = &guard.condition {
                scope.used.insert(name.into());
            }
        }
        if sound && step.command.needs_reply && !replied {
            let message = format!(
                "`{}` looks at the last reply, and there is none yet: expected a command before it that has one",
                step.command.name
            );
            scope.problems.push(Problem::new(step.at, step.command.name.len(), message));
        }
        replied |= step.command.yields;
        if let Some(capture) = &step.capture {
            let origin = Origin::Captured { line: capture.at.line, guarded: !step.guards.is_empty() };
            scope.add(&capture.name, origin, capture.at);
        }
    }
    scope.look_up(loose.iter(), &BTreeMap::new());
    if sound && scope.problems.is_empty() {
        for (name, (origin, at)) in scope.known.iter().filter(|(name, _)| !scope.used.contains(**name)) {
            let message = match origin {
                Origin::Param => format!("every value of {name} makes a trial, but ${name} is never used"),
                _ => format!("{name} is {origin}, but ${name} is never used"),
            };
            scope.problems.push(Problem::new(*at, name.len(), message));
        }
    }
    scope.problems
}

/// What a name is declared as.
enum Origin {
    Everywhere,
    File,
    Socket,
    Param,
    Captured { line: usize, guarded: bool },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everywhere => f.write_str("a variable of every script"),
            Self::File => f.write_str("a file"),
            Self::Socket => f.write_str("a socket"),
            Self::Param => f.write_str("a parameter"),
            Self::Captured { line, .. } => write!(f, "captured in line {line}"),
        }
    }
}

/// Whether every script has a variable of this name.
fn is_everywhere(name: &str) -> bool {
    VARIABLES.iter().any(|variable| variable.name == name)
}

/// Borrows all names: it is made anew for every file, when all of them are listed.
struct Scope<'s> {
    /// What lines with a mistake would have declared.
    meant: &'s [String],
    /// What the script itself declares.
    known: BTreeMap<&'s str, (Origin, Pos)>,
    used: BTreeSet<Cow<'s, str>>,
    problems: Vec<Problem>,
}

impl<'s> Scope<'s> {
    fn add(&mut self, name: &'s str, origin: Origin, at: Pos) {
        let known = self.known.get(name).map(|(origin, _)| origin);
        match (if is_everywhere(name) { Some(&Origin::Everywhere) } else { known }, &origin) {
            (None, _) => _ = self.known.insert(name, (origin, at)),
            // Guards choose between several lines that capture the same.
            (Some(Origin::Captured { guarded: true, .. }), Origin::Captured { guarded: true, .. }) => {}
            (Some(before), origin) => {
                let captured = |origin: &Origin| matches!(origin, Origin::Captured { .. });
                let expected = if captured(before) && captured(origin) {
                    "expected another name, or a guard before each of these lines"
                } else {
                    "expected another name"
                };
                let message = format!("{name} is {before} already: {expected}");
                self.problems.push(Problem::new(at, name.len(), message));
            }
        }
    }

    fn is_meant(&self, name: &str) -> bool {
        self.meant.iter().any(|one| one == name)
    }

    fn declare(&mut self, script: &'s Script) {
        for line in &script.lines {
            let Line::Header(entry) = line else { continue };
            let origin = match entry.key.name {
                "files" => || Origin::File,
                "sockets" => || Origin::Socket,
                _ => continue,
            };
            // One that the same line gives twice is a mistake of that line.
            for (index, (name, at)) in entry.values.iter().enumerate() {
                if !entry.gives_before(index, name) {
                    self.add(name, origin(), *at);
                }
            }
        }
        for param in &script.header.params {
            self.add(&param.name, Origin::Param, param.at);
        }
    }

    /// Demands that the variables of these words are known by now. `later` are those that a line to
    /// come captures.
    fn look_up(&mut self, words: impl Iterator<Item = &'s Word>, later: &BTreeMap<&str, usize>) {
        for (name, at) in words.flat_map(Word::variables) {
            if is_everywhere(&name) || self.known.contains_key(&*name) {
                self.used.insert(name);
                continue;
            }
            if let Some(line) = later.get(&*name) {
                let message =
                    format!("${name} is captured only in line {line}: expected that line before this one");
                self.problems.push(Problem::new(at, name.len() + 1, message));
            } else if !self.is_meant(&name) {
                let everywhere = VARIABLES.iter().map(|variable| variable.name);
                let mut known: Vec<_> =
                    everywhere.chain(self.known.keys().copied()).map(|name| format!("${name}")).collect();
                known.sort_unstable();
                let expected = format!("declare it, as in `files: {name}`; known are {}", known.join(", "));
                self.problems.push(Problem::unknown(at, "variable", &format!("${name}"), &known, &expected));
            }
        }
    }
}
