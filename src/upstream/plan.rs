//! Which trials the tests of a suite become.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::discovery::{self, Test};
use super::reference;
use super::runner::{self, Shared};
use super::supervisor;
use super::tree::Tree;
use crate::context::Params;
use crate::env::{Accel, TestEnv};
use crate::error::{Error, Result, SuiteFailure};
use crate::harness::Plan;
use crate::suite::{IMAGE_FORMATS, PROTOCOLS as PROTOCOL_NAMES};

/// How long a test may take.
pub(super) const LIMIT: Duration = Duration::from_secs(600);

/// Where a test runs if nothing narrows it.
const FORMATS: [&str; 2] = ["raw", "qcow2"];
const PROTOCOLS: [&str; 1] = ["file"];

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
    /// The trial's name: `030::qcow2`, and the protocol if it is another than `file`.
    pub(super) fn name(&self) -> String {
        let Self { test, format, protocol } = self;
        match protocol.as_str() {
            "file" => format!("{}::{format}", test.name),
            _ => format!("{}::{format}::{protocol}", test.name),
        }
    }

    /// Why it will be skipped, as far as that is plain without running it.
    fn skip(&self, shared: &Shared, env: &TestEnv) -> Option<String> {
        let generic = shared.surroundings.tree.is_generic(&self.format);
        let source = &self.test.source;
        source
            .unsuitable(&self.format, generic, &self.protocol)
            .or_else(|| {
                let nocache = env.cachemode() == "none";
                let known = reference::may_exist(&self.test.path, nocache, &self.format);
                (!known).then(|| no_reference(self))
            })
            .or_else(|| {
                let reason = source.needs_qtest?;
                // A QEMU that cannot be asked is told of when the trial runs.
                let lacks = env.accelerator().is_ok_and(|accel| accel != Accel::Qtest);
                lacks.then(|| format!("needs QEMU's qtest accelerator: {reason}"))
            })
    }
}

/// Why a test without a reference is skipped.
pub(super) fn no_reference(point: &Point) -> String {
    let path = point.test.path.display();
    format!("there is no reference for {path}: none of {path}.out and its variants")
}

/// The reference of a test at this point.
pub(super) fn find_reference(point: &Point, env: &TestEnv) -> Result<Option<PathBuf>> {
    let machine = || env.default_machine().map(str::to_owned);
    reference::find(&point.test.path, env.cachemode() == "none", &point.format, machine)
}

/// Where everything runs, or, of those trials that are asked for by their whole names, each alone: then
/// nothing else is looked at.
///
/// # Errors
/// When the suite cannot be read.
pub(super) fn points(tree: &Tree, env: &TestEnv, exact: Option<&[&str]>) -> Result<Vec<Point>> {
    let mut points = Vec::new();
    if let Some(names) = exact {
        for name in names {
            points.extend(named(tree, name)?);
        }
        return Ok(points);
    }
    let tests: Vec<_> = discovery::find(tree, env.groups())?.into_iter().map(Arc::new).collect();
    for protocol in &or_default(env.imgprotos(), &PROTOCOLS) {
        for format in &or_default(env.imgfmts(), &FORMATS) {
            let here = |test: &Arc<Test>| Point {
                test: Arc::clone(test),
                format: format.clone(),
                protocol: protocol.clone(),
            };
            points.extend(tests.iter().map(here));
        }
    }
    Ok(points)
}

/// The point that a trial's name stands for.
fn named(tree: &Tree, name: &str) -> Result<Option<Point>> {
    let mut parts = name.split("::");
    let (Some(test), Some(format)) = (parts.next(), parts.next()) else { return Ok(None) };
    let protocol = parts.next().unwrap_or("file");
    let known = |name: &str, names: &[&str]| name != "generic" && names.contains(&name);
    if !known(format, &IMAGE_FORMATS) || !known(protocol, &PROTOCOL_NAMES) {
        return Ok(None);
    }
    let Some(test) = discovery::find_one(tree, test)? else { return Ok(None) };
    let point = Point { test: Arc::new(test), format: format.to_owned(), protocol: protocol.to_owned() };
    // The name must be the one that the trial is listed under.
    Ok((point.name() == name).then_some(point))
}

fn or_default(given: &[String], default: &[&str]) -> Vec<String> {
    if given.is_empty() { default.iter().map(|name| (*name).to_owned()).collect() } else { given.to_vec() }
}

/// The trial at a point.
pub(super) fn plan(shared: &Arc<Shared>, env: &TestEnv, point: Point) -> Plan {
    let shared = Arc::clone(shared);
    let skip = point.skip(&shared, env);
    let test = Arc::clone(&point.test);
    let (name, params) = (
        point.name(),
        Params { imgfmt: point.format.clone(), imgproto: point.protocol.clone(), param: None },
    );
    Plan {
        name,
        test: test.name.clone(),
        file: shown(&test.path).into(),
        case: test.name.as_str().into(),
        params,
        body: Arc::new(move |trial| Ok(runner::run(&shared, &point, trial.context()).map_err(told)?)),
        limit: LIMIT,
        head_start: supervisor::PATIENCE,
        groups: test.source.groups.clone(),
        serial: test.source.resources.clone(),
        known_failure: None,
        skip,
        logs: false,
    }
}

/// Where in the harness an error was met says nothing about the test.
fn told(error: Error) -> Error {
    match error {
        Error::Skip(_) | Error::Suite(_) => error,
        other => Error::Suite(Box::new(SuiteFailure {
            problem: Some(other.to_string()),
            is_error: true,
            output: None,
        })),
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
