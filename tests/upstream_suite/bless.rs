//! References are written anew, by those who ask for it and only after a whole run of a test.

use std::fs;

use crate::suite::Suite;

pub(crate) fn blessing_writes_the_reference_that_was_compared() {
    let suite = Suite::new();
    let ran = suite.run(&["--exact", "009::raw", "002::raw"], &[("IOTESTS_BLESS", "1")]);
    assert_eq!(ran.results(), ["009::raw: ok", "002::raw: ok"], "{}", ran.stdout);
    ran.notes("blessed ").notes("002.out (002::raw)");
    assert_eq!(fs::read(suite.file("002.out")).unwrap(), b"same\nthis of raw\n");
    assert_eq!(fs::read(suite.file("009.out")).unwrap(), b"caf\xe9\n");
    assert_eq!(suite.run(&["--exact", "002::raw"], &[]).results(), ["002::raw: ok"]);
}

pub(crate) fn the_variable_of_check_blesses_too() {
    let suite = Suite::new();
    fs::write(suite.file("019.out.raw"), "outdated\n").unwrap();
    let ran = suite.run(&["--exact", "019::raw"], &[("QEMU_IOTESTS_REGEN", "1")]);
    assert_eq!(ran.results(), ["019::raw: ok"], "{}", ran.stdout);
    let written = fs::read_to_string(suite.file("019.out.raw")).unwrap();
    assert!(written.starts_with("AIOMODE=threads\n"), "{written}");
}

pub(crate) fn a_test_that_failed_otherwise_is_not_blessed() {
    let suite = Suite::new();
    fs::write(suite.file("003.out"), "outdated\n").unwrap();
    let ran = suite.run(&["--exact", "003::raw"], &[("IOTESTS_BLESS", "1")]);
    assert_eq!(ran.results(), ["003::raw: FAILED"]);
    assert_eq!(fs::read(suite.file("003.out")).unwrap(), b"outdated\n");
}

pub(crate) fn nothing_is_blessed_in_continuous_integration() {
    let suite = Suite::new();
    let ran = suite.run(&["--exact", "002::raw"], &[("IOTESTS_BLESS", "1"), ("CI", "true")]);
    assert!(!ran.status.success());
    ran.notes("CI");
    assert_eq!(fs::read(suite.file("002.out")).unwrap(), b"same\nthat\n");
}

pub(crate) fn formats_that_print_different_things_do_not_overwrite_one_reference() {
    let suite = Suite::new();
    let bless = || suite.run(&["--exact", "002::raw", "002::qcow2"], &[("IOTESTS_BLESS", "1")]);
    let ran = bless();
    assert_eq!(ran.results(), ["002::raw: ok", "002::qcow2: FAILED"], "{}", ran.stdout);
    ran.says("is what 002::raw logged in this run").says("<test>.out.<format>");
    assert_eq!(fs::read(suite.file("002.out")).unwrap(), b"same\nthis of raw\n");
    // What it says to do helps.
    fs::write(suite.file("002.out.qcow2"), "").unwrap();
    assert_eq!(bless().results(), ["002::raw: ok", "002::qcow2: ok"]);
    assert_eq!(fs::read(suite.file("002.out.qcow2")).unwrap(), b"same\nthis of qcow2\n");
}

pub(crate) fn nothing_is_blessed_that_only_the_clock_of_qtest_would_show() {
    let suite = Suite::new();
    suite.replace("021", "echo other # clock_step\nstatus=0");
    let ran = suite.run(&["--exact", "021::raw"], &[("IOTESTS_BLESS", "1")]);
    let reference = fs::read(suite.file("021.out")).unwrap();
    if ran.results() == ["021::raw: ok"] {
        // This QEMU has the accelerator.
        assert_eq!(reference, b"other\n");
    } else {
        assert!(ran.results()[0].contains("ignored (needs QEMU's qtest accelerator"), "{:?}", ran.results());
        assert_eq!(reference, b"tick\n");
    }
}

pub(crate) fn a_reference_that_another_format_keeps_to_is_not_overwritten() {
    let suite = Suite::new();
    fs::write(suite.file("002.out"), "same\nthis of raw\n").unwrap();
    let ran = suite.run(&["--exact", "002::raw", "002::qcow2"], &[("IOTESTS_BLESS", "1")]);
    assert_eq!(ran.results(), ["002::raw: ok", "002::qcow2: FAILED"], "{}", ran.stdout);
    ran.says("is what 002::raw logged in this run");
    assert_eq!(fs::read(suite.file("002.out")).unwrap(), b"same\nthis of raw\n");
}
