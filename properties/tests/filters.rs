//! What holds for filters, QMP values and their JSON whatever the input is.
#![expect(clippy::unwrap_used, reason = "a tool that does not run should fail the test")]

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::process::Command;

use iotests::filter::{self, Filter, Paths};
use iotests::log::{Msg, to_python_json};
use iotests::tools::args::create_args;
use iotests::value;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn paths(test_dir: &str, sock_dir: &str) -> Paths {
    Paths { test_dir: test_dir.to_owned(), sock_dir: sock_dir.to_owned(), pid: 7 }
}

/// Any characters at all, with much of what the filters look for in between.
fn text() -> impl Strategy<Value = String> {
    let pieces = prop_oneof![
        "\\PC{0,4}",
        any::<String>(),
        prop::sample::select(vec![
            "1 ops; 0.1 sec (1 MiB/sec and 1 ops/sec)",
            " ops; ",
            "(inf EiB/sec and ",
            "\r",
            "\n",
            " ",
            "chown 1:2",
            "virtio-scsi-pci",
            "#block7",
            "min block: 3",
            "/t/7-a",
            "/s/7-b",
            "/t",
            "qcow2",
            "disk size",
            "Child node '/file':",
            "uuid: -a",
            "cid: 4",
            "compression type: zlib",
            "[I 1.0] OPENED\n",
            "\n[I +1.0] CLOSED\n",
            "Ran 3 tests in 1.2s",
            " (skipped=3)",
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(pieces, 0..8).prop_map(|pieces| pieces.concat())
}

/// QMP values whose keys often collide once flattened or renamed.
fn qmp() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-2i64..3).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        let key = prop_oneof![
            "[ab_.-]{0,3}",
            prop::sample::select(vec!["timestamp".to_owned(), "é\u{1}".to_owned()]),
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..5)
                .prop_map(|entries| Value::Object(Map::from_iter(entries))),
        ]
    })
}

/// Every filter there is, for files in two directories and a format.
fn all_filters(test_dir: &str, sock_dir: &str, imgfmt: &str, file: &str) -> Vec<Filter> {
    let paths = paths(test_dir, sock_dir);
    vec![
        Filter::testfiles(&paths),
        Filter::test_dir(test_dir),
        Filter::imgfmt(imgfmt),
        Filter::img_info(file, imgfmt, &paths),
        Filter::drop_child_info(),
        Filter::qemu_io(),
        Filter::win32(),
        Filter::chown(),
        Filter::virtio_scsi(),
        Filter::generated_node_ids(),
        Filter::nbd_exports(),
        Filter::qtest(),
        Filter::qmp_event(),
        Filter::custom_text(|text| filter::filter_unittest(text).into_owned()),
        Filter::custom_qmp(|value| *value = value::ordered_qmp(value, true)),
    ]
}

