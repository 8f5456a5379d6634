//! A suite as its case file fills it: its tests, its fixtures and what they declare.

use std::panic::Location;
use std::sync::Arc;

use super::declaration::NONE;
use super::{Declaration, Declare, Place};
use crate::error::TestResult;
use crate::test::Test;

/// The body of a test.
pub type Body = Arc<dyn Fn(&mut Test) -> TestResult + Send + Sync>;

/// A case file's declarations and tests, filled by its `pub fn suite(s: &mut Suite)`.
#[derive(Debug)]
pub struct Suite {
    declaration: Declaration,
    pub(super) fixtures: Vec<FixtureDecl>,
    tests: Vec<TestDecl>,
}

/// What a suite knows of a fixture, whatever its type.
#[derive(Debug)]
pub(super) struct FixtureDecl {
    /// Its name, which may be empty.
    pub(super) name: String,
    /// What holds for all tests on it.
    pub(super) declaration: Declaration,
}

impl Suite {
    /// An empty suite.
    pub fn new() -> Self {
        // Every script has one test, and there may be thousands of scripts.
        Self { declaration: Declaration::default(), fixtures: Vec::new(), tests: Vec::with_capacity(1) }
    }

    /// Adds a test. What is declared on the returned value holds for this test alone, on top of
    /// the suite's own declarations.
    #[track_caller]
    pub fn test(
        &mut self,
        name: &str,
        body: impl Fn(&mut Test) -> TestResult + Send + Sync + 'static,
    ) -> &mut TestDecl {
        self.add(None, name, Arc::new(body))
    }

    /// Adds a test, on this one of the fixtures if any.
    #[track_caller]
    pub(super) fn add(&mut self, fixture: Option<usize>, name: &str, body: Body) -> &mut TestDecl {
        self.tests.push(TestDecl {
            name: name.to_owned(),
            fixture_name: fixture.map(|index| self.fixtures[index].name.clone()).unwrap_or_default(),
            fixture,
            declared: Place::Code(Location::caller()),
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
        let fixture = test.fixture.map(|index| &self.fixtures[index].declaration);
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
    /// Empty without a fixture, and for one without a name.
    fixture_name: String,
    /// Which fixture of the suite it is on.
    pub(super) fixture: Option<usize>,
    declared: Place,
    body: Body,
    /// Nothing, for most tests.
    declaration: Option<Box<Declaration>>,
}

impl TestDecl {
    /// Its own name, without that of its fixture.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name of its fixture, if that has one.
    pub fn fixture(&self) -> Option<&str> {
        Some(self.fixture_name.as_str()).filter(|name| !name.is_empty())
    }

    /// Where it is declared.
    pub fn declared(&self) -> Place {
        self.declared
    }

    /// Says that it is declared here, and not where [`Suite::test`] was called.
    pub(crate) fn declared_at(&mut self, place: Place) -> &mut Self {
        self.declared = place;
        self
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
        self.declaration.as_deref().unwrap_or(&NONE)
    }
}

impl Declare for TestDecl {
    fn declaration_mut(&mut self) -> &mut Declaration {
        self.declaration.get_or_insert_default()
    }
}

impl std::fmt::Debug for TestDecl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestDecl")
            .field("name", &self.name)
            .field("fixture", &self.fixture_name)
            .field("declaration", &self.declaration)
            .finish()
    }
}
