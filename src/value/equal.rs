//! Python's `==` and `<` on JSON values.

use std::cmp::Ordering;

use serde_json::{Number, Value};

/// Whether Python holds two values equal: `true` is 1, `1` is `1.0`, the order of keys does not
/// count.
pub fn py_eq(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Null, Value::Null) => true,
        (Value::String(a), Value::String(b)) => a == b,
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| py_eq(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| py_eq(a, b)))
        }
        _ => match (Numeric::of(a), Numeric::of(b)) {
            (Some(a), Some(b)) => a == b,
            _ => false,
        },
    }
}

/// The order of two numbers, without rounding either; `None` for what is no number.
pub fn py_cmp(a: &Value, b: &Value) -> Option<Ordering> {
    match (Numeric::of(a).filter(|_| a.is_number())?, Numeric::of(b).filter(|_| b.is_number())?) {
        (Numeric::Int(a), Numeric::Int(b)) => Some(a.cmp(&b)),
        // A float that is no integer lies between two of them, or beyond 2^64.
        (Numeric::Float(a), Numeric::Float(b)) => a.partial_cmp(&b),
        (Numeric::Int(a), Numeric::Float(b)) => Some(order(a, b)),
        (Numeric::Float(a), Numeric::Int(b)) => Some(order(b, a).reverse()),
    }
}

/// The order of an integer and a float that is none.
fn order(int: i128, float: f64) -> Ordering {
    // No float that is no integer reaches 2^53; those beyond 2^65 saturate on the right side.
    if int <= float.floor() as i128 { Ordering::Less } else { Ordering::Greater }
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn large_numbers_do_not_tie() {
        let ordered = [
            json!(-1e300),
            json!(i64::MIN),
            json!(-2.5),
            json!(-2),
            json!(0),
            json!(2),
            json!(2.5),
            json!(3),
            json!(i64::MAX - 1),
            json!(i64::MAX),
            json!(u64::MAX - 1),
            json!(u64::MAX),
            json!(1e300),
        ];
        for (at, number) in ordered.iter().enumerate() {
            for (other_at, other) in ordered.iter().enumerate() {
                assert_eq!(py_cmp(number, other), Some(at.cmp(&other_at)), "{number} and {other}");
            }
        }
        assert_eq!(py_cmp(&json!(1), &json!(1.0)), Some(Ordering::Equal));
        assert_eq!((py_cmp(&json!(true), &json!(0)), py_cmp(&json!("1"), &json!(0))), (None, None));
    }
}
