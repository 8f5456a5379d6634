//! From the command line to the exit status.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use libtest_mimic::ColorSetting;

use super::args::Args;
use super::bless::Blessing;
use super::discovery::{self, Loaded};
use super::ending::Ending;
use super::history::History;
use super::matrix::{self, Plan};
use super::name::WrittenName;
use super::printing::{self, failed, print, say};
use super::shared::Run;
use super::{Project, clashes, groups, preflight, run, signals, stale};
use crate::context::too_long_for_sockets;
use crate::env::{Listing, TestEnv, check_scratch_base};
use crate::error::{Error, Result};
use crate::script;
use crate::suite::mistakes;

/// Writes the `main` of a test target that runs the project's cases:
/// a `cases/main.rs` with the one line `iotests::main!();`, and in `Cargo.toml`
///
/// ```toml
/// [[test]]
/// name = "iotests"
/// path = "cases/main.rs"
/// harness = false
/// ```
///
/// The project's `build.rs` calls [`iotests_build::cases`].
#[macro_export]
macro_rules! main {
    () => {
        include!(concat!(
            env!("OUT_DIR", "build.rs is missing: its main calls iotests_build::cases(\"cases\")"),
            "/iotests_cases.rs"
        ));

        // Compiled where libtest has its own main: this one would run nothing, and pass.
        #[test]
        fn harness_is_false() {
            panic!("the [[test]] of this target in Cargo.toml lacks the line: harness = false");
        }

        fn main() -> ::std::process::ExitCode {
            $crate::harness::main(
                $crate::harness::Project::new(
                    $crate::harness::Build {
                        root: env!("CARGO_MANIFEST_DIR"),
                        package: env!("CARGO_PKG_NAME"),
                        crate_name: env!("CARGO_CRATE_NAME"),
                        tmp: option_env!("CARGO_TARGET_TMPDIR"),
                    },
                    concat!(env!("OUT_DIR"), "/iotests_new_cases"),
                    CASES,
                )
                .with_case_dir(CASE_DIR),
            )
        }
    };
}

/// What follows the directory that sockets are made below in the path of a socket with a name of usual length.
const SOCKET: &str = "/iotests-run-XXXXXX/9999/4194304-destination";

/// Exit status when nothing was run because of a mistake in the project or its environment.
const MISTAKE: u8 = 2;

/// Runs a project's cases as the command line and the environment ask; [`main!`](crate::main) calls
/// it.
pub fn main(project: Project) -> ExitCode {
    signals::outlive_file_size_limit();
    let args = match Args::from_process() {
        Ok(args) => args,
        Err(error) => return refuse(&[error]),
    };
    let env = match TestEnv::from_process() {
        Ok(env) => env
            .with_cache_dir(project.work_dir().join("probes"))
            .with_samples(project.case_dir().join("samples")),
        Err(errors) => return refuse(&errors),
    };
    start(project, &args, env).unwrap_or_else(|errors| refuse(&errors))
}

/// Reports what is wrong with the project or its environment.
pub(crate) fn refuse(errors: &[Error]) -> ExitCode {
    for error in errors {
        say(format_args!("iotests: {error}"));
    }
    say("iotests: nothing was run");
    ExitCode::from(MISTAKE)
}

