//! JSON text exactly as Python's `json.dumps` writes it: references were made by it.

use serde_json::{Number, Value};

/// The text that Python's `json.dumps(value, sort_keys=sort, indent=indent)` makes.
///
/// Keys sort by code point at every level. Everything outside printable ASCII is escaped, blanks
/// follow `,` and `:`, and floats look like Python's `repr`. What a [`Value`] cannot hold cannot be
/// written: infinities, NaN and unpaired surrogates. Integers beyond 64 bits and `-0` are floats once
/// they are parsed, and are written as such: `1e+20`, `-0.0`.
pub fn to_python_json(value: &Value, sort: bool, indent: Option<usize>) -> String {
    let mut writer = Writer { out: String::new(), sort, indent, level: 0 };
    writer.value(value);
    writer.out
}

struct Writer {
    out: String,
    sort: bool,
    indent: Option<usize>,
    level: usize,
}

impl Writer {
    fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.out.push_str("null"),
            Value::Bool(true) => self.out.push_str("true"),
            Value::Bool(false) => self.out.push_str("false"),
            Value::Number(number) => self.out.push_str(&python_number(number)),
            Value::String(text) => self.string(text),
            Value::Array(list) => self.container('[', ']', list, Self::value),
            Value::Object(map) => {
                let mut entries: Vec<_> = map.iter().collect();
                if self.sort {
                    entries.sort_unstable_by_key(|(key, _)| *key);
                }
                self.container('{', '}', entries, |writer, (key, value)| {
                    writer.string(key);
                    writer.out.push_str(": ");
                    writer.value(value);
                });
            }
        }
    }

    fn container<T>(
        &mut self,
        open: char,
        close: char,
        items: impl IntoIterator<Item = T, IntoIter: ExactSizeIterator>,
        mut write: impl FnMut(&mut Self, T),
    ) {
        let items = items.into_iter();
        self.out.push(open);
        if items.len() > 0 {
            self.level += 1;
            for (index, item) in items.enumerate() {
                if index > 0 {
                    self.out.push(',');
                }
                if index > 0 && self.indent.is_none() {
                    self.out.push(' ');
                }
                self.new_line();
                write(self, item);
            }
            self.level -= 1;
            self.new_line();
        }
        self.out.push(close);
    }

    fn new_line(&mut self) {
        if let Some(indent) = self.indent {
            self.out.push('\n');
            self.out.extend(std::iter::repeat_n(' ', indent * self.level));
        }
    }

    fn string(&mut self, text: &str) {
        self.out.push('"');
        for c in text.chars() {
            match c {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                '\u{8}' => self.out.push_str("\\b"),
                '\u{c}' => self.out.push_str("\\f"),
                ' '..='~' => self.out.push(c),
                _ => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        self.out.push_str(&format!("\\u{unit:04x}"));
                    }
                }
            }
        }
        self.out.push('"');
    }
}

/// Python and serde agree on the digits of a float, ties included, but not on where to use an
/// exponent, and how.
fn python_number(number: &Number) -> String {
    let text = number.to_string();
    if !number.is_f64() {
        return text;
    }
    let (sign, text) = match text.strip_prefix('-') {
        Some(text) => ("-", text),
        None => ("", &*text),
    };
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let digits = all.trim_start_matches('0');
    let zeros = all.len() - digits.len();
    let digits = digits.trim_end_matches('0');

    // The value is 0.DIGITS times ten to this power.
    let power = exponent.parse::<i32>().unwrap_or(0) + whole.len() as i32 - zeros as i32;
    match (digits.len(), usize::try_from(power)) {
        (0, _) => format!("{sign}0.0"),
        (count, Ok(power @ 1..=16)) if power < count => {
            format!("{sign}{}.{}", &digits[..power], &digits[power..])
        }
        (_, Ok(power @ 1..=16)) => format!("{sign}{digits:0<power$}.0"),
        _ if (-3..=0).contains(&power) => {
            format!("{sign}0.{}{digits}", "0".repeat(power.unsigned_abs() as usize))
        }
        _ => {
            let (first, others) = digits.split_at(1);
            let point = if others.is_empty() { "" } else { "." };
            format!("{sign}{first}{point}{others}e{:+03}", power - 1)
        }
    }
}
