//! Runs one test and judges it as `check` does.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::{AccessFlags, access};

use super::compare;
use super::emulator::Emulator;
use super::environment::{Place, Surroundings};
use super::point::Point;
use super::supervisor::{self, End, Job, Report};
use crate::context::Context;
use crate::error::{Error, Result, SuiteFailure, SuiteOutput};
use crate::harness::say;
use crate::output::readable;
use crate::process::Status;

/// How long a test may take.
pub(super) const LIMIT: Duration = Duration::from_secs(600);

/// Lines of the output that a time-out shows.
const TAIL: usize = 20;

/// The longest output that is compared, in bytes. The longest reference has a twentieth of it.
const OUTPUT_MAX: u64 = 64 << 20;

/// How much of an even longer output is read, in bytes.
const END: i64 = 64 << 10;

/// What the trials of a run share.
#[derive(Debug)]
pub(super) struct Shared {
    /// The suite, and the environment of its tests.
    pub(super) surroundings: Surroundings,
    /// What is run as QEMU and as Python; nothing when trials are only listed.
    pub(super) programs: Option<Programs>,
}

/// What runs besides the tests themselves.
#[derive(Clone, Debug)]
pub(super) struct Programs {
    /// QEMU, or what stands in for it.
    pub(super) emulator: Emulator,
    /// The interpreter.
    pub(super) python: PathBuf,
}

/// Runs the test. `Ok` means that it passed.
pub(super) fn run(shared: &Shared, point: &Point, ctx: &Context) -> Result<()> {
    let programs = shared.programs()?;
    let env = ctx.env();
    let Some(reference) = point.find_reference(env)? else {
        return Err(Error::Skip(point.no_reference()));
    };
    let expected = fs::read(&reference).map_err(Error::io(format!("read {}", reference.display())))?;
    let test = &point.test;
    access(&test.path, AccessFlags::X_OK)
        .map_err(Error::os(format!("execute {} (is it executable?)", test.path.display())))?;
    let (dir, sock_dir) = (ctx.scratch().dir(), ctx.scratch().sock_dir()?);
    let name = point.name().to_string();
    let place = programs.place(point, &name, &expected, dir, sock_dir);
    let base = test.base_name();
    let output = dir.join(format!("{base}.out.bad"));
    let interpreter = test.source.python.then(|| programs.python.clone().into_os_string());
    let argv: Vec<OsString> = interpreter.into_iter().chain([test.path.clone().into_os_string()]).collect();
    let job = Job {
        argv,
        env: shared.surroundings.variables(env, &place)?,
        dir: shared.surroundings.dir_of(test).to_owned(),
        output: output.clone(),
        limit: ctx.deadline().remaining(),
    };
    let report = supervisor::run(&job)?;
    report_leftovers(point, &report);
    let limit = env.timeout_scale().scale(LIMIT).unwrap_or_default();
    let (actual, length) = read_output(&output)?;
    let too_long = length > OUTPUT_MAX;
    let differs = || {
        (!too_long && !compare::same(&expected, &actual)).then(|| SuiteOutput {
            reference: reference.clone(),
            expected: readable(&expected),
            actual: readable(&actual),
            bytes: actual.clone(),
        })
    };
    let problem = problem(&report, limit, &actual).or_else(|| {
        too_long.then(|| {
            let end = indented(&tail(&readable(&actual)));
            let text = format!("its output of {length} bytes was not compared; the last lines:\n{end}");
            (text, true)
        })
    });
    if let Some((text, is_error)) = problem {
        if test.source.steps_clock && !programs.emulator.has_qtest() && !is_error {
            return Err(Error::Skip(format!(
                "needs QEMU's qtest accelerator: it steps the virtual clock, and failed without ({text})"
            )));
        }
        return failed(Some(text), is_error, differs());
    }
    if let Some(reason) = read_note(&dir.join(format!("{base}.notrun"))) {
        return Err(Error::Skip(reason));
    }
    if let Some(parts) = read_note(&dir.join(format!("{base}.casenotrun"))) {
        for line in parts.lines().filter(|line| !line.trim().is_empty()) {
            ctx.note_not_run(line.trim().trim_start_matches("[case not run]").trim().to_owned());
        }
    }
    let Some(mismatch) = differs() else {
        ctx.note_agreement(reference, readable(&actual));
        return Ok(());
    };
    if test.source.steps_clock && !programs.emulator.has_qtest() {
        return Err(Error::Skip(
            "needs QEMU's qtest accelerator: it steps the virtual clock, and its output differed without"
                .to_owned(),
        ));
    }
    failed(None, false, Some(mismatch))
}

