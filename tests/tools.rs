//! Each tool's wrapper on the real tool: what succeeds, what fails, and what goes away in between.
#![expect(clippy::unwrap_used, reason = "a broken fixture should fail loudly")]

#[path = "support/script.rs"]
mod script;
#[path = "support/stage.rs"]
mod stage;
#[path = "support/mod.rs"]
mod support;

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bzip2::Compression;
use bzip2::write::BzEncoder;
use iotests::context::{Context, Params, RunDir};
use iotests::env::TestEnv;
use iotests::error::{Error, Failure};
use iotests::image::{create_image, sector_marker};
use iotests::prelude::*;
use iotests::process::{Cmd, Registry};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use script::script;
use stage::{AMPLE, Stage, text};
use support::is_gone;

/// The size of a qcow2 cluster, where nothing else is asked for.
const CLUSTER: u64 = 64 * 1024;

fn stage(imgfmt: &str) -> Stage {
    Stage::in_dir(tempfile::tempdir().unwrap(), imgfmt, &[], AMPLE)
}

/// With variables as text.
fn stage_with(imgfmt: &str, vars: &[(&str, &str)]) -> Stage {
    let vars: Vec<_> = vars.iter().map(|(name, value)| (*name, Path::new(value))).collect();
    Stage::in_dir(tempfile::tempdir().unwrap(), imgfmt, &vars, AMPLE)
}

/// Whose own limit passes soon.
fn hasty_stage(imgfmt: &str) -> Stage {
    Stage::in_dir(tempfile::tempdir().unwrap(), imgfmt, &[], Duration::from_secs(2))
}

fn image(t: &Test, name: &str) -> ScratchFile {
    let file = t.file(name);
    t.qemu_img_create(["-f", t.imgfmt(), &file, "1M"]).unwrap();
    file
}

/// Sets a qcow2 image's refcount of one cluster.
fn set_refcount(file: &str, cluster: u64, count: u16) {
    let file = OpenOptions::new().write(true).open(file).unwrap();
    // The first refcount block of a new image is its third cluster.
    file.write_all_at(&count.to_be_bytes(), 2 * CLUSTER + 2 * cluster).unwrap();
}

fn log(stage: &Stage) -> String {
    stage.test.context().log().contents()
}

fn failure(error: Failure) -> String {
    error.error.to_string()
}

// ---- qemu-img ----------------------------------------------------------------------------------

#[test]
fn a_bad_status_is_an_error_with_command_and_output() {
    let stage = stage("qcow2");
    let t = &stage.test;
    let missing = t.file("missing");
    let error = t.qemu_img(["info", &missing]).unwrap_err();
    let shown = stage.text(&error);
    assert!(shown.starts_with("command ended with exit status 1: "), "{shown}");
    assert!(shown.lines().next().unwrap().ends_with("-missing"), "{shown}");
    assert!(shown.contains("\nits output:\n    qemu-img: Could not open "), "{shown}");
    let output = t.qemu_img(["info", &missing]).unchecked().unwrap();
    assert_eq!(output.status, Status::Exited(1));
    assert!(output.stdout.contains("No such file or directory"));
    // Both streams are one.
    assert_eq!(output.stderr, "");
}

#[test]
fn what_a_create_says_is_dropped_unless_it_fails() {
    let stage = stage("qcow2");
    let t = &stage.test;
    let file = t.file("disk");
    assert_eq!(t.qemu_img(["create", "-f", "qcow2", &file, "1M"]).unwrap().stdout, "");
    let output = t.qemu_img_create(["-f", "qcow2", &file, "1Z"]).unchecked().unwrap();
    assert!(output.stdout.contains("Invalid image size specified"), "{}", output.stdout);
}

#[test]
fn creation_options_are_for_images_of_the_tested_format() {
    let stage = stage_with("qcow2", &[("IMGOPTS", "compat=0.10")]);
    let t = &stage.test;
    let [disk, other] = t.files(["disk", "other"]);
    t.qemu_img_create(["-f", "qcow2", &disk, "1M"]).unwrap();
    // raw knows no compat.
    t.qemu_img_create(["-f", "raw", &other, "1M"]).unwrap();
    let info = t.qemu_img_info([disk.as_str()]).unwrap();
    t.assert_qmp(&info, "format-specific/data/compat", "0.10").unwrap();
}

#[test]
fn options_of_the_environment_come_first() {
    let stage = stage_with("raw", &[("QEMU_IMG_OPTIONS", "--trace qcow2_writev_start_req")]);
    let output = stage.test.qemu_img(["--version"]).unwrap();
    assert!(output.command.ends_with(" --trace qcow2_writev_start_req --version"), "{}", output.command);
}

#[test]
fn json_is_read_whatever_the_status() {
    let stage = stage("qcow2");
    let t = &stage.test;
    let file = image(t, "disk");
    assert_eq!(t.qemu_img_check([file.as_str()]).unwrap()["check-errors"], 0);

    // A cluster too many, which costs nothing but space: exit status 3.
    let length = fs::metadata(&file).unwrap().len().next_multiple_of(CLUSTER);
    OpenOptions::new().write(true).open(&file).unwrap().set_len(length + CLUSTER).unwrap();
    set_refcount(&file, length / CLUSTER, 1);
    let check = ["check", "--output=json", "-f", "qcow2", &file];
    assert_eq!(t.qemu_img(check).unchecked().unwrap().status, Status::Exited(3));
    assert_eq!(t.qemu_img_check(["-f", "qcow2", &file]).unwrap()["leaks"], 1);

    // A cluster that is in use and counts as free: exit status 2.
    set_refcount(&file, 3, 0);
    assert_eq!(t.qemu_img(check).unchecked().unwrap().status, Status::Exited(2));
    assert_eq!(t.qemu_img_check(["-f", "qcow2", &file]).unwrap()["corruptions"], 1);
}

