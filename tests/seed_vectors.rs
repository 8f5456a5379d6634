//! The answers of `iotests.py` itself: inputs and outputs of its functions, recorded by running them.
//!
//! `IOTESTS_SEED_VECTORS` names another file of the same form. Its `environment` has that file's
//! environment variables and `pid`. Each key of `vectors` is a function, with `NAME=VALUE` pairs
//! after ` with ` for a changed environment; an input that is a list holds the arguments.
//! `{"error": …}` and `{"fails": …}` mean that `iotests.py` raised, whatever it said. A vector that holds what
//! no [`Value`] can, such as NaN, is not compared, but named on stderr.
#![expect(clippy::unwrap_used, reason = "a bad vector file should fail loudly")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::LazyLock;

use iotests::filter::{self, Filter, Paths};
use iotests::image::create_image;
use iotests::log::Msg;
use iotests::tools::args::{create_args, io_wrap_args};
use iotests::value;
use regex::{Captures, Regex};
use serde::Deserialize;
use serde_json::{Deserializer, Map, Value, json};
use sha2::{Digest, Sha256};

#[test]
fn every_recorded_answer_is_ours_too() {
    let named = std::env::var("IOTESTS_SEED_VECTORS").ok();
    let committed = ["seed.json", "quirks.json"]
        .map(|file| format!("{}/tests/vectors/{file}", env!("CARGO_MANIFEST_DIR")));
    let files = named.clone().map_or(committed.to_vec(), |file| vec![file]);

    let mut outcome = Outcome::default();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{file}: {e}"));
        outcome.compare(&file, &text);
    }
    let Outcome { checked, mismatches, unsayable } = outcome;
    assert!(named.is_some() || unsayable.is_empty(), "of ours, all can be compared, but not\n{unsayable}");
    if !unsayable.is_empty() {
        // Past the capture of a test that passes.
        let mut stderr = std::io::stderr();
        writeln!(stderr, "no value of Rust's holds these vectors, so they are not compared:\n{unsayable}")
            .unwrap();
    }
    assert!(checked > 0, "no vectors");
    assert!(mismatches.is_empty(), "of {checked} vectors, these differ:\n{mismatches}");
}

#[test]
fn a_vector_that_no_value_holds_is_named_and_the_others_are_compared() {
    let text = r#"{"environment": {"pid": 1}, "vectors": {"log": [
        {"input": [[NaN, 1], null, null], "output": "[NaN, 1]"},
        {"input": [{"a": -Infinity}, null, null], "output": "{\"a\": -Infinity}"},
        {"input": [[18446744073709551616], null, null], "output": "[18446744073709551616]"},
        {"input": [[-0], null, null], "output": "[0]"},
        {"input": ["\ud83d", null, null], "output": "x"},
        {"input": [["\ude00\ud83d"], null, null], "output": "[\"\\ude00\\ud83d\"]"},
        {"input": [{"\udfff": 1}, null, null], "output": "x"},
        {"input": ["\ud83d\ude00 \\ud83d NaN", null, null], "output": "\ud83d\ude00 \\ud83d NaN"},
        {"input": [[18446744073709551615, -0.0, 1e+20, true], null, null], "output": "[18446744073709551615, -0.0, 1e+20, true]"},
        {"input": ["a", null, null], "output": "b"},
        {"input": ["a", "filter_nothing", null], "output": "a"}
    ]}}"#;
    let mut outcome = Outcome::default();
    outcome.compare("f", text);
    assert_eq!(outcome.checked, 4, "{}", outcome.unsayable);
    let named: Vec<_> = outcome.unsayable.lines().map(|line| line.split_once(": ").unwrap().0).collect();
    let expected = [0, 1, 2, 3, 4, 5, 6].map(|index| format!("f, log[{index}]"));
    assert_eq!(named, expected);
    assert!(
        outcome.unsayable.starts_with(r#"f, log[0]: {"input":[["NaN",1],null,null],"output":"[NaN, 1]"}"#)
    );
    let differing = outcome.mismatches.lines().filter(|line| line.starts_with("f, log[")).collect::<Vec<_>>();
    assert_eq!(differing, ["f, log[9]", "f, log[10]"], "{}", outcome.mismatches);
}

