//! The environment: what variables mean, where binaries are found, what is said when something is
//! wrong.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::ffi::OsString;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use iotests::env::{Accel, Listing, TestEnv, ToolKind, Version, variables};
use iotests::test::Test;

fn read(vars: &[(&str, &str)]) -> Result<TestEnv, Vec<String>> {
    let vars = vars.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    TestEnv::from_vars(vars).map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

fn env(vars: &[(&str, &str)]) -> TestEnv {
    read(vars).unwrap()
}

fn refusals(vars: &[(&str, &str)]) -> Vec<String> {
    read(vars).err().unwrap_or_default()
}

/// A real binary of this machine.
fn real(kind: ToolKind) -> PathBuf {
    TestEnv::from_process().unwrap().tool(kind).unwrap().program.clone()
}

#[test]
fn nothing_set_means_the_defaults_of_check() {
    let env = env(&[]);
    assert_eq!((env.imgfmts(), env.imgprotos()), (&[][..], &[][..]));
    assert!(env.imgfmt_generic());
    assert_eq!((env.imgopts(), env.imgkeysecret()), (None, ""));
    assert_eq!(env.luks_secret_object(), "secret,id=keysec0,data=");
    assert_eq!((env.cachemode(), env.cachemode_is_default(), env.aiomode()), ("writeback", true, "threads"));
    assert_eq!(
        (env.test_dir(), env.sock_dir(), env.sample_img_dir(), env.output_dir()),
        (None, None, None, None)
    );
    assert_eq!((env.user(), env.gdb(), env.valgrind(), env.print_qemu()), (None, &[][..], false, false));
    assert_eq!((env.accel(), env.bless(), env.ci(), env.color()), (None, false, false, true));
    assert_eq!(env.qemu_io_options_no_fmt(), ["--cache", "writeback", "--aio", "threads"]);
    assert_eq!(env.tmp_dir(), Path::new("/tmp"));
    assert!(env.given().is_empty());
}

#[test]
fn an_empty_variable_is_as_good_as_an_unset_one() {
    let empty: Vec<_> = variables::VARIABLES.iter().map(|variable| (variable.name, "")).collect();
    let env = env(&empty);
    assert_eq!(
        (env.imgfmts(), env.cachemode(), env.bless(), env.color()),
        (&[][..], "writeback", false, true)
    );
    assert_eq!((env.test_dir(), env.groups().include.len(), env.listing()), (None, 0, None));
}

#[test]
fn values_are_typed() {
    let env = env(&[
        ("IMGFMT", "qcow2, raw,qcow2"),
        ("IMGPROTO", "nbd"),
        ("IMGFMT_GENERIC", "false"),
        ("IMGOPTS", "compat=0.10"),
        ("IMGKEYSECRET", "hush"),
        ("CACHEMODE", "none"),
        ("AIOMODE", "io_uring"),
        ("TEST_DIR", "/scratch/t"),
        ("SOCK_DIR", "/scratch/s"),
        ("SAMPLE_IMG_DIR", "/samples"),
        ("OUTPUT_DIR", "/out"),
        ("USER", "joe"),
        ("MALLOC_PERTURB_", "170"),
        ("PRINT_QEMU", "y"),
        ("CI", "true"),
        ("NO_COLOR", "1"),
        ("IOTESTS_ACCEL", "kvm"),
        ("IOTESTS_BLESS", "1"),
        ("IOTESTS_FAIL_FAST", "1"),
        ("IOTESTS_GROUPS", "quick,rw,!slow"),
        ("IOTESTS_JUNIT", "/out/junit.xml"),
        ("IOTESTS_KEEP", "0"),
        ("IOTESTS_LIST", "groups"),
        ("IOTESTS_NEW", "commit/by_two"),
        ("IOTESTS_RERUN", "failed"),
        ("IOTESTS_SUITE", "/"),
    ]);
    assert_eq!(
        (env.imgfmts(), env.imgprotos()),
        (&["qcow2".to_owned(), "raw".to_owned()][..], &["nbd".to_owned()][..])
    );
    assert!(!env.imgfmt_generic());
    assert_eq!(env.imgopts(), Some("compat=0.10"));
    assert_eq!(env.luks_secret_object(), "secret,id=keysec0,data=hush");
    assert_eq!((env.cachemode(), env.cachemode_is_default(), env.aiomode()), ("none", false, "io_uring"));
    assert_eq!(env.qemu_io_options_no_fmt(), ["--cache", "none", "--aio", "io_uring"]);
    assert_eq!(
        (env.test_dir(), env.sock_dir()),
        (Some(Path::new("/scratch/t")), Some(Path::new("/scratch/s")))
    );
    assert_eq!(
        (env.sample_img_dir(), env.output_dir()),
        (Some(Path::new("/samples")), Some(Path::new("/out")))
    );
    assert_eq!((env.user(), env.malloc_perturb(), env.print_qemu()), (Some("joe"), Some(170), true));
    assert_eq!((env.ci(), env.color(), env.accel()), (true, false, Some(Accel::Kvm)));
    assert_eq!((env.bless(), env.fail_fast(), env.keep(), env.rerun_failed()), (true, true, false, true));
    assert_eq!((env.listing(), env.new_case()), (Some(Listing::Groups), Some("commit/by_two")));
    assert_eq!((env.junit_report(), env.suite()), (Some(Path::new("/out/junit.xml")), Some(Path::new("/"))));
    assert!(
        env.groups().selects(&["rw"])
            && !env.groups().selects(&["rw", "slow"])
            && !env.groups().selects(&["auto"])
    );
    let given: Vec<_> = env.given().iter().map(|(name, _)| *name).collect();
    assert_eq!(given[..3], ["IMGFMT", "IMGPROTO", "IMGOPTS"]);
    assert!(!given.contains(&"CI") && !given.contains(&"USER"));
}

#[test]
fn every_bad_value_is_reported_at_once_with_what_is_allowed() {
    let found = refusals(&[
        ("IMGFMT", "qcow2,,raw"),
        ("IMGPROTO", "file,pigeon"),
        ("CACHEMODE", "writeahead"),
        ("AIOMODE", "thread"),
        ("IMGFMT_GENERIC", "yes"),
        ("VALGRIND_QEMU", "1"),
        ("PRINT_QEMU", "maybe"),
        ("MALLOC_PERTURB_", "256"),
        ("IOTESTS_ACCEL", "hvf"),
        ("IOTESTS_BLESS", "yes"),
        ("IOTESTS_TIMEOUT_SCALE", "-1"),
        ("IOTESTS_GROUPS", "quick,!"),
        ("IOTESTS_LIST", "group"),
        ("IOTESTS_NEW", "../x"),
        ("IOTESTS_RERUN", "1"),
        ("IOTESTS_SUITE", "/nonexistent"),
    ]);
    let mut found: Vec<_> =
        found.iter().map(|text| text.strip_prefix("environment variable ").unwrap()).collect();
    found.sort_unstable();
    assert_eq!(
        found,
        [
            r#"AIOMODE is "thread": expected threads, native or io_uring"#,
            r#"CACHEMODE is "writeahead": expected writeback, writethrough, none, off, directsync or unsafe"#,
            r#"IMGFMT is "qcow2,,raw": expected format names with commas between them"#,
            r#"IMGFMT_GENERIC is "yes": expected true or false"#,
            r#"IMGPROTO is "pigeon": expected some of file, nbd, ssh, nfs, rbd, fuse"#,
            r#"IOTESTS_ACCEL is "hvf": expected qtest, tcg or kvm"#,
            r#"IOTESTS_BLESS is "yes": expected 1 or 0"#,
            r#"IOTESTS_GROUPS is "quick,!": expected group names with commas between them; `!` before one leaves it out"#,
            r#"IOTESTS_LIST is "group": expected groups or environment"#,
            r#"IOTESTS_NEW is "../x": expected topic/name, in lower case"#,
            r#"IOTESTS_RERUN is "1": expected failed"#,
            r#"IOTESTS_SUITE is "/nonexistent": expected a directory that exists: No such file or directory (os error 2)"#,
            r#"IOTESTS_TIMEOUT_SCALE is "-1": expected a positive number"#,
            r#"MALLOC_PERTURB_ is "256": expected a number from 0 to 255"#,
            r#"PRINT_QEMU is "maybe": expected y or n (or 1, 0, yes, no, true, false)"#,
            r#"VALGRIND_QEMU is "1": expected y or n"#,
        ]
    );
    for value in ["0", "nan", "inf", "1e400", "ten"] {
        assert_eq!(refusals(&[("IOTESTS_TIMEOUT_SCALE", value)]).len(), 1, "{value}");
    }
}

#[test]
fn an_unknown_variable_of_ours_is_an_error() {
    assert_eq!(
        refusals(&[
            ("IOTESTS_BLES", "1"),
            ("IOTESTS_QUUX_FROBNICATE", "x"),
            ("QEMU_IMG_PROGG", "x"),
            ("IOTESTS_TRIAL", "x"),
            ("IOTESTS_SEED_VECTORS", "for our own tests")
        ]),
        [
            "environment variable IOTESTS_BLES is \"1\": expected it to be unset, for there is no such variable; \
             did you mean \"IOTESTS_BLESS\"?",
            "environment variable IOTESTS_QUUX_FROBNICATE is \"x\": expected it to be unset, for there is no such \
             variable",
        ]
    );
}

#[test]
fn qemu_has_two_names_for_one_cache_mode() {
    let off = env(&[("CACHEMODE", "off")]);
    assert_eq!((off.cachemode(), off.cachemode_is_default()), ("none", false));
}

#[test]
fn an_empty_tmpdir_is_as_good_as_none() {
    let scratch = || Test::new().unwrap().file("x").to_string();
    if std::env::var("TMPDIR").as_deref() == Ok("") {
        assert!(scratch().starts_with("/tmp/"), "{}", scratch());
        return;
    }
    let again = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "an_empty_tmpdir_is_as_good_as_none"])
        .env("TMPDIR", "")
        .env_remove("TEST_DIR")
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&again.stdout);
    assert!(again.status.success() && printed.contains("1 passed"), "{printed}");
}

