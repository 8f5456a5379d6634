//! Children end when they should, with all that they started, and nothing waits for ever.
#![expect(clippy::unwrap_used, reason = "a broken fixture should fail loudly")]

#[path = "../support/stage.rs"]
mod stage;
#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::io::{BufRead, BufReader, Write, pipe};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use iotests::context::RunDir;
use iotests::error::{Error, Unchecked};
use iotests::process::{
    Capture, Child, Cmd, Deadline, Output, PidFileWatch, Ready, Registry, Status, Stream,
};
use iotests::test::Test;
use iotests::tools::StorageDaemonBuilder;
use libtest_mimic::{Arguments, Trial};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::signal::{SigHandler, SigSet, Signal, kill, raise, signal};
use nix::unistd::{Pid, getpgid};
use stage::{AMPLE, Stage, text};
use support::is_gone;

/// This program plays a harness that gets killed, or a tool that crashes, under these names.
const FAKE_HARNESS: &str = "fake-harness";
const FAKE_TOOL: &str = "fake-qemu-img";

fn main() -> ExitCode {
    let program = PathBuf::from(std::env::args_os().next().unwrap());
    match program.file_name().and_then(|name| name.to_str()) {
        Some(FAKE_HARNESS) => play_harness(),
        Some(FAKE_TOOL) => play_crashing_tool(),
        _ => {
            let mounted = Trial::test("what_a_killed_server_leaves_mounted_goes_with_its_trial", || {
                what_a_killed_server_leaves_mounted_goes_with_its_trial();
                Ok(())
            });
            let trials = trials().into_iter().chain([mounted.with_ignored_flag(!can_export_by_fuse())]);
            libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
        }
    }
}

macro_rules! trials {
    ($($name:ident),* $(,)?) => {
        fn trials() -> Vec<Trial> {
            vec![$(Trial::test(stringify!($name), || { $name(); Ok(()) })),*]
        }
    };
}

trials![
    output_is_captured_merged_or_apart,
    bytes_that_are_no_text_show,
    a_tool_has_no_input_and_speaks_one_language,
    environment_and_directory_are_as_asked,
    a_wrapper_goes_before_the_command,
    only_what_is_handed_over_is_inherited,
    a_program_that_is_not_there_is_reported,
    a_tool_that_closes_its_output_is_waited_for,
    a_tool_past_its_deadline_is_killed_and_its_last_words_are_shown,
    output_without_end_meets_the_deadline,
    too_much_output_is_refused,
    a_tool_takes_its_children_with_it,
    a_dropped_child_takes_its_group_with_it,
    a_daemon_that_keeps_the_pipe_open_does_not_hang_a_run,
    a_daemon_that_fills_the_pipe_does_not_hang_a_run,
    a_child_leads_a_group_of_its_own,
    a_wait_ends_at_its_deadline_and_the_child_runs_on,
    a_child_that_has_ended_can_be_asked_signalled_and_killed,
    death_by_a_signal_is_a_crash_with_tool_signal_and_command,
    nothing_outlives_a_killed_harness,
    children_die_with_the_thread_that_started_them,
    a_registry_knows_what_is_alive_and_ends_it,
    what_starts_after_all_was_killed_is_killed_at_once,
    a_pid_file_counts_once_it_is_complete,
    a_daemon_that_ends_before_its_pid_file_is_reported,
    a_pid_file_that_never_comes_times_out,
    a_child_starts_with_no_signal_blocked_or_ignored,
    a_pid_file_that_is_there_already_is_refused,
    deadlines_only_get_shorter,
    ends_are_reported_by_number_and_name,
];

/// A storage daemon that mounts an export of its own, and where.
fn fuse_export(t: &Test) -> (String, StorageDaemonBuilder) {
    let [image, point] = t.files(["image", "point"]);
    for file in [&image, &point] {
        fs::write(file, [0; 4096]).unwrap();
    }
    let server = t.storage_daemon([
        "--blockdev".to_owned(),
        format!("driver=file,node-name=disk,filename={image}"),
        "--export".to_owned(),
        format!("type=fuse,id=export0,node-name=disk,mountpoint={point}"),
    ]);
    (point.to_string(), server)
}

/// Whether this user's storage daemon can do so here.
fn can_export_by_fuse() -> bool {
    let stage = Stage::in_dir(tempfile::tempdir().unwrap(), "raw", &[], AMPLE);
    fuse_export(&stage.test).1.start().is_ok()
}

