//! What is found out about the binaries, how often they are started for it, and what is said of
//! broken ones.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/script.rs"]
mod script;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use iotests::env::{Accel, Support, TestEnv, ToolKind, firmware_image};
use iotests::process::{Cmd, Registry, Stream};
use script::script;
use tempfile::TempDir;

/// Names the cache directory of a process that a test starts.
const SHARED_CACHE: &str = "PROBES_SHARED_CACHE";

/// How often an emulator is started to learn what it is: for the list of its objects, and for an interview.
const EMULATOR_STARTS: usize = 2;

fn env(vars: &[(&str, &Path)]) -> TestEnv {
    let vars = vars.iter().map(|(name, value)| (OsString::from(name), value.as_os_str().to_owned()));
    TestEnv::from_vars(vars).unwrap()
}

fn process_env() -> TestEnv {
    TestEnv::from_process().unwrap()
}

/// A real binary of this machine.
fn real(kind: ToolKind) -> PathBuf {
    process_env().tool(kind).unwrap().program.clone()
}

fn stdout_of(program: &Path, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Runs a real binary and keeps count of its starts.
struct Counted {
    dir: TempDir,
    program: PathBuf,
}

impl Counted {
    fn new(kind: ToolKind) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let text = format!("echo >>{}/starts\nexec {} \"$@\"", dir.path().display(), real(kind).display());
        let program = script(dir.path(), kind.name(), &text);
        Self { dir, program }
    }

    fn starts(&self) -> usize {
        std::fs::read_to_string(self.dir.path().join("starts")).unwrap_or_default().lines().count()
    }

    fn cache(&self) -> PathBuf {
        self.dir.path().join("cache")
    }

    /// As another process would have it.
    fn env(&self, variable: &str) -> TestEnv {
        env(&[(variable, &self.program)]).with_cache_dir(self.cache())
    }
}

#[test]
fn versions_are_what_the_binaries_print() {
    let env = process_env();
    for kind in ToolKind::ALL {
        let version = env.caps().version(kind).unwrap().to_string();
        let printed = stdout_of(&env.tool(kind).unwrap().program, &["--version"]);
        assert!(printed.contains(&format!(" {version}")), "{kind}: {version} is not in {printed}");
    }
}

#[test]
fn the_emulator_describes_itself() {
    let env = process_env();
    let emulator = env.caps().emulator().unwrap();
    let program = &env.tool(ToolKind::Qemu).unwrap().program;
    let printed = stdout_of(program, &["-accel", "help"]);
    let listed: BTreeSet<_> = printed.lines().skip(1).filter(|line| !line.contains(' ')).collect();
    // QEMU leaves qtest out of its help.
    let known = emulator.accelerators.iter().map(String::as_str).filter(|name| *name != "qtest");
    assert_eq!(known.collect::<BTreeSet<_>>(), listed);
    let machines = stdout_of(program, &["-machine", "help"]);
    for machine in &emulator.machines {
        assert!(machines.contains(&machine.name), "{} is not in {machines}", machine.name);
    }
    assert!(!emulator.has_device("virtio-blk") && emulator.has_device("scsi-hd"));
    assert!(emulator.has_command("blockdev-add") && !emulator.has_command("blockdev-ad"));
}

/// Runs the real emulator, whose list of objects may lack the one for monitors, as if it had that object and no other
/// option for monitors.
#[test]
fn the_monitor_is_an_object_where_there_is_such_an_object() {
    let dir = tempfile::tempdir().unwrap();
    let text = format!(
        r#"[ "$*" = "-object help" ] && {{ echo "  monitor-qmp"; exit; }}
for arg; do
    case $arg in
    -mon) echo "there is no -mon" >&2; exit 1 ;;
    -object) ;;
    monitor-qmp,*,chardev=*) args+=(-mon "chardev=${{arg##*=}},mode=control") ;;
    *) args+=("$arg") ;;
    esac
done
exec {} "${{args[@]}}""#,
        real(ToolKind::Qemu).display()
    );
    let program = script(dir.path(), "qemu", &text);
    let env = env(&[("QEMU_PROG", &program)]);
    assert_eq!(env.caps().emulator().unwrap().devices, process_env().caps().emulator().unwrap().devices);
    assert!(env.caps().has_feature("blockdev-add").unwrap());
}