impl Programs {
    /// A test's own part of its environment.
    pub(super) fn place<'a>(
        &'a self,
        point: &'a Point,
        trial: &'a str,
        reference: &[u8],
        test_dir: &'a Path,
        sock_dir: &'a Path,
    ) -> Place<'a> {
        Place {
            trial,
            format: &point.format,
            protocol: &point.protocol,
            emulator: self.emulator.program(shows_clock(reference)),
            test_dir,
            sock_dir,
            python: &self.python,
        }
    }
}

impl Shared {
    /// What runs besides the tests themselves.
    pub(super) fn programs(&self) -> Result<&Programs> {
        let missing = || Error::Setup("trials that are listed cannot be run".to_owned());
        self.programs.as_ref().ok_or_else(missing)
    }
}

fn failed(problem: Option<String>, is_error: bool, output: Option<SuiteOutput>) -> Result<()> {
    Err(Error::Suite(Box::new(SuiteFailure { problem, is_error, output })))
}

/// Whether the virtual clock can be seen in what a test prints: it is a column of snapshot lists.
fn shows_clock(reference: &[u8]) -> bool {
    let lists = |name: &[u8]| reference.windows(name.len()).any(|window| window == name);
    lists(b"VM CLOCK") || lists(b"VM_CLOCK")
}

/// How the test ended, if that alone is a failure, and whether it is an error.
fn problem(report: &Report, limit: Duration, actual: &[u8]) -> Option<(String, bool)> {
    match &report.end {
        End::Exited(0) => None,
        End::Exited(status) => Some((format!("the test ended with {}", Status::Exited(*status)), false)),
        End::Signalled(signal) => {
            Some((format!("the test was killed by {}", Status::Signalled(*signal)), true))
        }
        End::TimedOut(alive) => Some((
            format!(
                "timed out after {:.1} s; these processes were running, and were killed:\n{}\nlast lines of its output:\n{}",
                limit.as_secs_f64(),
                indented(&alive.join("\n")),
                indented(&tail(&readable(actual))),
            ),
            true,
        )),
        End::NotStarted(error) => Some((format!("the test could not be started: {error}"), true)),
    }
}

fn report_leftovers(point: &Point, report: &Report) {
    for process in &report.left_behind {
        say(format_args!("iotests: {} left a process behind, which was killed: {process}", point.name()));
    }
    for process in &report.unkillable {
        say(format_args!("iotests: {} left a process behind, which would not die: {process}", point.name()));
    }
    for mount in &report.mounted {
        say(format_args!(
            "iotests: {} left {} mounted, which could not be unmounted: its directories stay",
            point.name(),
            mount.display()
        ));
    }
}

/// A test's output and its length in bytes; of an output that is too long, the end.
fn read_output(path: &Path) -> Result<(Vec<u8>, u64)> {
    let read = || {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        if length > OUTPUT_MAX {
            file.seek(SeekFrom::End(-END))?;
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok((bytes, length))
    };
    read().map_err(Error::io(format!("read {}", path.display())))
}

/// What a test wrote about itself, or a part of it, not having been run.
fn read_note(path: &Path) -> Option<String> {
    let text = fs::read(path).ok()?;
    Some(readable(&text).trim().to_owned())
}

fn tail(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL)..].join("\n")
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}
