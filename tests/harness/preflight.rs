//! Binaries that are broken or not there: reported once.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use iotests::env::{TestEnv, ToolKind, Version};

use crate::project::Project;
use crate::script::script;

#[test]
fn a_dead_emulator_is_one_failure() {
    let project = Project::new();
    let ran = project.run_with(&["outcome/passes"], &[("QEMU_PROG", "/bin/false")]);
    assert_eq!(ran.status.code(), Some(101));
    assert_eq!(ran.results(), ["preflight: FAILED"]);
    ran.matches("dead_qemu");
}

#[test]
fn without_any_qemu_it_says_what_to_install() {
    let project = Project::new();
    let empty = project.root().join("empty");
    fs::create_dir(&empty).unwrap();
    let without = |args: &[&str]| {
        let mut command = project.command(args);
        for name in ["QEMU_PROG", "QEMU_IMG_PROG", "QEMU_IO_PROG", "QEMU_NBD_PROG", "QSD_PROG"] {
            command.env_remove(name);
        }
        project.finish(command.env("PATH", &empty))
    };
    let ran = without(&[]);
    assert_eq!(ran.status.code(), Some(101));
    assert_eq!(ran.results(), ["preflight: FAILED"]);
    for name in ["no qemu:", "no qemu-img:", "no qemu-io:", "sh setup.sh", "install the package"] {
        assert!(ran.stdout.contains(name), "{name}: {}", ran.stdout);
    }
    let ran = without(&["--list", "--format", "terse"]);
    assert!(!ran.status.success());
    assert_eq!(ran.stdout, "");
    assert!(ran.stderr.contains("no qemu-img:"), "{}", ran.stderr);
}

/// A PATH with QEMU's emulator and image tools alone.
fn path_without_servers(project: &Project) -> PathBuf {
    let dir = project.root().join("few");
    fs::create_dir(&dir).unwrap();
    let env = TestEnv::from_process().unwrap();
    for kind in [ToolKind::Qemu, ToolKind::QemuImg, ToolKind::QemuIo] {
        let program = &env.tool(kind).unwrap().program;
        symlink(program, dir.join(program.file_name().unwrap())).unwrap();
    }
    dir
}

#[test]
fn what_needs_a_missing_server_is_known_to_be_skipped() {
    let project = Project::new();
    fs::remove_dir_all(project.root().join("reference")).unwrap();
    fs::create_dir_all(project.root().join("cases/servers")).unwrap();
    for (name, text) in [
        (
            "nbd",
            "files: disk\nsockets: nbd\nquiet qemu-img create -f raw $disk 1M\nquiet nbd-server start -f raw -k $nbd $disk\n",
        ),
        ("storage", "quiet storage-daemon start\n"),
        ("guarded", "[qemu-nbd] quiet nbd-server start nonsense\nquiet log hello\n"),
        ("neither", "quiet log hello\n"),
    ] {
        fs::write(project.root().join("cases/servers").join(format!("{name}.case")), text).unwrap();
    }
    fs::create_dir_all(project.reference("servers")).unwrap();
    for name in ["guarded", "neither"] {
        fs::write(project.reference(&format!("servers/{name}.out")), "> quiet log hello\n").unwrap();
    }
    let path = path_without_servers(&project);
    let without = |args: &[&str]| {
        let mut command = project.command(args.iter().chain(&["--test-threads=1"]));
        command.env_remove("QEMU_NBD_PROG").env_remove("QSD_PROG");
        project.finish(command.env("PATH", &path))
    };
    let ran = without(&["servers/"]);
    assert_eq!(
        ran.results(),
        [
            "servers/guarded::raw: ok",
            "servers/nbd::raw: ignored (qemu-nbd is neither on PATH nor named by QEMU_NBD_PROG)",
            "servers/neither::raw: ok",
            "servers/storage::raw: ignored (qemu-storage-daemon is neither on PATH nor named by QSD_PROG)",
        ]
    );
    let listed = without(&["servers/", "--list", "--ignored"]);
    assert_eq!(listed.stdout, "servers/nbd::raw: test\nservers/storage::raw: test\n");
}

/// The one failure of a run, which is reported instead of what it would have run.
fn one_failure(project: &Project, variables: &[(&str, &str)]) -> String {
    let ran = project.run_with(&["outcome/"], variables);
    assert_eq!(ran.status.code(), Some(101));
    assert_eq!(ran.results(), ["preflight: FAILED"]);
    let reported = ran.stdout.split_once("---- preflight ----\n").unwrap().1;
    reported.split_once("\nnothing else was run").unwrap().0.to_owned()
}

