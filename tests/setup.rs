//! `setup.sh` on machines that are not at hand: each test lays out a PATH with fake package managers that record
//! how they are called, and looks at what the script asked of them.

#![expect(clippy::unwrap_used, reason = "a test that cannot lay out its files has failed")]

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use iotests::env::{TestEnv, ToolKind};

/// Held while a program is written and while a child is started: a child that inherits the file descriptor of a
/// program being written would keep that program from being run ("text file busy").
static WRITING_OR_STARTING: Mutex<()> = Mutex::new(());

/// What the script may use besides what a test gives it.
const COMMON: [&str; 14] = [
    "cat", "chmod", "cp", "dirname", "env", "grep", "head", "mkdir", "mktemp", "rm", "sed", "sleep", "sort",
    "tail",
];

const TOOLS: [&str; 4] = ["qemu-img", "qemu-io", "qemu-nbd", "qemu-storage-daemon"];

const MANAGERS: [&str; 6] = ["apt-get", "dnf", "zypper", "pacman", "apk", "brew"];

/// A machine of our making: a folder that is its PATH, and the record of what was called.
struct Machine {
    dir: tempfile::TempDir,
}

/// What a run of the script came to.
struct Run {
    ok: bool,
    /// Standard output and error, in that order.
    said: String,
    /// The recorded calls, each with its arguments.
    calls: Vec<String>,
}

impl Machine {
    /// An x86-64 machine with root, a linker and cargo, but no QEMU and no package manager.
    fn new() -> Self {
        let machine = Machine { dir: tempfile::tempdir().unwrap() };
        fs::create_dir(machine.bin()).unwrap();
        let path = std::env::var_os("PATH").unwrap();
        for name in COMMON {
            let real = std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file());
            let real = real.unwrap_or_else(|| panic!("no {name} on PATH"));
            machine.program(name, &format!("exec '{}' \"$@\"", real.display()));
        }
        machine.program("uname", "echo x86_64");
        machine.program("id", "echo 0");
        machine.program("cc", "");
        machine.program("cargo", "echo 'cargo 1.95.0 (0123456 2026-01-01)'");
        // What a fake package manager runs to "install" QEMU.
        machine.program(
            "bring-qemu",
            r#"cd "${0%/*}"
            for name in "${2:-qemu-system-x86_64}" qemu-img qemu-io qemu-nbd qemu-storage-daemon; do
                printf '#!/bin/sh\necho "%s version %s (made up)"\n' "$name" "$1" >"$name"
                chmod +x "$name"
            done"#,
        );
        machine
    }

    fn bin(&self) -> PathBuf {
        self.dir.path().join("bin")
    }

    fn program(&self, name: &str, body: &str) -> PathBuf {
        let path = self.bin().join(name);
        write_program(&path, body);
        path
    }

    /// A program that records its name and arguments before it does anything else.
    fn recorded(&self, name: &str, body: &str) {
        let calls = self.dir.path().join("calls");
        self.program(name, &format!("echo \"{name} $*\" >>'{}'\n{body}", calls.display()));
    }

    fn tools(&self, version: &str) {
        for name in TOOLS {
            self.program(name, &format!("echo '{name} version {version} (made up)'"));
        }
    }

    fn emulator(&self, version: &str) {
        self.program("qemu-system-x86_64", &format!("echo 'QEMU emulator version {version} (made up)'"));
    }

    /// The programs around `apt-get`: `offers` are lines of `apt-cache madison`, without their package; `installed`
    /// are packages with their versions.
    fn debian(&self, offers: &[&str], installed: &[(&str, &str)], apt_get: &str) {
        let offers: String =
            offers.iter().map(|offer| format!("echo \" $2 | {offer} amd64 Packages\"\n")).collect();
        self.program("apt-cache", &offers);
        let lines = |format: fn(&str, &str) -> String| -> String {
            installed.iter().map(|(package, version)| format(package, version)).collect()
        };
        let versions =
            lines(|package, version| format!("[ \"$4\" != {package} ] || echo 'installed {version}'\n"));
        let names = lines(|package, _| format!("echo 'installed qemu {package}'\n"));
        self.program(
            "dpkg-query",
            &format!("case $3 in *source:Package*) {names} ;; *) {versions} ;; esac; true"),
        );
        // dpkg --compare-versions NEW ge OLD
        self.program("dpkg", r#"[ "$(printf '%s\n%s\n' "$2" "$4" | sort -V | head -n 1)" = "$4" ]"#);
        self.recorded("apt-get", apt_get);
    }

    fn run(&self) -> Run {
        self.run_with(&[])
    }

    fn run_with(&self, variables: &[(&str, &Path)]) -> Run {
        let mut command = Command::new("/bin/sh");
        command
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("setup.sh"))
            .env_clear()
            .env("PATH", self.bin())
            .env("HOME", self.dir.path())
            .env("TMPDIR", self.dir.path())
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let child = {
            let _guard = WRITING_OR_STARTING.lock().unwrap();
            command.spawn().unwrap()
        };
        let output = child.wait_with_output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let calls = fs::read_to_string(self.dir.path().join("calls")).unwrap_or_default();
        Run {
            ok: output.status.success(),
            said: String::from_utf8(said).unwrap(),
            calls: calls.lines().map(str::to_owned).collect(),
        }
    }
}

