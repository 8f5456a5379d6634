//! Every mistake is found before anything runs: where it is, what was expected, and what was probably
//! meant.

use std::path::Path;

use iotests::script;

/// What the parser says of a script: `line:column: message`, all of it.
fn said(text: &str) -> Vec<String> {
    let problems = script::parse(text).expect_err("a script with a mistake");
    problems.iter().map(|it| format!("{}:{}: {}", it.at().line, it.at().column, it.message())).collect()
}

/// Demands that the only mistake is reported so.
#[track_caller]
fn only(text: &str, expected: &str) {
    let said = said(text);
    assert!(said.len() == 1 && said[0].starts_with(expected), "expected {expected}\ngot      {said:#?}");
}

#[test]
fn all_mistakes_of_a_file_are_reported_at_once() {
    let text = "\
formats: qcow2 qeed
file: base
qemu-imgg create $bse
[qcow3] vm lunch
qmp x {
  \"a\": quux
}
log $later
let later = qemu-img info $TEST_DIR : virtual-size
sleep 3
";
    assert_eq!(
        said(text),
        [
            "1:16: unknown format \"qeed\": did you mean \"qed\"?",
            "2:1: unknown header key \"file\": did you mean \"files\"?",
            "3:1: unknown command \"qemu-imgg\": did you mean \"qemu-img\"?",
            "3:18: unknown variable \"$bse\": declare it, as in `files: bse`; known are $AIOMODE, $CACHEMODE, $IMGFMT, \
             $IMGOPTS, $IMGPROTO, $LUKS_SECRET, $SOCK_DIR, $TEST_DIR, $later",
            "4:2: unknown condition \"qcow3\": did you mean \"qcow2\"?",
            "4:12: unknown command of vm \"lunch\": did you mean \"launch\"?",
            "6:8: this is not JSON: expected value; quote the word if it is not meant to be",
            "8:5: $later is captured only in line 9: expected that line before this one",
            "10:1: sleep: no case sleeps: wait for what shall happen, with `event`, `job` or `migrate`",
        ]
    );
}

#[test]
fn a_mistake_is_shown_with_its_line_and_a_mark() {
    let text = "files: base\n\tqemu-img create -f qcow2 $bsae 1M\n";
    let errors = script::suite_from_file(Path::new("cases/a/b.case"), text).expect_err("a mistake");
    let reported: Vec<_> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        reported,
        ["cases/a/b.case:2:27: unknown variable \"$bsae\": did you mean \"$base\"?
    \tqemu-img create -f qcow2 $bsae 1M
    \t                         ^^^^^"]
    );
}

#[test]
fn words() {
    only("log 'open", "1:5: this quote is not closed on its line");
    only("log a\"open\nlog b", "1:6: this quote is not closed on its line");
    only("log $", "1:5: expected the name of a variable, as in $base or ${base}; write $$ for a dollar sign");
    only("log ${IMGFMT", "1:5: expected the name of a variable");
    only("log # no comment", "1:5: a comment has a line of its own; quote the word if it is none");
    only("log a\u{1}b", "1:6: the control character U+0001 means nothing here");
    only("log {\"a\": 1", "1:5: this bracket begins JSON, and is never closed");
    only(
        "log {\"a: 1}\nlog {\"b\": 2}",
        "1:5: this bracket begins JSON, and holds a quote that is not closed",
    );
    only("log {\"ä\": x}", "1:11: this is not JSON: expected value");
    only("log {\n\"ä\": 1,\n\"ä\": x}", "3:6: this is not JSON: expected value");
    only("log {\"a\": 1}b", "1:13: expected a blank after JSON");
    only("log {\"a\": \"$\"}", "1:5: in a string of this JSON: expected the name of a variable");
    only("log a\\", "1:6: a backslash escapes nothing here");
    only("qemu-img info x | cat", "1:17: there are no pipes, redirections and lists");
    only("qemu-img info x > y", "1:17: there are no pipes, redirections and lists");
}

