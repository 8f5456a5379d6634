//! Reads the words of a line: quotes, escapes, variables, and JSON that needs no quoting.

use serde_json::Value;

use super::name::Dollar;
use super::problem::{Pos, Problem};
use super::word::{Piece, Word, in_strings, template};

/// A reader of characters that knows its place.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'a> {
    rest: &'a str,
    at: Pos,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { rest: text, at: Pos { line: 1, column: 1 } }
    }

    pub(crate) fn at(&self) -> Pos {
        self.at
    }

    pub(crate) fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    pub(crate) fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.rest = &self.rest[c.len_utf8()..];
        if c == '\n' {
            self.at = Pos { line: self.at.line + 1, column: 1 };
        } else {
            self.at.column += 1;
        }
        Some(c)
    }

    /// What is left of this line.
    pub(crate) fn line(&self) -> &'a str {
        self.rest.split('\n').next().unwrap_or_default()
    }

    /// Goes to the start of the next line.
    pub(crate) fn skip_line(&mut self) {
        let end = self.rest.find('\n').map_or(self.rest.len(), |end| end + 1);
        self.take(end);
    }

    /// Takes the next `length` bytes.
    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(length);
        match taken.rfind('\n') {
            None => self.at.column += taken.chars().count(),
            Some(last) => {
                let lines = taken.matches('\n').count();
                self.at = Pos { line: self.at.line + lines, column: taken[last + 1..].chars().count() + 1 };
            }
        }
        self.rest = rest;
        taken
    }

    /// Takes what there is of text, up to the first byte that is not printable ASCII or that stops it. Every
    /// script is read before any is run, so this looks at bytes.
    fn take_plain(&mut self, stops: fn(u8) -> bool) -> &'a str {
        let bytes = self.rest.as_bytes();
        let mut end = 0;
        while end < bytes.len() && matches!(bytes[end], b' '..=b'~') && !stops(bytes[end]) {
            end += 1;
        }
        let (taken, rest) = self.rest.split_at(end);
        self.at.column += end;
        self.rest = rest;
        taken
    }

    /// Skips blanks, and the ends of lines that a backslash takes back.
    pub(crate) fn skip_blanks(&mut self) {
        loop {
            match self.rest.as_bytes() {
                [b' ' | b'\t', ..] => _ = self.take(1),
                [b'\\', b'\n', ..] => _ = self.take(2),
                _ => return,
            }
        }
    }

    fn at_word_end(&self) -> bool {
        matches!(self.rest.as_bytes(), [] | [b' ' | b'\t' | b'\n', ..] | [b'\\', b'\n', ..])
    }

    /// The words up to the end of the line, which is left behind; or those up to a mistake, and that.
    pub(crate) fn words(&mut self) -> (Vec<Word>, Option<Problem>) {
        let mut words = Vec::new();
        loop {
            self.skip_blanks();
            if self.peek().is_none_or(|c| c == '\n') {
                self.bump();
                return (words, None);
            }
            match self.word() {
                Ok(word) => words.push(word),
                Err(problem) => {
                    self.skip_line();
                    return (words, Some(problem));
                }
            }
        }
    }

    fn word(&mut self) -> Result<Word, Problem> {
        let at = self.at;
        let mut pieces = Pieces::default();
        if self.peek() == Some('#') {
            let why = "a comment has a line of its own; quote the word if it is none";
            return Err(Problem::new(at, self.line().chars().count(), why));
        }
        while !self.at_word_end() {
            let plain =
                self.take_plain(|byte| matches!(byte, b' ' | b'\'' | b'"' | b'\\' | b'$' | b'{' | b'['));
            if !plain.is_empty() {
                pieces.text(plain, false);
                continue;
            }
            let here = self.at;
            if self.rest.starts_with(['{', '[']) && pieces.json_may_follow() {
                let value = self.json()?;
                pieces.push(Piece::Json { value, at: here });
                if !self.at_word_end() {
                    return Err(Problem::new(self.at, 1, "expected a blank after JSON"));
                }
                break;
            }
            match self.bump() {
                Some('\'') => self.single_quoted(here, &mut pieces)?,
                Some('"') => self.double_quoted(here, &mut pieces)?,
                Some('\\') => match self.bump() {
                    Some(c) => pieces.char(printable(c, here)?, true),
                    None => return Err(Problem::new(here, 1, "a backslash escapes nothing here")),
                },
                Some('$') => self.dollar(here, false, &mut pieces)?,
                Some(c) => pieces.char(printable(c, here)?, false),
                None => break,
            }
        }
        Ok(Word { pieces: pieces.finish(), at })
    }

    fn single_quoted(&mut self, open: Pos, pieces: &mut Pieces) -> Result<(), Problem> {
        pieces.begin_quotes();
        loop {
            pieces.text(self.take_plain(|byte| byte == b'\''), true);
            let here = self.at;
            match self.quoted_char(open)? {
                '\'' => return Ok(()),
                c => pieces.char(printable(c, here)?, true),
            }
        }
    }

    fn double_quoted(&mut self, open: Pos, pieces: &mut Pieces) -> Result<(), Problem> {
        pieces.begin_quotes();
        loop {
            pieces.text(self.take_plain(|byte| matches!(byte, b'"' | b'\\' | b'$')), true);
            let here = self.at;
            match self.quoted_char(open)? {
                '"' => return Ok(()),
                '$' => self.dollar(here, true, pieces)?,
                '\\' if self.rest.starts_with(['"', '\\', '$']) => {
                    let escaped = self.quoted_char(open)?;
                    pieces.char(escaped, true);
                }
                c => pieces.char(printable(c, here)?, true),
            }
        }
    }

    fn quoted_char(&mut self, open: Pos) -> Result<char, Problem> {
        match self.peek() {
            None | Some('\n') => Err(Problem::new(open, 1, "this quote is not closed on its line")),
            Some(c) => {
                self.bump();
                Ok(c)
            }
        }
    }

    /// What follows a dollar sign in a word.
    fn dollar(&mut self, at: Pos, quoted: bool, pieces: &mut Pieces) -> Result<(), Problem> {
        let (dollar, length) = Dollar::read(self.rest).map_err(|why| Problem::new(at, 1, why))?;
        match dollar {
            Dollar::Name(name) => pieces.push(Piece::Var { name: name.to_owned(), quoted, at }),
            Dollar::Sign => pieces.char('$', true),
        }
        self.take(length);
        Ok(())
    }

    /// Leaves JSON behind that has no end: its first line, and those that no command can begin.
    fn skip_unclosed_json(&mut self) {
        let begins_no_command = |c: char| c.is_ascii_digit() || "\"{}]-,".contains(c);
        loop {
            self.take(self.line().len());
            let next = self.rest.strip_prefix('\n').unwrap_or_default().trim_start_matches([' ', '\t']);
            if !next.starts_with(begins_no_command) {
                return;
            }
            self.skip_line();
        }
    }

    /// A JSON object or list, up to the bracket that closes it, on this line or a later one.
    fn json(&mut self) -> Result<Value, Problem> {
        let open = self.at;
        let rest = self.rest;
        let (mut depth, mut in_string, mut escaped, mut length) = (0usize, false, false, None);
        for (index, byte) in rest.bytes().enumerate() {
            match byte {
                b'\n' if in_string => break,
                _ if escaped => escaped = false,
                b'\\' if in_string => escaped = true,
                b'"' => in_string = !in_string,
                _ if in_string => {}
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                length = Some(index + 1);
                break;
            }
        }
        let Some(length) = length else {
            let what =
                if in_string { "holds a quote that is not closed on its line" } else { "is never closed" };
            self.skip_unclosed_json();
            return Err(Problem::new(open, 1, format!("this bracket begins JSON, and {what}")));
        };
        let text = self.take(length);
        let value = serde_json::from_str(text).map_err(|error| json_problem(open, text, &error))?;
        let mut wrong = None;
        in_strings(&value, &mut |text| wrong = wrong.take().or(template(text).err()));
        match wrong {
            None => Ok(value),
            Some(why) => Err(Problem::new(open, 1, format!("in a string of this JSON: {why}"))),
        }
    }
}