/// Writes a shell script in the place of whatever has that name: always a new file, never through a link.
fn write_program(path: &Path, body: &str) {
    let _guard = WRITING_OR_STARTING.lock().unwrap();
    let _ = fs::remove_file(path);
    let mut file = fs::File::options().write(true).create_new(true).mode(0o755).open(path).unwrap();
    write!(file, "#!/bin/sh\n{body}\n").unwrap();
}

impl Run {
    #[track_caller]
    fn succeeds(self) -> Self {
        assert!(self.ok, "setup.sh failed; it called {:#?} and said:\n{}", self.calls, self.said);
        self
    }

    #[track_caller]
    fn fails(self) -> Self {
        assert!(!self.ok, "setup.sh succeeded; it called {:#?} and said:\n{}", self.calls, self.said);
        self
    }

    #[track_caller]
    fn says(self, wanted: &str) -> Self {
        assert!(self.said.contains(wanted), "not said: {wanted:?}; but:\n{}", self.said);
        self
    }

    #[track_caller]
    fn calls(self, wanted: &[&str]) -> Self {
        assert_eq!(self.calls, wanted, "setup.sh said:\n{}", self.said);
        self
    }

    /// The arguments of each installation by apt that was more than a simulation.
    fn apt_installs(&self) -> Vec<&str> {
        let real = self.calls.iter().filter(|call| call.starts_with("apt-get ") && !call.contains(" -s "));
        real.filter_map(|call| Some(call.split_once(" --no-remove ")?.1)).collect()
    }
}

// ---- nothing to do ----

#[test]
fn does_nothing_when_all_is_there() {
    let machine = Machine::new();
    machine.tools("10.0.2");
    machine.emulator("10.0.2");
    for manager in MANAGERS {
        machine.recorded(manager, "");
    }
    machine.run().succeeds().says("all is there: QEMU 10.0.2").calls(&[]);
}

#[test]
fn takes_qemu_kvm_for_the_emulator() {
    let machine = Machine::new();
    machine.tools("9.1.0");
    machine.program("qemu-kvm", "echo 'QEMU emulator version 9.1.0 (qemu-kvm-9.1.0-3.el10)'");
    machine.recorded("dnf", "");
    machine.run().succeeds().calls(&[]);
}

#[test]
fn takes_the_binaries_that_are_named() {
    let machine = Machine::new();
    let elsewhere = machine.dir.path().join("opt");
    fs::create_dir(&elsewhere).unwrap();
    let named = ["QEMU_PROG", "QEMU_IMG_PROG", "QEMU_IO_PROG", "QEMU_NBD_PROG", "QSD_PROG"]
        .map(|variable| (variable, elsewhere.join(variable.to_lowercase())));
    for (variable, path) in &named {
        write_program(path, &format!("echo '{variable} 7.2.22'"));
    }
    machine.recorded("dnf", "");
    let named = named.each_ref().map(|(variable, path)| (*variable, path.as_path()));
    machine.run_with(&named).succeeds().says("QEMU 7.2.22").calls(&[]);
}

#[test]
fn does_not_replace_named_binaries_that_do_not_match() {
    let machine = Machine::new();
    machine.tools("10.0.2");
    let emulator = machine.program("old-qemu", "echo 'QEMU emulator version 7.2.22'");
    machine.recorded("dnf", "");
    machine.run_with(&[("QEMU_PROG", &emulator)]).fails().says("must be of one version").calls(&[]);
}

