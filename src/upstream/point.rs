//! A test of the suite at one point of the matrix.

use std::path::PathBuf;
use std::sync::Arc;

use super::discovery::Test;
use super::reference;
use crate::env::TestEnv;
use crate::error::Result;
use crate::harness::{TestName, TrialName};

/// A test at one point of the matrix.
#[derive(Clone, Debug)]
pub(super) struct Point {
    /// The test.
    pub(super) test: Arc<Test>,
    /// The image format.
    pub(super) format: String,
    /// The protocol.
    pub(super) protocol: String,
}

impl Point {
    /// The trial: `030::qcow2`, and the protocol if it is another than `file`.
    pub(super) fn name(&self) -> TrialName {
        TrialName::new(TestName::of_case(&self.test.name), &self.format, &self.protocol)
    }

    /// The reference of the test at this point.
    pub(super) fn find_reference(&self, env: &TestEnv) -> Result<Option<PathBuf>> {
        let machine = || env.default_machine().map(str::to_owned);
        reference::find(&self.test.path, env.cachemode() == "none", &self.format, machine)
    }

    /// Why a test without a reference is skipped.
    pub(super) fn no_reference(&self) -> String {
        let path = self.test.path.display();
        format!("there is no reference for {path}: none of {path}.out and its variants")
    }
}
