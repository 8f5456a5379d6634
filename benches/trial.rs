//! What a trial costs that does nothing, and what listing many costs: the harness's own share of every
//! run.
//!
//! The benchmark starts itself as a small project whose only case is empty. In one process, its trials
//! are set beside those of a bare libtest-mimic; one per process, beside a start of `/bin/true`; a script,
//! beside the program that it runs.

mod support;

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use iotests::harness::{Build, Case, Project};
use iotests::suite::{Declare, Suite};
use libtest_mimic::{Arguments, Trial};
use support::{compare, median, timed};
use tempfile::TempDir;

/// Names the directory of the project in the processes that play it, and how many tests it has.
const PROJECT: &str = "BENCH_PROJECT";
const TESTS: &str = "BENCH_TESTS";
/// Makes the processes run as many empty trials without the harness.
const BARE: &str = "BENCH_BARE";

/// Trials of a run in one process.
const MANY: usize = 1000;
/// Trials that are listed.
const LISTED: usize = 10_000;

const CASES: &[Case] = &[Case { path: "topic/empty", file: "cases/topic/empty.rs", suite }];

fn suite(s: &mut Suite) {
    s.formats(["raw"]);
    for number in 0..tests() {
        s.test(&name(number), |_| Ok(()));
    }
}

fn tests() -> usize {
    std::env::var(TESTS).ok().and_then(|count| count.parse().ok()).unwrap_or(1)
}

fn name(number: usize) -> String {
    format!("nothing_{number:05}")
}

fn main() -> ExitCode {
    if let Ok(project) = std::env::var(PROJECT) {
        let tmp: &'static str = format!("{project}/target/tmp").leak();
        let build = Build { root: project.leak(), package: "trial", crate_name: "trial", tmp: Some(tmp) };
        return iotests::harness::main(Project::new(build, "", CASES));
    }
    if std::env::var_os(BARE).is_some() {
        let trials = (0..tests()).map(|number| Trial::test(name(number), || Ok(()))).collect();
        return libtest_mimic::run(&Arguments::from_args(), trials).exit_code();
    }
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::create_dir_all(dir.path().join("cases/topic")).expect("a directory for cases");
    std::fs::write(dir.path().join("cases/topic/empty.rs"), "").expect("a case file");
    in_one_process(dir.path());
    one_per_process(dir.path());
    one_script();
    listing(dir.path());
    ExitCode::SUCCESS
}

/// This program as the project of `dir`, with so many tests.
fn project(dir: &Path, tests: usize) -> Command {
    let mut command = own(tests);
    command.env(PROJECT, dir).env("TEST_DIR", dir.join("scratch"));
    command
}

/// This program as a bare libtest-mimic.
fn bare(tests: usize) -> Command {
    let mut command = own(tests);
    command.env(BARE, "1");
    command
}

fn own(tests: usize) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    // Cargo names its own project here.
    command.env(TESTS, tests.to_string()).env_remove("CARGO_MANIFEST_DIR").env_remove("CI");
    command
}

/// How long a command takes, from its start to its end.
fn wall(command: &mut Command) -> Duration {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let (time, status) = timed(|| command.status().expect("it starts"));
    assert!(status.success(), "{command:?} ended with {status}");
    time
}

fn in_one_process(dir: &Path) {
    let one_thread = ["--test-threads", "1"];
    let ours = |tests| wall(project(dir, tests).args(one_thread));
    let bare = |tests| wall(bare(tests).args(one_thread));
    // What is asked of the binaries is asked now.
    ours(1);
    let mut shares = [Vec::new(), Vec::new()];
    for _ in 0..5 {
        shares[0].push(ours(MANY).saturating_sub(ours(1)) / MANY as u32);
        shares[1].push(bare(MANY).saturating_sub(bare(1)) / MANY as u32);
    }
    let [ours, bare] = shares.map(median);
    println!("an empty trial among {MANY} in one process: {ours:.1?}, of a bare libtest-mimic {bare:.1?}");
}

fn one_per_process(dir: &Path) {
    let exact = ["--exact", "topic/empty/nothing_00000::raw"];
    compare(
        "an empty trial in a process of its own, beside /bin/true",
        101,
        || wall(project(dir, 1).args(exact)),
        || wall(&mut Command::new("/bin/true")),
    );
    compare(
        "an empty trial in a process of its own, beside this program doing nothing",
        101,
        || wall(project(dir, 1).args(exact)),
        || wall(&mut bare(1)),
    );
}

/// One script by its name, as somebody runs it who is writing it, among as many as a project has.
fn one_script() {
    let dir = scripts(60);
    let reference = dir.path().join("reference");
    std::fs::create_dir_all(&reference).expect("a directory for references");
    std::fs::write(reference.join("script_00007.out"), "> quiet qemu-img --version\n").expect("a reference");
    let qemu_img = std::env::var_os("QEMU_IMG_PROG").unwrap_or_else(|| "qemu-img".into());
    compare(
        "a run of one script case, beside its qemu-img alone",
        51,
        || wall(project(dir.path(), 1).arg("script_00007")),
        || wall(Command::new(&qemu_img).arg("--version")),
    );
}

/// A project of so many script cases, and the compiled one.
fn scripts(count: usize) -> TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    let cases = dir.path().join("cases");
    std::fs::create_dir_all(cases.join("topic")).expect("a directory for cases");
    std::fs::write(cases.join("topic/empty.rs"), "").expect("a case file");
    for number in 0..count {
        let text = "# Nothing much.\nformats: raw\n\nquiet qemu-img --version\n";
        std::fs::write(cases.join(format!("script_{number:05}.case")), text).expect("a case file");
    }
    dir
}

fn listing(dir: &Path) {
    let list = ["--list", "--format", "terse"];
    compare(
        &format!("listing {LISTED} trials, beside a bare libtest-mimic"),
        21,
        || wall(project(dir, LISTED).args(list)),
        || wall(bare(LISTED).args(list)),
    );
    let scripts = scripts(LISTED);
    compare(
        &format!("listing {LISTED} script cases, beside a bare libtest-mimic"),
        11,
        || wall(project(scripts.path(), 1).args(list)),
        || wall(bare(LISTED).args(list)),
    );
}
