//! A QEMU that is unpacked into a folder with all its libraries, those of the C library too.
//!
//! Each program is started by the folder's own loader, so it runs whatever the machine's C library is, without root and
//! without namespaces. A script of one line does that, under the program's name: the process stays the same, and messages
//! begin with the usual name.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Written last, so that a tree that lacks it is not whole.
const STAMP: &str = "complete";

/// Where QEMU looks for firmware, below the tree.
const FIRMWARE: [&str; 3] = ["usr/share/qemu", "usr/share/seabios", "usr/lib/ipxe/qemu"];

/// What depends on the machine's architecture.
struct Machine {
    triplet: &'static str,
    loader: &'static str,
    emulator: &'static str,
    package: &'static str,
}

const X86_64: Machine = Machine {
    triplet: "x86_64-linux-gnu",
    loader: "ld-linux-x86-64.so.2",
    emulator: "qemu-system-x86_64",
    package: "qemu-system-x86",
};
const AARCH64: Machine = Machine {
    triplet: "aarch64-linux-gnu",
    loader: "ld-linux-aarch64.so.1",
    emulator: "qemu-system-aarch64",
    package: "qemu-system-arm",
};

/// A folder with a QEMU.
pub(crate) struct Tree {
    root: PathBuf,
    machine: Machine,
}

impl Tree {
    /// The folder, which may not be there yet.
    pub(crate) fn at(root: PathBuf) -> Result<Self, String> {
        let machine = match std::env::consts::ARCH {
            "x86_64" => X86_64,
            "aarch64" => AARCH64,
            other => return Err(format!("with-qemu supports x86_64 and aarch64, this is {other}")),
        };
        if root.to_str().is_none_or(|root| root.contains([':', '\''])) {
            return Err(format!(
                "{} has a colon, a quote or bytes that are not UTF-8 in its name\n\
                 what to do: set CARGO_TARGET_DIR to a folder without them",
                root.display()
            ));
        }
        Ok(Self { root, machine })
    }

    /// The packages that have all its programs.
    pub(crate) fn packages(&self) -> [&'static str; 2] {
        ["qemu-utils", self.machine.package]
    }

