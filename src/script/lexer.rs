//! Reads the words of a line: quotes, escapes, variables, and JSON that needs no quoting.

use serde_json::Value;

use super::problem::{Pos, Problem};
use super::words::{Piece, Word, in_strings, is_name, is_name_char, template};

/// A reader of characters that knows its place.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'a> {
    rest: &'a str,
    at: Pos,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text, at: Pos { line: 1, column: 1 } }
    }

    pub(super) fn at(&self) -> Pos {
        self.at
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    pub(super) fn bump(&mut self) -> Option<char> {
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
    pub(super) fn line(&self) -> &'a str {
        self.rest.split('\n').next().unwrap_or_default()
    }

    /// Goes to the start of the next line.
    pub(super) fn skip_line(&mut self) {
        while self.bump().is_some_and(|c| c != '\n') {}
    }

    /// Skips blanks, and the ends of lines that a backslash takes back.
    pub(super) fn skip_blanks(&mut self) {
        loop {
            if self.rest.starts_with([' ', '\t']) {
                self.bump();
            } else if self.rest.starts_with("\\\n") {
                self.bump();
                self.bump();
            } else {
                return;
            }
        }
    }

    fn at_word_end(&self) -> bool {
        self.peek().is_none_or(|c| matches!(c, ' ' | '\t' | '\n')) || self.rest.starts_with("\\\n")
    }

    /// The words up to the end of the line, which is left behind. After a mistake, that is where
    /// the reader stands all the same.
    pub(super) fn words(&mut self) -> Result<Vec<Word>, Problem> {
        let mut words = Vec::new();
        loop {
            self.skip_blanks();
            if self.peek().is_none_or(|c| c == '\n') {
                self.bump();
                return Ok(words);
            }
            match self.word() {
                Ok(word) => words.push(word),
                Err(problem) => {
                    self.skip_line();
                    return Err(problem);
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
                    Some(c) => pieces.text(printable(c, here)?, true),
                    None => return Err(Problem::new(here, 1, "a backslash escapes nothing here")),
                },
                Some('$') => self.dollar(here, false, &mut pieces)?,
                Some(c) => pieces.text(printable(c, here)?, false),
                None => break,
            }
        }
        Ok(Word { pieces: pieces.finish(), at })
    }

    fn single_quoted(&mut self, open: Pos, pieces: &mut Pieces) -> Result<(), Problem> {
        pieces.begin_quotes();
        loop {
            let here = self.at;
            match self.quoted_char(open)? {
                '\'' => return Ok(()),
                c => pieces.text(printable(c, here)?, true),
            }
        }
    }

    fn double_quoted(&mut self, open: Pos, pieces: &mut Pieces) -> Result<(), Problem> {
        pieces.begin_quotes();
        loop {
            let here = self.at;
            match self.quoted_char(open)? {
                '"' => return Ok(()),
                '$' => self.dollar(here, true, pieces)?,
                '\\' if self.rest.starts_with(['"', '\\', '$']) => {
                    let escaped = self.quoted_char(open)?;
                    pieces.text(escaped, true);
                }
                c => pieces.text(printable(c, here)?, true),
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
        match self.variable() {
            Ok(Some(name)) => pieces.push(Piece::Var { name, quoted, at }),
            Ok(None) => pieces.text('$', true),
            Err(why) => return Err(Problem::new(at, 1, why)),
        }
        Ok(())
    }

    /// The name after a dollar sign; `None` for a second dollar sign, which makes it a mere sign.
    pub(super) fn variable(&mut self) -> Result<Option<String>, String> {
        if self.rest.starts_with('$') {
            self.bump();
            return Ok(None);
        }
        let braces = self.rest.starts_with('{');
        let from = if braces { &self.rest[1..] } else { self.rest };
        let name: String = from.chars().take_while(|c| is_name_char(*c)).collect();
        let closed = !braces || from[name.len()..].starts_with('}');
        if !is_name(&name) || !closed {
            return Err(
                "expected the name of a variable, as in $base or ${base}; write $$ for a dollar sign"
                    .to_owned(),
            );
        }
        for _ in 0..name.len() + if braces { 2 } else { 0 } {
            self.bump();
        }
        Ok(Some(name))
    }

    /// A JSON object or list, up to the bracket that closes it, on this line or a later one.
    fn json(&mut self) -> Result<Value, Problem> {
        let open = self.at;
        let rest = self.rest;
        let (mut depth, mut in_string, mut escaped, mut length) = (0usize, false, false, None);
        for (index, c) in rest.char_indices() {
            match c {
                _ if escaped => escaped = false,
                '\\' if in_string => escaped = true,
                '"' => in_string = !in_string,
                _ if in_string => {}
                '{' | '[' => depth += 1,
                '}' | ']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                length = Some(index + 1);
                break;
            }
        }
        let Some(length) = length else {
            let problem = Problem::new(open, 1, "this bracket begins JSON, and is never closed");
            self.rest = "";
            return Err(problem);
        };
        let text = &rest[..length];
        text.chars().for_each(|_| _ = self.bump());
        let value = serde_json::from_str(text).map_err(|error| json_problem(open, &error))?;
        let mut wrong = None;
        in_strings(&value, &mut |text| wrong = wrong.take().or(template(text).err()));
        match wrong {
            None => Ok(value),
            Some(why) => Err(Problem::new(open, 1, format!("in a string of this JSON: {why}"))),
        }
    }
}

fn json_problem(open: Pos, error: &serde_json::Error) -> Problem {
    let column = error.column().max(1);
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
    fn text(&mut self, c: char, is_quoted: bool) {
        match self.0.last_mut() {
            Some(Piece::Text { text, quoted }) if *quoted == is_quoted => text.push(c),
            _ => self.0.push(Piece::Text { text: c.to_string(), quoted: is_quoted }),
        }
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
