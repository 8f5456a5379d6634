//! How a sequence of operations ends: well, with a finding, or not at all.

use std::any::Any;
use std::error::Error as StdError;
use std::fmt;

use crate::error::Error;

/// What kind of fault it is. While a sequence is shrunk, the kind must stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A read returned what is not there.
    Content,
    /// An operation failed.
    Refused,
    /// A program died of a signal, or a library panicked.
    Crash,
    /// `qemu-img check` found errors, corruptions or leaks.
    Check,
    /// The disk has another size.
    Size,
    /// `qemu-img map` contradicts the content.
    Map,
}

/// A fault.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Finding {
    /// What it is.
    pub kind: Kind,
    /// Which side it is on: the library and its kind of image.
    pub side: String,
    /// What was seen, and what should have been.
    pub what: String,
    /// During which operation, counted from 0. Creating and opening the image comes before them.
    pub step: Option<usize>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.side, self.what)
    }
}

/// Why a sequence stopped.
#[derive(Debug)]
pub(super) enum Stop {
    /// A fault.
    Found(Kind, String),
    /// Nothing can be said: no time, no disk space, no binary.
    Broken(Error),
}

impl Stop {
    pub(super) fn content(what: String) -> Self {
        Self::Found(Kind::Content, what)
    }

    /// A panic of a library.
    pub(super) fn panicked(payload: &(dyn Any + Send)) -> Self {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or(payload.downcast_ref::<&str>().copied()).unwrap_or("(not a text)");
        Self::Found(Kind::Crash, format!("it panicked: {text}"))
    }

    /// The same, with what was being done.
    pub(super) fn during(self, what: impl fmt::Display) -> Self {
        match self {
            Self::Found(kind, text) => Self::Found(kind, format!("{what}: {text}")),
            Self::Broken(error) => Self::Broken(error),
        }
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        match error {
            Error::Crash { .. } => Self::Found(Kind::Crash, error.to_string()),
            Error::Died { status, .. } if status.signal().is_some() => {
                Self::Found(Kind::Crash, error.to_string())
            }
            Error::Died { .. } | Error::Tool(_) | Error::Assertion(_) | Error::Qmp(_) | Error::Other(_) => {
                Self::Found(Kind::Refused, error.to_string())
            }
            other => Self::Broken(other),
        }
    }
}

impl From<Box<dyn StdError + Send + Sync>> for Stop {
    fn from(error: Box<dyn StdError + Send + Sync>) -> Self {
        match error.downcast::<Error>() {
            Ok(ours) => Self::from(*ours),
            Err(other) => Self::Found(Kind::Refused, chain(&*other)),
        }
    }
}

/// An error with all that caused it.
fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
