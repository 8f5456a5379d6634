//! The one value that holds everything the environment says.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::answers::Probes;
use super::lookup::find_program;
use super::reader::Reader;
use super::run_settings::RunSettings;
use super::tool::SearchPath;
use super::{TimeoutScale, Tool, ToolKind, values};
use crate::error::{Error, Result};

/// Everything the environment says, read once and typed (`iotests.py`: its module variables, and
/// what `check` reads). It never changes, and can be shared by threads.
#[derive(Debug)]
pub struct TestEnv {
    path: Vec<PathBuf>,
    tools: [std::result::Result<Tool, String>; ToolKind::ALL.len()],
    qemu_io_options_no_fmt: Vec<String>,
    default_machine: Option<String>,
    module_dir: Option<PathBuf>,
    imgfmts: Vec<String>,
    imgprotos: Vec<String>,
    imgfmt_generic: bool,
    imgopts: Option<String>,
    imgkeysecret: String,
    cachemode: &'static str,
    cachemode_is_default: bool,
    aiomode: &'static str,
    test_dir: Option<PathBuf>,
    sock_dir: Option<PathBuf>,
    sample_img_dir: Option<PathBuf>,
    output_dir: Option<PathBuf>,
    tmp_dir: PathBuf,
    python: PathBuf,
    user: Option<String>,
    malloc_perturb: Option<u8>,
    gdb: Vec<String>,
    valgrind: bool,
    print_qemu: bool,
    given: Vec<(&'static str, OsString)>,
    run: RunSettings,
    probes: Probes,
}

impl TestEnv {
    /// Reads the environment of this process.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn from_process() -> std::result::Result<Self, Vec<Error>> {
        Self::from_vars(std::env::vars_os())
    }

    /// Reads these variables, and no others.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn from_vars(
        vars: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> std::result::Result<Self, Vec<Error>> {
        let mut reader = Reader::new(vars);
        let env = Self::read(&mut reader);
        let errors = reader.into_errors();
        if errors.is_empty() { Ok(env) } else { Err(errors) }
    }

    pub(super) fn read(reader: &mut Reader) -> Self {
        let path: Vec<PathBuf> = std::env::split_paths(&reader.raw("PATH").unwrap_or_default())
            .filter(|dir| !dir.as_os_str().is_empty())
            .filter_map(|dir| std::path::absolute(dir).ok())
            .collect();
        let given_cachemode = reader.parsed("CACHEMODE", values::parse_cache_mode);
        let cachemode = given_cachemode.unwrap_or("writeback");
        let aiomode = reader.one_of("AIOMODE", &values::AIO_MODES).unwrap_or("threads");
        let io_modes = || ["--cache", cachemode, "--aio", aiomode].map(str::to_owned).to_vec();
        let tools = ToolKind::ALL.map(|kind| {
            let options = match kind {
                ToolKind::Qemu => {
                    reader.words("QEMU_OPTIONS").map_or_else(default_qemu_options, without_qtest)
                }
                ToolKind::QemuImg => reader.words("QEMU_IMG_OPTIONS").unwrap_or_default(),
                ToolKind::QemuIo => reader.words("QEMU_IO_OPTIONS").unwrap_or_else(io_modes),
                ToolKind::QemuNbd => reader.words("QEMU_NBD_OPTIONS").unwrap_or_default(),
                ToolKind::QemuStorageDaemon => Vec::new(),
            };
            let program = kind.locate(reader.raw(kind.variable()), &path)?;
            Ok(Tool { program, options })
        });
        let gdb = match reader.words("GDB_OPTIONS") {
            Some(words) => std::iter::once("gdbserver".to_owned()).chain(words).collect(),
            None => Vec::new(),
        };
        let valgrind = read_valgrind(reader, &gdb);
        let env = Self {
            tools,
            qemu_io_options_no_fmt: reader.words("QEMU_IO_OPTIONS_NO_FMT").unwrap_or_else(io_modes),
            default_machine: reader.text("QEMU_DEFAULT_MACHINE"),
            module_dir: reader.path("QEMU_MODULE_DIR"),
            imgfmts: reader.names("IMGFMT", &values::IMAGE_FORMATS),
            imgprotos: reader.names("IMGPROTO", &values::PROTOCOLS),
            imgfmt_generic: reader.switch("IMGFMT_GENERIC", ["true", "false"]).unwrap_or(true),
            imgopts: reader.text("IMGOPTS"),
            imgkeysecret: reader.text("IMGKEYSECRET").unwrap_or_default(),
            cachemode,
            cachemode_is_default: reader
                .switch("CACHEMODE_IS_DEFAULT", ["true", "false"])
                .unwrap_or(given_cachemode.is_none()),
            aiomode,
            test_dir: reader.path("TEST_DIR"),
            sock_dir: reader.path("SOCK_DIR"),
            sample_img_dir: reader.path("SAMPLE_IMG_DIR"),
            output_dir: reader.path("OUTPUT_DIR"),
            tmp_dir: reader.path("TMPDIR").unwrap_or_else(|| "/tmp".into()),
            python: reader.raw("PYTHON").map_or_else(|| "python3".into(), PathBuf::from),
            user: reader.text("USER"),
            malloc_perturb: reader.parsed("MALLOC_PERTURB_", |text| text.parse().ok()),
            print_qemu: reader.parsed("PRINT_QEMU", yes_or_no).unwrap_or(false),
            run: RunSettings::read(reader, valgrind, !gdb.is_empty()),
            gdb,
            valgrind,
            given: reader.given(),
            path,
            probes: Probes::default(),
        };
        reader.refuse_unknown();
        env
    }

