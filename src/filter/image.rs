//! Filters for what qemu-img says about an image.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

use super::paths::Paths;
use super::text::{pattern, replace, then};

/// The image format becomes `IMGFMT`, inside other words too (`iotests.py: filter_imgfmt`).
pub fn filter_imgfmt<'a>(text: &'a str, imgfmt: &str) -> Cow<'a, str> {
    replace(text, imgfmt, "IMGFMT")
}

/// Sizes on disk depend on the host's file system.
fn is_host_size(line: &str) -> bool {
    line.contains("disk size") || line.contains("actual-size")
}

/// Drops the lines of `qemu-img info` that say how much of the host's disk an image takes, in its plain output and in
/// its JSON, child nodes included: it depends on the file system.
pub fn drop_host_sizes(output: &str) -> Cow<'_, str> {
    if !output.lines().any(is_host_size) {
        return Cow::Borrowed(output);
    }
    Cow::Owned(output.split('\n').filter(|line| !is_host_size(line)).collect::<Vec<_>>().join("\n"))
}

/// Makes the output of `qemu-img info` the same on every run and for every format (`iotests.py:
/// filter_img_info`).
///
/// Lines with a size on disk go. In the others, in this order, `filename` becomes `TEST_IMG`,
/// scratch files and the format are hidden as by [`filter_testfiles`](super::filter_testfiles) and
/// [`filter_imgfmt`], and so are LUKS iteration counts, UUIDs, VMDK content ids and the compression
/// type. QEMU 8.0 and later describe child nodes as well: see [`drop_child_info`].
pub fn filter_img_info(output: &str, filename: &str, imgfmt: &str, paths: &Paths) -> String {
    static ITERS: LazyLock<Regex> = LazyLock::new(|| pattern("iters: [0-9]+"));
    static UUID: LazyLock<Regex> = LazyLock::new(|| pattern("uuid: [-a-f0-9]+"));
    static CID: LazyLock<Regex> = LazyLock::new(|| pattern("cid: [0-9]+"));
    static COMPRESSION: LazyLock<Regex> = LazyLock::new(|| pattern("compression type: (?:zlib|zstd)"));

    let prefixes = paths.prefixes();
    let mut filtered = String::with_capacity(output.len());
    let kept = output.split('\n').filter(|line| !is_host_size(line));
    for (index, line) in kept.enumerate() {
        let line = replace(line, filename, "TEST_IMG");
        let line = then(line, |line| prefixes.hide(line));
        let line = then(line, |line| filter_imgfmt(line, imgfmt));
        let line = then(line, |line| ITERS.replace_all(line, "iters: XXX"));
        let line = then(line, |line| UUID.replace_all(line, "uuid: XXXXXXXX-XXXX-XXXX-XXXX-XXXXXXXXXXXX"));
        let line = then(line, |line| CID.replace_all(line, "cid: XXXXXXXXXX"));
        let line = then(line, |line| COMPRESSION.replace_all(line, "compression type: COMPRESSION_TYPE"));
        if index > 0 {
            filtered.push('\n');
        }
        filtered.push_str(&line);
    }
    filtered
}

/// Drops the `Child node '/…'` sections that `qemu-img info` prints since QEMU 8.0
/// (`filter_img_info` of later upstream versions, with `drop_child_info`).
///
/// A section is its heading and the indented lines after it. Meant to run before
/// [`filter_img_info`]; lines that one drops anyway do not end a section.
pub fn drop_child_info(output: &str) -> Cow<'_, str> {
    if !output.contains("Child node '/") {
        return Cow::Borrowed(output);
    }
    let mut in_section = false;
    let kept: Vec<&str> = output
        .split('\n')
        .filter(|line| {
            if in_section && line.starts_with(' ') {
                return false;
            }
            if is_host_size(line) {
                return true;
            }
            in_section = line.contains("Child node '/");
            !in_section
        })
        .collect();
    Cow::Owned(kept.join("\n"))
}
