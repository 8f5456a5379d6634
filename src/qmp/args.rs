//! Arguments of a command.

use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// Arguments of a QMP command: `json!({...})`, or `()` for none. They are sent as they are written:
/// no underscore becomes a hyphen, as `qemu.machine: qmp` does for Python's keyword arguments.
#[derive(Clone, Debug, Default)]
pub struct Args(Value);

impl Args {
    /// These arguments with `changes` on top: a value replaces what was there, `null` takes it away.
    ///
    /// ```
    /// use iotests::prelude::*;
    ///
    /// let usual = Args::from(json!({ "device": "drive0", "sync": "full" }));
    /// let changed = usual.with(json!({ "sync": null, "speed": 1 })).into_object("drive-mirror")?;
    /// assert_eq!(Value::Object(changed), json!({ "device": "drive0", "speed": 1 }));
    /// # Ok::<(), iotests::error::Error>(())
    /// ```
    #[must_use]
    pub fn with(self, changes: impl Into<Self>) -> Self {
        let (mut all, changes) = match (self.0, changes.into().0) {
            (Value::Object(all), Value::Object(changes)) => (all, changes),
            (all, Value::Null) => return Self(all),
            (Value::Null, Value::Object(changes)) => (Map::new(), changes),
            (_, other) => return Self(other),
        };
        for (key, value) in changes {
            if value.is_null() {
                all.shift_remove(&key);
            } else {
                all.insert(key, value);
            }
        }
        Self(Value::Object(all))
    }

    /// The arguments as an object.
    ///
    /// # Errors
    /// [`Error::Misuse`] when they are neither an object nor nothing.
    pub fn into_object(self, command: &str) -> Result<Map<String, Value>> {
        match self.0 {
            Value::Null => Ok(Map::new()),
            Value::Object(map) => Ok(map),
            other => Err(Error::misuse(format!("arguments of {command} must be an object, this is {other}"))),
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