#[test]
fn headers() {
    only("log x\nfiles: a", "2:1: files: the header ends with the first command");
    only("files: a\nfiles: b", "2:1: files: this key is given twice");
    only("files:", "1:1: files: expected NAME...");
    only("files: a-b", "1:8: \"a-b\": expected a name of letters, digits and _");
    only("files: a a", "1:10: a is given twice");
    only("files: IMGFMT", "1:8: IMGFMT is a variable of every script already");
    only("files: a\nsockets: a", "2:10: a is a file already");
    only("vms: a a", "1:8: a is given twice");
    only("ignores-stderr: [moon] a -- b\nlog x", "1:18: unknown condition \"moon\"");
    only("ignores-stderr: [raw] -- b\nlog x", "1:17: expected TEXT -- REASON");
    only("formats: qcow2,qed", "1:10: expected blanks between the words, not commas");
    only("platforms: linx", "1:12: unknown operating system \"linx\": did you mean \"linux\"?");
    only("unsupported-platforms: dos", "1:24: unknown operating system \"dos\": known are linux, darwin");
    only("requires: format=qcow3", "1:18: unknown format \"qcow3\": did you mean \"qcow2\"?");
    only("requires: format=wibble", "1:18: unknown format \"wibble\": known are blkdebug, blklogwrites");
    assert!(script::parse("platforms: freebsd13 win\nrequires: format=throttle\nlog x").is_ok());
    only("platforms: linuxx\nlog x", "1:12: unknown operating system \"linuxx\": did you mean \"linux\"?");
    only("groups: quick \\\nlog x", "1:1: groups: a line of the header cannot be continued");
    only("known-failure: a\u{b}b\nlog x", "1:16: expected no control characters in this word");
    only("log x\nknown-failure: x\r", "2:1: known-failure: the header ends");
    only("known-failure: x\r\r\nlog x", "1:16: expected no control characters in this word");
    only("protocols: fiel", "1:12: unknown protocol \"fiel\": did you mean \"file\"?");
    only("cache-modes: writebak", "1:14: unknown cache mode \"writebak\": did you mean \"writeback\"?");
    only("aio-modes: thread", "1:12: unknown AIO mode \"thread\": did you mean \"threads\"?");
    only("requires: quorumm", "1:11: unknown requirement \"quorumm\": did you mean \"quorum\"?");
    only("requires: qemu>=eight", "1:11: \"eight\" is not a version");
    only("requires: device=", "1:11: requirement \"device=\" lacks its NAME");
    only("filters: imgfnt", "1:10: unknown filter \"imgfnt\": did you mean \"imgfmt\"?");
    only("timeout: 30", "1:10: expected one time limit, as in 30s or 5m");
    only("timeout: 0s", "1:10: expected one time limit");
    only("groups: a/b", "1:9: group \"a/b\": expected letters, digits, _ - and . only");
    only("params: size\n", "1:9: \"size\": expected a parameter, as in size=1M,1G");
    only("params: size=1M,\n", "1:9: value \"\" of size: expected letters");
    only("params: size=1M,1M\n", "1:9: value \"1M\" of size is given twice");
    only("params: size=1M\nlog x", "1:9: every value of size makes a trial, but $size is never used");
}

#[test]
fn a_script_without_a_command_is_a_mistake() {
    for text in ["", "\n", "# Later.\n", "formats: qcow2\n", "== heading ==\n"] {
        only(text, "1:1: no commands: expected one at least");
    }
}

