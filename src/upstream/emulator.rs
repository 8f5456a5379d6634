//! The program that the suite runs as QEMU.
//!
//! Its tests demand the qtest accelerator, which distributions strip from their packages. Where it is
//! missing, a small script takes QEMU's place that asks for another accelerator and for a firmware
//! that halts at once. It bears QEMU's own file name and passes that on, for messages begin with it
//! and the tests look for it there.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::env::{Accel, TestEnv, ToolKind};
use crate::error::{Error, Result};

/// The programs for `QEMU_PROG`.
#[derive(Clone, Debug)]
pub(super) struct Emulator {
    running: PathBuf,
    stopped: PathBuf,
    has_qtest: bool,
}

impl Emulator {
    /// QEMU itself, or else stand-ins that are written below `dir`.
    ///
    /// # Errors
    /// When there is no QEMU but a stand-in, or the stand-ins cannot be written.
    pub(super) fn prepare(env: &TestEnv, dir: &Path) -> Result<Self> {
        let real = &env.tool(ToolKind::Qemu)?.program;
        let refuse = |expected: &str| {
            Err(Error::Variable {
                name: ToolKind::Qemu.variable().to_owned(),
                value: real.display().to_string(),
                expected: expected.to_owned(),
            })
        };
        if is_stand_in(real) {
            return refuse("QEMU itself, for this is what stands in for it in QEMU's own suite");
        }
        if real.to_str().is_none() {
            return refuse("a path that is UTF-8, for the suite's tests print it");
        }
        let accel = env.accelerator()?;
        if accel == Accel::Qtest {
            return Ok(Self { running: real.clone(), stopped: real.clone(), has_qtest: true });
        }
        // Where there is none for the target, the machine boots what it always boots.
        let firmware = env.write_firmware(&dir.join("firmware")).ok();
        let stand_in = |more: &[&str]| write(dir, real, &script(real, accel, firmware.as_deref(), more));
        Ok(Self { running: stand_in(&[])?, stopped: stand_in(&["-S"])?, has_qtest: false })
    }

    /// Whether this is QEMU itself, with the qtest accelerator.
    pub(super) fn has_qtest(&self) -> bool {
        self.has_qtest
    }

    /// The program to run. With the qtest accelerator the virtual clock stands still; elsewhere it
    /// does so, for a test whose reference shows it, only in a machine that is never started.
    pub(super) fn program(&self, shows_clock: bool) -> &Path {
        if shows_clock { &self.stopped } else { &self.running }
    }
}

/// What every stand-in begins with, and nothing else does.
const FIRST_LINES: &str = "#!/bin/sh\n# QEMU without the qtest accelerator, for tests that ask for it.";

fn is_stand_in(program: &Path) -> bool {
    let mut first = [0; FIRST_LINES.len()];
    let read = fs::File::open(program).and_then(|mut file| file.read_exact(&mut first));
    read.is_ok() && first == FIRST_LINES.as_bytes()
}

fn script(real: &Path, accel: Accel, firmware: Option<&Path>, more: &[&str]) -> String {
    let quoted = |path: &Path| shell_words::quote(&path.to_string_lossy()).into_owned();
    let mut extra: Vec<String> = more.iter().map(|word| (*word).to_owned()).collect();
    if let Some(firmware) = firmware {
        extra.extend(["-bios".to_owned(), quoted(firmware)]);
    }
    format!(
        "\
{FIRST_LINES}
left=$#
asked=
while [ \"$left\" -gt 0 ]; do
    word=$1
    shift
    left=$((left - 1))
    case $word in
    -accel | --accel)
        case ${{1-}} in
        qtest | qtest,*)
            asked=yes
            shift
            left=$((left - 1))
            set -- \"$@\" -accel {accel}
            continue
            ;;
        esac
        ;;
    esac
    set -- \"$@\" \"$word\"
done
if [ \"$asked\" ]; then
    set -- \"$@\" {extra}
fi
exec {real} \"$@\"
",
        extra = extra.join(" "),
        real = quoted(real),
    )
}

/// Writes a script under QEMU's file name. Its directory is named after its text, so that other
/// processes find it ready, and others for another QEMU do not meet it.
fn write(dir: &Path, real: &Path, script: &str) -> Result<PathBuf> {
    let mut hasher = DefaultHasher::new();
    script.hash(&mut hasher);
    let dir = dir.join(format!("qemu-{:016x}", hasher.finish()));
    let name = real.file_name().unwrap_or_else(|| "qemu".as_ref());
    let path = dir.join(name);
    if fs::read(&path).is_ok_and(|present| present == script.as_bytes()) {
        return Ok(path);
    }
    let create = || {
        fs::create_dir_all(&dir)?;
        let mut file = tempfile::NamedTempFile::new_in(&dir)?;
        file.write_all(script.as_bytes())?;
        file.as_file().set_permissions(fs::Permissions::from_mode(0o755))?;
        file.persist(&path)?;
        Ok(())
    };
    create().map_err(|error: std::io::Error| {
        Error::Setup(format!(
            "failed to write {}: {error}\nwhat to do: run this as the user who built it, or build it with \
             CARGO_TARGET_DIR set to a directory of your own",
            path.display()
        ))
    })?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// Runs a stand-in for `echo`.
    fn printed(more: &[&str], arguments: &[&str]) -> String {
        let dir = tempfile::tempdir().expect("temporary directory");
        let text = script(Path::new("/bin/echo"), Accel::Tcg, Some(Path::new("/fw dir/halt.bin")), more);
        let path = write(dir.path(), Path::new("/bin/echo"), &text).expect("a stand-in");
        assert_eq!(path.file_name(), Some("echo".as_ref()));
        assert_eq!(write(dir.path(), Path::new("/bin/echo"), &text).expect("the same"), path);
        assert!(is_stand_in(&path) && !is_stand_in(Path::new("/bin/echo")));
        // By its shell: a fork in another thread may hold it open for writing, so that it could not be executed.
        let output = Command::new("/bin/sh").arg(path).args(arguments).output().expect("run");
        String::from_utf8(output.stdout).expect("text")
    }

    #[test]
    fn the_accelerator_is_replaced_where_it_stands() {
        assert_eq!(
            printed(&[], &["-a", "-accel", "qtest", "-b c", "", "-accel", "kvm"]),
            "-a -accel tcg -b c  -accel kvm -bios /fw dir/halt.bin\n"
        );
        assert_eq!(printed(&["-S"], &["--accel", "qtest,x=y"]), "-accel tcg -S -bios /fw dir/halt.bin\n");
    }

    #[test]
    fn other_command_lines_are_left_alone() {
        assert_eq!(printed(&["-S"], &["-machine", "help"]), "-machine help\n");
        assert_eq!(printed(&[], &["-accel", "tcg", "qtest", "-accel"]), "-accel tcg qtest -accel\n");
    }
}
