//! What a case file declares: its tests, where they can run, and how long they may take.

mod check;
mod declaration;
mod fixture;
mod requirement;
mod verdict;

pub use crate::env::{IMAGE_FORMATS, PROTOCOLS};
pub(crate) use check::mistakes;
pub use declaration::{Declaration, Declare, GENERIC_FORMATS, IgnoredStderr, KnownFailure, Place};
pub use fixture::Fixture;
pub use requirement::Requirement;
pub use verdict::verdict;

use std::sync::Arc;

use crate::error::TestResult;
use crate::test::Test;

/// The body of a test.
pub type Body = Arc<dyn Fn(&mut Test) -> TestResult + Send + Sync>;

/// A case file's declarations and tests, filled by its `pub fn suite(s: &mut Suite)`.
#[derive(Debug)]
pub struct Suite {
    declaration: Declaration,
    /// Names and declarations of its fixtures.
    fixtures: Vec<(String, Declaration)>,
    tests: Vec<TestDecl>,
}

impl Suite {
    /// An empty suite.
    pub fn new() -> Self {
        // Every script has one test, and there may be thousands of scripts.
        Self { declaration: Declaration::default(), fixtures: Vec::new(), tests: Vec::with_capacity(1) }
    }

    /// Adds a test. What is declared on the returned value holds for this test alone, on top of
    /// the suite's own declarations.
    pub fn test(
        &mut self,
        name: &str,
        body: impl Fn(&mut Test) -> TestResult + Send + Sync + 'static,
    ) -> &mut TestDecl {
        self.add(None, name, Arc::new(body))
    }

    /// Adds a test on this one of the fixtures; its name is that of the fixture, if it has any, and
    /// its own.
    fn add(&mut self, fixture: Option<usize>, name: &str, body: Body) -> &mut TestDecl {
        let prefix = match fixture.map(|index| self.fixtures[index].0.as_str()) {
            None | Some("") => String::new(),
            Some(fixture) => format!("{fixture}/"),
        };
        self.tests.push(TestDecl {
            name: format!("{prefix}{name}"),
            prefix: prefix.len(),
            fixture,
            body,
            declaration: None,
        });
        let last = self.tests.len() - 1;
        &mut self.tests[last]
    }

    /// What holds for all of its tests.
    pub fn declaration(&self) -> &Declaration {
        &self.declaration
    }

    /// Everything that must hold for one of its tests: what the suite declares, the fixture if there is
    /// one, and the test itself.
    pub fn declarations<'s>(&'s self, test: &'s TestDecl) -> Vec<&'s Declaration> {
        let fixture = test.fixture.map(|index| &self.fixtures[index].1);
        [Some(&self.declaration), fixture, Some(test.declaration())].into_iter().flatten().collect()
    }

    /// Its tests, in the order they were added.
    pub fn tests(&self) -> &[TestDecl] {
        &self.tests
    }
}

impl Default for Suite {
    fn default() -> Self {
        Self::new()
    }
}

impl Declare for Suite {
    fn declaration_mut(&mut self) -> &mut Declaration {
        &mut self.declaration
    }
}

/// One test of a suite.
pub struct TestDecl {
    name: String,
    /// How much of the name is the fixture's, the slash included.
    prefix: usize,
    /// Which fixture of the suite it is on.
    fixture: Option<usize>,
    body: Body,
    /// Nothing, for most tests.
    declaration: Option<Box<Declaration>>,
}

impl TestDecl {
    /// Its name within the suite, after that of its fixture.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name of its fixture, if that has one.
    pub fn fixture(&self) -> Option<&str> {
        self.name[..self.prefix].strip_suffix('/')
    }

    /// Its own name, without that of its fixture.
    pub(crate) fn own_name(&self) -> &str {
        &self.name[self.prefix..]
    }

    /// Its body.
    pub fn body(&self) -> Body {
        Arc::clone(&self.body)
    }

    /// Its body, with what is declared about it that matters while it runs.
    pub(crate) fn declared_body(&self, declared: &[&Declaration]) -> Body {
        let ignored: Vec<_> = declared.iter().flat_map(|one| one.ignored_stderr.clone()).collect();
        let body = self.body();
        if ignored.is_empty() {
            return body;
        }
        Arc::new(move |t| {
            ignored.iter().for_each(|line| t.ignore_stderr(&line.text, &line.reason));
            body(t)
        })
    }

    /// What it declares itself, besides its suite and its fixture.
    pub fn declaration(&self) -> &Declaration {
        self.declaration.as_deref().unwrap_or(&declaration::NONE)
    }
}

impl Declare for TestDecl {
    fn declaration_mut(&mut self) -> &mut Declaration {
        self.declaration.get_or_insert_default()
    }
}

impl std::fmt::Debug for TestDecl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestDecl").field("name", &self.name).field("declaration", &self.declaration).finish()
    }
}
