//! Every way in which a trial can end.

use iotests::prelude::*;

pub fn suite(s: &mut Suite) {
    s.groups(["quick"]);
    s.test("passes", |t| t.assert(2 > 1, "arithmetic holds"));
    s.test("fails", fails);
    s.test("refused", refused);
    s.test("crashes", crashes);
    s.test("panics", |_| panic!("at the disco"));
    s.test("skips", |t| Ok(t.skip("no such moon today")?));
    s.test("in_part", in_part);
    s.test("all_at_once", all_at_once);
    s.test("skips_too_late", skips_too_late);
    s.test("known", |t| t.assert(false, "the known bug is gone")).known_failure("a bug that is known");
    s.test("no_longer_known", |_| Ok(())).known_failure("a bug that was known");
    s.test("for_others", |_| Ok(())).platforms(["win32"]);
    s.test("for_root", |_| Ok(())).requires(Requirement::Program("a-program-that-nobody-has".to_owned()));
}

fn fails(t: &mut Test) -> TestResult {
    t.assert_qmp(&json!({"return": {"status": "running"}}), "return/status", "paused")
}

fn refused(t: &mut Test) -> TestResult {
    t.qemu_img(["info", "/no/such/image"])?;
    Ok(())
}

/// QEMU dies of a signal that the case knows nothing of.
fn crashes(t: &mut Test) -> TestResult {
    let mut vm = t.vm().launch()?;
    let pid = vm.pid().unwrap_or_default().to_string();
    t.assert(std::process::Command::new("kill").args(["-SEGV", &pid]).status()?.success(), "kill works")?;
    vm.events_wait(&[EventMatch::new("NO_SUCH_EVENT")], Wait::Forever)?;
    Ok(())
}

fn in_part(t: &mut Test) -> TestResult {
    t.case_not_run("the other half of the moon");
    Ok(())
}

/// An error, a log that differs, a problem found late and a part not run: all of them are reported.
fn all_at_once(t: &mut Test) -> TestResult {
    t.log("first line");
    t.log("a line of its own  ");
    t.case_not_run("the rest");
    t.context().report_late(Error::Setup("the door was left open".to_owned()));
    std::fs::write(t.file("talk.log"), "the last words\nof a tool\n")?;
    t.assert_eq(1, 2)
}

fn skips_too_late(t: &mut Test) -> TestResult {
    t.context().report_late(Error::Setup("the door was left open".to_owned()));
    Ok(t.skip("never mind")?)
}
