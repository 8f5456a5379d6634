//! Arguments of QMP commands: `key=value` words, whose dots nest, or one JSON object.

use serde_json::Value;

use super::problem::Problem;
use super::words::{Piece, Word};

/// The arguments of a QMP command, variables not yet filled in.
#[derive(Debug)]
pub(super) enum Arguments {
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
            let wrong = |message: &str| Err(Problem::new(word.at, word.to_string().chars().count(), message));
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
    pub(super) fn build<E>(self, mut fill: impl FnMut(&Word) -> Result<Value, E>) -> Result<Value, E> {
        match self {
            Self::Object(word) => fill(&word),
            Self::Pairs(pairs) => {
                let mut object = Value::Object(serde_json::Map::new());
                for (path, word) in pairs {
                    // Every value on the way is an object: no path is the beginning of another.
                    let slot = path.iter().fold(&mut object, |at, name| &mut at[name.as_str()]);
                    *slot = fill(&word)?;
                }
                Ok(object)
            }
        }
    }
}
