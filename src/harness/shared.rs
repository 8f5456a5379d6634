//! What the trials of a run share.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::Project;
use super::artefacts::Kept;
use super::bless::Blessing;
use super::name::TrialName;
use super::outcome::Record;
use crate::context::RunDir;
use crate::env::{TestEnv, ToolKind, Version};
use crate::error::Result;
use crate::process::Registry;

/// One run, and the records of its trials.
#[derive(Debug)]
pub(super) struct Run {
    /// Whose cases are run.
    pub(super) project: Project,
    /// The environment.
    pub(super) env: Arc<TestEnv>,
    /// Where trials get their directories.
    pub(super) dir: RunDir,
    /// Everything that is alive.
    pub(super) registry: Registry,
    /// Where the files of failed trials go.
    pub(super) kept: Kept,
    /// Whether failures are printed in colours.
    pub(super) color: bool,
    /// Variables that change what a trial does, as they were given.
    pub(super) variables: Vec<(String, String)>,
    /// What its trials say that references are.
    pub(super) blessing: Blessing,
    /// Held for good by the thread that ends the process by a signal.
    pub(super) stopping: Mutex<()>,
    /// The first trial that failed.
    pub(super) first_failure: OnceLock<TrialName>,
    /// Until they are taken.
    records: Mutex<Option<Vec<Record>>>,
}

impl Run {
    /// A run that has not begun, with its files below `base`.
    pub(super) fn new(
        project: Project,
        env: Arc<TestEnv>,
        base: &Path,
        blessing: Blessing,
        color: bool,
    ) -> Result<Self> {
        let dir = RunDir::create(base, env.sock_dir().unwrap_or(env.tmp_dir()))?;
        Ok(Self {
            kept: Kept::below(base, project.mark()),
            variables: super::variables::of(&env, project.has_suite()),
            project,
            env,
            dir,
            registry: Registry::new(),
            color,
            blessing,
            stopping: Mutex::default(),
            records: Mutex::new(Some(Vec::new())),
            first_failure: OnceLock::new(),
        })
    }

    /// Goes no further once the process is about to die of a signal: what follows from its children's death is not a
    /// failure.
    pub(super) fn stop_here_if_stopping(&self) {
        drop(self.stopping.lock());
    }

    /// Adds a trial that has run.
    pub(super) fn add(&self, record: Record) {
        if let Some(records) = &mut *self.records() {
            records.push(record);
        }
    }

    /// What has run so far, for the first call: it is reported once, at the end of the run or of the process.
    pub(super) fn take_records(&self) -> Option<Vec<Record>> {
        self.records().take()
    }

    /// The names of what has run so far.
    pub(super) fn names(&self) -> BTreeSet<TrialName> {
        self.records().iter().flatten().map(|record| record.name.clone()).collect()
    }

    fn records(&self) -> MutexGuard<'_, Option<Vec<Record>>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// QEMU's default machine, which a reference may be specific to.
    pub(super) fn machine(&self) -> Result<String> {
        self.env.default_machine().map(str::to_owned)
    }

    /// The version that a reference may be specific to. The tools are always there, and come from
    /// the same QEMU.
    pub(super) fn version(&self) -> Result<Version> {
        self.env.caps().version(ToolKind::QemuImg)
    }
}
