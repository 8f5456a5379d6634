//! Everything that can go wrong with a QEMU, played by a fake: each ends in time, with an error that
//! says what happened, and leaves no process behind.
#![expect(clippy::unwrap_used, reason = "a broken fixture should fail loudly")]

mod fake;
#[path = "../support/stage.rs"]
mod stage;
#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use iotests::error::{Error, Result};
use iotests::prelude::*;
use libtest_mimic::{Arguments, Trial};
use nix::sys::signal::Signal;
use stage::{AMPLE, Stage};
use support::is_gone;

/// Of the library's own limits: 1.5 s for a launch, 3 s for a shutdown, 0.5 s for last words.
const SCALE: &str = "0.1";
/// For the trials that have to run into their own limit.
const TRIAL_LIMIT: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    let mut args = std::env::args();
    let program = PathBuf::from(args.next().unwrap());
    if program.file_name().is_some_and(|name| name.to_string_lossy().starts_with(fake::PREFIX)) {
        fake::play(&program, &args.collect::<Vec<_>>());
    }
    libtest_mimic::run(&Arguments::from_args(), trials()).exit_code()
}

macro_rules! trials {
    ($($name:ident),* $(,)?) => {
        fn trials() -> Vec<Trial> {
            vec![$(Trial::test(stringify!($name), || { $name(); Ok(()) })),*]
        }
    };
}

trials![
    a_message_on_stderr_reaches_the_failure,
    an_early_exit_without_a_word_is_told,
    one_that_never_greets_times_out,
    one_that_greets_and_dies_is_told,
    a_greeting_of_garbage_is_told,
    a_refused_handshake_is_told,
    a_flood_instead_of_the_handshake_times_out,
    a_monitor_closed_at_once_is_told,
    a_heir_that_holds_the_monitor_does_not_hide_the_death,
    death_in_mid_reply_is_a_crash_with_what_it_said,
    a_death_is_told_once,
    an_answer_of_garbage_is_told,
    a_flood_of_events_meets_the_deadline,
    a_command_without_an_answer_meets_the_deadline,
    a_closed_monitor_is_told_and_the_process_ended,
    an_unasked_exit_fails_even_with_status_0,
    an_expected_exit_is_fine,
    one_that_ignores_quit_is_killed,
    one_that_never_answers_quit_is_killed,
    one_that_closes_at_quit_is_killed,
    a_crash_at_quit_is_told,
    a_bad_status_at_quit_is_told_unless_it_may_be,
    one_that_goes_before_its_answer_to_quit_is_fine,
    one_that_ignores_sigterm_is_killed_with_its_children,
    what_is_dropped_is_shut_down_and_judged,
    a_signal_of_the_case_is_no_crash,
    one_that_is_killed_is_no_failure,
    a_panic_leaves_nothing_behind,
    arguments_come_in_the_order_of_the_calls,
    drives_are_written_as_the_seed_writes_them,
    a_luks_drive_gets_the_default_secret_once,
    qtest_commands_are_answered_or_told,
    without_qtest_its_commands_skip,
    a_registry_ends_what_hangs,
];

/// A trial whose QEMU has one fault.
struct Scene {
    stage: Stage,
    program: PathBuf,
}

impl Scene {
    fn new(fault: &str) -> Self {
        Self::with_limit(fault, AMPLE)
    }

