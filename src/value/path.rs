//! Paths into QMP values, and what a case demands to find there.

use serde_json::Value;

use super::equal::py_eq;
use super::event::item;

/// A path that could not be followed to its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed to follow path {path:?}: {problem} in {found}")]
pub struct PathError {
    /// The whole path.
    pub path: String,
    /// What went wrong.
    pub problem: PathProblem,
    /// The value that the path could not be followed into, as JSON.
    pub found: String,
}

/// Why a path could not be followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathProblem {
    /// The value is no object, or lacks the key.
    #[error("no key {0:?}")]
    NoKey(String),
    /// The component has an index, but what it names is no list.
    #[error("{0:?} is no list")]
    NotAList(String),
    /// The list is shorter than that.
    #[error("{0:?} has no item {1}")]
    NoItem(String, i64),
    /// What stands in the brackets is no integer: the path itself is wrong, whatever the value is.
    #[error("{1:?} after {0:?} is no index, which must be an integer,")]
    BadIndex(String, String),
}

/// A value that is not the demanded one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MismatchError {
    /// There is no value at that path.
    #[error("{0}\nthe whole object is {1}")]
    Path(PathError, String),
    /// It is another value.
    #[error("{path:?} is {found}, expected {expected}\nthe whole object is {whole}")]
    Differs {
        /// The path.
        path: String,
        /// What is there, as JSON.
        found: String,
        /// The demanded value, or the several allowed, as JSON.
        expected: String,
        /// All of the message, as JSON.
        whole: String,
    },
}

/// A value where none should be, or a path that means nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PresentError {
    /// There is a value.
    #[error("{path:?} should be absent, but is {found}\nthe whole object is {whole}")]
    Present {
        /// The path.
        path: String,
        /// What is there, as JSON.
        found: String,
        /// All of the message, as JSON.
        whole: String,
    },
    /// The path itself is wrong.
    #[error(transparent)]
    Path(PathError),
}

/// The value at a path like `return[0]/inserted/file` (`iotests.py: QMPTestCase.dictpath`).
///
/// Components are keys of objects, each with at most one index that follows at once: a further one,
/// as all else after the closing bracket, is ignored, as in `iotests.py`. Indices below zero count from
/// the end; they are written in ASCII digits, while Python takes those of any script.
///
/// # Errors
/// Where the path ends too soon, and why.
pub fn dictpath<'a>(value: &'a Value, path: &str) -> Result<&'a Value, PathError> {
    let mut found = value;
    for component in path.split('/') {
        found = step(found, component).map_err(|(problem, at)| PathError {
            path: path.to_owned(),
            problem,
            found: at.to_string(),
        })?;
    }
    Ok(found)
}

/// One component of a path; a failure names the value that it happened in.
fn step<'a>(value: &'a Value, component: &str) -> Result<&'a Value, (PathProblem, &'a Value)> {
    let (name, index) = match split_index(component) {
        Some((name, text)) => match python_int(text) {
            Some(index) => (name, Some(index)),
            None => {
                let problem = PathProblem::BadIndex(name.to_owned(), text.to_owned());
                return Err((problem, value));
            }
        },
        None => (component, None),
    };
    let found = match value {
        Value::Object(map) => map.get(name),
        _ => None,
    };
    let found = found.ok_or_else(|| (PathProblem::NoKey(name.to_owned()), value))?;
    let Some(index) = index else {
        return Ok(found);
    };
    let Value::Array(list) = found else {
        return Err((PathProblem::NotAList(name.to_owned()), found));
    };
    item(list, index).ok_or_else(|| (PathProblem::NoItem(name.to_owned(), index), found))
}

/// `name[index]…` as name and index, neither of them empty.
fn split_index(component: &str) -> Option<(&str, &str)> {
    let (name, rest) = component.split_once('[')?;
    let (index, _) = rest.split_once(']')?;
    (!name.is_empty() && !index.is_empty()).then_some((name, index))
}

/// An integer as Python's `int` reads one: blanks around it, a sign, single underscores between
/// ASCII digits. One that is too large for any list is taken for the largest there is.
fn python_int(text: &str) -> Option<i64> {
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let groups_of_digits =
        digits.split('_').all(|group| !group.is_empty() && group.bytes().all(|byte| byte.is_ascii_digit()));
    let number = digits
        .bytes()
        .filter(u8::is_ascii_digit)
        .fold(0i64, |number, digit| number.saturating_mul(10).saturating_add(i64::from(digit - b'0')));
    groups_of_digits.then_some(if negative { -number } else { number })
}

/// Demands `expected` at a path; of a list that is not empty, any item will do (`iotests.py:
/// QMPTestCase.assert_qmp`).
///
/// To demand a list, put it in a list. `[]` means itself. Values are compared as Python does: see
/// [`py_eq`].
///
/// # Errors
/// What is there instead, and the whole value.
pub fn matches_qmp(value: &Value, path: &str, expected: &Value) -> Result<(), MismatchError> {
    let found = dictpath(value, path).map_err(|error| MismatchError::Path(error, format!("{value:#}")))?;
    let matched = match expected {
        Value::Array(any_of) if !any_of.is_empty() => any_of.iter().any(|one| py_eq(found, one)),
        one => py_eq(found, one),
    };
    if matched {
        return Ok(());
    }
    Err(MismatchError::Differs {
        path: path.to_owned(),
        found: found.to_string(),
        expected: match expected {
            Value::Array(any_of) if !any_of.is_empty() => format!("any of {expected}"),
            one => one.to_string(),
        },
        whole: format!("{value:#}"),
    })
}

/// Demands that there is nothing at a path; `null` is something (`iotests.py:
/// QMPTestCase.assert_qmp_absent`).
///
/// # Errors
/// What is there; or that the path itself is wrong.
pub fn absent_qmp(value: &Value, path: &str) -> Result<(), PresentError> {
    match dictpath(value, path) {
        Ok(found) => Err(PresentError::Present {
            path: path.to_owned(),
            found: found.to_string(),
            whole: format!("{value:#}"),
        }),
        Err(error) if matches!(error.problem, PathProblem::BadIndex(..)) => Err(PresentError::Path(error)),
        Err(_) => Ok(()),
    }
}
