//! Every environment variable there is, in one table: the reader looks names up here, the error
//! about a bad value quotes it, and the manual's table is printed from it.

/// One environment variable.
#[derive(Debug)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What holds when it is unset or empty.
    pub default: &'static str,
    /// What it may be set to.
    pub allowed: &'static str,
    /// What it does.
    pub meaning: &'static str,
}

const fn var(
    name: &'static str,
    default: &'static str,
    allowed: &'static str,
    meaning: &'static str,
) -> Variable {
    Variable { name, default, allowed, meaning }
}

const PROGRAM: &str = "a program: a path, or a name that is looked up on PATH";
const WORDS: &str = "words with blanks between them (no quoting)";
const DIR: &str = "a path";
const MADE_DIR: &str = "a directory, made if it isn't there";
const THERE_DIR: &str = "a directory that exists";
const FILE: &str = "a path";
const ONE_OR_ZERO: &str = "1 or 0";
const YES_OR_NO: &str = "y or n";
const TRUE_OR_FALSE: &str = "true or false";

/// All of them, in the order of the manual.
pub const VARIABLES: &[Variable] = &[
    var("IMGFMT", "all that fit", "format names with commas between them", "image formats to test"),
    var(
        "IMGPROTO",
        "all that fit",
        "protocol names with commas between them",
        "protocols to reach images by",
    ),
    var(
        "IMGOPTS",
        "none",
        "options as `qemu-img create -o` takes them",
        "creation options for images of the tested format",
    ),
    var("IMGKEYSECRET", "empty", "text", "passphrase of LUKS images"),
    var("IMGFMT_GENERIC", "true", TRUE_OR_FALSE, "whether cases for `generic` formats run on IMGFMT"),
    var(
        "CACHEMODE",
        "writeback",
        "writeback, writethrough, none, off, directsync or unsafe",
        "cache mode of drives and of qemu-io",
    ),
    var(
        "CACHEMODE_IS_DEFAULT",
        "true without CACHEMODE",
        TRUE_OR_FALSE,
        "whether cases may choose another cache mode",
    ),
    var(
        "AIOMODE",
        "threads",
        "threads, native or io_uring",
        "asynchronous I/O mode of drives and of qemu-io",
    ),
    var(
        "QEMU_PROG",
        "`qemu-system-<host>`, `qemu-kvm` or `/usr/libexec/qemu-kvm`",
        PROGRAM,
        "the system emulator",
    ),
    var("QEMU_IMG_PROG", "`qemu-img`", PROGRAM, "the image tool"),
    var("QEMU_IO_PROG", "`qemu-io`", PROGRAM, "the I/O exerciser"),
    var("QEMU_NBD_PROG", "`qemu-nbd`", PROGRAM, "the NBD server"),
    var("QSD_PROG", "`qemu-storage-daemon`", PROGRAM, "the storage daemon"),
    var(
        "QEMU_OPTIONS",
        "`-nodefaults -display none`",
        WORDS,
        "first options of every emulator; `-accel qtest` is taken out, see IOTESTS_ACCEL",
    ),
    var("QEMU_IMG_OPTIONS", "none", WORDS, "first options of every qemu-img"),
    var(
        "QEMU_IO_OPTIONS",
        "`--cache <CACHEMODE> --aio <AIOMODE>`",
        WORDS,
        "first options of every qemu-io that is not given a format",
    ),
    var(
        "QEMU_IO_OPTIONS_NO_FMT",
        "`--cache <CACHEMODE> --aio <AIOMODE>`",
        WORDS,
        "first options of every qemu-io that is given a format",
    ),
    var("QEMU_NBD_OPTIONS", "none", WORDS, "first options of every qemu-nbd"),
    var(
        "QEMU_DEFAULT_MACHINE",
        "as QEMU says",
        "a machine name",
        "machine that references may be specific to",
    ),
    var("QEMU_IOTESTS_REGEN", "unset", "anything", "as IOTESTS_BLESS, for those who know it from `check`"),
    var("QEMU_MODULE_DIR", "as QEMU was built", DIR, "where QEMU finds its modules"),
    var(
        "GDB_OPTIONS",
        "no gdb",
        WORDS,
        "run the emulator under gdbserver with these words; time limits are off",
    ),
    var("VALGRIND_QEMU", "n", YES_OR_NO, "run the emulator under valgrind; time limits are widened"),
    var("NO_VALGRIND", "n", YES_OR_NO, "overrules VALGRIND_QEMU"),
    var(
        "PRINT_QEMU",
        "n",
        "y or n (or 1, 0, yes, no, true, false)",
        "let the emulator's output through to the terminal",
    ),
    var(
        "MALLOC_PERTURB_",
        "unset",
        "a number from 0 to 255",
        "byte that the C library fills freed memory with",
    ),
    var(
        "TEST_DIR",
        "under `target/iotests`",
        MADE_DIR,
        "where scratch images are made; the history and the files of failed trials are kept there too",
    ),
    var("SOCK_DIR", "under TMPDIR", MADE_DIR, "where sockets are made"),
    var("SAMPLE_IMG_DIR", "`samples` where the cases are", THERE_DIR, "where sample images are read from"),
    var("OUTPUT_DIR", "not written", DIR, "where `.notrun` and `.casenotrun` files are written"),
    var("TMPDIR", "`/tmp`", THERE_DIR, "where short-lived files are made"),
    var("PATH", "empty", "directories with colons between them", "where programs are looked up"),
    var("PYTHON", "`python3`", PROGRAM, "interpreter of Python tests"),
    var("USER", "unset", "text", "user name in remote file names"),
    var("NO_COLOR", "unset", "anything", "no colours"),
    var("CI", "unset", "anything; `false` and `0` are as unset", "refuse to bless"),
    var("NEXTEST_RUN_ID", "unset", "text", "the run whose trials are reported together; set by nextest"),
    var(
        "IOTESTS_ACCEL",
        "qtest if there is, else tcg",
        "qtest, tcg or kvm",
        "accelerator of virtual machines; without qtest there are none of targets other than x86, Arm and RISC-V",
    ),
    var("IOTESTS_BLESS", "0", ONE_OR_ZERO, "write references instead of comparing with them"),
    var("IOTESTS_FAIL_FAST", "0", ONE_OR_ZERO, "start nothing more after the first failure"),
    var(
        "IOTESTS_GROUPS",
        "all",
        "group names with commas between them; `!` before one leaves it out",
        "groups of cases to run",
    ),
    var("IOTESTS_JUNIT", "not written", FILE, "write a JUnit report there"),
    var("IOTESTS_KEEP", "0", ONE_OR_ZERO, "keep the scratch directories of passed trials too"),
    var(
        "IOTESTS_LIST",
        "unset",
        "groups or environment",
        "print what there is and run nothing; `environment` is for QEMU's own suite",
    ),
    var("IOTESTS_LOG", "not written", FILE, "write one JSON object a trial there"),
    var(
        "IOTESTS_NEW",
        "unset",
        "topic/name, in lower case",
        "write the skeleton of a new case and run nothing",
    ),
    var("IOTESTS_RERUN", "unset", "failed", "run only what failed last time"),
    var(
        "IOTESTS_SEEDS",
        "a few for each trial",
        "a number of seeds, or a time such as 90s, 30m or 1h",
        "how many random sequences each trial of the oracle tries, or for how long",
    ),
    var("IOTESTS_SUITE", "unset", THERE_DIR, "QEMU's own suite, to be run by the target `upstream`"),
    var("IOTESTS_TAP", "not written", FILE, "write a TAP report there"),
    var("IOTESTS_TIMEOUT_SCALE", "1", "a positive number", "factor of all time limits"),
    var(
        "IOTESTS_TRIAL",
        "unset",
        "text",
        "name of the trial, for its children; set by the harness, and no run starts where it is set",
    ),
    var("IOTESTS_UNITTEST", "not written", FILE, "write the reproducible unittest report there"),
];

/// Names that start so are the harness's own; one that is not in the table is an error.
pub(super) const PREFIX: &str = "IOTESTS_";

/// What the tests of the harness itself go by, and nobody else.
const OF_OWN_TESTS: [&str; 1] = ["IOTESTS_SEED_VECTORS"];

/// Whether there is such a variable.
pub(super) fn is_known(name: &str) -> bool {
    find(name).is_some() || OF_OWN_TESTS.contains(&name)
}

/// The entry of this name.
pub fn find(name: &str) -> Option<&'static Variable> {
    VARIABLES.iter().find(|variable| variable.name == name)
}

/// The table as Markdown, for the manual.
pub fn markdown() -> String {
    let mut out = String::from("| variable | default | allowed | meaning |\n| --- | --- | --- | --- |\n");
    for Variable { name, default, allowed, meaning } in VARIABLES {
        out.push_str(&format!("| `{name}` | {default} | {allowed} | {meaning} |\n"));
    }
    out
}
