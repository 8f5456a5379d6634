//! The manual shows all there is, and every case of the project can be read.

use std::collections::BTreeSet;
use std::fs;

use iotests::script::{self, COMMANDS, KEYS, Line, Script};

use crate::project;

fn read(case: &str) -> Script {
    let text = fs::read_to_string(project(case)).unwrap();
    script::parse(&text).unwrap_or_else(|problems| panic!("{case}: {problems:?}"))
}

#[test]
fn every_script_case_is_sound() {
    let found = script::discover(&project("cases")).unwrap();
    assert!(found.len() >= 40, "{} script cases", found.len());
    for case in found {
        let file = project("cases").join(&case.file);
        let text = fs::read_to_string(&file).unwrap();
        if let Err(errors) = script::suite_from_file(&file, &text) {
            let reported: Vec<_> = errors.iter().map(ToString::to_string).collect();
            panic!("{}", reported.join("\n"));
        }
    }
}

#[test]
fn the_manual_case_shows_every_line_of_the_header_and_every_command() {
    let (mut keys, mut commands) = (BTreeSet::new(), BTreeSet::new());
    for case in ["manual", "manual/known_failure", "manual/virtual_clock"] {
        for line in &read(&format!("cases/{case}.case")).lines {
            match line {
                Line::Header(entry) => _ = keys.insert(entry.key.name),
                Line::Step(step) => _ = commands.insert(step.command.name),
                _ => {}
            }
        }
    }
    assert_eq!(keys, KEYS.iter().map(|key| key.name).collect());
    assert_eq!(commands, COMMANDS.iter().map(|command| command.name).collect());
}

/// What a usage text shows besides what is always there: `name=` and `flag` for what goes by its name,
/// and a number for the last of what goes by its place.
fn optional_parts(usage: &str) -> Vec<String> {
    let brackets = usage.split('[').skip(1).filter_map(|rest| rest.split(']').next());
    let mut parts: Vec<_> = brackets
        .filter(|part| part.starts_with(|c: char| c.is_ascii_lowercase()))
        .map(|part| part.find('=').map_or(part, |end| &part[..=end]).to_owned())
        .collect();
    let places =
        usage.split([' ', '[', ']']).filter(|part| part.starts_with(|c: char| c.is_ascii_uppercase()));
    parts.push(places.count().to_string());
    parts
}

#[test]
fn script_cases_use_every_option_and_flag_of_every_command() {
    let mut unused: BTreeSet<(&str, String)> = COMMANDS
        .iter()
        .flat_map(|command| optional_parts(command.usage).into_iter().map(|part| (command.name, part)))
        .filter(|(_, part)| part != "0")
        .collect();
    for case in script::discover(&project("cases")).unwrap() {
        for step in read(&format!("cases/{}", case.file)).steps() {
            // What goes by its place, and the arguments of QMP after it.
            let qmp = step.command.usage.contains("ARGUMENTS");
            let places = if qmp { step.args.words().count() } else { step.args.positional().len() };
            for part in optional_parts(step.command.usage) {
                let given = match part.strip_suffix('=') {
                    Some(name) => step.args.named(name).is_some(),
                    None if part.starts_with(|c: char| c.is_ascii_digit()) => {
                        part.parse::<usize>().is_ok_and(|count| places >= count)
                    }
                    None => step.args.has(&part),
                };
                if given {
                    unused.remove(&(step.command.name, part));
                }
            }
        }
    }
    assert!(unused.is_empty(), "{unused:?}");
}

#[test]
fn the_example_of_the_manual_is_sound() {
    let text = fs::read_to_string(project("docs/script-language.md")).unwrap();
    let example = text.split("```\n").nth(1).unwrap();
    assert!(script::parse(example).is_ok_and(|script| script.steps().count() > 8));
}

#[test]
fn the_tables_of_the_manual_are_those_of_the_parser() {
    let path = project("docs/script-language.md");
    let text = fs::read_to_string(&path).unwrap();
    let (start, end) = ("<!-- tables of the parser -->\n", "<!-- end of the tables -->");
    let (before, rest) = text.split_once(start).unwrap();
    let (shown, after) = rest.split_once(end).unwrap();
    let tables = script::tables();
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::write(&path, format!("{before}{start}{tables}\n{end}{after}")).unwrap();
    } else {
        assert_eq!(shown.trim_end(), tables.trim_end(), "UPDATE_EXPECTED=1 writes the tables");
    }
}
