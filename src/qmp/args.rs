//! Arguments of a command.

use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// Arguments of a QMP command: `json!({...})`, or `()` for none. They are sent as they are written:
/// no underscore becomes a hyphen, as `qemu.machine: qmp` does for Python's keyword arguments.
#[derive(Clone, Debug, Default)]
pub struct Args(Value);

impl Args {
    /// The arguments as an object.
    ///
    /// # Errors
    /// [`Error::Assertion`] when they are neither an object nor nothing.
    pub fn into_object(self, command: &str) -> Result<Map<String, Value>> {
        match self.0 {
            Value::Null => Ok(Map::new()),
            Value::Object(map) => Ok(map),
            other => {
                Err(Error::assertion(format!("arguments of {command} must be an object, this is {other}")))
            }
        }
    }
}

impl From<()> for Args {
    fn from((): ()) -> Self {
        Self(Value::Null)
    }
}

impl From<Value> for Args {
    fn from(value: Value) -> Self {
        Self(value)
    }
}

impl From<&Value> for Args {
    fn from(value: &Value) -> Self {
        Self(value.clone())
    }
}

impl From<Map<String, Value>> for Args {
    fn from(map: Map<String, Value>) -> Self {
        Self(Value::Object(map))
    }
}