    /// Has sample images read from this directory if `SAMPLE_IMG_DIR` names none.
    #[must_use]
    pub fn with_samples(mut self, dir: PathBuf) -> Self {
        self.sample_img_dir.get_or_insert(dir);
        self
    }

    /// Has freed memory filled with this byte if `MALLOC_PERTURB_` names none. It counts as given: what
    /// was chosen by chance has to be named to do the same again.
    #[must_use]
    pub fn with_malloc_perturb(mut self, byte: u8) -> Self {
        if self.malloc_perturb.is_none() {
            self.malloc_perturb = Some(byte);
            self.given.push(("MALLOC_PERTURB_", byte.to_string().into()));
        }
        self
    }

    /// Keeps what is found out about the binaries in this directory, for other processes.
    #[must_use]
    pub fn with_cache_dir(mut self, dir: PathBuf) -> Self {
        self.probes.cache.dir = Some(dir);
        self
    }

    /// One of the binaries.
    ///
    /// # Errors
    /// [`Error::Setup`] when it is missing: which variable names it, where it was looked for, and
    /// what to install.
    pub fn tool(&self, kind: ToolKind) -> Result<&Tool> {
        self.tools[kind as usize].as_ref().map_err(|text| Error::Setup(text.clone()))
    }

    /// The first options of every emulator (`iotests.py: qemu_opts`): QEMU_OPTIONS without
    /// `-accel qtest`, which `check` always puts there although the accelerator is chosen elsewhere
    /// ([`accelerator`](Self::accelerator)).
    pub fn qemu_options(&self) -> &[String] {
        self.tools[ToolKind::Qemu as usize].as_ref().map_or(&[], |tool| &tool.options)
    }

    /// The first options of a qemu-io that is given a format (`iotests.py: qemu_io_args_no_fmt`).
    /// Without the variable they are the cache and aio mode, as `check` has it, and so are those in
    /// [`tool`](Self::tool), which then need `-f` and a format as well.
    pub fn qemu_io_options_no_fmt(&self) -> &[String] {
        &self.qemu_io_options_no_fmt
    }

    /// Looks a program up on PATH.
    pub fn find_program(&self, name: &str) -> Option<PathBuf> {
        find_program(Path::new(name), &self.path)
    }

    /// The formats to narrow to, from IMGFMT; none means no narrowing (`iotests.py: imgfmt`).
    pub fn imgfmts(&self) -> &[String] {
        &self.imgfmts
    }

