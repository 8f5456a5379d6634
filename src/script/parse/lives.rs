//! What a script starts and ends: each thing is started before it is used, and what a VM is to be launched
//! with comes before that launch.

use std::collections::{BTreeMap, BTreeSet};

use crate::env::similar_word;
use crate::script::commands::command::{Command, Role};
use crate::script::commands::table::COMMANDS;
use crate::script::state::thing::Thing;
use crate::script::syntax::script::{Line, Script, Step};
use crate::script::text::problem::{Pos, Problem};

/// Everything wrong with what commands act on; `meant` are the names of VMs that lines with a mistake
/// would have declared. What depends on the order of lines is reported only of a script that is otherwise
/// `sound`.
pub(super) fn check(script: &Script, meant: &[String], sound: bool) -> Vec<Problem> {
    let mut lives = Lives {
        script,
        meant,
        sound,
        named: BTreeSet::new(),
        started: BTreeSet::new(),
        running: BTreeMap::new(),
        prepared: BTreeMap::new(),
        problems: Vec::new(),
    };
    for step in script.steps() {
        lives.step(step);
    }
    if sound && lives.problems.is_empty() {
        lives.unlaunched();
        lives.unused();
    }
    lives.problems
}

struct Lives<'s> {
    script: &'s Script,
    meant: &'s [String],
    sound: bool,
    /// The VMs that any line names.
    named: BTreeSet<&'s str>,
    started: BTreeSet<(Thing, &'s str)>,
    /// The lines that launched the VMs which run for certain.
    running: BTreeMap<&'s str, usize>,
    /// The first line of what each VM is to be launched with next.
    prepared: BTreeMap<&'s str, &'s Step>,
    problems: Vec<Problem>,
}

impl<'s> Lives<'s> {
    fn step(&mut self, step: &'s Step) {
        let Some((thing, role)) = step.command.on else { return };
        if let Some(target) = step.args.named("to").filter(|_| step.command.name == "migrate")
            && let Some(name) = target.plain()
        {
            self.is_known(name, target.at);
        }
        let name = step.instance.as_str();
        if thing.is_declared() && !self.is_known(name, step.at) {
            return;
        }
        match role {
            Role::Prepares => self.prepare(name, step),
            Role::Starts => {
                self.started.insert((thing, name));
                if thing == Thing::Vm {
                    self.prepared.remove(name);
                    // Where a guard keeps it from being launched, or from ending, only the run can know.
                    if !step.negated && step.guards.is_empty() {
                        self.running.insert(name, step.at.line);
                    }
                }
            }
            Role::Uses | Role::Ends => {
                if self.sound && !self.started.contains(&(thing, name)) {
                    self.not_started(thing, name, step);
                }
                if (thing, role) == (Thing::Vm, Role::Ends) {
                    self.running.remove(name);
                }
            }
        }
    }

    /// Whether there is a VM of this name.
    fn is_known(&mut self, name: &'s str, at: Pos) -> bool {
        let vms = &self.script.header.vms;
        self.named.insert(name);
        let known = name.is_empty() || vms.iter().any(|vm| vm == name);
        if !known && !self.meant.iter().any(|one| one == name) {
            let expected = format!("declare it, as in `vms: {name}`");
            self.problems.push(Problem::unknown(at, "VM", name, vms, &expected));
        }
        known
    }

    fn prepare(&mut self, name: &'s str, step: &'s Step) {
        match self.running.get(name) {
            Some(line) if self.sound => {
                let message = format!(
                    "{} runs since line {line}, and does not get this any more: expected it before `{}`, or after \
                     `vm shutdown`, `vm kill` or `vm wait`",
                    Thing::Vm.called(name),
                    started_by(Thing::Vm, name),
                );
                self.problems.push(Problem::new(step.at, step.command.name.len(), message));
            }
            _ => _ = self.prepared.entry(name).or_insert(step),
        }
    }

    fn not_started(&mut self, thing: Thing, name: &str, step: &Step) {
        let names = self.started.iter().filter(|(one, _)| *one == thing).map(|(_, name)| *name);
        let hint = similar_word(name, names.filter(|name| !name.is_empty()));
        let expected = format!("expected `{}` before it", started_by(thing, name));
        let message = format!("{} was not started: {}", thing.called(name), hint.unwrap_or(expected));
        self.problems.push(Problem::new(step.at, step.command.name.len(), message));
    }

    /// Demands that what a VM is to be launched with is followed by its launch.
    fn unlaunched(&mut self) {
        for (name, step) in &self.prepared {
            let message = format!(
                "{} is not launched after this: expected `{}`",
                Thing::Vm.called(name),
                started_by(Thing::Vm, name)
            );
            self.problems.push(Problem::new(step.at, step.command.name.len(), message));
        }
    }

    /// Demands that every VM of the header is named by some line.
    fn unused(&mut self) {
        for line in &self.script.lines {
            let Line::Header(entry) = line else { continue };
            for (name, at) in entry.values.iter().filter(|_| entry.key.name == "vms") {
                if !self.named.contains(name.as_str()) {
                    let message = format!("{name} is a VM, but vm@{name} is never used");
                    self.problems.push(Problem::new(*at, name.len(), message));
                }
            }
        }
    }
}

/// The command that starts this one.
fn started_by(thing: Thing, name: &str) -> String {
    let starts = COMMANDS.iter().find(|command| command.on == Some((thing, Role::Starts)));
    let (first, rest) = starts.map(Command::words).unwrap_or_default();
    let at = if name.is_empty() { String::new() } else { format!("@{name}") };
    format!("{first}{at} {}", rest.unwrap_or_default()).trim_end().to_owned()
}