fn what_a_killed_server_leaves_mounted_goes_with_its_trial() {
    let stage = Stage::in_dir(tempfile::tempdir().unwrap(), "raw", &[], AMPLE);
    let t = &stage.test;
    let (point, server) = fuse_export(t);
    let mounted = || fs::read_to_string("/proc/self/mountinfo").unwrap().contains(&format!(" {point} "));
    server.start().unwrap().kill(Signal::SIGKILL).unwrap();
    assert!(mounted());
    let dir = t.context().scratch().run_dir().to_owned();
    drop(stage);
    assert!(!mounted());
    assert!(!dir.exists());
}

fn ample() -> Deadline {
    Deadline::after(Duration::from_secs(60))
}

fn short() -> Deadline {
    Deadline::after(Duration::from_millis(150))
}

/// Tries with a short limit, and while that was too short for what has to happen before it (`None`), with
/// longer ones: a slow machine may not even have started the program.
fn patiently<T>(attempt: impl Fn(Deadline) -> Option<T>) -> T {
    let limits = [150, 1500, 15_000].map(Duration::from_millis);
    limits.into_iter().find_map(|limit| attempt(Deadline::after(limit))).unwrap()
}

fn sh(script: &str) -> Cmd {
    Cmd::new("/bin/sh").args(["-c", script])
}

fn run(cmd: Cmd) -> Output {
    cmd.run(Capture::Merged, ample(), &Registry::new()).unwrap()
}

/// Starts a child whose first line of output is returned with it.
fn start(cmd: Cmd, registry: &Registry) -> (Child, String) {
    let (read, write) = pipe().unwrap();
    let child = cmd.spawn(Stream::Null, Stream::To(write.into()), Stream::Inherit, registry).unwrap();
    let mut line = String::new();
    BufReader::new(read).read_line(&mut line).unwrap();
    (child, line.trim().to_owned())
}

// ---- what runs to its end ----------------------------------------------------------------------

fn output_is_captured_merged_or_apart() {
    let script = || sh("echo one; echo two >&2; echo three; exit 4");
    let merged = run(script());
    assert_eq!(merged.status, Status::Exited(4));
    assert_eq!((merged.stdout.as_str(), merged.stderr.as_str()), ("one\ntwo\nthree\n", ""));
    assert_eq!(merged.command, "/bin/sh -c 'echo one; echo two >&2; echo three; exit 4'");
    let apart = script().run(Capture::Apart, ample(), &Registry::new()).unwrap();
    assert_eq!((apart.stdout.as_str(), apart.stderr.as_str()), ("one\nthree\n", "two\n"));
    assert_eq!(apart.text(), "one\nthree\ntwo\n");
    // More than pipes hold, on both at once.
    let much = sh("head -c 300000 /dev/zero >&2 & head -c 300000 /dev/zero; wait");
    let much = much.run(Capture::Apart, ample(), &Registry::new()).unwrap();
    assert_eq!((much.stdout.len(), much.stderr.len()), (300_000, 300_000));
}

fn bytes_that_are_no_text_show() {
    assert_eq!(run(sh(r"printf 'a\377b'")).stdout, r"a\xffb");
}

fn a_tool_has_no_input_and_speaks_one_language() {
    assert_eq!(run(sh("cat; echo $LC_ALL")).stdout, "C\n");
}

fn environment_and_directory_are_as_asked() {
    let script = || sh("pwd; echo ${WITH-unset} ${HOME-unset}");
    let output = run(script().current_dir("/").env("WITH", "a b").env_remove("HOME"));
    assert_eq!(output.stdout, "/\na b unset\n");
}

fn a_wrapper_goes_before_the_command() {
    let cmd = Cmd::new("echo").arg("a b").wrapped_in(["env", "-u", "X"]);
    assert_eq!(cmd.line(), "env -u X echo 'a b'");
    assert_eq!(run(cmd).stdout, "a b\n");
}

fn only_what_is_handed_over_is_inherited() {
    let (read, write) = pipe().unwrap();
    let (handed, kept) = (OwnedFd::from(write), read.as_raw_fd());
    let number = handed.as_raw_fd();
    let script = format!("echo hello >/proc/self/fd/{number}; test -e /proc/self/fd/{kept}");
    assert_eq!(run(sh(&script).inherit(handed)).status, Status::Exited(1));
    // Our own copy is closed with the start, so the end of the child is the end of the pipe.
    assert_eq!(std::io::read_to_string(read).unwrap(), "hello\n");
}

