//! The order in which a command's arguments are logged.

use serde_json::{Map, Value};

/// A copy with sorted keys, `_` in the names of arguments turned into `-` (`iotests.py:
/// ordered_qmp`).
///
/// Keys are sorted as they were before the turn. With `conv_keys` the outermost object's keys are
/// turned, and, as in `iotests.py`, those of objects that are items of a list, at any depth; keys of
/// objects within objects are not. Of two keys that become one, the one with `_` wins, in the place
/// of the other.
pub fn ordered_qmp(value: &Value, conv_keys: bool) -> Value {
    match value {
        Value::Array(list) => list.iter().map(|item| ordered_qmp(item, true)).collect(),
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            let mut ordered = Map::new();
            for (key, value) in entries {
                let key = if conv_keys { key.replace('_', "-") } else { key.clone() };
                ordered.insert(key, ordered_qmp(value, false));
            }
            Value::Object(ordered)
        }
        leaf => leaf.clone(),
    }
}
