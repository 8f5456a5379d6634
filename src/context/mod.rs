//! What one trial owns: its directories, its log, its children and its deadline. Handed to
//! everything that acts on the trial's behalf, so that nothing needs a global.

mod clock;
mod file;
mod late;
pub(crate) mod mounts;
mod run_dir;
mod scratch;
mod stderr;

use std::any::Any;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub(crate) use clock::Clock;
pub use file::ScratchFile;
pub use late::Late;
pub use run_dir::RunDir;
pub use scratch::Scratch;
pub(crate) use scratch::too_long_for_sockets;
pub(crate) use stderr::IsNoise;

use stderr::Stderr;

use crate::env::{IMAGE_FORMATS, TestEnv};
use crate::error::{Error, Failure, Result};
use crate::filter::{Paths, filter_imgfmt, filter_test_dir, filter_testfiles};
use crate::log::Log;
use crate::process::{Deadline, Printed, Registry};

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
    clock: Clock,
    registry: Registry,
    late: Late,
    stderr: Stderr,
    more_failures: Mutex<Vec<Failure>>,
    not_run: Mutex<Vec<String>>,
    agreement: Mutex<Option<(PathBuf, String)>>,
    /// The run of a trial without a harness. Last, so that it goes after the scratch directory.
    standalone: Option<Standalone>,
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
        let clock = Clock::until(limit, env.timeout_scale());
        Self {
            owned: Mutex::default(),
            env,
            params,
            trial: None,
            scratch,
            log: Log::default(),
            clock,
            registry,
            late: Late::default(),
            stderr: Stderr::default(),
            more_failures: Mutex::default(),
            not_run: Mutex::default(),
            agreement: Mutex::default(),
            standalone: None,
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
        let imgfmt = match imgfmt {
            Some(format) if !IMAGE_FORMATS.contains(&format) || format == "generic" => {
                return Err(Error::Setup(format!("there is no image format {format:?}")));
            }
            Some(format) => format,
            None => only("IMGFMT", env.imgfmts(), "raw", "; Test::with_format() takes another")?,
        };
        let imgproto = only("IMGPROTO", env.imgprotos(), "file", "")?;
        let (imgfmt, imgproto) = (imgfmt.to_owned(), imgproto.to_owned());
        let temp = env.tmp_dir();
        let run = RunDir::create(env.test_dir().unwrap_or(temp), env.sock_dir().unwrap_or(temp))?;
        let params = Params { imgfmt, imgproto, param: None };
        let scratch = run.trial()?;
        let limit = env.timeout_scale().scale(STANDALONE_LIMIT);
        let mut context = Self::new(Arc::new(env), params, scratch, None, Registry::new());
        context.clock = Clock::each(limit, context.env.timeout_scale());
        context.standalone = Some(Standalone { _run: run, late: context.late.clone() });
        Ok(context)
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
        self.clock.deadline()
    }

    /// `limit` from now, scaled as `IOTESTS_TIMEOUT_SCALE` and debuggers want it, but not beyond
    /// the trial's own end.
    pub fn limit(&self, limit: Duration) -> Deadline {
        self.clock.limit(limit)
    }

    /// The same, for something that the trial itself owns.
    pub(crate) fn clock(&self) -> Clock {
        self.clock
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

    /// Notes a failure of a case that already fails otherwise: both are reported.
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

    /// Notes what a program that succeeded has printed beside its work.
    pub(crate) fn hear<'l>(&self, program: &str, command: &str, lines: impl Iterator<Item = &'l str>) {
        self.stderr.hear(program, command, lines);
    }

    /// Has what a program prints looked at when the trial ends: all that the case has not read, and that is no noise.
    pub(crate) fn watch(&self, program: &str, command: &str, printed: Printed, is_noise: IsNoise) {
        self.stderr.watch(program, command, printed, is_noise);
    }

    /// Lets lines with this text pass that programs print beside their work.
    pub(crate) fn ignore_stderr(&self, text: &str) {
        self.stderr.ignore(text);
    }

    /// What programs printed beside their work that is neither declared nor logged: an [`Error::Stderr`] for each
    /// such line; and an [`Error::Assertion`] for each declaration that no line has needed. Meant for the end of a trial
    /// that ran to its end and found nothing else wrong.
    pub fn unexpected_stderr(&self) -> Vec<Error> {
        let hide = |text: &str| {
            let Paths { test_dir, sock_dir, .. } = self.paths();
            let text = filter_testfiles(text, self.paths());
            let text = filter_test_dir(&text, test_dir).replace(sock_dir, "SOCK_DIR");
            filter_imgfmt(&text, &self.params.imgfmt).into_owned()
        };
        let log = hide(&self.log.contents());
        // Programs name themselves by what they were started as, which logs hide.
        self.stderr.unexpected(|line| {
            let message = line.split_once(": ").map_or(line, |(_, message)| message);
            log.contains(&hide(message))
        })
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

/// The one name that a variable has for a trial without a matrix.
fn only<'n>(variable: &str, names: &'n [String], default: &'n str, advice: &str) -> Result<&'n str> {
    match names {
        [] => Ok(default),
        [name] => Ok(name),
        several => Err(Error::Variable {
            name: variable.to_owned(),
            value: several.join(","),
            expected: format!("one name, where there is no matrix of formats and protocols{advice}"),
        }),
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // While the files are there that servers and VMs have printed to.
        self.end_owned();
        if self.standalone.is_some() {
            self.unexpected_stderr().into_iter().for_each(|error| self.late.report(error));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_matrix_a_variable_names_one_format() {
        let names = ["raw", "qcow2"].map(str::to_owned);
        assert_eq!(only("IMGFMT", &[], "raw", "").expect("the default"), "raw");
        assert_eq!(only("IMGFMT", &names[1..], "raw", "").expect("the only one"), "qcow2");
        let error = only("IMGFMT", &names, "raw", "").expect_err("two").to_string();
        assert!(
            error.starts_with("environment variable IMGFMT is \"raw,qcow2\": expected one name"),
            "{error}"
        );
    }
}
