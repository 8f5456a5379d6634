//! Where a project and its build are now: both may have been moved or copied since.

use std::fs;
use std::path::{Path, PathBuf};

/// What a test target knows from its build; [`main!`](crate::main) fills it in.
#[derive(Clone, Copy, Debug)]
pub struct Build {
    /// The directory of the package's `Cargo.toml`: `CARGO_MANIFEST_DIR`.
    pub root: &'static str,
    /// The package: `CARGO_PKG_NAME`.
    pub package: &'static str,
    /// The crate that the test target is: `CARGO_CRATE_NAME`.
    pub crate_name: &'static str,
    /// Cargo's directory for the files of tests: `CARGO_TARGET_TMPDIR`.
    pub tmp: Option<&'static str>,
}

/// Where things are.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The directory of the package's `Cargo.toml`.
    pub(super) root: PathBuf,
    /// Cargo's target directory.
    pub(super) target_dir: PathBuf,
}

impl Place {
    /// Looks where cargo and nextest say the package is, then above the program, and then where it was built.
    pub(super) fn find(build: &Build) -> Self {
        let given = std::env::var_os("CARGO_MANIFEST_DIR").filter(|dir| !dir.is_empty()).map(PathBuf::from);
        let program = std::env::current_exe().unwrap_or_default();
        Self::of(build, given, &program)
    }

    fn of(build: &Build, given: Option<PathBuf>, program: &Path) -> Self {
        let built_root = Path::new(build.root);
        let built_target = build.target_dir();
        let given = given.filter(|dir| dir == built_root || !is_of_another_package(dir, build.package));
        let is_where_built = program.starts_with(&built_target);
        let above = || {
            if is_where_built {
                return None;
            }
            let below = built_root.strip_prefix(built_target.parent()?).unwrap_or("".as_ref());
            let mut above = program.ancestors().skip(1).map(|dir| dir.join(below));
            above.find(|dir| is_same(dir, built_root) || package(dir).as_deref() == Some(build.package))
        };
        // As it was written then, if it is the same.
        let above = || above().map(|dir| if is_same(&dir, built_root) { built_root.to_owned() } else { dir });
        let root = given.or_else(above).unwrap_or_else(|| built_root.to_owned());
        let target_dir = if is_where_built {
            built_target
        } else {
            target_above(program)
                .unwrap_or_else(|| if root == built_root { built_target } else { root.join("target") })
        };
        Self { root, target_dir }
    }
}

impl Build {
    /// Cargo's target directory, then.
    fn target_dir(&self) -> PathBuf {
        let above = self.tmp.and_then(|tmp| Path::new(tmp).parent());
        above.map_or_else(|| Path::new(self.root).join("target"), Path::to_owned)
    }

    /// Whether this is the directory that the package was in.
    pub(super) fn was_at(&self, root: &Path) -> bool {
        is_same(root, self.root.as_ref())
    }
}

/// The target directory that a program is in: `<target>/[<triple>/]<profile>/deps/<program>`.
fn target_above(program: &Path) -> Option<PathBuf> {
    let deps = program.parent()?;
    let mut above = (deps.file_name()? == "deps").then(|| deps.ancestors().skip(2))?;
    let (near, far) = (above.next()?, above.next());
    // Cargo puts it into each target directory that it makes.
    let is_tagged = |dir: &&Path| dir.join("CACHEDIR.TAG").exists();
    let found = if is_tagged(&near) { near } else { far.filter(is_tagged).unwrap_or(near) };
    Some(found.to_owned())
}

fn is_same(one: &Path, other: &Path) -> bool {
    one == other || matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

fn is_of_another_package(dir: &Path, name: &str) -> bool {
    package(dir).is_some_and(|other| other != name)
}

/// The package of the manifest in this directory.
fn package(dir: &Path) -> Option<String> {
    let manifest: toml::Table = fs::read_to_string(dir.join("Cargo.toml")).ok()?.parse().ok()?;
    Some(manifest.get("package")?.get("name")?.as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory with a package in each of these directories, below it.
    fn packages(names: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("temporary directory");
        for (path, name) in names {
            let root = dir.path().join(path);
            fs::create_dir_all(&root).expect("create");
            fs::write(root.join("Cargo.toml"), format!("[package]\nname = {name:?}\n")).expect("write");
        }
        dir
    }

    const BUILD: Build = Build {
        root: "/gone/ws/one",
        package: "one",
        crate_name: "iotests",
        tmp: Some("/gone/ws/target/tmp"),
    };

    #[test]
    fn a_project_that_was_moved_is_above_its_program() {
        let dir = packages(&[("ws", "all"), ("ws/one", "one"), ("ws/two", "two")]);
        let ws = dir.path().join("ws");
        let of = |given: Option<&str>, program: &str| {
            let place = Place::of(&BUILD, given.map(|given| ws.join(given)), &ws.join(program));
            let shown = |path: &Path| path.strip_prefix(&ws).unwrap_or(path).display().to_string();
            [shown(&place.root), shown(&place.target_dir)]
        };
        let program = "target/debug/deps/iotests-1";
        assert_eq!(of(None, program), ["one", "target"]);
        assert_eq!(of(Some("one"), program), ["one", "target"]);
        // Another package's, whose build or run started this one.
        assert_eq!(of(Some("two"), program), ["one", "target"]);
        // Without a manifest: whoever says so must mean it.
        assert_eq!(of(Some("elsewhere"), program), ["elsewhere", "target"]);
        let triple = "target/riscv64gc-unknown-linux-gnu/debug/deps/iotests-1";
        fs::create_dir(ws.join("target")).expect("create");
        fs::write(ws.join("target/CACHEDIR.TAG"), "").expect("write");
        assert_eq!(of(None, triple), ["one", "target"]);
        assert_eq!(of(Some("one"), "iotests-1"), ["one", "one/target"]);
        assert_eq!(of(None, "/nowhere/iotests-1"), ["/gone/ws/one", "/gone/ws/target"]);
    }

    #[test]
    fn where_nothing_was_moved_no_manifest_is_read() {
        let program = Path::new("/gone/ws/target/debug/deps/iotests-1");
        let place = Place::of(&BUILD, None, program);
        assert_eq!(place, Place { root: "/gone/ws/one".into(), target_dir: "/gone/ws/target".into() });
    }
}