/// A program of the project's own.
fn program(project: &Project, name: &str, text: &str) -> String {
    script(project.root(), name, text).to_str().unwrap().to_owned()
}

fn real(kind: ToolKind) -> PathBuf {
    TestEnv::from_process().unwrap().tool(kind).unwrap().program.clone()
}

fn version(kind: ToolKind) -> Version {
    TestEnv::from_process().unwrap().caps().version(kind).unwrap()
}

#[test]
fn a_server_that_is_named_must_be_there_and_work() {
    let project = Project::new();
    let reported = one_failure(&project, &[("QEMU_NBD_PROG", "/nonexistent/nbd")]);
    assert!(
        reported.starts_with("no qemu-nbd: QEMU_NBD_PROG is \"/nonexistent/nbd\", which cannot be"),
        "{reported}"
    );
    let reported = one_failure(&project, &[("QSD_PROG", "/bin/false")]);
    assert!(reported.starts_with("/bin/false is not a working qemu-storage-daemon: "), "{reported}");
}

#[test]
fn a_binary_that_broke_without_changing_is_found_out() {
    let project = Project::new();
    let root = project.root().display();
    let real = real(ToolKind::QemuIo);
    let text = format!(
        "test -e {root}/broken && {{ echo 'libfoo.so.1 is gone'; exit 127; }}\n\
         test -e {root}/other && [ \"$1\" = --version ] && exec cat {root}/other\nexec {} \"$@\"",
        real.display()
    );
    let qemu_io = program(&project, "qemu-io", &text);
    let named = [("QEMU_IO_PROG", qemu_io.as_str())];
    let passes = || {
        let ran = project.run_with(&["outcome/passes"], &named);
        assert_eq!(ran.results(), ["outcome/passes::raw: ok"], "{}", ran.stdout);
    };
    passes();
    fs::write(project.root().join("broken"), "").unwrap();
    let reported = one_failure(&project, &named);
    assert!(
        reported.starts_with("ROOT/qemu-io is not a working qemu-io: `ROOT/qemu-io --version` ended with"),
        "{reported}"
    );
    assert!(reported.contains("libfoo.so.1 is gone"), "{reported}");
    // Each process of nextest would have to.
    let alone = project.run_with(&["--exact", "outcome/passes::raw"], &named);
    assert_eq!(alone.results(), ["outcome/passes::raw: ok"]);
    fs::remove_file(project.root().join("broken")).unwrap();
    let Version { major, minor, micro } = version(ToolKind::QemuIo);
    let other = format!("{major}.{minor}.{}", micro + 1);
    fs::write(project.root().join("other"), format!("qemu-io version {other}\n")).unwrap();
    let reported = one_failure(&project, &named);
    let known = format!("ROOT/qemu-io is qemu-io {other}, but was {major}.{minor}.{micro} when");
    assert!(reported.starts_with(&known), "{reported}");
    passes();
}

#[test]
fn what_every_machine_needs_is_looked_for_once() {
    let project = Project::new();
    let path = path_without_servers(&project);
    let path = ("PATH", path.to_str().unwrap());
    assert_eq!(
        one_failure(&project, &[path, ("GDB_OPTIONS", "localhost:1 --once")]),
        "environment variable GDB_OPTIONS is \"localhost:1 --once\": expected gdbserver on PATH, where there is none: \
         install it, or unset the variable"
    );
    assert_eq!(
        one_failure(&project, &[path, ("VALGRIND_QEMU", "y")]),
        "environment variable VALGRIND_QEMU is \"y\": expected valgrind on PATH, where there is none: install it, or \
         unset the variable"
    );
    // Where there is no KVM at all, that is reported instead.
    let text = format!(
        "case \"$*\" in *'-accel tcg'* | '-object help' | --version) exec {} \"$@\" ;; esac\necho 'failed to initialize kvm'; exit 1",
        real(ToolKind::Qemu).display()
    );
    let qemu = program(&project, "half-a-qemu", &text);
    let reported = one_failure(&project, &[("QEMU_PROG", &qemu), ("IOTESTS_ACCEL", "kvm")]);
    assert!(
        reported.starts_with("environment variable IOTESTS_ACCEL is \"kvm\": expected ")
            || reported.starts_with("kvm does not work here: ")
                && reported.contains("failed to initialize kvm"),
        "{reported}"
    );
}