fn start(project: Project, args: &Args, env: TestEnv) -> Result<ExitCode, Vec<Error>> {
    none_of(environment(&env, args))?;
    if let Some(path) = env.new_case() {
        return new_case(&project, path).map_err(|error| vec![error]);
    }
    project.check_case_dir().map_err(|error| vec![error])?;
    if !args.libtest.list {
        none_of(too_long_for_sockets(&env, SOCKET).into_iter().collect())?;
    }
    let suites = suites(&project, args)?;
    none_of(declarations(&project, &suites))?;
    match env.listing() {
        Some(Listing::Groups) => {
            return Ok(print(&groups::listing(&suites)));
        }
        Some(Listing::Environment) => {
            return Err(vec![Error::Variable {
                name: "IOTESTS_LIST".to_owned(),
                value: "environment".to_owned(),
                expected: "groups, for cases have no environment of their own".to_owned(),
            }]);
        }
        None => {}
    }
    if args.exact_names().is_none() {
        none_of(groups::unknown(env.groups(), &suites))?;
    }
    let ready = || {
        preflight::check(&env, args)?;
        preflight::check_versions(&env, args)?;
        if args.libtest.list { Ok(()) } else { env.try_accelerator() }
    };
    if let Err(error) = ready() {
        return Ok(preflight::fail(args, &error));
    }
    if args.exact_names().is_none() {
        none_of(stale_references(&project, &suites, &env))?;
    }
    let plans = plans(&suites, args, &env).map_err(|error| vec![error])?;
    drop(suites);
    let tests: BTreeSet<_> = plans.iter().map(|plan| plan.name.test.to_string()).collect();
    let exists = |test: &str| tests.contains(test);
    conclude(project, args, env, plans, args.selects_all().then_some(&exists)).map_err(|error| vec![error])
}

/// Writes the skeleton of a script case.
fn new_case(project: &Project, path: &str) -> Result<ExitCode> {
    let file = script::create(&project.case_dir(), path)?;
    say(format_args!("wrote {}: edit it, then write its reference with", project.show(file)));
    say(format_args!("    IOTESTS_BLESS=1 cargo test --test {} -- {path}", project.target()));
    Ok(ExitCode::SUCCESS)
}

/// Lists or runs what is planned, and reports it. What earlier runs left of tests that do not exist any more goes,
/// if it is given which do.
pub(crate) fn conclude(
    project: Project,
    args: &Args,
    env: TestEnv,
    mut plans: Vec<Plan>,
    exists: Option<&dyn Fn(&str) -> bool>,
) -> Result<ExitCode> {
    let base = env.test_dir().unwrap_or(project.work_dir()).to_owned();
    let id = project.id();
    let history = History::read(&base, &id);
    // A whole name is a choice already: nextest asks so for each trial that it was given in the list.
    if args.exact_names().is_none() {
        plans.retain(|plan| env.groups().selects(&plan.groups));
        if env.rerun_failed() {
            plans.retain(|plan| history.failed(&plan.name));
            // nextest lists twice.
            let is_second_list = args.libtest.list && args.libtest.ignored;
            if !is_second_list && !plans.iter().any(|plan| args.select(&plan.name.to_string())) {
                say(format_args!(
                    "iotests: none of these trials is remembered in {} as failed",
                    base.display()
                ));
            }
        }
    }
    if args.libtest.list {
        plans.retain(|plan| !args.libtest.ignored || plan.skip.is_some());
        let names = plans.iter().map(|plan| plan.name.to_string()).filter(|name| args.select(name));
        return Ok(printing::list(&args.libtest, names));
    }
    if !env.rerun_failed() {
        warn_of_unmatched(args, &plans);
    }
    let selected =
        plans.iter().filter(|plan| plan.skip.is_none() && args.select(&plan.name.to_string())).count();
    check_scratch_base(&base)?;
    if let Err(error) = preflight::start(&env, &base, selected) {
        return Ok(preflight::fail(args, &error));
    }
    if args.is_parallel() {
        history.longest_first(&mut plans, |plan| &plan.name);
    }
    if let Some(path) = &args.libtest.logfile {
        File::create(path).map_err(Error::io(format!("create the log file {path}")))?;
    }
    let color = colored(args, &env);
    let blessing = Blessing::new(&base, project.references(), args.nextest_run(&env));
    let run = Arc::new(Run::new(project, Arc::new(env), &base, blessing, color)?);
    let ending = Ending { args: args.clone(), base, id, start: Instant::now() };
    signals::watch(&run, ending.clone())?;
    let mut code = run::all(&run, plans, args);
    // Another run may be about to keep files.
    let exists = exists.filter(|_| run.dir.is_alone());
    let exists = exists.map(|exists| move |name: &str| exists(WrittenName::parse(name).test));
    for error in ending.conclude(&run, exists.as_ref().map(|exists| exists as _)) {
        code = failed(&error);
    }
    run.stop_here_if_stopping();
    Ok(code)
}

