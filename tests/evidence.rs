//! A tool is believed only if it shows that it did its work. The tools that lie here are small scripts; what they wrap
//! is real.
#![expect(clippy::unwrap_used, reason = "a broken fixture should fail loudly")]

#[path = "support/script.rs"]
mod script;
#[path = "support/stage.rs"]
mod stage;

use std::os::unix::fs::FileExt;
use std::path::Path;

use iotests::prelude::*;
use script::script;
use stage::{AMPLE, Stage};
use tempfile::TempDir;

/// A trial whose tool, named by this variable, is this script. `REAL` in it is the real tool.
fn lying(variable: &str, tool: ToolKind, body: &str) -> (Stage, TempDir) {
    let plain = stage("qcow2");
    let real = plain.test.context().env().tool(tool).unwrap().program.display().to_string();
    let dir = tempfile::tempdir().unwrap();
    let program = script(dir.path(), tool.name(), &body.replace("REAL", &real));
    (Stage::in_dir(tempfile::tempdir().unwrap(), "qcow2", &[(variable, &program)], AMPLE), dir)
}

fn stage(imgfmt: &str) -> Stage {
    Stage::in_dir(tempfile::tempdir().unwrap(), imgfmt, &[], AMPLE)
}

fn stage_with(variable: &str, value: &str) -> Stage {
    Stage::in_dir(tempfile::tempdir().unwrap(), "qcow2", &[(variable, Path::new(value))], AMPLE)
}

/// An image that the real qemu-img has made.
fn image(t: &Test) -> String {
    image_named(t, "disk")
}

fn image_named(t: &Test, name: &str) -> String {
    let real = stage("qcow2");
    let file = t.file(name);
    real.test.qemu_img_create(["-f", "qcow2", &file, "1M"]).unwrap();
    file.to_string()
}

#[track_caller]
fn no_evidence<T: std::fmt::Debug>(result: Result<T>) -> String {
    match result {
        Err(error @ Error::NoEvidence { .. }) => {
            assert!(!error.is_failure());
            error.to_string()
        }
        other => panic!("no evidence was noticed as missing: {other:?}"),
    }
}

const QEMU_IO: (&str, ToolKind) = ("QEMU_IO_PROG", ToolKind::QemuIo);
const QEMU_IMG: (&str, ToolKind) = ("QEMU_IMG_PROG", ToolKind::QemuImg);

// ---- qemu-io -----------------------------------------------------------------------------------

#[test]
fn qemu_io_that_does_nothing_is_noticed() {
    for body in ["exit 0", "REAL -V", "REAL \"$@\" | head -n 1", "REAL \"$@\" | sed 's/65536/65537/'"] {
        let (stage, _dir) = lying(QEMU_IO.0, QEMU_IO.1, body);
        let t = &stage.test;
        let file = image(t);
        let shown = no_evidence(t.qemu_io(["-c", "write -P 1 64k 64k", &file]));
        assert!(
            shown.contains("expected \"wrote 65536/65536 bytes at offset 65536\" and the number"),
            "{shown}"
        );
        no_evidence(t.qemu_io_log(["-c", "read 0 64k", &file]));
        no_evidence(t.qemu_io_check(["-c", "discard 0 64k", &file]));
        no_evidence(t.write_pattern(&file, 1, "0", "64k"));
        let missing = t.verify_pattern(&file, 1, "0", "64k").unwrap_err().error;
        assert!(matches!(missing, Error::NoEvidence { .. }), "{missing}");
        no_evidence(t.qemu_io_start(["-c", "read 0 64k", &file]).unwrap().wait());
    }
}

#[test]
fn options_of_the_environment_do_not_pass_for_work() {
    let stage = stage_with("QEMU_IO_OPTIONS", "-V");
    let file = image(&stage.test);
    no_evidence(stage.test.qemu_io(["-c", "read 0 64k", &file]));
    no_evidence(stage.test.qemu_io([&file]));
    let stage = stage_with("QEMU_IMG_OPTIONS", "-V");
    no_evidence(stage.test.qemu_img_create(["-f", "qcow2", &stage.test.file("disk"), "1M"]));
    no_evidence(stage.test.qemu_img_info([&file]));
    no_evidence(stage.test.compare_images(&file, &file));
}