    /// The variables that name the programs.
    pub(crate) fn variables(&self) -> [(&'static str, PathBuf); 5] {
        self.programs().map(|(variable, name)| (variable, self.wrapper(name)))
    }

    fn programs(&self) -> [(&'static str, &'static str); 5] {
        [
            ("QEMU_PROG", self.machine.emulator),
            ("QEMU_IMG_PROG", "qemu-img"),
            ("QEMU_IO_PROG", "qemu-io"),
            ("QEMU_NBD_PROG", "qemu-nbd"),
            ("QSD_PROG", "qemu-storage-daemon"),
        ]
    }

    /// Whether it is whole and works; the error says what is wrong, unless nothing is there.
    pub(crate) fn check(&self) -> Result<(), Option<String>> {
        if !self.root.exists() {
            return Err(None);
        }
        if !self.root.join(STAMP).exists() {
            return Err(Some(format!("{} is not whole", self.root.display())));
        }
        self.programs().iter().try_for_each(|(_, name)| self.start(name).map(drop)).map_err(Some)
    }

    /// Unpacks all packages of a folder, in place of what is there.
    pub(crate) fn unpack(&self, archives: &Path) -> Result<(), String> {
        let root = self.root.display();
        if self.root.exists() {
            fs::remove_dir_all(&self.root).map_err(|error| format!("failed to remove {root}: {error}"))?;
        }
        fs::create_dir_all(self.root.join("bin"))
            .map_err(|error| format!("failed to make {root}: {error}"))?;
        let packages = entries(archives)?;
        for package in packages.iter().filter(|path| path.extension().is_some_and(|ending| ending == "deb")) {
            let unpacked = Command::new("dpkg-deb").arg("-x").args([package, &self.root]).output();
            let output = unpacked.map_err(|error| format!("failed to run dpkg-deb: {error}"))?;
            if !output.status.success() {
                // It is downloaded anew the next time.
                let _ = fs::remove_file(package);
                return Err(format!(
                    "failed to unpack {}: {}\nwhat to do: run this again, the package is removed",
                    package.display(),
                    String::from_utf8_lossy(&output.stderr).trim_end()
                ));
            }
        }
        let mut complete = String::new();
        for (_, name) in self.programs() {
            self.write_wrapper(name)?;
            self.check_libraries(name)?;
            complete.push_str(&self.start(name)?);
        }
        let stamp = self.root.join(STAMP);
        fs::write(&stamp, complete).map_err(|error| format!("failed to write {}: {error}", stamp.display()))
    }

    fn wrapper(&self, name: &str) -> PathBuf {
        self.root.join("bin").join(name)
    }

    /// The folders that may have libraries, best first. Some are a level deeper, where only an absolute path in a
    /// library leads to them.
    fn library_dirs(&self) -> Result<Vec<PathBuf>, String> {
        let mut dirs: Vec<_> =
            ["usr/lib", "lib"].iter().map(|lib| self.root.join(lib).join(self.machine.triplet)).collect();
        dirs.retain(|dir| dir.is_dir());
        let deeper: Vec<_> =
            dirs.iter().map(|dir| dir.join("pulseaudio")).filter(|dir| dir.is_dir()).collect();
        dirs.extend(deeper);
        if dirs.is_empty() {
            return Err(format!("the packages in {} have no libraries", self.root.display()));
        }
        Ok(dirs)
    }

    /// The loader and its arguments, up to the program.
    fn loader(&self) -> Result<(PathBuf, [String; 3]), String> {
        let dirs = self.library_dirs()?;
        let loader = dirs.iter().map(|dir| dir.join(self.machine.loader)).find(|loader| loader.exists());
        let loader = loader.ok_or_else(|| {
            format!("the packages in {} have no {}", self.root.display(), self.machine.loader)
        })?;
        let path: Vec<_> = dirs.iter().map(|dir| dir.display().to_string()).collect();
        Ok((loader, ["--inhibit-cache".to_owned(), "--library-path".to_owned(), path.join(":")]))
    }

    /// The script that stands for a program. It hides what the program would otherwise take from the machine: libraries,
    /// modules and firmware.
    fn write_wrapper(&self, name: &str) -> Result<(), String> {
        let quoted = |path: &dyn std::fmt::Display| format!("'{path}'");
        let (loader, arguments) = self.loader()?;
        let modules = self.root.join("usr/lib").join(self.machine.triplet).join("qemu");
        let mut line =
            format!("QEMU_MODULE_DIR={} exec {}", quoted(&modules.display()), quoted(&loader.display()));
        line.push_str(" --argv0 \"$0\"");
        for argument in &arguments {
            line.push_str(&format!(" {}", quoted(argument)));
        }
        line.push_str(&format!(" {}", quoted(&self.program(name).display())));
        if name == self.machine.emulator {
            for dir in FIRMWARE {
                line.push_str(&format!(" -L {}", quoted(&self.root.join(dir).display())));
            }
        }
        let wrapper = self.wrapper(name);
        let written = fs::write(&wrapper, format!("#!/bin/sh\n{line} \"$@\"\n"))
            .and_then(|()| fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)));
        written.map_err(|error| format!("failed to write {}: {error}", wrapper.display()))
    }

    fn program(&self, name: &str) -> PathBuf {
        self.root.join("usr/bin").join(name)
    }

    /// Makes sure that a program takes every library from the tree.
    fn check_libraries(&self, name: &str) -> Result<(), String> {
        let (loader, arguments) = self.loader()?;
        let listed = Command::new(&loader).args(&arguments).arg("--list").arg(self.program(name)).output();
        let output = listed.map_err(|error| format!("failed to run {}: {error}", loader.display()))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let foreign = foreign_libraries(&text, &self.root);
        if output.status.success() && foreign.is_empty() {
            return Ok(());
        }
        Err(format!(
            "{name} in {} lacks libraries: {}{}",
            self.root.display(),
            foreign.join(", "),
            String::from_utf8_lossy(&output.stderr)
        ))
    }

    /// Has a program print its version.
    fn start(&self, name: &str) -> Result<String, String> {
        let wrapper = self.wrapper(name);
        let failed = |why: &dyn std::fmt::Display| format!("{} does not start: {why}", wrapper.display());
        let output = Command::new(&wrapper).arg("--version").output().map_err(|error| failed(&error))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(failed(&format!("{}\n{}", output.status, String::from_utf8_lossy(&output.stderr).trim_end())))
    }
}