fn a_program_that_is_not_there_is_reported() {
    let error = Cmd::new("/nonexistent/tool").arg("a b").run(Capture::Merged, ample(), &Registry::new());
    let expected = "failed to run /nonexistent/tool 'a b': No such file or directory (os error 2)";
    assert_eq!(error.unwrap_err().to_string(), expected);
}

fn a_tool_that_closes_its_output_is_waited_for() {
    let output = run(sh("echo said; exec >&- 2>&-; sleep 0.1; exit 3"));
    assert_eq!((output.status, output.stdout.as_str()), (Status::Exited(3), "said\n"));
}

// ---- deadlines ---------------------------------------------------------------------------------

fn a_tool_past_its_deadline_is_killed_and_its_last_words_are_shown() {
    for script in ["echo $$; exec sleep 1000", "echo $$; exec >&- 2>&-; exec sleep 1000"] {
        let pid = patiently(|deadline| {
            let registry = Registry::new();
            let error = sh(script).run(Capture::Merged, deadline, &registry).unwrap_err();
            assert!(registry.is_empty());
            let shown = text(&error);
            let reported = format!("timed out waiting for the end of /bin/sh -c '{script}' (killed now)");
            let seen = shown.strip_prefix(&reported).unwrap_or_else(|| panic!("{shown}"));
            Some(seen.strip_prefix("\nlast seen:\n    ")?.to_owned())
        });
        assert!(is_gone(pid.parse().unwrap()));
    }
}

fn output_without_end_meets_the_deadline() {
    // Slowly enough not to be too much output before that.
    let script = "while :; do echo y; done";
    patiently(|deadline| {
        let error = sh(script).run(Capture::Apart, deadline, &Registry::new()).unwrap_err();
        let shown = text(&error);
        let reported = format!("timed out waiting for the end of /bin/sh -c '{script}' (killed now)");
        let seen = shown.strip_prefix(&reported).unwrap_or_else(|| panic!("{shown}"));
        let lines = seen.strip_prefix("\nlast seen:")?;
        let count = lines.matches("\n    y").count();
        assert_eq!(lines, "\n    y".repeat(count));
        assert!(count <= 20, "only the last lines are shown, not {count}");
        (count == 20).then_some(())
    });
}

fn a_child_starts_with_no_signal_blocked_or_ignored() {
    // Of this thread alone, unlike what is ignored: that is harmless here, for no one sends it.
    SigSet::from_iter([Signal::SIGTERM, Signal::SIGUSR1]).thread_block().unwrap();
    // SAFETY: to ignore a signal runs no code.
    unsafe { signal(Signal::SIGXFSZ, SigHandler::SigIgn) }.unwrap();
    let own = fs::read_to_string("/proc/thread-self/status").unwrap();
    let status = Cmd::new("cat").arg("/proc/self/status").run(Capture::Merged, ample(), &Registry::new());
    // SAFETY: the default action runs no code of this program.
    unsafe { signal(Signal::SIGXFSZ, SigHandler::SigDfl) }.unwrap();
    // The C library keeps signals 32 and 33 to itself: what this process inherited for them, no program can change.
    const RESERVED: u64 = 0b11 << 31;
    let of = |text: &str, key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        u64::from_str_radix(line.trim(), 16).unwrap() & !RESERVED
    };
    assert!(of(&own, "SigBlk:") != 0 && of(&own, "SigIgn:") != 0);
    let status = status.unwrap().stdout;
    assert_eq!((of(&status, "SigBlk:"), of(&status, "SigIgn:")), (0, 0));
}

fn too_much_output_is_refused() {
    let error = Cmd::new("head").args(["-c", "300M", "/dev/zero"]);
    let error = error.run(Capture::Merged, ample(), &Registry::new()).unwrap_err();
    assert!(matches!(error, Error::Flood { .. }) && !error.is_failure(), "{error:?}");
    let error = error.to_string();
    let reported = "head printed more than 256 MiB and was killed\ncommand: head -c 300M /dev/zero\na part of it:\n    \0";
    assert!(error.starts_with(reported));
    assert!(error.len() < 1000);
}

