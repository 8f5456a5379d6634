//! The matrix: which trials each test becomes.

use std::sync::Arc;
use std::time::Duration;

use super::args::Args;
use super::discovery::Loaded;
use super::name::{TestName, TrialName};
use crate::env::{TestEnv, unique};
use crate::error::Result;
use crate::suite::{Body, Declaration, GENERIC_FORMATS, KnownFailure, TestDecl, verdict};

/// How long a trial may take if nothing else is declared.
const DEFAULT_LIMIT: Duration = Duration::from_secs(180);

/// How much longer than its deadline a case gets to report what it was waiting for.
const HEAD_START: Duration = Duration::from_secs(1);

/// A trial to be run.
#[derive(Clone)]
pub(crate) struct Plan {
    /// What it is.
    pub(crate) name: TrialName,
    /// The case file, relative to the project's root.
    pub(crate) file: Arc<str>,
    /// What it runs.
    pub(crate) body: Body,
    /// How long it may take, before scaling.
    pub(crate) limit: Duration,
    /// How much longer it gets to report by itself that it took too long.
    pub(crate) head_start: Duration,
    /// Groups of the test and its suite.
    pub(crate) groups: Vec<String>,
    /// Resources that it must hold while it runs, in order.
    pub(crate) serial: Vec<String>,
    /// Why it is known to fail.
    pub(crate) known_failure: Option<KnownFailure>,
    /// Why it cannot run here.
    pub(crate) skip: Option<String>,
    /// Whether it writes a log, which a reference of the project is for.
    pub(crate) logs: bool,
}

/// Adds the trials of a suite. Those that `args` leaves out are added to be counted, and whether they could run here is
/// not examined.
pub(super) fn plans(loaded: &Loaded, env: &TestEnv, args: &Args, plans: &mut Vec<Plan>) -> Result<()> {
    let file = Arc::<str>::from(&*loaded.file);
    for test in loaded.suite.tests() {
        let declared = &loaded.suite.declarations(test);
        for name in names(&loaded.path, test, declared) {
            for imgfmt in formats(declared, env) {
                for imgproto in protocols(declared, env) {
                    let name = TrialName::new(name.clone(), &imgfmt, &imgproto);
                    let mut plan = plan(name, &file, test, declared);
                    let seeds = env.oracle_seeds().filter(|_| declared.iter().any(|one| one.searches));
                    plan.limit =
                        plan.limit.saturating_add(seeds.map_or(Duration::ZERO, |seeds| seeds.at_most()));
                    if args.select(&plan.name.to_string()) {
                        plan.skip = verdict(declared, &plan.name.params(), env)?;
                    } else if args.exact_names().is_some() {
                        continue;
                    }
                    plans.push(plan);
                }
            }
        }
    }
    Ok(())
}

fn plan(name: TrialName, file: &Arc<str>, test: &TestDecl, declared: &[&Declaration]) -> Plan {
    let union = |list: fn(&Declaration) -> &Vec<String>| {
        let mut all: Vec<_> = declared.iter().flat_map(|one| list(one)).cloned().collect();
        all.sort();
        all.dedup();
        all
    };
    Plan {
        name,
        file: Arc::clone(file),
        body: test.declared_body(declared),
        limit: innermost(declared, |one| one.timeout).unwrap_or(DEFAULT_LIMIT),
        head_start: HEAD_START,
        groups: union(|declared| &declared.groups),
        serial: union(|declared| &declared.serial),
        known_failure: innermost(declared, |one| one.known_failure.clone()),
        skip: None,
        logs: true,
    }
}

/// The names of a test of the case at this path, one for each of its parameters.
pub(super) fn names(case: &str, test: &TestDecl, declared: &[&Declaration]) -> Vec<TestName> {
    let name = |param| TestName {
        case: case.to_owned(),
        fixture: test.fixture().unwrap_or_default().to_owned(),
        test: test.name().to_owned(),
        param,
    };
    params(declared).into_iter().map(name).collect()
}

/// What the test itself says, or else its fixture, or else its suite.
fn innermost<'d, T>(declared: &[&'d Declaration], said: impl Fn(&'d Declaration) -> Option<T>) -> Option<T> {
    declared.iter().rev().find_map(|one| said(one))
}

/// The parameters that a test runs with: its own replace those of its fixture and of its suite.
fn params(declared: &[&Declaration]) -> Vec<Option<String>> {
    let values = innermost(declared, |one| (!one.params.is_empty()).then_some(&one.params));
    values.map_or_else(|| vec![None], |values| values.iter().cloned().map(Some).collect())
}

/// The formats that IMGFMT names, supported or not; without it, those that are declared.
fn formats(declared: &[&Declaration], env: &TestEnv) -> Vec<String> {
    let asked = env.imgfmts();
    if !asked.is_empty() {
        return asked.to_vec();
    }
    declared_formats(declared)
}

/// The formats a test is declared for.
fn declared_formats(declared: &[&Declaration]) -> Vec<String> {
    let all = || declared.iter().flat_map(|one| &one.formats);
    let mut named = all().filter(|name| *name != "generic").peekable();
    let generic = all().any(|name| name == "generic");
    let excluding = declared.iter().any(|one| !one.unsupported_formats.is_empty());
    let mut all = if named.peek().is_none() && !generic && !excluding {
        // The format does not matter to it: the default of iotests.py.
        vec!["raw".to_owned()]
    } else {
        let generic = if generic || excluding { GENERIC_FORMATS.as_slice() } else { &[] };
        generic.iter().map(|name| (*name).to_owned()).chain(named.cloned()).collect()
    };
    all.retain(|name| {
        let supports =
            |list: &[String]| list.is_empty() || list.iter().any(|one| one == "generic" || one == name);
        declared.iter().all(|one| supports(&one.formats) && !one.unsupported_formats.contains(name))
    });
    unique(all)
}

/// The protocols that IMGPROTO names, supported or not; without it, those that are declared, where
/// `generic` adds nothing to `file`.
fn protocols(declared: &[&Declaration], env: &TestEnv) -> Vec<String> {
    let asked = env.imgprotos();
    if !asked.is_empty() {
        return asked.to_vec();
    }
    let fits = |declared: &Declaration, name: &str| {
        let listed = |list: &[String]| list.iter().any(|one| one == name || one == "generic");
        (declared.protocols.is_empty() || listed(&declared.protocols))
            && !declared.unsupported_protocols.iter().any(|one| one == name)
    };
    let said = innermost(declared, |one| (!one.protocols.is_empty()).then(|| one.protocols.clone()));
    let plain = |name: String| if name == "generic" { "file".to_owned() } else { name };
    let mut named: Vec<_> = said.unwrap_or_default().into_iter().map(plain).collect();
    named.retain(|name| declared.iter().all(|one| fits(one, name)));
    if named.is_empty() { vec!["file".to_owned()] } else { unique(named) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::{Declare, Suite};

    #[test]
    fn each_protocol_makes_one_trial() {
        let env = TestEnv::from_vars([]).expect("an environment");
        let of = |names: &[&str]| {
            let mut suite = Suite::new();
            suite.protocols(names.iter().copied());
            protocols(&[suite.declaration()], &env)
        };
        assert_eq!(of(&["generic", "nbd", "file"]), ["file", "nbd"]);
        assert_eq!(of(&[]), ["file"]);
    }
}
