//! Equality of JSON values: Python's `==`, and that of JSON itself.

use serde_json::{Number, Value};

/// Whether Python holds two values equal: `true` is 1, `1` is `1.0`, the order of keys does not
/// count.
pub fn py_eq(a: &Value, b: &Value) -> bool {
    equal(a, b, |a, b| match (Numeric::of(a), Numeric::of(b)) {
        (Some(a), Some(b)) => a == b,
        _ => false,
    })
}

/// Whether two JSON values are equal: `1` is `1.0`, as in [`py_eq`], but no number is `true`.
pub(crate) fn json_eq(a: &Value, b: &Value) -> bool {
    equal(a, b, |a, b| a.is_boolean() == b.is_boolean() && py_eq(a, b))
}

/// Whether two values are equal, booleans and numbers by `scalars`.
fn equal(a: &Value, b: &Value, scalars: fn(&Value, &Value) -> bool) -> bool {
    match (a, b) {
        (Value::Null, Value::Null) => true,
        (Value::String(a), Value::String(b)) => a == b,
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b, scalars))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| equal(a, b, scalars)))
        }
        _ => scalars(a, b),
    }
}

/// A number without loss: a 64-bit integer and a float are compared exactly, not after rounding one
/// of them.
#[derive(PartialEq)]
enum Numeric {
    Int(i128),
    Float(f64),
}

impl Numeric {
    fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Bool(bit) => Some(Self::Int(i128::from(*bit))),
            Value::Number(number) => Self::of_number(number),
            _ => None,
        }
    }

    fn of_number(number: &Number) -> Option<Self> {
        let int = number.as_u64().map(i128::from).or(number.as_i64().map(i128::from));
        if let Some(int) = int {
            return Some(Self::Int(int));
        }
        let float = number.as_f64()?;
        // Beyond 2^64 no integer of ours can be meant.
        let whole = float.fract() == 0.0 && float.abs() < 2f64.powi(65);
        Some(if whole { Self::Int(float as i128) } else { Self::Float(float) })
    }
}