    fn with_limit(fault: &str, limit: Duration) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join(format!("{}{fault}", fake::PREFIX));
        symlink(std::env::current_exe().unwrap(), &program).unwrap();
        let vars = [("QEMU_PROG", program.as_path()), ("IOTESTS_TIMEOUT_SCALE", SCALE.as_ref())];
        Self { stage: Stage::in_dir(dir, "raw", &vars, limit), program }
    }

    fn test(&self) -> &Test {
        &self.stage.test
    }

    fn launch(&self) -> Result<Vm> {
        self.test().vm().launch()
    }

    fn launched(&self) -> Vm {
        self.launch().unwrap()
    }

    /// The error of a launch.
    fn refusal(&self) -> String {
        self.text(&self.launch().unwrap_err())
    }

    /// The message with what differs from run to run replaced.
    fn text(&self, error: &Error) -> String {
        shorten(&self.stage.text(error))
    }

    /// What destructors found.
    fn late(&self) -> Vec<String> {
        self.stage.late().iter().map(|text| shorten(text)).collect()
    }

    /// Every process that the fake was; there must have been `count`, and all must be gone.
    #[track_caller]
    fn assert_gone(self, count: usize) {
        assert!(self.test().context().registry().is_empty(), "a group is still registered");
        assert_eq!(self.late(), [""; 0]);
        let pids = fs::read_to_string(self.program.with_extension("pids")).unwrap();
        assert_eq!(pids.lines().count(), count, "processes started");
        for pid in pids.lines() {
            assert!(is_gone(pid.parse().unwrap()), "process {pid} is left");
        }
    }
}

