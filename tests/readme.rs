//! What README shows is what there is.
#![expect(clippy::unwrap_used, reason = "a file of the project that cannot be read fails the test")]

use std::fs;
use std::path::Path;

use iotests::env::variables;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The part of README between two marks.
fn between(start: &str, end: &str) -> String {
    let readme = read("README.md");
    let (_, rest) = readme.split_once(start).unwrap();
    rest.split_once(end).unwrap().0.to_owned()
}

#[test]
fn the_table_of_variables_is_that_of_the_code() {
    let shown = between("<!-- variables -->\n", "<!-- end of variables -->");
    assert_eq!(shown, variables::markdown(), "README's table of variables is out of date");
}

#[test]
fn the_first_case_is_a_case_that_runs() {
    let shown = between("## A first case", "It makes two trials");
    let shown = shown.split_once("```rust\n").unwrap().1.split_once("```").unwrap().0;
    assert_eq!(shown, read("cases/resize/grow.rs"));
}

#[test]
fn the_fixtures_are_those_of_a_case_that_runs() {
    let shown = between("## Many tests on one fixture", "`.tear_down(");
    let shown = shown.split_once("```rust\n").unwrap().1.split_once("```").unwrap().0;
    assert_eq!(shown, read("cases/vm/attached.rs"));
}

#[test]
fn the_first_script_is_a_case_that_runs() {
    let shown = between("writes a skeleton, which becomes:\n\n```\n", "```");
    assert_eq!(shown, read("cases/resize/shrink.case"));
}