proptest! {
    #[test]
    fn no_filter_panics(
        text in text(),
        value in qmp(),
        (dir, other, word) in (text(), text(), text()),
    ) {
        for filter in all_filters(&dir, &other, &word, &other) {
            filter.apply_text(&text);
            for mut msg in [Msg::from(&*text), Msg::Json(value.clone()), Msg::Ordered(value.clone())] {
                filter.apply(&mut msg);
                msg.render(Some(2));
            }
        }
    }

    #[test]
    fn text_filters_never_touch_keys_or_other_leaves(value in qmp()) {
        for filter in all_filters("/t", "/s", "qcow2", "a") {
            let name = format!("{filter:?}");
            if name != "Filter(text)" {
                continue;
            }
            let mut filtered = value.clone();
            filter.apply_qmp(&mut filtered);
            prop_assert_eq!(without_strings(&filtered), without_strings(&value));
        }
    }

    #[test]
    fn a_timing_looked_for_by_one_pattern_is_the_same(text in text()) {
        let whole = regex::Regex::new(
            r"[0-9]* ops; [0-9/:. sec]* \([0-9/.inf]* [EPTGMKiBbytes]*/sec and [0-9/.inf]* ops/sec\)",
        )
        .unwrap();
        let plain = text.replace('\r', "");
        let expected = whole.replace_all(&plain, "X ops; XX:XX:XX.X (XXX YYY/sec and XXX ops/sec)");
        prop_assert_eq!(filter::filter_qemu_io(&text), expected);
    }

    #[test]
    fn what_needs_no_filter_is_borrowed(text in "[a-z /]*") {
        let paths = paths("/T", "/S");
        for filtered in [
            filter::filter_qemu_io(&text),
            filter::filter_testfiles(&text, &paths),
            filter::filter_test_dir(&text, "/T"),
            filter::filter_imgfmt(&text, "QCOW2"),
            filter::drop_child_info(&text),
            filter::filter_qtest(&text),
        ] {
            prop_assert!(matches!(filtered, Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn ordered_qmp_agrees_with_a_plain_model(value in qmp(), conv_keys: bool) {
        let ours = value::ordered_qmp(&value, conv_keys);
        prop_assert_eq!(in_order(&ours), in_order(&model_ordered(&value, conv_keys)));
    }

    #[test]
    fn flatten_agrees_with_a_plain_model(value in qmp()) {
        let ours = Value::Object(value::flatten_qmp_object(&value));
        prop_assert_eq!(in_order(&ours), in_order(&model_flat(&value)));
    }

    #[test]
    fn options_are_the_flattened_texts(value in qmp()) {
        let flat = value::flatten_qmp_object(&value);
        let model: Option<Vec<String>> = flat
            .iter()
            .map(|(key, value)| Some([key, "=", value.as_str()?].concat()))
            .collect();
        prop_assert_eq!(value::qmp_to_opts(&value).ok(), model.map(|options| options.join(",")));
    }

    #[test]
    fn json_agrees_with_a_plain_model(value in qmp(), sort: bool, indent in prop::option::of(0usize..5)) {
        let json = to_python_json(&value, sort, indent);
        prop_assert_eq!(&json, &model_json(&value, sort, indent, 0));
        prop_assert!(json.chars().all(|c| matches!(c, ' '..='~' | '\n')));
        prop_assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), value);
    }

    #[test]
    fn floats_look_as_in_python(bits: u64) {
        let float = f64::from_bits(bits);
        prop_assume!(float.is_finite());
        let text = to_python_json(&json!(float), false, None);
        prop_assert_eq!(text.parse::<f64>().unwrap().to_bits(), bits);
        let magnitude = float.abs();
        let exponent = magnitude != 0.0 && !(1e-4..1e16).contains(&magnitude);
        let shape = if exponent { r"^-?\d(\.\d*[1-9])?e[+-]\d\d+$" } else { r"^-?\d+\.(0|\d*[1-9])$" };
        prop_assert!(regex::Regex::new(shape).unwrap().is_match(&text), "{}", text);
        // The shortest digits that read back as the same number, as many as Rust finds.
        let digits = |text: &str| -> usize {
            let mantissa = text.split('e').next().unwrap_or_default();
            let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
            digits.trim_matches('0').len()
        };
        prop_assert_eq!(digits(&text), digits(&format!("{float:e}")));
    }

    #[test]
    fn matching_never_panics_and_anything_matches_itself(event in qmp(), wanted in qmp()) {
        value::event_match(&event, &wanted);
        prop_assert!(value::event_match(&event, &Value::Null));
        prop_assert!(value::py_eq(&event, &event));
        prop_assert_eq!(value::py_eq(&event, &wanted), value::py_eq(&wanted, &event));
        prop_assert!(has_list(&event) || value::event_match(&event, &event));
    }

    #[test]
    fn every_path_ends_in_a_value_or_an_error(value in qmp(), path in "[ab_./\\[\\]0-2-]{0,12}") {
        let found = value::dictpath(&value, &path);
        let absent = value::absent_qmp(&value, &path);
        prop_assert!(found.is_err() || absent.is_err());
        match found {
            Ok(found) => {
                let itself = json!([found]);
                prop_assert!(value::matches_qmp(&value, &path, &itself).is_ok());
            }
            Err(error) => {
                prop_assert!(value::matches_qmp(&value, &path, &json!(1)).is_err());
                prop_assert_eq!(error.path, path);
            }
        }
    }

    #[test]
    fn create_leaves_alone_what_names_no_format_and_no_options(
        args in prop::collection::vec("-{0,2}[abfoh=]{0,2}[a5. ]{0,3}", 0..8),
    ) {
        let create: Vec<String> = ["create".to_owned()].into_iter().chain(args).collect();
        let rewritten = create_args(&create, "qcow2", Some("a=b"), "secret,id=keysec0,data=");
        let option = |arg: &String| arg.starts_with("--h") || ["-f", "-o", "-h"].iter().any(|o| arg.starts_with(o));
        if !create.iter().any(option) {
            prop_assert_eq!(rewritten, Ok(create));
        }
    }
}

/// The message with every string emptied: all that a text filter must leave as it is.
fn without_strings(value: &Value) -> Value {
    match value {
        Value::String(_) => json!(""),
        Value::Array(list) => list.iter().map(without_strings).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), without_strings(value))).collect(),
        other => other.clone(),
    }
}

