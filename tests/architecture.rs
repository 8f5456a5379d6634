//! The shape of the sources: rooms use only rooms above them in ARCHITECTURE.md's table, and no file is part of a
//! circle of files.
//!
//! A file uses the file that defines what it names in a `use` or in a path. Not seen are methods, which are named
//! without their file, and what unit tests use. A `mod.rs` that holds nothing but `mod` and `use` lines uses nothing.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;
use walkdir::WalkDir;

/// Files outside the table of rooms: the root, and what cases import.
const APART: [&str; 2] = ["lib", "prelude"];

static PATH: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\b[A-Za-z_]\w*(?:::[A-Za-z_]\w*)+").unwrap());
static USE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?s)(?:pub(?:\([^)]*\))?\s+)?\buse\s+([^;]*);").unwrap());
static NO_LOGIC: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?:pub(?:\([^)]*\))?\s+)?mod\s+\w+;|#!?\[[^\]]*\]").unwrap());
/// Comments and literals.
static NO_CODE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r##"(?s)//[^\n]*|/\*.*?\*/|\bb?r#+".*?"#+|\bb?r"[^"]*"|b?"(?:\\.|[^"\\])*"|b?'(?:\\[^']+|\\'|[^'\\])'"##,
    )
    .unwrap()
});

/// A path in Rust code, and a module's.
type Segments = Vec<String>;

/// One source file.
struct Source {
    /// Its code, without comments, literals and unit tests.
    code: String,
    /// What its `use` lines bring into scope, each under the name that it has there.
    imports: Vec<(String, Segments)>,
    /// Whether it holds more than `mod` and `use` lines.
    has_logic: bool,
}

/// All source files, by the path of their module; that of the crate's root is empty.
struct Sources(BTreeMap<Segments, Source>);

impl Sources {
    fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut sources = BTreeMap::new();
        for entry in WalkDir::new(&root) {
            let entry = entry.unwrap();
            let path = entry.path().strip_prefix(&root).unwrap();
            let Some(module) = path.to_str().unwrap().strip_suffix(".rs") else { continue };
            let mut module: Segments = module.split('/').map(str::to_owned).collect();
            module.pop_if(|last| ["mod", "lib"].contains(&last.as_str()));
            sources.insert(module.clone(), Source::parse(&fs::read_to_string(entry.path()).unwrap()));
        }
        Self(sources)
    }

    /// The module whose file defines what a path, as it stands in `module`, names: `None` for a path of another crate,
    /// and for a module without logic.
    fn definition(&self, module: &[String], path: &[String]) -> Option<Segments> {
        let first = path.first()?.as_str();
        let (mut at, mut rest) = match first {
            "crate" => (Segments::new(), &path[1..]),
            "self" => (module.to_vec(), &path[1..]),
            "super" => (module.to_vec(), path),
            _ if self.child(module, first).is_some() => (module.to_vec(), path),
            _ => return self.imported(module, path),
        };
        while rest.first().is_some_and(|segment| segment == "super") {
            at.pop();
            rest = &rest[1..];
        }
        while let Some(child) = rest.first().and_then(|segment| self.child(&at, segment)) {
            at = child;
            rest = &rest[1..];
        }
        let through = if at == module { None } else { self.imported(&at, rest) };
        through.or_else(|| {
            let source = &self.0[&at];
            (source.has_logic || !rest.is_empty()).then_some(at)
        })
    }

    /// The same for a path that begins with what the module has imported.
    fn imported(&self, module: &[String], path: &[String]) -> Option<Segments> {
        let first = path.first()?;
        let (_, import) = self.0[module].imports.iter().find(|(name, _)| name == first)?;
        let whole: Segments = import.iter().chain(&path[1..]).cloned().collect();
        // An import of its own name leads nowhere.
        if whole == path { None } else { self.definition(module, &whole) }
    }

    fn child(&self, module: &[String], name: &str) -> Option<Segments> {
        let child: Segments = module.iter().cloned().chain([name.to_owned()]).collect();
        self.0.contains_key(&child).then_some(child)
    }

    /// Which module's file uses which.
    fn uses(&self) -> BTreeMap<Segments, BTreeSet<Segments>> {
        let mut uses = BTreeMap::new();
        for (module, source) in self.0.iter().filter(|(_, source)| source.has_logic) {
            let named = PATH
                .find_iter(&source.code)
                .map(|found| found.as_str().split("::").map(str::to_owned).collect());
            let paths = source.imports.iter().map(|(_, path)| path.clone()).chain(named);
            let defined = paths.filter_map(|path: Segments| self.definition(module, &path));
            uses.insert(module.clone(), defined.filter(|other| other != module).collect());
        }
        uses
    }
}

