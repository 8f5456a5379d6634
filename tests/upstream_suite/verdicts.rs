//! Every way a test can end.

use std::fs;

use crate::suite::{Suite, binary};
use crate::target::Ran;

/// Runs one trial, which fails.
fn failure(suite: &Suite, trial: &str) -> Ran {
    let ran = suite.run(&["--exact", trial], &[]);
    assert_eq!(ran.results(), [format!("{trial}: FAILED")], "{}", ran.stderr);
    assert!(!ran.status.success());
    ran
}

pub(crate) fn every_test_gets_its_verdict() {
    let suite = Suite::new();
    let ran = suite.run(&["--skip", "006", "--skip", "007"], &[("IMGFMT", "raw,qcow2")]);
    let expected = [
        "001::raw: ok",
        "002::raw: FAILED",
        "003::raw: FAILED",
        "004::raw: ignored (no moon tonight)",
        "005::raw: ok",
        "008::raw: ok",
        "009::raw: FAILED",
        "010::raw: FAILED",
        "012::raw: ignored (",
        "013::raw: ok",
        "014::raw: ok",
        "015::raw: FAILED",
        "016::raw: ignored (not for the image format raw)",
        "017::raw: ok",
        "018::raw: ignored (not for the image format raw)",
        "019::raw: ok",
        "020::raw: FAILED",
        "021::raw: ",
        "tests/named::raw: ok",
    ];
    let of_qcow2 = expected.map(|line| line.replace("raw", "qcow2")).map(|line| match line.as_str() {
        "013::qcow2: ok" => "013::qcow2: ignored (not for the image format qcow2)".to_owned(),
        line if line.starts_with("016") => "016::qcow2: ignored (no sun today)".to_owned(),
        line if line.starts_with("018") => "018::qcow2: ok".to_owned(),
        _ => line,
    });
    let results = ran.results();
    assert_eq!(results.len(), 2 * expected.len(), "{results:#?}\n{}", ran.stderr);
    for (result, expected) in results.iter().zip(expected.map(str::to_owned).iter().chain(&of_qcow2)) {
        assert!(result.starts_with(expected.as_str()), "{result}, expected {expected}\n{}", ran.stdout);
    }
    assert!(!ran.status.success());
    ran.notes("part not run: second_half: too dark\n    005::qcow2\n    005::raw\n");
}

pub(crate) fn a_difference_is_shown_with_its_sides_and_what_to_do() {
    let suite = Suite::new();
    let ran = failure(&suite, "002::qcow2");
    ran.says("002.out\n+++ actual\n@@ -1,2 +1,2 @@\n same\n-that\n+this of qcow2\n");
    ran.says("-- --exact 002::qcow2").says("IOTESTS_BLESS=1").says("IOTESTS_SUITE=");
}

pub(crate) fn what_was_chosen_by_chance_is_shown_to_those_who_reproduce_it() {
    let suite = Suite::new();
    let byte = |ran: &Ran| {
        let command = ran.stdout.lines().find_map(|line| line.strip_prefix("reproduce: ")).unwrap();
        let (_, rest) = command.split_once("MALLOC_PERTURB_=").unwrap();
        rest.split_once(' ').unwrap().0.to_owned()
    };
    suite.replace("002", "echo $MALLOC_PERTURB_");
    let ran = failure(&suite, "002::raw");
    ran.says(&format!("+{}\n", byte(&ran)));
    suite.replace("002", "status=0; echo $MALLOC_PERTURB_");
    let ran = failure(&suite, "002::raw");
    ran.says(&format!("+{}\n", byte(&ran)));
    let ran = suite.run(&["--exact", "002::raw"], &[("MALLOC_PERTURB_", "77")]);
    assert_eq!(byte(&ran), "77");
    ran.says("+77\n");
}

pub(crate) fn a_bad_exit_status_fails_whatever_was_printed() {
    let suite = Suite::new();
    failure(&suite, "003::raw").says("exit status 3").says("MALLOC_PERTURB_=");
    failure(&suite, "010::raw").says("SIGSEGV");
    failure(&suite, "020::raw").says("is it executable?");
}

pub(crate) fn bytes_that_are_no_text_can_be_compared_and_shown() {
    let suite = Suite::new();
    failure(&suite, "009::raw").says("-caf\\xe8\n+caf\\xe9\n");
}

pub(crate) fn a_failed_unit_test_shows_its_traceback() {
    failure(&Suite::new(), "015::raw").says("AssertionError: 2 != 3");
}

pub(crate) fn a_step_of_the_clock_without_qtest_is_a_skip() {
    let suite = Suite::new();
    let ran = suite.run(&["--exact", "021::raw"], &[]);
    let has_qtest = ran.results() == ["021::raw: FAILED"];
    let skipped = ran.results()[0].contains("ignored (needs QEMU's qtest accelerator");
    assert!(has_qtest || skipped, "{:?}", ran.results());
}