#[test]
fn a_variable_that_names_nothing_is_an_error() {
    let machine = Machine::new();
    machine.emulator("10.0.2");
    machine.recorded("dnf", "");
    let run = machine.run_with(&[("QSD_PROG", Path::new("/nonexistent/qsd"))]);
    run.fails().says("QSD_PROG=/nonexistent/qsd").says("unset QSD_PROG").calls(&[]);
}

#[test]
fn a_binary_that_does_not_run_is_shown() {
    let machine = Machine::new();
    machine.tools("10.0.2");
    machine.program(
        "qemu-system-x86_64",
        "echo 'error while loading shared libraries: libfdt.so.1' >&2; exit 127",
    );
    machine.run().fails().says("qemu-system-x86_64 --version").says("libfdt.so.1");
}

// ---- which manager, and what it is asked for ----

/// Runs on a machine that has `manager` alone, which brings QEMU once it is asked for `emulator_package`.
fn run_with_manager(machine: &Machine, manager: &str, emulator: &str, emulator_package: &str) -> Run {
    let body = format!("case \"$*\" in *{emulator_package}*) bring-qemu 9.2.0 {emulator} ;; esac");
    machine.recorded(manager, &body);
    machine.run()
}

#[test]
fn asks_each_manager_in_its_own_way() {
    let dnf = "dnf -y --setopt=install_weak_deps=False install";
    let zypper = "zypper --non-interactive install --no-recommends";
    let pacman = "pacman -S --needed --noconfirm";
    for (manager, package, calls) in [
        (
            "dnf",
            "qemu-system-x86-core",
            vec![format!("{dnf} qemu-system-x86-core qemu-img"), format!("{dnf} qemu-tests")],
        ),
        (
            "zypper",
            "qemu-x86",
            vec![format!("{zypper} qemu-x86 qemu-tools"), format!("{zypper} qemu-accel-qtest")],
        ),
        (
            "pacman",
            "qemu-system-x86",
            vec![format!("{pacman} qemu-system-x86 qemu-img"), format!("{pacman} qemu-tests")],
        ),
        ("apk", "qemu-system-x86_64", vec!["apk add -U qemu-system-x86_64 qemu-img".to_owned()]),
        ("brew", "qemu", vec!["brew install qemu".to_owned()]),
    ] {
        let calls: Vec<&str> = calls.iter().map(String::as_str).collect();
        run_with_manager(&Machine::new(), manager, "qemu-system-x86_64", package).succeeds().calls(&calls);
    }
}

#[test]
fn asks_for_the_emulator_of_the_machine_it_is_on() {
    for (uname, manager, package) in [
        ("aarch64", "dnf", "qemu-system-aarch64-core"),
        ("aarch64", "zypper", "qemu-arm"),
        ("aarch64", "pacman", "qemu-system-aarch64"),
        ("arm64", "apk", "qemu-system-aarch64"),
        ("arm64", "apt-get", "qemu-system-arm"),
    ] {
        let machine = Machine::new();
        machine.debian(&["1:9.2 | http://deb.example.org/debian trixie/main"], &[], "");
        fs::remove_file(machine.bin().join("apt-get")).unwrap();
        machine.program("uname", &format!("echo {uname}"));
        run_with_manager(&machine, manager, "qemu-system-aarch64", package).succeeds();
    }
}

#[test]
fn goes_on_without_the_package_that_has_qtest() {
    let machine = Machine::new();
    machine.recorded("dnf", "case $* in *qemu-tests*) exit 1 ;; *) bring-qemu 9.2.0 ;; esac");
    machine.run().succeeds().says("going on without qemu-tests");
}

#[test]
fn shows_what_a_failing_manager_said() {
    let machine = Machine::new();
    machine.recorded("dnf", "echo 'Error: Unable to find a match'; exit 1");
    let run = machine.run().fails().says("Error: Unable to find a match");
    run.says("install these packages, then run this again: qemu-system-x86-core qemu-img");
}

#[test]
fn fails_when_the_packages_do_not_bring_the_binaries() {
    let machine = Machine::new();
    machine.recorded("apk", "");
    machine.run().fails().says("still missing: emulator qemu-img qemu-io qemu-nbd qemu-storage-daemon");
}

#[test]
fn says_what_to_install_when_there_is_no_manager() {
    let machine = Machine::new();
    machine.tools("10.0.2");
    let run = machine.run().fails().says("missing here: emulator.");
    run.says("qemu-system-x86_64, qemu-img,").says("QEMU_PROG");
}