#[test]
fn what_cannot_be_shown_is_no_evidence() {
    let stage = stage("qcow2");
    let t = &stage.test;
    let file = image(t);
    let shown = no_evidence(t.qemu_io(["-c", "write -q 0 64k", &file]));
    assert!(shown.contains("leave -q out"), "{shown}");
    let shown = no_evidence(t.qemu_io(["-c", "read 0 0", &file]));
    assert!(shown.contains("a length of 0 does nothing"), "{shown}");
    let shown = no_evidence(t.qemu_img(["resize", "-q", "-f", "qcow2", &file, "2M"]));
    assert!(shown.contains("leave -q out"), "{shown}");
}

#[test]
fn every_way_to_move_data_has_its_report() {
    let stage = stage("qcow2");
    let t = &stage.test;
    let file = image(t);
    let commands = [
        "w -P7 0x1000 0.5k",
        "write 64k 4k -P 7",
        "write -zu 0 64k",
        "write -c 128k 64k",
        "write -C 0 1K",
        "writev 0 512 512 1k",
        "readv -v 512 16 16",
        "aio_write -z 256k 64k",
        "aio_read 0 512 512",
        "aio_flush",
        "r -vP 7 -s 0 -l 512 64k 4k",
        "d 0 64k",
        "length",
        "map",
        "alloc 0 1M",
        "info",
        "flush",
    ];
    for command in commands {
        t.qemu_io(["-d", "unmap", "-c", command, &file]).unwrap();
    }
    // Compressed data is not written over, so each takes an image of its own.
    let file = image_named(t, "all");
    let all = commands.iter().flat_map(|one| ["-c", one]);
    t.qemu_io(["-d", "unmap"].into_iter().chain(all).chain([&*file])).unwrap();
    let file = image_named(t, "live");
    let mut vm = t.vm().drive(&file).launch().unwrap();
    for command in commands {
        let printed = vm.drive_io("drive0", command).unwrap();
        // QEMU prints this part to the monitor, where objections go as well.
        assert_eq!(printed.contains("Format specific information:"), command == "info", "{printed}");
    }
    vm.shutdown().unwrap();
    let mut io = t.qemu_io_interactive(["-r", &file]).unwrap();
    for command in commands.iter().filter(|command| command.starts_with('r')) {
        io.cmd(command).unwrap();
    }
    io.close().unwrap();
    assert_eq!(stage.late(), [""; 0]);
}

#[test]
fn a_failed_request_is_a_failure() {
    let stage = stage("qcow2");
    let t = &stage.test;
    let file = image(t);
    let read = ["-c", "read -P 9 0 64k", &file];
    assert!(matches!(t.qemu_io(read), Err(Error::Tool(_))));
    assert!(!t.qemu_io_check(read).unwrap());
    assert!(t.qemu_io(read).must_fail().unwrap().stdout.contains("Pattern verification failed"));
    let error = t.qemu_io(["-c", "read -P 0 0 64k", &file]).must_fail().unwrap_err();
    assert!(
        error.to_string().starts_with("command had to fail, but succeeded: ") && error.is_failure(),
        "{error}"
    );
}

#[test]
fn a_failed_request_has_a_bad_exit_status() {
    let (stage, _dir) = lying(QEMU_IO.0, QEMU_IO.1, "REAL \"$@\"; exit 0");
    let t = &stage.test;
    let file = image(t);
    for command in ["read -P 9 0 64k", "read 2M 64k", "write 2M 64k", "read 0", "nonesuch"] {
        let shown = no_evidence(t.qemu_io(["-c", command, &file]));
        assert!(shown.contains("an exit status other than 0"), "{shown}");
        no_evidence(t.qemu_io(["-c", command, &file]).must_fail());
        no_evidence(t.qemu_io_check(["-c", command, "-c", "read 0 64k", &file]));
        let mut io = t.qemu_io_interactive([&file]).unwrap();
        io.try_cmd(command).unwrap();
        io.cmd("read 0 64k").unwrap();
        no_evidence(io.close());
    }
}