fn has_list(value: &Value) -> bool {
    match value {
        Value::Array(_) => true,
        Value::Object(map) => map.values().any(has_list),
        _ => false,
    }
}

/// A text that differs when the order of keys does; equality of objects ignores it.
fn in_order(value: &Value) -> String {
    value.to_string()
}

/// Assignment to a Python dict: a key that is there keeps its place.
fn assign(pairs: &mut Vec<(String, Value)>, key: String, value: Value) {
    match pairs.iter_mut().find(|(name, _)| *name == key) {
        Some(pair) => pair.1 = value,
        None => pairs.push((key, value)),
    }
}

fn model_ordered(value: &Value, conv_keys: bool) -> Value {
    match value {
        Value::Array(list) => list.iter().map(|item| model_ordered(item, true)).collect(),
        Value::Object(map) => {
            let keys: BTreeSet<&String> = map.keys().collect();
            let mut pairs = Vec::new();
            for key in keys {
                let turned = key.chars().map(|c| if c == '_' && conv_keys { '-' } else { c });
                assign(&mut pairs, turned.collect(), model_ordered(&map[key], false));
            }
            Value::Object(Map::from_iter(pairs))
        }
        leaf => leaf.clone(),
    }
}

fn model_flat(value: &Value) -> Value {
    fn leaves(path: &[String], value: &Value) -> Vec<(String, Value)> {
        let below = |key: String, value| leaves(&[path, &[key]].concat(), value);
        match value {
            Value::Array(list) => {
                let items = list.iter().enumerate();
                items.flat_map(|(index, value)| below(index.to_string(), value)).collect()
            }
            Value::Object(map) => map.iter().flat_map(|(key, value)| below(key.clone(), value)).collect(),
            leaf => vec![(path.join("."), leaf.clone())],
        }
    }
    let mut pairs = Vec::new();
    for (key, value) in leaves(&[], value) {
        assign(&mut pairs, key, value);
    }
    Value::Object(Map::from_iter(pairs))
}

fn model_json(value: &Value, sort: bool, indent: Option<usize>, level: usize) -> String {
    let deeper = |value| model_json(value, sort, indent, level + 1);
    let (open, close, items): (_, _, Vec<String>) = match value {
        Value::Array(list) => ('[', ']', list.iter().map(deeper).collect()),
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            if sort {
                keys.sort_by(|a, b| a.chars().cmp(b.chars()));
            }
            let pair = |key: &String| format!("{}: {}", model_string(key), deeper(&map[key]));
            ('{', '}', keys.into_iter().map(pair).collect())
        }
        Value::String(text) => return model_string(text),
        // The look of floats is a property of its own.
        scalar => return to_python_json(scalar, false, None),
    };
    let inside = match indent {
        _ if items.is_empty() => String::new(),
        None => items.join(", "),
        Some(indent) => {
            let line = |level| format!("\n{}", " ".repeat(indent * level));
            let first = line(level + 1);
            format!("{first}{}{}", items.join(&format!(",{first}")), line(level))
        }
    };
    format!("{open}{inside}{close}")
}