#[test]
fn a_vector_may_be_nested_deep() {
    let list = format!("{}{}", "[".repeat(300), "]".repeat(300));
    let vector = format!(r#"{{"input": [{list}, null, null], "output": "{list}"}}"#);
    let mut outcome = Outcome::default();
    outcome.compare("f", &format!(r#"{{"environment": {{"pid": 1}}, "vectors": {{"log": [{vector}]}}}}"#));
    assert_eq!((outcome.checked, &*outcome.mismatches), (1, ""));
}

/// What came of the vectors.
#[derive(Default)]
struct Outcome {
    checked: usize,
    /// Those whose answers differ.
    mismatches: String,
    /// Those that no value holds, a line each.
    unsayable: String,
}

impl Outcome {
    fn compare(&mut self, file: &str, text: &str) {
        let content = parse_python_json(text).unwrap_or_else(|e| panic!("{file}: {e}"));
        for (key, vectors) in content["vectors"].as_object().unwrap() {
            let (function, seed) = Seed::parse(key, &content);
            for (index, vector) in vectors.as_array().unwrap().iter().enumerate() {
                let name = format!("{file}, {key}[{index}]");
                let shown = vector.to_string();
                if shown.contains(UNSAYABLE) {
                    writeln!(self.unsayable, "{name}: {}", shown.replace(UNSAYABLE, "")).unwrap();
                    continue;
                }
                self.checked += 1;
                let got = seed.call(function, &vector["input"]);
                if !agrees(&got, &vector["output"]) {
                    let (input, expected) = (&vector["input"], &vector["output"]);
                    let got = match got {
                        Ok(value) => value.to_string(),
                        Err(Failure::Raised(message)) => format!("failure: {message}"),
                        Err(Failure::UnknownFunction) => "no function or filter of that name".to_owned(),
                    };
                    writeln!(
                        self.mismatches,
                        "{name}\n  input    {input}\n  expected {expected}\n  got      {got}"
                    )
                    .unwrap();
                }
            }
        }
    }
}

/// Marks what no value holds: a character that is in no text.
const UNSAYABLE: char = '\u{fdd0}';

/// JSON as Python writes it. Numbers that a [`Value`] cannot hold, or not as they are, become texts that
/// are marked as [`UNSAYABLE`]; so are texts with half a surrogate pair.
fn parse_python_json(text: &str) -> serde_json::Result<Value> {
    static WORD: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r#""(?:[^"\\]|\\.)*"|-?[0-9A-Za-z][-+.0-9A-Za-z]*"#).unwrap());
    static ESCAPE: LazyLock<Regex> = LazyLock::new(|| {
        let pair = r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}";
        let half = r"\\u([dD][89a-fA-F][0-9a-fA-F]{2})";
        Regex::new(&format!(r"{pair}|{half}|\\.")).unwrap()
    });
    let marked = WORD.replace_all(text, |word: &Captures<'_>| match &word[0] {
        text if text.starts_with('"') => ESCAPE
            .replace_all(text, |escape: &Captures<'_>| match escape.get(1) {
                Some(half) => format!("{UNSAYABLE}{}", half.as_str()),
                None => escape[0].to_owned(),
            })
            .into_owned(),
        sayable if is_sayable(sayable) => sayable.to_owned(),
        other => format!("\"{UNSAYABLE}{other}\""),
    });
    let mut deserializer = Deserializer::from_str(&marked);
    // Python's own parser has a higher one.
    deserializer.disable_recursion_limit();
    let value = Value::deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// Whether a word of JSON is in a [`Value`] what it is in Python.
fn is_sayable(word: &str) -> bool {
    match word {
        "true" | "false" | "null" => true,
        // A float.
        "-0" => false,
        number if number.contains(['.', 'e', 'E']) => number.parse().is_ok_and(f64::is_finite),
        number => number.parse::<i64>().is_ok() || number.parse::<u64>().is_ok(),
    }
}

/// Why there is no value.
enum Failure {
    /// The function failed, as that of `iotests.py` may have.
    Raised(String),
    /// This test does not know the function, or a filter it is given.
    UnknownFunction,
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::Raised(message)
    }
}

/// A failure agrees with any failure; a value with the same value, with its keys in the same order.
fn agrees(got: &Result<Value, Failure>, expected: &Value) -> bool {
    match got {
        Ok(value) => in_order(value) == in_order(expected),
        Err(Failure::UnknownFunction) => false,
        Err(Failure::Raised(_)) => expected.as_object().is_some_and(|raised| {
            raised.len() == 1 && (raised.contains_key("error") || raised.contains_key("fails"))
        }),
    }
}

/// A text that differs when the order of keys does; equality of objects ignores it.
fn in_order(value: &Value) -> String {
    value.to_string()
}