/// Without the arguments of the fake.
fn shorten(text: &str) -> String {
    let lines = text.lines().map(|line| match line.split_once(" -display none ") {
        Some((before, _)) => {
            let (before, _) = before.split_once(&format!("DIR/{}", fake::PREFIX)).unwrap();
            format!("{before}QEMU_PROG …")
        }
        None => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[track_caller]
fn assert_timeout(error: &Error) {
    assert!(matches!(error, Error::Timeout { .. }), "{error:?}");
}

// ---- before the monitor is negotiated ----------------------------------------------------------

fn a_message_on_stderr_reaches_the_failure() {
    let scene = Scene::new("exits-at-once");
    assert_eq!(
        scene.refusal(),
        "QEMU failed to start: exit status 1\n\
         command: QEMU_PROG …\n\
         its output:\n    fake: the disk is on fire"
    );
    scene.assert_gone(1);
}

fn an_early_exit_without_a_word_is_told() {
    let scene = Scene::new("exits-well-at-once");
    assert_eq!(scene.refusal(), "QEMU failed to start: exit status 0\ncommand: QEMU_PROG …");
    scene.assert_gone(1);
}

fn one_that_never_greets_times_out() {
    let scene = Scene::new("never-greets");
    assert_eq!(scene.refusal(), "timed out waiting for the monitor's greeting (killed now): QEMU_PROG …");
    scene.assert_gone(1);
}

fn one_that_greets_and_dies_is_told() {
    let scene = Scene::new("greets-and-dies");
    let text = scene.refusal();
    assert!(
        text.starts_with("QEMU failed to start: exit status 3\ncommand: QEMU_PROG …\nits monitor:\n"),
        "{text}"
    );
    assert!(
        text.contains("\n    closed the monitor before the reply to qmp_capabilities\n    <- {\"QMP\""),
        "{text}"
    );
    assert!(text.ends_with("its output:\n    fake: the disk is on fire"), "{text}");
    scene.assert_gone(1);
}

fn a_greeting_of_garbage_is_told() {
    let scene = Scene::new("greets-with-garbage");
    assert_eq!(
        scene.refusal(),
        "QEMU sent a line that is not JSON (expected value at line 1 column 1) (killed now): QEMU_PROG …\n\
         last messages:\n    <- Segmentation fault (not really)"
    );
    scene.assert_gone(1);
}

fn a_refused_handshake_is_told() {
    let scene = Scene::new("refuses-capabilities");
    assert_eq!(scene.refusal(), "QMP command qmp_capabilities failed: no (GenericError)");
    scene.assert_gone(1);
}

fn a_flood_instead_of_the_handshake_times_out() {
    let scene = Scene::new("floods-at-once");
    let text = scene.refusal();
    assert!(
        text.starts_with(
            "timed out waiting for the reply to qmp_capabilities (killed now): QEMU_PROG …\nlast seen:\n"
        ),
        "{text}"
    );
    scene.assert_gone(1);
}

fn a_monitor_closed_at_once_is_told() {
    let scene = Scene::new("closes-at-once");
    assert_eq!(scene.refusal(), "QEMU closed the monitor before its greeting (killed now): QEMU_PROG …");
    scene.assert_gone(1);
}

fn a_heir_that_holds_the_monitor_does_not_hide_the_death() {
    let scene = Scene::new("leaves-a-heir");
    let text = scene.refusal();
    assert!(text.starts_with("QEMU failed to start: exit status 1\n"), "{text}");
    assert!(text.ends_with("    fake: the disk is on fire"), "{text}");
    scene.assert_gone(2);
}

// ---- while it runs -----------------------------------------------------------------------------

fn death_in_mid_reply_is_a_crash_with_what_it_said() {
    let scene = Scene::new("dies-in-mid-reply");
    let mut vm = scene.launched();
    let error = vm.qmp("query-status", ()).unwrap_err();
    let text = scene.text(&error);
    assert!(text.starts_with("QEMU ended unexpectedly: signal 6 (SIGABRT)\ncommand: QEMU_PROG …\nits monitor:\n    closed the monitor in the middle of a message, before the reply to query-status\n"), "{text}");
    assert!(
        text.contains("\n    <- {\"return\": {\"run\nits output:\n    fake: the disk is on fire"),
        "{text}"
    );
    drop(vm);
    scene.assert_gone(1);
}

fn a_death_is_told_once() {
    let scene = Scene::new("dies-in-mid-reply");
    let mut vm = scene.launched();
    assert!(matches!(vm.qmp("query-status", ()), Err(Error::Died { .. })));
    // A case that goes on is told again; its end is not.
    assert!(matches!(vm.qmp("query-status", ()), Err(Error::Died { .. })));
    assert!(!vm.is_running());
    assert_eq!(vm.exit_status().map(Status::returncode), Some(-6));
    assert!(matches!(vm.event_wait("STOP"), Err(Error::Died { .. })));
    drop(vm);
    scene.assert_gone(1);
}

fn an_answer_of_garbage_is_told() {
    let scene = Scene::new("answers-garbage");
    let mut vm = scene.launched();
    let text = scene.text(&vm.qmp("query-status", ()).unwrap_err());
    assert!(
        text.starts_with(
            "QEMU sent a line that is not JSON (expected value at line 1 column 1)\nlast messages:\n"
        ),
        "{text}"
    );
    assert!(text.ends_with("    <- \u{fffd}garbage"), "{text}");
    // It still listens.
    vm.shutdown().unwrap();
    scene.assert_gone(1);
}

fn a_flood_of_events_meets_the_deadline() {
    let scene = Scene::with_limit("floods", TRIAL_LIMIT);
    let mut vm = scene.launched();
    let error = vm.qmp("query-status", ()).unwrap_err();
    assert_timeout(&error);
    assert!(scene.text(&error).starts_with("timed out waiting for the reply to query-status\n"), "{error}");
    drop(vm);
    scene.assert_gone(1);
}

fn a_command_without_an_answer_meets_the_deadline() {
    let scene = Scene::with_limit("never-answers", TRIAL_LIMIT);
    let mut vm = scene.launched();
    let error = vm.qmp("query-status", ()).unwrap_err();
    assert_timeout(&error);
    let text = scene.text(&error);
    assert!(text.starts_with("timed out waiting for the reply to query-status\nlast seen:\n"), "{text}");
    assert!(text.ends_with("    -> {\"execute\":\"query-status\",\"id\":1}"), "{text}");
    drop(vm);
    scene.assert_gone(1);
}

fn a_closed_monitor_is_told_and_the_process_ended() {
    let scene = Scene::new("closes");
    let mut vm = scene.launched();
    let text = scene.text(&vm.qmp("query-status", ()).unwrap_err());
    assert!(
        text.starts_with("QEMU closed the monitor before the reply to query-status\nlast messages:\n"),
        "{text}"
    );
    assert!(vm.is_running());
    let text = scene.text(&vm.shutdown().unwrap_err());
    assert!(text.starts_with("QEMU closed the monitor before quit could be sent (Broken pipe (os error 32)) (killed now): QEMU_PROG …\n"), "{text}");
    scene.assert_gone(1);
}

fn an_unasked_exit_fails_even_with_status_0() {
    let scene = Scene::new("exits-unasked");
    let mut vm = scene.launched();
    assert!(matches!(vm.qmp("query-status", ()), Err(Error::Died { status, .. }) if status.success()));
    let text = scene.text(&vm.shutdown().unwrap_err());
    assert!(text.starts_with("QEMU ended unexpectedly: exit status 0\ncommand: QEMU_PROG …\n"), "{text}");
    vm.shutdown().unwrap();
    scene.assert_gone(1);
}

fn an_expected_exit_is_fine() {
    let scene = Scene::new("exits-unasked");
    let mut vm = scene.launched();
    assert!(vm.qmp("query-status", ()).is_err());
    assert_eq!(vm.wait_exit().unwrap(), Status::Exited(0));
    scene.assert_gone(1);
}

// ---- its end -----------------------------------------------------------------------------------

fn one_that_ignores_quit_is_killed() {
    let scene = Scene::new("ignores-quit");
    let mut vm = scene.launched();
    let error = vm.shutdown().unwrap_err();
    assert_timeout(&error);
    let text = scene.text(&error);
    assert!(
        text.starts_with(
            "timed out waiting for QEMU to end after quit (killed now): QEMU_PROG …\nlast seen:\n"
        ),
        "{text}"
    );
    assert!(
        text.ends_with("    -> {\"execute\":\"quit\",\"id\":1}\n    <- {\"return\":{},\"id\":1}"),
        "{text}"
    );
    assert_eq!(vm.exit_status(), Some(Status::Signalled(9)));
    scene.assert_gone(1);
}

fn one_that_never_answers_quit_is_killed() {
    let scene = Scene::new("never-answers-quit");
    let mut vm = scene.launched();
    let text = scene.text(&vm.shutdown().unwrap_err());
    assert!(
        text.starts_with("timed out waiting for the reply to quit (killed now): QEMU_PROG …\n"),
        "{text}"
    );
    scene.assert_gone(1);
}

fn one_that_closes_at_quit_is_killed() {
    let scene = Scene::new("closes-at-quit");
    let mut vm = scene.launched();
    let text = scene.text(&vm.shutdown().unwrap_err());
    assert!(
        text.starts_with("QEMU closed the monitor before the reply to quit (killed now): QEMU_PROG …\n"),
        "{text}"
    );
    scene.assert_gone(1);
}

fn a_crash_at_quit_is_told() {
    let scene = Scene::new("crashes-at-quit");
    let mut vm = scene.launched();
    let text = scene.text(&vm.shutdown().unwrap_err());
    assert!(text.starts_with("QEMU ended unexpectedly: signal 8 (SIGFPE)\ncommand: QEMU_PROG …\n"), "{text}");
    scene.assert_gone(1);
}

fn a_bad_status_at_quit_is_told_unless_it_may_be() {
    let scene = Scene::new("fails-at-quit");
    let text = scene.text(&scene.launched().shutdown().unwrap_err());
    assert!(text.starts_with("QEMU ended unexpectedly: exit status 7\ncommand: QEMU_PROG …\n"), "{text}");
    assert!(text.ends_with("its output:\n    fake: the disk is on fire"), "{text}");
    let mut vm = scene.test().vm().may_fail().launch().unwrap();
    vm.shutdown().unwrap();
    assert_eq!(vm.exit_status(), Some(Status::Exited(7)));
    assert_eq!(vm.get_log().unwrap().trim_end(), fake::LAST_WORDS);
    scene.assert_gone(2);
}

fn one_that_goes_before_its_answer_to_quit_is_fine() {
    let scene = Scene::new("goes-before-its-answer");
    scene.launched().shutdown().unwrap();
    let mut vm = scene.launched();
    assert_eq!(vm.qmp("quit", ()).unwrap(), json!({ "return": {} }));
    assert_eq!(vm.wait_exit().unwrap(), Status::Exited(0));
    scene.assert_gone(2);
}

fn one_that_ignores_sigterm_is_killed_with_its_children() {
    let scene = Scene::new("ignores-sigterm");
    let mut vm = scene.launched();
    vm.signal(Signal::SIGTERM).unwrap();
    let text = scene.text(&vm.wait_exit().unwrap_err());
    assert!(
        text.starts_with("timed out waiting for QEMU to end by itself (killed now): QEMU_PROG …\n"),
        "{text}"
    );
    scene.assert_gone(2);
}

fn what_is_dropped_is_shut_down_and_judged() {
    let scene = Scene::new("crashes-at-quit");
    drop(scene.launched());
    let late = scene.late();
    assert_eq!(late.len(), 1);
    assert!(late[0].starts_with("QEMU ended unexpectedly: signal 8 (SIGFPE)\n"), "{}", late[0]);
    scene.assert_gone(1);
}

fn a_signal_of_the_case_is_no_crash() {
    let scene = Scene::new("none");
    let mut vm = scene.launched();
    vm.signal(Signal::SIGUSR1).unwrap();
    assert_eq!(vm.wait_exit().unwrap(), Status::Signalled(Signal::SIGUSR1 as i32));
    scene.assert_gone(1);
}

fn one_that_is_killed_is_no_failure() {
    let scene = Scene::new("ignores-sigterm");
    let mut vm = scene.launched();
    vm.kill().unwrap();
    assert_eq!(vm.exit_status(), Some(Status::Signalled(9)));
    vm.shutdown().unwrap();
    scene.assert_gone(2);
}

fn a_panic_leaves_nothing_behind() {
    let scene = Scene::new("ignores-sigterm");
    let test = scene.test().clone();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        let _vm = test.vm().launch().unwrap();
        std::panic::resume_unwind(Box::new("the case"));
    }));
    assert!(panicked.is_err());
    scene.assert_gone(2);
}