impl Source {
    fn parse(text: &str) -> Self {
        let code = without_comments_and_literals(text);
        let code = code.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let mut imports = Vec::new();
        for found in USE.captures_iter(code) {
            let tree: String = found[1].split_whitespace().collect::<Vec<_>>().join(" ");
            expand(&[], &tree, &mut imports);
        }
        let code = USE.replace_all(code, "").into_owned();
        let rest = NO_LOGIC.replace_all(&code, "");
        let has_logic = !rest.trim().is_empty();
        Self { imports, has_logic, code: code.replace("$crate", "crate") }
    }
}

/// The paths of a `use`, each with the name that it brings into scope.
fn expand(before: &[String], tree: &str, imports: &mut Vec<(String, Segments)>) {
    if let Some((head, list)) = tree.split_once('{') {
        let mut before = before.to_vec();
        before
            .extend(head.split("::").map(str::trim).filter(|segment| !segment.is_empty()).map(str::to_owned));
        let list = &list[..list.rfind('}').unwrap()];
        let (mut depth, mut start) = (0, 0);
        for (at, c) in list.char_indices().chain([(list.len(), ',')]) {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    expand(&before, list[start..at].trim(), imports);
                    start = at + 1;
                }
                _ => {}
            }
        }
        return;
    }
    let (path, name) = tree.split_once(" as ").map_or((tree, None), |(path, name)| (path, Some(name)));
    let mut path: Segments = before.iter().cloned().chain(path.split("::").map(str::to_owned)).collect();
    path.retain(|segment| !segment.is_empty() && segment != "*");
    path.pop_if(|last| last == "self");
    if let Some(last) = path.last() {
        imports.push((name.unwrap_or(last).to_owned(), path));
    }
}

/// Rust code with blanks in place of what is no code.
fn without_comments_and_literals(text: &str) -> String {
    NO_CODE.replace_all(text, " ").into_owned()
}

fn file(module: &[String]) -> String {
    module.join("/")
}

/// The rooms of ARCHITECTURE.md's table, from top to bottom.
fn table() -> Vec<String> {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md")).unwrap();
    let table = page.split("\n## Rooms\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let row = Regex::new(r"(?m)^\| `(\w+)` \|").unwrap();
    row.captures_iter(table).map(|row| row[1].to_owned()).collect()
}

#[test]
fn rooms_use_only_rooms_above_them() {
    let sources = Sources::read();
    let table = table();
    let rooms: BTreeSet<_> = sources.0.keys().filter_map(|module| module.first()).collect();
    let listed: BTreeSet<_> =
        table.iter().chain(rooms.iter().copied().filter(|room| APART.contains(&room.as_str()))).collect();
    assert_eq!(rooms, listed, "each room has a row in ARCHITECTURE.md");
    let height = |module: &[String]| table.iter().position(|room| Some(room) == module.first());
    let mut wrong = String::new();
    for (module, used) in sources.uses() {
        for other in used {
            let sound = match (height(&module), height(&other)) {
                (Some(own), Some(its)) => its <= own,
                // `prelude` uses all, and only cases use it.
                (_, None) => false,
                (None, _) => file(&module) == "prelude",
            };
            if !sound {
                let _ = writeln!(wrong, "    {} uses {}", file(&module), file(&other));
            }
        }
    }
    assert_eq!(wrong, "", "rooms that use what is not above them:\n{wrong}");
}

#[test]
fn no_file_is_part_of_a_circle() {
    let uses = Sources::read().uses();
    let mut reached = BTreeMap::new();
    for start in uses.keys() {
        let mut seen = BTreeSet::new();
        let mut next: Vec<_> = uses[start].iter().collect();
        while let Some(module) = next.pop() {
            if seen.insert(module) {
                next.extend(uses.get(module).into_iter().flatten());
            }
        }
        reached.insert(start, seen);
    }
    let leads = |from: &Segments, to: &Segments| reached.get(from).is_some_and(|seen| seen.contains(to));
    let mut circles: BTreeSet<Vec<&Segments>> = BTreeSet::new();
    for module in uses.keys().filter(|module| leads(module, module)) {
        circles.insert(uses.keys().filter(|other| leads(module, other) && leads(other, module)).collect());
    }
    let mut text = String::new();
    for circle in &circles {
        let _ = writeln!(text, "a circle of {} files:", circle.len());
        for (from, to) in circle.iter().flat_map(|from| uses[*from].iter().map(move |to| (from, to))) {
            if circle.contains(&to) {
                let _ = writeln!(text, "    {} uses {}", file(from), file(to));
            }
        }
    }
    let count: usize = circles.iter().map(Vec::len).sum();
    println!("files in circles: {count}");
    assert_eq!(text, "", "{text}");
}
