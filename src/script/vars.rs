//! Variables, and words with their variables filled in.

use std::collections::BTreeMap;

use serde_json::Value;

use super::header::Header;
use super::words::{Part, Piece, Word, template};
use crate::error::{Error, Result};
use crate::test::Test;

/// A variable that every script has.
#[derive(Debug)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub about: &'static str,
    value: fn(&Test) -> String,
}

const fn variable(name: &'static str, about: &'static str, value: fn(&Test) -> String) -> Variable {
    Variable { name, about, value }
}

/// All of them, in the order of the manual.
pub const VARIABLES: &[Variable] = &[
    variable("IMGFMT", "the image format under test", |t| t.imgfmt().to_owned()),
    variable("IMGPROTO", "the protocol under test", |t| t.imgproto().to_owned()),
    variable("IMGOPTS", "options for new images, as `qemu-img create` gets them", |t| {
        t.imgopts().unwrap_or_default()
    }),
    variable("CACHEMODE", "the cache mode", |t| t.context().env().cachemode().to_owned()),
    variable("AIOMODE", "the AIO mode", |t| t.context().env().aiomode().to_owned()),
    variable("TEST_DIR", "the directory of scratch files", |t| t.context().paths().test_dir.clone()),
    variable("SOCK_DIR", "the directory of sockets", |t| t.context().paths().sock_dir.clone()),
    variable(
        "LUKS_SECRET",
        "the object with the passphrase of LUKS images, `keysec0`",
        Test::luks_secret_object,
    ),
];

/// The parameters that a trial was given, as `size=1M,cluster=64k`.
pub(super) fn params(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split(',').filter_map(|pair| pair.split_once('='))
}

/// What a variable holds.
#[derive(Clone, Debug)]
enum Held {
    Text(String),
    Captured(Value),
}

/// The variables of a trial.
#[derive(Debug)]
pub(super) struct Vars(BTreeMap<String, Held>);

impl Vars {
    /// Those that are there from the start.
    pub(super) fn new(test: &Test, header: &Header) -> Result<Self> {
        let mut vars = BTreeMap::new();
        let mut hold = |name: &str, text: String| _ = vars.insert(name.to_owned(), Held::Text(text));
        for variable in VARIABLES {
            hold(variable.name, (variable.value)(test));
        }
        for name in &header.files {
            hold(name, test.file(name).to_string());
        }
        for name in &header.sockets {
            hold(name, test.socket(name)?.to_string());
        }
        for (name, value) in params(test.param()) {
            hold(name, value.to_owned());
        }
        Ok(Self(vars))
    }

    /// Keeps what a command returned.
    pub(super) fn capture(&mut self, name: &str, value: Value) {
        self.0.insert(name.to_owned(), Held::Captured(value));
    }

    fn get(&self, name: &str) -> Result<&Held> {
        // The parser knows all names, but not which guards hold.
        self.0.get(name).ok_or_else(|| {
            Error::misuse(format!("${name} is not set, for the line that captures it was not run"))
        })
    }

    fn text_of(&self, name: &str) -> Result<String> {
        Ok(match self.get(name)? {
            Held::Text(text) | Held::Captured(Value::String(text)) => text.clone(),
            Held::Captured(value) => value.to_string(),
        })
    }

    /// The word as text.
    pub(super) fn text(&self, word: &Word) -> Result<String> {
        let mut out = String::new();
        for piece in &word.pieces {
            match piece {
                Piece::Text { text, .. } => out.push_str(text),
                Piece::Var { name, .. } => out.push_str(&self.text_of(name)?),
                Piece::Json { value, .. } => out.push_str(&self.fill(value)?.to_string()),
            }
        }
        Ok(out)
    }

    /// The word as a QMP value: JSON if it reads as JSON and nothing in it is quoted, otherwise
    /// text. A captured value stays what it is.
    pub(super) fn value(&self, word: &Word) -> Result<Value> {
        match word.pieces.as_slice() {
            [Piece::Json { value, .. }] => return self.fill(value),
            [Piece::Var { name, quoted: false, .. }] => {
                if let Held::Captured(value) = self.get(name)? {
                    return Ok(value.clone());
                }
            }
            _ => {}
        }
        let text = self.text(word)?;
        let parsed =
            if word.pieces.iter().any(Piece::quoted) { None } else { serde_json::from_str(&text).ok() };
        Ok(parsed.unwrap_or(Value::String(text)))
    }

    /// JSON with the variables in its strings filled in. A string that is one variable becomes the value
    /// that this captured, as a word does.
    fn fill(&self, value: &Value) -> Result<Value> {
        Ok(match value {
            Value::String(text) => {
                let parts = template(text).map_err(Error::assertion)?;
                if let [Part::Var(name)] = parts.as_slice()
                    && let Held::Captured(value) = self.get(name)?
                {
                    return Ok(value.clone());
                }
                Value::String(self.join(&parts)?)
            }
            Value::Array(list) => {
                Value::Array(list.iter().map(|item| self.fill(item)).collect::<Result<_>>()?)
            }
            Value::Object(map) => {
                let key = |text: &str| self.join(&template(text).map_err(Error::assertion)?);
                let filled = map.iter().map(|(name, item)| Ok((key(name)?, self.fill(item)?)));
                Value::Object(filled.collect::<Result<_>>()?)
            }
            other => other.clone(),
        })
    }

    fn join(&self, parts: &[Part]) -> Result<String> {
        let text = |part: &Part| match part {
            Part::Text(text) => Ok(text.clone()),
            Part::Var(name) => self.text_of(name),
        };
        parts.iter().map(text).collect()
    }
}
