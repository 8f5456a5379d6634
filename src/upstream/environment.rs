//! The environment that `check` gives to a test.

use std::collections::hash_map::RandomState;
use std::ffi::{OsStr, OsString};
use std::hash::{BuildHasher, Hasher};
use std::path::{Path, PathBuf};

use super::discovery::Test;
use super::tree::Tree;
use crate::env::{TestEnv, ToolKind};
use crate::error::{Error, Result};

/// What follows the directory that sockets are made below: that of a trial, and the longest name that
/// a test gives to one.
pub(super) const SOCKET: &str = "/iotests-run-XXXXXX/9999/qemutarget-4194304-qtest.sock";

/// Options for a qemu-io that the test gives the format to.
const NO_FMT: &str = "QEMU_IO_OPTIONS_NO_FMT";

/// Variables to set, and to remove where there is no value.
pub(super) type Variables = Vec<(OsString, Option<OsString>)>;

/// The passphrase of LUKS images.
const SECRET: &str = "123456";

/// Locales without translations.
const ENGLISH: [&str; 4] = ["C", "POSIX", "C.UTF-8", "C.utf8"];

/// What all tests of a run have in common.
#[derive(Debug)]
pub(super) struct Surroundings {
    /// Where the tests are.
    pub(super) tree: Tree,
    /// Where Python keeps what it has compiled, so that the tree stays as it is.
    pub(super) python_cache: PathBuf,
    /// Where mypy, which one test runs, keeps what it has found out.
    pub(super) mypy_cache: PathBuf,
    /// `PYTHONPATH` as it was.
    pub(super) python_path: Option<OsString>,
    /// `VALGRIND_OPTS` as it was.
    pub(super) valgrind_options: Option<OsString>,
    /// Whether `LC_ALL` asks for messages in English.
    pub(super) speaks_english: bool,
}

/// One test's own part.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    /// The trial's name.
    pub(super) trial: &'a str,
    /// The image format.
    pub(super) format: &'a str,
    /// The protocol.
    pub(super) protocol: &'a str,
    /// What is run as QEMU.
    pub(super) emulator: &'a Path,
    /// Where its images go.
    pub(super) test_dir: &'a Path,
    /// Where its sockets go.
    pub(super) sock_dir: &'a Path,
    /// The interpreter.
    pub(super) python: &'a Path,
}

impl Surroundings {
    /// Takes what is needed from this process's environment.
    pub(super) fn new(tree: Tree, work_dir: &Path) -> Self {
        Self {
            tree,
            python_cache: work_dir.join("pycache"),
            mypy_cache: work_dir.join("mypy"),
            python_path: std::env::var_os("PYTHONPATH").filter(|path| !path.is_empty()),
            valgrind_options: std::env::var_os("VALGRIND_OPTS"),
            speaks_english: std::env::var("LC_ALL").is_ok_and(|name| ENGLISH.contains(&&*name)),
        }
    }

    /// Where a test is run: beside its helpers, as it expects.
    pub(super) fn dir_of<'a>(&'a self, test: &'a Test) -> &'a Path {
        test.path.parent().unwrap_or(self.tree.root())
    }

