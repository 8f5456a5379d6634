//! Mistakes in a suite's declarations, found before anything runs.

use std::collections::BTreeSet;

use super::{Declaration, IMAGE_FORMATS, IgnoredStderr, PROTOCOLS, Requirement, Suite};
use crate::env::{AIO_MODES, CACHE_MODES, similar_word};

/// Picks one of the lists of a declaration.
type List = fn(&Declaration) -> &Vec<String>;

/// Everything that is wrong with a suite's declarations.
pub(crate) fn mistakes(suite: &Suite) -> Vec<String> {
    let mut found = Vec::new();
    if suite.tests().is_empty() {
        found.push("the suite has no tests: add one with `s.test(\"name\", function)`".to_owned());
    }
    declaration(&|| "the suite".to_owned(), suite.declaration(), &mut found);
    for (name, declared) in &suite.fixtures {
        declaration(&|| format!("the fixture {name:?}"), declared, &mut found);
    }
    let mut names = BTreeSet::new();
    for test in suite.tests() {
        let who = || format!("test {:?}", test.name());
        // A suite that is one test, such as a script, lends it its own name.
        if !(test.name().is_empty() && suite.tests().len() == 1) {
            word(|| format!("the name of {}", who()), test.own_name(), "_-", &mut found);
        }
        if let Some(fixture) = test.fixture() {
            word(|| format!("the name of the fixture of {}", who()), fixture, "_-", &mut found);
        }
        if !names.insert(test.name()) {
            found.push(format!("two tests are named {:?}: rename one", test.name()));
        }
        declaration(&who, test.declaration(), &mut found);
        let declared = suite.declarations(test);
        let lists: [(_, _, List); 2] = [
            ("formats", IMAGE_FORMATS.as_slice(), |one| &one.formats),
            ("protocols", &PROTOCOLS, |one| &one.protocols),
        ];
        for (what, known, list) in lists {
            let why = contradiction(&declared, what, known, list);
            found.extend(why.map(|why| format!("{} can never run: {why}", who())));
        }
    }
    found
}

/// Why a test that is declared so runs nowhere. A name that does not exist was told before, and explains
/// itself.
fn contradiction(declared: &[&Declaration], what: &str, known: &[&str], list: List) -> Option<String> {
    let lists: Vec<_> = declared.iter().map(|one| list(one)).filter(|names| !names.is_empty()).collect();
    let exist = lists.iter().all(|names| names.iter().all(|name| known.contains(&name.as_str())));
    let supported =
        |name: &str| lists.iter().all(|names| names.iter().any(|one| one == name || one == "generic"));
    if lists.is_empty() || !exist || known.iter().any(|name| supported(name)) {
        return None;
    }
    let lists: Vec<_> = lists.iter().map(|names| format!("{names:?}")).collect();
    Some(format!("nothing is common to the {what} {}", lists.join(" and ")))
}

fn declaration(who: &dyn Fn() -> String, declared: &Declaration, found: &mut Vec<String>) {
    for (what, names, known) in [
        ("format", &declared.formats, IMAGE_FORMATS.as_slice()),
        ("format", &declared.unsupported_formats, &IMAGE_FORMATS),
        ("protocol", &declared.protocols, &PROTOCOLS),
        ("protocol", &declared.unsupported_protocols, &PROTOCOLS),
        ("cache mode", &declared.cache_modes, &CACHE_MODES),
        ("AIO mode", &declared.aio_modes, &AIO_MODES),
    ] {
        for name in names.iter().filter(|name| !known.contains(&name.as_str())) {
            let hint = similar_word(name, known).unwrap_or_else(|| format!("known are {}", known.join(", ")));
            found.push(format!("{} declares the unknown {what} {name:?}: {hint}", who()));
        }
    }
    for (what, supported, unsupported) in [
        ("format", &declared.formats, &declared.unsupported_formats),
        ("protocol", &declared.protocols, &declared.unsupported_protocols),
    ] {
        for name in supported.iter().filter(|name| unsupported.contains(name)) {
            found.push(format!("{} declares the {what} {name:?} both supported and unsupported", who()));
        }
    }
    for requirement in &declared.requirements {
        if let Requirement::Qapi(path) = requirement
            && !is_schema_path(path)
        {
            let expected = "expected a command or an event, and then arg-type, ret-type or $feature";
            found.push(format!("{} requires {path:?} of the QAPI schema: {expected}", who()));
        }
    }
    for IgnoredStderr { text, reason } in &declared.ignored_stderr {
        if text.trim().is_empty() || reason.trim().is_empty() {
            found.push(format!("{} ignores {text:?} on stderr: expected a text, and the reason", who()));
        }
    }
    for group in &declared.groups {
        word(|| format!("group {group:?} of {}", who()), group, "_-.", found);
    }
    for resource in &declared.serial {
        word(|| format!("serial resource {resource:?} of {}", who()), resource, "_-.", found);
    }
    let mut params = BTreeSet::new();
    for param in &declared.params {
        word(|| format!("parameter {param:?} of {}", who()), param, "_-.,+=", found);
        if !params.insert(param) {
            found.push(format!("{} declares the parameter {param:?} twice", who()));
        }
    }
}

