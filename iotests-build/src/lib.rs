// SPDX-License-Identifier: MIT OR Apache-2.0
//! Turns the case files of a project into modules and one table of suites, at build time.
//!
//! A project's `build.rs` is one line, `fn main() { iotests_build::cases("cases"); }`, and `iotests::main!()`, in its
//! test target, includes the table.
//!
//! A crate of its own, without dependencies, so that a build script does not compile the harness a second time. It
//! knows nothing of `iotests` but the names in the text it generates; `iotests` depends on this very version, and
//! looks for case files with the functions below that are hidden from this page.

use std::collections::BTreeSet;
use std::env;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::Path;
use std::time::SystemTime;

/// File that `iotests::main!` includes, below `OUT_DIR`.
const TABLE: &str = "iotests_cases.rs";
/// File that the harness touches when there are cases that are not registered, below `OUT_DIR`.
const MARK: &str = "iotests_new_cases";
/// The file that holds `main`, which is no case.
const MAIN: &str = "main.rs";

/// Registers every `*.rs` file below `dir` but its own `main.rs` and hidden ones, and has cargo run the build
/// script again when one of them goes or changes. `dir` is taken from the project's root.
///
/// Cargo cannot watch for new files without watching all that is below `dir`, and a changed script
/// case is to recompile nothing. So the harness looks for them, and marks the build as out of
/// date when there are any. `dir` is where it looks for scripts as well.
///
/// For use in a build script. Whatever goes wrong is reported to cargo, which then fails the build.
pub fn cases(dir: &str) {
    if let Err(problem) = register(dir) {
        println!("cargo::error={problem}");
    }
}

fn register(dir: &str) -> Result<(), String> {
    let dir = dir.trim_end_matches('/');
    let root = variable("CARGO_MANIFEST_DIR")?;
    let out_dir = variable("OUT_DIR")?;
    let out = Path::new(&out_dir).join(TABLE);
    watch_mark(&Path::new(&out_dir).join(MARK))?;
    let table = table(Path::new(&root), dir)?;
    fs::write(&out, table).map_err(|error| format!("failed to write {}: {error}", out.display()))
}

/// Has cargo run the build script again once somebody has touched the mark.
fn watch_mark(mark: &Path) -> Result<(), String> {
    let failed = |error| format!("failed to write {}: {error}", mark.display());
    // Cargo takes a file that is younger than the start of the build script for changed.
    File::create(mark).and_then(|file| file.set_modified(SystemTime::UNIX_EPOCH)).map_err(failed)?;
    println!("cargo::rerun-if-changed={}", mark.display());
    Ok(())
}

fn variable(name: &str) -> Result<String, String> {
    env::var(name).map_err(|error| format!("{name}: {error}; iotests_build::cases is for build scripts"))
}

/// The generated source: a module for each case file and the table of their suites.
fn table(root: &Path, dir: &str) -> Result<String, String> {
    let mut modules = String::new();
    let mut entries = String::new();
    let mut names = BTreeSet::new();
    for file in case_files(root, dir)? {
        println!("cargo::rerun-if-changed={file}");
        let path = root.join(&file);
        let source = fs::read_to_string(&path).map_err(|error| format!("failed to read {file}: {error}"))?;
        if !declares_suite(&source) {
            let message = format!(
                "{file} declares no suite: add `pub fn suite(s: &mut Suite)`, or move the file out of {dir}/"
            );
            let _ = writeln!(modules, "compile_error!({message:?});");
            continue;
        }
        let case = file.strip_prefix(dir).and_then(|file| file.strip_prefix('/')).unwrap_or(&file);
        let case = case.strip_suffix(".rs").unwrap_or(case);
        let module = module_name(case, &mut names);
        let text = path.to_str().ok_or_else(|| format!("{} is not UTF-8", path.display()))?;
        let _ = writeln!(modules, "#[doc(hidden)]\n#[path = {text:?}]\npub mod {module};");
        let _ = writeln!(
            entries,
            "    ::iotests::harness::Case {{ path: {case:?}, file: {file:?}, suite: {module}::suite }},"
        );
    }
    Ok(format!(
        "{modules}const CASE_DIR: &str = {dir:?};\nconst CASES: &[::iotests::harness::Case] = &[\n{entries}];\n"
    ))
}

