//! How a line finds its command.

use crate::script::commands::command::Command;
use crate::script::commands::table::COMMANDS;
use crate::script::text::name::is_name;
use crate::script::text::problem::Problem;
use crate::script::text::word::Word;

/// Words that people may look for, and what to do instead.
const REFUSED: &[(&str, &str)] = &[
    ("sleep", "no case sleeps: wait for what shall happen, with `event`, `job` or `migrate`"),
    ("if", "there are no branches: guard each line, as in [qcow2] or [!qcow2], or write a compiled case"),
    ("for", "there are no loops: use `params:` for a trial for each value, or write a compiled case"),
    ("while", "there are no loops: write a compiled case"),
    ("echo", "write `log TEXT`, or a heading as in == text =="),
    ("source", "scripts cannot include others: write a compiled case"),
];

/// A line's command, and the words after it.
pub(super) struct Found<'a> {
    pub(super) command: &'static Command,
    pub(super) instance: String,
    pub(super) words: &'a [Word],
}

/// The command that a line begins with.
pub(super) fn find<'a>(first: &Word, rest: &'a [Word]) -> Result<Found<'a>, Problem> {
    let wrong = |at: &Word, message: String| Problem::new(at.at, at.width(), message);
    let Some(text) = first.plain() else {
        return Err(wrong(first, "expected a command, without quotes and variables".to_owned()));
    };
    let (name, instance) = match text.split_once('@') {
        Some((name, instance)) => (name, Some(instance)),
        None => (text, None),
    };
    if let Some((_, why)) = REFUSED.iter().find(|(word, _)| *word == name) {
        return Err(wrong(first, format!("{name}: {why}")));
    }
    // Without a look for the blank of each name, for this is done for every line.
    let begins = |command: &&Command| matches!(command.name.strip_prefix(name), Some(rest) if rest.is_empty() || rest.starts_with(' '));
    let mut candidates = COMMANDS.iter().filter(begins).peekable();
    let Some(only) = candidates.peek().copied() else {
        let mut known = Vec::new();
        for (name, _) in COMMANDS.iter().map(Command::words) {
            if !known.contains(&name) {
                known.push(name);
            }
        }
        let expected = format!("known are {}", known.join(", "));
        return Err(Problem::unknown(first.at, "command", name, known, &expected));
    };
    let (command, words) = match only.words().1 {
        None => (only, rest),
        Some(_) => {
            let second = rest.first();
            let found = candidates.clone().find(|command| second.and_then(Word::plain) == command.words().1);
            match (found, second) {
                (Some(command), _) => (command, &rest[1..]),
                (None, second) => {
                    let names: Vec<_> = candidates.filter_map(|command| command.words().1).collect();
                    let expected = format!("known are {}", names.join(", "));
                    let (place, given) = match second {
                        Some(word) => (word, word.plain().unwrap_or_default()),
                        None => return Err(wrong(first, format!("{name} lacks a command: {expected}"))),
                    };
                    return Err(Problem::unknown(
                        place.at,
                        &format!("command of {name}"),
                        given,
                        &names,
                        &expected,
                    ));
                }
            }
        }
    };
    match instance {
        Some(_) if command.on.is_none() => {
            Err(wrong(first, format!("there is only one {name}: expected no @ after it")))
        }
        Some(instance) if !is_name(instance) => {
            Err(wrong(first, "expected a name of letters, digits and _ after the @".to_owned()))
        }
        instance => Ok(Found { command, instance: instance.unwrap_or_default().to_owned(), words }),
    }
}
