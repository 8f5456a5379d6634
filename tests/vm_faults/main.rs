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
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use iotests::error::{Error, Result};
use iotests::prelude::*;
use iotests::suite::verdict;
use libtest_mimic::{Arguments, Trial};
use nix::sys::signal::Signal;
use stage::{AMPLE, Stage};
use support::is_gone;

/// Of all limits in a scene that has to wait one of them out.
const SCALE: f64 = 0.1;
/// The library's own, scaled so.
const LAUNCH_LIMIT: Duration = Duration::from_millis(1500);
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(3);
/// For the trials that have to run into their own limit.
const TRIAL_LIMIT: Duration = Duration::from_secs(2);
/// How much longer than its limit a wait may take on a busy machine. A scene that hangs until the
/// trial itself is out of time, after [`AMPLE`], takes longer than the longest limit and this.
const SLACK: Duration = Duration::from_secs(60);
/// What [`about_time`] multiplies its limits by in the end.
const PATIENCE: u32 = 10;

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
    an_early_exit_without_a_word_is_reported,
    one_that_never_greets_times_out,
    one_that_greets_and_dies_is_reported,
    a_greeting_of_garbage_is_reported,
    a_refused_handshake_is_reported,
    a_flood_instead_of_the_handshake_is_refused,
    a_monitor_closed_at_once_is_reported,
    a_heir_that_holds_the_monitor_does_not_hide_the_death,
    death_in_mid_reply_is_a_crash_with_what_it_said,
    a_death_is_reported_once,
    an_answer_of_garbage_is_reported,
    a_flood_of_events_is_refused,
    a_flood_on_stderr_is_reported_in_part,
    a_command_without_an_answer_meets_the_deadline,
    a_pause_reported_before_the_answer_is_seen,
    a_job_status_that_is_not_known_is_an_error,
    a_run_state_that_takes_its_time_is_not_hammered_for,
    a_wait_without_events_shows_what_was_said,
    a_closed_monitor_is_reported_and_the_process_ended,
    an_unasked_exit_fails_even_with_status_0,
    an_expected_exit_is_fine,
    one_that_ignores_quit_is_killed,
    one_that_never_answers_quit_is_killed,
    one_that_closes_at_quit_is_killed,
    a_crash_at_quit_is_reported,
    a_bad_status_at_quit_is_reported_unless_it_may_be,
    one_that_goes_before_its_answer_to_quit_is_fine,
    one_that_ignores_sigterm_is_killed_with_its_children,
    what_is_dropped_is_shut_down_and_judged,
    a_signal_of_the_case_is_no_crash,
    one_that_is_killed_is_no_failure,
    one_that_had_died_before_it_is_killed_is_a_failure,
    a_crash_while_it_starts_is_a_failure,
    after_a_quit_nothing_is_unexpected,
    a_panic_leaves_nothing_behind,
    arguments_come_in_the_order_of_the_calls,
    drives_are_written_as_iotests_py_writes_them,
    a_luks_drive_gets_the_default_secret_once,
    qtest_commands_are_answered_or_reported,
    a_qtest_connection_that_closes_is_reported,
    a_qtest_command_without_an_answer_times_out,
    a_qtest_that_does_not_listen_times_out,
    a_death_at_a_qtest_command_is_a_death,
    without_qtest_its_commands_skip,
    a_test_that_needs_qtest_is_skipped_with_the_true_reason,
    a_registry_ends_what_hangs,
];

/// A trial whose QEMU has one fault.
struct Scene {
    stage: Stage,
    program: PathBuf,
    started: Instant,
}

impl Scene {
    fn new(fault: &str) -> Self {
        Self::with_limit(fault, AMPLE)
    }

    fn with_limit(fault: &str, limit: Duration) -> Self {
        Self::with_variables(fault, limit, &[])
    }

    /// One whose limits, but for the trial's own, are so short that one of them is soon waited out.
    fn hasty(fault: &str, patience: u32) -> Self {
        let scale = SCALE * f64::from(patience);
        Self::with_variables(fault, AMPLE.div_f64(scale), &[("IOTESTS_TIMEOUT_SCALE", &scale.to_string())])
    }

