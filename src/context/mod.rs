//! What one trial owns: its directories, its log, its children and its deadline. Handed to
//! everything that acts on the trial's behalf, so that nothing needs a global.

mod file;
mod late;
pub(crate) mod mounts;
mod run_dir;
mod scratch;

use std::any::Any;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use file::ScratchFile;
pub use late::Late;
pub use run_dir::RunDir;
pub(crate) use scratch::SOCKET_PATH_MAX;
pub use scratch::Scratch;

use crate::env::TestEnv;
use crate::error::{Error, Failure, Result};
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
    /// Servers that run until the end of the trial. First, so that they are gone before the
    /// scratch directory goes.
    owned: Mutex<Vec<Box<dyn Any + Send>>>,
    env: Arc<TestEnv>,
    params: Params,
    trial: Option<String>,
    scratch: Scratch,
    log: Log,
    time: Time,
    registry: Registry,
    late: Late,
    more_failures: Mutex<Vec<Failure>>,
    not_run: Mutex<Vec<String>>,
    agreement: Mutex<Option<(PathBuf, String)>>,
    /// The run of a trial without a harness. Last, so that it goes after the scratch directory.
    _standalone: Option<Standalone>,
}

/// How long waits may be.
#[derive(Debug)]
enum Time {
    /// All of them together, until then.
    Until(Deadline),
    /// Each of them, this long; `None` lifts the limit.
    Each(Option<Duration>),
}

/// What a trial without a harness has of its own.
#[derive(Debug)]
struct Standalone {
    _run: RunDir,
    late: Late,
}

impl Drop for Standalone {
    fn drop(&mut self) {
        let problems: Vec<_> = self.late.take().iter().map(ToString::to_string).collect();
        if problems.is_empty() {
            return;
        }
        let problems = problems.join("\n");
        if std::thread::panicking() {
            eprintln!("{problems}");
        } else {
            // The only way left by which an ordinary `#[test]` can be made to fail.
            panic!("{problems}");
        }
    }
}

/// How long a wait of a trial without a harness may take.
const STANDALONE_LIMIT: Duration = Duration::from_secs(180);

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
            owned: Mutex::default(),
            env,
            params,
            trial: None,
            scratch,
            log: Log::default(),
            time: Time::Until(limit.map_or_else(Deadline::never, Deadline::after)),
            registry,
            late: Late::default(),
            more_failures: Mutex::default(),
            not_run: Mutex::default(),
            agreement: Mutex::default(),
            _standalone: None,
        }
    }

    /// Names the trial: the tools and VMs that it starts find its name in `IOTESTS_TRIAL`.
    #[must_use]
    pub fn of_trial(mut self, name: &str) -> Self {
        self.trial = Some(name.to_owned());
        self
    }

    /// The trial's name; none without a harness.
    pub(crate) fn trial(&self) -> Option<&str> {
        self.trial.as_deref()
    }

    /// A context of its own for an ordinary `#[test]`: read from the process's environment, with
    /// scratch and sockets in the temporary directory, and 180 s for each wait. When it is dropped,
    /// it panics if there are problems that nobody took, such as a server that had crashed.
    ///
    /// # Errors
    /// Every environment variable that is wrong, in one [`Error::Setup`]; [`Error::Io`].
    pub fn standalone(imgfmt: Option<&str>) -> Result<Self> {
        let env = TestEnv::from_process().and_then(|env| match env.make_dirs() {
            problems if problems.is_empty() => Ok(env),
            problems => Err(problems),
        });
        let env = env.map_err(|errors| {
            Error::Setup(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
        })?;
        let temp = env.tmp_dir();
        let run = RunDir::create(env.test_dir().unwrap_or(temp), env.sock_dir().unwrap_or(temp))?;
        let params = Params {
            imgfmt: imgfmt.or(env.imgfmts().first().map(String::as_str)).unwrap_or("raw").to_owned(),
            imgproto: env.imgprotos().first().map_or("file", String::as_str).to_owned(),
            param: None,
        };
        let scratch = run.trial()?;
        let limit = env.timeout_scale().scale(STANDALONE_LIMIT);
        let context = Self::new(Arc::new(env), params, scratch, None, Registry::new());
        let late = context.late.clone();
        Ok(Self { time: Time::Each(limit), _standalone: Some(Standalone { _run: run, late }), ..context })
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

    /// When the trial, and with it a wait that begins now, must end.
    pub fn deadline(&self) -> Deadline {
        match self.time {
            Time::Until(deadline) => deadline,
            Time::Each(limit) => limit.map_or_else(Deadline::never, Deadline::after),
        }
    }

    /// `limit` from now, scaled as `IOTESTS_TIMEOUT_SCALE` and debuggers want it, but not beyond
    /// the trial's own end.
    pub fn limit(&self, limit: Duration) -> Deadline {
        match self.env.timeout_scale().scale(limit) {
            Some(limit) => self.deadline().at_most(limit),
            None => self.deadline(),
        }
    }

    /// Keeps something alive until the end of the trial, when it is dropped. It must not hold the trial itself:
    /// without a harness, that would never end then.
    pub(crate) fn own(&self, thing: impl Any + Send) {
        lock(&self.owned).push(Box::new(thing));
    }

    /// Ends the servers that were to run until the end of the trial, the last first.
    pub fn end_owned(&self) {
        let mut owned = std::mem::take(&mut *lock(&self.owned));
        while owned.pop().is_some() {}
    }

    /// Its live children.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Notes a problem found where no error can be returned (a destructor); it fails the trial.
    pub fn report_late(&self, error: Error) {
        self.late.report(error);
    }

    /// Where to note such problems from something that the trial itself owns.
    pub fn late(&self) -> Late {
        self.late.clone()
    }

    /// Notes a failure of a case that already fails otherwise: both are told.
    pub fn report_too(&self, failure: Failure) {
        lock(&self.more_failures).push(failure);
    }

    /// Takes the failures noted by [`report_too`](Self::report_too).
    pub fn take_more_failures(&self) -> Vec<Failure> {
        std::mem::take(&mut lock(&self.more_failures))
    }

    /// Takes the problems noted so far.
    pub fn take_late(&self) -> Vec<Error> {
        self.late.take()
    }

    /// Notes that a part of the case was not run (`iotests.py: case_notrun`).
    pub fn note_not_run(&self, reason: String) {
        lock(&self.not_run).push(reason);
    }

    /// Notes that what was printed is what this reference says, where the body itself compares.
    pub(crate) fn note_agreement(&self, reference: PathBuf, text: String) {
        *lock(&self.agreement) = Some((reference, text));
    }

    /// The reference that the body found to be right, and what was printed.
    pub(crate) fn take_agreement(&self) -> Option<(PathBuf, String)> {
        lock(&self.agreement).take()
    }

    /// The parts not run so far.
    pub fn not_run(&self) -> Vec<String> {
        lock(&self.not_run).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