fn model_string(text: &str) -> String {
    let escaped = text.encode_utf16().map(|unit| match unit {
        0x22 => "\\\"".to_owned(),
        0x5c => "\\\\".to_owned(),
        0x08 => "\\b".to_owned(),
        0x09 => "\\t".to_owned(),
        0x0a => "\\n".to_owned(),
        0x0c => "\\f".to_owned(),
        0x0d => "\\r".to_owned(),
        0x20..=0x7e => String::from_utf16(&[unit]).unwrap(),
        _ => format!("\\u{unit:04x}"),
    });
    format!("\"{}\"", escaped.collect::<String>())
}

/// What a tool of QEMU's says, on both of its outputs, whether it succeeds or not.
fn output_of(variable: &str, default: &str, args: &[&str]) -> String {
    let program = std::env::var(variable).unwrap_or_else(|_| default.to_owned());
    let output = Command::new(&program)
        .args(args)
        .output()
        .unwrap_or_else(|e| panic!("failed to run {program} ({variable}): {e}"));
    let both = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&both).into_owned()
}

#[test]
fn filtering_what_is_filtered_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let test_dir = dir.path().to_str().unwrap();
    let img = |args: &[&str]| output_of("QEMU_IMG_PROG", "qemu-img", args);
    let io = |args: &[&str]| output_of("QEMU_IO_PROG", "qemu-io", args);
    let mut seen = String::new();

    for imgfmt in ["raw", "qcow2", "qed", "vdi", "vmdk", "vpc", "parallels", "luks"] {
        let disk = format!("{test_dir}/7-disk.{imgfmt}");
        let secret = ["--object", "secret,id=sec0,data=123456"];
        let luks = ["-o", "key-secret=sec0,iter-time=10"];
        let extra: &[&str] = if imgfmt == "luks" { &[secret, luks].concat() } else { &[] };
        let opts = format!("driver={imgfmt},key-secret=sec0,file.filename={disk}");
        let outputs = [
            img(&[&["create", "-f", imgfmt], extra, &[&*disk, "1M"]].concat()),
            img(&["create", "-f", "qcow2", "-b", &disk, "-F", imgfmt, &format!("{disk}-top")]),
            img(&["info", &disk]),
            img(&["info", "--output=json", &disk]),
            img(&["info", "--backing-chain", &format!("{disk}-top")]),
            img(&["check", &disk]),
            img(&["map", "--output=json", "-f", imgfmt, &disk]),
            img(&["measure", "-O", imgfmt, "--size", "1M"]),
            img(&["compare", &disk, &format!("{disk}-missing")]),
            match imgfmt {
                "luks" => io(&[&secret[..], &["--image-opts", "-c", "write 0 4k", &opts]].concat()),
                _ => io(&["-f", imgfmt, "-c", "write -P 1 0 64k", "-c", "aio_read 0 4k", &disk]),
            },
            io(&["-f", imgfmt, "-c", "read 0 512", "-c", "info", "-c", "map", &disk]),
        ];
        for output in outputs {
            for filter in all_filters(test_dir, "/nowhere", imgfmt, &disk) {
                let mut messages = vec![Msg::from(&*output)];
                messages.extend(serde_json::from_str::<Value>(&output).map(Msg::Json));
                for mut once in messages {
                    filter.apply(&mut once);
                    let mut twice = once.clone();
                    filter.apply(&mut twice);
                    assert_eq!(once, twice, "{filter:?} on {output}");
                    seen.push_str(&once.render(None));
                }
            }
        }
    }
    // The output was real, and there was something to filter in it.
    for mark in [
        "X ops; XX:XX:XX.X",
        "image: TEST_IMG",
        "file format: IMGFMT",
        "TEST_DIR/PID-disk",
        "COMPRESSION_TYPE",
        "cid: XXXXXXXXXX",
        "iters: XXX",
        "uuid: XXXXXXXX-",
    ] {
        assert!(seen.contains(mark), "no output had {mark:?} once filtered");
    }
}
