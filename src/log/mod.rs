//! What a case says, and how it is written down: text, or JSON as Python writes it.

mod json;
mod text;

use std::fmt;

use serde_json::Value;

pub use json::to_python_json;
pub use text::Log;

/// A message on its way to the log (`iotests.py: Msg`).
#[derive(Clone, Debug, PartialEq)]
pub enum Msg {
    /// Plain text, written as it is.
    Text(String),
    /// A QMP value, its keys sorted when written.
    Json(Value),
    /// A QMP object whose keys are in the order to write them in: see
    /// [`ordered_qmp`](crate::value::ordered_qmp). A list's are sorted all the same.
    Ordered(Value),
}

impl Msg {
    /// The message as the log shows it, without the line end (`iotests.py: log`).
    ///
    /// Objects and lists are JSON, with `indent` blanks a level on lines of their own, or on one
    /// line. A bare scalar is shown as Python's `str` has it: `True`, `None`, `5`, and text without
    /// quotes.
    pub fn render(&self, indent: Option<usize>) -> String {
        let (value, sort) = match self {
            Self::Text(text) => return text.clone(),
            Self::Json(value) => (value, true),
            Self::Ordered(value) => (value, !value.is_object()),
        };
        match value {
            Value::Null => "None".to_owned(),
            Value::Bool(true) => "True".to_owned(),
            Value::Bool(false) => "False".to_owned(),
            Value::String(text) => text.clone(),
            _ => to_python_json(value, sort, indent),
        }
    }
}

impl fmt::Display for Msg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(None))
    }
}

impl From<&str> for Msg {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Msg {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Value> for Msg {
    fn from(value: Value) -> Self {
        match value {
            Value::String(text) => Self::Text(text),
            value => Self::Json(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_an_object_keeps_the_order_of_its_keys() {
        let object = json!({ "b": [{ "d": 1, "c": 2 }], "a": 3 });
        let list = json!([object]);
        let written = |msg: Msg| msg.render(None);
        assert_eq!(written(Msg::Ordered(object.clone())), r#"{"b": [{"d": 1, "c": 2}], "a": 3}"#);
        assert_eq!(written(Msg::Json(object)), r#"{"a": 3, "b": [{"c": 2, "d": 1}]}"#);
        assert_eq!(written(Msg::Ordered(list)), r#"[{"a": 3, "b": [{"c": 2, "d": 1}]}]"#);
    }
}