fn a_wait_ends_at_its_deadline_and_the_child_runs_on() {
    let mut child =
        sh("exec sleep 1000").spawn(Stream::Null, Stream::Null, Stream::Null, &Registry::new()).unwrap();
    let error = child.wait(short()).unwrap_err();
    assert_eq!(text(&error), "timed out waiting for the end of /bin/sh -c 'exec sleep 1000'");
    assert_eq!(child.try_status().unwrap(), None);
    child.signal(Signal::SIGTERM).unwrap();
    assert_eq!(child.wait(ample()).unwrap(), Status::Signalled(15));
}

fn deadlines_only_get_shorter() {
    let hour = Duration::from_secs(3600);
    let past = Deadline::after(Duration::ZERO);
    assert!(past.expired());
    assert!(past.at_most(hour).expired(), "a limit does not go beyond the trial's end");
    assert!(Deadline::after(hour).at_most(Duration::ZERO).expired());
    assert!(!Deadline::after(hour).at_most(hour).expired());
    assert_eq!(Deadline::never().remaining(), None);
    assert_eq!(Deadline::after(Duration::MAX).remaining(), None);
    assert!(Deadline::never().at_most(hour).remaining() <= Some(hour));
    let (read, mut write) = pipe().unwrap();
    let fd = std::os::fd::AsFd::as_fd(&read);
    assert_eq!(past.wait_readable([fd]), Ok([false]));
    write.write_all(b"x").unwrap();
    // What is there already is seen even by a wait of no time.
    assert_eq!(past.wait_readable([fd, fd]), Ok([true, true]));
    assert_eq!(Deadline::never().wait_readable([fd]), Ok([true]));
}

// ---- groups ------------------------------------------------------------------------------------

fn a_tool_takes_its_children_with_it() {
    let registry = Registry::new();
    // The child holds the pipe open, and would for a long time.
    let output = sh("sleep 1000 & echo $!; exit 5").run(Capture::Merged, ample(), &registry).unwrap();
    assert_eq!(output.status, Status::Exited(5));
    assert!(is_gone(output.stdout.trim().parse().unwrap()));
    assert!(registry.is_empty());
}

fn a_dropped_child_takes_its_group_with_it() {
    let script = "trap '' TERM; sh -c 'trap \"\" TERM; sleep 1000 & echo $!; wait' & wait";
    let (child, grandchild) = start(sh(script), &Registry::new());
    let pid = child.pid().as_raw();
    drop(child);
    assert!(is_gone(pid));
    assert!(is_gone(grandchild.parse().unwrap()));
}

/// Runs a script that leaves this program behind, as a daemon, and ends that.
fn run_with_daemon(script: &str, daemon: &str) -> Output {
    // Until it is that program it may still be of the script's group.
    let begun = format!("read -r _ name _ </proc/$!/stat && test \"$name\" = '({daemon})'");
    let output = run(sh(&format!("{script}; until {begun}; do :; done")));
    let daemon = output.stdout.lines().find_map(|line| line.parse().ok()).unwrap();
    kill(Pid::from_raw(daemon), Signal::SIGKILL).unwrap();
    output
}

fn a_daemon_that_keeps_the_pipe_open_does_not_hang_a_run() {
    let output = run_with_daemon("setsid sleep 1000 & echo $!", "sleep");
    assert_eq!(output.stdout.lines().count(), 1);
    assert!(output.success());
}

fn a_daemon_that_fills_the_pipe_does_not_hang_a_run() {
    assert!(run_with_daemon("echo; setsid yes & echo; echo $!", "yes").success());
}

fn a_child_leads_a_group_of_its_own() {
    let (child, _) = start(sh("echo; exec sleep 1000"), &Registry::new());
    assert_eq!(getpgid(Some(child.pid())), Ok(child.pid()));
}

fn a_child_that_has_ended_can_be_asked_signalled_and_killed() {
    let mut child = sh("exit 6").spawn(Stream::Null, Stream::Null, Stream::Null, &Registry::new()).unwrap();
    assert_eq!(child.wait(ample()).unwrap(), Status::Exited(6));
    child.signal(Signal::SIGTERM).unwrap();
    assert_eq!(child.kill().unwrap(), Status::Exited(6));
    assert_eq!(child.try_status().unwrap(), Some(Status::Exited(6)));
}

// ---- signals -----------------------------------------------------------------------------------

fn play_crashing_tool() -> ExitCode {
    eprintln!("about to crash");
    raise(Signal::SIGFPE).unwrap();
    ExitCode::SUCCESS
}