#[test]
fn a_failed_request_that_ran_beside_others_has_none() {
    let stage = stage("qcow2");
    let t = &stage.test;
    let file = image(t);
    for command in ["aio_read -P 9 0 64k", "aio_write 2M 64k"] {
        let failed = t.qemu_io(["-c", command, "-c", "aio_flush", &file]).must_fail().unwrap();
        assert_eq!(failed.status, Status::Exited(0));
        let mut io = t.qemu_io_interactive([&file]).unwrap();
        let _ = io.try_cmd(command).unwrap();
        let _ = io.try_cmd("aio_flush").unwrap();
        io.close().unwrap();
    }
}

#[test]
fn a_list_of_exports_is_as_long_as_it_says() {
    let list = "echo 'exports available: 2'; echo \" export: 'a'\"; echo '  size:  1048576'";
    for (more, is_believed) in [("", false), ("; echo \" export: 'b'\"", true)] {
        let (stage, _dir) = lying("QEMU_NBD_PROG", ToolKind::QemuNbd, &format!("{list}{more}"));
        let listed = stage.test.qemu_nbd_list(["-k", "nothing"]);
        if is_believed {
            listed.unwrap();
        } else {
            no_evidence(listed);
        }
    }
}

#[test]
fn qemu_io_at_its_prompt_is_not_believed_either() {
    let silent =
        "printf 'qemu-io> '; while read -r line; do [ \"$line\" = q ] && exit; printf 'qemu-io> '; done";
    let (stage, _dir) = lying(QEMU_IO.0, QEMU_IO.1, silent);
    let mut io = stage.test.qemu_io_interactive([""; 0]).unwrap();
    no_evidence(io.cmd("write 0 64k"));
    no_evidence(io.try_cmd("length"));
    io.cmd("aio_write 0 64k").unwrap();
    no_evidence(io.cmd("aio_flush"));
    io.cmd("aio_write 0 64k").unwrap();
    no_evidence(io.close());
}

// ---- qemu-img ----------------------------------------------------------------------------------

/// What each subcommand is called with, on images `a`, `b` and on `new`, which is not there.
const SUBCOMMANDS: [&[&str]; 17] = [
    &["amend", "-f", "qcow2", "-o", "lazy_refcounts=on", "a"],
    &["bench", "-c", "1", "-f", "qcow2", "a"],
    &["bitmap", "--add", "a", "bitmap"],
    &["check", "-f", "qcow2", "a"],
    &["check", "--output=json", "-f", "qcow2", "a"],
    &["commit", "-f", "qcow2", "b"],
    &["compare", "-f", "qcow2", "-F", "qcow2", "a", "b"],
    &["convert", "-f", "qcow2", "-O", "raw", "a", "new"],
    &["create", "-f", "qcow2", "new", "1M"],
    &["dd", "-f", "qcow2", "-O", "raw", "if=a", "of=new"],
    &["info", "-f", "qcow2", "a"],
    &["map", "-f", "qcow2", "a"],
    &["measure", "--output", "json", "-O", "qcow2", "--size", "1M"],
    &["rebase", "-u", "-f", "qcow2", "-F", "qcow2", "-b", "a", "b"],
    &["resize", "-f", "qcow2", "a", "2M"],
    &["snapshot", "-c", "one", "a"],
    &["convert", "-n", "-f", "qcow2", "-O", "qcow2", "a", "b"],
];

/// Runs each, on images made anew.
fn each(body: &str, judge: impl Fn(&[&str], Result<Output>)) {
    let (stage, _dir) = lying(QEMU_IMG.0, QEMU_IMG.1, body);
    let t = &stage.test;
    let [a, b, new] = t.files(["a", "b", "new"]);
    let real = self::stage("qcow2");
    for words in SUBCOMMANDS {
        let _ = std::fs::remove_file(&new);
        real.test.qemu_img_create(["-f", "qcow2", &a, "1M"]).unwrap();
        real.test.qemu_img_create(["-f", "qcow2", "-b", &a, "-F", "qcow2", &b]).unwrap();
        let named = |word: &&str| match *word {
            "a" => a.to_string(),
            "b" => b.to_string(),
            "new" => new.to_string(),
            "if=a" => format!("if={a}"),
            "of=new" => format!("of={new}"),
            other => other.to_owned(),
        };
        judge(words, t.qemu_img(words.iter().map(named)));
    }
}