#[test]
fn the_default_machine_goes_by_its_short_name() {
    let env = process_env();
    let machine = env.default_machine().unwrap();
    let printed = stdout_of(&env.tool(ToolKind::Qemu).unwrap().program, &["-machine", "help"]);
    let default =
        printed.lines().find(|line| line.contains("(default)")).map(|line| line.split(' ').next().unwrap());
    let alias = default.map(|name| {
        let alias = printed.lines().find(|line| line.contains(&format!("(alias of {name})")));
        alias.map_or(name, |line| line.split(' ').next().unwrap())
    });
    assert_eq!(machine, alias.unwrap_or_default());
    let reported = TestEnv::from_vars([("QEMU_DEFAULT_MACHINE".into(), "mine".into())]).unwrap();
    assert_eq!(reported.default_machine().unwrap(), "mine");
}

#[test]
fn formats_are_those_that_the_binaries_list() {
    let env = process_env();
    let formats = env.caps().formats().unwrap();
    let printed =
        stdout_of(&env.tool(ToolKind::Qemu).unwrap().program, &["-M", "none", "-drive", "format=help"]);
    let line = |title: &str| -> Vec<String> {
        let line = printed.lines().find_map(|line| line.strip_prefix(title)).unwrap();
        line.split_whitespace().map(str::to_owned).collect()
    };
    assert_eq!(formats.read_write, line("Supported formats:"));
    assert_eq!(formats.read_only, line("Supported formats (read-only):"));
    let known = env.caps().image_formats().unwrap();
    assert!(
        ["raw", "qcow2", "file", "vmdk"].iter().all(|name| known.iter().any(|format| format == name)),
        "{known:?}"
    );
    let help = stdout_of(&env.tool(ToolKind::QemuImg).unwrap().program, &["--help"]);
    assert_eq!(env.caps().quorum().unwrap(), help.contains("quorum"));
}

#[test]
fn the_schema_answers_questions_in_libvirts_notation() {
    let env = process_env();
    let schema = env.caps().schema().unwrap();
    for path in [
        "blockdev-add",
        "blockdev-add/arg-type",
        "blockdev-add/arg-type/node-name",
        "blockdev-add/arg-type/+qcow2/data-file",
        "blockdev-add/arg-type/+qcow2/data-file/+nbd/tls-creds",
        "blockdev-add/arg-type/discard/^unmap",
        "blockdev-reopen/arg-type/options/driver/^qcow2",
        "query-named-block-nodes/ret-type/node-name",
        "BLOCK_JOB_ERROR/arg-type/action",
        "device_add/$json-cli",
    ] {
        assert!(schema.has(path), "{path} is missing");
    }
    for path in [
        "",
        "blockdev-ad",
        "blockdev-add/node-name",
        "blockdev-add/arg-type/data-file",
        "blockdev-add/arg-type/+qcow2/data-fil",
        "blockdev-add/arg-type/discard/^unmapped",
        "blockdev-add/arg-type/discard/^unmap/x",
        "device_add/$json-clip",
        "blockdev-add/+",
        "blockdev-add//",
    ] {
        assert!(!schema.has(path), "{path} is there");
    }
}

#[test]
fn answers_about_features_are_kept_one_by_one() {
    let counted = Counted::new(ToolKind::Qemu);
    let has = |path| counted.env("QEMU_PROG").caps().has_feature(path).unwrap();
    assert!(has("blockdev-add/arg-type/+qcow2") && !has("blockdev-add/arg-type/+qcow3"));
    assert_eq!(counted.starts(), EMULATOR_STARTS + 1);
    for file in std::fs::read_dir(counted.cache()).unwrap().map(|file| file.unwrap().path()) {
        if file.display().to_string().contains("qemu-schema") {
            std::fs::remove_file(file).unwrap();
        }
    }
    assert!(has("blockdev-add/arg-type/+qcow2") && !has("blockdev-add/arg-type/+qcow3"));
    assert_eq!(counted.starts(), EMULATOR_STARTS + 1);
    let broken = env(&[("QEMU_PROG", Path::new("/bin/false"))]);
    let error = broken.caps().has_feature("blockdev-add").unwrap_err().to_string();
    assert_eq!(error.matches("is not a working").count(), 1, "{error}");
}

