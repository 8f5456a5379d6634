//! What is at a path of a reply.

use serde_json::{Value, json};

use crate::env::similar_word;
use crate::error::{Error, Result};
use crate::value::{PathError, PathProblem, dictpath};

/// A list gets the name by which paths enter it.
pub(crate) fn enterable(reply: Value) -> Value {
    if reply.is_array() { json!({ "return": reply }) } else { reply }
}

/// The value at a path.
pub(crate) fn follow<'a>(reply: &'a Value, path: &str) -> Result<&'a Value> {
    dictpath(reply, path).map_err(|error| Error::assertion(no_path(&error, reply)))
}

/// Why there is nothing at the end of a path, or `None` if there is something.
///
/// # Errors
/// [`Error::Assertion`] if the path ends before its last key or index: a misspelt name on the way says
/// nothing about what is absent.
pub(crate) fn reaches(reply: &Value, path: &str) -> Result<Option<String>> {
    let Err(error) = dictpath(reply, path) else { return Ok(None) };
    // Of an item, the list must be there.
    let before = if path.ends_with(']') { path.rsplit_once('[') } else { path.rsplit_once('/') };
    match &error.problem {
        PathProblem::NotAList(_) => Err(Error::assertion(no_path(&error, reply))),
        _ => {
            before.map(|(before, _)| follow(reply, before)).transpose()?;
            Ok(Some(no_path(&error, reply)))
        }
    }
}

fn no_path(error: &PathError, reply: &Value) -> String {
    let hint = match (&error.problem, serde_json::from_str(&error.found)) {
        (PathProblem::NoKey(key), Ok(Value::Object(map))) => similar_word(key, map.keys()),
        _ => None,
    };
    let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
    format!("failed to follow path {:?}: {}{hint}\n{reply:#}", error.path, error.problem)
}