/// The object that the recorded paths lead into, where the file names none.
fn default_object() -> Value {
    json!({
        "return": [
            {"device": "drive0", "inserted": {"file": "x"}, "l": [[1]]},
            {"device": "drive1"},
        ],
        "a": {"b": [10, 20]},
        "s": "str",
    })
}

/// The module `iotests`, as far as it is pure.
struct Seed {
    env: BTreeMap<String, String>,
    paths: Paths,
    object: Value,
}

impl Seed {
    /// The function that a key of the vectors names, and the environment it runs in.
    fn parse<'a>(key: &'a str, content: &Value) -> (&'a str, Self) {
        let environment = content["environment"].as_object().unwrap();
        let mut env: BTreeMap<String, String> = environment
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().map_or(value.to_string(), str::to_owned)))
            .collect();
        let (function, changes) = key.split_once(" with ").unwrap_or((key, ""));
        for change in changes.split(' ').filter(|word| !matches!(*word, "" | "and")) {
            let (name, value) = change.split_once('=').unwrap();
            env.insert(name.to_owned(), value.to_owned());
        }
        let dir = |name: &str| env.get(name).cloned().unwrap_or_default();
        let paths =
            Paths { test_dir: dir("TEST_DIR"), sock_dir: dir("SOCK_DIR"), pid: env["pid"].parse().unwrap() };
        let object = content.get("object").cloned().unwrap_or_else(default_object);
        (function, Self { env, paths, object })
    }

    fn env(&self, name: &str) -> Option<&str> {
        self.env.get(name).map(String::as_str)
    }

    fn imgfmt(&self) -> &str {
        self.env("IMGFMT").unwrap_or("raw")
    }

    fn call(&self, function: &str, input: &Value) -> Result<Value, Failure> {
        let paths = &self.paths;
        Ok(match function {
            "filter_qemu_io" => json!(filter::filter_qemu_io(text(input)?)),
            "filter_win32" => json!(filter::filter_win32(text(input)?)),
            "filter_test_dir" => json!(filter::filter_test_dir(text(input)?, &paths.test_dir)),
            "filter_chown" => json!(filter::filter_chown(text(input)?)),
            "filter_testfiles" => json!(filter::filter_testfiles(text(input)?, paths)),
            "filter_virtio_scsi" => json!(filter::filter_virtio_scsi(text(input)?)),
            "filter_generated_node_ids" => json!(filter::filter_generated_node_ids(text(input)?)),
            "filter_imgfmt" => json!(filter::filter_imgfmt(text(input)?, self.imgfmt())),
            "filter_nbd_exports" => json!(filter::filter_nbd_exports(text(input)?)),
            "filter_qtest" => json!(filter::filter_qtest(text(input)?)),
            "filter_img_info" => {
                let (output, file) = (text(&input[0])?, text(&input[1])?);
                let output = match input.get(2) {
                    Some(Value::Bool(true)) => filter::drop_child_info(output),
                    _ => output.into(),
                };
                json!(filter::filter_img_info(&output, file, self.imgfmt(), paths))
            }
            "filter_qmp_event" => filter::filter_qmp_event(event(input)?),
            "filter_qmp_testfiles" => in_place(input, |msg| filter::filter_qmp_testfiles(msg, paths))?,
            "filter_qmp_imgfmt" => in_place(input, |msg| filter::filter_qmp_imgfmt(msg, self.imgfmt()))?,
            "filter_qmp_virtio_scsi" => in_place(input, filter::filter_qmp_virtio_scsi)?,
            "filter_qmp_generated_node_ids" => in_place(input, filter::filter_qmp_generated_node_ids)?,
            "ordered_qmp" => value::ordered_qmp(input, true),
            "log" => self.log(input)?,
            "flatten_qmp_object" => Value::Object(value::flatten_qmp_object(input)),
            "qmp_to_opts" => json!(value::qmp_to_opts(input).map_err(shown)?),
            "dictpath" => {
                json!({"value": value::dictpath(&self.object, text(input)?).map_err(shown)?})
            }
            "assert_qmp" => {
                value::matches_qmp(&self.object, text(&input[0])?, &input[1]).map_err(shown)?;
                json!("ok")
            }
            "assert_qmp_absent" => {
                value::absent_qmp(&self.object, text(input)?).map_err(shown)?;
                json!("ok")
            }
            "event_match" => json!(value::event_match(&input[0], &input[1])),
            "qemu_img_create_prepare_args" => {
                let key = self.env("IMGKEYSECRET").unwrap_or_default();
                let secret = format!("secret,id=keysec0,data={key}");
                let args = words(input)?;
                json!(create_args(&args, self.imgfmt(), self.env("IMGOPTS"), &secret).map_err(shown)?)
            }
            "qemu_io_wrap_args" => {
                let base = |options| [&["qemu-io".to_owned()], &*self.options(options)].concat();
                let no_fmt = base("QEMU_IO_OPTIONS_NO_FMT");
                json!(io_wrap_args(&words(input)?, &base("QEMU_IO_OPTIONS"), &no_fmt))
            }
            "ReproducibleStreamWrapper" => json!(filter::filter_unittest(text(input)?)),
            "create_image" => image(input)?,
            _ => return Err(Failure::UnknownFunction),
        })
    }

    /// Message, names of filters, indent.
    fn log(&self, input: &Value) -> Result<Value, Failure> {
        let filters = match &input[1] {
            Value::Null => Vec::new(),
            Value::Array(names) => names.iter().map(|name| self.filter(name)).collect::<Result<_, _>>()?,
            name => vec![self.filter(name)?],
        };
        let mut msg = Msg::from(input[0].clone());
        filter::apply_all(&filters, &mut msg);
        let indent = input[2].as_i64().map(|n| usize::try_from(n).unwrap_or(0));
        Ok(json!(msg.render(indent)))
    }

    fn filter(&self, name: &Value) -> Result<Filter, Failure> {
        Ok(match name.as_str().unwrap_or_default() {
            "filter_testfiles" | "filter_qmp_testfiles" => Filter::testfiles(&self.paths),
            "filter_test_dir" => Filter::test_dir(&self.paths.test_dir),
            "filter_imgfmt" | "filter_qmp_imgfmt" => Filter::imgfmt(self.imgfmt()),
            "filter_virtio_scsi" | "filter_qmp_virtio_scsi" => Filter::virtio_scsi(),
            "filter_generated_node_ids" => Filter::generated_node_ids(),
            "filter_qmp_event" => Filter::qmp_event(),
            "filter_qemu_io" => Filter::qemu_io(),
            "filter_win32" => Filter::win32(),
            "filter_chown" => Filter::chown(),
            "filter_nbd_exports" => Filter::nbd_exports(),
            _ => return Err(Failure::UnknownFunction),
        })
    }

    fn options(&self, name: &str) -> Vec<String> {
        match self.env(name) {
            None | Some("") => Vec::new(),
            Some(options) => options.trim().split(' ').map(str::to_owned).collect(),
        }
    }
}

