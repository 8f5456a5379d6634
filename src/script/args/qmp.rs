//! Arguments of QMP commands: `key=value` words, whose dots nest, or one JSON object.

use std::fmt;

use serde_json::Value;

use crate::script::text::problem::{Pos, Problem};
use crate::script::text::word::{Piece, Word};

/// The arguments of a QMP command, variables not yet filled in.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Arguments {
    /// Paths and their values. None is the beginning of another.
    Pairs(Vec<(Vec<String>, Word)>),
    /// All of it.
    Object(Word),
}

impl Arguments {
    /// Reads the words after the command.
    pub(super) fn parse(words: &[&Word]) -> Result<Self, Problem> {
        let mut pairs: Vec<(Vec<String>, Word)> = Vec::new();
        for word in words {
            let wrong = |message: &str| Err(Problem::new(word.at, word.width(), message));
            if let [Piece::Json { value, .. }] = word.pieces.as_slice() {
                return match (value, words.len()) {
                    (Value::Object(_), 1) => Ok(Self::Object((*word).clone())),
                    (Value::Object(_), _) => {
                        wrong("a JSON object is all arguments: expected nothing beside it")
                    }
                    _ => wrong("expected a JSON object"),
                };
            }
            let Some((key, value)) = word.split_option() else {
                return wrong("expected key=value, or one JSON object");
            };
            let path: Vec<String> = key.split('.').map(str::to_owned).collect();
            if path.iter().any(String::is_empty) {
                return wrong("expected names with single dots between them before the =");
            }
            if path.iter().any(|name| name.bytes().all(|byte| byte.is_ascii_digit())) {
                return wrong("dots nest objects, not lists: expected a list as JSON, as in key=[1, 2]");
            }
            if let Some((other, _)) =
                pairs.iter().find(|(other, _)| other.starts_with(&path) || path.starts_with(other))
            {
                return wrong(&format!("{key} and {} exclude each other", other.join(".")));
            }
            pairs.push((path, value));
        }
        Ok(Self::Pairs(pairs))
    }

    /// The object they make, each value as `fill` has it.
    pub(crate) fn build<E>(&self, mut fill: impl FnMut(&Word) -> Result<Value, E>) -> Result<Value, E> {
        match self {
            Self::Object(word) => fill(word),
            Self::Pairs(pairs) => {
                let mut object = Value::Object(serde_json::Map::new());
                for (path, word) in pairs {
                    // Every value on the way is an object: no path is the beginning of another.
                    let slot = path.iter().fold(&mut object, |at, name| &mut at[name.as_str()]);
                    *slot = fill(word)?;
                }
                Ok(object)
            }
        }
    }

    /// The first part of each name, and where the argument stands; of an object, its keys.
    pub(crate) fn names(&self) -> Vec<(&str, Pos)> {
        match self {
            Self::Pairs(pairs) => {
                let place = |(path, value): &(Vec<String>, Word)| {
                    let written = path.iter().map(|name| name.chars().count() + 1).sum::<usize>();
                    Pos { column: value.at.column.saturating_sub(written), ..value.at }
                };
                pairs.iter().map(|pair| (pair.0[0].as_str(), place(pair))).collect()
            }
            Self::Object(word) => match word.pieces.as_slice() {
                [Piece::Json { value: Value::Object(map), .. }] => {
                    map.keys().map(|key| (key.as_str(), word.at)).collect()
                }
                _ => Vec::new(),
            },
        }
    }

    /// The values, in order.
    pub(super) fn words(&self) -> impl Iterator<Item = &Word> {
        let (pairs, object) = match self {
            Self::Pairs(pairs) => (pairs.as_slice(), None),
            Self::Object(word) => (&[][..], Some(word)),
        };
        pairs.iter().map(|(_, word)| word).chain(object)
    }
}

impl fmt::Display for Arguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object(word) => write!(f, " {word}"),
            Self::Pairs(pairs) => {
                pairs.iter().try_for_each(|(path, word)| write!(f, " {}={word}", path.join(".")))
            }
        }
    }
}
