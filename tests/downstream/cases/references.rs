//! Logs and their references.

use iotests::prelude::*;

pub fn suite(s: &mut Suite) {
    s.test("same", |t| say(t, "as it was\n  indented   \n"));
    s.test("differs", |t| say(t, "one\ntwo\t \n3\nfour"));
    s.test("missing", |t| say(t, "nobody wrote this down"));
    s.test("unexpected", |_| Ok(()));
    s.test("broken_off", broken_off);
    s.test("varies", |t| say(t, &format!("format {}", t.imgfmt()))).formats(["raw", "qcow2"]);
    s.test("sized", |t| say(t, &format!("size {}", t.param()))).params(["1M", "1G"]);
}

fn say(t: &mut Test, text: &str) -> TestResult {
    text.lines().for_each(|line| t.log(line));
    Ok(())
}

fn broken_off(t: &mut Test) -> TestResult {
    t.log("so far");
    t.assert(false, "so good")
}