    /// One whose trial is soon over.
    fn short(fault: &str, patience: u32) -> Self {
        Self::with_limit(fault, TRIAL_LIMIT * patience)
    }

    /// `limit` is the trial's, before it is scaled.
    fn with_variables(fault: &str, limit: Duration, more: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join(format!("{}{fault}", fake::PREFIX));
        symlink(std::env::current_exe().unwrap(), &program).unwrap();
        let mut vars = vec![("QEMU_PROG", program.as_path())];
        vars.extend(more.iter().map(|(name, value)| (*name, Path::new(value))));
        Self { stage: Stage::in_dir(dir, "raw", &vars, limit), program, started: Instant::now() }
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

    /// Demands that a crash, and nothing else, was noted, which fails the trial.
    #[track_caller]
    fn assert_crashed(&self, how: &str) {
        let late = self.late();
        assert_eq!(late.len(), 1, "{late:?}");
        assert!(late[0].starts_with(&format!("QEMU ended unexpectedly: {how}\n")), "{}", late[0]);
    }

    /// Every process that the fake was; there must have been `count`, and all must be gone, in time.
    #[track_caller]
    fn assert_gone(self, count: usize) {
        let elapsed = self.started.elapsed();
        assert!(elapsed < SHUTDOWN_LIMIT * PATIENCE + SLACK, "it took {elapsed:?}");
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

/// The error that is a scene's subject; `None` if the step before it ran into the limit.
fn error_in_time<T: std::fmt::Debug>(result: Result<T>) -> Option<Error> {
    Some(result.unwrap_err()).filter(|error| !matches!(error, Error::Timeout { .. }))
}

/// Demands a time-out after this limit, and not much later.
#[track_caller]
fn assert_timeout(error: &Error, limit: Duration) {
    let in_time = |after: Duration| (limit..limit + SLACK).contains(&after);
    assert!(matches!(error, Error::Timeout { after, .. } if in_time(*after)), "{error:?}");
}

/// Plays a scene that has to wait for a limit with short ones; and with long ones if it returns `None`,
/// because it ran into a limit before it came to its subject, as on a slow machine.
fn about_time(play: impl Fn(u32) -> Option<()>) {
    let played = [1, PATIENCE].into_iter().any(|patience| play(patience).is_some());
    assert!(played, "even with long limits it does not come to its subject");
}

/// What a step before the subject returned; `None` if it ran into the limit.
fn in_time<T>(result: Result<T>) -> Option<T> {
    match result {
        Err(Error::Timeout { .. }) => None,
        result => Some(result.unwrap()),
    }
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

fn an_early_exit_without_a_word_is_reported() {
    let scene = Scene::new("exits-well-at-once");
    assert_eq!(scene.refusal(), "QEMU failed to start: exit status 0\ncommand: QEMU_PROG …");
    scene.assert_gone(1);
}

fn one_that_never_greets_times_out() {
    about_time(|patience| {
        let scene = Scene::hasty("never-greets", patience);
        let mut vm = scene.test().vm().build();
        // What an earlier launch left to ask about is not reported for this one.
        for _ in 0..2 {
            let error = vm.launch().unwrap_err();
            assert_timeout(&error, LAUNCH_LIMIT * patience);
            if vm.get_log().unwrap().is_empty() {
                return None;
            }
            let expected = "timed out waiting for the monitor's greeting (killed now): QEMU_PROG …\n\
                            last seen:\n    fake: thinking";
            assert_eq!(scene.text(&error), expected);
            assert_eq!(vm.exit_status(), Some(Status::Signalled(9)));
            assert_eq!(vm.get_log().unwrap(), "fake: thinking\n");
            assert!(vm.command().unwrap().contains(fake::PREFIX));
        }
        scene.assert_gone(2);
        Some(())
    });
}

fn one_that_greets_and_dies_is_reported() {
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

fn a_greeting_of_garbage_is_reported() {
    let scene = Scene::new("greets-with-garbage");
    assert_eq!(
        scene.refusal(),
        "QEMU sent a line that is not JSON (expected value at line 1 column 1) (killed now): QEMU_PROG …\n\
         last messages:\n    <- Segmentation fault (not really)"
    );
    scene.assert_gone(1);
}

fn a_refused_handshake_is_reported() {
    let scene = Scene::new("refuses-capabilities");
    let text = scene.refusal();
    let expected = "QEMU refused the handshake: QMP command qmp_capabilities failed: no (GenericError) \
                    (killed now): QEMU_PROG …\nlast messages:\n    <- {\"QMP\"";
    assert!(text.starts_with(expected), "{text}");
    assert!(text.ends_with("\n    fake: the disk is on fire"), "{text}");
    scene.assert_gone(1);
}

fn a_flood_instead_of_the_handshake_is_refused() {
    let scene = Scene::new("floods-at-once");
    let text = scene.refusal();
    assert!(
        text.starts_with(
            "QEMU sent more events than there is room for, and nobody asked for them (killed now): QEMU_PROG …\n\
             last messages:\n"
        ),
        "{text}"
    );
    scene.assert_gone(1);
}

fn a_monitor_closed_at_once_is_reported() {
    about_time(|patience| {
        let scene = Scene::hasty("closes-at-once", patience);
        let text = scene.text(&error_in_time(scene.launch())?);
        assert_eq!(text, "QEMU closed the monitor before its greeting (killed now): QEMU_PROG …");
        scene.assert_gone(1);
        Some(())
    });
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
    scene.assert_crashed("signal 6 (SIGABRT)");
    scene.assert_gone(1);
}

fn a_death_is_reported_once() {
    let scene = Scene::new("dies-in-mid-reply");
    let mut vm = scene.launched();
    assert!(matches!(vm.qmp("query-status", ()), Err(Error::Died { .. })));
    // A case that goes on gets the error again; the end is reported once.
    assert!(matches!(vm.qmp("query-status", ()), Err(Error::Died { .. })));
    assert!(!vm.is_running());
    assert_eq!(vm.exit_status().map(Status::returncode), Some(-6));
    assert!(matches!(vm.event_wait("STOP"), Err(Error::Died { .. })));
    drop(vm);
    scene.assert_crashed("signal 6 (SIGABRT)");
    scene.assert_gone(1);
}

fn an_answer_of_garbage_is_reported() {
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

fn a_flood_of_events_is_refused() {
    let scene = Scene::new("floods");
    let mut vm = scene.launched();
    let text = scene.text(&vm.qmp("query-status", ()).unwrap_err());
    assert!(text.starts_with("QEMU sent more events than there is room for, and nobody asked"), "{text}");
    vm.kill().unwrap();
    scene.assert_gone(1);
}

fn a_flood_on_stderr_is_reported_in_part() {
    let scene = Scene::new("floods-stderr");
    let mut vm = scene.launched();
    let error = vm.qmp("query-status", ()).unwrap_err();
    let text = scene.text(&error);
    assert!(text.starts_with("QEMU ended unexpectedly: exit status 1\n"), "{text}");
    assert!(text.ends_with("\n    fake: the disk is on fire"), "{text}");
    assert!(text.len() < 200_000, "{} bytes are shown", text.len());
    assert!(text.contains(" bytes before)\n"), "it says that there was more");
    assert_eq!(vm.get_log().unwrap().len(), fake::FLOOD + fake::LAST_WORDS.len() + 1);
    assert!(vm.shutdown().is_err());
    scene.assert_gone(1);
}

fn a_command_without_an_answer_meets_the_deadline() {
    about_time(|patience| {
        let scene = Scene::short("never-answers", patience);
        let mut vm = in_time(scene.launch())?;
        let error = vm.qmp("query-status", ()).unwrap_err();
        assert_timeout(&error, TRIAL_LIMIT * patience);
        let text = scene.text(&error);
        assert!(text.starts_with("timed out waiting for the reply to query-status\nlast seen:\n"), "{text}");
        assert!(text.ends_with("    -> {\"execute\":\"query-status\",\"id\":1}"), "{text}");
        drop(vm);
        scene.assert_gone(1);
        Some(())
    });
}

fn a_pause_reported_before_the_answer_is_seen() {
    // More than the three seconds that are usual, for a slow machine.
    let scene = Scene::with_variables(
        "pauses-while-it-answers",
        AMPLE / PATIENCE,
        &[("IOTESTS_TIMEOUT_SCALE", &PATIENCE.to_string())],
    );
    let mut vm = scene.launched();
    assert_eq!(vm.pause_wait("job0").unwrap()["status"], "paused");
    vm.shutdown().unwrap();
    vm.launch().unwrap();
    vm.job("job0").wait_paused().unwrap();
    assert_eq!(vm.job("job0").status().unwrap(), JobStatus::Paused);
    vm.shutdown().unwrap();
    scene.assert_gone(2);
}

fn a_job_status_that_is_not_known_is_an_error() {
    let scene = Scene::new("has-a-strange-job");
    let mut vm = scene.launched();
    let error = vm.job("job0").status().unwrap_err();
    assert!(!error.is_failure(), "{error}");
    let shown = error.to_string();
    let expected =
        "QEMU replied to query-jobs with a status that is not known: \"frozen\", expected one of created, ";
    assert!(shown.starts_with(expected), "{shown}");
    vm.shutdown().unwrap();
    scene.assert_gone(1);
}

fn a_run_state_that_takes_its_time_is_not_hammered_for() {
    let scene = Scene::new("migrates-slowly");
    let mut vm = scene.launched();
    vm.cmd("migrate", ()).unwrap();
    assert!(vm.wait_migration("postmigrate").unwrap());
    vm.shutdown().unwrap();
    let queries: u32 = vm.get_log().unwrap().parse().unwrap();
    assert!((2..100).contains(&queries), "{queries} queries in 0.2 s");
    scene.assert_gone(1);
}

fn a_wait_without_events_shows_what_was_said() {
    let scene = Scene::new("none");
    let mut vm = scene.launched();
    let limit = Duration::from_millis(20);
    let error = vm.get_qmp_events(Wait::For(limit)).unwrap_err();
    assert_timeout(&error, limit);
    let text = scene.text(&error);
    assert!(
        text.starts_with("timed out waiting for any event of QEMU\nlast seen:\n    <- {\"QMP\""),
        "{text}"
    );
    vm.shutdown().unwrap();
    scene.assert_gone(1);
}

fn a_closed_monitor_is_reported_and_the_process_ended() {
    about_time(|patience| {
        let scene = Scene::hasty("closes", patience);
        let mut vm = in_time(scene.launch())?;
        let text = scene.text(&error_in_time(vm.qmp("query-status", ()))?);
        assert!(
            text.starts_with("QEMU closed the monitor before the reply to query-status\nlast messages:\n"),
            "{text}"
        );
        assert!(vm.is_running());
        let text = scene.text(&vm.shutdown().unwrap_err());
        assert!(text.starts_with("QEMU closed the monitor before quit could be sent (Broken pipe (os error 32)) (killed now): QEMU_PROG …\n"), "{text}");
        scene.assert_gone(1);
        Some(())
    });
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
    about_time(|patience| {
        let scene = Scene::hasty("ignores-quit", patience);
        let mut vm = in_time(scene.launch())?;
        let error = vm.shutdown().unwrap_err();
        assert_timeout(&error, SHUTDOWN_LIMIT * patience);
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
        Some(())
    });
}

fn one_that_never_answers_quit_is_killed() {
    let scene = Scene::new("never-answers-quit");
    let mut vm = scene.launched();
    let limit = Duration::from_millis(500);
    let error = vm.shutdown_within(limit).unwrap_err();
    assert_timeout(&error, limit);
    let text = scene.text(&error);
    assert!(
        text.starts_with("timed out waiting for the reply to quit (killed now): QEMU_PROG …\n"),
        "{text}"
    );
    scene.assert_gone(1);
}

fn one_that_closes_at_quit_is_killed() {
    about_time(|patience| {
        let scene = Scene::hasty("closes-at-quit", patience);
        let mut vm = in_time(scene.launch())?;
        let text = scene.text(&error_in_time(vm.shutdown())?);
        assert!(
            text.starts_with("QEMU closed the monitor before the reply to quit (killed now): QEMU_PROG …\n"),
            "{text}"
        );
        scene.assert_gone(1);
        Some(())
    });
}

fn a_crash_at_quit_is_reported() {
    let scene = Scene::new("crashes-at-quit");
    let mut vm = scene.launched();
    let text = scene.text(&vm.shutdown().unwrap_err());
    assert!(text.starts_with("QEMU ended unexpectedly: signal 8 (SIGFPE)\ncommand: QEMU_PROG …\n"), "{text}");
    // A case that passes over that error fails all the same.
    scene.assert_crashed("signal 8 (SIGFPE)");
    scene.assert_gone(1);
}

fn a_bad_status_at_quit_is_reported_unless_it_may_be() {
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
    let limit = Duration::from_millis(500);
    let error = vm.wait_exit_within(limit).unwrap_err();
    assert_timeout(&error, limit);
    let text = scene.text(&error);
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
    // What kills it need not be what it was sent last.
    for signal in [Signal::SIGSTOP, Signal::SIGUSR1, Signal::SIGCONT] {
        vm.signal(signal).unwrap();
    }
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

fn one_that_had_died_before_it_is_killed_is_a_failure() {
    let scene = Scene::new("dies-in-mid-reply");
    let mut vm = scene.launched();
    assert!(vm.qmp("query-status", ()).is_err());
    let text = scene.text(&vm.kill().unwrap_err());
    assert!(text.starts_with("QEMU ended unexpectedly: signal 6 (SIGABRT)\n"), "{text}");
    scene.assert_crashed("signal 6 (SIGABRT)");
    // Whose end was no crash, but came unasked for, fails unless the error is looked at.
    drop(vm);
    scene.assert_gone(1);

    let scene = Scene::new("exits-unasked");
    let mut vm = scene.launched();
    assert!(vm.qmp("query-status", ()).is_err());
    drop(vm);
    let late = scene.late();
    assert_eq!(late.len(), 1);
    assert!(late[0].starts_with("QEMU ended unexpectedly: exit status 0\n"), "{}", late[0]);
    scene.assert_gone(1);
}

fn a_crash_while_it_starts_is_a_failure() {
    let scene = Scene::new("crashes-at-once");
    let text = scene.refusal();
    assert!(text.starts_with("QEMU failed to start: signal 6 (SIGABRT)\n"), "{text}");
    let late = scene.late();
    assert_eq!(late.len(), 1);
    assert!(late[0].starts_with("QEMU failed to start: signal 6 (SIGABRT)\n"), "{}", late[0]);
    scene.assert_gone(1);
}

fn after_a_quit_nothing_is_unexpected() {
    let scene = Scene::new("none");
    let mut vm = scene.launched();
    vm.cmd("quit", ()).unwrap();
    let text = scene.text(&vm.event_wait("STOP").unwrap_err());
    let expected = "QEMU closed the monitor before an event: it was asked to quit, and has\nlast messages:\n";
    assert!(text.starts_with(expected), "{text}");
    vm.shutdown().unwrap();
    scene.assert_gone(1);
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

fn drives_are_written_as_iotests_py_writes_them() {
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

    let options = "-object secret,id=keysec0,data= -nodefaults";
    let scene = Scene::with_variables("none", AMPLE, &[("QEMU_OPTIONS", options)]);
    let mut vm = scene.test().vm().drive_with(luks("a")).launch().unwrap();
    assert_eq!(vm.command().unwrap().matches("secret,id=keysec0").count(), 1, "{:?}", vm.command());
    vm.shutdown().unwrap();
    scene.assert_gone(1);
}

// ---- qtest -------------------------------------------------------------------------------------

fn qtest_commands_are_answered_or_reported() {
    let scene = Scene::new("qtest");
    let mut vm = scene.launched();
    let line = vm.command().unwrap();
    assert!(line.contains(" -qtest chardev:qtest -qtest-log none -accel qtest -nodefaults"), "{line}");
    assert!(!line.contains("-bios"), "{line}");
    vm.cmd("start", ()).unwrap();
    assert_eq!(vm.clock_step(Some(100)).unwrap(), 100);
    // What came with the last answer belongs to this one.
    let error = vm.clock_step(None).unwrap_err();
    assert_eq!(error.to_string(), "qtest command clock_step was answered: left over\n");
    vm.kill().unwrap();
    scene.assert_gone(1);
}

fn a_qtest_connection_that_closes_is_reported() {
    about_time(|patience| {
        let scene = Scene::hasty("qtest", patience);
        let mut vm = in_time(scene.launch())?;
        in_time(vm.cmd("start", ()))?;
        let error = error_in_time(vm.qtest("bye"))?;
        assert_eq!(error.to_string(), "QEMU closed the qtest connection instead of answering bye");
        let error = vm.qtest("bye").unwrap_err().to_string();
        assert!(
            error.starts_with("QEMU closed the qtest connection before bye could be sent (Broken pipe"),
            "{error}"
        );
        vm.kill().unwrap();
        scene.assert_gone(1);
        Some(())
    });
}

fn a_qtest_command_without_an_answer_times_out() {
    about_time(|patience| {
        let scene = Scene::short("qtest", patience);
        let mut vm = in_time(scene.launch())?;
        in_time(vm.cmd("start", ()))?;
        let error = vm.qtest("nothing").unwrap_err();
        assert_timeout(&error, TRIAL_LIMIT * patience);
        assert_eq!(scene.text(&error), "timed out waiting for the answer to qtest command nothing");
        drop(vm);
        scene.assert_gone(1);
        Some(())
    });
}

fn a_qtest_that_does_not_listen_times_out() {
    let long = "x".repeat(4 << 20);
    about_time(|patience| {
        let scene = Scene::short("never-listens-to-qtest", patience);
        let mut vm = in_time(scene.launch())?;
        let error = vm.qtest(&long).unwrap_err();
        assert_timeout(&error, TRIAL_LIMIT * patience);
        assert!(error.to_string().contains("waiting for QEMU to take qtest command xxx"), "{error}");
        let error = vm.qtest("next").unwrap_err().to_string();
        assert!(
            error.starts_with("QEMU cannot be sent qtest command next: it took only a part of xxx"),
            "{error}"
        );
        drop(vm);
        scene.assert_gone(1);
        Some(())
    });
}

fn a_death_at_a_qtest_command_is_a_death() {
    let scene = Scene::new("qtest");
    let mut vm = scene.launched();
    vm.cmd("start", ()).unwrap();
    let error = vm.qtest("die").unwrap_err();
    assert!(matches!(error, Error::Died { status: Status::Exited(5), .. }), "{error:?}");
    // Also where the command cannot even be sent.
    let error = vm.qtest("clock_step 100").unwrap_err();
    assert!(matches!(error, Error::Died { status: Status::Exited(5), .. }), "{error:?}");
    assert!(vm.shutdown().is_err());
    scene.assert_gone(1);
}

fn without_qtest_its_commands_skip() {
    let scene = Scene::new("none");
    let mut vm = scene.launched();
    let error = vm.clock_step(Some(100)).unwrap_err();
    assert!(matches!(error, Error::Skip(_)), "{error:?}");
    assert_eq!(error.to_string(), "skipped: needs the qtest accelerator, this VM runs with tcg");
    vm.shutdown().unwrap();
    scene.assert_gone(1);
}

fn a_test_that_needs_qtest_is_skipped_with_the_true_reason() {
    let reason = |fault: &str, variables: &[(&str, &str)]| {
        let scene = Scene::with_variables(fault, AMPLE, variables);
        let mut suite = Suite::new();
        suite.requires(Requirement::Qtest);
        let context = scene.test().context();
        verdict(&[suite.declaration()], context.params(), context.env()).unwrap()
    };
    assert_eq!(reason("qtest-or-tcg", &[]), None);
    assert_eq!(reason("none", &[]).as_deref(), Some("Missing qtest accelerator in QEMU binary"));
    let reported = reason("qtest-or-tcg", &[("IOTESTS_ACCEL", "tcg")]);
    assert_eq!(reported.as_deref(), Some("needs the qtest accelerator, IOTESTS_ACCEL asks for tcg"));
    // Such a trial runs, and its VM reports that there is no tcg.
    assert_eq!(reason("qtest", &[("IOTESTS_ACCEL", "tcg")]), None);
}