#[test]
fn where_no_machine_can_run_what_launches_one_is_skipped() {
    let project = Project::new();
    let Version { major, minor, micro } = version(ToolKind::QemuImg);
    let answers = [
        format!(r#"{{"qemu": {{"major": {major}, "minor": {minor}, "micro": {micro}}}, "package": ""}}"#),
        r#"{"arch": "s390x"}"#.to_owned(),
        r#"[{"name": "tcg-accel"}]"#.to_owned(),
        "[]".to_owned(),
        "[]".to_owned(),
        "[]".to_owned(),
    ];
    let mut text = format!(
        "case $1 in --version) echo 'QEMU emulator version {major}.{minor}.{micro}'; exit ;; -object) exit ;; esac\n"
    );
    text += "fd=$(grep -o 'fd=[0-9]*' <<<\"$*\"); fd=${fd#fd=}\n";
    for (id, answer) in answers.iter().enumerate() {
        text += &format!("echo '{{\"return\": {answer}, \"id\": {id}}}' >&$fd\n");
    }
    let qemu = program(&project, "qemu-system-s390x", &text);
    let ran = project.run_with(&["outcome/passes", "outcome/crashes"], &[("QEMU_PROG", &qemu)]);
    assert_eq!(
        ran.results(),
        [
            "outcome/passes::raw: ok",
            "outcome/crashes::raw: ignored (no halting firmware for the target s390x, on which virtual machines \
             therefore need the qtest accelerator: use an emulator that has it, or one for x86, Arm \
             or RISC-V)",
        ],
        "{}",
        ran.stdout
    );
    let asked = one_failure(&project, &[("QEMU_PROG", &qemu), ("IOTESTS_ACCEL", "tcg")]);
    assert!(asked.contains("IOTESTS_ACCEL") && asked.contains("qtest, for there is no halting"), "{asked}");
}

#[test]
fn binaries_of_different_versions_are_an_error_unless_all_are_named() {
    let project = Project::new();
    let text = |version: &str| {
        let real = real(ToolKind::QemuIo);
        format!(
            "[ \"$1\" = --version ] && {{ echo 'qemu-io version {version}'; exit; }}\nexec {} \"$@\"",
            real.display()
        )
    };
    let real_img = real(ToolKind::QemuImg);
    let Version { major, minor, micro } = version(ToolKind::QemuImg);
    let near = program(&project, "near", &text(&format!("{major}.{minor}.{}", micro + 1)));
    let ran = project.run_with(&["outcome/passes"], &[("QEMU_IO_PROG", &near)]);
    assert_eq!(ran.results(), ["outcome/passes::raw: ok"], "{}", ran.stdout);

    let far = program(&project, "far", &text("8.1.0"));
    let mut command = project.command(["outcome/passes", "--test-threads=1"]);
    command.env_remove("QEMU_IMG_PROG").env("PATH", real_img.parent().unwrap()).env("QEMU_IO_PROG", &far);
    let ran = project.finish(&mut command);
    assert_eq!(ran.results(), ["preflight: FAILED"]);
    let lines = format!(
        "the binaries are of different versions of QEMU:\n    QEMU_IMG is {major}.{minor}.{micro}\n    ROOT/far is 8.1.0\n\
         what to do: run `sh setup.sh`, or name all of one version in QEMU_PROG, QEMU_IMG_PROG, "
    );
    assert!(ran.stdout.contains(&lines), "{}", ran.stdout);
    let named = [("QEMU_IO_PROG", far.as_str()), ("QEMU_IMG_PROG", real_img.to_str().unwrap())];
    let ran = project.run_with(&["outcome/passes"], &named);
    assert_eq!(ran.results(), ["outcome/passes::raw: ok"], "{}", ran.stdout);
    assert!(ran.stderr.starts_with("iotests: the binaries are of different versions"), "{}", ran.stderr);
    let alone = project.run_with(&["--exact", "outcome/passes::raw"], &named);
    assert!(!alone.stderr.contains("different versions"), "{}", alone.stderr);
}

#[test]
fn a_version_that_is_too_old_is_an_error_and_one_that_is_new_a_warning() {
    let project = Project::new();
    let real_img = real(ToolKind::QemuImg);
    let qemu_io = |version: &str| {
        let real = real(ToolKind::QemuIo);
        let text = format!(
            "[ \"$1\" = --version ] && {{ echo 'qemu-io version {version}'; exit; }}\nexec {} \"$@\"",
            real.display()
        );
        program(&project, version, &text)
    };
    let old = qemu_io("7.1.9");
    let named = [("QEMU_IO_PROG", old.as_str()), ("QEMU_IMG_PROG", real_img.to_str().unwrap())];
    assert_eq!(
        one_failure(&project, &named),
        "the suite needs QEMU 7.2.0 or newer:\n    ROOT/7.1.9 is 7.1.9\nwhat to do: install a newer QEMU, or name its \
         binaries in QEMU_PROG, QEMU_IMG_PROG, QEMU_IO_PROG, QEMU_NBD_PROG, QSD_PROG"
    );
    let new = qemu_io("99.1.50");
    let named = [("QEMU_IO_PROG", new.as_str()), ("QEMU_IMG_PROG", real_img.to_str().unwrap())];
    let ran = project.run_with(&["outcome/passes"], &named);
    assert_eq!(ran.results(), ["outcome/passes::raw: ok"], "{}", ran.stdout);
    let warning = "\niotests: QEMU 99.1.50 is newer than 11.1, the newest that the suite is tested with: ";
    assert!(ran.stderr.contains(warning), "{}", ran.stderr);
    let alone = project.run_with(&["--exact", "outcome/passes::raw"], &named);
    assert!(!alone.stderr.contains("newer than"), "{}", alone.stderr);
}

#[test]
fn directories_that_are_no_good_are_reported_by_their_variables() {
    let project = Project::new();
    let file = project.root().join("file");
    fs::write(&file, "").unwrap();
    let below = file.join("dir");
    let ran = project.run_with(
        &["outcome/passes"],
        &[
            ("TEST_DIR", below.to_str().unwrap()),
            ("SOCK_DIR", below.to_str().unwrap()),
            ("TMPDIR", "/nonexistent"),
            ("SAMPLE_IMG_DIR", file.to_str().unwrap()),
        ],
    );
    assert_eq!(ran.status.code(), Some(2));
    assert_eq!(
        ran.stderr,
        "iotests: environment variable TEST_DIR is \"ROOT/file/dir\": expected a directory that can be made: Not a \
         directory (os error 20)\n\
         iotests: environment variable SOCK_DIR is \"ROOT/file/dir\": expected a directory that can be made: Not a \
         directory (os error 20)\n\
         iotests: environment variable TMPDIR is \"/nonexistent\": expected a directory that exists: No such file or \
         directory (os error 2)\n\
         iotests: environment variable SAMPLE_IMG_DIR is \"ROOT/file\": expected a directory, not a file\n\
         iotests: nothing was run\n"
    );
    let sockets = project.root().join("new/sockets");
    let ran = project.run_with(&["outcome/passes"], &[("SOCK_DIR", sockets.to_str().unwrap())]);
    assert_eq!(ran.results(), ["outcome/passes::raw: ok"], "{}", ran.stderr);
    assert!(sockets.is_dir());
}

#[test]
fn a_place_that_qemu_cannot_name_files_in_is_one_error() {
    let project = Project::new();
    let refused = |variable: &str, dir: &[u8], shown: &str, expected: &str| {
        let dir = project.root().join(OsStr::from_bytes(dir));
        let mut command = project.command(["outcome/passes", "--test-threads=1"]);
        let ran = project.finish(command.env(variable, &dir));
        assert_eq!((ran.status.code(), ran.stdout.as_str()), (Some(2), ""), "{shown}");
        let error =
            format!("iotests: environment variable {variable} is \"ROOT/{shown}\": expected {expected}");
        assert!(ran.stderr.starts_with(&error), "{}", ran.stderr);
        assert_eq!(ran.stderr.lines().count(), 2, "{}", ran.stderr);
        assert!(!dir.exists());
    };
    for variable in ["TEST_DIR", "SOCK_DIR"] {
        refused(
            variable,
            b"a,b",
            "a,b",
            "a path without a comma, which ends a file's name in QEMU's options",
        );
        refused(
            variable,
            b"a\xfe",
            r"a\\xfe",
            "a path that is UTF-8, for QMP and logs hold the names of files in it",
        );
    }
}

#[test]
fn a_place_that_is_too_long_for_sockets_is_one_error() {
    let project = Project::new();
    let long = project.root().join("long".repeat(20));
    fs::create_dir(&long).unwrap();
    let long = long.to_str().unwrap();
    for variable in ["SOCK_DIR", "TMPDIR"] {
        let ran = project.run_with(&["outcome/passes"], &[(variable, long)]);
        assert_eq!((ran.status.code(), ran.stdout.as_str()), (Some(2), ""), "{}", ran.stderr);
        let error = format!("iotests: environment variable {variable} is \"ROOT/long");
        assert!(ran.stderr.starts_with(&error), "{}", ran.stderr);
        assert!(ran.stderr.contains("\": expected a path of at most 63 bytes, since "), "{}", ran.stderr);
        assert_eq!(ran.stderr.lines().count(), 2, "{}", ran.stderr);
    }
    let short = project.root().join("s");
    let ran =
        project.run_with(&["outcome/passes"], &[("TMPDIR", long), ("SOCK_DIR", short.to_str().unwrap())]);
    assert_eq!(ran.results(), ["outcome/passes::raw: ok"], "{}", ran.stderr);
}

/// The program of the project under limits that a shell sets.
fn under(project: &Project, limits: &str, args: &[&str]) -> Command {
    let plain = project.command(args);
    let mut command = Command::new("/bin/bash");
    command
        .args(["-c", &format!("{limits} && exec \"$0\" \"$@\"")])
        .arg(plain.get_program())
        .args(plain.get_args());
    command.env_clear().current_dir(project.root()).stdin(Stdio::null());
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command
}

#[test]
fn too_few_open_files_are_one_failure_that_says_how_to_have_more() {
    let project = Project::new();
    let args = ["outcome/passes", "references/same", "--test-threads=4"];
    let ran = project.finish(&mut under(&project, "ulimit -n 30", &args));
    assert_eq!(ran.results(), ["preflight: FAILED"], "{}", ran.stderr);
    let reported = "\nthis process may have 30 files open, and may not raise that beyond 30; 4 trials at a time need 128\n\
                what to do: run it where `ulimit -Hn` is higher, or with a smaller --test-threads\n";
    assert!(ran.stdout.contains(reported), "{}", ran.stdout);
    // A limit that may be raised is.
    let ran = project.finish(&mut under(&project, "ulimit -Sn 30", &args));
    assert_eq!(ran.status.code(), Some(0), "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn a_disk_that_is_too_small_is_one_failure() {
    let project = Project::new();
    let disk = project.root().join("disk");
    fs::create_dir(&disk).unwrap();
    let on_disk = |size: &str, args: &[&str]| {
        let mount = format!("mount -t tmpfs -o size={size} none {}", disk.display());
        let plain = under(&project, &mount, args);
        let mut command = Command::new("unshare");
        command
            .args(["--user", "--map-root-user", "--mount"])
            .arg(plain.get_program())
            .args(plain.get_args());
        command.env_clear().current_dir(project.root()).stdin(Stdio::null());
        command
            .envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))))
            .env("TEST_DIR", &disk);
        project.finish(&mut command)
    };
    let ran = on_disk("1m", &["--list", "outcome/passes"]);
    if !ran.status.success() {
        eprintln!("users may not mount anything, even in a namespace: not tested ({})", ran.stderr.trim());
        return;
    }
    let ran = on_disk("1m", &["outcome/", "references/"]);
    assert_eq!(ran.results(), ["preflight: FAILED"], "{}", ran.stderr);
    let reported = "\nonly 1 MiB are free in ROOT/disk, and a run needs 64 MiB\nwhat to do: free some space, or set TEST_DIR";
    assert!(ran.stdout.contains(reported), "{}", ran.stdout);
    // A few trials are run nevertheless, and what fails has that as its reason.
    let ran = on_disk("1m", &["references/differs", "references/missing", "--test-threads=1"]);
    let failed = ["references/differs::raw: FAILED", "references/missing::raw: FAILED"];
    assert_eq!(ran.results(), failed, "{}", ran.stderr);
    let reported = "ERROR: the harness could not do its part: the disk that TEST_DIR is on is full: free some space, or set \
                TEST_DIR to a directory on another disk\n    references/differs::raw\n    references/missing::raw\n";
    assert!(ran.stderr.contains(reported), "{}", ran.stderr);
}