fn a_registry_ends_what_hangs() {
    let scene = Scene::new("never-answers");
    let registry = scene.test().context().registry().clone();
    let mut vm = scene.launched();
    let error = std::thread::scope(|scope| {
        // As a harness does whose trial is out of time.
        let watchdog = scope.spawn(move || {
            assert!(!registry.is_empty());
            registry.kill_all();
        });
        let error = vm.qmp("query-status", ()).unwrap_err();
        watchdog.join().unwrap();
        error
    });
    assert!(matches!(error, Error::Died { status: Status::Signalled(9), .. }), "{error:?}");
    drop(vm);
    scene.assert_gone(1);
}

// ---- its arguments -----------------------------------------------------------------------------

/// The arguments of the case itself, after those of the harness.
fn own_arguments(builder: iotests::vm::VmBuilder) -> String {
    let mut vm = builder.launch().unwrap();
    let line = vm.command().unwrap().to_owned();
    vm.shutdown().unwrap();
    let (before, own) = line.split_once(" -accel tcg -nodefaults -display none").unwrap();
    let expected = "-display none -vga none -chardev 'socket,id=mon,fd=";
    assert_eq!(before.split_once(' ').unwrap().1.split_at(expected.len()).0, expected);
    own.trim().to_owned()
}

fn arguments_come_in_the_order_of_the_calls() {
    let scene = Scene::new("none");
    let builder = scene.test().vm().device("d").object("o").drive_raw("r").blockdev("driver=a");
    let builder = builder.blockdev(["driver=b", "node-name=c"]).blockdev(json!({ "driver": "e" }));
    let builder = builder.incoming("defer").arg("-x").args(["-y", "z"]).paused().monitor_null();
    assert_eq!(
        own_arguments(builder),
        "-device d -object o -drive r -blockdev 'driver=a' -blockdev 'driver=b,node-name=c' \
         -blockdev '{\"driver\":\"e\"}' -incoming defer -x -y z -S -monitor null"
    );
    scene.assert_gone(1);
}

