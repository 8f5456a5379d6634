//! The oracle finds what is wrong with an image library, and only that.

mod qcow2;

use std::path::Path;

use iotests::oracle::{Image, Kind, Op, Oracle, QemuIo, Report, Turns};
use iotests::prelude::*;
use iotests::script;
use qcow2::{Fault, Tiny};

/// An oracle that finds its faults anew each time: what is kept is in the way here.
fn oracle<'t>(t: &'t Test, fault: Fault, options: &str) -> Oracle<'t> {
    let image = Image::new("qcow2").options(options);
    Oracle::new(t, format!("tiny-{fault:?}-{}", std::process::id())).side(image, Tiny(fault)).size(2 << 20)
}

fn planted(fault: Fault) -> TestResult<Report> {
    let t = Test::new()?;
    let report = oracle(&t, fault, "cluster_size=4k").ops(200).seeds(20).search()?;
    let report = report.ok_or_else(|| Error::assertion(format!("{fault:?} was not found")))?;
    // A search without seeds tries what is kept, and nothing else.
    let again = oracle(&t, fault, "cluster_size=4k").seeds(0).search()?;
    t.assert_eq(again.map(|again| again.ops), Some(report.ops.clone()))?;
    if let Some(kept) = &report.kept {
        std::fs::remove_dir_all(kept.parent().unwrap_or(kept)).map_err(Error::io("forget the finding"))?;
    }
    t.assert(report.ops.len() <= 5, format!("a short sequence shows it: {report}"))?;
    // The same operations show it again, and nothing but the fault does.
    let replayed = oracle(&t, fault, "cluster_size=4k").replay(&report.ops);
    t.assert(replayed.is_err(), "the shortest sequence fails again")?;
    oracle(&t, Fault::None, "cluster_size=4k").replay(&report.ops)?;
    passes_on_qemu(&report.script())?;
    Ok(report)
}

/// What a library gets wrong, QEMU gets right: the script of a finding shows that.
fn passes_on_qemu(text: &str) -> TestResult {
    let suite = script::suite_from_file(Path::new("found.case"), text);
    let suite = suite.map_err(|errors| Error::assertion(format!("{errors:?}\n{text}")))?;
    suite.tests()[0].body()(&mut Test::with_format("qcow2")?)
}

#[test]
fn a_double_allocation_is_found() -> TestResult {
    let t = Test::new()?;
    let report = planted(Fault::DoubleAllocation)?;
    t.assert(matches!(report.finding.kind, Kind::Check | Kind::Content), report.to_string())
}

#[test]
fn a_lost_flush_is_found() -> TestResult {
    let t = Test::new()?;
    let report = planted(Fault::LostFlush)?;
    t.assert(matches!(report.finding.kind, Kind::Content | Kind::Check), report.to_string())?;
    t.assert(report.ops.iter().any(|op| matches!(op, Op::Kill)), report.to_string())
}

#[test]
fn a_wrong_range_of_copy_on_write_is_found() -> TestResult {
    let t = Test::new()?;
    let report = planted(Fault::WrongCow)?;
    t.assert_eq(report.finding.kind, Kind::Content)
}

#[test]
fn a_stale_l2_entry_is_found() -> TestResult {
    let t = Test::new()?;
    let report = planted(Fault::StaleL2)?;
    t.assert(matches!(report.finding.kind, Kind::Content | Kind::Check), report.to_string())
}

#[test]
fn without_a_fault_nothing_is_found() -> TestResult {
    let t = Test::new()?;
    for options in ["cluster_size=512", "cluster_size=4k", ""] {
        oracle(&t, Fault::None, options).seeds(8).run()?;
    }
    let image = Image::new("qcow2").options("cluster_size=4k");
    let by_turns = Turns::new(Tiny(Fault::None), QemuIo::new(&t));
    Ok(Oracle::new(&t, "by-turns").side(image, by_turns).size(2 << 20).seeds(4).run()?)
}

#[test]
fn an_interrupted_search_finds_nothing() -> TestResult {
    let t = Test::new()?;
    let image = Image::new("qcow2").options("cluster_size=4k");
    let oracle = Oracle::new(&t, "interrupted").side(image, QemuIo::new(&t)).seeds(1000);
    let registry = t.context().registry().clone();
    let killer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(700));
        registry.kill_all();
    });
    let found = oracle.search();
    t.assert(killer.join().is_ok(), "everything was killed")?;
    let outcome = found.map(|report| report.map(|report| report.to_string()));
    t.assert(outcome.is_err(), format!("the search is broken off: {outcome:?}"))
}
