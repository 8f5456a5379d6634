//! Scripts on real QEMU.

use std::path::Path;

use iotests::error::Error;
use iotests::script;
use iotests::test::Test;

/// Runs a script over qcow2. Returns what it logged, and how it ended.
fn run(text: &str) -> (String, Result<(), Error>) {
    run_in(&Test::with_format("qcow2").unwrap(), text)
}

fn run_in(test: &Test, text: &str) -> (String, Result<(), Error>) {
    let suite =
        script::suite_from_file(Path::new("a.case"), text).unwrap_or_else(|errors| panic!("{errors:?}"));
    let body = suite.tests()[0].body();
    let result = body(&mut test.clone()).map_err(|failure| failure.error);
    (test.context().log().contents(), result)
}

/// What a script logs that runs to its end.
#[track_caller]
fn logged(text: &str) -> String {
    let (log, result) = run(text);
    if let Err(error) = result {
        panic!("{error}\n{log}");
    }
    log
}

/// What such a script logs besides its own lines.
#[track_caller]
fn printed(text: &str) -> String {
    logged(text).lines().filter(|line| !line.starts_with("> ")).map(|line| format!("{line}\n")).collect()
}

/// How a script fails.
#[track_caller]
fn failure(text: &str) -> String {
    let (log, result) = run(text);
    result.expect_err(&log).to_string()
}

#[test]
fn a_failing_command_shows_the_script_up_to_its_line() {
    let text = "\
# Comment
files: disk

== first ==
qemu-img create -f qcow2 $disk 1M
== second ==
log in between
qemu-io -c 'read -P 1 0 512' $disk
log not reached
";
    let (log, result) = run(text);
    assert_eq!(log.lines().filter(|line| line.starts_with("==")).count(), 2);
    assert!(!log.contains("not reached"));
    let error = result.unwrap_err();
    assert!(matches!(&error, Error::Script { line: 8, column: 1, .. }), "{error:?}");
    let reported = error.to_string();
    assert!(
        reported.starts_with("a.case:8:1: ") && reported.contains("Pattern verification failed"),
        "{reported}"
    );
    let script = "
    4 | == first ==
    6 | == second ==
    7 | log in between
>   8 | qemu-io -c 'read -P 1 0 512' $disk
";
    assert!(reported.ends_with(script), "{reported}");
}

#[test]
fn what_must_fail_and_does_not_is_a_failure() {
    let reported = failure("files: disk\n! qemu-img create -f raw $disk 1M\n");
    assert!(reported.contains("a.case:2:1: `!` demands an exit status other than 0"), "{reported}");
    let reported = failure("files: a\nquiet qemu-img create -f qcow2 $a 1M\n! compare $a $a\n");
    assert!(reported.contains("`!` demands that the content differs"), "{reported}");
    let reported = failure("vm launch\n! qmp query-block\n");
    let reply = "`!` demands an error as reply, but it logged\n    {\"return\": []}\n";
    assert!(reported.contains(reply), "{reported}");
}

#[test]
fn an_end_by_a_signal_is_never_what_must_fail() {
    let test = Test::with_format("qcow2").unwrap();
    let (_, result) = run_in(&test, "! qemu-io -f raw -c 'sigraise 11' -c 'read 0 1' $TEST_DIR\n");
    assert!(result.is_ok(), "{result:?}");
    let text =
        "files: disk\nquiet qemu-img create -f raw $disk 1M\n! qemu-io -f raw -c 'sigraise 11' $disk\n";
    let reported = failure(text);
    assert!(reported.contains("a.case:3:1: qemu-io received signal 11 (SIGSEGV)"), "{reported}");
}

#[test]
fn quiet_drops_the_log_of_one_command_alone() {
    let log =
        printed("files: disk\nlog one\nquiet qemu-img create -f raw $disk 1M\nquiet log two\nlog three\n");
    assert_eq!(log, "one\nthree\n");
}

#[test]
fn guards_choose_by_format_protocol_parameter_and_version() {
    let text = "\
params: size=1M,2M
[qcow2] log qcow2
[!qcow2] log not qcow2
[raw] log raw
[file] [qemu>=1.0] log file and new
[file] [qemu>=99.0] log from the future
[qemu<99.0] log not from the future
[program=sh] log a shell
[!program=no-such-program-here] log no such program
[qapi=blockdev-add/arg-type/discard/^unmap] [!qapi=blockdev-add/arg-type/discard/^trim] log unmap alone
[size=1M] log $size
";
    let log = printed(text);
    assert_eq!(log, "qcow2\nfile and new\nnot from the future\na shell\nno such program\nunmap alone\n");
}