#[test]
fn zstd_is_tried_for_real() {
    let support = process_env().caps().zstd().unwrap().clone();
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("z").display().to_string();
    let printed = stdout_of(
        &real(ToolKind::QemuImg),
        &["create", "-f", "qcow2", "-o", "compression_type=zstd", &image, "0"],
    );
    assert_eq!(
        support.missing().is_some(),
        printed.contains("does not accept value"),
        "{support:?}, {printed}"
    );
}

#[test]
fn luks_is_tried_for_real() {
    let env = process_env();
    let known = env.caps().image_formats().unwrap().iter().any(|format| format == "luks");
    let support = env.caps().luks().unwrap();
    assert_eq!(support.works(), known, "{support:?}");
}

#[test]
fn a_refusal_to_make_a_luks_image_gives_the_reason_alone_and_is_asked_again() {
    let dir = tempfile::tempdir().unwrap();
    let qemu_img = real(ToolKind::QemuImg);
    let spoil = format!(
        "echo >>{}/starts\nexec {} \"${{@/iter-time=10/iter-time=ten}}\"",
        dir.path().display(),
        qemu_img.display()
    );
    let program = script(dir.path(), "qemu-img", &spoil);
    let starts = || std::fs::read_to_string(dir.path().join("starts")).unwrap().lines().count();
    let env = || env(&[("QEMU_IMG_PROG", &program)]).with_cache_dir(dir.path().join("cache"));
    let reason = match env().caps().luks().unwrap() {
        Support::Missing(reason) => reason.clone(),
        Support::Works => panic!("{} ignores its options", program.display()),
    };
    assert!(reason.starts_with("Parameter 'iter-time' expects"), "{reason}");
    let first = starts();
    assert!(!env().caps().luks().unwrap().works());
    assert_eq!(starts(), 2 * first);
}

#[test]
fn a_qemu_img_without_luks_is_asked_once() {
    let dir = tempfile::tempdir().unwrap();
    let text = format!(
        "echo >>{}/starts\nexec {} \"${{@/#luks/luxury}}\"",
        dir.path().display(),
        real(ToolKind::QemuImg).display()
    );
    let program = script(dir.path(), "qemu-img", &text);
    let env = || env(&[("QEMU_IMG_PROG", &program)]).with_cache_dir(dir.path().join("cache"));
    for _ in 0..2 {
        let reason = env().caps().luks().unwrap().missing().unwrap().to_owned();
        assert!(reason.contains("Unknown file format 'luxury'"), "{reason}");
    }
    assert_eq!(std::fs::read_to_string(dir.path().join("starts")).unwrap().lines().count(), 1);
}

#[test]
fn trouble_with_a_zstd_image_that_is_not_zstds_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let spoil =
        format!("exec {} \"${{@/compression_type=zstd/cluster_size=1}}\"", real(ToolKind::QemuImg).display());
    let program = script(dir.path(), "qemu-img", &spoil);
    let error = env(&[("QEMU_IMG_PROG", &program)]).caps().zstd().unwrap_err().to_string();
    let start = format!(
        "{} is not a working qemu-img: it could not create a small qcow2 image: Cluster size",
        program.display()
    );
    assert!(error.starts_with(&start), "{error}");
}

#[test]
fn a_trial_that_needs_the_image_tool_alone_starts_no_emulator() {
    let counted = Counted::new(ToolKind::Qemu);
    let image_tool = real(ToolKind::QemuImg);
    let env = env(&[("QEMU_PROG", &counted.program), ("QEMU_IMG_PROG", &image_tool)]);
    env.caps().quorum().unwrap();
    env.caps().version(ToolKind::QemuImg).unwrap();
    env.preflight(&[ToolKind::QemuImg]).unwrap();
    assert_eq!(counted.starts(), 0);
    env.caps().emulator().unwrap();
    env.default_machine().unwrap();
    env.preflight(&[ToolKind::Qemu]).unwrap();
    assert_eq!(counted.starts(), EMULATOR_STARTS);
}