#[test]
fn text_that_is_not_utf8_is_refused_where_text_is_wanted() {
    use std::os::unix::ffi::OsStringExt;
    let bytes = || OsString::from_vec(b"/caf\xe9".to_vec());
    let errors = TestEnv::from_vars([("IMGOPTS".into(), bytes()), ("TEST_DIR".into(), bytes())]).unwrap_err();
    let texts: Vec<_> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "environment variable IMGOPTS is \"/caf\u{fffd}\": expected options as `qemu-img create -o` takes them"
        ]
    );
}

#[test]
fn options_are_words_however_many_blanks_there_are() {
    let path = real(ToolKind::QemuImg).parent().unwrap().display().to_string();
    let env = env(&[
        ("PATH", &path),
        ("QEMU_IMG_OPTIONS", "  -T  trace "),
        ("QEMU_IO_OPTIONS", "-f qcow2"),
        ("QEMU_IO_OPTIONS_NO_FMT", "--misalign"),
        ("QEMU_NBD_OPTIONS", "   "),
        ("GDB_OPTIONS", "localhost:12345  --once"),
    ]);
    assert_eq!(env.tool(ToolKind::QemuImg).unwrap().options, ["-T", "trace"]);
    assert_eq!(env.tool(ToolKind::QemuIo).unwrap().options, ["-f", "qcow2"]);
    assert_eq!(env.qemu_io_options_no_fmt(), ["--misalign"]);
    assert!(env.tool(ToolKind::QemuNbd).unwrap().options.is_empty());
    assert_eq!(env.gdb(), ["gdbserver", "localhost:12345", "--once"]);
}

