//! Which trials the tests of a suite become.

use std::path::Path;
use std::sync::Arc;

use super::discovery::{self, Test};
use super::point::Point;
use super::reference;
use super::runner::{self, LIMIT, Shared};
use super::supervisor;
use super::tree::Tree;
use crate::env::{Accel, TestEnv};
use crate::error::{Error, Result, SuiteFailure};
use crate::harness::{Plan, WrittenName};
use crate::suite::{IMAGE_FORMATS, PROTOCOLS as PROTOCOL_NAMES};

/// Where a test runs if nothing narrows it.
const FORMATS: [&str; 2] = ["raw", "qcow2"];
const PROTOCOLS: [&str; 1] = ["file"];

/// Why a trial will be skipped, as far as that is known without running it.
fn skip(point: &Point, shared: &Shared, env: &TestEnv) -> Option<String> {
    let generic = shared.surroundings.tree.is_generic(&point.format);
    let source = &point.test.source;
    source
        .unsuitable(&point.format, generic, &point.protocol)
        .or_else(|| {
            let nocache = env.cachemode() == "none";
            let known = reference::may_exist(&point.test.path, nocache, &point.format);
            (!known).then(|| point.no_reference())
        })
        .or_else(|| {
            let reason = source.needs_qtest?;
            // If QEMU cannot be probed, the trial reports it when it runs.
            let lacks = env.accelerator().is_ok_and(|accel| accel != Accel::Qtest);
            lacks.then(|| format!("needs QEMU's qtest accelerator: {reason}"))
        })
}

/// Every test at every point where it runs; of trials that are asked for by their whole names, those alone, without a
/// look at any other.
///
/// # Errors
/// When the suite cannot be read.
pub(super) fn points(tree: &Tree, env: &TestEnv, exact: Option<&[&str]>) -> Result<Vec<Point>> {
    let mut points = Vec::new();
    if let Some(names) = exact {
        // A name may be given twice.
        for (_, name) in names.iter().enumerate().filter(|(at, name)| !names[..*at].contains(name)) {
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
    let WrittenName { test, imgfmt: Some(format), imgproto: protocol } = WrittenName::parse(name) else {
        return Ok(None);
    };
    let known = |name: &str, names: &[&str]| name != "generic" && names.contains(&name);
    if !known(format, &IMAGE_FORMATS) || !known(protocol, &PROTOCOL_NAMES) {
        return Ok(None);
    }
    let Some(test) = discovery::find_one(tree, test)? else { return Ok(None) };
    let point = Point { test: Arc::new(test), format: format.to_owned(), protocol: protocol.to_owned() };
    // The name must be the one that the trial is listed under.
    Ok((point.name().to_string() == name).then_some(point))
}

fn or_default(given: &[String], default: &[&str]) -> Vec<String> {
    if given.is_empty() { default.iter().map(|name| (*name).to_owned()).collect() } else { given.to_vec() }
}

/// The trial at a point.
pub(super) fn plan(shared: &Arc<Shared>, env: &TestEnv, point: Point) -> Plan {
    let shared = Arc::clone(shared);
    let skip = skip(&point, &shared, env);
    let test = Arc::clone(&point.test);
    Plan {
        name: point.name(),
        file: shown(&test.path).into(),
        body: Arc::new(move |trial| Ok(runner::run(&shared, &point, trial.context()).map_err(of_suite)?)),
        limit: LIMIT,
        head_start: supervisor::PATIENCE,
        groups: test.source.groups.clone(),
        serial: test.source.resources.clone(),
        known_failure: None,
        skip,
        logs: false,
    }
}

/// The error without the line of the harness that met it, which says nothing about the test.
fn of_suite(error: Error) -> Error {
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