pub(crate) fn files_of_a_failed_test_are_kept_and_those_of_a_passed_one_are_not() {
    let suite = Suite::new();
    suite.run(&["--exact", "002::raw", "001::raw"], &[]);
    let kept = suite.kept("002.raw");
    assert_eq!(fs::read(kept.join("002.out.bad")).unwrap(), b"same\nthis of raw\n");
    assert_eq!(fs::read_dir(kept.parent().unwrap()).unwrap().count(), 1);
    assert_eq!(suite.run_dirs(), Vec::<std::path::PathBuf>::new());
}

pub(crate) fn the_environment_follows_the_settings() {
    let suite = Suite::new();
    let settings = [
        ("IMGFMT", "luks"),
        ("IMGPROTO", "nbd"),
        ("IMGOPTS", "size=1M"),
        ("CACHEMODE", "none"),
        ("AIOMODE", "native"),
        ("QEMU_IO_OPTIONS", "--misalign"),
        ("LC_ALL", "de_DE.UTF-8"),
    ];
    let ran = suite.run(&["019"], &settings);
    assert_eq!(ran.results(), ["019::luks::nbd: ok"], "{}\n{}", ran.stdout, ran.stderr);
}

pub(crate) fn directories_too_long_for_sockets_are_refused() {
    let suite = Suite::new();
    let long = suite.scratch().join("long".repeat(10));
    let long = long.to_str().unwrap();
    fs::create_dir_all(long).unwrap();
    let refused = |variables: &[(&str, &str)], name: &str| {
        let ran = suite.run(&["--exact", "001::raw"], variables);
        assert!(!ran.status.success() && ran.results().is_empty(), "{}", ran.stdout);
        ran.notes(&format!("{name} is {long:?}")).notes("at most");
    };
    refused(&[("SOCK_DIR", long)], "SOCK_DIR");
    refused(&[("TMPDIR", long)], "TMPDIR");
    let short = suite.scratch();
    let ran = suite.run(&["--exact", "001::raw"], &[("TMPDIR", long), ("SOCK_DIR", short.to_str().unwrap())]);
    assert_eq!(ran.results(), ["001::raw: ok"], "{}", ran.stderr);
}

pub(crate) fn a_missing_python_module_is_one_error() {
    let suite = Suite::new();
    fs::remove_file(suite.root().join("../../python/beside_the_suite.py")).unwrap();
    let ran = suite.run(&[], &[]);
    assert_eq!(ran.results(), ["preflight: FAILED"]);
    ran.says("No module named 'beside_the_suite'").says("install the Python module beside_the_suite");
    // No registry has this one: it comes with QEMU's sources.
    fs::write(suite.file("iotests.py"), "import qemu.machine\n").unwrap();
    let ran = suite.run(&["--exact", "001::raw"], &[]);
    assert_eq!(ran.results(), ["preflight: FAILED"]);
    ran.says("No module named 'qemu'").says("let IOTESTS_SUITE name the suite within its source tree");
    let ran = suite.run(&["--exact", "001::raw"], &[("PYTHON", "/nonexistent/python")]);
    assert_eq!(ran.results(), ["preflight: FAILED"]);
    ran.says("/nonexistent/python").says("set PYTHON");
}

pub(crate) fn reports_hold_the_trials() {
    let suite = Suite::new();
    let report = suite.scratch().join("report.xml");
    let variables = [("IOTESTS_JUNIT", report.to_str().unwrap())];
    suite.run(&["001::raw", "002::raw", "004::raw"], &variables);
    let report = fs::read_to_string(report).unwrap();
    for text in ["001::raw", "+this of raw", "no moon tonight"] {
        assert!(report.contains(text), "{report}");
    }
}

pub(crate) fn side_by_side_the_verdicts_are_the_same() {
    let suite = Suite::new();
    let verdicts = |threads: &str| {
        let ran = Ran::of(&mut suite.command(["--skip", "006", "--skip", "007", threads]));
        let mut results = ran.results();
        results.sort();
        results
    };
    assert_eq!(verdicts("--test-threads=1"), verdicts("--test-threads=4"));
}

pub(crate) fn a_run_goes_on_when_its_program_is_built_anew() {
    let suite = Suite::new();
    let program = suite.root().join("upstream");
    fs::copy(binary(), &program).unwrap();
    suite.replace("003", "rm upstream; echo same; status=0");
    let args = ["--exact", "003::raw", "005::raw", "--test-threads=1"];
    let ran = Ran::of(&mut suite.command_of(&program, args));
    assert_eq!(ran.results(), ["003::raw: ok", "005::raw: ok"], "{}\n{}", ran.stdout, ran.stderr);
    assert!(!program.exists());
}

pub(crate) fn output_without_measure_is_not_compared() {
    let suite = Suite::new();
    suite.replace("001", "echo begin\nhead -c 70000000 /dev/zero | tr '\\0' x\necho\necho end\nstatus=0");
    let ran = suite.run(&["--exact", "001::raw"], &[]);
    assert_eq!(ran.results(), ["001::raw: FAILED"], "{}", ran.stderr);
    ran.says("its output of 70000011 bytes was not compared").says("    end\n");
    assert!(ran.stdout.len() < 1_000_000, "{} bytes", ran.stdout.len());
    assert_eq!(fs::metadata(suite.kept("001.raw").join("001.out.bad")).unwrap().len(), 70_000_011);
}