/// Whether something can be there: types have no names of their own in what QEMU tells, so that a path
/// which begins with one would never hold, and its test never run.
fn is_schema_path(path: &str) -> bool {
    let mut steps = path.split('/');
    let name = steps.next().unwrap_or_default();
    let next =
        steps.next().is_none_or(|step| matches!(step, "arg-type" | "ret-type") || step.starts_with('$'));
    !name.is_empty() && !name.contains(':') && next
}

/// Names become parts of trial names and of file names.
fn word(what: impl Fn() -> String, text: &str, also: &str, found: &mut Vec<String>) {
    let fits = |c: char| c.is_ascii_alphanumeric() || also.contains(c);
    if text.is_empty() || !text.chars().all(fits) {
        let also: Vec<_> = also.chars().map(String::from).collect();
        found.push(format!("{}: expected letters, digits and {} only", what(), also.join(" ")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::Declare;

    fn only_mistake(fill: impl FnOnce(&mut Suite)) -> String {
        let mut suite = Suite::new();
        fill(&mut suite);
        let found = mistakes(&suite);
        assert_eq!(found.len(), 1, "{found:?}");
        found.into_iter().next().unwrap_or_default()
    }

    fn good(suite: &mut Suite) {
        suite.formats(["qcow2", "generic"]).protocols(["nbd"]).groups(["rw", "quick"]).serial(["port-1"]);
        suite.test("first", |_| Ok(())).params(["1M", "size=2,x"]).formats(["qcow2"]);
        suite.test("second", |_| Ok(())).cache_modes(["none"]).aio_modes(["io_uring"]);
    }

    #[test]
    fn a_sound_suite_has_none() {
        let mut suite = Suite::new();
        good(&mut suite);
        assert_eq!(mistakes(&suite), Vec::<String>::new());
    }

    #[test]
    fn each_mistake_is_named() {
        let with = |change: &dyn Fn(&mut Suite)| {
            only_mistake(|suite| {
                good(suite);
                change(suite);
            })
        };
        assert_eq!(
            with(&|s| _ = s.formats(["qcwo2"])),
            "the suite declares the unknown format \"qcwo2\": did you mean \"qcow2\"?"
        );
        assert!(
            with(&|s| _ = s.protocols(["carrier pigeon"])).starts_with(
                "the suite declares the unknown protocol \"carrier pigeon\": known are file, nbd"
            )
        );
        assert_eq!(
            with(&|s| _ = s.groups(["two words"])),
            "group \"two words\" of the suite: expected letters, digits and _ - . only"
        );
        assert_eq!(with(&|s| _ = s.test("first", |_| Ok(()))), "two tests are named \"first\": rename one");
        assert_eq!(
            with(&|s| _ = s.test("a/b", |_| Ok(()))),
            "the name of test \"a/b\": expected letters, digits and _ - only"
        );
        assert_eq!(
            with(&|s| _ = s.fixture("a/b", |_| Ok(())).test("third", |_, ()| Ok(()))),
            "the name of the fixture of test \"a/b/third\": expected letters, digits and _ - only"
        );
        assert_eq!(
            with(&|s| _ = s.fixture("b", |_| Ok(())).test("a/third", |_, ()| Ok(()))),
            "the name of test \"b/a/third\": expected letters, digits and _ - only"
        );
        assert_eq!(
            with(&|s| _ = s.unsupported_formats(["qcow2"])),
            "the suite declares the format \"qcow2\" both supported and unsupported"
        );
        assert_eq!(
            with(&|s| _ = s.test("third", |_| Ok(())).params(["1", "1"])),
            "test \"third\" declares the parameter \"1\" twice"
        );
        assert_eq!(
            with(&|s| _ = s.test("third", |_| Ok(())).protocols(["file"])),
            "test \"third\" can never run: nothing is common to the protocols [\"nbd\"] and [\"file\"]"
        );
        assert_eq!(
            with(&|s| {
                let mut fixture = s.fixture("b", |_| Ok(()));
                fixture.test("third", |_, ()| Ok(()));
                fixture.protocols(["file"]);
            }),
            "test \"b/third\" can never run: nothing is common to the protocols [\"nbd\"] and [\"file\"]"
        );
        for path in ["BlockdevOptions/driver", "device_add:json-cli"] {
            assert_eq!(
                with(&|s| _ = s.requires(Requirement::Qapi(path.to_owned()))),
                format!(
                    "the suite requires {path:?} of the QAPI schema: expected a command or an event, and then \
                     arg-type, ret-type or $feature"
                )
            );
        }
        assert_eq!(
            with(&|s| _ = s.fixture("b", |_| Ok(())).groups(["two words"])),
            "group \"two words\" of the fixture \"b\": expected letters, digits and _ - . only"
        );
    }

    #[test]
    fn a_suite_without_tests_is_one() {
        assert!(only_mistake(|_| ()).starts_with("the suite has no tests"));
    }
}
