//! Names: that each is declared once, known where it is used, and of use where it is declared.

use std::collections::{BTreeMap, BTreeSet};

use super::commands::Role;
use super::problem::{Pos, Problem};
use super::syntax::{Line, Script};
use super::vars::VARIABLES;
use super::words::Word;

/// Everything wrong with the names of a script. Lines with a mistake are no part of it: `captured` are
/// the names that they too would have captured, and `loose` their words. What depends on the order
/// of lines is told only of a script that is otherwise `sound`.
pub(super) fn check(script: &Script, captured: &[String], loose: &[Word], sound: bool) -> Vec<Problem> {
    let mut scope = Scope { known: BTreeMap::new(), used: BTreeSet::new(), problems: Vec::new() };
    scope.declare(script);
    let later: BTreeMap<&str, usize> = script
        .steps()
        .filter_map(|step| step.capture.as_ref().map(|capture| (capture.name.as_str(), capture.at.line)))
        .collect();
    let mut started: BTreeSet<(&str, &str)> = BTreeSet::new();
    let mut replied = false;
    for step in script.steps() {
        scope.look_up(&step.args, &later, captured);
        for guard in &step.guards {
            if let super::conditions::Condition::Param { name, .. } = &guard.condition {
                scope.used.insert(name.clone());
            }
        }
        scope.instance(script, step, &mut started, sound);
        if sound && step.command.needs_reply && !replied {
            let message = format!(
                "`{}` looks at the last reply, and there is none yet: expected a command before it that has one",
                step.command.name
            );
            scope.problems.push(Problem::new(step.at, step.command.name.len(), message));
        }
        replied |= step.command.yields;
        if let Some(capture) = &step.capture {
            scope.add(&capture.name, &format!("captured in line {}", capture.at.line), capture.at);
        }
    }
    scope.look_up(loose, &BTreeMap::new(), captured);
    if sound {
        for param in script.header.params.iter().filter(|param| !scope.used.contains(&param.name)) {
            let name = &param.name;
            let message = format!("every value of {name} makes a trial, but ${name} is never used");
            scope.problems.push(Problem::new(param.at, name.len(), message));
        }
    }
    scope.problems
}

struct Scope {
    known: BTreeMap<String, String>,
    used: BTreeSet<String>,
    problems: Vec<Problem>,
}

impl Scope {
    fn add(&mut self, name: &str, origin: &str, at: Pos) {
        if let Some(before) = self.known.insert(name.to_owned(), origin.to_owned()) {
            let message = format!("{name} is {before} already: expected another name");
            self.problems.push(Problem::new(at, name.len(), message));
        }
    }

    fn declare(&mut self, script: &Script) {
        for variable in VARIABLES {
            self.known.insert(variable.name.to_owned(), "a variable of every script".to_owned());
        }
        let mut vms = BTreeSet::new();
        for line in &script.lines {
            let Line::Header(entry) = line else { continue };
            for (name, at) in &entry.values {
                match entry.key.name {
                    "files" => self.add(name, "a file", *at),
                    "sockets" => self.add(name, "a socket", *at),
                    "vms" if !vms.insert(name) => {
                        self.problems.push(Problem::new(
                            *at,
                            name.len(),
                            format!("VM {name} is declared twice"),
                        ));
                    }
                    _ => {}
                }
            }
        }
        for param in &script.header.params {
            self.add(&param.name, "a parameter", param.at);
        }
    }

    /// Demands that the variables of these words are known by now. `later` are those that a line to
    /// come captures.
    fn look_up(&mut self, words: &[Word], later: &BTreeMap<&str, usize>, captured: &[String]) {
        for (name, at) in words.iter().flat_map(Word::variables) {
            self.used.insert(name.to_string());
            if self.known.contains_key(&*name) {
                continue;
            }
            if let Some(line) = later.get(&*name) {
                let message =
                    format!("${name} is captured only in line {line}: expected that line before this one");
                self.problems.push(Problem::new(at, name.len() + 1, message));
            } else if !captured.iter().any(|one| *one == name) {
                let known: Vec<_> = self.known.keys().map(|name| format!("${name}")).collect();
                let expected = format!("declare it, as in `files: {name}`; known are {}", known.join(", "));
                self.problems.push(Problem::unknown(at, "variable", &format!("${name}"), &known, &expected));
            }
        }
    }

    /// Looks at what a command acts on: it must be one that was started before.
    fn instance<'s>(
        &mut self,
        script: &'s Script,
        step: &'s super::syntax::Step,
        started: &mut BTreeSet<(&'s str, &'s str)>,
        sound: bool,
    ) {
        let Some((thing, role)) = step.command.on else { return };
        let name = step.instance.as_str();
        let vms = &script.header.vms;
        let mut known_vm = |name: &str, at: Pos| {
            let known = name.is_empty() || vms.iter().any(|vm| vm == name);
            if !known {
                let expected = format!("declare it, as in `vms: {name}`");
                self.problems.push(Problem::unknown(at, "VM", name, vms, &expected));
            }
            known
        };
        for word in &step.args {
            if let Some((option, target)) = word.split_option().filter(|_| step.command.name == "migrate")
                && let Some(target) = target.plain().filter(|_| option == "to")
            {
                known_vm(target, word.at);
            }
        }
        if thing.is_declared() && !known_vm(name, step.at) {
            return;
        }
        match role {
            Role::Prepares => {}
            Role::Starts => _ = started.insert((thing.name(), name)),
            Role::Uses if !sound || started.contains(&(thing.name(), name)) => {}
            Role::Uses => {
                let names: Vec<_> =
                    started.iter().filter(|(one, _)| *one == thing.name()).map(|(_, name)| *name).collect();
                let expected = format!("expected `{}` before it", thing.started_by(name));
                let message = format!("{} was not started", thing.called(name));
                let hint = crate::suite::similar_word(name, names.iter().filter(|name| !name.is_empty()));
                let message = format!("{message}: {}", hint.unwrap_or(expected));
                self.problems.push(Problem::new(step.at, step.command.name.len(), message));
            }
        }
    }
}