    /// Everything that a test's environment has besides what the harness's own has.
    pub(super) fn variables(&self, env: &TestEnv, place: &Place<'_>) -> Result<Variables> {
        let mut set = Setter(Vec::new());
        set.to("IOTESTS_TRIAL", place.trial);
        set.to("PYTHONPATH", self.python_path());
        set.to("PYTHONPYCACHEPREFIX", &self.python_cache);
        set.to("MYPY_CACHE_DIR", &self.mypy_cache);
        set.to("TEST_DIR", place.test_dir);
        // Before QEMU 7.2, where tests write what they did not run.
        set.to("OUTPUT_DIR", place.test_dir);
        set.to("SOCK_DIR", place.sock_dir);
        let samples =
            env.sample_img_dir().map_or_else(|| self.tree.root().join("sample_images"), Path::to_owned);
        set.to("SAMPLE_IMG_DIR", samples);
        set.to("PYTHON", place.python);
        set.to("QEMU_PROG", place.emulator);
        for kind in ToolKind::ALL.into_iter().filter(|kind| *kind != ToolKind::Qemu) {
            set.to(kind.variable(), &env.tool(kind)?.program);
        }
        set.to("QEMU_OPTIONS", self.qemu_options(env, place.emulator));
        let io = format!("--cache {} --aio {}", env.cachemode(), env.aiomode());
        let own = given(env, "QEMU_IO_OPTIONS");
        let of_format = if place.format == "luks" { String::new() } else { format!(" -f {}", place.format) };
        set.to("QEMU_IO_OPTIONS", format!("{io}{own}{of_format}"));
        let own = Some(given(env, NO_FMT)).filter(|own| !own.is_empty()).unwrap_or(own);
        set.to(NO_FMT, format!("{io}{own}"));
        set.to("IMGFMT", place.format);
        set.to("IMGPROTO", place.protocol);
        set.to("IMGFMT_GENERIC", truth(self.tree.is_generic(place.format)));
        set.to("IMGOPTSSYNTAX", truth(place.format == "luks"));
        set.maybe("IMGKEYSECRET", (place.format == "luks").then_some(SECRET));
        set.maybe("IMGOPTS", env.imgopts_for(place.format));
        set.to("AIOMODE", env.aiomode());
        set.to("CACHEMODE", env.cachemode());
        set.to("CACHEMODE_IS_DEFAULT", truth(env.cachemode_is_default()));
        set.to("QEMU_DEFAULT_MACHINE", env.default_machine()?);
        set.maybe("MALLOC_PERTURB_", env.malloc_perturb().map(|byte| byte.to_string()));
        set.maybe("GDB_OPTIONS", env.gdb().get(1..).map(|options| options.join(" ")));
        set.maybe("VALGRIND_QEMU", env.valgrind().then_some("y"));
        set.maybe("PRINT_QEMU", env.print_qemu().then_some("y"));
        if env.valgrind() && place.emulator != env.tool(ToolKind::Qemu)?.program {
            // What stands in for QEMU starts it, and valgrind has to follow.
            let mut options = self.valgrind_options.clone().unwrap_or_default();
            options.push(" --trace-children=yes");
            set.to("VALGRIND_OPTS", options);
        }
        // References hold messages in English; the tests themselves only see to LANG.
        for name in ["LC_ALL", "LC_MESSAGES", "LANGUAGE"].iter().skip(usize::from(self.speaks_english)) {
            set.maybe(name, None::<&str>);
        }
        Ok(set.0)
    }

    fn python_path(&self) -> OsString {
        let own = [self.tree.root().to_owned(), self.tree.python_dir()].map(OsString::from);
        let all: Vec<_> = own.into_iter().chain(self.python_path.clone()).collect();
        all.join(OsStr::new(":"))
    }

    fn qemu_options(&self, env: &TestEnv, emulator: &Path) -> String {
        let machine = self.tree.machine_for(&emulator.to_string_lossy());
        let machine = machine.map(|machine| format!(" -machine {machine}")).unwrap_or_default();
        // The user's may be those of `check`, accelerator and all.
        let own: &[String] = if given(env, "QEMU_OPTIONS").is_empty() { &[] } else { env.qemu_options() };
        let own: String = own.iter().map(|word| format!(" {word}")).collect();
        format!("-nodefaults -display none -accel qtest{machine}{own}")
    }
}

/// Options for qemu-io that name a format, where the tests have one each.
pub(super) fn bad_qemu_io_options(env: &TestEnv) -> Option<Error> {
    ["QEMU_IO_OPTIONS", NO_FMT].into_iter().find_map(|name| {
        let words = given(env, name);
        let names_format = |word: &str| match word.strip_prefix("--") {
            Some(long) => long.starts_with("fo") || long == "image-opts",
            // Short options without a value can stand before it.
            None => word.strip_prefix('-').is_some_and(|short| {
                short.trim_start_matches(|option| "hVrsnCmkU".contains(option)).starts_with('f')
            }),
        };
        words.split_whitespace().any(names_format).then(|| Error::Variable {
            name: name.to_owned(),
            value: words.trim().to_owned(),
            expected: "options without a format: these are added to those that a test has for its own"
                .to_owned(),
        })
    })
}

/// The words that the user adds to the options that are always there.
fn given(env: &TestEnv, variable: &str) -> String {
    let value = env.given().iter().find(|(name, _)| *name == variable);
    value.map(|(_, value)| format!(" {}", value.to_string_lossy().trim())).unwrap_or_default()
}

fn truth(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

/// What to fill freed memory with: not 0, which would switch that off, nor 255.
pub(super) fn random_byte() -> u8 {
    // The standard library's hashers start from random keys.
    let number = RandomState::new().build_hasher().finish() % 254;
    u8::try_from(number).map_or(1, |number| number + 1)
}

struct Setter(Variables);

impl Setter {
    fn to(&mut self, name: &str, value: impl AsRef<OsStr>) {
        self.maybe(name, Some(value));
    }

    fn maybe(&mut self, name: &str, value: Option<impl AsRef<OsStr>>) {
        self.0.push((name.into(), value.map(|value| value.as_ref().to_owned())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_never_filled_with_nothing() {
        assert!((0..2000).map(|_| random_byte()).all(|byte| (1..=254).contains(&byte)));
    }
}