#[test]
fn guards() {
    only("[qcow2 log x", "1:1: this guard is not closed: expected [condition] or [!condition]");
    only("[] log x", "1:1: expected one condition, without blanks, in each guard");
    only("[a b] log x", "1:1: expected one condition, without blanks");
    only("[generic] log x", "1:2: unknown condition \"generic\"");
    only("[!qemu<x] log x", "1:3: \"x\" is not a version");
    only(
        "params: size=1M,2M\n[size=3M] log $size",
        "2:7: unknown value of size \"3M\": did you mean \"1M\"?",
    );
    only("[qcow2]", "1:1: expected a command");
    only("quiet [qcow2] log x", "1:7: guards come first: expected this before `quiet` and `!`");
    only("quiet ! [qcow2] check x", "1:9: guards come first");
    // A word that is known, but not so.
    only(
        "[qemu>8.0] log x",
        "1:2: unknown condition \"qemu>8.0\": qemu is written qemu>=VERSION or qemu<VERSION",
    );
    only("requires: quorum=3\nlog x", "1:11: unknown requirement \"quorum=3\": quorum is written quorum");
    only("params: size=1M\n[size] log $size", "2:2: unknown condition \"size\": size is written size=VALUE");
}

#[test]
fn commands_and_their_arguments() {
    only("vm", "1:1: vm lacks a command: known are drive, drive-raw");
    only("$IMGFMT x", "1:1: expected a command, without quotes and variables");
    only("'log' x", "1:1: expected a command, without quotes and variables");
    only("quiet quiet log x", "1:7: this is given twice");
    only("quiet", "1:1: expected a command");
    only("! log x", "1:3: `log` cannot fail in a way that `!` could demand");
    only("log", "1:1: log lacks an argument: expected `log WORD...`");
    only("compare a", "1:1: compare lacks an argument: expected `compare FILE FILE");
    only("compare a b c", "1:13: one argument too many: expected `compare FILE FILE");
    only("check a fromat=raw", "1:9: unknown option \"fromat\": did you mean \"format\"?");
    only("check a format=", "1:9: format lacks its value: expected something after the =");
    only("check a format=raw format=raw", "1:20: format is given twice");
    only("vm launch\njob j auto-dismiss=yes", "2:7: expected auto-dismiss=on|off");
    only(
        "info driver=qcow2,file.filename=x",
        "1:6: unknown option \"driver\": known are hide, extra; quote the word if it is none",
    );
    only("info driver=qcow2,file.filename=x image-opts hide=", "1:46: hide lacks its value");
    // A job may be called so.
    only("vm launch\njob cancel cancel", "2:12: a job that finalizes itself is never cancelled here");
    assert!(script::parse("vm launch\njob cancel").is_ok());
    only("vm launch\njob j cancel", "2:7: a job that finalizes itself is never cancelled here");
    only("markers $TEST_DIR/x big", "1:21: expected a size, as in 4096, 64k or 1M");
    only("vm launch\nvm clock-step soon", "2:15: expected a number of nanoseconds");
    only("vm blockdev {} x", "1:16: a JSON object is the whole -blockdev: expected nothing beside it");
    only("if x", "1:1: if: there are no branches");
    only("log@two x", "1:1: there is only one log: expected no @ after it");
    only("vm@ launch", "1:1: expected a name of letters, digits and _ after the @");
    only("files: x\nheadline: y\nlog $x", "2:1: unknown header key \"headline\"");
    only("== no end", "1:1: expected a heading, as in == text ==");
}

#[test]
fn arguments_of_qmp() {
    let only = |words: &str, expected: &str| only(&format!("vm launch\nqmp x {words}"), expected);
    only("a", "2:7: expected key=value, or one JSON object");
    only("[1]", "2:7: expected a JSON object");
    only("{} a=b", "2:7: a JSON object is all arguments: expected nothing beside it");
    only("a=1 a=2", "2:11: a and a exclude each other");
    only("a.b=1 a=2", "2:13: a and a.b exclude each other");
    only("a=1 a.b=2", "2:11: a.b and a exclude each other");
    only("a..b=1", "2:7: expected names with single dots between them before the =");
    only("=1", "2:7: expected names with single dots");
    only("{\"$x\": 1}", "2:7: unknown variable \"$x\"");
    only("{\"a$\": 1}", "2:7: in a string of this JSON: expected the name of a variable");
    only("a.0=1", "2:7: dots nest objects, not lists: expected a list as JSON, as in key=[1, 2]");
}