#[test]
fn an_answer_is_kept_until_the_binary_changes() {
    let counted = Counted::new(ToolKind::Qemu);
    let first = counted.env("QEMU_PROG").caps().emulator().unwrap().clone();
    assert_eq!(counted.env("QEMU_PROG").caps().emulator().unwrap(), &first);
    assert_eq!(counted.starts(), EMULATOR_STARTS);
    let schema = counted.env("QEMU_PROG").caps().schema().unwrap().clone();
    let formats = counted.env("QEMU_PROG").caps().formats().unwrap().clone();
    assert_eq!(counted.starts(), EMULATOR_STARTS + 2);
    assert_eq!(counted.env("QEMU_PROG").caps().schema().unwrap(), &schema);
    assert_eq!(counted.env("QEMU_PROG").caps().formats().unwrap(), &formats);
    assert_eq!(counted.starts(), EMULATOR_STARTS + 2);
    File::open(&counted.program)
        .unwrap()
        .set_modified(SystemTime::UNIX_EPOCH + Duration::new(1_000_000_000, 1))
        .unwrap();
    assert_eq!(counted.env("QEMU_PROG").caps().emulator().unwrap(), &first);
    assert_eq!(counted.starts(), 2 * EMULATOR_STARTS + 2);
    File::open(&counted.program)
        .unwrap()
        .set_modified(SystemTime::UNIX_EPOCH + Duration::new(1_000_000_000, 2))
        .unwrap();
    counted.env("QEMU_PROG").caps().emulator().unwrap();
    assert_eq!(counted.starts(), 3 * EMULATOR_STARTS + 2);
}

#[test]
fn an_answer_is_asked_for_again_when_modules_come_or_go() {
    let counted = Counted::new(ToolKind::Qemu);
    let modules = counted.dir.path().join("modules");
    std::fs::create_dir(&modules).unwrap();
    let probe = || {
        let env = env(&[("QEMU_PROG", &counted.program), ("QEMU_MODULE_DIR", &modules)]);
        env.with_cache_dir(counted.cache()).caps().emulator().unwrap().version
    };
    probe();
    probe();
    assert_eq!(counted.starts(), EMULATOR_STARTS);
    std::fs::write(modules.join("accel-qtest-x86_64.so"), "").unwrap();
    File::open(&modules).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
    probe();
    assert_eq!(counted.starts(), 2 * EMULATOR_STARTS);
}

#[test]
fn a_spoilt_cache_is_no_error() {
    let counted = Counted::new(ToolKind::QemuImg);
    counted.env("QEMU_IMG_PROG").caps().quorum().unwrap();
    let spoil = |text: &[u8]| {
        for file in std::fs::read_dir(counted.cache()).unwrap() {
            std::fs::write(file.unwrap().path(), text).unwrap();
        }
    };
    for (starts, text) in [(2, &b"{"[..]), (3, b""), (4, b"\xff\0"), (5, b"{\"identity\":1,\"answer\":{}}")] {
        spoil(text);
        counted.env("QEMU_IMG_PROG").caps().quorum().unwrap();
        assert_eq!(counted.starts(), starts);
        counted.env("QEMU_IMG_PROG").caps().quorum().unwrap();
        assert_eq!(counted.starts(), starts);
    }
}

#[test]
fn a_cache_that_cannot_be_written_is_no_error() {
    let counted = Counted::new(ToolKind::QemuImg);
    std::fs::write(counted.cache(), "a file where the directory should be").unwrap();
    counted.env("QEMU_IMG_PROG").caps().quorum().unwrap();
    counted.env("QEMU_IMG_PROG").caps().quorum().unwrap();
    assert_eq!(counted.starts(), 2);
}

#[test]
fn a_failure_is_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    let text = format!(
        "test -e {0}/repaired || exit 7\nexec {1} \"$@\"",
        dir.path().display(),
        real(ToolKind::QemuNbd).display()
    );
    let program = script(dir.path(), "qemu-nbd", &text);
    let env = || env(&[("QEMU_NBD_PROG", &program)]).with_cache_dir(dir.path().join("cache"));
    let broken = env();
    let error = broken.caps().version(ToolKind::QemuNbd).unwrap_err().to_string();
    assert!(error.contains("ended with exit status 7 and printed nothing"), "{error}");
    std::fs::write(dir.path().join("repaired"), "").unwrap();
    broken.caps().version(ToolKind::QemuNbd).expect_err("one process asks once");
    env().caps().version(ToolKind::QemuNbd).unwrap();
}

