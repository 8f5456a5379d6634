//! Labelled unified diffs that show what a terminal hides.

use std::fmt::Write as _;

use similar::{ChangeTag, TextDiff};

const CONTEXT: usize = 3;

/// The difference between two texts, blanks at the end of a line apart, which do not count but are
/// shown. Empty if there is none.
pub(super) fn unified(old_label: &str, old: &str, new_label: &str, new: &str, color: bool) -> String {
    let (old_lines, new_lines) = (lines(old), lines(new));
    let trim = |lines: &[&str]| lines.iter().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
    let (old_text, new_text) = (trim(&old_lines), trim(&new_lines));
    let (old_trimmed, new_trimmed): (Vec<&str>, Vec<&str>) =
        (old_text.iter().map(String::as_str).collect(), new_text.iter().map(String::as_str).collect());
    let diff = TextDiff::from_slices(&old_trimmed, &new_trimmed);
    let mut out = String::new();
    for group in diff.grouped_ops(CONTEXT) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
        let old_range = range(first.old_range().start, last.old_range().end);
        let new_range = range(first.new_range().start, last.new_range().end);
        if out.is_empty() {
            paint(&mut out, color, "1", &format!("--- {old_label}"));
            paint(&mut out, color, "1", &format!("+++ {new_label}"));
        }
        paint(&mut out, color, "36", &format!("@@ -{old_range} +{new_range} @@"));
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let (sign, style, source, lines, index) =
                match (change.tag(), change.old_index(), change.new_index()) {
                    (ChangeTag::Delete, Some(index), _) => ('-', "31", old, &old_lines, index),
                    (ChangeTag::Insert, _, Some(index)) => ('+', "32", new, &new_lines, index),
                    (_, _, Some(index)) => (' ', "", new, &new_lines, index),
                    _ => continue,
                };
            paint(&mut out, color, style, &format!("{sign}{}", visible(lines[index])));
            if index + 1 == lines.len() && !source.ends_with('\n') {
                out.push_str("\\ no newline at the end\n");
            }
        }
    }
    out
}

/// Whether two texts are the same but for blanks at the ends of lines and a final newline.
pub(super) fn same(old: &str, new: &str) -> bool {
    lines(old).iter().map(|line| line.trim_end()).eq(lines(new).iter().map(|line| line.trim_end()))
}

fn lines(text: &str) -> Vec<&str> {
    text.strip_suffix('\n').map_or_else(
        || if text.is_empty() { Vec::new() } else { text.split('\n').collect() },
        |text| text.split('\n').collect(),
    )
}

fn range(start: usize, end: usize) -> String {
    match end - start {
        0 => format!("{start},0"),
        1 => format!("{}", start + 1),
        count => format!("{},{count}", start + 1),
    }
}

/// Makes blanks at the end of a line and control characters visible.
fn visible(line: &str) -> String {
    let text = line.trim_end();
    let mut out = String::with_capacity(line.len());
    for c in text.chars() {
        if c.is_control() && c != '\t' { out.extend(c.escape_default()) } else { out.push(c) }
    }
    for c in line[text.len()..].chars() {
        match c {
            ' ' => out.push('·'),
            '\t' => out.push('→'),
            c => out.extend(c.escape_default()),
        }
    }
    out
}

fn paint(out: &mut String, color: bool, style: &str, line: &str) {
    let _ = if color && !style.is_empty() {
        writeln!(out, "\u{1b}[{style}m{line}\u{1b}[0m")
    } else {
        writeln!(out, "{line}")
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_are_labelled_and_hidden_characters_shown() {
        let diff = unified("reference/a.out", "one\ntwo \t\nthree\n", "actual", "one\n2\u{7} \nthree", false);
        assert_eq!(
            diff,
            "--- reference/a.out\n+++ actual\n@@ -1,3 +1,3 @@\n one\n-two·→\n+2\\u{7}·\n three\n\\ no newline at the end\n"
        );
    }

    #[test]
    fn trailing_blanks_and_the_last_newline_do_not_count() {
        assert!(same("a \nb\r\n", "a\nb"));
        assert_eq!(unified("x", "a \nb\r\n", "y", "a\nb", true), "");
    }

    #[test]
    fn an_extra_blank_line_counts() {
        assert!(!same("a\n", "a\n\n"));
        assert_eq!(unified("x", "a\n", "y", "a\n\n", false), "--- x\n+++ y\n@@ -1 +1,2 @@\n a\n+\n");
        assert!(!same("", "\n"));
        assert_eq!(unified("x", "", "y", "a\n", false), "--- x\n+++ y\n@@ -0,0 +1 @@\n+a\n");
    }

    #[test]
    fn far_changes_get_hunks_of_their_own() {
        let old: String = (0..30).map(|n| format!("{n}\n")).collect();
        let new = old.replace("\n5\n", "\nfive\n").replace("\n25\n", "\ntwenty-five\n");
        let diff = unified("x", &old, "y", &new, true);
        assert_eq!(diff.matches("\u{1b}[36m@@ ").count(), 2, "{diff}");
        assert!(diff.contains("\u{1b}[31m-5\u{1b}[0m\n\u{1b}[32m+five\u{1b}[0m\n"), "{diff}");
    }
}