#[test]
fn goes_through_sudo_when_not_root() {
    let machine = Machine::new();
    machine.program("id", "echo 1000");
    machine.recorded("sudo", "exec \"$@\"");
    machine.recorded("apk", "bring-qemu 9.2.0");
    let call = "apk add -U qemu-system-x86_64 qemu-img";
    machine.run().succeeds().calls(&[&format!("sudo {call}"), call]);
}

#[test]
fn says_what_to_run_when_there_is_neither_root_nor_sudo() {
    let machine = Machine::new();
    machine.program("id", "echo 1000");
    machine.recorded("apk", "");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("setup.sh");
    machine.run().fails().says(&format!("As root, run:\n  sh {}", script.display())).calls(&[]);
}

#[test]
fn names_the_packages_when_there_is_neither_root_nor_sudo() {
    for (manager, packages) in [
        ("apt-get", "gcc libc6-dev qemu-system-x86 qemu-utils"),
        ("dnf", "gcc qemu-system-x86-core qemu-img qemu-tests"),
        ("zypper", "gcc qemu-x86 qemu-tools qemu-accel-qtest"),
        ("pacman", "gcc qemu-system-x86 qemu-img qemu-tests"),
        ("apk", "gcc musl-dev qemu-system-x86_64 qemu-img"),
    ] {
        let machine = Machine::new();
        machine.program("id", "echo 1000");
        machine.debian(&[STABLE], &[], "");
        fs::remove_file(machine.bin().join("apt-get")).unwrap();
        fs::remove_file(machine.bin().join("cc")).unwrap();
        machine.recorded(manager, "");
        machine.run().fails().says(&format!("or install with {manager}: {packages}\n")).calls(&[]);
    }
    let machine = Machine::new();
    machine.program("id", "echo 1000");
    machine.tools("10.0.2");
    machine.emulator("10.0.2");
    fs::remove_file(machine.bin().join("cc")).unwrap();
    machine.recorded("dnf", "");
    machine.run().fails().says("or install with dnf: gcc\n").calls(&[]);
}

#[test]
fn the_harness_names_the_packages_that_are_installed_here() {
    let env = TestEnv::from_vars([]).unwrap();
    let advice = ToolKind::ALL.map(|kind| env.tool(kind).unwrap_err().to_string()).concat();
    for manager in ["apt-get", "dnf", "zypper", "pacman", "apk"] {
        let machine = Machine::new();
        machine.program("uname", &format!("echo {}", std::env::consts::ARCH));
        machine.program("id", "echo 1000");
        machine.debian(&[STABLE], &[], "");
        fs::remove_file(machine.bin().join("apt-get")).unwrap();
        machine.recorded(manager, "");
        let run = machine.run().fails();
        let (_, packages) = run.said.split_once(&format!("or install with {manager}: ")).unwrap();
        // That of the qtest accelerator, the last where there are three, is not what is missing.
        for package in packages.lines().next().unwrap().split(' ').take(2) {
            assert!(advice.contains(&format!("{package} (")), "{package}: {advice}");
        }
    }
}

#[test]
fn brew_is_not_run_as_root() {
    let machine = Machine::new();
    machine.program("id", "echo 501");
    machine.recorded("sudo", "");
    machine.recorded("brew", "bring-qemu 10.1.0");
    machine.run().succeeds().calls(&["brew install qemu"]);
}

// ---- what the build needs ----

#[test]
fn installs_a_linker_alone_when_only_that_is_missing() {
    let machine = Machine::new();
    machine.tools("10.0.2");
    machine.emulator("10.0.2");
    fs::remove_file(machine.bin().join("cc")).unwrap();
    machine.recorded("apk", "cd \"${0%/*}\"; cp qemu-img cc");
    machine.run().succeeds().calls(&["apk add -U gcc musl-dev"]);
}

#[test]
fn says_how_to_get_cargo() {
    let machine = Machine::new();
    machine.tools("10.0.2");
    machine.emulator("10.0.2");
    machine.program("cargo", "echo 'cargo 1.65.0'");
    machine.run().fails().says("cargo is 1.65. Install Rust 1.");
    fs::remove_file(machine.bin().join("cargo")).unwrap();
    machine.run().fails().says("cargo is not. Install Rust 1.").says("https://rustup.rs");
}

// ---- apt ----

const STABLE: &str = "1:7.2-7 | http://deb.example.org/debian bookworm/main";
const BACKPORTS: &str = "1:10.0-2~bpo12 | http://deb.example.org/debian bookworm-backports/main";
const OLD_TOOLS: [(&str, &str); 1] = [("qemu-utils", "1:7.2-7")];
const NEW_TOOLS: [(&str, &str); 1] = [("qemu-utils", "1:10.0-2~bpo12")];

