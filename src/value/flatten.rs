//! Nested options as flat ones.

use serde_json::{Map, Value};

/// An option that is no text, and so cannot be joined into an option string.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error(
    "failed to make an option string: {key:?} is {value}, not text; give every value as text, like \"on\" or \"65536\""
)]
pub struct NotText {
    /// The flattened key.
    pub key: String,
    /// What was found there.
    pub value: Value,
}

/// The leaves of a value under dotted keys, `file.filename` or `children.0` (`iotests.py:
/// VM.flatten_qmp_object`).
///
/// Order is kept, empty objects and lists vanish, a bare leaf has the key "", and of two leaves
/// with one key the later wins.
pub fn flatten_qmp_object(value: &Value) -> Map<String, Value> {
    let mut flat = Map::new();
    flatten_under(&mut String::new(), value, &mut flat);
    flat
}

fn flatten_under(prefix: &mut String, value: &Value, flat: &mut Map<String, Value>) {
    let mut under = |key: &str, value: &Value| {
        let length = prefix.len();
        prefix.push_str(key);
        prefix.push('.');
        flatten_under(prefix, value, flat);
        prefix.truncate(length);
    };
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| under(key, value)),
        Value::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                under(&index.to_string(), value);
            }
        }
        leaf => {
            let key = prefix.strip_suffix('.').unwrap_or(prefix);
            flat.insert(key.to_owned(), leaf.clone());
        }
    }
}

/// A value as an option string, `driver=qcow2,file.driver=file` (`iotests.py: VM.qmp_to_opts`).
///
/// Nothing is escaped, and every leaf must be text, as in `iotests.py`.
///
/// # Errors
/// The first leaf that is not text.
pub fn qmp_to_opts(value: &Value) -> Result<String, NotText> {
    let options: Vec<String> = flatten_qmp_object(value)
        .into_iter()
        .map(|(key, value)| match value {
            Value::String(text) => Ok(format!("{key}={text}")),
            value => Err(NotText { key, value }),
        })
        .collect::<Result<_, _>>()?;
    Ok(options.join(","))
}

/// The options in a `json:{…}` filename, or `None` if it is none or does not parse
/// (`iotests.py: QMPTestCase.assert_json_filename_equal` compares these, flattened).
pub fn json_filename(filename: &str) -> Option<Value> {
    serde_json::from_str(filename.strip_prefix("json:")?).ok()
}