    /// The protocols to narrow to, from IMGPROTO; none means no narrowing (`iotests.py: imgproto`).
    pub fn imgprotos(&self) -> &[String] {
        &self.imgprotos
    }

    /// Whether the formats of IMGFMT count as `generic` (`iotests.py: _verify_image_format`).
    pub fn imgfmt_generic(&self) -> bool {
        self.imgfmt_generic
    }

    /// Creation options for images of the tested format, as they are given.
    pub fn imgopts(&self) -> Option<&str> {
        self.imgopts.as_deref()
    }

    /// Creation options for images of this tested format: those that are given, and what upstream's
    /// `check` adds to them (fast key derivation for luks, zeroed grains for vmdk).
    pub fn imgopts_for(&self, imgfmt: &str) -> Option<String> {
        let usual = USUAL_IMGOPTS.iter().find(|(format, ..)| *format == imgfmt);
        match (usual, self.imgopts()) {
            (Some((_, key, value)), None) => Some(format!("{key}{value}")),
            (Some((_, key, value)), Some(given)) if !given.contains(key) => {
                Some(format!("{given},{key}{value}"))
            }
            (_, given) => given.map(str::to_owned),
        }
    }

    /// The passphrase of LUKS images.
    pub fn imgkeysecret(&self) -> &str {
        &self.imgkeysecret
    }

    /// The object that holds the passphrase (`iotests.py: luks_default_secret_object`).
    pub fn luks_secret_object(&self) -> String {
        format!("secret,id=keysec0,data={}", self.imgkeysecret)
    }

    /// The cache mode of drives (`iotests.py: cachemode`).
    pub fn cachemode(&self) -> &str {
        self.cachemode
    }

    /// Whether nobody asked for that cache mode.
    pub fn cachemode_is_default(&self) -> bool {
        self.cachemode_is_default
    }

    /// The asynchronous I/O mode of drives (`iotests.py: aiomode`).
    pub fn aiomode(&self) -> &str {
        self.aiomode
    }

    /// Where scratch images are to be made (`iotests.py: test_dir`).
    pub fn test_dir(&self) -> Option<&Path> {
        self.test_dir.as_deref()
    }

    /// Where sockets are to be made (`iotests.py: sock_dir`).
    pub fn sock_dir(&self) -> Option<&Path> {
        self.sock_dir.as_deref()
    }

    /// Where sample images are (`iotests.py: sample_img_dir`).
    pub fn sample_img_dir(&self) -> Option<&Path> {
        self.sample_img_dir.as_deref()
    }

    /// Where `.notrun` and `.casenotrun` files are to be written (`iotests.py: output_dir`).
    pub fn output_dir(&self) -> Option<&Path> {
        self.output_dir.as_deref()
    }

    /// Where short-lived files go.
    pub fn tmp_dir(&self) -> &Path {
        &self.tmp_dir
    }

    /// The Python that runs Python tests.
    ///
    /// # Errors
    /// [`Error::Setup`] when there is none.
    pub fn python(&self) -> Result<PathBuf> {
        find_program(&self.python, &self.path).ok_or_else(|| {
            Error::Setup(format!(
                "no Python: looked for {:?}, {}\nwhat to do: install python3, or set PYTHON to one that works",
                self.python,
                SearchPath(&self.path).lacks(&self.python)
            ))
        })
    }

    /// The user's name (`iotests.py: remote_filename`).
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The byte that freed memory is filled with, if it was chosen.
    pub fn malloc_perturb(&self) -> Option<u8> {
        self.malloc_perturb
    }

    /// The command that emulators run under for debugging, `gdbserver` and its options; empty for
    /// none (`iotests.py: qemu_gdb`).
    pub fn gdb(&self) -> &[String] {
        &self.gdb
    }

    /// Whether emulators run under valgrind (`iotests.py: qemu_valgrind`).
    pub fn valgrind(&self) -> bool {
        self.valgrind
    }

    /// Whether what the emulator prints goes to the terminal (`iotests.py: qemu_print`; there, any
    /// text means yes, even `n`).
    pub fn print_qemu(&self) -> bool {
        self.print_qemu
    }

