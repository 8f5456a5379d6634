//! The reference tables of the manual, made of the tables that the parser uses.

use std::fmt::Write as _;

use super::commands::table::COMMANDS;
use super::header::condition::REQUIREMENTS;
use super::header::filter::FILTERS;
use super::header::keys::KEYS;
use super::state::variables::VARIABLES;

/// All tables, as Markdown.
pub fn tables() -> String {
    let mut out = String::new();
    table(
        &mut out,
        "Header",
        ["line", "meaning"],
        KEYS.iter().map(|key| [code(&format!("{}: {}", key.name, key.values)), key.about.to_owned()]),
    );
    table(
        &mut out,
        "Commands",
        ["command", "what it does", "`!` before it demands"],
        COMMANDS.iter().map(|command| {
            let usage = format!("{} {}", command.name, command.usage);
            let fails = command.fails.unwrap_or("cannot stand after `!`");
            [code(usage.trim_end()), command.about.to_owned(), fails.to_owned()]
        }),
    );
    table(
        &mut out,
        "Requirements",
        ["requirement", "what must be there"],
        REQUIREMENTS
            .iter()
            .map(|word| [code(&format!("{}{}", word.name, word.value)), word.about.to_owned()]),
    );
    table(
        &mut out,
        "Variables",
        ["variable", "what it holds"],
        VARIABLES.iter().map(|variable| [code(&format!("${}", variable.name)), variable.about.to_owned()]),
    );
    table(
        &mut out,
        "Filters",
        ["filter", "what it hides"],
        FILTERS.iter().map(|word| [code(word.name), word.about.to_owned()]),
    );
    out
}

fn table<const N: usize>(
    out: &mut String,
    title: &str,
    head: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
) {
    let _ = writeln!(out, "\n### {title}\n");
    let _ = writeln!(out, "| {} |\n|{}", head.join(" | "), " --- |".repeat(N));
    for row in rows {
        let _ = writeln!(out, "| {} |", row.join(" | "));
    }
}

/// Code in a table cell, in which a bar would end the cell.
fn code(text: &str) -> String {
    format!("`{}`", text.replace('|', "\\|"))
}