/// The case files, relative to `root`, in the order of their names, with `/` on every system.
fn case_files(root: &Path, dir: &str) -> Result<Vec<String>, String> {
    let files = files(&root.join(dir), &["rs"])?;
    Ok(files.iter().filter(|file| is_case(file)).map(|file| format!("{dir}/{file}")).collect())
}

/// Whether a file, relative to the case directory, is a case to be compiled.
#[doc(hidden)]
pub fn is_case(file: &str) -> bool {
    file.ends_with(".rs") && file != MAIN
}

/// The files with one of these extensions below `dir`, relative to it, in the order of their names. Hidden ones are
/// those of editors, such as Emacs' `.#name.rs`, a link that leads nowhere. Symbolic links are followed. A plain file is
/// not looked at: there may be thousands of cases.
///
/// # Errors
/// When a directory cannot be listed, a link leads back to where it is, or a name is not UTF-8: a message for the user.
#[doc(hidden)]
pub fn files(dir: &Path, extensions: &[&str]) -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    let mut below = vec![String::new()];
    while let Some(prefix) = below.pop() {
        let dir = dir.join(&prefix);
        let failed = |error| format!("failed to list {}: {error}", dir.display());
        for entry in fs::read_dir(&dir).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            if name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let kind = entry.file_type().map_err(failed)?;
            let target =
                kind.is_symlink().then(|| fs::metadata(entry.path()).map(|target| target.file_type()));
            // A link that leads nowhere is an error once it is read.
            let kind = target.and_then(Result::ok).unwrap_or(kind);
            let is_dir = kind.is_dir();
            let extension = Path::new(&name).extension();
            let has_extension = extension.is_some_and(|its| extensions.iter().any(|one| its == *one));
            if is_dir && entry.path().is_symlink() {
                refuse_circle(&entry.path())?;
            }
            if has_extension && !(is_dir || kind.is_file() || kind.is_symlink()) {
                return Err(format!(
                    "{} is neither a file nor a directory: remove it",
                    entry.path().display()
                ));
            }
            match name.to_str() {
                Some(name) if is_dir => below.push(format!("{prefix}{name}/")),
                Some(name) if has_extension => found.push(format!("{prefix}{name}")),
                None if is_dir || has_extension => {
                    return Err(format!("the name of {} is not UTF-8: rename it", entry.path().display()));
                }
                _ => {}
            }
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// An error if a link to a directory leads back to one that is above it.
fn refuse_circle(link: &Path) -> Result<(), String> {
    let real = |path: &Path| fs::canonicalize(path).ok();
    match link.ancestors().skip(1).find(|above| real(above) == real(link)) {
        Some(above) => {
            let (link, above) = (link.display(), above.display());
            Err(format!(
                "the symbolic link {link} leads back to {above}: remove it, or let it lead elsewhere"
            ))
        }
        None => Ok(()),
    }
}

/// Looks for the function by its text: a build script that parsed Rust would cost more than the
/// rest of the build. What it lets through wrongly, the compiler still refuses.
fn declares_suite(source: &str) -> bool {
    source.lines().any(|line| {
        let mut words = line.split_whitespace();
        words.next() == Some("pub")
            && words.next() == Some("fn")
            && words.next().is_some_and(|word| word.starts_with("suite(") || word == "suite")
    })
}

/// A name for the case's module that no other in `taken` has.
fn module_name(case: &str, taken: &mut BTreeSet<String>) -> String {
    let mut words = case.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let plain = words.by_ref().fold("case".to_owned(), |name, word| name + "_" + &word.to_ascii_lowercase());
    let numbered = (2..).map(|number| format!("{plain}_{number}"));
    let name = std::iter::once(plain.clone()).chain(numbered).find(|name| !taken.contains(name));
    let name = name.unwrap_or(plain);
    taken.insert(name.clone());
    name
}
