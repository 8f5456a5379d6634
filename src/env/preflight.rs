//! What is found out before anything runs, so that it is told once and not by every trial.

use std::thread;

use super::ask::{ask_version, unusable};
use super::probe::LIMIT;
use super::{TestEnv, ToolKind, Version};
use crate::error::{Error, Result};
use crate::process::Deadline;

/// The oldest QEMU that the suite supports.
const OLDEST: Version = Version::new(7, 2, 0);
/// The newest QEMU that the suite is tested with.
const NEWEST_TESTED: Version = Version::new(11, 1, 0);

impl TestEnv {
    /// Makes sure that each of these binaries is there and works, as far as is known of it.
    ///
    /// # Errors
    /// One [`Error::Setup`] with everything that is wrong.
    pub fn preflight(&self, which: &[ToolKind]) -> Result<()> {
        one_error(which.iter().filter_map(|kind| self.caps().version(*kind).err()))
    }

    /// Starts each of these binaries, all at the same time. What is known of them may be from a time
    /// when they worked: a library that is gone leaves the binary as it was.
    ///
    /// # Errors
    /// One [`Error::Setup`] with everything that is wrong.
    pub(crate) fn start_each(&self, which: &[ToolKind]) -> Result<()> {
        let problems: Vec<_> = thread::scope(|scope| {
            let started: Vec<_> = which.iter().map(|kind| scope.spawn(|| self.start(*kind))).collect();
            let ended = started.into_iter().map(|thread| match thread.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            ended.filter_map(Result::err).collect()
        });
        one_error(problems)
    }

    /// Starts a binary and compares its version with the one that is known.
    fn start(&self, kind: ToolKind) -> Result<()> {
        let tool = self.tool(kind)?;
        let deadline = Deadline::after(self.timeout_scale().scale_plain(LIMIT));
        let now =
            ask_version(tool, deadline).map_err(|problem| Error::Setup(unusable(kind, tool, &problem)))?;
        let known = self.caps().version(kind)?;
        if now == known {
            return Ok(());
        }
        self.probes().cache.forget();
        Err(Error::Setup(format!(
            "{} is {kind} {now}, but was {known} when it was asked what it can do, and the file is the same\n\
             what to do: run this again, for what was known is forgotten now",
            tool.program.display()
        )))
    }

    /// Checks that what is to debug or watch the emulator is there.
    ///
    /// # Errors
    /// [`Error::Variable`] of the variable that asks for it.
    pub fn debugger(&self) -> Result<()> {
        let missing = |program: &str| self.find_program(program).is_none();
        let refused = |name: &str, value: String, program: &str| Error::Variable {
            name: name.to_owned(),
            value,
            expected: format!("{program} on PATH, where there is none: install it, or unset the variable"),
        };
        match self.gdb() {
            [gdbserver, options @ ..] if missing(gdbserver) => {
                Err(refused("GDB_OPTIONS", options.join(" "), gdbserver))
            }
            _ if self.valgrind() && missing("valgrind") => {
                Err(refused("VALGRIND_QEMU", "y".to_owned(), "valgrind"))
            }
            _ => Ok(()),
        }
    }

    /// Checks that these binaries are all of qemu-img's version, whose references are compared with,
    /// up to what distributions patch. Others are an error unless their variable and qemu-img's name
    /// them; then the text is a warning.
    ///
    /// # Errors
    /// [`Error::Setup`] with the binaries and their versions.
    pub(crate) fn one_version(&self, which: &[ToolKind]) -> Result<Option<String>> {
        let told = |kind| {
            let (version, program) = (self.caps().version(kind)?, &self.tool(kind)?.program);
            Ok::<_, Error>((version, format!("\n    {} is {version}", program.display())))
        };
        let named = |kind: ToolKind| self.is_named(kind);
        let (version, mut text) = told(ToolKind::QemuImg)?;
        let mut meant = named(ToolKind::QemuImg);
        let mut differ = false;
        for kind in which {
            let (other, line) = told(*kind)?;
            if other.series() != version.series() {
                differ = true;
                meant &= named(*kind);
                text.push_str(&line);
            }
        }
        if !differ {
            return Ok(None);
        }
        let text = format!("the binaries are of different versions of QEMU:{text}");
        if meant {
            return Ok(Some(format!(
                "{text}\nThey are named so; references are those for qemu-img's version"
            )));
        }
        Err(Error::Setup(format!(
            "{text}\nwhat to do: run `sh setup.sh`, or name all of one version in {}; naming each of those above \
             says that they are meant",
            ToolKind::ALL.map(ToolKind::variable).join(", ")
        )))
    }

    /// Checks that none of these binaries is older than what the suite supports. The text is a warning if one is newer
    /// than what it is tested with.
    ///
    /// # Errors
    /// [`Error::Setup`] with the binaries that are too old.
    pub(crate) fn supported_version(&self, which: &[ToolKind]) -> Result<Option<String>> {
        let mut too_old = String::new();
        let mut newest = OLDEST;
        for kind in which {
            let version = self.caps().version(*kind)?;
            newest = newest.max(version);
            if version < OLDEST {
                too_old.push_str(&format!("\n    {} is {version}", self.tool(*kind)?.program.display()));
            }
        }
        if !too_old.is_empty() {
            return Err(Error::Setup(format!(
                "the suite needs QEMU {OLDEST} or newer:{too_old}\n\
                 what to do: install a newer QEMU, or name its binaries in {}",
                ToolKind::ALL.map(ToolKind::variable).join(", ")
            )));
        }
        let is_newer = newest.series() > NEWEST_TESTED.series();
        Ok(is_newer.then(|| {
            format!(
                "QEMU {newest} is newer than {}.{}, the newest that the suite is tested with: logs may differ from \
                 their references",
                NEWEST_TESTED.major, NEWEST_TESTED.minor
            )
        }))
    }

    /// Whether the variable of this binary is set.
    pub(crate) fn is_named(&self, kind: ToolKind) -> bool {
        self.given().iter().any(|(name, _)| *name == kind.variable())
    }
}

fn one_error(problems: impl IntoIterator<Item = Error>) -> Result<()> {
    let problems: Vec<_> = problems.into_iter().map(|error| error.to_string()).collect();
    if problems.is_empty() { Ok(()) } else { Err(Error::Setup(problems.join("\n"))) }
}
