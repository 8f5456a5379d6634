//! Lines that a server or a VM prints in the course of its work, and that are no news.

use std::sync::LazyLock;

use regex::RegexSet;

use super::io_request::reports_failure;

/// Each with its reason.
const KNOWN: [(&str, &str); 9] = [
    (r": terminating on signal \d+ from pid ", "it was asked to end"),
    (r"^Formatting '", "a command of the monitor made an image"),
    (r"^(wrote|read|discard) \d+/\d+ bytes at offset \d+$", "qemu-io's report, over the monitor"),
    (r"^[0-9.]+ (bytes|[KMGTPE]iB), \d+ ops; ", "the second line of such a report"),
    (r"^[0-9.]+ (bytes|[KMGTPE]iB)$", "qemu-io's answer to `length`"),
    (r" (bytes +(not )?|\d )allocated at offset ", "qemu-io's answer to `map` and `alloc`"),
    (r"^[0-9a-f]{8}:  ", "what `read -v` shows"),
    (r"^blkdebug: (Suspended|Resuming) request ", "a breakpoint that the case has set"),
    (r"^\[[IRS] ?\+?[0-9.]+\] ", "qtest's protocol, where its log was asked for"),
];

/// Whether a line is one of these, or reports a failed qemu-io command, which its wrapper judges.
pub(crate) fn is_noise(line: &str) -> bool {
    static SET: LazyLock<RegexSet> = LazyLock::new(|| {
        RegexSet::new(KNOWN.map(|(pattern, _)| pattern))
            .expect("built-in patterns are valid regular expressions")
    });
    SET.is_match(line) || reports_failure(line)
}
