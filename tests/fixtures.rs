//! Fixtures: built before each test, torn down after it, however it ends.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails by panicking")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use iotests::error::Failure;
use iotests::prelude::*;

/// What happened, in order.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    fn note(&self, what: &str) {
        self.0.lock().unwrap().push(what.to_owned());
    }

    fn reported(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// Notes its own end.
struct Noted(Diary);

impl Drop for Noted {
    fn drop(&mut self) {
        self.0.note("dropped");
    }
}

/// How the only test of a suite ended, what was reported after it, and what happened.
fn run(fill: impl FnOnce(&mut Suite, &Diary)) -> (Result<TestResult, String>, Vec<String>, Vec<String>) {
    let (mut suite, diary) = (Suite::new(), Diary::default());
    fill(&mut suite, &diary);
    let [test] = suite.tests() else { panic!("one test at a time") };
    let mut t = Test::new().unwrap();
    let ended = catch_unwind(AssertUnwindSafe(|| test.body()(&mut t)));
    let ended = ended.map_err(|panic| (*panic.downcast_ref::<&str>().unwrap()).to_owned());
    let more = t.context().take_more_failures();
    assert!(more.iter().all(|failure| failure.location.file() == file!()));
    let late = t.context().take_late();
    let late = late.iter().chain(more.iter().map(|failure| &failure.error)).map(ToString::to_string);
    (ended, late.collect(), diary.reported())
}

/// The fixture that most of these tests use.
fn noted<'s>(suite: &'s mut Suite, diary: &Diary) -> Fixture<'s, Noted> {
    let diary = diary.clone();
    suite.fixture("noted", move |_| {
        diary.note("built");
        Ok(Noted(diary.clone()))
    })
}

fn message(ended: Result<TestResult, String>) -> String {
    ended.unwrap().unwrap_err().error.to_string()
}

#[test]
fn is_there_during_the_test_and_gone_after_it() {
    let (ended, late, reported) = run(|suite, diary| {
        noted(suite, diary).test("passes", |_, noted| {
            noted.0.note("tested");
            Ok(())
        });
    });
    assert!(matches!(ended, Ok(Ok(()))));
    assert_eq!((late, reported), (vec![], vec!["built".into(), "tested".into(), "dropped".into()]));
}

#[test]
fn goes_when_the_test_fails_and_does_not_change_where() {
    let (ended, late, reported) = run(|suite, diary| {
        noted(suite, diary).test("fails", |t, _| t.assert(false, "this holds"));
    });
    let failure: Failure = ended.unwrap().unwrap_err();
    assert_eq!(failure.error.to_string(), "not true: this holds");
    assert_eq!(failure.location.file(), file!());
    assert_eq!((late, reported), (vec![], vec!["built".into(), "dropped".into()]));
}

#[test]
fn goes_when_the_test_panics_and_passes_the_panic_on() {
    let (ended, late, reported) = run(|suite, diary| {
        let tear_down = |_: &mut Test, noted: Noted| {
            noted.0.note("torn down");
            Ok(())
        };
        noted(suite, diary).tear_down(tear_down).test("panics", |_, _| panic!("out of the test"));
    });
    assert_eq!(ended.unwrap_err(), "out of the test");
    assert_eq!((late, reported), (vec![], vec!["built".into(), "torn down".into(), "dropped".into()]));
}

#[test]
fn is_torn_down_after_tests_that_were_added_before_that_was_said() {
    let (ended, late, reported) = run(|suite, diary| {
        let mut fixture = noted(suite, diary);
        fixture.test("passes", |_, _| Ok(()));
        let _ = fixture.tear_down(|_, noted| {
            noted.0.note("torn down");
            Ok(())
        });
    });
    assert!(matches!(ended, Ok(Ok(()))));
    assert_eq!((late, reported), (vec![], vec!["built".into(), "torn down".into(), "dropped".into()]));
}

#[test]
fn fails_a_test_that_passed_when_it_cannot_be_torn_down() {
    let (ended, late, _) = run(|suite, diary| {
        let tear_down = |t: &mut Test, _| t.assert(false, "all is tidy");
        noted(suite, diary).tear_down(tear_down).test("passes", |_, _| Ok(()));
    });
    assert_eq!((message(ended), late), ("not true: all is tidy".into(), vec![]));
}

#[test]
fn the_failure_of_the_test_is_reported_before_that_of_the_tear_down() {
    let (ended, late, _) = run(|suite, diary| {
        let tear_down = |t: &mut Test, _| t.assert(false, "all is tidy");
        noted(suite, diary).tear_down(tear_down).test("fails", |t, _| t.assert(false, "this holds"));
    });
    assert_eq!((message(ended), late), ("not true: this holds".into(), vec!["not true: all is tidy".into()]));
    let (ended, late, _) = run(|suite, diary| {
        let tear_down = |_: &mut Test, _| panic!("not tidy");
        noted(suite, diary).tear_down(tear_down).test("fails", |t, _| t.assert(false, "this holds"));
    });
    let reported = "panicked while the fixture was torn down: not tidy";
    assert_eq!((message(ended), late), ("not true: this holds".into(), vec![reported.into()]));
}

#[test]
fn can_skip_the_test_before_it_begins() {
    let (ended, late, reported) = run(|suite, diary| {
        let mut fixture = suite.fixture("needy", |t| {
            t.skip("no such luck")?;
            Ok(())
        });
        let diary = diary.clone();
        fixture.test("skips", move |_, ()| {
            diary.note("tested");
            Ok(())
        });
    });
    assert_eq!(message(ended), "skipped: no such luck");
    assert_eq!((late, reported), (vec![], vec![]));
}

#[test]
fn names_its_tests_and_hands_its_requirements_on() {
    let mut suite = Suite::new();
    for (name, needs) in [("plain", None), ("voting", Some(Requirement::Quorum))] {
        let mut fixture = suite.fixture(name, |_| Ok(()));
        if let Some(needs) = needs {
            fixture.requires(needs);
        }
        fixture.test("first", |_, ()| Ok(())).requires(Requirement::Root);
        fixture.test("second", |_, ()| Ok(()));
    }
    suite.fixture("", |_| Ok(())).test("alone", |_, ()| Ok(()));
    let needs = |test: &iotests::suite::TestDecl| {
        let all = suite.declarations(test).into_iter().flat_map(|declared| declared.requirements.clone());
        all.collect::<Vec<_>>()
    };
    let tests: Vec<_> = suite.tests().iter().map(|test| (test.name(), test.fixture(), needs(test))).collect();
    use Requirement::{Quorum, Root};
    assert_eq!(
        tests,
        [
            ("first", Some("plain"), vec![Root]),
            ("second", Some("plain"), vec![]),
            ("first", Some("voting"), vec![Quorum, Root]),
            ("second", Some("voting"), vec![Quorum]),
            ("alone", None, vec![]),
        ]
    );
}

#[test]
fn a_vm_is_shut_down_when_its_test_panics() {
    let pid = Arc::new(Mutex::new(None));
    let (ended, late, _) = run(|suite, _| {
        let pid = Arc::clone(&pid);
        suite.fixture("vm", |t| Ok(t.vm().launch()?)).test("panics", move |_, vm| {
            *pid.lock().unwrap() = vm.pid();
            panic!("while QEMU runs")
        });
    });
    assert_eq!((ended.unwrap_err().as_str(), late), ("while QEMU runs", vec![]));
    let pid = pid.lock().unwrap().unwrap();
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists(), "QEMU {pid} is still there");
}