#[test]
fn the_accelerator_of_check_is_taken_out_of_the_options() {
    let qemu = real(ToolKind::Qemu).display().to_string();
    let options = |text| env(&[("QEMU_PROG", &qemu), ("QEMU_OPTIONS", text)]).qemu_options().join(" ");
    assert_eq!(options(""), "-nodefaults -display none");
    assert_eq!(
        options("-nodefaults -display none -accel qtest -machine virt"),
        "-nodefaults -display none -machine virt"
    );
    assert_eq!(options("--accel qtest,x=y -L qtest -accel tcg"), "-L qtest -accel tcg");
}

#[test]
fn gdb_and_valgrind_exclude_each_other() {
    let both = [("GDB_OPTIONS", "localhost:1"), ("VALGRIND_QEMU", "y")];
    assert_eq!(
        refusals(&both),
        [
            "environment variable GDB_OPTIONS is \"localhost:1\": expected it to be unset while VALGRIND_QEMU is y: \
          one of the two"
        ]
    );
    let overruled = env(&[both[0], both[1], ("NO_VALGRIND", "y")]);
    assert_eq!((overruled.valgrind(), overruled.gdb().len()), (false, 2));
    assert!(env(&[("VALGRIND_QEMU", "y"), ("NO_VALGRIND", "n")]).valgrind());
}

