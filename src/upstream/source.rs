//! What is known of a test from its own text, before it is run.

use std::sync::LazyLock;

use regex::bytes::{Captures, Regex};

/// What is known about a test from its text alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Source {
    /// Its groups.
    pub(super) groups: Vec<String>,
    /// Whether `check`'s own Python runs it.
    pub(super) python: bool,
    /// Resources of the host that it must have to itself.
    pub(super) resources: Vec<String>,
    /// Whether it steps the virtual clock.
    pub(super) steps_clock: bool,
    /// Why nothing but the qtest accelerator will do.
    pub(super) needs_qtest: Option<&'static str>,
    formats: Vec<Rule>,
    protocols: Vec<Rule>,
}

/// One declaration of what a test supports; all of them must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    names: Vec<String>,
    supported: bool,
}

/// Words that show the use of something there is only one of, and what it is.
///
/// A port is none of them where the test goes on to the next one if another has taken it. Picking a
/// port that is unused, to take it later, is another matter.
const RESOURCES: [(&str, &str); 5] = [
    ("losetup", "loop-devices"),
    ("cryptsetup", "device-mapper"),
    ("null_blk", "null-block-device"),
    ("pick_unused_port", "nbd-ports"),
    // All tests of a run have one working directory.
    ("$PWD/", "suite-directory"),
];

/// Words that, in a test that steps the virtual clock, show that it counts on every tick.
const TICKING: [(&str, &str); 2] = [
    ("block_set_io_throttle", "it steps the virtual clock, which throttled requests wait for"),
    ("total_time_ns", "it steps the virtual clock, which request latencies are counted in"),
];

impl Source {
    /// Reads a test's text.
    pub(super) fn read(text: &[u8]) -> Self {
        let mut lines = text.split(|byte| *byte == b'\n');
        let python =
            lines.clone().next().is_some_and(|line| line.trim_ascii_end() == b"#!/usr/bin/env python3");
        let groups = lines.find_map(|line| line.strip_prefix(b"# group: ")).map(words).unwrap_or_default();
        let readable = String::from_utf8_lossy(text);
        let has = |word: &str| readable.contains(word);
        let mut resources: Vec<_> =
            RESOURCES.iter().filter(|(word, _)| has(word)).map(|(_, name)| (*name).to_owned()).collect();
        resources.sort_unstable();
        resources.dedup();
        let steps_clock = has("clock_step");
        let ticking = TICKING.iter().find(|(word, _)| steps_clock && has(word));
        let [formats, protocols] = if python {
            [python_rules(text, "fmts"), python_rules(text, "protocols")]
        } else {
            [shell_rules(text, "fmt"), shell_rules(text, "proto")]
        };
        let needs_qtest = ticking.map(|(_, why)| *why);
        Self { groups, python, resources, steps_clock, needs_qtest, formats, protocols }
    }

    /// Why the test would say that it is not for this format or protocol, if it is plain that it
    /// would.
    pub(super) fn unsuitable(&self, format: &str, generic: bool, protocol: &str) -> Option<String> {
        let holds = |rule: &&Rule, name: &str, generic: bool| {
            let named = rule.names.iter().any(|own| own == name);
            if rule.supported {
                named || generic && rule.names.iter().any(|own| own == "generic")
            } else {
                !named
            }
        };
        if !self.formats.iter().all(|rule| holds(&rule, format, generic)) {
            return Some(format!("not for the image format {format}"));
        }
        if !self.protocols.iter().all(|rule| holds(&rule, protocol, true)) {
            return Some(format!("not for the image protocol {protocol}"));
        }
        None
    }
}

/// The rules that a shell test states outside any condition, in words that need no expansion.
fn shell_rules(text: &[u8], what: &str) -> Vec<Rule> {
    let mut rules = Vec::new();
    for line in text.split(|byte| *byte == b'\n') {
        let Ok(line) = std::str::from_utf8(line) else { continue };
        let (supported, rest) = match (line.strip_prefix("_supported_"), line.strip_prefix("_unsupported_")) {
            (Some(rest), _) => (true, rest),
            (_, Some(rest)) => (false, rest),
            _ => continue,
        };
        let Some(list) = rest.strip_prefix(what).filter(|list| list.starts_with([' ', '\t'])) else {
            continue;
        };
        let names: Vec<_> =
            list.split_whitespace().take_while(|word| !word.starts_with('#')).map(str::to_owned).collect();
        if !names.is_empty() && names.iter().all(|name| is_plain(name)) {
            rules.push(Rule { names, supported });
        }
    }
    rules
}

static PYTHON_LIST: LazyLock<Option<Regex>> = LazyLock::new(|| {
    // Comments are matched so that nothing in them is.
    Regex::new(r"#[^\n]*|[(,\s](?<not>un)?supported_(?<what>fmts|protocols)\s*=\s*\[(?<items>[^\]]*)\]").ok()
});

