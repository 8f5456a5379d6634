//! The file with what a test must print.

use std::path::{Path, PathBuf};

use crate::error::Result;

/// The reference of a test, if there is one, in `check`'s order: without a host cache, of
/// the format, of the machine, of all.
///
/// # Errors
/// When QEMU cannot be asked for its machine.
pub(super) fn find(
    test: &Path,
    nocache: bool,
    format: &str,
    machine: impl FnOnce() -> Result<String>,
) -> Result<Option<PathBuf>> {
    if let Some(path) = nocache.then(|| file(test, ".out.nocache")).flatten() {
        return Ok(Some(path));
    }
    if let Some(path) = file(test, &format!(".out.{format}")) {
        return Ok(Some(path));
    }
    // Asking QEMU costs time, and hardly any test has such a reference.
    if has_machine_reference(test)
        && let Some(path) = file(test, &format!(".{}.out", machine()?))
    {
        return Ok(Some(path));
    }
    Ok(file(test, ".out"))
}

/// Whether some reference may hold for a test, as far as is known without asking QEMU.
pub(super) fn may_exist(test: &Path, nocache: bool, format: &str) -> bool {
    file(test, ".out").is_some()
        || file(test, &format!(".out.{format}")).is_some()
        || (nocache && file(test, ".out.nocache").is_some())
        || has_machine_reference(test)
}

/// The file beside a test whose name ends like this.
fn file(test: &Path, ending: &str) -> Option<PathBuf> {
    let mut path = test.to_owned().into_os_string();
    path.push(ending);
    Some(PathBuf::from(path)).filter(|path| path.is_file())
}

fn has_machine_reference(test: &Path) -> bool {
    let (Some(dir), Some(name)) = (test.parent(), test.file_name().and_then(|name| name.to_str())) else {
        return false;
    };
    let prefix = format!("{name}.");
    let Ok(entries) = std::fs::read_dir(dir) else { return false };
    entries.flatten().any(|entry| {
        let file = entry.file_name();
        let middle = file.to_str().and_then(|file| file.strip_prefix(&prefix)?.strip_suffix(".out"));
        middle.is_some_and(|middle| !middle.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_reference_wins() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let test = dir.path().join("051");
        let look = |nocache, format: &str| {
            find(&test, nocache, format, || Ok("pc".to_owned()))
                .expect("a look")
                .map(|path| path.file_name().expect("a name").to_string_lossy().into_owned())
        };
        assert_eq!(look(true, "raw"), None);
        assert!(!may_exist(&test, true, "raw"));
        for name in ["051.out", "051.pc.out", "051.out.qcow2", "051.out.nocache"] {
            std::fs::write(dir.path().join(name), "").expect("file");
            assert_eq!(look(true, "qcow2").expect("a reference"), name);
        }
        assert_eq!(look(false, "qcow2").expect("a reference"), "051.out.qcow2");
        assert_eq!(look(false, "raw").expect("a reference"), "051.pc.out");
    }

    #[test]
    fn the_machine_is_asked_for_only_where_it_matters() {
        let dir = tempfile::tempdir().expect("temporary directory");
        std::fs::write(dir.path().join("051.out"), "").expect("file");
        let found = find(&dir.path().join("051"), false, "raw", || panic!("asked for the machine"));
        assert!(found.expect("a look").is_some());
        assert!(may_exist(&dir.path().join("051"), false, "raw"));
    }
}
