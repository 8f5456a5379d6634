//! What a machine may lack that the tests need.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

/// The interpreter that runs the tests of the suite, for the reason why it cannot.
pub(crate) fn python() -> Option<&'static str> {
    let program = std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
    (!succeeds(&program, &["--version"])).then_some("Python 3 is not installed")
}

/// A namespace in which an ordinary user mounts something.
pub(crate) const NAMESPACE: [&str; 3] = ["--user", "--map-root-user", "--mount"];

/// Why nothing can be mounted in such a namespace.
pub(crate) fn mounts() -> Option<&'static str> {
    let mount = [&NAMESPACE[..], &["mount", "-t", "tmpfs", "none", "/tmp"]].concat();
    (!succeeds("unshare".as_ref(), &mount)).then_some("users may not mount anything, even in a namespace")
}

fn succeeds(program: &OsStr, args: &[&str]) -> bool {
    let mut command = Command::new(program);
    let status = command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// Functions that are only marked, and not listed in `main.rs`, would never run, without a warning.
pub(crate) fn no_test_is_left_out() {
    let sources = [
        include_str!("bless.rs"),
        include_str!("cleanup.rs"),
        include_str!("selection.rs"),
        include_str!("verdicts.rs"),
    ];
    for source in sources {
        assert!(!source.contains("#[test]"), "list tests in main.rs instead of marking them");
    }
}