#[test]
fn time_limits_are_scaled() {
    let second = Duration::from_secs(1);
    let scale = |vars: &[(&str, &str)]| env(vars).timeout_scale().scale(second);
    assert_eq!(scale(&[]), Some(second));
    assert_eq!(scale(&[("IOTESTS_TIMEOUT_SCALE", "2.5")]), Some(Duration::from_millis(2500)));
    assert_eq!(
        scale(&[("IOTESTS_TIMEOUT_SCALE", "2"), ("VALGRIND_QEMU", "y")]),
        Some(Duration::from_secs(20))
    );
    assert_eq!(scale(&[("GDB_OPTIONS", "localhost:1")]), None);
    assert_eq!(scale(&[("IOTESTS_TIMEOUT_SCALE", "1e300")]), Some(Duration::MAX));
    assert_eq!(env(&[("GDB_OPTIONS", "x")]).timeout_scale().scale_plain(second), second);
}

#[test]
fn an_emulator_is_looked_for_by_the_names_distributions_give_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().display().to_string();
    let found = || env(&[("PATH", &path)]).tool(ToolKind::Qemu).unwrap().program.clone();
    let real = real(ToolKind::Qemu);
    symlink(&real, dir.path().join("qemu-kvm")).unwrap();
    assert_eq!(found(), dir.path().join("qemu-kvm"));
    let host =
        std::env::consts::ARCH.replace("powerpc", "ppc").replace("x86", "i386").replace("i386_64", "x86_64");
    let best = dir.path().join(format!("qemu-system-{host}"));
    symlink(&real, &best).unwrap();
    assert_eq!(found(), best);
    symlink(&real, dir.path().join("mine")).unwrap();
    let named = env(&[("PATH", &path), ("QEMU_PROG", "mine")]);
    assert_eq!(named.tool(ToolKind::Qemu).unwrap().program, dir.path().join("mine"));
    let elsewhere = env(&[("PATH", &path), ("QEMU_PROG", real.to_str().unwrap())]);
    assert_eq!(elsewhere.tool(ToolKind::Qemu).unwrap().program, real);
}

#[test]
fn what_may_not_be_executed_is_passed_over_on_path() {
    let [first, second] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    std::fs::write(first.path().join("qemu-img"), "").unwrap();
    std::fs::create_dir(first.path().join("qemu-io")).unwrap();
    for kind in [ToolKind::QemuImg, ToolKind::QemuIo] {
        symlink(real(kind), second.path().join(kind.name())).unwrap();
    }
    let path = format!(":{}:{}", first.path().display(), second.path().display());
    let env = env(&[("PATH", &path)]);
    assert_eq!(env.tool(ToolKind::QemuImg).unwrap().program, second.path().join("qemu-img"));
    assert_eq!(env.tool(ToolKind::QemuIo).unwrap().program, second.path().join("qemu-io"));
    assert_eq!(env.find_program("qemu-io"), Some(second.path().join("qemu-io")));
    assert_eq!(env.find_program("qemu-nbd"), None);
}