#[test]
fn names_are_known_where_they_are_used() {
    let twice = "2:5: x is captured in line 1 already: expected another name, or a guard before each";
    only("let x = qemu-img info a\nlet x = qemu-img info b", twice);
    only("let x = qemu-img info a\n[raw] let x = qemu-img info b", &twice.replace("2:5", "2:11"));
    only("[raw] let x = qemu-img info a\nlet x = qemu-img info b", twice);
    only("log $x\n[raw] let x = check a\n[!raw] let x = check b", "1:5: $x is captured only in line 2");
    assert!(script::parse("[raw] let x = check a\n[!raw] let x = check b\nlog $x").is_ok());
    only("files: x\nlet x = qemu-img info a", "2:5: x is a file already");
    only("let x = log a", "1:9: `log` has no result that `let` could capture");
    only("let x log a", "1:1: expected `let NAME = COMMAND ... [: PATH]`");
    only("let", "1:1: expected `let NAME");
    only("let 1 = check a", "1:5: expected `let NAME");
    only("let x = check a : $IMGFMT", "1:19: expected a path");
    only("let x = check a : return[0]b", "1:19: \"b\" after an index leads nowhere");
    only("let x = check a :", "1:17: expected a path, as in return[0]/inserted/file, after this colon");
    only("quiet let x = check a", "1:1: `let` logs nothing and must succeed");
    only("qmp query-block", "1:1: the VM was not started: expected `vm launch` before it");
    only(
        "vms: one\nvm@one launch\nqmp query-block",
        "3:1: the VM was not started: expected `vm launch` before it",
    );
    only("vms: one\nvm@onne launch", "2:1: unknown VM \"onne\": did you mean \"one\"?");
    only("vm@one launch", "1:1: unknown VM \"one\": declare it, as in `vms: one`");
    only("io close", "1:1: the qemu-io session was not started: expected `io open` before it");
    only(
        "io@first open x\nio@frist close",
        "2:1: qemu-io session frist was not started: did you mean \"first\"?",
    );
    only("vms: dst\nvm launch\nmigrate a to=dts", "3:14: unknown VM \"dts\": did you mean \"dst\"?");
    only("assert return == 1", "1:1: `assert` looks at the last reply, and there is none yet");
}

#[test]
fn assertions() {
    let only = |words: &str, expected: &str| only(&format!("check a\nassert {words}"), expected);
    only("a =", "2:10: expected one of == != < <= > >= in, and one value after it");
    only("a = 1", "2:10: expected one of == !=");
    only("a == 1 2", "2:15: one argument too many");
    only("a[x]/b", "2:8: \"x\" after \"a\" is no index: expected a path, as in return[0]/inserted/file");
    only("a[0]b", "2:8: \"b\" after an index leads nowhere: expected a path");
    only("a[0][1]", "2:8: \"[1]\" after an index leads nowhere");
    only("a[0", "2:8: the bracket in \"a[0\" is not closed");
    only("a//b", "2:8: each part of a path begins with a name");
    only("[0]", "2:8: this is JSON: expected a path, as in return[0]/inserted/file");
}

#[test]
fn a_list_of_values_is_written_after_in() {
    let only = |words: &str, expected: &str| only(&format!("check a\nassert {words}"), expected);
    let expected = "2:13: expected a list of values after `in`, as in [1, 2]";
    only("a in 1", expected);
    only("a in []", expected);
    only("a in {}", expected);
    only("a in '[1]'", expected);
    only("a in", "2:10: expected one of == != < <= > >= in, and one value after it");
    assert!(script::parse("check a\nassert a in [1]\nassert a == []").is_ok());
}