#[test]
fn somebody_who_holds_the_lock_for_ever_holds_nobody_up_for_ever() {
    let counted = Counted::new(ToolKind::QemuImg);
    counted.env("QEMU_IMG_PROG").caps().quorum().unwrap();
    let files: Vec<PathBuf> =
        std::fs::read_dir(counted.cache()).unwrap().map(|file| file.unwrap().path()).collect();
    let (locks, answers): (Vec<_>, Vec<_>) =
        files.iter().partition(|file| file.extension().unwrap() == "lock");
    answers.iter().for_each(|answer| std::fs::remove_file(answer).unwrap());
    let lock = File::open(locks[0]).unwrap();
    let _held = nix::fcntl::Flock::lock(lock, nix::fcntl::FlockArg::LockExclusive).unwrap();
    let scale = Path::new("0.2");
    let impatient = env(&[("QEMU_IMG_PROG", &counted.program), ("IOTESTS_TIMEOUT_SCALE", scale)]);
    impatient.with_cache_dir(counted.cache()).caps().quorum().unwrap();
    assert_eq!(counted.starts(), 2);
}

/// Also what the processes of the test below do.
#[test]
fn a_process_finds_out_about_the_emulator() {
    let own = tempfile::tempdir().unwrap();
    let cache = std::env::var_os(SHARED_CACHE).map_or_else(|| own.path().to_owned(), PathBuf::from);
    let env = process_env().with_cache_dir(cache);
    let machine = env.default_machine().unwrap();
    assert!(
        machine.is_empty()
            || env
                .caps()
                .emulator()
                .unwrap()
                .machines
                .iter()
                .any(|known| { known.name == machine || known.alias.as_deref() == Some(machine) })
    );
}

#[test]
fn of_sixteen_processes_one_asks_the_emulator() {
    let counted = Counted::new(ToolKind::Qemu);
    let start = |_| {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_process_finds_out_about_the_emulator"])
            .env("QEMU_PROG", &counted.program)
            .env(SHARED_CACHE, counted.cache())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap()
    };
    let mut processes: Vec<_> = (0..16).map(start).collect();
    for process in &mut processes {
        assert!(process.wait().unwrap().success());
    }
    assert_eq!(counted.starts(), EMULATOR_STARTS);
}

#[test]
fn a_broken_image_tool_is_one_error() {
    let dir = tempfile::tempdir().unwrap();
    let program = script(dir.path(), "broken", "echo 'cannot load libfoo' >&2; exit 127");
    let emulator = real(ToolKind::Qemu);
    let env = env(&[("QEMU_PROG", &emulator), ("QEMU_IMG_PROG", &program)]);
    let error = env.preflight(&[ToolKind::Qemu, ToolKind::QemuImg]).unwrap_err().to_string();
    let program = program.display();
    assert_eq!(
        error,
        format!(
            "{program} is not a working qemu-img: `{program} --help` ended with exit status 127 and printed:\n    \
             cannot load libfoo\nwhat to do: run `sh setup.sh`, or install the package qemu-utils (Debian, Ubuntu), qemu-tools (openSUSE) or \
             qemu-img (Fedora, Arch, Alpine), or set QEMU_IMG_PROG to a qemu-img that works"
        )
    );
}

#[test]
fn other_programs_in_place_of_the_tools_are_found_out() {
    let problem = |variable, program: &str, kind| {
        let error = env(&[(variable, Path::new(program))]).preflight(&[kind]).unwrap_err().to_string();
        assert_eq!(error.matches("is not a working").count(), 1, "{error}");
        assert!(error.contains(variable), "{error}");
        error
    };
    let error = problem("QEMU_IMG_PROG", "/bin/false", ToolKind::QemuImg);
    assert!(error.contains("`/bin/false --help` ended with exit status 1 and printed"), "{error}");
    let error = problem("QEMU_IO_PROG", "/bin/true", ToolKind::QemuIo);
    assert!(error.contains("`/bin/true --version` named no version and printed"), "{error}");
    let error = problem("QEMU_PROG", "/bin/false", ToolKind::Qemu);
    assert!(error.contains("ended with exit status 1 and printed nothing"), "{error}");
    let image_tool = real(ToolKind::QemuImg);
    let error = problem("QEMU_PROG", image_tool.to_str().unwrap(), ToolKind::Qemu);
    assert!(error.contains("ended with exit status 1 and printed"), "{error}");
}

