//! Where a suite or a test can run.

use std::panic::Location;
use std::time::Duration;

use super::Requirement;

/// Formats that a suite for `generic` runs over when `IMGFMT` does not narrow them: those that
/// qemu-img can create.
pub const GENERIC_FORMATS: [&str; 10] =
    ["raw", "qcow2", "qcow", "qed", "vdi", "vhdx", "vmdk", "vpc", "parallels", "luks"];

/// Everything declared about a suite or a test (`iotests.py: execute_setup_common`). An empty list
/// does not restrict.
#[derive(Clone, Debug, Default)]
pub struct Declaration {
    /// Formats it supports.
    pub formats: Vec<String>,
    /// Formats it does not.
    pub unsupported_formats: Vec<String>,
    /// Protocols it supports.
    pub protocols: Vec<String>,
    /// Protocols it does not.
    pub unsupported_protocols: Vec<String>,
    /// Operating systems it supports, as prefixes.
    pub platforms: Vec<String>,
    /// Operating systems it does not.
    pub unsupported_platforms: Vec<String>,
    /// Cache modes it supports.
    pub cache_modes: Vec<String>,
    /// AIO modes it supports.
    pub aio_modes: Vec<String>,
    /// Words that must not occur in `IMGOPTS`.
    pub unsupported_imgopts: Vec<String>,
    /// What else must be there.
    pub requirements: Vec<Requirement>,
    /// Groups to select by.
    pub groups: Vec<String>,
    /// Resources of the host that one trial at a time may use.
    pub serial: Vec<String>,
    /// Values to run each test with, a trial for each.
    pub params: Vec<String>,
    /// How long one trial may take.
    pub timeout: Option<Duration>,
    /// Whether its time limit grows by what `IOTESTS_SEEDS` asks for.
    pub searches: bool,
    /// Why it is known to fail.
    pub known_failure: Option<KnownFailure>,
    /// What programs may print beside their work.
    pub ignored_stderr: Vec<IgnoredStderr>,
    /// What was declared twice though there can be one only: the first would have no effect.
    pub(crate) repeated: Vec<&'static str>,
}

/// That of a test which declares nothing.
pub(super) static NONE: Declaration = Declaration {
    formats: Vec::new(),
    unsupported_formats: Vec::new(),
    protocols: Vec::new(),
    unsupported_protocols: Vec::new(),
    platforms: Vec::new(),
    unsupported_platforms: Vec::new(),
    cache_modes: Vec::new(),
    aio_modes: Vec::new(),
    unsupported_imgopts: Vec::new(),
    requirements: Vec::new(),
    groups: Vec::new(),
    serial: Vec::new(),
    params: Vec::new(),
    timeout: None,
    searches: false,
    known_failure: None,
    ignored_stderr: Vec::new(),
    repeated: Vec::new(),
};

/// Lines that programs may print beside their work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IgnoredStderr {
    /// What each of them contains.
    pub text: String,
    /// Why they may stay.
    pub reason: String,
}

/// A failure that is known.
#[derive(Clone, Debug)]
pub struct KnownFailure {
    /// Why the test fails.
    pub reason: String,
    /// Where that is declared.
    pub declared: Place,
}

/// Where a declaration stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In Rust code.
    Code(&'static Location<'static>),
    /// In this line of a script.
    Line(usize),
}

/// The words a declaration is written in: on a [`Suite`](super::Suite), on a
/// [`Fixture`](super::Fixture) or on one [`TestDecl`](super::TestDecl). All of them must hold; what
/// can have one value only (parameters, a time limit, a known failure) is that of the innermost.
pub trait Declare {
    /// What the words below write to.
    fn declaration_mut(&mut self) -> &mut Declaration;

    /// Image formats it supports; `generic` means all that qemu-img can create
    /// (`iotests.py: supported_fmts`).
    fn formats<S: Into<String>>(&mut self, formats: impl IntoIterator<Item = S>) -> &mut Self {
        extend(&mut self.declaration_mut().formats, formats);
        self
    }

    /// Image formats it does not support (`iotests.py: unsupported_fmts`).
    fn unsupported_formats<S: Into<String>>(&mut self, formats: impl IntoIterator<Item = S>) -> &mut Self {
        extend(&mut self.declaration_mut().unsupported_formats, formats);
        self
    }

    /// Protocols it supports (`iotests.py: supported_protocols`); `file` alone if never called.
    fn protocols<S: Into<String>>(&mut self, protocols: impl IntoIterator<Item = S>) -> &mut Self {
        extend(&mut self.declaration_mut().protocols, protocols);
        self
    }

    /// Protocols it does not support (`iotests.py: unsupported_protocols`).
    fn unsupported_protocols<S: Into<String>>(
        &mut self,
        protocols: impl IntoIterator<Item = S>,
    ) -> &mut Self {
        extend(&mut self.declaration_mut().unsupported_protocols, protocols);
        self
    }