/// The rules that a Python test gives to the framework as literal lists. A test that gives the same
/// argument twice may do so on a condition: nothing is concluded then.
fn python_rules(text: &[u8], what: &str) -> Vec<Rule> {
    let Some(list) = PYTHON_LIST.as_ref() else { return Vec::new() };
    let mut rules: Vec<Rule> = Vec::new();
    let of_what =
        |found: &Captures<'_>| found.name("what").is_some_and(|it| it.as_bytes() == what.as_bytes());
    for found in list.captures_iter(text).filter(of_what) {
        let supported = found.name("not").is_none();
        let items = String::from_utf8_lossy(&found["items"]);
        let names: Option<Vec<_>> =
            items.split(',').map(str::trim).filter(|item| !item.is_empty()).map(unquoted).collect();
        let twice = rules.iter().any(|rule| rule.supported == supported);
        match names {
            Some(names) if !twice && !names.is_empty() => rules.push(Rule { names, supported }),
            _ => return Vec::new(),
        }
    }
    rules
}

fn unquoted(item: &str) -> Option<String> {
    let quoted = |quote| item.strip_prefix(quote)?.strip_suffix(quote);
    quoted('\'').or_else(|| quoted('"')).filter(|name| is_plain(name)).map(str::to_owned)
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

fn words(line: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(line).split_whitespace().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_group_line_counts_and_bytes_do_not_matter() {
        let source =
            Source::read(b"#!/usr/bin/env bash\n#group: a\n# group: rw  quick\n\xff\xfe\n# group: slow\n");
        assert_eq!(source.groups, ["rw", "quick"]);
        assert!(!source.python);
        assert!(Source::read(b"#!/usr/bin/env python3 \n").python);
        assert!(!Source::read(b"#!/usr/bin/python3\n").python);
    }

    #[test]
    fn shell_rules_are_read_only_where_they_are_plain() {
        let text = b"#!/usr/bin/env bash\n_supported_fmt raw generic # most\n_unsupported_fmt luks\n\
            _supported_proto file fuse #TODO\nif x; then\n    _unsupported_fmt $IMGFMT\nfi\n_unsupported_proto $P\n";
        let source = Source::read(text);
        assert_eq!(source.unsuitable("qcow2", true, "file"), None);
        assert_eq!(source.unsuitable("dmg", false, "file").as_deref(), Some("not for the image format dmg"));
        assert_eq!(source.unsuitable("luks", true, "file").as_deref(), Some("not for the image format luks"));
        assert_eq!(source.unsuitable("raw", true, "nbd").as_deref(), Some("not for the image protocol nbd"));
    }

    #[test]
    fn python_rules_are_read_only_where_they_are_plain() {
        let plain = b"#!/usr/bin/env python3\niotests.main(supported_fmts = ['qcow2', \"qed\",\n   'raw'],\n\
            unsupported_fmts=['luks'], # no secret\n   supported_protocols=['file'])\n";
        let source = Source::read(plain);
        assert_eq!(source.unsuitable("raw", true, "file"), None);
        assert!(source.unsuitable("vdi", true, "file").is_some());
        assert!(source.unsuitable("raw", true, "nbd").is_some());
        let one_line = b"#!/usr/bin/env python3\n\
            iotests.main(supported_fmts=['luks'], unsupported_protocols=['nbd'], supported_protocols=['file'])\n";
        let source = Source::read(one_line);
        assert_eq!(source.unsuitable("luks", true, "file"), None);
        assert!(source.unsuitable("raw", true, "file").is_some());
        assert!(source.unsuitable("luks", true, "nbd").is_some());
        for unclear in [
            "iotests.main(supported_fmts=['raw'])\niotests.main(supported_fmts=['qcow2'])\n",
            "iotests.main(supported_fmts=[imgfmt])\n",
            "# iotests.main(supported_fmts=['raw'])\n",
            "iotests.main(supported_fmts=formats)\n",
        ] {
            let text = format!("#!/usr/bin/env python3\n{unclear}");
            assert_eq!(Source::read(text.as_bytes()).unsuitable("vdi", true, "file"), None, "{unclear}");
        }
    }

    #[test]
    fn resources_and_clocks_are_recognised_by_their_words() {
        let source = Source::read(b"sudo losetup -f\npick_unused_port\npick_unused_port\n");
        assert_eq!(source.resources, ["loop-devices", "nbd-ports"]);
        assert_eq!(Source::read(b"qemu-nbd -k \"$PWD/42\"\n").resources, ["suite-directory"]);
        // They find a free port, or a name, by themselves.
        let source = Source::read(b"nbd_server_start_tcp_socket\nNBD_PORT_START\n/dev/mapper/mine-$$\n");
        assert_eq!(source.resources, Vec::<String>::new());
        assert!(Source::read(b"clock_step 10").needs_qtest.is_none());
        assert!(Source::read(b"block_set_io_throttle").needs_qtest.is_none());
        let source = Source::read(b"clock_step 10 block_set_io_throttle");
        assert!(source.steps_clock && source.needs_qtest.is_some());
    }
}