#[test]
fn every_subcommand_that_works_shows_it() {
    each("exec REAL \"$@\"", |words, result| {
        result.unwrap_or_else(|error| panic!("{words:?}: {error}"));
    });
}

#[test]
fn every_subcommand_that_does_nothing_is_noticed() {
    for body in ["exit 0", "echo done", "exit 1"] {
        each(body, |_, result| {
            no_evidence(result);
        });
    }
}

#[test]
fn an_empty_target_is_no_copy() {
    let (stage, _dir) = lying(QEMU_IMG.0, QEMU_IMG.1, "for last; do :; done; : > \"$last\"");
    let t = &stage.test;
    let (file, copy) = (image(t), t.file("copy"));
    no_evidence(t.qemu_img(["convert", "-f", "qcow2", "-O", "raw", &file, &copy]));
}

#[test]
fn numbers_of_json_must_be_there() {
    for body in ["echo '{}'", "echo '{ \"check-errors\": \"none\" }'", "echo '[]'"] {
        let (stage, _dir) = lying(QEMU_IMG.0, QEMU_IMG.1, body);
        no_evidence(stage.test.qemu_img_check(["-f", "qcow2", "x"]));
        no_evidence(stage.test.qemu_img_measure(["-O", "qcow2", "x"]));
        no_evidence(stage.test.image_size("x"));
    }
}

#[test]
fn a_map_has_no_gaps() {
    let map = |t: &Test, options: &[&str]| {
        let file = image(t);
        t.qemu_io(["-c", "write 64k 64k", &file]).unwrap();
        t.qemu_img(["map", "--output=json", "-f", "qcow2"].iter().chain(options).copied().chain([&*file]))
    };
    for (from, to) in [(0, 1), (65536, 65537)] {
        let body = format!("REAL \"$@\" | sed 's/\"start\": {from},/\"start\": {to},/'");
        let (stage, _dir) = lying(QEMU_IMG.0, QEMU_IMG.1, &body);
        let shown = no_evidence(map(&stage.test, &[]));
        assert!(shown.contains("extents that follow one another"), "{shown}");
    }
    let stage = stage("qcow2");
    map(&stage.test, &[]).unwrap();
    map(&stage.test, &["--start-offset=64k"]).unwrap();
    map(&stage.test, &["-s", "64k"]).unwrap();
}

#[test]
fn a_comparison_says_what_differs() {
    let (stage, _dir) = lying(QEMU_IMG.0, QEMU_IMG.1, "echo 'something else'; exit 1");
    assert!(matches!(stage.test.compare_images("a", "b"), Err(Error::Tool(_))));
}

#[test]
fn a_sound_image_has_no_errors_corruptions_or_leaks() {
    let stage = stage("qcow2");
    let t = &stage.test;
    let file = image(t);
    t.check_clean(&file).unwrap();
    let open = || std::fs::OpenOptions::new().write(true).open(&file).unwrap();
    // The refcount of a cluster that is in use, in the third cluster of a new image.
    let set = |count: [u8; 2]| open().write_all_at(&count, 2 * 65536 + 2 * 3).unwrap();
    set([0, 0]);
    let error = t.check_clean(&file).unwrap_err().error;
    assert!(error.is_failure() && error.to_string().contains("\"corruptions\": 1"), "{error}");
    set([0, 2]);
    let error = t.check_clean(&file).unwrap_err().error;
    assert!(error.to_string().contains("\"leaks\": 1"), "{error}");
    // It has repaired nothing.
    assert_eq!(t.qemu_img_check(["-f", "qcow2", &file]).unwrap()["leaks"], 1);
    set([0, 1]);
    t.check_clean(&file).unwrap();
    let raw = self::stage("raw");
    let disk = raw.test.file("disk");
    raw.test.qemu_img_create(["-f", "raw", &disk, "1M"]).unwrap();
    assert!(matches!(raw.test.check_clean(&disk).unwrap_err().error, Error::Tool(_)));
}

// ---- formats -----------------------------------------------------------------------------------