#[test]
fn several_broken_binaries_are_all_reported() {
    let binary = Path::new("/bin/false");
    let env = env(&[("QEMU_PROG", binary), ("QEMU_NBD_PROG", binary)]);
    let error = env.preflight(&ToolKind::ALL).unwrap_err().to_string();
    for part in [
        "is not a working qemu:",
        "no qemu-img:",
        "no qemu-io:",
        "is not a working qemu-nbd:",
        "no qemu-storage-daemon:",
    ] {
        assert_eq!(error.matches(part).count(), 1, "{part} in {error}");
    }
}

#[test]
fn an_emulator_that_talks_nonsense_or_not_at_all_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    // It has no objects, and its monitor is the descriptor that the command line names.
    let monitor = "[ \"$1\" = -object ] && exit; fd=$(grep -o 'fd=[0-9]*' <<<\"$*\"); fd=${fd#fd=}";
    let problem = |name: &str, text: &str| {
        let program = script(dir.path(), name, &format!("{monitor}\n{text}"));
        let env = env(&[("QEMU_PROG", &program), ("IOTESTS_TIMEOUT_SCALE", Path::new("0.2"))]);
        let error = env.caps().emulator().unwrap_err().to_string();
        error.strip_prefix(&format!("{} is not a working qemu: ", program.display())).unwrap().to_owned()
    };
    let error = problem("nonsense", "echo 'hello there' >&$fd; sleep 60");
    assert!(
        error.starts_with("it answered something that is not JSON: expected value at line 1 column 1\n"),
        "{error}"
    );
    let error = problem(
        "other",
        r#"for id in 0 1 2 3 4 5; do echo "{\"return\": 1, \"id\": $id}" >&$fd; done; sleep 60"#,
    );
    assert!(error.starts_with("it does not describe itself as QEMU does\n"), "{error}");
    let error = problem(
        "refusing",
        r#"echo '{"error": {"class": "x", "desc": "no such thing"}, "id": 3}' >&$fd; sleep 60"#,
    );
    assert!(error.starts_with("it refused the QMP command query-machines: no such thing\n"), "{error}");
    let error = problem("silent", "echo thinking; sleep 60");
    assert!(error.contains(" had not answered through its monitor after "), "{error}");
    assert!(error.contains(" s and printed:\n    thinking\n"), "{error}");
    let error = problem("chatty", r#"exec yes '{"event": "X"}' >&$fd"#);
    assert!(error.contains(" had not answered through its monitor after "), "{error}");
    let error = problem("dying", r#"echo '{"QMP": {}}' >&$fd; echo 'out of order' >&2; kill -SEGV $$"#);
    assert!(error.contains(" ended with signal 11 (SIGSEGV) and printed:\n    out of order\n"), "{error}");
}

#[test]
fn the_accelerator_is_the_best_there_is_or_the_one_asked_for() {
    let qemu = real(ToolKind::Qemu);
    let with = |accel: &str| env(&[("QEMU_PROG", &qemu), ("IOTESTS_ACCEL", Path::new(accel))]);
    let emulator = with("").caps().emulator().unwrap().clone();
    let best = [Accel::Qtest, Accel::Tcg].into_iter().find(|accel| emulator.has_accelerator(*accel));
    assert_eq!(Some(with("").accelerator().unwrap()), best);
    let kvm = emulator.has_accelerator(Accel::Kvm)
        && File::options().read(true).write(true).open("/dev/kvm").is_ok();
    for (accel, works) in [
        (Accel::Qtest, emulator.has_accelerator(Accel::Qtest)),
        (Accel::Tcg, emulator.has_accelerator(Accel::Tcg)),
        (Accel::Kvm, kvm),
    ] {
        match with(accel.name()).accelerator() {
            Ok(chosen) => assert_eq!((chosen, works), (accel, true)),
            Err(error) => {
                assert!(!works, "{error}");
                let text = error.to_string();
                assert!(
                    text.starts_with(&format!(
                        "environment variable IOTESTS_ACCEL is \"{accel}\": expected "
                    )),
                    "{text}"
                );
                assert!(
                    text.contains("was built without it") || text.contains("/dev/kvm cannot be used: "),
                    "{text}"
                );
            }
        }
    }
}

#[test]
fn a_machine_is_asked_for_only_where_the_default_is_no_good() {
    let env = process_env();
    let needed = ["arm", "aarch64", "riscv64"].contains(&env.caps().emulator().unwrap().target.as_str());
    assert_eq!(env.machine_option().unwrap(), needed.then_some("virt"));
    let qemu = real(ToolKind::Qemu).into_os_string();
    let reported =
        TestEnv::from_vars([("QEMU_PROG".into(), qemu), ("QEMU_OPTIONS".into(), "-M none".into())]).unwrap();
    assert_eq!(reported.machine_option().unwrap(), None);
}

#[test]
fn the_firmware_is_written_once() {
    let dir = tempfile::tempdir().unwrap();
    let env = process_env();
    let file = env.write_firmware(&dir.path().join("new")).unwrap();
    let modified = || file.metadata().unwrap().modified().unwrap();
    let first = modified();
    assert_eq!(
        std::fs::read(&file).unwrap(),
        firmware_image(&env.caps().emulator().unwrap().target).unwrap()
    );
    assert_eq!(env.write_firmware(&dir.path().join("new")).unwrap(), file);
    assert_eq!(modified(), first);
    std::fs::write(&file, "half of it").unwrap();
    env.write_firmware(&dir.path().join("new")).unwrap();
    assert_eq!(file.metadata().unwrap().len(), 64 << 10);
}

#[test]
fn the_firmware_halts_a_running_machine() {
    let dir = tempfile::tempdir().unwrap();
    let env = process_env();
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let qemu = env.tool(ToolKind::Qemu).unwrap();
    let machine = env.machine_option().unwrap().map(|machine| ["-machine", machine]);
    let _child = Cmd::new(&qemu.program)
        .args(["-nodefaults", "-display", "none", "-vga", "none", "-accel", "tcg"])
        .args(machine.into_iter().flatten())
        .arg("-bios")
        .arg(env.write_firmware(dir.path()).unwrap())
        .args([
            "-chardev",
            &format!("socket,id=m,fd={}", theirs.as_raw_fd()),
            "-mon",
            "chardev=m,mode=control",
        ])
        .inherit(theirs.into())
        .spawn(Stream::Null, Stream::Inherit, Stream::Inherit, &Registry::new())
        .unwrap();
    let mut lines =
        BufReader::new(&ours).lines().map(Result::unwrap).filter(|line| !line.contains("\"event\""));
    let mut ask = |command: &str| {
        writeln!(&ours, "{command}").unwrap();
        lines.next().unwrap()
    };
    let greeting = ask(r#"{"execute": "qmp_capabilities"}"#);
    assert!(greeting.contains("QMP"), "{greeting}");
    ask(r#"{"execute": "query-status"}"#);
    let status = ask(r#"{"execute": "query-cpus-fast"}"#);
    assert!(status.contains(r#""status": "running""#), "{status}");
    // Each question takes the machine some way on its few instructions; only halting ends this.
    if env.caps().emulator().unwrap().target == "x86_64" {
        let registers =
            r#"{"execute": "human-monitor-command", "arguments": {"command-line": "info registers"}}"#;
        assert!((0..10_000).any(|_| ask(registers).contains("HLT=1")));
    }
}

#[test]
fn there_is_firmware_for_the_usual_targets() {
    for target in ["x86_64", "i386", "aarch64", "arm", "riscv32", "riscv64"] {
        assert_eq!(firmware_image(target).unwrap().len(), 64 << 10, "{target}");
    }
    assert_eq!(firmware_image("s390x"), None);
}