fn json_problem(open: Pos, text: &str, error: &serde_json::Error) -> Problem {
    // It counts bytes.
    let line = text.split('\n').nth(error.line().saturating_sub(1)).unwrap_or_default();
    let begins_char = |byte: &u8| byte & 0xc0 != 0x80;
    let column = line.bytes().take(error.column()).filter(begins_char).count().max(1);
    let at = match error.line() {
        0 | 1 => Pos { line: open.line, column: open.column + column - 1 },
        line => Pos { line: open.line + line - 1, column },
    };
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or_default();
    Problem::new(at, 1, format!("this is not JSON: {text}; quote the word if it is not meant to be"))
}

fn printable(c: char, at: Pos) -> Result<char, Problem> {
    if c.is_control() && c != '\t' {
        return Err(Problem::new(
            at,
            1,
            format!("the control character U+{:04X} means nothing here", u32::from(c)),
        ));
    }
    Ok(c)
}

/// Collects the pieces of a word.
#[derive(Default)]
struct Pieces(Vec<Piece>);

impl Pieces {
    fn text(&mut self, more: &str, is_quoted: bool) {
        match self.0.last_mut() {
            _ if more.is_empty() => {}
            Some(Piece::Text { text, quoted }) if *quoted == is_quoted => text.push_str(more),
            _ => self.0.push(Piece::Text { text: more.to_owned(), quoted: is_quoted }),
        }
    }

    fn char(&mut self, c: char, is_quoted: bool) {
        self.text(c.encode_utf8(&mut [0; 4]), is_quoted);
    }

    fn push(&mut self, piece: Piece) {
        self.0.push(piece);
    }

    /// Quotes make a word of nothing.
    fn begin_quotes(&mut self) {
        if !matches!(self.0.last(), Some(Piece::Text { quoted: true, .. })) {
            self.0.push(Piece::Text { text: String::new(), quoted: true });
        }
    }

    fn json_may_follow(&self) -> bool {
        match self.0.as_slice() {
            [] => true,
            [Piece::Text { text, quoted: false }] => text.find('=') == Some(text.len() - 1),
            _ => false,
        }
    }

    /// Drops the empty texts that quotes around a variable leave.
    fn finish(self) -> Vec<Piece> {
        let all = self.0;
        if !all.iter().any(|piece| matches!(piece, Piece::Text { text, .. } if text.is_empty())) {
            return all;
        }
        let quoted = |index: Option<usize>| index.and_then(|index| all.get(index)).is_some_and(Piece::quoted);
        let kept = |index: usize| match &all[index] {
            Piece::Text { text, .. } if text.is_empty() => {
                !quoted(index.checked_sub(1)) && !quoted(Some(index + 1))
            }
            _ => true,
        };
        (0..all.len()).filter(|index| kept(*index)).map(|index| all[index].clone()).collect()
    }
}
