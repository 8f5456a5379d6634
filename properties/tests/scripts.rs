//! A parsed script that is printed and parsed again is the same script, and no text makes the parser
//! panic.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};

use iotests::script;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;

/// A file or directory of the project.
fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// Parses, prints and parses again.
fn check_round_trip(text: &str) -> Result<(), TestCaseError> {
    match script::parse(text) {
        Ok(parsed) => {
            let printed = parsed.to_string();
            let again = script::parse(&printed)
                .map_err(|problems| TestCaseError::fail(format!("{printed}\n{problems:?}")))?;
            prop_assert_eq!(&parsed, &again, "{}", printed);
            prop_assert_eq!(printed, again.to_string());
        }
        Err(problems) => {
            prop_assert!(!problems.is_empty());
            for problem in problems {
                prop_assert!(problem.at().line >= 1 && problem.at().column >= 1);
                let _ = problem.into_error(Path::new("x.case"), text).to_string();
            }
        }
    }
    Ok(())
}

#[test]
fn every_script_case_survives_printing() {
    for case in script::discover(&project("cases")).unwrap() {
        let text = fs::read_to_string(project("cases").join(&case.file)).unwrap();
        assert!(script::parse(&text).is_ok(), "{}", case.path);
        check_round_trip(&text).unwrap();
    }
}

/// A word of a command: plain, quoted, escaped, with variables and with JSON.
fn word() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => "[a-z0-9./,=:@%+-]{1,6}",
        2 => "'[^'\\n\\p{Cc}]{0,6}'",
        2 => "\"([^\"$\\\\\\n\\p{Cc}]|\\\\[\"$\\\\x]|\\$disk|\\$\\{IMGFMT\\}|\\$\\$){0,5}\"",
        1 => Just("$disk".to_owned()),
        1 => Just("${disk}".to_owned()),
        1 => Just("$$".to_owned()),
        1 => "\\\\[ a'\"$#{]",
        1 => "[#{\\[=!]",
    ];
    let json = prop_oneof![
        Just("{}".to_owned()),
        Just("{\"${disk}x\": \"$disk\"}".to_owned()),
        Just("{\"a\": [1, -2.5e3, null, true, \"$disk\"], \"b\": {\"c\": \"x y\"}}".to_owned()),
        Just("k={\"a\":\n  \"\\u0007$$\"}".to_owned()),
        Just("[\"\\\"\", 0.1, 18446744073709551615]".to_owned()),
    ];
    prop_oneof![6 => prop::collection::vec(part, 1..4).prop_map(|parts| parts.concat()), 1 => json]
}

/// A line that is likely to be sound.
fn line() -> impl Strategy<Value = String> {
    let guard = prop_oneof![
        6 => Just(""),
        1 => Just("[qcow2] "),
        1 => Just("[!luks][qemu>=8.0]"),
        1 => Just("[size=1M] [device=virtio-blk] "),
    ];
    let prefix = prop_oneof![4 => Just(""), 1 => Just("quiet "), 1 => Just("! "), 1 => Just("quiet ! ")];
    let command = prop_oneof![
        Just("qemu-img"),
        Just("qemu-io"),
        Just("log"),
        Just("vm blockdev"),
        Just("vm@src arg"),
        Just("measure"),
    ];
    let words = prop::collection::vec(word(), 1..5).prop_map(|words| words.join(" "));
    prop_oneof![
        8 => (guard, prefix, command, words).prop_map(|(guard, prefix, command, words)| {
            let prefix = if matches!(command, "log" | "vm blockdev" | "vm@src arg") { "" } else { prefix };
            format!("{guard}{prefix}{command} {words}")
        }),
        1 => "# ?[ -~]{0,20}",
        1 => "== [a-z]( ?[a-z!$]){0,8} ==",
        1 => Just(String::new()),
        1 => Just("storage-daemon qmp blockdev-add node-name=x file.driver=file file.filename=$disk a.b.c=5".to_owned()),
        1 => Just("qemu-img info \\\n  $disk \\\n".to_owned()),
    ]
}

fn script_text() -> impl Strategy<Value = String> {
    prop::collection::vec(line(), 0..12).prop_map(|lines| {
        let header = "# A case.\nfiles: disk\nvms: src\nparams: size=1M,2M\n\nstorage-daemon start\nvm@src arg -S\nlog $size $disk\n";
        format!("{header}{}\nvm@src launch\n", lines.join("\n"))
    })
}

proptest! {
    #[test]
    fn likely_scripts_survive_printing(text in script_text()) {
        check_round_trip(&text)?;
    }

    #[test]
    fn single_lines_survive_printing(line in line()) {
        check_round_trip(&format!("files: disk\nvms: src\nparams: size=1M\nstorage-daemon start\nvm@src arg -S\nlog $size $disk\n{line}\nvm@src launch\n"))?;
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "(\\PC|[\\n\\t \"'$\\[\\]{}#=!:\\\\\\x00\\r]){0,80}") {
        check_round_trip(&text)?;
    }

    #[test]
    fn no_change_of_a_script_makes_the_parser_panic(cut in 0usize..12000, insert in "[\\n \"'$\\[\\]{}#=!:\\\\a]{0,3}") {
        let mut text = fs::read_to_string(project("cases/manual.case")).unwrap();
        let at = (0..=cut.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.insert_str(at, &insert);
        check_round_trip(&text)?;
        text.truncate(at);
        check_round_trip(&text)?;
    }
}

#[test]
fn the_likely_scripts_are_mostly_sound() {
    // Or the property above would say little.
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let sound = (0..200).filter(|_| {
        let text = script_text().new_tree(&mut runner).unwrap().current();
        script::parse(&text).is_ok()
    });
    let count = sound.count();
    assert!(count > 60, "{count} of 200 scripts are sound");
}
