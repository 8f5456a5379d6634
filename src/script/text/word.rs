//! The words of a script, and what they are made of.

use std::borrow::Cow;

use serde_json::Value;

use super::name::Dollar;
use super::problem::Pos;

/// One word of a line.
#[derive(Clone, Debug, PartialEq)]
pub struct Word {
    /// Its parts, in order; adjacent texts that are quoted alike are one.
    pub pieces: Vec<Piece>,
    /// Where it begins.
    pub at: Pos,
}

/// A part of a word.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    /// Text that stands for itself.
    Text {
        /// The text, quotes and escapes resolved.
        text: String,
        /// Whether it was quoted or escaped, and so is no number, no operator and no option.
        quoted: bool,
    },
    /// A variable.
    Var {
        /// Its name.
        name: String,
        /// Whether it stands in double quotes.
        quoted: bool,
        /// Where it stands.
        at: Pos,
    },
    /// JSON that begins the word, or what follows its first `=`. Its strings may hold variables.
    Json {
        /// What it says.
        value: Value,
        /// Where it begins.
        at: Pos,
    },
}

impl Piece {
    /// Whether it was quoted.
    pub fn quoted(&self) -> bool {
        match self {
            Self::Text { quoted, .. } | Self::Var { quoted, .. } => *quoted,
            Self::Json { .. } => false,
        }
    }
}

impl Word {
    /// The text of a word that is plain: no quotes, no variables, no JSON.
    pub fn plain(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [Piece::Text { text, quoted: false }] => Some(text),
            _ => None,
        }
    }

    /// What a plain `name=` begins this word with, and the rest as a word of its own.
    pub fn split_option(&self) -> Option<(&str, Self)> {
        let (first, rest) = self.pieces.split_first()?;
        let Piece::Text { text, quoted: false } = first else { return None };
        let (name, value) = text.split_once('=')?;
        let column = self.at.column + name.chars().count() + 1;
        let value = (!value.is_empty()).then(|| Piece::Text { text: value.to_owned(), quoted: false });
        let pieces = value.into_iter().chain(rest.iter().cloned()).collect();
        Some((name, Self { pieces, at: Pos { column, ..self.at } }))
    }

    /// How many characters it is long, as [`Display`](std::fmt::Display) writes it.
    pub(crate) fn width(&self) -> usize {
        self.to_string().chars().count()
    }

    /// The variables in it, with their places.
    pub fn variables(&self) -> Vec<(Cow<'_, str>, Pos)> {
        let mut found = Vec::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text { .. } => {}
                Piece::Var { name, at, .. } => found.push((Cow::Borrowed(name.as_str()), *at)),
                Piece::Json { value, at } => {
                    let mut names = Vec::new();
                    in_strings(value, &mut |text| names.extend(template_names(text)));
                    found.extend(names.into_iter().map(|name| (Cow::Owned(name), *at)));
                }
            }
        }
        found
    }
}

/// A part of a JSON string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Text(String),
    Var(String),
}

/// The parts of a JSON string, none of them empty; the error is what is wrong with it.
pub(crate) fn template(text: &str) -> Result<Vec<Part>, &'static str> {
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        plain.push_str(before);
        let (dollar, length) = Dollar::read(after)?;
        rest = &after[length..];
        match dollar {
            Dollar::Sign => plain.push('$'),
            Dollar::Name(name) => {
                if !plain.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut plain)));
                }
                parts.push(Part::Var(name.to_owned()));
            }
        }
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        parts.push(Part::Text(plain));
    }
    Ok(parts)
}

fn template_names(text: &str) -> Vec<String> {
    let parts = template(text).unwrap_or_default();
    parts.into_iter().filter_map(|part| if let Part::Var(name) = part { Some(name) } else { None }).collect()
}

/// Looks at every string of a JSON value, keys as well.
pub(super) fn in_strings(value: &Value, look: &mut dyn FnMut(&str)) {
    match value {
        Value::String(text) => look(text),
        Value::Array(list) => list.iter().for_each(|item| in_strings(item, look)),
        Value::Object(map) => map.iter().for_each(|(key, item)| {
            look(key);
            in_strings(item, look);
        }),
        _ => {}
    }
}