/// An `apt-get` whose simulations answer as `plans` says, a list of shell patterns (of all arguments) and replies;
/// any other plan fails. A real installation brings QEMU.
fn apt_get(plans: &[(&str, &str)], version: &str) -> String {
    let mut body = format!(
        "case \" $* \" in *' update '*) exit ;; *' -s '*) ;; *' --no-remove '*) bring-qemu {version}; exit ;; esac\n\
         case \"$*\" in\n"
    );
    for (pattern, reply) in plans {
        body += &format!("{pattern}) echo '{reply}' ;;\n");
    }
    body + "*) echo 'E: Unmet dependencies.'; exit 100 ;;\nesac"
}

#[test]
fn on_a_bare_debian_both_come_from_the_release() {
    let machine = Machine::new();
    let plan = "Inst qemu-system-x86 (1:7.2-7 Debian [amd64])\nInst qemu-utils (1:7.2-7 Debian [amd64])";
    machine.debian(&[STABLE], &[], &apt_get(&[("*' qemu-system-x86 qemu-utils'", plan)], "7.2.0"));
    let run = machine.run().succeeds();
    assert_eq!(run.apt_installs(), ["qemu-system-x86 qemu-utils"]);
}

#[test]
fn waits_for_another_apt_to_finish_with_the_lists() {
    let machine = Machine::new();
    machine.recorded("sleep", "cd \"${0%/*}\"; : >lists-are-free");
    let busy = "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 4711 (apt-get)";
    let plan = "Inst qemu-system-x86 (1:7.2-7 Debian)\nInst qemu-utils (1:7.2-7 Debian)";
    let free = apt_get(&[("*", plan)], "7.2.0");
    let body = format!("[ -e \"${{0%/*}}/lists-are-free\" ] || {{ echo '{busy}'; exit 100; }}\n{free}");
    machine.debian(&[STABLE], &[], &body);
    let run = machine.run().succeeds();
    let first: Vec<_> = run.calls.iter().filter_map(|call| call.split(' ').next()).take(3).collect();
    assert_eq!(first, ["apt-get", "sleep", "apt-get"]);
}

#[test]
fn refuses_every_plan_that_removes_a_package() {
    let machine = Machine::new();
    machine.tools("10.0.2");
    let plan = "Remv qemu-utils [1:10.0-2~bpo12]\nInst qemu-system-x86 (1:7.2-7 Debian [amd64])";
    machine.debian(&[STABLE], &NEW_TOOLS, &apt_get(&[("*", plan)], "7.2.0"));
    let run =
        machine.run().fails().says("it removes qemu-utils").says("apt-get install -t bookworm-backports");
    assert_eq!(run.apt_installs(), [""; 0], "{:#?}", run.calls);
}

#[test]
fn the_emulator_gets_the_version_of_the_tools() {
    let machine = Machine::new();
    machine.tools("7.2.0");
    let plan = "Inst qemu-system-x86 (1:7.2-7 Debian [amd64])";
    machine.debian(
        &[BACKPORTS, STABLE],
        &OLD_TOOLS,
        &apt_get(&[("*qemu-system-x86=1:7.2-7*", plan)], "7.2.0"),
    );
    let run = machine.run().succeeds();
    assert_eq!(run.apt_installs(), ["qemu-system-x86=1:7.2-7 qemu-utils=1:7.2-7"]);
}

#[test]
fn names_the_suite_when_the_version_alone_will_not_do() {
    let machine = Machine::new();
    machine.tools("10.0.2");
    let plan = "Inst qemu-system-x86 (1:10.0-2~bpo12 Debian [amd64])";
    let plans = [("*'-t bookworm-backports'*", plan)];
    machine.debian(&[BACKPORTS, STABLE], &NEW_TOOLS, &apt_get(&plans, "10.0.2"));
    let run = machine.run().succeeds();
    let install = "-t bookworm-backports qemu-system-x86=1:10.0-2~bpo12 qemu-utils=1:10.0-2~bpo12";
    assert_eq!(run.apt_installs(), [install]);
}