/// Warns of filters that no trial matches: with libtest a misspelt name passes.
fn warn_of_unmatched(args: &Args, plans: &[Plan]) {
    // Where there is no suite at all, that has been reported.
    if plans.is_empty() && !args.libtest.exact {
        return;
    }
    let names: Vec<_> = plans.iter().map(|plan| plan.name.to_string()).collect();
    for filter in args.unmatched(&names) {
        say(match args.libtest.exact {
            true => format!(
                "iotests: no trial is called {filter:?}: --exact asks for whole names, which --list shows"
            ),
            false => format!("iotests: no trial has {filter:?} in its name: --list shows what there is"),
        });
    }
}

/// An error if there are problems.
pub(crate) fn none_of(problems: Vec<Error>) -> Result<(), Vec<Error>> {
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// Mistakes in what the variables say.
pub(crate) fn environment(env: &TestEnv, args: &Args) -> Vec<Error> {
    let mut problems = Vec::new();
    if let Some(trial) = env.trial() {
        problems.push(Error::Setup(format!(
            "the environment is that of the trial {trial}, as IOTESTS_TRIAL says, so its programs, options and \
             directories are not those that you would choose\nwhat to do: run this in another shell"
        )));
    }
    if env.bless() && env.ci() {
        problems.push(Error::Setup(
            "IOTESTS_BLESS is set, and so is CI: references are written by hand-started runs only; unset one"
                .to_owned(),
        ));
    }
    if !args.libtest.list {
        problems.extend(env.make_dirs());
    }
    problems
}

/// The suites to look at: all of them, or those that may hold the trials that are asked for.
fn suites(project: &Project, args: &Args) -> Result<Vec<Loaded>, Vec<Error>> {
    let mut files = Vec::new();
    if args.exact_names().is_none() {
        files = project.case_files().map_err(|error| vec![error])?;
        let new = project.new_cases(&files).map_err(|error| vec![error])?;
        none_of(new)?;
    }
    let sources = discovery::sources(project, &files);
    let found = match args.exact_names() {
        Some(names) => discovery::holding(&sources, &names),
        None => discovery::all(&sources),
    };
    let suites = found?;
    if suites.is_empty() && args.exact_names().is_none() {
        return Err(vec![Error::Setup(format!(
            "no case files below {}: add one, such as {} with `pub fn suite(s: &mut Suite)`, \
             or write a script with IOTESTS_NEW=topic/name",
            project.case_dir().display(),
            project.show(project.case_dir().join("first.rs"))
        ))]);
    }
    Ok(suites)
}

fn declarations(project: &Project, suites: &[Loaded]) -> Vec<Error> {
    let own = |loaded: &Loaded| {
        let file = loaded.file.clone();
        mistakes(&loaded.suite).into_iter().map(move |mistake| Error::Setup(format!("{file}: {mistake}")))
    };
    let clashes = clashes::find(project, suites);
    discovery::bad_names(suites).into_iter().chain(suites.iter().flat_map(own)).chain(clashes).collect()
}

fn stale_references(project: &Project, suites: &[Loaded], env: &TestEnv) -> Vec<Error> {
    let machine = env.default_machine().ok().filter(|machine| !machine.is_empty());
    let stale = stale::references(&project.references(), suites, machine);
    stale.into_iter().map(|(path, why)| Error::Setup(format!("{}: {why}", project.show(path)))).collect()
}

/// The matrix of all suites; of a trial asked for by its whole name, that one alone.
fn plans(suites: &[Loaded], args: &Args, env: &TestEnv) -> Result<Vec<Plan>> {
    let mut plans = Vec::new();
    for loaded in suites {
        matrix::plans(loaded, env, args, &mut plans)?;
    }
    Ok(plans)
}

fn colored(args: &Args, env: &TestEnv) -> bool {
    match args.libtest.color {
        Some(ColorSetting::Always) => true,
        Some(ColorSetting::Never) => false,
        Some(ColorSetting::Auto) | None => {
            env.color() && args.libtest.logfile.is_none() && std::io::stdout().is_terminal()
        }
    }
}