    /// What time limits are multiplied by.
    pub fn timeout_scale(&self) -> TimeoutScale {
        self.run.timeout_scale
    }

    /// The variables that steer this run: what it takes to run it again.
    pub fn given(&self) -> &[(&'static str, OsString)] {
        &self.given
    }

    pub(super) fn given_default_machine(&self) -> Option<&str> {
        self.default_machine.as_deref()
    }

    pub(super) fn run(&self) -> &RunSettings {
        &self.run
    }

    pub(super) fn probes(&self) -> &Probes {
        &self.probes
    }

    /// The directories in which a binary may look for modules. A missing one does no harm.
    pub(super) fn module_dirs(&self, tool: &Tool) -> Vec<PathBuf> {
        let program = tool.program.canonicalize();
        let prefix = program.ok().and_then(|program| Some(program.parent()?.parent()?.to_owned()));
        let triplet = format!("lib/{}-linux-gnu/qemu", std::env::consts::ARCH);
        let usual = ["lib64/qemu", "lib/qemu", &triplet].map(|dir| Some(prefix.as_ref()?.join(dir)));
        self.module_dir.iter().cloned().chain(usual.into_iter().flatten()).collect()
    }
}

/// Formats with an option that their images get unless it is given: its name, and its value.
const USUAL_IMGOPTS: [(&str, &str, &str); 2] =
    [("luks", "iter-time=", "10"), ("vmdk", "zeroed_grain=", "on")];

fn default_qemu_options() -> Vec<String> {
    ["-nodefaults", "-display", "none"].map(str::to_owned).to_vec()
}

fn without_qtest(words: Vec<String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for word in words {
        let asks_for_qtest = word == "qtest" || word.starts_with("qtest,");
        if asks_for_qtest && kept.last().is_some_and(|last| last == "-accel" || last == "--accel") {
            kept.pop();
        } else {
            kept.push(word);
        }
    }
    kept
}

fn read_valgrind(reader: &mut Reader, gdb: &[String]) -> bool {
    let wanted = reader.switch("VALGRIND_QEMU", ["y", "n"]).unwrap_or(false);
    let overruled = reader.switch("NO_VALGRIND", ["y", "n"]).unwrap_or(false);
    let valgrind = wanted && !overruled;
    if valgrind && !gdb.is_empty() {
        reader.refuse(
            "GDB_OPTIONS",
            gdb[1..].join(" "),
            "it to be unset while VALGRIND_QEMU is y: one of the two",
        );
    }
    valgrind
}

fn yes_or_no(text: &str) -> Option<bool> {
    match text {
        "y" | "yes" | "1" | "true" => Some(true),
        "n" | "no" | "0" | "false" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::variables::VARIABLES;

    #[test]
    fn some_formats_have_options_of_their_own() {
        let options = |imgopts: &str, imgfmt: &str| {
            let env = TestEnv::from_vars([("IMGOPTS".into(), imgopts.into())]).expect("an environment");
            env.imgopts_for(imgfmt).unwrap_or_default()
        };
        assert_eq!((options("", "raw"), options("size=1", "raw")), (String::new(), "size=1".to_owned()));
        assert_eq!(options("", "luks"), "iter-time=10");
        assert_eq!(options("a=b", "luks"), "a=b,iter-time=10");
        assert_eq!(options("iter-time=20,a=b", "luks"), "iter-time=20,a=b");
        assert_eq!(options("zeroed_grain=off", "vmdk"), "zeroed_grain=off");
        // Only a name is followed by that sign.
        assert_eq!(options("a=zeroed_grain", "vmdk"), "a=zeroed_grain,zeroed_grain=on");
    }

    #[test]
    fn the_table_has_every_variable_that_is_read_and_no_other() {
        let mut reader = Reader::new([]);
        TestEnv::read(&mut reader);
        let mut read = reader.asked().to_vec();
        read.sort_unstable();
        let mut listed: Vec<_> = VARIABLES.iter().map(|variable| variable.name).collect();
        listed.sort_unstable();
        assert_eq!(read, listed);
    }
}
