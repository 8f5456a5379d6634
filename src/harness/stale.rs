//! References that no test owns: left behind by a rename, or misspelt and so never compared.

use std::borrow::Cow;
use std::cell::LazyCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::discovery::Loaded;
use super::matrix::{declared_params, test_path};
use super::reference::{EXTENSION, NOCACHE, Variant};
use crate::suite::{Declaration, GENERIC_FORMATS, IMAGE_FORMATS};

/// Machines that QEMU has as a default, and references can be specific to, besides the one of the
/// emulator in use.
const MACHINES: [&str; 5] = ["pc", "q35", "virt", "s390-ccw-virtio", "pseries"];

/// What is wrong with each file below `root` that will never be compared.
pub(super) fn references(root: &Path, suites: &[Loaded], machine: Option<&str>) -> Vec<(PathBuf, String)> {
    // A project without references needs to know of no owners.
    let owners = LazyCell::new(|| owners(suites));
    let mut problems = Vec::new();
    for entry in WalkDir::new(root).sort_by_file_name().into_iter().flatten() {
        // Hidden files are those of editors, and of a bless that was cut short.
        if entry.file_type().is_dir() || entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let relative = entry.path().strip_prefix(root).unwrap_or(entry.path());
        let verdict = match relative.to_str() {
            None => Err("its name is not UTF-8".to_owned()),
            Some(name) => judge(name, &owners, machine),
        };
        if let Err(why) = verdict {
            problems.push((entry.into_path(), why));
        }
    }
    problems
}

type Owners<'s> = HashMap<Cow<'s, str>, Vec<&'s Declaration>>;

/// The declarations of each test, by the stem of its references.
fn owners(suites: &[Loaded]) -> Owners<'_> {
    let mut owners = Owners::with_capacity(suites.len());
    for loaded in suites {
        for test in loaded.suite.tests() {
            let declared = loaded.suite.declarations(test);
            let path = test_path(&loaded.path, test.name());
            for param in declared_params(&declared) {
                owners.insert(Cow::Owned(format!("{path}/{param}")), declared.clone());
            }
            owners.insert(path, declared);
        }
    }
    owners
}

fn judge(file: &str, owners: &Owners<'_>, machine: Option<&str>) -> Result<(), String> {
    if !file.ends_with(EXTENSION) {
        return Err(format!("no reference is named so: expected <test>[.<variant>][@<version>]{EXTENSION}"));
    }
    // The longest stem first: a parameter may have a dot of its own.
    let ends = file.match_indices(['.', '@']).map(|(at, _)| at).rev();
    let owner = ends.filter_map(|end| Some((&file[..end], owners.get(&file[..end])?))).next();
    let Some((stem, declared)) = owner else {
        return Err("no test owns this reference: remove it, or rename it after its test".to_owned());
    };
    let variant = Variant::parse(file, stem).ok_or("its name has a part that means nothing")??;
    match variant.name.as_deref() {
        None | Some(NOCACHE) => Ok(()),
        Some(name) if IMAGE_FORMATS.contains(&name) => {
            if declared.iter().all(|declared| supports(declared, name)) {
                return Ok(());
            }
            Err(format!("its test does not run on {name}: remove it, or declare the format"))
        }
        Some(name) if MACHINES.contains(&name) || machine == Some(name) => Ok(()),
        Some(name) => {
            let known = IMAGE_FORMATS.iter().chain(&MACHINES).chain([&NOCACHE]);
            let hint = crate::env::similar_word(name, known).unwrap_or_default();
            Err(format!("{name:?} is neither {NOCACHE}, a format nor a machine; {hint}"))
        }
    }
}

fn supports(declared: &Declaration, format: &str) -> bool {
    let named = |list: &[String]| list.iter().any(|name| name == format);
    let generic = declared.formats.iter().any(|name| name == "generic") && GENERIC_FORMATS.contains(&format);
    (declared.formats.is_empty() || generic || named(&declared.formats))
        && !named(&declared.unsupported_formats)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::{Declare, Suite};

    #[test]
    fn only_what_can_be_compared_is_owned() {
        let mut suite = Suite::new();
        suite.formats(["qcow2", "vmdk"]);
        suite.test("plain", |_| Ok(()));
        suite.test("sized", |_| Ok(())).params(["1.5M"]);
        let loaded =
            [Loaded { path: "topic".to_owned(), file: "cases/topic.rs".to_owned(), suite: Box::new(suite) }];
        let owners = owners(&loaded);
        for sound in [
            "topic/plain.out",
            "topic/plain.nocache.out",
            "topic/plain.vmdk@lt-8.0.out",
            "topic/plain.pc.out",
            "topic/plain.isapc.out",
            "topic/sized.out",
            "topic/sized/1.5M.out",
            "topic/sized/1.5M.qcow2@ge-9.out",
        ] {
            assert_eq!(judge(sound, &owners, Some("isapc")), Ok(()), "{sound}");
        }
        for (stale, why) in [
            ("topic/gone.out", "no test owns"),
            ("gone/plain.out", "no test owns"),
            ("topic/sized/2M.out", "no test owns"),
            ("topic/plain.raw.out", "does not run on raw"),
            ("topic/plain.qcwo2.out", "did you mean \"qcow2\"?"),
            ("topic/plain@8.0.out", "no range of versions"),
            ("topic/plain.txt", "no reference is named so"),
        ] {
            let problem = judge(stale, &owners, None).expect_err(stale);
            assert!(problem.contains(why), "{stale}: {problem}");
        }
    }
}