#[test]
fn a_failure_without_json_is_that_failure() {
    let stage = stage("raw");
    let t = &stage.test;
    let file = image(t, "disk");
    let error = t.qemu_img_check(["-f", "raw", &file]).unwrap_err();
    assert!(matches!(&error, Error::Tool(output) if output.status == Status::Exited(63)), "{error}");
    assert!(error.to_string().contains("This image format does not support checks"), "{error}");
    let error = t.qemu_img_json(["info", &file]).unwrap_err().to_string();
    assert!(error.starts_with("no evidence that qemu-img did its work: expected JSON ("), "{error}");
}

#[test]
fn measure_info_and_map_are_json() {
    let stage = stage("qcow2");
    let t = &stage.test;
    let file = image(t, "disk");
    t.qemu_io(["-c", "write -P 1 64k 64k", &file]).unwrap();
    let measured = t.qemu_img_measure(["-O", "qcow2", "--size", "1M"]).unwrap();
    assert!(measured["required"].as_u64() < measured["fully-allocated"].as_u64());
    assert_eq!(t.qemu_img_info(["-f", "qcow2", &file]).unwrap()["virtual-size"], 1 << 20);
    let map = t.qemu_img_map(["-f", "qcow2", &file]).unwrap();
    assert_eq!(
        (&map[1]["start"], &map[1]["length"], &map[1]["data"]),
        (&json!(65536), &json!(65536), &json!(true))
    );
    assert_eq!(t.image_size(&file).unwrap(), 1 << 20);
    assert!(matches!(t.image_size(&t.file("missing")), Err(Error::Tool(_))));
}

#[test]
fn images_are_compared_by_content() {
    let stage = stage("qcow2");
    let t = &stage.test;
    let [first, second] = ["first", "second"].map(|name| image(t, name));
    assert!(t.compare_images(&first, &second).unwrap());
    t.write_pattern(&second, 7, "128k", "512").unwrap();
    assert!(!t.compare_images(&first, &second).unwrap());
    let raw = t.file("raw");
    t.qemu_img(["convert", "-f", "qcow2", "-O", "raw", &second, &raw]).unwrap();
    assert!(t.compare_images_as(&second, "qcow2", &raw, "raw").unwrap());
    // That they cannot be compared is not that they differ.
    let error = t.compare_images(&first, &t.file("missing")).unwrap_err();
    assert!(matches!(&error, Error::Tool(output) if output.status == Status::Exited(2)), "{error}");
}

#[test]
fn what_qemu_img_says_is_logged_filtered_and_returned_as_it_was() {
    let stage = stage("qcow2");
    let t = &stage.test;
    let file = image(t, "disk");
    let output = t.qemu_img_log(["check", &file]).unwrap();
    assert!(output.stdout.starts_with("No errors were found on the image."));
    let missing = t.file("missing");
    let output = t.qemu_img_log(["info", &missing]).must_fail().unwrap();
    assert_eq!(output.status, Status::Exited(1));
    // That it failed is known to the case, whether it asks or not.
    assert!(matches!(t.img_info_log(&missing), Err(Error::Tool(_))));
    assert!(output.stdout.contains(missing.as_str()));
    let said = log(&stage);
    let [first, second, third, ""] = said.split("\n\n").collect::<Vec<_>>()[..] else { panic!("{said}") };
    assert_eq!(
        third,
        "qemu-img: Could not open 'TEST_IMG': Could not open 'TEST_IMG': No such file or directory"
    );
    assert!(first.starts_with("No errors were found on the image."));
    assert!(second.starts_with("qemu-img: Could not open 'TEST_DIR/PID-missing': "), "{second}");
    assert!(second.ends_with("No such file or directory"));
}

#[test]
fn info_is_logged_without_what_varies() {
    let stage = stage("qcow2");
    let t = &stage.test;
    let (file, backing) = (t.file("disk"), image(t, "base"));
    t.qemu_img_create(["-f", "qcow2", "-b", &backing, "-F", "qcow2", &file]).unwrap();
    t.img_info_log(&file).unwrap();
    let plain = log(&stage);
    assert!(
        plain.starts_with("image: TEST_IMG\nfile format: IMGFMT\nvirtual size: 1 MiB (1048576 bytes)\n"),
        "{plain}"
    );
    assert!(plain.contains("\nbacking file: TEST_DIR/PID-base\n"), "{plain}");
    assert!(!plain.contains("disk size") && !plain.contains("Child node"), "{plain}");

    let options = format!("driver=qcow2,file.filename={file}");
    let by_options = InfoLog { image_opts: true, filter_path: Some(&file), ..InfoLog::default() };
    t.img_info_log_with(&options, &by_options).unwrap();
    assert_eq!(log(&stage), plain.repeat(2));

    let chain = InfoLog { extra_args: &["--backing-chain"], ..InfoLog::default() };
    t.img_info_log_with(&file, &chain).unwrap();
    let all = log(&stage);
    let shown = all.strip_prefix(&plain.repeat(2)).unwrap();
    assert!(shown.contains("\nimage: TEST_DIR/PID-base\n"), "{shown}");
}

#[test]
fn a_luks_image_gets_the_default_secret() {
    let stage = stage_with("luks", &[("IMGKEYSECRET", "123456")]);
    let t = &stage.test;
    let support = t.context().env().caps().luks().unwrap();
    assert!(support.works(), "this QEMU cannot make LUKS images: {support:?}");
    let file = t.file("disk");
    // Some versions before 10.0 fail now and then where the host is too fast for its clock.
    let create = || t.qemu_img_create(["-f", "luks", "-o", "hash-alg=sha512", &file, "1M"]);
    let is_coarse =
        |error: &Error| matches!(error, Error::Tool(output) if output.stdout.contains("accurate CPU usage"));
    (0..20).map(|_| create()).find(|made| !made.as_ref().is_err_and(is_coarse)).unwrap().unwrap();
    let options = format!("driver=luks,key-secret=keysec0,file.filename={file}");
    let secret = t.luks_secret_object();
    t.qemu_io(["--object", &secret, "--image-opts", "-c", "read 0 4k", &options]).unwrap();
    let wrong = secret.replace("123456", "654321");
    let refused = t.qemu_io(["--object", &wrong, "--image-opts", "-c", "read 0 4k", &options]);
    assert!(matches!(refused, Err(Error::Tool(_))));
}