/// The libraries of a loader's list that are missing, or not below `root`.
fn foreign_libraries(list: &str, root: &Path) -> Vec<String> {
    let libraries = list.lines().filter_map(|line| line.trim().split_once(" => "));
    let is_foreign = |found: &str| {
        let path = Path::new(found.split(" (").next().unwrap_or(found));
        let (Ok(path), Ok(root)) = (path.canonicalize(), root.canonicalize()) else { return true };
        !path.starts_with(root)
    };
    libraries
        .filter(|(_, found)| is_foreign(found))
        .map(|(name, found)| format!("{name} ({found})"))
        .collect()
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>, String> {
    let failed = |error| format!("failed to list {}: {error}", dir.display());
    fs::read_dir(dir).map_err(failed)?.map(|entry| entry.map(|entry| entry.path()).map_err(failed)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One test for all that starts programs: in another thread a fork at the wrong moment makes a script "busy".
    #[test]
    fn a_tree_is_whole_only_with_its_stamp_and_programs_that_start() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let tree = Tree::at(dir.path().join("11.1")).expect("a machine that is supported");
        assert_eq!(tree.check(), Err(None));
        fs::create_dir_all(tree.root.join("bin")).expect("make a folder");
        let problem = || tree.check().expect_err("it is not whole").expect("it is there");
        assert!(problem().ends_with("11.1 is not whole"), "{}", problem());
        fs::write(tree.root.join(STAMP), "").expect("write the stamp");
        let script = |name: &str, text: &str| {
            fs::write(tree.wrapper(name), format!("#!/bin/sh\n{text}\n")).expect("write a script");
            fs::set_permissions(tree.wrapper(name), fs::Permissions::from_mode(0o755)).expect("chmod");
        };
        for (_, name) in tree.programs() {
            assert!(problem().contains(" does not start: "), "{}", problem());
            script(name, "exit 0");
        }
        assert_eq!(tree.check(), Ok(()));
        script("qemu-io", "echo no libfoo >&2; exit 127");
        assert!(problem().ends_with("qemu-io does not start: exit status: 127\nno libfoo"), "{}", problem());

        let package = dir.path().join("archives/half.deb");
        fs::create_dir(dir.path().join("archives")).expect("make a folder");
        fs::write(&package, "!<arch>\n").expect("write a package");
        let problem = tree.unpack(&dir.path().join("archives")).expect_err("it is no package");
        assert!(problem.starts_with(&format!("failed to unpack {}: ", package.display())), "{problem}");
        assert!(!package.exists() && !tree.root.join(STAMP).exists());
    }

    #[test]
    fn a_library_of_the_machine_is_foreign() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        fs::write(dir.path().join("libown.so"), "").expect("write a library");
        std::os::unix::fs::symlink("/bin/sh", dir.path().join("liblink.so")).expect("make a link");
        let list = format!(
            "\tlinux-vdso.so.1 (0x1)\n\tlibown.so => {0}/libown.so (0x2)\n\tliblink.so => {0}/liblink.so (0x3)\n\
             \tlibmachine.so => /bin/sh (0x4)\n\tlibgone.so => not found\n",
            dir.path().display()
        );
        let names: Vec<_> = foreign_libraries(&list, dir.path())
            .iter()
            .map(|library| library.split(' ').next().unwrap_or_default().to_owned())
            .collect();
        assert_eq!(names, ["liblink.so", "libmachine.so", "libgone.so"]);
    }

    #[test]
    fn a_name_that_a_script_or_a_list_of_folders_cannot_hold_is_refused() {
        for name in ["/a:b/qemu", "/it's/qemu"] {
            assert!(
                Tree::at(name.into()).is_err_and(|problem| problem.contains("CARGO_TARGET_DIR")),
                "{name}"
            );
        }
    }
}
