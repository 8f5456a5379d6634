//! Tests that share a name or a reference: one could hide the other, or write what the other is compared with.

use std::collections::HashMap;

use super::Project;
use super::discovery::Loaded;
use super::matrix;
use super::reference::is_variant;
use crate::error::Error;
use crate::suite::{Place, TestDecl};

/// A test and the suite it is in.
type Owner<'s> = (&'s Loaded, &'s TestDecl);

/// Each test whose name, or the stem of whose references, is that of another as well, whatever the two are made of. Both
/// declarations are named.
pub(super) fn find(project: &Project, suites: &[Loaded]) -> Vec<Error> {
    let mut owners: HashMap<String, Owner<'_>> = HashMap::with_capacity(suites.len());
    let mut clashes = Vec::new();
    for loaded in suites {
        for test in loaded.suite.tests() {
            for stem in stems((loaded, test)) {
                match owners.get(&stem) {
                    Some(other) => clashes.push(same_name(project, &stem, (loaded, test), *other)),
                    None => _ = owners.insert(stem, (loaded, test)),
                }
            }
        }
    }
    // `<test>.<variant>.out` may be what a parameter with a dot in it has as `<test>.out`.
    for (stem, owner) in &owners {
        let (dir, name) = stem.rsplit_once('/').unwrap_or_default();
        for (at, _) in name.match_indices('.').filter(|(at, _)| is_variant(&name[at + 1..])) {
            let base = format!("{dir}/{}", &name[..at]);
            if let Some(other) = owners.get(&base) {
                clashes.push(as_variant(project, (stem, *owner), (&base, *other)));
            }
        }
    }
    clashes
}

/// What the references of a test begin with: those of all parameters, and those of each.
fn stems((loaded, test): Owner<'_>) -> Vec<String> {
    let names = matrix::names(&loaded.path, test, &loaded.suite.declarations(test));
    let shared = names.first().map(|name| name.shared_stem());
    let mut own: Vec<_> = names.iter().filter_map(|name| name.own_stem()).collect();
    // The same parameter twice is a mistake of its own.
    own.sort();
    own.dedup();
    shared.into_iter().chain(own).collect()
}

fn same_name(project: &Project, stem: &str, one: Owner<'_>, other: Owner<'_>) -> Error {
    Error::Setup(format!(
        "{}: {stem} is declared here and in {}, so that two tests would share a name or a reference: rename one",
        place(project, one),
        place(project, other)
    ))
}

fn as_variant(project: &Project, one: (&str, Owner<'_>), base: (&str, Owner<'_>)) -> Error {
    Error::Setup(format!(
        "{}: {} is declared here, and its reference would also be a variant of that of {}, declared in {}: rename one",
        place(project, one.1),
        one.0,
        base.0,
        place(project, base.1)
    ))
}

/// File and line of a declaration.
fn place(project: &Project, (loaded, test): Owner<'_>) -> String {
    match test.declared() {
        Place::Code(at) => format!("{}:{}", project.show(at.file()), at.line()),
        Place::Line(line) => format!("{}:{line}", loaded.file),
    }
}