#[test]
fn an_image_of_another_format_is_not_taken_for_raw() {
    let stage = stage("raw");
    let t = &stage.test;
    for format in ["qcow2", "qcow", "qed", "vdi", "vmdk", "vhdx", "vpc", "parallels", "luks"] {
        let file = t.file(format);
        let mut args = vec!["-f", format, &file, "1M"];
        if format == "luks" {
            args.splice(2..2, ["-o", "iter-time=10"]);
        }
        t.qemu_img_create(args).unwrap();
        let before = std::fs::read(&file).unwrap();
        let error = t.write_pattern(&file, 1, "0", "64k").unwrap_err();
        assert!(matches!(error, Error::Misuse(_)), "{error}");
        assert!(
            error.to_string().contains(&format!("is a {format} image, but would be used as raw")),
            "{error}"
        );
        assert!(t.verify_pattern(&file, 1, "0", "64k").is_err());
        assert!(t.qemu_io(["-c", "write 0 64k", &file]).is_err());
        assert!(t.qemu_io_interactive([&*file]).is_err());
        assert!(t.image_size(&file).is_err() && t.img_info_log(&file).is_err());
        assert!(t.compare_images(&file, &file).is_err() && t.check_clean(&file).is_err());
        let error = t.vm().drive(&*file).launch().unwrap_err();
        assert!(matches!(error, Error::Misuse(_)), "{error}");
        assert_eq!(std::fs::read(&file).unwrap(), before);
    }
    // Unless it is asked for.
    let file = t.file("qcow2");
    t.write_pattern_as(&file, "qcow2", 1, "0", "64k").unwrap();
    t.verify_pattern_as(&file, "qcow2", 1, "0", "64k").unwrap();
    t.qemu_io(["-f", "raw", "-c", "read 0 64k", &file]).unwrap();
    drop(t.vm().drive_with(Drive::new(&*file).format("raw").options("readonly=on")).launch().unwrap());
    t.write_pattern_as(&file, "raw", 2, "0", "64k").unwrap();
    t.verify_pattern(&file, 2, "0", "64k").unwrap();
}

// ---- stderr ------------------------------------------------------------------------------------

fn unexpected(t: &Test) -> Vec<String> {
    t.context().unexpected_stderr().iter().map(ToString::to_string).collect()
}

#[test]
fn a_warning_of_a_tool_is_logged_declared_or_an_error() {
    let body = "echo \"qemu-img: warning: the moon is full\" >&2; exec REAL \"$@\"";
    let (stage, _dir) = lying(QEMU_IMG.0, QEMU_IMG.1, body);
    let t = &stage.test;
    let file = t.file("disk");
    t.qemu_img_create(["-f", "qcow2", &file, "1M"]).unwrap();
    t.qemu_img_info(["-f", "qcow2", &file]).unwrap();
    let found = unexpected(t);
    assert_eq!(found.len(), 1, "{found:?}");
    let first =
        "qemu-img printed what the case neither logs nor declares: qemu-img: warning: the moon is full\n";
    assert!(found[0].starts_with(first) && found[0].contains("ignores-stderr: "), "{}", found[0]);
    t.ignore_stderr("moon is full", "it is");
    t.qemu_img_info(["-f", "qcow2", &file]).unwrap();
    assert_eq!(unexpected(t), [""; 0]);

    let (stage, _dir) = lying(QEMU_IMG.0, QEMU_IMG.1, body);
    stage.test.img_info_log(&image(&stage.test)).unwrap();
    assert_eq!(unexpected(&stage.test), [""; 0]);
}

#[test]
fn what_is_declared_and_never_printed_is_a_failure() {
    let stage = stage("qcow2");
    let t = &stage.test;
    t.ignore_stderr("the moon is full", "it never is");
    image(t);
    let [unused] = &t.context().unexpected_stderr()[..] else { panic!("no error") };
    assert!(unused.is_failure());
    let expected = "no program printed a line with \"the moon is full\", which the case declares to be ignored on stderr\n";
    assert!(unused.to_string().starts_with(expected), "{unused}");
}