#[test]
fn backports_are_added_for_one_transaction() {
    let machine = Machine::new();
    machine.tools("10.0.2");
    let plans = [(
        "*Dir::Etc::sourceparts=*'-t bookworm-backports'*",
        "Inst qemu-system-x86 (1:10.0-2~bpo12 Debian)",
    )];
    machine.debian(&[STABLE], &NEW_TOOLS, &apt_get(&plans, "10.0.2"));
    // Keep the added source to look at; the sources and lists of the machine that runs this test don't matter.
    machine.program("cp", "");
    let added = machine.dir.path().join("added");
    let keep =
        format!("for folder; do :; done; /bin/cat \"$folder\"/sources/*.list >>'{}' 2>&1", added.display());
    machine.program("rm", &format!("{keep}\nexec /bin/rm \"$@\""));
    let run = machine.run().succeeds();
    assert_eq!(run.apt_installs(), ["-t bookworm-backports qemu-system-x86 qemu-utils"]);
    let options = run.calls.iter().find_map(|call| call.split("Dir::Etc::sourceparts=").nth(1)).unwrap();
    let scratch = Path::new(options.split(' ').next().unwrap()).parent().unwrap();
    assert!(!scratch.exists(), "{} was left behind", scratch.display());
    let added = fs::read_to_string(added).unwrap();
    assert!(added.contains(" http://deb.example.org/debian bookworm-backports main\n"), "{added}");
}

#[test]
fn goes_back_to_the_release_as_a_last_resort() {
    let machine = Machine::new();
    machine.tools("10.0.2");
    let plan = "Inst qemu-utils [1:10.0-2~bpo12] (1:7.2-7 Debian [amd64])\nInst qemu-system-x86 (1:7.2-7 Debian [amd64])";
    machine.program("cp", "");
    machine.debian(&[STABLE], &NEW_TOOLS, &apt_get(&[("*--allow-downgrades*", plan)], "7.2.0"));
    let run = machine.run().succeeds();
    assert_eq!(run.apt_installs(), ["--allow-downgrades qemu-system-x86/bookworm qemu-utils/bookworm"]);
}

#[test]
fn downgrades_nothing_but_qemu() {
    let machine = Machine::new();
    machine.tools("10.0.2");
    let plan = "Inst libc6 [2.41-1] (2.36-9 Debian [amd64])\n\
                Inst qemu-utils [1:10.0-2~bpo12] (1:7.2-7 Debian [amd64])\nInst qemu-system-x86 (1:7.2-7 Debian [amd64])";
    machine.program("cp", "");
    machine.debian(&[STABLE], &NEW_TOOLS, &apt_get(&[("*--allow-downgrades*", plan)], "7.2.0"));
    let run = machine.run().fails().says("it downgrades libc6 from 2.41-1 to 2.36-9");
    assert_eq!(run.apt_installs(), [""; 0], "{:#?}", run.calls);
}

#[test]
fn refuses_a_plan_that_leaves_two_versions() {
    let machine = Machine::new();
    machine.tools("7.2.0");
    let plan = "Inst qemu-system-x86 (1:8.0-1 Debian [amd64])";
    machine.debian(&[STABLE], &OLD_TOOLS, &apt_get(&[("*", plan)], "7.2.0"));
    let run = machine.run().fails().says("it leaves qemu-system-x86 at 1:8.0-1 and qemu-utils at 1:7.2-7");
    assert_eq!(run.apt_installs(), [""; 0], "{:#?}", run.calls);
}

#[test]
fn rarer_machines_share_a_package_on_some_releases() {
    let machine = Machine::new();
    machine.program("uname", "echo s390x");
    let plan = "Inst qemu-system-misc (1:7.2-7 Debian)\nInst qemu-utils (1:7.2-7 Debian)";
    machine.debian(
        &[],
        &[],
        &apt_get(&[("*' qemu-system-misc qemu-utils'", plan)], "7.2.0 qemu-system-s390x"),
    );
    machine.program(
        "apt-cache",
        &format!("[ \"$2\" = qemu-system-s390x ] || echo \" $2 | {STABLE} amd64 Packages\""),
    );
    assert_eq!(machine.run().succeeds().apt_installs(), ["qemu-system-misc qemu-utils"]);
}

#[test]
fn empty_lists_do_not_make_a_common_machine_a_rare_one() {
    let machine = Machine::new();
    machine.debian(&[], &[], &apt_get(&[], "7.2.0"));
    let run = machine
        .run()
        .fails()
        .says("apt-get install qemu-system-x86 qemu-utils\n      E: Unmet dependencies.");
    let run = run.says("apt's lists have no qemu-system-x86: correct the sources in /etc/apt");
    assert!(!run.said.contains("qemu-system-misc"), "{}", run.said);
}