    /// Operating systems it supports, by prefix (`iotests.py: supported_platforms`).
    fn platforms<S: Into<String>>(&mut self, platforms: impl IntoIterator<Item = S>) -> &mut Self {
        extend(&mut self.declaration_mut().platforms, platforms);
        self
    }

    /// Operating systems it does not support, by prefix (`iotests.py: _verify_platform`).
    fn unsupported_platforms<S: Into<String>>(
        &mut self,
        platforms: impl IntoIterator<Item = S>,
    ) -> &mut Self {
        extend(&mut self.declaration_mut().unsupported_platforms, platforms);
        self
    }

    /// Cache modes it supports (`iotests.py: supported_cache_modes`).
    fn cache_modes<S: Into<String>>(&mut self, modes: impl IntoIterator<Item = S>) -> &mut Self {
        extend(&mut self.declaration_mut().cache_modes, modes);
        self
    }

    /// AIO modes it supports (`iotests.py: supported_aio_modes`).
    fn aio_modes<S: Into<String>>(&mut self, modes: impl IntoIterator<Item = S>) -> &mut Self {
        extend(&mut self.declaration_mut().aio_modes, modes);
        self
    }

    /// Words that must not occur in `IMGOPTS` (`iotests.py: unsupported_imgopts`). What is added there for
    /// some formats ([`TestEnv::imgopts_for`](crate::env::TestEnv::imgopts_for)) is no matter.
    fn unsupported_imgopts<S: Into<String>>(&mut self, words: impl IntoIterator<Item = S>) -> &mut Self {
        extend(&mut self.declaration_mut().unsupported_imgopts, words);
        self
    }

    /// Formats that QEMU must be able to write, whatever `IMGFMT` is (`iotests.py: required_fmts`).
    fn required_formats<S: Into<String>>(&mut self, formats: impl IntoIterator<Item = S>) -> &mut Self {
        let formats = formats.into_iter().map(|format| Requirement::Format(format.into()));
        self.declaration_mut().requirements.extend(formats);
        self
    }

    /// Something else that must be there.
    fn requires(&mut self, requirement: Requirement) -> &mut Self {
        self.declaration_mut().requirements.push(requirement);
        self
    }

    /// Groups that `IOTESTS_GROUPS` selects by.
    fn groups<S: Into<String>>(&mut self, groups: impl IntoIterator<Item = S>) -> &mut Self {
        extend(&mut self.declaration_mut().groups, groups);
        self
    }

    /// Resources of the host (a port, a loop device) that one trial at a time may use, also across
    /// processes.
    fn serial<S: Into<String>>(&mut self, resources: impl IntoIterator<Item = S>) -> &mut Self {
        extend(&mut self.declaration_mut().serial, resources);
        self
    }

    /// Values to run with: a trial for each, which reads its own from
    /// [`Test::param`](crate::test::Test::param).
    fn params<S: Into<String>>(&mut self, params: impl IntoIterator<Item = S>) -> &mut Self {
        extend(&mut self.declaration_mut().params, params);
        self
    }

    /// Lines with this text that programs print beside their work, such as warnings, and why they may stay. Any other
    /// line that is not logged either fails the trial, and so does a text that no line has: what some versions or
    /// formats alone print is for [`Test::ignore_stderr`](crate::test::Test::ignore_stderr).
    fn ignores_stderr(&mut self, text: &str, reason: &str) -> &mut Self {
        let ignored = IgnoredStderr { text: text.to_owned(), reason: reason.to_owned() };
        self.declaration_mut().ignored_stderr.push(ignored);
        self
    }

    /// How long one trial may take, before `IOTESTS_TIMEOUT_SCALE`. The default is 180 s.
    fn timeout(&mut self, limit: Duration) -> &mut Self {
        let declaration = self.declaration_mut();
        if declaration.timeout.replace(limit).is_some() {
            declaration.repeated.push("timeout");
        }
        self
    }

    /// Declares that it runs the [oracle](crate::oracle), so that its time limit grows by what
    /// `IOTESTS_SEEDS` asks for.
    fn searches(&mut self) -> &mut Self {
        self.declaration_mut().searches = true;
        self
    }

    /// Declares that the test fails today, and why: it passes while it fails and fails once it
    /// passes. Running out of time is not that failure.
    #[track_caller]
    fn known_failure(&mut self, reason: &str) -> &mut Self {
        let declared = Place::Code(Location::caller());
        let declaration = self.declaration_mut();
        let known_failure = KnownFailure { reason: reason.to_owned(), declared };
        if declaration.known_failure.replace(known_failure).is_some() {
            declaration.repeated.push("known_failure");
        }
        self
    }
}

fn extend<S: Into<String>>(list: &mut Vec<String>, more: impl IntoIterator<Item = S>) {
    list.extend(more.into_iter().map(Into::into));
}