fn drives_are_written_as_the_seed_writes_them() {
    let scene = Scene::new("none");
    let builder = scene.test().vm().drive("a").drive_raw("if=none,id=x").drive_with(Drive::empty());
    let builder = builder.drive_with(Drive::new("b").interface("none").format("qcow2").options("x=1,y=2"));
    let mut vm = builder.build();
    // Numbers go on after a shutdown.
    vm.launch().unwrap();
    vm.shutdown().unwrap();
    vm.configure(|builder| builder.drive("c"));
    vm.launch().unwrap();
    let line = vm.command().unwrap().to_owned();
    let drives: Vec<_> = line.split(" -drive ").skip(1).collect();
    assert_eq!(
        drives,
        [
            "'if=virtio,id=drive0,file=a,format=raw,cache=writeback,aio=threads'",
            "'if=none,id=x'",
            "'if=virtio,id=drive1'",
            "'if=none,id=drive2,file=b,format=qcow2,cache=writeback,aio=threads,x=1,y=2'",
            "'if=virtio,id=drive3,file=c,format=raw,cache=writeback,aio=threads'"
        ]
    );
    vm.shutdown().unwrap();
    scene.assert_gone(2);
}

fn a_luks_drive_gets_the_default_secret_once() {
    let scene = Scene::new("none");
    let luks = |path: &str| Drive::new(path).format("luks");
    let builder = scene.test().vm().drive_with(luks("a")).drive_with(luks("b"));
    assert_eq!(
        own_arguments(builder.drive_with(luks("c").options("key-secret=mine"))),
        "-object 'secret,id=keysec0,data=' \
         -drive 'if=virtio,id=drive0,file=a,format=luks,cache=writeback,aio=threads,key-secret=keysec0' \
         -drive 'if=virtio,id=drive1,file=b,format=luks,cache=writeback,aio=threads,key-secret=keysec0' \
         -drive 'if=virtio,id=drive2,file=c,format=luks,cache=writeback,aio=threads,key-secret=mine'"
    );
    scene.assert_gone(1);
}

