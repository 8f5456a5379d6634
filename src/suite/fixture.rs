//! Fixtures: what a test needs, built before it and torn down after it, however it ends.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use super::{Declaration, Declare, Suite, TestDecl};
use crate::error::{Error, TestResult};
use crate::test::Test;

type Build<F> = dyn Fn(&mut Test) -> TestResult<F> + Send + Sync;
type TearDown<F> = dyn Fn(&mut Test, F) -> TestResult + Send + Sync;

impl Suite {
    /// Tests that share a fixture, which `build` makes anew for each of them (`setUp` and
    /// `tearDown` of Python's `unittest.TestCase`). It is dropped when the test ends, also by a
    /// failure or a panic; a running [`Vm`](crate::vm::Vm) in it is shut down then.
    ///
    /// The fixture's name comes before that of the test, `stream/virtio/whole::qcow2`; an empty
    /// one, for a suite with a single fixture, leaves it as it is. To run the same tests over
    /// several fixtures, add them in a loop:
    ///
    /// ```
    /// use iotests::prelude::*;
    ///
    /// struct Disk {
    ///     vm: Vm,
    /// }
    ///
    /// pub fn suite(s: &mut Suite) {
    ///     for interface in ["virtio", "ide"] {
    ///         let mut disk = s.fixture(interface, move |t| {
    ///             let image = t.file("disk");
    ///             t.qemu_img_create(["-f", t.imgfmt(), &image, "1M"])?;
    ///             Ok(Disk { vm: t.vm().drive_with(Drive::new(&image).interface(interface)).launch()? })
    ///         });
    ///         disk.test("has_no_jobs", |_, disk| disk.vm.assert_no_active_block_jobs());
    ///     }
    /// }
    /// ```
    pub fn fixture<F: 'static>(
        &mut self,
        name: &str,
        build: impl Fn(&mut Test) -> TestResult<F> + Send + Sync + 'static,
    ) -> Fixture<'_, F> {
        let index = self.fixtures.len();
        self.fixtures.push((name.to_owned(), Declaration::default()));
        Fixture { suite: self, index, build: Arc::new(build), tear_down: None }
    }
}

/// Adds tests that are handed a fixture: see [`Suite::fixture`].
#[must_use = "a fixture does nothing without tests"]
pub struct Fixture<'s, F> {
    suite: &'s mut Suite,
    index: usize,
    build: Arc<Build<F>>,
    tear_down: Option<Arc<TearDown<F>>>,
}

impl<F: 'static> Fixture<'_, F> {
    /// Takes the fixture apart after each test, instead of merely dropping it. What goes wrong
    /// here fails the test too.
    pub fn tear_down(
        mut self,
        tear_down: impl Fn(&mut Test, F) -> TestResult + Send + Sync + 'static,
    ) -> Self {
        self.tear_down = Some(Arc::new(tear_down));
        self
    }

    /// Adds a test on this fixture, as [`Suite::test`] does without one.
    pub fn test(
        &mut self,
        name: &str,
        body: impl Fn(&mut Test, &mut F) -> TestResult + Send + Sync + 'static,
    ) -> &mut TestDecl {
        let (build, tear_down) = (Arc::clone(&self.build), self.tear_down.clone());
        let body = move |t: &mut Test| run(t, &*build, &body, tear_down.as_deref());
        self.suite.add(Some(self.index), name, Arc::new(body))
    }
}

/// What is declared on a fixture holds for all tests on it, also for those that were added before.
impl<F> Declare for Fixture<'_, F> {
    fn declaration_mut(&mut self) -> &mut Declaration {
        &mut self.suite.fixtures[self.index].1
    }
}

impl<F> std::fmt::Debug for Fixture<'_, F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fixture").field("name", &self.suite.fixtures[self.index].0).finish_non_exhaustive()
    }
}

/// One test between the making of its fixture and the end of it.
fn run<F>(
    t: &mut Test,
    build: &Build<F>,
    body: &dyn Fn(&mut Test, &mut F) -> TestResult,
    tear_down: Option<&TearDown<F>>,
) -> TestResult {
    let mut fixture = build(t)?;
    let tested = catch_unwind(AssertUnwindSafe(|| body(t, &mut fixture)));
    let torn_down = catch_unwind(AssertUnwindSafe(|| match tear_down {
        Some(tear_down) => tear_down(t, fixture),
        None => {
            drop(fixture);
            Ok(())
        }
    }));
    match tested {
        Ok(Ok(())) => torn_down.unwrap_or_else(|panic| resume_unwind(panic)),
        // What came first is what failed; the rest is told after it.
        Ok(Err(failure)) => {
            report_too(t, torn_down);
            Err(failure)
        }
        Err(panic) => {
            report_too(t, torn_down);
            resume_unwind(panic)
        }
    }
}

fn report_too(t: &Test, torn_down: Result<TestResult, Box<dyn Any + Send>>) {
    match torn_down {
        Ok(Ok(())) => {}
        Ok(Err(failure)) => t.context().report_too(failure),
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().copied();
            let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
            let text = text.unwrap_or("a value that is not text");
            let problem = format!("panicked while the fixture was torn down: {text}");
            t.context().report_late(Error::Misuse(problem));
        }
    }
}