#[test]
fn claims_that_cannot_be_meant() {
    only(
        "vm launch\nbitmap disk a cuont=0",
        "2:15: unknown field of a bitmap \"cuont\": did you mean \"count\"?",
    );
    only("vm launch\n! bitmap disk a {\"bsy\": true}", "2:17: unknown field of a bitmap \"bsy\"");
    only("vm launch\nblock-path disk backing", "2:17: expected a path of children, as in /backing/file");
    only("vm launch\nhmp-qemu-io a b qdev qdev", "2:22: qdev is given twice");
}

#[test]
fn what_is_declared_is_used() {
    only("files: a b\nlog $a", "1:10: b is a file, but $b is never used");
    only("sockets: a\nlog x", "1:10: a is a socket, but $a is never used");
    only("vms: a b\nvm@a launch", "1:8: b is a VM, but vm@b is never used");
    only("let x = check a", "1:5: x is captured in line 1, but $x is never used");
    for used in [
        "files: a\nlog {\"$a\": 1}",
        "files: a\nvm drive options=$a\nvm launch",
        "files: a\nvm launch\nqmp x y=$a",
        "files: a\nvm launch\nqmp x {\"y\": [\"$a\"]}",
        "vms: a\nvm launch\nmigrate x to=a",
        "[raw] let x = check a\n[!raw] let x = check b\nlog $x",
    ] {
        assert!(script::parse(used).is_ok(), "{used}: {:?}", said(used));
    }
}

#[test]
fn words_of_the_header_are_given_once() {
    only("formats: raw qcow2 raw\nlog x", "1:20: raw is given twice");
    only("groups: quick quick\nlog x", "1:15: quick is given twice");
    only("requires: quorum quorum\nlog x", "1:18: quorum is given twice");
    only("filters: imgfmt imgfmt\nlog x", "1:17: imgfmt is given twice");
    only("params: a=1 a=2\nlog $a", "1:13: a is a parameter already");
    assert!(script::parse("known-failure: it is as it is\nlog x").is_ok());
}

#[test]
fn no_line_is_guarded_away_from_every_trial() {
    let wrong = |guards: &str, header: &str, why: &str| {
        let text = format!("{header}\n{guards} log $k\nlog $k");
        let expected = format!("3:{}: no trial runs this line: {why}", 1 + guards.rfind('[').unwrap());
        only(&format!("params: k=1,2\n{text}"), &expected);
    };
    only(
        "formats: raw\nignores-stderr: [qed] moon -- full\nlog x",
        "2:17: no trial runs this line: the header leaves out the format qed",
    );
    wrong("[qed]", "formats: raw qcow2", "the header leaves out the format qed");
    wrong("[qed]", "unsupported-formats: qed", "the header leaves out the format qed");
    wrong("[!raw]", "formats: raw", "the header has no format but raw");
    wrong("[nbd]", "formats: raw", "the header leaves out the protocol nbd");
    wrong("[!file]", "formats: raw", "the header has no protocol but file");
    wrong("[raw] [!raw]", "formats: raw qed", "[raw] and [!raw] exclude each other");
    wrong("[raw] [qed]", "formats: raw qed", "[raw] and [qed] exclude each other");
    wrong("[k=1] [k=2]", "formats: raw qed", "[k=1] and [k=2] exclude each other");
    for sound in ["formats: generic\n[qed] log x", "[nfs] log x\n[!file] log y", "[!raw] [!qed] log x"] {
        let text = format!("protocols: generic\n{sound}");
        assert!(script::parse(&text).is_ok(), "{text}: {:?}", script::parse(&text));
    }
}

