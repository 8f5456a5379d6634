//! Groups: what there is to select by.

use std::cell::LazyCell;
use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::discovery::Loaded;
use crate::env::{GroupFilter, similar_word};
use crate::error::Error;

/// The groups of a suite and of its tests.
fn of(loaded: &Loaded) -> BTreeSet<&str> {
    let tests = loaded.suite.tests().iter().flat_map(|test| loaded.suite.declarations(test));
    let all = [loaded.suite.declaration()].into_iter().chain(tests);
    all.flat_map(|declared| &declared.groups).map(String::as_str).collect()
}

/// Each case file and its groups, in the manner of the `# group:` lines of QEMU's tests.
pub(super) fn listing(suites: &[Loaded]) -> String {
    let mut out = String::new();
    for loaded in suites {
        let groups: Vec<_> = of(loaded).into_iter().collect();
        let title = if groups.is_empty() { "" } else { " # group: " };
        let _ = writeln!(out, "{}{title}{}", loaded.file, groups.join(" "));
    }
    out
}

/// Groups that are asked for and that nothing is in.
pub(super) fn unknown(filter: &GroupFilter, suites: &[Loaded]) -> Vec<Error> {
    // There may be thousands of suites, and nothing to look for.
    let known = LazyCell::new(|| suites.iter().flat_map(of).collect::<BTreeSet<&str>>());
    let asked = filter.include.iter().chain(&filter.exclude);
    asked
        .filter(|name| !known.contains(name.as_str()))
        .map(|name| Error::Variable {
            name: "IOTESTS_GROUPS".to_owned(),
            value: name.clone(),
            expected: match similar_word(name, &*known) {
                Some(hint) => format!("a group that some case is in; {hint}"),
                None => format!("some of {}", known.iter().copied().collect::<Vec<_>>().join(", ")),
            },
        })
        .collect()
}