/// This program under another name.
fn alias(dir: &Path, name: &str) -> PathBuf {
    let path = dir.join(name);
    symlink(std::env::current_exe().unwrap(), &path).unwrap();
    path
}

fn death_by_a_signal_is_a_crash_with_tool_signal_and_command() {
    let dir = tempfile::tempdir().unwrap();
    let tool = alias(dir.path(), FAKE_TOOL);
    let vars = [("QEMU_IMG_PROG", tool.as_path()), ("QEMU_IO_PROG", tool.as_path())];
    let stage = Stage::in_dir(dir, "raw", &vars, AMPLE);
    let test = &stage.test;

    let error = test.qemu_img(["info", "a b"]).unwrap_err();
    let expected =
        "qemu-img received signal 8 (SIGFPE): DIR/fake-qemu-img info 'a b'\nits output:\n    about to crash";
    assert_eq!(stage.text(&error), expected);
    assert!(!error.is_failure());
    // Whatever the case thinks of exit statuses, a crash is one.
    let crashes = [
        test.qemu_img(["info"]).unchecked().err(),
        test.qemu_img_log(["info"]).err(),
        test.qemu_img_json(["info"]).err(),
        test.img_info_log("x").err(),
        test.compare_images("x", "y").err(),
        test.qemu_io(["x"]).unchecked().err(),
        test.qemu_io_log(["x"]).err(),
        test.qemu_io_check(["x"]).err(),
    ];
    for error in crashes {
        let error = error.unwrap();
        assert!(
            matches!(&error, Error::Crash { output, .. } if output.status == Status::Signalled(8)),
            "{error}"
        );
    }
    let error = test.qemu_io_interactive(["x"]).unwrap_err().to_string();
    assert!(error.starts_with("qemu-io failed to start: signal 8 (SIGFPE)\ncommand: "), "{error}");
    assert!(error.ends_with("its output:\n    about to crash"), "{error}");
    assert_eq!(stage.late(), [""; 0]);
}

fn ends_are_reported_by_number_and_name() {
    let shown = |status: Status| status.to_string();
    assert_eq!(shown(Status::Exited(3)), "exit status 3");
    assert_eq!(shown(Status::Signalled(11)), "signal 11 (SIGSEGV)");
    assert_eq!(shown(Status::Signalled(40)), "signal 40");
    let counted = |status: Status| (status.code(), status.signal(), status.returncode(), status.success());
    assert_eq!(counted(Status::Exited(0)), (Some(0), None, 0, true));
    assert_eq!(counted(Status::Exited(1)), (Some(1), None, 1, false));
    assert_eq!(counted(Status::Signalled(9)), (None, Some(9), -9, false));
}

// ---- the death of the harness ------------------------------------------------------------------

/// Starts children as a harness does, prints their pids and its directories and waits to be killed.
fn play_harness() -> ExitCode {
    let base = std::env::current_dir().unwrap();
    let run = RunDir::create(&base, &base).unwrap();
    fs::write(run.trial().unwrap().file("image"), "x").unwrap();
    let registry = Registry::new();
    let stubborn = "trap '' TERM INT HUP; sleep 1000 & echo $!; wait";
    let (first, _) = start(sh("echo; exec sleep 1000"), &registry);
    let (second, grandchild) = start(sh(stubborn), &registry);
    println!("{} {} {grandchild}", first.pid(), second.pid());
    loop {
        std::thread::park();
    }
}

fn nothing_outlives_a_killed_harness() {
    let dir = tempfile::tempdir().unwrap();
    let work = tempfile::tempdir().unwrap();
    let cmd = Cmd::new(alias(dir.path(), FAKE_HARNESS)).current_dir(work.path());
    let (mut harness, pids) = start(cmd, &Registry::new());
    let pids: Vec<i32> = pids.split(' ').map(|pid| pid.parse().unwrap()).collect();
    assert_eq!(pids.len(), 3);
    assert!(work.path().read_dir().unwrap().next().is_some());
    let gone = Inotify::init(InitFlags::IN_CLOEXEC).unwrap();
    gone.add_watch(work.path(), AddWatchFlags::IN_DELETE).unwrap();
    // Not through the group: the children have groups of their own.
    harness.signal(Signal::SIGKILL).unwrap();
    assert_eq!(harness.wait(ample()).unwrap(), Status::Signalled(9));
    assert!(pids.into_iter().all(is_gone));
    while work.path().read_dir().unwrap().next().is_some() {
        assert_eq!(ample().wait_readable([std::os::fd::AsFd::as_fd(&gone)]), Ok([true]));
        gone.read_events().unwrap();
    }
}

