//! What a test printed against what it must print.
//!
//! As in `check`, blanks at the ends of lines do not count, nor does a newline at the very end.
//! Unlike there, the output may be any bytes.

/// Whether both say the same.
pub(super) fn same(expected: &[u8], actual: &[u8]) -> bool {
    lines(expected).eq(lines(actual))
}

/// The lines, ended in any of the ways that Python knows, without blanks at their ends.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let some = !bytes.is_empty();
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    let mut rest = some.then_some(bytes);
    std::iter::from_fn(move || {
        let text = rest?;
        let end = text.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        let (line, after) = match end {
            Some(end) => {
                let width = if text[end..].starts_with(b"\r\n") { 2 } else { 1 };
                (&text[..end], Some(&text[end + width..]))
            }
            None => (text, None),
        };
        rest = after;
        Some(trimmed(line))
    })
}

fn trimmed(line: &[u8]) -> &[u8] {
    // Python's idea of a blank includes the four separators of ASCII.
    let blank = |c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c);
    match std::str::from_utf8(line) {
        Ok(text) => text.trim_end_matches(blank).as_bytes(),
        Err(_) => line.trim_ascii_end(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_and_newlines_at_ends_do_not_count() {
        assert!(same(b"a \t\nb\n", b"a\nb"));
        assert!(same(b"a\r\nb\rc\n", b"a\nb\nc"));
        assert!(same("a\u{a0}\u{1f}\n".as_bytes(), b"a"));
        assert!(same(b"", b""));
    }

    #[test]
    fn everything_else_counts() {
        assert!(!same(b"a\n", b"a\n\n"));
        assert!(!same(b"a\n", b" a\n"));
        assert!(!same(b"", b"\n"));
        assert!(!same(b"\xff\n", b"\xfe\n"));
        assert!(same(b"\xff \n", b"\xff\n"));
    }
}