// ---- qemu-io -----------------------------------------------------------------------------------

#[test]
fn qemu_io_is_given_the_format_unless_the_case_names_one() {
    let stage = stage_with("qcow2", &[("CACHEMODE", "none")]);
    let t = &stage.test;
    let file = image(t, "disk");
    let command = |args: &[&str]| {
        let output = t.qemu_io(args.iter().copied().chain(["-c", "read 0 512"]).chain([file.as_str()]));
        output.unwrap().command
    };
    let (program, _) = command(&[])
        .split_once(" --cache none --aio threads -f qcow2 -c ")
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    assert!(program.ends_with("qemu-io"));
    assert!(command(&["-f", "raw"]).contains("qemu-io --cache none --aio threads -f raw -c "));
    let options = format!("driver=qcow2,file.filename={file}");
    let output = t.qemu_io(["-c", "read 0 512", "--image-opts", &options]).unwrap();
    assert!(output.command.contains("qemu-io --cache none --aio threads -c "), "{}", output.command);
    // So spelt it counts for nothing, as in `iotests.py`; the last one wins.
    assert!(command(&["-fraw"]).contains(" -f qcow2 -fraw "));
}

#[test]
fn qemu_io_fails_logs_and_checks() {
    let stage = stage("qcow2");
    let t = &stage.test;
    let file = image(t, "disk");
    t.qemu_io_log(["-c", "write -P 3 0 64k", &file]).unwrap();
    assert_eq!(
        log(&stage),
        "wrote 65536/65536 bytes at offset 0\n64 KiB, X ops; XX:XX:XX.X (XXX YYY/sec and XXX ops/sec)\n\n"
    );
    assert!(t.qemu_io_check(["-c", "read -P 3 0 64k", &file]).unwrap());
    assert!(!t.qemu_io_check(["-c", "read 0 2M", &file]).unwrap());
    let error = t.qemu_io(["-c", "read 0 2M", &file]).unwrap_err();
    assert!(matches!(&error, Error::Tool(output) if output.status == Status::Exited(1)), "{error}");
}

#[test]
fn patterns_are_written_and_verified() {
    let stage = stage("qcow2");
    let t = &stage.test;
    let file = image(t, "disk");
    t.write_pattern(&file, 0xa5, "64k", "128k").unwrap();
    t.verify_pattern(&file, 0xa5, "64k", "128k").unwrap();
    t.verify_pattern(&file, 0, "0", "64k").unwrap();
    // Only a part of it.
    let shown = failure(t.verify_pattern(&file, 0xa5, "0", "128k").unwrap_err());
    assert!(shown.contains("-disk does not hold 0xa5 from 0 for 128k:\n"), "{shown}");
    assert!(shown.contains("Pattern verification failed at offset 0, 131072 bytes"), "{shown}");
    let shown = failure(t.verify_pattern(&t.file("missing"), 0, "0", "1k").unwrap_err());
    assert!(shown.contains("No such file or directory"), "{shown}");
    assert!(matches!(t.write_pattern(&file, 1, "2M", "1k"), Err(Error::Tool(_))));
}

#[test]
fn interactive_qemu_io_answers_one_command_at_a_time() {
    let stage = stage("qcow2");
    let t = &stage.test;
    let file = image(t, "disk");
    let mut io = t.qemu_io_interactive([file.as_str()]).unwrap();
    assert!(io.cmd("write -P 5 0 64k").unwrap().starts_with("wrote 65536/65536 bytes at offset 0\n"));
    assert!(io.cmd("  read -P 5 0 64k ").unwrap().starts_with("read 65536/65536 bytes at offset 0\n"));
    assert!(io.try_cmd("read -P 6 0 64k").unwrap().starts_with("Pattern verification failed"));
    assert!(matches!(io.cmd("read -P 6 0 64k"), Err(Error::Tool(_))));
    // More than a pipe holds.
    assert!(io.cmd("read -v 0 64k").unwrap().len() > 100_000);
    assert_eq!(io.try_cmd("nonesuch").unwrap(), "command \"nonesuch\" not found\n");
    assert_eq!(io.cmd("").unwrap(), "");
    io.close().unwrap();
    assert_eq!(stage.late(), [""; 0]);
}

