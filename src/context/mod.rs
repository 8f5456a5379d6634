//! What one trial owns: its directories, its log, its children and its deadline. Handed to
//! everything that acts on the trial's behalf, so that nothing needs a global.

mod file;
mod run_dir;
mod scratch;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use file::ScratchFile;
pub use run_dir::RunDir;
pub use scratch::Scratch;

use crate::env::TestEnv;
use crate::error::Error;
use crate::filter::Paths;
use crate::log::Log;
use crate::process::{Deadline, Registry};

/// The point of the matrix that a trial stands at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Params {
    /// Image format under test (`iotests.py: imgfmt`).
    pub imgfmt: String,
    /// Protocol under test (`iotests.py: imgproto`).
    pub imgproto: String,
    /// Value of the suite's own parameter, if it declares any.
    pub param: Option<String>,
}

/// Everything one trial owns.
#[derive(Debug)]
pub struct Context {
    env: Arc<TestEnv>,
    params: Params,
    scratch: Scratch,
    log: Log,
    deadline: Deadline,
    registry: Registry,
    late: Mutex<Vec<Error>>,
    not_run: Mutex<Vec<String>>,
}

impl Context {
    /// A trial's context. `limit` is the trial's time; `None` lifts it.
    pub fn new(
        env: Arc<TestEnv>,
        params: Params,
        scratch: Scratch,
        limit: Option<Duration>,
        registry: Registry,
    ) -> Self {
        Self {
            env,
            params,
            scratch,
            log: Log::default(),
            deadline: limit.map_or_else(Deadline::never, Deadline::after),
            registry,
            late: Mutex::default(),
            not_run: Mutex::default(),
        }
    }

    /// What was read from the environment, and what the binaries can do.
    pub fn env(&self) -> &Arc<TestEnv> {
        &self.env
    }

    /// Where in the matrix the trial stands.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Its directories.
    pub fn scratch(&self) -> &Scratch {
        &self.scratch
    }

    /// The directories as the filters want them.
    pub fn paths(&self) -> &Paths {
        self.scratch.paths()
    }

    /// What the case has said.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// When the trial must end.
    pub fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// Its live children.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Notes a problem found where no error can be returned (a destructor); it fails the trial.
    pub fn report_late(&self, error: Error) {
        lock(&self.late).push(error);
    }

    /// Takes the problems noted so far.
    pub fn take_late(&self) -> Vec<Error> {
        std::mem::take(&mut lock(&self.late))
    }

    /// Notes that a part of the case was not run (`iotests.py: case_notrun`).
    pub fn note_not_run(&self, reason: String) {
        lock(&self.not_run).push(reason);
    }

    /// The parts not run so far.
    pub fn not_run(&self) -> Vec<String> {
        lock(&self.not_run).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
