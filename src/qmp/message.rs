//! What a line of the monitor can be.

use serde_json::Value;

use crate::error::QmpError;

/// One message of the monitor, told apart by its keys.
#[derive(Debug)]
pub(super) enum Message {
    /// The first line of a connection.
    Greeting(Value),
    /// Something that happened.
    Event(Value),
    /// An answer, with the id of its command if it carries one.
    Reply { id: Option<Value>, body: Value },
}

impl Message {
    /// Sorts out one line; the error is what is wrong with it.
    pub(super) fn parse(line: &[u8]) -> Result<Self, String> {
        let mut value: Value = serde_json::from_slice(line).map_err(|error| format!("not JSON ({error})"))?;
        let Some(map) = value.as_object_mut() else {
            return Err("not a JSON object".to_owned());
        };
        if map.contains_key("event") {
            Ok(Self::Event(value))
        } else if map.contains_key("QMP") {
            Ok(Self::Greeting(value))
        } else if map.contains_key("return") || map.contains_key("error") {
            let id = map.shift_remove("id");
            Ok(Self::Reply { id, body: value })
        } else {
            Err("neither greeting, event nor reply".to_owned())
        }
    }
}

/// The typed error of a reply to `command`; `None` if it is a `return`.
pub fn error_of(command: &str, reply: &Value) -> Option<QmpError> {
    let error = reply.get("error")?;
    let text = |key| error.get(key).and_then(Value::as_str).map(str::to_owned);
    Some(QmpError {
        command: command.to_owned(),
        class: text("class").unwrap_or_else(|| "no class".to_owned()),
        desc: text("desc").unwrap_or_else(|| error.to_string()),
    })
}