#[test]
fn a_warning_of_a_vm_is_read_declared_or_an_error() {
    let stage = stage("raw");
    let t = &stage.test;
    let file = t.file("disk");
    t.qemu_img_create(["-f", "raw", &file, "1M"]).unwrap();
    // QEMU warns that it had to guess the format.
    let launch = || t.vm().drive_raw(format!("if=none,id=disk,file={file}")).launch().unwrap();
    drop(launch());
    let found = unexpected(t);
    assert!(found[0].contains("Image format was not specified for"), "{found:?}");
    let vm = launch();
    t.log(vm.get_log().unwrap());
    drop(vm);
    assert_eq!(unexpected(t), [""; 0]);
    t.ignore_stderr("Image format was not specified", "a case that leaves it out");
    t.ignore_stderr("block 0 will be restricted", "what this means");
    t.ignore_stderr("Specify the 'raw' format explicitly", "and what to do");
    drop(launch());
    assert_eq!(unexpected(t), [""; 0]);
}

// ---- ends --------------------------------------------------------------------------------------

/// A server that says it is ready, and aborts when it is asked to end.
const ABORTS: &str = "\
while [ $# -gt 0 ]; do case $1 in --pidfile|--pid-file) file=$2 ;; esac; shift; done
trap 'kill -ABRT $$' TERM
echo $$ > \"$file\"
while :; do sleep 0.01; done";

#[test]
fn a_server_that_aborts_while_it_ends_fails_the_trial() {
    let (stage, _dir) = lying("QSD_PROG", ToolKind::QemuStorageDaemon, ABORTS);
    let start = || stage.test.storage_daemon([""; 0]).start().unwrap();
    assert!(matches!(start().stop(), Err(Error::Died { status: Status::Signalled(6), .. })));
    drop(start());
    let late = stage.late();
    assert!(late.len() == 1 && late[0].contains("ended unexpectedly: signal 6"), "{late:?}");
    start().kill(nix::sys::signal::Signal::SIGKILL).unwrap();
    assert_eq!(stage.late(), [""; 0]);

    let (stage, _dir) = lying("QEMU_NBD_PROG", ToolKind::QemuNbd, ABORTS);
    let t = &stage.test;
    assert!(matches!(t.qemu_nbd_server([""; 0]).unwrap().stop(), Err(Error::Died { .. })));
    drop(t.qemu_nbd_server([""; 0]).unwrap());
    assert_eq!(stage.late().len(), 1);
    t.qemu_nbd_server([""; 0]).unwrap().kill().unwrap();
    assert_eq!(stage.late(), [""; 0]);
    t.qemu_nbd([""; 0]).unwrap();
    t.context().end_owned();
    assert_eq!(stage.late().len(), 1);
}

#[test]
fn a_qemu_io_that_aborts_while_it_ends_fails_the_trial() {
    let (stage, _dir) = lying(QEMU_IO.0, QEMU_IO.1, "printf 'qemu-io> '; read -r line; kill -ABRT $$");
    let start = || stage.test.qemu_io_interactive([""; 0]).unwrap();
    assert!(matches!(start().close(), Err(Error::Crash { .. })));
    drop(start());
    let late = stage.late();
    assert!(late.len() == 1 && late[0].starts_with("qemu-io received signal 6"), "{late:?}");
}

#[test]
fn a_server_that_ends_leaves_no_bitmap_in_use() {
    let stage = stage("qcow2");
    let t = &stage.test;
    let (file, socket) = (image(t), t.socket("nbd").unwrap());
    t.qemu_img(["bitmap", "--add", "-f", "qcow2", &file, "changes"]).unwrap();
    let url = format!("nbd+unix:///disk?socket={socket}");
    let write = || t.qemu_io(["-f", "raw", "-c", "write 0 64k", &url]).unwrap();
    let flags = || {
        let info = t.qemu_img_info(["-f", "qcow2", &file]).unwrap();
        info["format-specific"]["data"]["bitmaps"][0]["flags"].clone()
    };
    let args = ["-k", &socket, "-f", "qcow2", "-x", "disk", &file];
    let server = t.qemu_nbd_server(args).unwrap();
    write();
    drop(server);
    assert_eq!(flags(), json!(["auto"]));
    t.qemu_nbd(["-t"].into_iter().chain(args)).unwrap();
    write();
    t.context().end_owned();
    assert_eq!(flags(), json!(["auto"]));
    let server = t.qemu_nbd_server(args).unwrap();
    write();
    server.kill().unwrap();
    assert_eq!(flags(), json!(["in-use", "auto"]));
    assert_eq!(stage.late(), [""; 0]);
}