#[test]
fn interactive_qemu_io_refuses_what_the_harness_has_to_do() {
    let stage = stage("raw");
    let t = &stage.test;
    let mut io = t.qemu_io_interactive([image(t, "disk").as_str()]).unwrap();
    let mut refusal = |command: &str| {
        let error = io.cmd(command).unwrap_err();
        assert!(matches!(error, Error::Misuse(_)), "{error:?}");
        error.to_string()
    };
    assert_eq!(refusal("read 0 1k\n"), r#"a qemu-io command is one line, this is more: "read 0 1k\n""#);
    assert_eq!(refusal("a\nb"), r#"a qemu-io command is one line, this is more: "a\nb""#);
    for quit in ["q", "quit", " q "] {
        assert_eq!(refusal(quit), "end an interactive qemu-io by close(), not by a quit command");
    }
    // It still listens.
    assert!(io.cmd("length").unwrap().starts_with("1 MiB"));
}

#[test]
fn interactive_qemu_io_that_does_not_start_shows_all_it_printed() {
    let stage = stage("qcow2");
    let t = &stage.test;
    let error = t.qemu_io_interactive([t.file("missing").as_str()]).unwrap_err();
    let shown = stage.text(&error);
    assert!(shown.starts_with("qemu-io failed to start: exit status 1\ncommand: "), "{shown}");
    assert!(shown.contains("\nits output:\n    qemu-io: can't open device "), "{shown}");
    assert!(shown.ends_with("-missing': No such file or directory"), "{shown}");
}

#[test]
fn interactive_qemu_io_that_dies_is_reported() {
    let stage = stage("raw");
    let t = &stage.test;
    let file = image(t, "disk");
    let mut io = t.qemu_io_interactive([file.as_str()]).unwrap();
    let error = io.cmd("abort").unwrap_err();
    assert!(matches!(error, Error::Died { launching: false, status: Status::Signalled(6), .. }), "{error}");
    drop(io);
    assert_eq!(stage.late(), [""; 0], "it was reported already");

    let mut io = t.qemu_io_interactive([file.as_str()]).unwrap();
    assert!(matches!(io.cmd("sigraise 9"), Err(Error::Died { status: Status::Signalled(9), .. })));
    let error = io.close().unwrap_err();
    assert!(matches!(&error, Error::Crash { program, .. } if program == "qemu-io"), "{error}");

    // A crash that no command noticed fails the trial all the same.
    let io = t.qemu_io_interactive([file.as_str()]).unwrap();
    kill(Pid::from_raw(io.pid()), Signal::SIGSEGV).unwrap();
    assert!(is_gone(io.pid()));
    drop(io);
    let late = stage.late();
    assert_eq!(late.len(), 1);
    assert!(late[0].starts_with("qemu-io received signal 11 (SIGSEGV): "), "{}", late[0]);
}

#[test]
fn interactive_qemu_io_meets_the_deadline_and_is_gone_after() {
    let stage = hasty_stage("raw");
    let t = &stage.test;
    let mut io = t.qemu_io_interactive([image(t, "disk").as_str()]).unwrap();
    let pid = io.pid();
    let error = io.cmd("sleep 1000000").unwrap_err();
    assert_eq!(text(&error), r#"timed out waiting for qemu-io's prompt after "sleep 1000000""#);
    drop(io);
    assert!(is_gone(pid));
    assert_eq!(stage.late(), [""; 0]);
}

#[test]
fn interactive_qemu_io_that_does_not_listen_meets_the_deadline() {
    let dir = tempfile::tempdir().unwrap();
    let program = script(dir.path(), "qemu-io", "printf 'qemu-io> '; exec sleep 1000");
    let vars: &[(&str, &Path)] = &[("QEMU_IO_PROG", &program)];
    let stage = Stage::in_dir(tempfile::tempdir().unwrap(), "raw", vars, Duration::from_secs(2));
    let mut io = stage.test.qemu_io_interactive([""; 0]).unwrap();
    // More than a pipe holds.
    let error = io.cmd(&"x".repeat(1 << 20)).unwrap_err();
    assert_eq!(text(&error), "timed out waiting for qemu-io to take a command");
    assert!(matches!(io.close(), Err(Error::Timeout { .. })));
    assert_eq!(stage.late(), [""; 0]);
}

#[test]
fn interactive_qemu_io_does_not_print_without_end() {
    let dir = tempfile::tempdir().unwrap();
    let program = script(dir.path(), "qemu-io", "printf 'qemu-io> '; read -r command; exec yes");
    let stage = Stage::in_dir(tempfile::tempdir().unwrap(), "raw", &[("QEMU_IO_PROG", &program)], AMPLE);
    let mut io = stage.test.qemu_io_interactive([""; 0]).unwrap();
    let pid = io.pid();
    let error = io.cmd("length").unwrap_err();
    assert!(matches!(error, Error::Flood { .. }) && !error.is_failure());
    let error = error.to_string();
    let reported = "qemu-io printed more than 256 MiB and was killed\ncommand: ";
    assert!(error.starts_with(reported), "{}", &error[..200]);
    assert!(error.len() < 50_000);
    assert!(is_gone(pid));
    drop(io);
    assert_eq!(stage.late(), [""; 0]);
}

// ---- beside the case ---------------------------------------------------------------------------

#[test]
fn a_tool_runs_beside_the_case() {
    let stage = stage("raw");
    let t = &stage.test;
    let file = image(t, "disk");
    let slow = t.qemu_io_start(["-c", "sleep 100", "-c", "write -P 1 0 1k", &file]).unwrap();
    let fast = t.qemu_img_start(["info", &file]).unwrap();
    assert!(fast.wait().unwrap().stdout.starts_with("image: "));
    assert!(slow.wait().unwrap().stdout.contains("wrote 1024/1024 bytes at offset 0\n"));
    let bad = t.qemu_img_start(["info", &t.file("missing")]).unwrap();
    let output = bad.wait().unchecked().unwrap();
    assert_eq!(output.status, Status::Exited(1));
    assert!(output.stdout.contains("No such file or directory"), "{}", output.stdout);

    let endless = || t.qemu_io_start(["-c", "sleep 1000000", &file]).unwrap();
    let mut ended = endless();
    ended.signal(Signal::SIGTERM).unwrap();
    assert!(matches!(ended.wait(), Err(Error::Crash { .. })));
    let dropped = endless();
    let pid = dropped.pid();
    drop(dropped);
    assert!(is_gone(pid));
    assert_eq!(stage.late(), [""; 0]);
    let mut ended = endless();
    ended.signal(Signal::SIGTERM).unwrap();
    ended.signal(Signal::SIGCONT).unwrap();
    assert!(is_gone(ended.pid()));
    drop(ended);
    assert_eq!(stage.late(), [""; 0], "it died of the signal that the case sent");
    let mut crashed = endless();
    crashed.signal(Signal::SIGCONT).unwrap();
    kill(Pid::from_raw(crashed.pid()), Signal::SIGSEGV).unwrap();
    assert!(is_gone(crashed.pid()));
    drop(crashed);
    assert!(stage.late()[0].starts_with("qemu-io received signal 11 (SIGSEGV): "));
}

#[test]
fn what_the_harness_kills_has_not_crashed_and_what_crashes_late_has() {
    let stage = hasty_stage("raw");
    let t = &stage.test;
    let (file, socket) = (image(t, "disk"), t.socket("nbd").unwrap());
    let server = t.qemu_nbd_server(["-k", &socket, "-f", "raw", &file]).unwrap();
    let daemon = t.storage_daemon([""; 0]).start().unwrap();
    let io = t.qemu_io_interactive(["-r", &file]).unwrap();
    let tool = t.qemu_io_start(["-r", "-c", "sleep 1000000", &file]).unwrap();
    let late = t.storage_daemon([""; 0]).instance("late").start().unwrap();
    let [] = t.context().deadline().wait_readable([]).unwrap();
    kill(Pid::from_raw(late.pid()), Signal::SIGSEGV).unwrap();
    assert!(is_gone(late.pid()));
    drop(late);
    let reported = stage.late();
    assert!(
        reported[0].contains("qemu-storage-daemon ended unexpectedly: signal 11 (SIGSEGV)"),
        "{reported:?}"
    );
    t.context().registry().kill_all();
    assert!([server.pid(), daemon.pid(), io.pid(), tool.pid()].into_iter().all(is_gone));
    drop((server, daemon, io, tool));
    assert_eq!(stage.late(), [""; 0]);
}

#[test]
fn lines_end_in_newlines_whoever_prints_them() {
    let dir = tempfile::tempdir().unwrap();
    let play = "printf 'warning\\r'; printf '\\nqemu-io> '; read -r command; printf 'a\\r\\nb\\rqemu-io> '; read -r quit; exit 0";
    let program = script(dir.path(), "qemu-io", play);
    let stage = Stage::in_dir(tempfile::tempdir().unwrap(), "raw", &[("QEMU_IO_PROG", &program)], AMPLE);
    let t = &stage.test;
    // What it said before its first prompt is not lost.
    let mut io = t.qemu_io_interactive([""; 0]).unwrap();
    assert_eq!(io.cmd("length").unwrap(), "warning\na\nb\n");
    io.close().unwrap();
    let expected = "warning\nqemu-io> a\nb\nqemu-io> ";
    assert_eq!(t.qemu_io([""; 0]).unwrap().stdout, expected);
    assert_eq!(t.qemu_io_start([""; 0]).unwrap().wait().unwrap().stdout, expected);
    assert_eq!(stage.late(), [""; 0]);
}

#[test]
fn any_program_is_run_within_the_deadline() {
    let stage = hasty_stage("raw");
    let t = &stage.test;
    assert_eq!(t.run(Cmd::new("echo").arg("a b")).unwrap().stdout, "a b\n");
    let error = t.run(Cmd::new("/bin/sh").args(["-c", "kill -SEGV $$"])).unwrap_err().to_string();
    assert_eq!(error, "sh received signal 11 (SIGSEGV): /bin/sh -c 'kill -SEGV $$'");
    let error = t.run(Cmd::new("sleep").arg("1000")).unwrap_err();
    assert_eq!(text(&error), "timed out waiting for the end of sleep 1000 (killed now)");
}

#[test]
fn the_emulator_describes_itself() {
    let stage = stage("raw");
    let output = stage.test.qemu(["-M", "none", "-accel", "tcg", "-device", "help"]).unwrap();
    assert!(output.stdout.contains("virtio-blk"), "{}", output.stdout);
    // More of QEMU_OPTIONS may follow.
    let (before, own) = output.command.split_once(" -M ").unwrap();
    assert!(before.contains(" -nodefaults -display none"), "{}", output.command);
    assert_eq!(own, "none -accel tcg -device help");
}

// ---- qemu-nbd ----------------------------------------------------------------------------------

#[test]
fn a_server_serves_when_it_is_returned_and_is_gone_at_its_end() {
    let stage = stage("qcow2");
    let t = &stage.test;
    let (file, socket) = (image(t, "disk"), t.socket("nbd").unwrap());
    t.write_pattern(&file, 9, "0", "64k").unwrap();
    let url = format!("nbd+unix:///?socket={socket}");
    let read = || t.qemu_io(["-f", "raw", "-r", "-c", "read -P 9 0 64k", &url]);
    let server = t.qemu_nbd_server(["-k", &socket, "-f", "qcow2", &file]).unwrap();
    let pid = server.pid();
    // Any number of clients, one after the other.
    for _ in 0..3 {
        read().unwrap();
    }
    t.qemu_nbd_list_log(["-k", &socket]).unwrap();
    drop(server);
    assert!(is_gone(pid));
    assert!(matches!(read(), Err(Error::Tool(_))));
    let said = log(&stage);
    let lines: Vec<_> = said.lines().collect();
    assert_eq!((lines[0], *lines.last().unwrap()), ("Start NBD server", "Stop NBD server"));
    assert!(said.contains("\n  min block: XXX\n"), "{said}");
    assert_eq!(pid_files(t), [""; 0]);
    assert_eq!(stage.late(), [""; 0]);
}

/// What is left of pid files in the scratch directory.
fn pid_files(t: &Test) -> Vec<String> {
    let entries = fs::read_dir(t.context().scratch().dir()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.contains("pid")).collect()
}

#[test]
fn a_server_that_does_not_start_is_reported() {
    let stage = stage("qcow2");
    let t = &stage.test;
    let socket = t.socket("nbd").unwrap();
    let error = t.qemu_nbd_server(["-k", &socket, "-f", "qcow2", &t.file("missing")]).unwrap_err();
    let shown = stage.text(&error);
    assert!(shown.starts_with("qemu-nbd failed to start: exit status 1\ncommand: "), "{shown}");
    assert!(shown.contains("\nits output:\n    qemu-nbd: Failed to blk_new_open "), "{shown}");
    assert_eq!(pid_files(t), [""; 0]);
    assert!(t.context().registry().is_empty());
}

#[test]
fn a_server_that_dies_fails_the_trial() {
    let stage = stage("raw");
    let t = &stage.test;
    let (file, socket) = (image(t, "disk"), t.socket("nbd").unwrap());
    let start = || t.qemu_nbd_server(["-k", &socket, "-f", "raw", &file]).unwrap();
    let die = |pid: i32| {
        kill(Pid::from_raw(pid), Signal::SIGSEGV).unwrap();
        assert!(is_gone(pid));
    };
    let server = start();
    die(server.pid());
    let error = server.kill().unwrap_err();
    assert!(matches!(error, Error::Died { launching: false, status: Status::Signalled(11), .. }), "{error}");
    assert_eq!(stage.late(), [""; 0]);
    fs::remove_file(&socket).unwrap();

    let server = start();
    die(server.pid());
    drop(server);
    let late = stage.late();
    assert_eq!(late.len(), 1);
    assert!(
        late[0].starts_with("qemu-nbd ended unexpectedly: signal 11 (SIGSEGV)\ncommand: "),
        "{}",
        late[0]
    );
}

#[test]
fn a_server_without_a_scope_lives_until_the_trial_ends() {
    let stage = stage("raw");
    let t = &stage.test;
    let (file, socket) = (image(t, "disk"), t.socket("nbd").unwrap());
    let output = t.qemu_nbd(["-t", "-k", &socket, "-f", "raw", &file]).unwrap();
    assert_eq!((output.status, output.text().as_ref()), (Status::Exited(0), ""));
    let url = format!("nbd+unix:///?socket={socket}");
    t.qemu_io(["-f", "raw", "-c", "read 0 64k", &url]).unwrap();
    assert!(!t.context().registry().is_empty());
    t.context().end_owned();
    assert!(t.context().registry().is_empty());
    assert!(t.qemu_io(["-f", "raw", "-c", "read 0 64k", &url]).is_err());
    assert_eq!(stage.late(), [""; 0]);
}

#[test]
fn a_server_for_one_client_ends_with_it_and_that_is_fine() {
    let stage = stage("raw");
    let t = &stage.test;
    let (file, socket) = (image(t, "disk"), t.socket("nbd").unwrap());
    t.qemu_nbd(["-k", &socket, "-f", "raw", &file]).unwrap();
    t.qemu_io(["-f", "raw", "-c", "read 0 64k", &format!("nbd+unix:///?socket={socket}")]).unwrap();
    t.context().end_owned();
    assert_eq!(stage.late(), [""; 0]);
}

#[test]
fn a_start_that_fails_has_status_and_output() {
    let stage = stage("raw");
    let t = &stage.test;
    let socket = t.socket("nbd").unwrap();
    let output = t.qemu_nbd(["-k", &socket, "-f", "raw", &t.file("missing")]).unchecked().unwrap();
    assert_eq!(output.status, Status::Exited(1));
    assert!(output.stdout.contains("No such file or directory"), "{}", output.stdout);
    // What has nothing to serve ends by itself.
    assert!(t.qemu_nbd(["--version"]).unwrap().stdout.contains("qemu-nbd "));
    for (option, why) in [
        (
            "--fork",
            "leave --fork out: a start returns once the server is ready, and the harness ends it itself",
        ),
        ("--pid-file=x", "leave --pid-file out: the harness chooses the server's pid file"),
    ] {
        assert_eq!(t.qemu_nbd([option]).unwrap_err().to_string(), why);
        assert_eq!(t.qemu_nbd_server([option]).unwrap_err().to_string(), why);
    }
}

// ---- qemu-storage-daemon -----------------------------------------------------------------------

#[test]
fn a_storage_daemon_comes_and_goes() {
    let stage = stage("qcow2");
    let t = &stage.test;
    let file = image(t, "disk");
    let socket = t.socket("nbd").unwrap();
    let daemon = t
        .storage_daemon([
            "--blockdev".to_owned(),
            format!("driver=qcow2,node-name=disk,file.driver=file,file.filename={file}"),
            format!("--nbd-server=addr.type=unix,addr.path={socket}"),
            "--export=type=nbd,id=e,node-name=disk,writable=on".to_owned(),
        ])
        .start()
        .unwrap();
    let pid = daemon.pid();
    t.qemu_io(["-f", "raw", "-c", "write 0 64k", &format!("nbd+unix:///disk?socket={socket}")]).unwrap();
    assert_eq!(pid_files(t).len(), 1);
    daemon.stop().unwrap();
    assert!(is_gone(pid));
    assert_eq!(pid_files(t), [""; 0]);
    t.verify_pattern(&file, 0xcd, "0", "64k").unwrap();
}

#[test]
fn a_storage_daemon_is_spoken_to() {
    let stage = stage("raw");
    let t = &stage.test;
    let file = image(t, "disk");
    let mut daemon = t.storage_daemon([""; 0]).qmp().start().unwrap();
    let node = json!({ "driver": "file", "node-name": "disk", "filename": file });
    daemon.cmd("blockdev-add", node.clone()).unwrap();
    let nodes = daemon.cmd("query-named-block-nodes", ()).unwrap();
    assert_eq!(nodes[0]["node-name"], "disk");
    let error = daemon.cmd("blockdev-add", node.clone()).unwrap_err();
    assert!(matches!(&error, Error::Qmp(error) if error.class == "GenericError"), "{error}");
    let reply = daemon.qmp("blockdev-add", node).unwrap();
    assert_eq!(reply["error"]["class"], "GenericError");
    let job =
        json!({ "job-id": "job0", "options": { "driver": "file", "filename": t.file("new"), "size": 1024 } });
    daemon.cmd("blockdev-create", job).unwrap();
    daemon.event_wait(EventMatch::job_status("job0", JobStatus::Concluded)).unwrap();
    // It quits by its monitor as well.
    daemon.cmd("quit", ()).unwrap();
    let pid = daemon.pid();
    drop(daemon);
    assert!(is_gone(pid));
    assert_eq!(stage.late(), [""; 0]);

    let mut mute = t.storage_daemon([""; 0]).start().unwrap();
    let expected = "quit: this storage daemon was started without .qmp()";
    assert_eq!(mute.qmp("quit", ()).unwrap_err().to_string(), expected);
    let expected = "waiting for an event: this storage daemon was started without .qmp()";
    assert_eq!(mute.event_wait("JOB_STATUS_CHANGE").unwrap_err().to_string(), expected);
}

#[test]
fn several_storage_daemons_need_names() {
    let stage = stage("raw");
    let t = &stage.test;
    let first = t.storage_daemon([""; 0]).start().unwrap();
    let error = t.storage_daemon([""; 0]).start().unwrap_err().to_string();
    assert!(error.ends_with("-qsd-a-pid exists: another server of the same name is running"), "{error}");
    let second = t.storage_daemon([""; 0]).instance("b").start().unwrap();
    let pids = [first.pid(), second.pid()];
    first.stop().unwrap();
    let again = t.storage_daemon([""; 0]).start().unwrap();
    drop((second, again));
    assert!(pids.into_iter().all(is_gone));
    for option in ["--pidfile", "--pidfile=x", "--pid"] {
        let error = t.storage_daemon([option, "x"]).start().unwrap_err().to_string();
        assert_eq!(error, "leave --pidfile out: the harness chooses the daemon's pid file");
    }
    for option in ["--daemonize", "--daemon", "--d"] {
        let error = t.storage_daemon([option]).start().unwrap_err().to_string();
        let why = "a start returns once the server is ready, and the harness ends it itself";
        assert_eq!(error, format!("leave --daemonize out: {why}"));
    }
    assert_eq!(stage.late(), [""; 0]);
}

#[test]
fn a_storage_daemon_that_does_not_start_is_reported() {
    let stage = stage("raw");
    let t = &stage.test;
    for builder in
        [t.storage_daemon(["--blockdev", "nonesuch"]), t.storage_daemon(["--blockdev", "nonesuch"]).qmp()]
    {
        let shown = stage.text(&builder.start().unwrap_err());
        assert!(
            shown.starts_with("qemu-storage-daemon failed to start: exit status 1\ncommand: "),
            "{shown}"
        );
        assert!(shown.contains(" --blockdev nonesuch --pidfile DIR/"), "{shown}");
        assert!(shown.ends_with("Parameter 'driver' does not accept value 'nonesuch'"), "{shown}");
    }
    assert_eq!(pid_files(t), [""; 0]);
}

#[test]
fn a_storage_daemon_that_dies_is_reported() {
    let stage = stage("raw");
    let t = &stage.test;
    let die = |pid: i32| {
        kill(Pid::from_raw(pid), Signal::SIGSEGV).unwrap();
        assert!(is_gone(pid));
    };
    // To a command …
    let mut daemon = t.storage_daemon([""; 0]).qmp().start().unwrap();
    die(daemon.pid());
    let shown = daemon.qmp("query-version", ()).unwrap_err().to_string();
    assert!(
        shown.starts_with("qemu-storage-daemon ended unexpectedly: signal 11 (SIGSEGV)\ncommand: "),
        "{shown}"
    );
    assert!(
        shown.contains("\nits monitor:\n    closed the monitor before query-version could be sent"),
        "{shown}"
    );
    drop(daemon);
    assert_eq!(stage.late(), [""; 0], "it was reported already");
    // … to a wait for an event …
    let mut daemon = t.storage_daemon([""; 0]).qmp().start().unwrap();
    die(daemon.pid());
    let shown = daemon.event_wait("JOB_STATUS_CHANGE").unwrap_err().to_string();
    assert!(
        shown.starts_with("qemu-storage-daemon ended unexpectedly: signal 11 (SIGSEGV)\ncommand: "),
        "{shown}"
    );
    assert!(shown.contains("\nits monitor:\n    closed the monitor before an event"), "{shown}");
    drop(daemon);
    assert_eq!(stage.late(), [""; 0], "it was reported already");
    // … to a stop …
    let daemon = t.storage_daemon([""; 0]).start().unwrap();
    die(daemon.pid());
    assert!(matches!(daemon.stop(), Err(Error::Died { status: Status::Signalled(11), .. })));
    assert_eq!(stage.late(), [""; 0]);
    // … and to nobody.
    let daemon = t.storage_daemon([""; 0]).start().unwrap();
    die(daemon.pid());
    drop(daemon);
    assert!(stage.late()[0].starts_with("qemu-storage-daemon ended unexpectedly: signal 11 (SIGSEGV)\n"));
}

#[test]
fn a_storage_daemon_ends_by_any_signal_that_was_asked_for() {
    let stage = stage("raw");
    let t = &stage.test;
    let daemon = t.storage_daemon([""; 0]).start().unwrap();
    assert_eq!(daemon.kill(Signal::SIGKILL).unwrap(), Status::Signalled(9));
    assert_eq!(pid_files(t), [""; 0]);

    // One that does not listen to signals at that moment.
    let stage = stage_with("raw", &[("IOTESTS_TIMEOUT_SCALE", "0.02")]);
    let daemon = stage.test.storage_daemon([""; 0]).start().unwrap();
    let pid = daemon.pid();
    kill(Pid::from_raw(pid), Signal::SIGSTOP).unwrap();
    let shown = text(&daemon.stop().unwrap_err());
    assert!(shown.starts_with("timed out waiting for the end of "), "{shown}");
    assert!(shown.contains(" after SIGTERM (killed now)"), "{shown}");
    assert!(is_gone(pid));
}

// ---- images ------------------------------------------------------------------------------------

#[test]
fn samples_are_unpacked() {
    let samples = tempfile::tempdir().unwrap();
    let pack = |content: &[u8]| {
        let mut packed = BzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(content).unwrap();
        packed.finish().unwrap()
    };
    // Large files are packed as several streams.
    fs::write(samples.path().join("two.bz2"), [pack(b"first "), pack(b"second")].concat()).unwrap();
    fs::write(samples.path().join("cut.bz2"), &pack(&[7; 1000])[..20]).unwrap();
    let unpacking = stage_with("raw", &[("SAMPLE_IMG_DIR", samples.path().to_str().unwrap())]);
    let t = &unpacking.test;
    let file = t.file("image");
    fs::write(&file, "what was there before, and longer").unwrap();
    t.sample_image("two", &file).unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), "first second");

    let dir = samples.path().display();
    let error = t.sample_image("none", &file).unwrap_err().to_string();
    assert_eq!(
        error,
        format!("failed to open sample image {dir}/none.bz2: No such file or directory (os error 2)")
    );
    let error = t.sample_image("cut", &file).unwrap_err().to_string();
    assert!(error.starts_with(&format!("failed to unpack {dir}/cut.bz2 into {file}: ")), "{error}");
    let error = t.sample_image("two", "/nonexistent/image").unwrap_err().to_string();
    assert_eq!(error, "failed to create /nonexistent/image: No such file or directory (os error 2)");

    let bare = stage("raw");
    let error = bare.test.sample_image("two", &file).unwrap_err().to_string();
    assert_eq!(error, "there is no directory of sample images: name one in SAMPLE_IMG_DIR");
}

#[test]
fn marker_images_tell_their_sectors() {
    let stage = stage("raw");
    let t = &stage.test;
    let file = t.file("markers");
    create_image(&file, 3 * 512 + 1).unwrap();
    let bytes = fs::read(&file).unwrap();
    assert_eq!(bytes.len(), 4 * 512);
    for (number, sector) in bytes.chunks(512).enumerate() {
        assert_eq!(sector, sector_marker(number as i32));
        assert_eq!(sector[..4], (number as i32).to_be_bytes());
        assert_eq!(sector[508..], (number as i32).to_be_bytes());
        assert!(sector[4..508].iter().all(|byte| *byte == 0));
    }
    t.verify_pattern(&file, 0, "4", "504").unwrap();
    create_image(&file, 0).unwrap();
    assert_eq!(fs::metadata(&file).unwrap().len(), 0);
    let error = create_image("/nonexistent/x", 512).unwrap_err().to_string();
    assert_eq!(error, "failed to write /nonexistent/x: No such file or directory (os error 2)");
    let error = create_image(&file, (1 << 40) + 1).unwrap_err().to_string();
    assert_eq!(error, "an image with sector markers holds at most 1 TiB, 1099511627777 bytes were asked for");
}

#[test]
fn remote_names_are_for_file_and_ssh() {
    let name = |protocol: &str, vars: &[(&str, &str)]| {
        let params = Params { imgfmt: "raw".into(), imgproto: protocol.into(), param: None };
        let base = tempfile::tempdir().unwrap();
        let run = RunDir::create(base.path(), base.path()).unwrap();
        let vars = vars.iter().map(|(name, value)| (name.into(), value.into()));
        let env = Arc::new(TestEnv::from_vars(vars).unwrap());
        let context = Context::new(env, params, run.trial().unwrap(), None, Registry::new());
        let name = Test::with_context(Arc::new(context)).remote_filename("/dir/file");
        name.map_err(|error| error.to_string())
    };
    assert_eq!(name("file", &[]), Ok("/dir/file".into()));
    assert_eq!(name("ssh", &[("USER", "me")]), Ok("ssh://me@127.0.0.1:22/dir/file".into()));
    assert_eq!(name("ssh", &[]), Ok("ssh://None@127.0.0.1:22/dir/file".into()));
    assert_eq!(name("nbd", &[]), Err("there is no remote file name for protocol nbd".into()));
}

// ---- scratch files -----------------------------------------------------------------------------

#[test]
fn scratch_files_go_with_the_trial() {
    let stage = stage("raw");
    let t = &stage.test;
    let pid = std::process::id();
    let [first, second] = t.files(["first", "second"]);
    assert!(first.ends_with(&format!("/{pid}-first")) && second.ends_with(&format!("/{pid}-second")));
    assert!(!first.as_path().exists());
    fs::write(&first, "x").unwrap();
    fs::create_dir(&second).unwrap();
    let socket = t.socket("nbd").unwrap();
    std::os::unix::net::UnixListener::bind(socket.as_str()).unwrap();
    let paths = [first, second, socket];
    assert!(paths.iter().all(|path| path.as_path().exists()));
    drop(stage);
    assert!(paths.iter().all(|path| !path.as_path().exists()));
}

#[test]
fn a_socket_path_that_is_too_long_is_reported_before_anything_starts() {
    let stage = stage("raw");
    let t = &stage.test;
    let error = t.socket(&"x".repeat(108)).unwrap_err();
    assert!(matches!(error, Error::Setup(_)));
    let shown = stage.text(&error);
    assert!(shown.ends_with(" bytes, the limit is 107: name a shorter directory in SOCK_DIR"), "{shown}");
    // As long as it may be.
    let room = 107 - t.socket("").unwrap().len();
    std::os::unix::net::UnixListener::bind(t.socket(&"x".repeat(room)).unwrap().as_str()).unwrap();
    assert!(t.socket(&"x".repeat(room + 1)).is_err());
}

#[test]
fn a_trial_without_a_harness_fails_by_what_its_destructors_find() {
    let t = Test::with_format("raw").unwrap();
    let (file, socket) = (image(&t, "disk"), t.socket("nbd").unwrap());
    let server = t.qemu_nbd_server(["-k", &socket, "-f", "raw", &file]).unwrap();
    kill(Pid::from_raw(server.pid()), Signal::SIGSEGV).unwrap();
    assert!(is_gone(server.pid()));
    let dir = t.context().scratch().run_dir().to_owned();
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        drop(server);
        drop(t);
    }));
    let message = panic.unwrap_err();
    let message = message.downcast_ref::<String>().unwrap();
    assert!(message.starts_with("qemu-nbd ended unexpectedly: signal 11 (SIGSEGV)\n"), "{message}");
    assert!(!dir.exists());
}

#[test]
fn a_trial_that_ends_well_leaves_nothing() {
    let t = Test::with_format("raw").unwrap();
    File::create(t.file("x").as_path()).unwrap();
    let dir = t.context().scratch().run_dir().to_owned();
    assert!(dir.exists());
    drop(t);
    assert!(!dir.exists());
}
