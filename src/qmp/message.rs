//! What a line of the monitor can be.

use serde::Deserialize;
use serde_json::{Deserializer, Value};

use crate::error::QmpError;

/// One message of the monitor, distinguished by its keys.
#[derive(Debug)]
pub(super) enum Message {
    /// The first line of a connection.
    Greeting(Value),
    /// Something that happened, and how long its line was.
    Event { event: Value, bytes: usize },
    /// An answer, with the id of its command if it carries one.
    Reply { id: Option<Value>, body: Value },
}

impl Message {
    /// Sorts out one line; the error is what is wrong with it.
    pub(super) fn parse(line: &[u8]) -> Result<Self, String> {
        let mut value = parse(line).map_err(|error| format!("not JSON ({error})"))?;
        let Some(map) = value.as_object_mut() else {
            return Err("not a JSON object".to_owned());
        };
        if map.contains_key("event") {
            Ok(Self::Event { event: value, bytes: line.len() })
        } else if map.contains_key("QMP") {
            Ok(Self::Greeting(value))
        } else {
            match (map.contains_key("return"), map.contains_key("error"), map.contains_key("id")) {
                (true, true, _) => Err("a reply with both `return` and `error`".to_owned()),
                (false, false, true) => Err("a reply with neither `return` nor `error`".to_owned()),
                (false, false, false) => Err("neither greeting, event nor reply".to_owned()),
                _ => {
                    let id = map.shift_remove("id");
                    Ok(Self::Reply { id, body: value })
                }
            }
        }
    }
}

/// How deep values may be nested. QEMU nests each backing image in the one above it; the parser's
/// own limit is a quarter of this.
const MOST_LEVELS: usize = 500;

fn parse(line: &[u8]) -> serde_json::Result<Value> {
    let parsed = serde_json::from_slice(line);
    if parsed.is_ok() || levels(line) > MOST_LEVELS {
        return parsed;
    }
    let mut deserializer = Deserializer::from_slice(line);
    deserializer.disable_recursion_limit();
    let value = Value::deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// How deep the brackets are nested.
fn levels(line: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut in_text, mut escaped) = (false, false);
    for byte in line {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
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