#[test]
fn a_missing_binary_says_where_it_was_looked_for_and_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().display().to_string();
    let file = dir.path().join("plain");
    std::fs::write(&file, "").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let complaint = |vars: &[(&str, &str)], kind| env(vars).tool(kind).unwrap_err().to_string();
    assert_eq!(
        complaint(&[("PATH", &path)], ToolKind::QemuImg),
        format!(
            "no qemu-img: QEMU_IMG_PROG is not set, and there is no qemu-img on PATH ({path})\n\
             what to do: run `sh setup.sh`, or install the package qemu-utils (Debian, Ubuntu), qemu-tools (openSUSE) or \
             qemu-img (Fedora, Arch, Alpine), or set QEMU_IMG_PROG to a qemu-img that works"
        )
    );
    let first_line = |text: String| text.lines().next().unwrap().to_owned();
    assert_eq!(
        first_line(complaint(&[("QSD_PROG", "qsd")], ToolKind::QemuStorageDaemon)),
        "no qemu-storage-daemon: QSD_PROG is \"qsd\", which is not a program on PATH, which is empty"
    );
    assert_eq!(
        first_line(complaint(&[("QEMU_IO_PROG", "/nonexistent/io")], ToolKind::QemuIo)),
        "no qemu-io: QEMU_IO_PROG is \"/nonexistent/io\", which cannot be found: No such file or directory (os error 2)"
    );
    assert_eq!(
        first_line(complaint(&[("QEMU_NBD_PROG", &path)], ToolKind::QemuNbd)),
        format!("no qemu-nbd: QEMU_NBD_PROG is \"{path}\", which is not a file")
    );
    assert_eq!(
        first_line(complaint(&[("QEMU_PROG", file.to_str().unwrap())], ToolKind::Qemu)),
        format!("no qemu: QEMU_PROG is \"{}\", which may not be executed", file.display())
    );
    assert!(complaint(&[("QEMU_PROG", "x")], ToolKind::Qemu).contains("install the package qemu-system-"));
    assert_eq!(
        env(&[("PATH", &path)]).python().unwrap_err().to_string(),
        format!(
            "no Python: looked for \"python3\", which is not a program on PATH ({path})\n\
             what to do: install python3, or set PYTHON to one that works"
        )
    );
    let named = env(&[("PYTHON", "/nonexistent/python")]).python().unwrap_err().to_string();
    assert!(named.contains("\"/nonexistent/python\", which cannot be found: No such file"), "{named}");
}

#[test]
fn versions_are_ordered_and_read_strictly() {
    let version = |text: &str| text.parse::<Version>();
    assert_eq!(version("7.2").unwrap(), Version::new(7, 2, 0));
    assert!(version("7.2").unwrap() < version("7.2.22").unwrap());
    assert!(version("9.2.4").unwrap() < version("10").unwrap());
    assert_eq!(version("10.0.2").unwrap().to_string(), "10.0.2");
    for bad in ["", "7.", ".2", "7.2.22.1", "v7.2", "+7.2", "7.2-rc1", "99999999999"] {
        let error = version(bad).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{bad:?} is not a version")), "{error}");
    }
}

#[test]
fn the_table_of_variables_fits_the_manual() {
    let table = variables::markdown();
    assert_eq!(table.lines().count(), variables::VARIABLES.len() + 2);
    for line in table.lines() {
        assert_eq!(line.matches('|').count(), 5, "{line}");
    }
    assert!(table.contains(
        "| `IMGFMT` | all that fit | format names with commas between them | image formats to test |"
    ));
}