// ---- qtest -------------------------------------------------------------------------------------

fn qtest_commands_are_answered_or_told() {
    let scene = Scene::with_limit("qtest", TRIAL_LIMIT);
    let mut vm = scene.launched();
    let line = vm.command().unwrap();
    assert!(line.contains(" -qtest chardev:qtest -qtest-log none -accel qtest -nodefaults"), "{line}");
    assert!(!line.contains("-bios"), "{line}");
    vm.cmd("start", ()).unwrap();
    assert_eq!(vm.qtest("clock_step 100").unwrap(), "OK 100\n");
    // What came with the last answer belongs to this one.
    let error = vm.clock_step(None).unwrap_err();
    assert_eq!(error.to_string(), "qtest command clock_step was answered: left over\n");
    let error = vm.qtest("nothing").unwrap_err();
    assert_timeout(&error);
    assert_eq!(scene.text(&error), "timed out waiting for the answer to qtest command nothing");
    drop(vm);

    let mut vm = Scene::new("qtest").launched();
    vm.cmd("start", ()).unwrap();
    let error = vm.qtest("bye").unwrap_err();
    assert_eq!(error.to_string(), "QEMU closed the qtest connection instead of answering bye");
    scene.assert_gone(1);
}

fn without_qtest_its_commands_skip() {
    let scene = Scene::new("none");
    let mut vm = scene.launched();
    let error = vm.clock_step(Some(100)).unwrap_err();
    assert!(matches!(error, Error::Skip(_)), "{error:?}");
    assert_eq!(error.to_string(), "skipped: needs QEMU's qtest accelerator, which this binary lacks");
    vm.shutdown().unwrap();
    scene.assert_gone(1);
}
