//! The matrix: which trials each test becomes.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use super::args::Args;
use super::discovery::Loaded;
use crate::context::Params;
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
    /// The name it is listed under and selected by.
    pub(crate) name: String,
    /// What of the name does not depend on the matrix: case and test.
    pub(crate) test: String,
    /// The case file, relative to the project's root.
    pub(crate) file: Arc<str>,
    /// The case's path.
    pub(crate) case: Arc<str>,
    /// Its point of the matrix.
    pub(crate) params: Params,
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

/// Adds the trials of a suite, for the command line of `args`. Those that it leaves out are there to be
/// counted only, and whether they could run here is not looked at.
pub(super) fn plans(loaded: &Loaded, env: &TestEnv, args: &Args, plans: &mut Vec<Plan>) -> Result<()> {
    let (case, file) = (Arc::<str>::from(&*loaded.path), Arc::<str>::from(&*loaded.file));
    for test in loaded.suite.tests() {
        let declared = &loaded.suite.declarations(test);
        for param in params(declared) {
            for imgfmt in formats(declared, env) {
                for imgproto in protocols(declared, env) {
                    let params = Params { imgfmt: imgfmt.clone(), imgproto, param: param.clone() };
                    let mut plan = plan(&case, &file, test, declared, params);
                    if let Some(seeds) =
                        env.oracle_seeds().filter(|_| declared.iter().any(|one| one.searches))
                    {
                        plan.limit = plan.limit.saturating_add(seeds.at_most());
                    }
                    if args.select(&plan.name) {
                        plan.skip = verdict(declared, &plan.params, env)?;
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

fn plan(
    case: &Arc<str>,
    file: &Arc<str>,
    test: &TestDecl,
    declared: &[&Declaration],
    params: Params,
) -> Plan {
    let union = |list: fn(&Declaration) -> &Vec<String>| {
        let mut all: Vec<_> = declared.iter().flat_map(|one| list(one)).cloned().collect();
        all.sort();
        all.dedup();
        all
    };
    let path = test_path(case, test.name()).into_owned();
    Plan {
        name: trial_name(&path, &params),
        test: path,
        case: Arc::clone(case),
        file: Arc::clone(file),
        params,
        body: test.body(),
        limit: innermost(declared, |one| one.timeout).unwrap_or(DEFAULT_LIMIT),
        head_start: HEAD_START,
        groups: union(|declared| &declared.groups),
        serial: union(|declared| &declared.serial),
        known_failure: innermost(declared, |one| one.known_failure.clone()),
        skip: None,
        logs: true,
    }
}

/// Path of a test, which is also that of its references: a suite that is one unnamed test lends it
/// its own.
pub(super) fn test_path<'a>(case: &'a str, test: &str) -> Cow<'a, str> {
    if test.is_empty() { Cow::Borrowed(case) } else { Cow::Owned(format!("{case}/{test}")) }
}

fn trial_name(test: &str, params: &Params) -> String {
    let param = params.param.as_deref().map_or_else(Default::default, |param| ["/", param]);
    let proto = if params.imgproto == "file" { [""; 2] } else { ["::", &params.imgproto] };
    [&[test], &param[..], &["::", &params.imgfmt], &proto].concat().concat()
}

/// What the test itself says, or else its fixture, or else its suite.
fn innermost<T>(declared: &[&Declaration], said: impl Fn(&Declaration) -> Option<T>) -> Option<T> {
    declared.iter().rev().find_map(|one| said(one))
}

/// The parameters that a test runs with: its own replace those of its fixture and of its suite.
pub(super) fn declared_params(declared: &[&Declaration]) -> Vec<String> {
    innermost(declared, |one| (!one.params.is_empty()).then(|| one.params.clone())).unwrap_or_default()
}

fn params(declared: &[&Declaration]) -> Vec<Option<String>> {
    let values = declared_params(declared);
    if values.is_empty() { vec![None] } else { values.into_iter().map(Some).collect() }
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
        // The format does not matter to it: the seed's default.
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

/// The part of a trial's name that does not depend on what IMGFMT and IMGPROTO narrow a run to.
pub(super) fn without_matrix(name: &str) -> &str {
    name.split("::").next().unwrap_or(name)
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