#[test]
fn words_and_variables_reach_the_tools_as_they_are_written() {
    let text = "\
log 'a  b' \"c $IMGFMT\" d\\ e $$5 ${IMGFMT}x '$IMGFMT' \"\\$IMGFMT\" ''.
log {\"a\": [1, \"$IMGFMT\"], \"b\": \"$$\"} k=[ 1,  2 ]
log one \\
    two
";
    let log = printed(text);
    let lines: Vec<_> = log.lines().collect();
    assert_eq!(lines[0], "a  b c qcow2 d e $5 qcow2x $IMGFMT $IMGFMT .");
    assert_eq!(lines[1], "{\"a\":[1,\"qcow2\"],\"b\":\"$\"} k=[1,2]");
    assert_eq!(lines[2], "one two");
}

#[test]
fn captured_values_keep_their_type() {
    let text = "\
files: disk
quiet qemu-img create -f qcow2 $disk 1M
let size = qemu-img info --output=json $disk : virtual-size
quiet qemu-img info --output=json $disk
assert virtual-size == $size
! assert virtual-size == \"$size\"
assert virtual-size != \"$size\"
assert filename == $disk
log $size
vm drive $disk
vm launch
qmp block_resize device=drive0 size=$size
quiet qmp query-block
assert return[0]/inserted/image/virtual-size == $size
";
    let log = printed(text);
    assert!(log.starts_with("1048576\n"), "{log}");
    assert!(log.contains("{\"return\": {}}"), "{log}");
}

#[test]
fn a_variable_of_a_line_that_did_not_run_is_an_error() {
    let reported = failure("[raw] let x = qemu-img --version\nlog $x\n");
    assert!(
        reported.contains("a.case:2:1: $x is not set, for the line that captures it was not run"),
        "{reported}"
    );
}

#[test]
fn assertions_look_at_the_last_reply() {
    let head =
        "files: disk\nquiet qemu-img create -f qcow2 $disk 1M\nquiet qemu-img info --output=json $disk\n";
    for sound in [
        "assert virtual-size == 1048576",
        "assert virtual-size in [1, 1048576]",
        "! assert virtual-size == [1, 1048576]",
        "! assert virtual-size in [1, 2]",
        "assert format-specific/data/corrupt != 0",
        "assert virtual-size != 1",
        "assert virtual-size > 1048575",
        "assert virtual-size >= 1048576",
        "assert virtual-size < 1e7",
        "assert virtual-size <= 1048576",
        "assert format == qcow2",
        "assert format-specific/data/corrupt == false",
        "! assert backing-filename",
        "! assert virtual-size == 2",
        "! assert virtual-size > 1048576",
    ] {
        assert_eq!(printed(&format!("{head}{sound}\n")), "", "{sound}");
    }
    for (wrong, why) in [
        ("assert virtual-size == 2", "not true: virtual-size == 2"),
        ("assert backing-filename", "no key \"backing-filename\"\n{"),
        ("assert virtual-sise", "no key \"virtual-sise\"; did you mean \"virtual-size\"?\n{"),
        ("! assert virtual-size", "`!` demands that only the last key or index"),
        ("! assert nonesuch == 2", "no key \"nonesuch\""),
        // A misspelt name on the way says nothing about the last one.
        (
            "! assert format-spcific/data/corrupt",
            "no key \"format-spcific\"; did you mean \"format-specific\"?",
        ),
        ("! assert format-specific/data/nonesuch/x", "no key \"nonesuch\""),
        ("! assert snapshots[0]", "no key \"snapshots\""),
        ("assert format > 2", "cannot be ordered beside 2"),
    ] {
        let reported = failure(&format!("{head}{wrong}\n"));
        assert!(reported.contains("a.case:4:1: ") && reported.contains(why), "{wrong}: {reported}");
    }
    let reported = failure("files: disk\n[raw] check $disk\nassert x\n");
    assert!(reported.contains("a.case:3:1: there is no reply to look at"), "{reported}");
}

#[test]
fn a_command_without_a_reply_leaves_no_older_one() {
    let head =
        "files: disk\nquiet qemu-img create -f qcow2 $disk 1M\nquiet qemu-img info --output=json $disk\n";
    let none = "there is no reply to look at: the last command that could have one gave none, or was not run";
    for without in ["quiet qemu-img info $disk", "quiet ! qemu-img info $TEST_DIR/x", "[raw] check $disk"] {
        let reported = failure(&format!("{head}{without}\nassert format == qcow2\n"));
        assert!(reported.contains("a.case:5:1: ") && reported.contains(none), "{without}: {reported}");
    }
    // Nothing comes of these, so they are not the last to reply.
    logged(&format!("{head}compare $disk $disk\nassert format == qcow2\n"));
    // One of several guarded lines replied.
    let info = "quiet qemu-img info --output=json $disk";
    logged(&format!("{head}[qcow2] {info}\n[!qcow2] check $disk\nassert format == qcow2\n"));
    logged(&format!("{head}[!qcow2] check $disk\n[qcow2] {info}\nassert format == qcow2\n"));
}

#[test]
fn a_command_of_several_lines_is_shown_whole() {
    let reported = failure("vm launch\nlog x\nqmp blockdev-del {\n  \"node-name\":\n  \"none\"\n}\nlog y\n");
    let script = "
    1 | vm launch
    2 | log x
>   3 | qmp blockdev-del {
>   4 |   \"node-name\":
>   5 |   \"none\"
>   6 | }
";
    assert!(reported.ends_with(script), "{reported}");
    let reported = failure("qemu-img info \\\n    $TEST_DIR/x");
    assert!(reported.ends_with(">   1 | qemu-img info \\\n>   2 |     $TEST_DIR/x\n"), "{reported}");
}

#[test]
fn captured_values_keep_their_type_in_json() {
    let log = printed(
        "\
files: disk
quiet qemu-img create -f qcow2 $disk 1M
let size = qemu-img info --output=json $disk : virtual-size
let name = qemu-img info --output=json $disk : format
log {\"$name\": \"$size\", \"list\": [\"${size}\", \"$size bytes\", \"$name\", \"$$size\"]}
",
    );
    assert_eq!(log, "{\"qcow2\":1048576,\"list\":[1048576,\"1048576 bytes\",\"qcow2\",\"$size\"]}\n");
}

#[test]
fn guards_choose_between_lines_that_capture_the_same() {
    let text = "[qcow2] let x = qemu-img --version\n[!qcow2] let x = qemu-io --version\nlog $x\n";
    assert!(printed(text).starts_with("qemu-img version"));
}

#[test]
fn things_without_a_name_are_beside_those_with_any() {
    assert_eq!(printed("storage-daemon start\nstorage-daemon@a start\nstorage-daemon@b start\n"), "");
}

#[test]
fn qemu_io_may_be_refused_its_image() {
    assert!(logged("! io open -f raw $TEST_DIR/nothing\n").contains("No such file or directory"));
    let reported = failure("files: disk\nquiet qemu-img create -f raw $disk 1M\n! io open -f raw $disk\n");
    assert!(reported.contains("`!` demands that it ends before it takes any"), "{reported}");
}

#[test]
fn files_may_be_named_by_options_and_addresses() {
    let log = logged(
        "\
files: disk
sockets: nbd
quiet qemu-img create -f qcow2 $disk 1M
info driver=qcow2,file.filename=$disk image-opts hide=$disk extra=--backing-chain
nbd-server start -k $nbd -f qcow2 $disk
quiet map nbd+unix:///?socket=$nbd format=raw
",
    );
    assert!(log.contains("virtual size: 1 MiB"), "{log}");
    assert!(failure("info 'a=b'\n").contains("Could not open 'a=b'"));
}

#[test]
fn a_skip_stays_a_skip() {
    let (log, result) = run("log before\n[qcow2] skip not for $IMGFMT here\nlog after\n");
    assert_eq!(log, "> log before\nbefore\n> skip not for $IMGFMT here\n");
    assert!(matches!(&result, Err(Error::Skip(why)) if why == "not for qcow2 here"), "{result:?}");
    let test = Test::with_format("qcow2").unwrap();
    let (log, result) = run_in(&test, "not-run the part with the moon\n");
    result.unwrap();
    // It is noted where a machine lacks something, and the log is the same on all.
    assert_eq!(log, "");
    assert_eq!(test.context().not_run(), ["the part with the moon"]);
}

#[test]
fn what_is_left_running_ends_with_the_script() {
    let test = Test::with_format("qcow2").unwrap();
    let text = "\
files: disk
sockets: nbd
vms: two
quiet qemu-img create -f qcow2 $disk 1M
io open -r $disk
nbd-server start -k $nbd -r -f qcow2 $disk
storage-daemon start
vm launch
vm@two launch
";
    let (log, result) = run_in(&test, text);
    result.unwrap();
    let printed: Vec<_> = log.lines().filter(|line| !line.starts_with("> ")).collect();
    assert_eq!(printed, ["Start NBD server", "Stop NBD server"]);
    assert!(test.context().registry().is_empty());
    assert!(test.context().take_late().is_empty());
}

#[test]
fn a_thing_runs_once_and_ends_once() {
    let head = "files: disk\nquiet qemu-img create -f qcow2 $disk 1M\nio open -r $disk\n";
    let reported = failure(&format!("{head}io open -r $disk\n"));
    assert!(reported.contains("a.case:4:1: the qemu-io session runs already"), "{reported}");
    let reported = failure(&format!("{head}io close\nio close\n"));
    assert!(reported.contains("a.case:5:1: the qemu-io session does not run"), "{reported}");
}

#[test]
fn a_request_that_fails_in_qemu_fails_its_line() {
    let head = "files: disk\nquiet qemu-img create -f qcow2 $disk 1M\nvm drive $disk\nvm launch\n";
    let reported = failure(&format!("{head}hmp-qemu-io drive0 'read -P 7 0 512'\n"));
    assert!(reported.contains("a.case:5:1: qemu-io drive0 \"read -P 7 0 512\" failed:"), "{reported}");
    logged(&format!("{head}! hmp-qemu-io drive0 'read -P 7 0 512'\n! hmp-qemu-io nothing 'read 0 512'\n"));
    let reported = failure(&format!("{head}vm resume-drive nothing\n"));
    assert!(
        reported.contains("a.case:5:1: qemu-io nothing \"remove_break bp_nothing\" failed:"),
        "{reported}"
    );
    let reported = failure(&format!("{head}vm pause-drive drive0\n"));
    assert!(
        reported.contains("a.case:5:1: qemu-io drive0 \"break read_aio bp_drive0\" failed:"),
        "{reported}"
    );
    let head = "files: disk\nquiet qemu-img create -f qcow2 $disk 1M\nio open $disk\n";
    let reported = failure(&format!("{head}io cmd read -P 7 0 512\n"));
    assert!(reported.contains("a.case:4:1: qemu-io command \"read -P 7 0 512\" failed:"), "{reported}");
}

#[test]
fn combinations_of_parameters_make_trials() {
    let text = "params: size=1M,2M kind=a,b,c\nlog $size $kind\n";
    let suite = script::suite_from_file(Path::new("a.case"), text).unwrap();
    assert_eq!(
        suite.declaration().params,
        [
            "size=1M,kind=a",
            "size=1M,kind=b",
            "size=1M,kind=c",
            "size=2M,kind=a",
            "size=2M,kind=b",
            "size=2M,kind=c"
        ]
    );
    assert_eq!(suite.tests().len(), 1);
    assert_eq!(suite.tests()[0].name(), "");
}

#[test]
fn a_skeleton_is_a_case_that_passes() {
    let dir = tempfile::tempdir().unwrap();
    let file = script::create(dir.path(), "topic/deep/name").unwrap();
    assert_eq!(file, dir.path().join("topic/deep/name.case"));
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(logged(&text).contains("== write and read back =="));
    let again = script::create(dir.path(), "topic/deep/name").unwrap_err().to_string();
    assert!(again.contains("topic/deep/name.case is there already: choose another name"), "{again}");
    let found = script::discover(dir.path()).unwrap();
    assert_eq!(found.iter().map(|found| found.path.as_str()).collect::<Vec<_>>(), ["topic/deep/name"]);
}

#[test]
fn a_machine_moves_by_a_file() {
    let log = printed(
        "\
files: state
vms: source target
vm@source launch
quiet migrate@source \"exec:cat > $state\"
vm@source shutdown
vm@target incoming defer
vm@target launch
quiet qmp@target migrate-incoming uri=\"exec:cat $state\"
quiet event@target RESUME
quiet qmp@target query-status
assert return/status == running
",
    );
    assert_eq!(log, "");
}

/// QEMU knows a descriptor by this name once, which shows that it has arrived.
#[test]
fn a_descriptor_that_is_passed_gets_a_name() {
    let log = printed(
        "\
files: disk
quiet qemu-img create -f raw $disk 64k
vm launch
vm send-file $disk
quiet qmp getfd fdname=passed
quiet qmp closefd fdname=passed
quiet ! qmp closefd fdname=passed
",
    );
    assert_eq!(log, "");
}

#[test]
fn filters_of_the_header_hold_for_migration_too() {
    let log = printed(
        "filters: imgfmt\nvms: qcow2\nvm@qcow2 launch\nmigrate@qcow2 'exec:cat > /dev/null'\nvm@qcow2 shutdown\n",
    );
    assert!(log.starts_with("Enabling migration QMP events on IMGFMT...\n{\"return\": {}}\n"), "{log}");
    assert!(log.contains("\"status\": \"completed\""), "{log}");
    assert!(!log.contains("qcow2"), "{log}");
}

#[test]
fn a_log_is_a_transcript() {
    let text = "\
\u{feff}# A comment is not logged, and neither is the header.
files: disk

== heading ==
quiet qemu-img create -f $IMGFMT $disk 1M
[qcow2] log  'as  it is'   written\t
[raw] log not here
  log indented
log goes \\
    on
let size = qemu-img info --output=json $disk : virtual-size
check \\
  $disk
log {
  \"a\": \"$size\"
}
[!raw] log $size";
    let expected = "\
== heading ==
> quiet qemu-img create -f $IMGFMT $disk 1M
> log  'as  it is'   written
as  it is written
> log indented
indented
> log goes \\
>     on
goes on
> let size = qemu-img info --output=json $disk : virtual-size
> check \\
>   $disk
> log {
>   \"a\": \"$size\"
> }
{\"a\":1048576}
> log $size
1048576
";
    assert_eq!(logged(text), expected);
    assert_eq!(logged(&text.replace('\n', "\r\n")), expected);
}

#[test]
fn what_says_nothing_leaves_no_line() {
    let head =
        "files: disk copy\nqemu-img create -f qcow2 $disk 1M\nquiet qemu-img create -f qcow2 $copy 1M\n";
    assert_eq!(printed(&format!("{head}qemu-img dd -f qcow2 -O raw if=$disk of=$copy\nlog ''\n")), "");
    // A line end at the end of what a program prints makes no line either.
    let log = printed(&format!("{head}qemu-io -c 'read 0 512' -c 'write 0 512' $copy\n"));
    assert!(log.lines().count() > 3 && !log.contains("\n\n"), "{log}");
    let log = printed("vm launch\nblockdev-create driver=file filename=$TEST_DIR/x size=0\n");
    assert!(log.starts_with("{\"return\": {}}\n{\"execute\": \"job-dismiss\""), "{log}");
    assert!(!log.contains("\n\n") && log.ends_with("{\"return\": {}}\n"), "{log}");
}

#[test]
fn a_qmp_command_is_in_the_log_once() {
    let head =
        "files: disk\nqemu-img create -f qcow2 $disk 1M\nvm drive $disk\nvm launch\nstorage-daemon start\n";
    for command in [
        "qmp query-commands-that-are-none",
        "hmp-qemu-io nothing 'read 0 1'",
        "storage-daemon qmp nothing",
        "migrate tcp:nowhere",
        "blockdev-create driver=nothing",
    ] {
        let log = printed(&format!("{head}! {command}\n"));
        assert!(!log.contains("execute") && log.contains("rror"), "{command}: {log}");
    }
    assert_eq!(printed(&format!("{head}hmp info name\n")), "{\"return\": \"\"}\n");
}

#[test]
fn a_script_of_which_no_line_runs_is_skipped() {
    for text in ["== x ==\n[raw] log x\n[!qcow2] log y\n", "[qemu>=99] log x\n"] {
        let (_, result) = run(text);
        let why = "no line of this script runs here: all are guarded";
        assert!(matches!(&result, Err(Error::Skip(reason)) if reason == why), "{result:?}");
    }
    logged("[qcow2] log x\n[raw] log y\n");
}

#[test]
fn lists_are_compared_as_what_they_are() {
    let head = "\
files: disk
quiet qemu-img create -f qcow2 $disk 1M
quiet qemu-img bitmap --add $disk a
quiet qemu-img info --output=json $disk
";
    let flags = "format-specific/data/bitmaps[0]/flags";
    for sound in [
        "assert P == [\"auto\"]",
        "! assert P != [\"auto\"]",
        "assert P in [[], [\"auto\"]]",
        "! assert P in [\"auto\"]",
    ] {
        logged(&format!("{head}{}\n", sound.replace('P', flags)));
    }
    for wrong in ["assert P != [\"auto\"]", "! assert P == [\"auto\"]"] {
        failure(&format!("{head}{}\n", wrong.replace('P', flags)));
    }
}

#[test]
fn large_integers_are_ordered_exactly() {
    let head = "quiet qemu-img measure --output=json -O raw --size 1\n";
    let reported = failure(&format!("{head}assert required > 18446744073709551614\n"));
    assert!(reported.contains("not true: required > 18446744073709551614"), "{reported}");
}

#[test]
fn a_bitmap_is_not_there_even_where_none_is() {
    let head = "\
files: disk
quiet qemu-img create -f qcow2 $disk 1M
vm drive $disk options=node-name=disk
vm launch
";
    let add = "qmp block-dirty-bitmap-add node=disk name=a\nqmp block-dirty-bitmap-remove node=disk name=a\n";
    logged(&format!("{head}! bitmap disk a\n{add}! bitmap disk a\n"));
    let reported = failure(&format!("{head}bitmap disk a\n"));
    assert!(reported.contains("node disk has no dirty bitmap a"), "{reported}");
    for claim in ["bitmap dsik a", "! bitmap dsik a"] {
        let reported = failure(&format!("{head}{claim}\n"));
        assert!(
            reported.contains("a.case:5:1: there is no node \"dsik\": did you mean \"disk\"?"),
            "{reported}"
        );
    }
}

#[test]
fn a_claim_that_must_not_hold_is_about_what_is_there() {
    let head = "\
files: disk
quiet qemu-img create -f qcow2 $disk 1M
vm drive $disk options=node-name=disk
vm launch
";
    logged(&format!(
        "{head}! block-path disk /file disk\n! block-path disk /file\nblock-path disk /backing\n"
    ));
    for (claim, why) in [
        ("block-path nosuchnode /backing n", "there is no node \"nosuchnode\" to start from"),
        ("! block-path nosuchnode /backing n", "there is no node \"nosuchnode\" to start from"),
        ("! block-path disk /backing/file n", "ends before \"backing\""),
        ("! check $TEST_DIR/nothing", "No such file or directory"),
        ("! compare $TEST_DIR/nothing $disk", "No such file or directory"),
    ] {
        let reported = failure(&format!("{head}{claim}\n"));
        assert!(reported.contains("a.case:5:1: ") && reported.contains(why), "{claim}: {reported}");
    }
    for claim in ["! block-path disk /file n", "! bitmap disk a", "! qmp x", "vm shutdown", "vm kill"] {
        let reported = failure(&format!("{head}vm shutdown\n{claim}\n"));
        assert!(reported.contains("a.case:6:1: ") && reported.contains("not"), "{claim}: {reported}");
    }
}

#[test]
fn an_end_with_0_is_not_a_bad_one() {
    // It has ended before it is asked to.
    let reported = failure("vm launch\nqmp quit\nquiet event SHUTDOWN\n! vm wait\n");
    assert!(reported.contains("`!` demands an exit status other than 0"), "{reported}");
}

#[test]
fn a_vm_that_runs_takes_no_more_configuration() {
    // The parser cannot know this one: guards hold or not.
    let reported = failure("[qcow2] vm launch\nvm device virtio-blk\n[raw] vm launch\n");
    assert!(reported.contains("a.case:2:1: the VM runs: what it starts with can be changed"), "{reported}");
}

#[test]
fn what_is_to_be_hidden_is_there() {
    let head = "files: disk\nquiet qemu-img create -f qcow2 $disk 1M\n";
    let reported = failure(&format!("{head}info $disk hide=nothing-of-the-kind\n"));
    assert!(reported.contains("hide= hides nothing, for \"nothing-of-the-kind\" is not in"), "{reported}");
}

#[test]
fn a_carriage_return_shows() {
    let head = "\
files: disk
quiet qemu-img create -f qcow2 -u -b abcdef -F raw $disk 1M
quiet qemu-io -f raw -c 'write -P 0x0d 529 1' -c 'write -P 0x0a 533 1' $disk
";
    let log = printed(&format!("{head}qemu-img info $disk\n"));
    assert!(log.contains("backing file: a\\rcde\n"), "{log}");
    // JSON has an escape of its own, which reads as what it is.
    logged(&format!(
        "{head}quiet qemu-img info --output=json $disk\nassert backing-filename in [\"a\\rcde\\n\"]\n"
    ));
    let log = printed(&format!("filters: win32\n{head}qemu-img info $disk\n"));
    assert!(log.contains("backing file: acde\n"), "{log}");
}

#[test]
fn a_carriage_return_shows_whatever_printed_it() {
    let head = "\
files: disk other
quiet qemu-img create -f qcow2 -u -b abcdef -F raw $disk 1M
quiet qemu-img create -f raw $other 1M
quiet qemu-io -f raw -c 'write -P 0x0d 529 1' $disk
";
    for commands in [
        "let name = qemu-img info --output=json $disk : backing-filename\nio open -f raw $other\n! io cmd $name\nio close\n",
        "! io open $disk\n",
        "vm drive $disk\n! vm launch\n",
        "! nbd-server start -f qcow2 -k $TEST_DIR/nbd $disk\n",
        "! storage-daemon start --blockdev driver=file,node-name=f,filename=$disk --blockdev qcow2,node-name=a,file=f\n",
        "vm drive $other format=raw\nvm launch\nquiet ! hmp-qemu-io drive0 'a\\rcdef'\nvm log\n",
    ] {
        let log = printed(&format!("{head}{commands}"));
        assert!(log.contains("a\\rcdef"), "{commands}{log}");
    }
}

#[test]
fn ignored_lines_are_declared_where_they_are_printed() {
    let unexpected = |header: &str, commands: &str| {
        let test = Test::with_format("qcow2").unwrap();
        let (_, result) = run_in(&test, &format!("files: disk copy\nignores-stderr: {header}\n{commands}"));
        result.unwrap();
        test.context().unexpected_stderr().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let salvage = "\
quiet qemu-img create -f raw $disk 1M
quiet qemu-io -f raw -c 'write -P 1 0 1M' $disk
quiet qemu-img convert --salvage --image-opts -O raw \\
    driver=blkdebug,inject-error.0.event=none,inject-error.0.iotype=read,inject-error.0.sector=8,image.driver=file,image.filename=$disk \\
    $copy
";
    let nothing = "quiet qemu-img create -f raw $disk 1M\nquiet qemu-img create -f raw $copy 1M\n";
    for holds in ["", "[qcow2] ", "[!raw] ", "[qemu>=7.2] "] {
        assert_eq!(unexpected(&format!("{holds}while reading -- it is injected"), salvage), [""; 0]);
        let unused = unexpected(&format!("{holds}while reading -- it is injected"), nothing);
        assert!(unused[0].starts_with("no program printed a line with \"while reading\""), "{unused:?}");
    }
    for not in ["[raw] ", "[!qcow2] ", "[qemu<7.2] "] {
        assert_eq!(unexpected(&format!("{not}while reading -- it is injected"), nothing), [""; 0]);
        let printed = unexpected(&format!("{not}while reading -- it is injected"), salvage);
        assert!(
            printed[0].starts_with("qemu-img printed what the case neither logs nor declares"),
            "{printed:?}"
        );
    }
}

#[test]
fn a_compiled_case_logs_in_the_same_form() {
    let test = Test::with_format("qcow2").unwrap();
    test.log_heading("first");
    test.log_command("qemu-img create \\\n    disk  ");
    assert_eq!(test.context().log().contents(), "== first ==\n> qemu-img create \\\n>     disk\n");
}
