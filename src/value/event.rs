//! Which event a case waits for.

use serde_json::Value;

use super::equal::py_eq;

/// Whether `event` has all that `wanted` asks for (`event_match` of QEMU's machine library).
///
/// An object wants each of its keys, its values matched by the same rule; `null` wants anything, so
/// a key with it only has to be there. Scalars are compared as Python does. An empty object, list
/// or text matches anything at all. A list is compared as a whole, with upstream's oddity that
/// integers in it are also followed as indices; where that leads out of a list, which upstream
/// raises for, nothing matches.
pub fn event_match(event: &Value, wanted: &Value) -> bool {
    match (wanted, event) {
        (Value::Null, _) => true,
        (Value::String(wanted), _) if wanted.is_empty() => true,
        (Value::Object(wanted), _) if wanted.is_empty() => true,
        (Value::Array(wanted), _) if wanted.is_empty() => true,
        (Value::Object(wanted), Value::Object(event)) => {
            wanted.iter().all(|(key, wanted)| event.get(key).is_some_and(|found| event_match(found, wanted)))
        }
        (Value::Array(keys), Value::Array(found)) => {
            for key in keys {
                if !found.iter().any(|item| py_eq(item, key)) {
                    return false;
                }
                let Some(index) = as_index(key) else {
                    return py_eq(wanted, event);
                };
                let (Some(found), Some(wanted)) = (item(found, index), item(keys, index)) else {
                    return false;
                };
                if !event_match(found, wanted) {
                    return false;
                }
            }
            true
        }
        _ => py_eq(wanted, event),
    }
}

/// What Python takes as an index of a list: integers, and booleans as 0 and 1.
fn as_index(key: &Value) -> Option<i64> {
    match key {
        Value::Bool(bit) => Some(i64::from(*bit)),
        Value::Number(number) if number.is_f64() => None,
        Value::Number(number) => Some(number.as_i64().unwrap_or(i64::MAX)),
        _ => None,
    }
}

/// The item at an index that counts from the end when negative.
pub(super) fn item(list: &[Value], index: i64) -> Option<&Value> {
    let back = usize::try_from(index.unsigned_abs()).ok()?;
    let index = if index < 0 { list.len().checked_sub(back)? } else { back };
    list.get(index)
}