fn children_die_with_the_thread_that_started_them() {
    let registry = Registry::new();
    let starter = registry;
    let thread = std::thread::spawn(move || start(sh("echo; exec sleep 1000"), &starter).0);
    let mut child = thread.join().unwrap();
    assert_eq!(child.wait(ample()).unwrap(), Status::Signalled(9));
}

fn a_registry_knows_what_is_alive_and_ends_it() {
    let run = Registry::new();
    let (trial, other) = (run.child(), run.child());
    let (mut first, _) = start(sh("echo; exec sleep 1000"), &trial);
    let (mut second, _) = start(sh("echo; exec sleep 1000"), &other);
    trial.kill_all();
    assert_eq!(first.wait(ample()).unwrap(), Status::Signalled(9));
    assert_eq!(second.try_status().unwrap(), None);
    assert_eq!((run.is_empty(), trial.is_empty(), other.is_empty()), (false, true, false));
    run.kill_all();
    assert_eq!(second.wait(ample()).unwrap(), Status::Signalled(9));
    assert!(run.is_empty());
}

fn what_starts_after_all_was_killed_is_killed_at_once() {
    let run = Registry::new();
    let (trial, other) = (run.child(), run.child());
    trial.kill_all();
    assert_eq!((run.is_closed(), trial.is_closed(), other.is_closed()), (false, true, false));
    let late = sh("exec sleep 1000").spawn(Stream::Null, Stream::Null, Stream::Null, &trial);
    assert_eq!(late.unwrap().wait(ample()).unwrap(), Status::Signalled(9));
    let (mut lives, _) = start(sh("echo; exec sleep 1000"), &other);
    assert_eq!(lives.try_status().unwrap(), None);
    run.kill_all();
    assert!(other.is_closed());
    let late = sh("exec sleep 1000").spawn(Stream::Null, Stream::Null, Stream::Null, &other);
    assert_eq!(late.unwrap().wait(ample()).unwrap(), Status::Signalled(9));
    assert_eq!(lives.wait(ample()).unwrap(), Status::Signalled(9));
    assert!(run.is_empty());
}

// ---- pid files ---------------------------------------------------------------------------------

/// What becomes of a pid file that a shell script, which gets its path as `$1`, may write.
fn watch(script: &str, deadline: Deadline) -> (Result<Ready, Error>, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pid");
    let watch = PidFileWatch::new(&path).unwrap();
    let cmd = sh(script).arg("sh").arg(&path);
    let mut child = cmd.spawn(Stream::Null, Stream::Null, Stream::Null, &Registry::new()).unwrap();
    (watch.wait(&mut child, deadline), path)
}

fn a_pid_file_counts_once_it_is_complete() {
    let script = r#"echo noise >"$1.other"; printf 12 >"$1"; sleep 0.1; echo 34 >>"$1"; sleep 1000"#;
    assert_eq!(watch(script, ample()).0.unwrap(), Ready::File("1234\n".into()));
    let renamed = r#"echo 5 >"$1.new"; mv "$1.new" "$1"; sleep 1000"#;
    assert_eq!(watch(renamed, ample()).0.unwrap(), Ready::File("5\n".into()));
}

fn a_daemon_that_ends_before_its_pid_file_is_reported() {
    assert_eq!(watch("exit 9", ample()).0.unwrap(), Ready::Ended(Status::Exited(9)));
    assert_eq!(watch(r#"printf 12 >"$1"; exit 8"#, ample()).0.unwrap(), Ready::Ended(Status::Exited(8)));
}

fn a_pid_file_that_never_comes_times_out() {
    let (result, path) = watch("sleep 1000", short());
    let expected = format!(
        "timed out waiting for /bin/sh -c 'sleep 1000' sh {0} to write its pid file {0}",
        path.display()
    );
    assert_eq!(text(&result.unwrap_err()), expected);
}

fn a_pid_file_that_is_there_already_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), "1\n").unwrap();
    let expected =
        format!("pid file {} exists: another server of the same name is running", file.path().display());
    assert_eq!(PidFileWatch::new(file.path()).unwrap_err().to_string(), expected);
}
