//! Guards that can never hold: their lines would never run.

use crate::script::header::condition::{Condition, Guard};
use crate::script::syntax::script::Script;
use crate::script::text::problem::Problem;
use crate::suite::Declaration;

/// A mistake for each line that no trial of the script can run.
pub(super) fn check(script: &Script) -> impl Iterator<Item = Problem> {
    let declaration = &script.header.declaration;
    let of_header = script.header.ignored_stderr.iter().map(|line| line.guard.as_slice());
    let of_steps = script.steps().map(|step| step.guards.as_slice());
    of_header.chain(of_steps).filter_map(move |guards| {
        let why = |(index, guard): (usize, &Guard)| {
            excluded(guard, declaration).or_else(|| contradiction(guard, &guards[..index]))
        };
        let (guard, why) = guards.iter().enumerate().find_map(|entry| Some((entry.1, why(entry)?)))?;
        Some(Problem::new(
            guard.at,
            guard.to_string().chars().count(),
            format!("no trial runs this line: {why}"),
        ))
    })
}

/// Why the header excludes what a guard demands.
fn excluded(guard: &Guard, declaration: &Declaration) -> Option<String> {
    let (name, what, runs_on, not_on) = match &guard.condition {
        Condition::Format(name) => {
            (*name, "format", declaration.formats.clone(), &declaration.unsupported_formats)
        }
        Condition::Protocol(name) => {
            let (named, not_on) = (&declaration.protocols, &declaration.unsupported_protocols);
            let files_only = named.is_empty() && not_on.is_empty();
            (*name, "protocol", if files_only { vec!["file".to_owned()] } else { named.clone() }, not_on)
        }
        Condition::Param { .. } | Condition::Requirement(..) => return None,
    };
    let any = runs_on.is_empty() || runs_on.iter().any(|one| one == "generic");
    let never = not_on.iter().any(|one| one == name) || !(any || runs_on.iter().any(|one| one == name));
    let always = !any && runs_on == [name];
    match guard.negated {
        false if never => Some(format!("the header leaves out the {what} {name}")),
        true if always => Some(format!("the header has no {what} but {name}")),
        _ => None,
    }
}

/// Why a guard cannot hold beside those before it.
fn contradiction(guard: &Guard, before: &[Guard]) -> Option<String> {
    let other = before.iter().find(|other| {
        if other.condition == guard.condition {
            return other.negated != guard.negated;
        }
        !other.negated && !guard.negated && other.condition.excludes(&guard.condition)
    })?;
    Some(format!("{other} and {guard} exclude each other"))
}
