//! What a case file declares: its tests, where they can run, and how long they may take.

mod check;
mod declaration;
mod requirement;
mod verdict;

pub(crate) use check::{mistakes, similar_word};
pub use declaration::{Declaration, Declare, GENERIC_FORMATS, IMAGE_FORMATS, PROTOCOLS};
pub use requirement::Requirement;
pub use verdict::verdict;

use std::sync::Arc;

use crate::error::TestResult;
use crate::test::Test;

/// The body of a test.
pub type Body = Arc<dyn Fn(&mut Test) -> TestResult + Send + Sync>;

/// A case file's declarations and tests, filled by its `pub fn suite(s: &mut Suite)`.
#[derive(Debug, Default)]
pub struct Suite {
    declaration: Declaration,
    tests: Vec<TestDecl>,
}

impl Suite {
    /// An empty suite.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a test. What is declared on the returned value holds for this test alone, on top of
    /// the suite's own declarations.
    pub fn test(
        &mut self,
        name: &str,
        body: impl Fn(&mut Test) -> TestResult + Send + Sync + 'static,
    ) -> &mut TestDecl {
        self.tests.push(TestDecl {
            name: name.to_owned(),
            body: Arc::new(body),
            declaration: Declaration::default(),
        });
        let last = self.tests.len() - 1;
        &mut self.tests[last]
    }

    /// What holds for all of its tests.
    pub fn declaration(&self) -> &Declaration {
        &self.declaration
    }

    /// Its tests, in the order they were added.
    pub fn tests(&self) -> &[TestDecl] {
        &self.tests
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
    body: Body,
    declaration: Declaration,
}

impl TestDecl {
    /// Its name within the suite.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its body.
    pub fn body(&self) -> Body {
        Arc::clone(&self.body)
    }

    /// What holds for this test besides the suite's declarations.
    pub fn declaration(&self) -> &Declaration {
        &self.declaration
    }
}

impl Declare for TestDecl {
    fn declaration_mut(&mut self) -> &mut Declaration {
        &mut self.declaration
    }
}

impl std::fmt::Debug for TestDecl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestDecl").field("name", &self.name).field("declaration", &self.declaration).finish()
    }
}