#[test]
fn what_a_vm_starts_with_comes_before_its_launch() {
    let late = "2:1: the VM runs since line 1, and does not get this any more: expected it before `vm launch`, or after \
                `vm shutdown`, `vm kill` or `vm wait`";
    for line in ["device x", "drive", "drive-raw x", "blockdev x", "object x", "incoming x", "arg x"] {
        only(&format!("vm launch\nvm {line}"), late);
        only(&format!("vm {line}\nlog x"), "1:1: the VM is not launched after this: expected `vm launch`");
        let again = format!("vm launch\nvm {line}\nvm shutdown\nvm {line}\nvm launch");
        assert_eq!(said(&again).len(), 1);
    }
    only("vms: a\nvm@a launch\nvm@a arg x", "3:1: VM a runs since line 2, and does not get this any more");
    only("vms: a\nvm launch\nvm@a arg x", "3:1: VM a is not launched after this: expected `vm@a launch`");
    for end in ["shutdown", "kill", "wait"] {
        let text = format!("vms: a\nvm@a launch\nvm@a {end}\nvm@a device x\nvm@a launch");
        assert!(script::parse(&text).is_ok(), "{text}: {:?}", said(&text));
        only(
            &text.replace("\nvm@a launch", "").replace("vms: a\n", "vms: a\nvm@a launch\n"),
            "4:1: VM a is not launched",
        );
    }
    // It was refused, or only the run can know.
    for text in
        ["! vm launch\nvm device x\nvm launch", "[raw] vm launch\n[!raw] vm device x\n[!raw] vm launch"]
    {
        assert!(script::parse(text).is_ok(), "{text}: {:?}", said(text));
    }
}

#[test]
fn a_line_with_a_mistake_is_not_the_cause_of_others() {
    only("let size = qemu-imgg info x\nlog $size\nassert a", "1:12: unknown command \"qemu-imgg\"");
    only("vm lunch\nqmp query-block", "1:4: unknown command of vm \"lunch\"");
    only("let size = qemu-img info 'x\nlog $size", "1:26: this quote is not closed on its line");
    only("let size = qemu-imgg info {\nlog $size\n", "1:27: this bracket begins JSON, and is never closed");
}

#[test]
fn a_mistake_in_the_header_is_not_the_cause_of_others() {
    only("file: disk\nformats: raw\ncheck $disk", "1:1: unknown header key \"file\"");
    only("vm: src\nvm@src launch\nqmp@src stop", "1:1: unknown header key \"vm\"");
    only("parms: size=1M\n[size=1M] log $size", "1:1: unknown header key \"parms\"");
    only("files: a\nfiles: b\ncheck $a\ncheck $b", "2:1: files: this key is given twice");
    only("check x\nfiles: a\ncheck $a", "2:1: files: the header ends with the first command");
    let colon =
        "1:1: files: expected a colon and a blank after this key of the header, as in `files: NAME...`";
    only("files disk\nformats: raw\ncheck $disk", colon);
    only("files:disk\nformats: raw\ncheck $disk", colon);
    only("file disk\nformats: raw\ncheck $disk", "1:1: unknown command \"file\"");
    only(
        "[qcow2] files: disk\nformats: raw\ncheck $disk",
        "1:9: files: a line of the header cannot be guarded: expected it without the guard",
    );
    // A name that is captured makes no condition.
    only("let size = check x\n[size=1M] log $size", "2:2: unknown condition \"size\"");
}

#[test]
fn json_without_an_end_does_not_hide_what_follows() {
    let text = "vm launch\nqmp x {\n  \"a\": [1,\n  2\n\nlgo a\n[qcow2] vm lunch\n";
    assert_eq!(said(text).len(), 3, "{:?}", said(text));
    let starts =
        ["2:7: this bracket begins JSON, and is never closed", "6:1: unknown command \"lgo\"", "7:12: "];
    for (said, start) in said(text).iter().zip(starts) {
        assert!(said.starts_with(start), "{said}");
    }
}

#[test]
fn a_mistake_in_a_line_does_not_hide_those_before_it() {
    assert_eq!(said("log $x 'y")[..].len(), 2);
    assert!(said("log $x 'y")[0].starts_with("1:5: unknown variable \"$x\""));
}

#[test]
fn each_known_word_is_listed_once() {
    let said = said("quux x");
    let known = said[0].split("known are ").nth(1).unwrap();
    assert_eq!(known.split(", ").filter(|word| *word == "vm").count(), 1, "{known}");
}
