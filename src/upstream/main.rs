//! From the command line to the exit status.

use std::process::ExitCode;
use std::sync::Arc;

use super::emulator::Emulator;
use super::environment::Surroundings;
use super::runner::{Programs, Shared};
use super::tree::Tree;
use super::{discovery, environment, listing, plan, python, supervisor};
use crate::context::too_long_for_sockets;
use crate::env::{Listing, TestEnv, ToolKind};
use crate::error::{Error, Result};
use crate::harness::{self, Args, Project};

/// What to do when there is no suite.
const HOW_TO_GET_ONE: &str = "\
IOTESTS_SUITE is not set, so there is nothing to run. It names the directory tests/qemu-iotests
iotests: of a QEMU source tree of the same version as the binaries. To get one:
iotests:   Debian, Ubuntu   apt-get source qemu
iotests:   Fedora           dnf install qemu-tests; rpm -ql qemu-tests shows where it is
iotests:   anywhere         git clone --depth 1 --branch v10.0.2 https://gitlab.com/qemu-project/qemu.git";

/// Runs QEMU's own suite as the command line and the environment ask: the `main` of a test target
/// without a harness of its own. `project` is where the target is built; its cases do not matter.
pub fn main(project: Project) -> ExitCode {
    if let Some(code) = supervisor::take_over() {
        return code;
    }
    harness::outlive_file_size_limit();
    let args = match Args::from_process() {
        Ok(args) => args,
        Err(error) => return harness::refuse(&[error]),
    };
    let env = match TestEnv::from_process() {
        Ok(env) => env
            .with_cache_dir(project.work_dir().join("probes"))
            .with_malloc_perturb(environment::random_byte()),
        Err(errors) => return harness::refuse(&errors),
    };
    start(project, &args, env).unwrap_or_else(|errors| harness::refuse(&errors))
}

/// A suite's references are those of its own version of QEMU.
fn warn_of_versions(tree: &Tree, env: &TestEnv) {
    let (Some(suite), Ok(binaries)) = (tree.version(), env.caps().version(ToolKind::QemuImg)) else { return };
    if suite.series() != binaries.series() {
        harness::say(format_args!(
            "iotests: the suite is that of QEMU {suite}, but the binaries are {binaries}: expect output to differ"
        ));
    }
}

fn start(project: Project, args: &Args, env: TestEnv) -> Result<ExitCode, Vec<Error>> {
    harness::none_of(harness::environment(&env, args))?;
    let one = |error| vec![error];
    let Some(suite) = env.suite() else {
        // Stdout is for what was asked for, and a shell may be about to execute it.
        if env.listing().is_some() {
            return Err(vec![Error::Setup(HOW_TO_GET_ONE.to_owned())]);
        }
        harness::say(format_args!("iotests: {HOW_TO_GET_ONE}"));
        return harness::conclude(project, args, env, Vec::new(), None).map_err(one);
    };
    let problems = [too_long_for_sockets(&env, environment::SOCKET), environment::bad_qemu_io_options(&env)];
    harness::none_of(problems.into_iter().flatten().collect())?;
    let tree = Tree::open(suite).map_err(one)?;
    let work_dir = project.work_dir().join("upstream");
    let surroundings = Surroundings::new(tree, &work_dir);
    let exact = args.exact_names();
    let mut points = plan::points(&surroundings.tree, &env, exact.as_deref()).map_err(one)?;
    if env.listing() == Some(Listing::Groups) {
        return Ok(harness::print(&listing::groups(&points)));
    }
    let programs = if args.libtest.list {
        None
    } else {
        let ready = || {
            harness::preflight(&env, args)?;
            // Which of them a test runs, only the test knows.
            for kind in ToolKind::ALL {
                env.tool(kind)?;
            }
            warn_of_versions(&surroundings.tree, &env);
            let emulator = Emulator::prepare(&env, &work_dir)?;
            Ok(Programs { emulator, python: python::find(&surroundings, &env, &work_dir)? })
        };
        match ready() {
            Ok(programs) => Some(programs),
            Err(error) if env.listing().is_some() => return Err(vec![error]),
            Err(error) => return Ok(harness::preflight_failed(args, &error)),
        }
    };
    let shared = Arc::new(Shared { surroundings, programs });
    let project = project.with_suite(shared.surroundings.tree.root());
    if env.listing() == Some(Listing::Environment) {
        points.retain(|point| args.select(&point.name().to_string()));
        let dir = env.test_dir().unwrap_or(&work_dir).join("by-hand");
        let dir = dir.join(project.mark());
        let listing = listing::environment(&shared, &points, &env, &dir).map_err(one)?;
        return Ok(harness::print(&listing));
    }
    let plans = points.into_iter().map(|point| plan::plan(&shared, &env, point)).collect();
    // A run of one trial does not look at all the others.
    let exists = |test: &str| discovery::is_test(&shared.surroundings.tree, test);
    harness::conclude(project, args, env, plans, exact.is_none().then_some(&exists)).map_err(one)
}
