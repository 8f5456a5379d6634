//! Assertions: each failure carries the line of the case, the path, the value and the whole
//! message.

use std::fmt::{Debug, Display};

use serde_json::Value;
use similar::TextDiff;

use super::Test;
use crate::error::{Error, Failure, TestResult};
use crate::value::{
    MismatchError, absent_qmp, dictpath, flatten_qmp_object, json_filename, matches_qmp, py_eq,
};

impl Test {
    /// The value at a path like `return[0]/inserted/file` in a QMP message
    /// (`iotests.py: QMPTestCase.dictpath`).
    ///
    /// # Errors
    /// A failed assertion that says how far the path went, with the whole message.
    #[track_caller]
    pub fn dictpath<'a>(&self, value: &'a Value, path: &str) -> TestResult<&'a Value> {
        located(dictpath(value, path).map_err(|error| MismatchError::Path(error, format!("{value:#}"))))
    }

    /// Demands a value at a path of a QMP message; of a list that is not empty, any item will do,
    /// and `[]` means itself (`iotests.py: QMPTestCase.assert_qmp`).
    ///
    /// # Errors
    /// A failed assertion that shows the path, both values and the whole message.
    #[track_caller]
    pub fn assert_qmp(&self, value: &Value, path: &str, expected: impl Into<Value>) -> TestResult {
        located(matches_qmp(value, path, &expected.into()))
    }

    /// Demands that a QMP message has nothing at a path; `null` is something
    /// (`iotests.py: QMPTestCase.assert_qmp_absent`).
    ///
    /// # Errors
    /// A failed assertion that shows the value and the whole message.
    #[track_caller]
    pub fn assert_qmp_absent(&self, value: &Value, path: &str) -> TestResult {
        located(absent_qmp(value, path))
    }

    /// Demands that `filename` is a `json:` file name with the same options as `reference`, however
    /// nested (`iotests.py: QMPTestCase.assert_json_filename_equal`).
    ///
    /// # Errors
    /// A failed assertion that shows both.
    #[track_caller]
    pub fn assert_json_filename_equal(&self, filename: &str, reference: &Value) -> TestResult {
        let Some(parsed) = json_filename(filename) else {
            return Err(failed(format!("{filename:?} is not a json: file name")));
        };
        let [got, wanted] = [&parsed, reference].map(|options| {
            let mut flat = flatten_qmp_object(options);
            flat.sort_keys();
            Value::Object(flat)
        });
        if py_eq(&got, &wanted) {
            return Ok(());
        }
        let diff = difference(&format!("{wanted:#}"), &format!("{got:#}"));
        Err(failed(format!("{filename:?} has other options than expected\n{diff}")))
    }

    /// Demands that two values are equal.
    ///
    /// # Errors
    /// A failed assertion with a diff of the two, text by its lines.
    #[track_caller]
    pub fn assert_eq<A: PartialEq<B> + Debug, B: Debug>(&self, got: A, expected: B) -> TestResult {
        if got == expected {
            return Ok(());
        }
        // Debug puts a text on one line; broken up again, each line shows its own end.
        let [expected, got] =
            [format!("{expected:#?}"), format!("{got:#?}")].map(|text| text.replace("\\n", "\\n\n"));
        Err(failed(format!("the values differ\n{}", difference(&expected, &got))))
    }

    /// Demands that `condition` holds; `claim` says what should have been true.
    ///
    /// # Errors
    /// A failed assertion with the claim.
    #[track_caller]
    pub fn assert(&self, condition: bool, claim: impl Into<String>) -> TestResult {
        if condition { Ok(()) } else { Err(failed(format!("not true: {}", claim.into()))) }
    }
}

/// Makes a failed assertion of an error. A `map_err` would not do: a closure does not see the
/// caller's place.
#[track_caller]
pub(crate) fn located<T>(result: Result<T, impl Display>) -> TestResult<T> {
    match result {
        Ok(value) => Ok(value),
        Err(error) => Err(failed(error.to_string())),
    }
}

#[track_caller]
pub(crate) fn failed(message: String) -> Failure {
    Failure::new(Error::Assertion(message))
}

/// What differs between the two, line by line.
fn difference(expected: &str, got: &str) -> String {
    let (expected, got) = (format!("{expected}\n"), format!("{got}\n"));
    TextDiff::from_lines(&expected, &got).unified_diff().header("expected", "got").to_string()
}