fn shown(error: impl std::error::Error) -> String {
    error.to_string()
}

// What follows is what Rust's types demand of a caller and `iotests.py` finds out by raising.

fn text(input: &Value) -> Result<&str, String> {
    input.as_str().ok_or_else(|| format!("{input} is no text"))
}

fn words(input: &Value) -> Result<Vec<String>, String> {
    let list = input.as_array().ok_or_else(|| format!("{input} is no list"))?;
    list.iter().map(|word| text(word).map(str::to_owned)).collect()
}

fn event(input: &Value) -> Result<&Value, String> {
    let timestamp = input.as_object().map(|event| event.get("timestamp"));
    match timestamp {
        Some(None | Some(Value::Object(_))) => Ok(input),
        _ => Err(format!("{input} is no event")),
    }
}

fn in_place(input: &Value, filter: impl FnOnce(&mut Value)) -> Result<Value, String> {
    let mut message = input.clone();
    if !matches!(message, Value::Object(_) | Value::Array(_)) {
        return Err(format!("{input} is no QMP message"));
    }
    filter(&mut message);
    Ok(message)
}

fn image(input: &Value) -> Result<Value, String> {
    let size = input.as_i64().ok_or_else(|| format!("{input} is no size"))?;
    let file = tempfile::NamedTempFile::new().unwrap();
    create_image(file.path(), u64::try_from(size).unwrap_or(0)).map_err(shown)?;
    let content = std::fs::read(file.path()).unwrap();
    let mut sha256 = String::new();
    for byte in Sha256::digest(&content) {
        write!(sha256, "{byte:02x}").unwrap();
    }
    Ok(Value::Object(Map::from_iter([
        ("length".to_owned(), json!(content.len())),
        ("sha256".to_owned(), json!(sha256)),
    ])))
}
