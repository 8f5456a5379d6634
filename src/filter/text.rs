//! Text filters that need nothing but the text.

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memmem::Finder;
use regex::Regex;

/// A pattern that is part of this program; that each compiles is what the tests of its filter show.
pub(super) fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a built-in pattern is a valid regular expression")
}

/// Feeds `text` through `filter`, staying borrowed as long as nothing changes.
pub(super) fn then<'a>(
    text: Cow<'a, str>,
    filter: impl for<'b> FnOnce(&'b str) -> Cow<'b, str>,
) -> Cow<'a, str> {
    match text {
        Cow::Borrowed(text) => filter(text),
        Cow::Owned(text) => match filter(&text) {
            Cow::Owned(changed) => Cow::Owned(changed),
            Cow::Borrowed(same) if same.len() == text.len() => Cow::Owned(text),
            Cow::Borrowed(part) => Cow::Owned(part.to_owned()),
        },
    }
}

/// Every `from` becomes `to`; an empty `from` stands between any two characters, as in Python.
pub(super) fn replace<'a>(text: &'a str, from: &str, to: &str) -> Cow<'a, str> {
    if text.contains(from) { Cow::Owned(text.replace(from, to)) } else { Cow::Borrowed(text) }
}

/// Removes every carriage return (`iotests.py: filter_win32`).
pub fn filter_win32(text: &str) -> Cow<'_, str> {
    replace(text, "\r", "")
}

/// Hides how long qemu-io's requests took, and removes carriage returns (`iotests.py:
/// filter_qemu_io`).
///
/// ```
/// let out = iotests::filter::filter_qemu_io("64 KiB, 1 ops; 00.01 sec (6.5 MiB/sec and 104.2 ops/sec)");
/// assert_eq!(out, "64 KiB, X ops; XX:XX:XX.X (XXX YYY/sec and XXX ops/sec)");
/// ```
pub fn filter_qemu_io(text: &str) -> Cow<'_, str> {
    then(filter_win32(text), hide_timings)
}

/// Looks for a label first and for the rest of a timing there: twice as fast as one pattern that
/// begins with digits.
pub(super) fn hide_timings(text: &str) -> Cow<'_, str> {
    static TIMING: LazyLock<Regex> = LazyLock::new(|| {
        pattern(r"\A ops; [0-9/:. sec]* \([0-9/.inf]* [EPTGMKiBbytes]*/sec and [0-9/.inf]* ops/sec\)")
    });
    let label = Finder::new(" ops; ");
    let mut hidden = String::new();
    let (mut done, mut from) = (0, 0);
    while let Some(offset) = label.find(&text.as_bytes()[from..]) {
        let start = from + offset;
        let Some(timing) = TIMING.find(&text[start..]) else {
            // The blank that ends this label may begin the next.
            from = start + 1;
            continue;
        };
        let before = &text[done..start];
        hidden.push_str(before.trim_end_matches(|c: char| c.is_ascii_digit()));
        hidden.push_str("X ops; XX:XX:XX.X (XXX YYY/sec and XXX ops/sec)");
        done = start + timing.end();
        from = done;
    }
    if done == 0 {
        return Cow::Borrowed(text);
    }
    hidden.push_str(&text[done..]);
    Cow::Owned(hidden)
}

/// Hides numeric user and group ids after `chown` (`iotests.py: filter_chown`).
pub fn filter_chown(text: &str) -> Cow<'_, str> {
    static IDS: LazyLock<Regex> = LazyLock::new(|| pattern("chown [0-9]+:[0-9]+"));
    IDS.replace_all(text, "chown UID:GID")
}

/// Makes the PCI and the CCW device one name (`iotests.py: filter_virtio_scsi`).
pub fn filter_virtio_scsi(text: &str) -> Cow<'_, str> {
    static DEVICE: LazyLock<Regex> = LazyLock::new(|| pattern("virtio-scsi-(?:ccw|pci)"));
    DEVICE.replace_all(text, "virtio-scsi")
}

/// Hides node names that QEMU made up, `#block123` (`iotests.py: filter_generated_node_ids`).
pub fn filter_generated_node_ids(text: &str) -> Cow<'_, str> {
    static NODE: LazyLock<Regex> = LazyLock::new(|| pattern("#block[0-9]+"));
    NODE.replace_all(text, "NODE_NAME")
}

/// Hides the block sizes that `qemu-nbd --list` reports (`iotests.py: filter_nbd_exports`).
pub fn filter_nbd_exports(text: &str) -> Cow<'_, str> {
    static SIZE: LazyLock<Regex> = LazyLock::new(|| pattern("(min|opt|max) block: [0-9]+"));
    SIZE.replace_all(text, "${1} block: XXX")
}

/// Takes qtest's opening and closing lines off a VM's log (`filter_qtest` of later upstream
/// versions).
///
/// Only an `OPENED` line that comes first and a `CLOSED` line that comes last go; of two line ends
/// after it, one stays.
pub fn filter_qtest(text: &str) -> Cow<'_, str> {
    static OPENED: LazyLock<Regex> = LazyLock::new(|| pattern(r"\A\[I \d+\.\d+\] OPENED\n"));
    static CLOSED: LazyLock<Regex> = LazyLock::new(|| pattern(r"\n?\[I \+\d+\.\d+\] CLOSED\n?(\n?)\z"));
    then(OPENED.replace(text, ""), |text| CLOSED.replace(text, "${1}"))
}

/// Makes unittest's closing lines the same on every run: no duration, no count of skips
/// (`iotests.py: ReproducibleStreamWrapper`).
///
/// The plural stays even for one test, and a count of skips stays when it is not alone in its
/// parentheses: upstream's references have both.
pub fn filter_unittest(text: &str) -> Cow<'_, str> {
    static RAN: LazyLock<Regex> = LazyLock::new(|| pattern(r"Ran (\d+) tests? in [\d.]+s"));
    static SKIPPED: LazyLock<Regex> = LazyLock::new(|| pattern(r" \(skipped=\d+\)"));
    then(RAN.replace_all(text, "Ran ${1} tests"), |text| SKIPPED.replace_all(text, ""))
}
