//! The parser. Every mistake of a file is found at once.

use std::borrow::Cow;

use super::find::{Found, find};
use super::{guards, lives, scope};
use crate::script::header::condition::Guard;
use crate::script::header::keys::{Entry, Header, KEYS, Key};
use crate::script::syntax::script::{Capture, Line, Script, Step};
use crate::script::text::lexer::Cursor;
use crate::script::text::name::is_name;
use crate::script::text::path;
use crate::script::text::problem::{Pos, Problem, sort};
use crate::script::text::word::Word;

/// Words that look like a shell's, which this is not.
const SHELL: [&str; 9] = ["|", "||", "&", "&&", ";", ">", ">>", "<", "<<"];

/// Parses a script.
///
/// # Errors
/// All of its mistakes, in their order.
pub fn parse(text: &str) -> Result<Script, Vec<Problem>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let text = if text.contains('\r') { Cow::Owned(text.replace("\r\n", "\n")) } else { Cow::Borrowed(text) };
    let mut parser = Parser {
        cursor: Cursor::new(&text),
        script: Script { lines: Vec::new(), header: Header::default() },
        problems: Vec::new(),
        in_header: true,
        meant: Vec::new(),
        loose: Vec::new(),
    };
    while parser.cursor.peek().is_some() {
        parser.line();
    }
    let Parser { script, mut problems, meant, loose, .. } = parser;
    let sound = problems.is_empty();
    problems.extend(scope::check(&script, &meant, &loose, sound));
    problems.extend(lives::check(&script, &meant, sound));
    if sound {
        problems.extend(guards::check(&script));
    }
    if problems.is_empty() && script.steps().next().is_none() {
        problems.push(Problem::new(Pos { line: 1, column: 1 }, 1, "no commands: expected one at least"));
    }
    if problems.is_empty() {
        return Ok(script);
    }
    sort(&mut problems);
    Err(problems)
}

struct Parser<'a> {
    cursor: Cursor<'a>,
    script: Script,
    problems: Vec<Problem>,
    in_header: bool,
    /// Names that lines with a mistake may have declared or captured.
    meant: Vec<String>,
    /// Words of lines with a mistake, whose variables are looked at all the same.
    loose: Vec<Word>,
}

impl Parser<'_> {
    fn line(&mut self) {
        self.cursor.skip_blanks();
        let at = self.cursor.at();
        let rest = self.cursor.line();
        let line = if rest.trim().is_empty() {
            Ok(Line::Blank)
        } else if let Some(comment) = rest.strip_prefix('#') {
            Ok(Line::Comment(comment.trim_end().to_owned()))
        } else if rest.starts_with("==") {
            self.in_header = false;
            heading(rest.trim_end(), at)
        } else if let Some(key) = header_key(rest) {
            self.entry(key, &rest[key.len() + 1..], at).inspect_err(|_| self.mean(rest))
        } else {
            return self.step(at);
        };
        self.cursor.skip_line();
        match line {
            Ok(line) => self.script.lines.push(line),
            Err(problem) => self.problems.push(problem),
        }
    }

    fn entry(&mut self, name: &str, rest: &str, at: Pos) -> Result<Line, Problem> {
        let key = Key::find(name, at)?;
        let wrong = |message: &str| Err(Problem::new(at, name.len(), format!("{name}: {message}")));
        if !self.in_header {
            return wrong("the header ends with the first command: expected this line before it");
        }
        let given = |line: &Line| matches!(line, Line::Header(entry) if entry.key == key);
        if self.script.lines.iter().any(given) {
            return wrong("this key is given twice: expected one line with everything");
        }
        if rest.ends_with('\\') {
            return wrong("a line of the header cannot be continued: expected all of it on one line");
        }
        let entry = Entry { key, at, values: values(rest, at, name.len() + 1) };
        if let Some((text, at)) = entry.values.iter().find(|(text, _)| text.contains(char::is_control)) {
            return Err(Problem::new(
                *at,
                text.chars().count(),
                "expected no control characters in this word",
            ));
        }
        self.script.header.read(&entry, &mut self.problems);
        Ok(Line::Header(entry))
    }

    /// Notes what a line that is meant for the header would have declared, so that this is not called
    /// unknown where it is used.
    fn mean(&mut self, line: &str) {
        let words = line.split([' ', '\t', ':']).map(|word| word.split('=').next().unwrap_or_default());
        self.meant.extend(words.filter(|word| is_name(word)).map(str::to_owned));
    }

    /// Whether a line that is no line of the header may be meant for one.
    fn misplaced(&self, line: &str, guarded: bool, at: Pos) -> Option<Problem> {
        let first = line.split([' ', '\t', ':']).next().unwrap_or_default();
        let key = KEYS.iter().find(|key| key.name == first)?;
        let message = if guarded {
            "a line of the header cannot be guarded: expected it without the guard".to_owned()
        } else {
            format!(
                "expected a colon and a blank after this key of the header, as in `{}: {}`",
                key.name, key.values
            )
        };
        Some(Problem::new(at, first.len(), format!("{first}: {message}")))
    }

    /// A command; reads to the end of its line, or of the last line of JSON. Its mistakes are noted:
    /// a bad guard does not hide a bad command.
    fn step(&mut self, at: Pos) {
        let mut guards = Vec::new();
        let start = self.cursor.at();
        while self.cursor.peek() == Some('[') {
            match self.guard() {
                Ok(guard) => guards.extend(guard),
                Err(problem) => {
                    self.cursor.skip_line();
                    self.problems.push(problem);
                    return;
                }
            }
            self.cursor.skip_blanks();
        }
        let (line, here) = (self.cursor.line(), self.cursor.at());
        let misplaced =
            self.misplaced(line, here.column > start.column, here).or_else(|| late_guard(line, here));
        if let Some(problem) = misplaced {
            self.mean(line);
            self.cursor.skip_line();
            self.problems.push(problem);
            return;
        }
        let (words, mistake) = self.cursor.words();
        let last = match self.cursor.at() {
            Pos { line, column: 1 } if line > at.line => Pos { line: line - 1, column: 1 },
            end => end,
        };
        match mistake.map_or_else(|| self.command(at, &words), Err) {
            Ok(step) => {
                self.in_header = false;
                self.script.lines.push(Line::Step(Box::new(Step { guards, unguarded: here, last, ..step })));
            }
            Err(problem) => {
                let mut captured = words.iter().skip_while(|word| word.plain() != Some("let")).skip(1);
                self.meant.extend(captured.next().and_then(Word::plain).map(str::to_owned));
                if self.in_header {
                    self.mean(line);
                }
                self.problems.push(problem);
                self.loose.extend(words);
            }
        }
    }

    /// The words after the guards.
    fn command(&mut self, at: Pos, words: &[Word]) -> Result<Step, Problem> {
        let (mut quiet, mut negated) = (false, false);
        let mut rest = words;
        while let Some((first, after)) = rest.split_first() {
            let flag = match first.plain() {
                Some("quiet") => &mut quiet,
                Some("!") => &mut negated,
                _ => break,
            };
            if std::mem::replace(flag, true) {
                return Err(Problem::new(first.at, first.to_string().len(), "this is given twice"));
            }
            rest = after;
        }
        let mut capture = None;
        if rest.first().and_then(Word::plain) == Some("let") {
            if quiet || negated {
                let message =
                    "`let` logs nothing and must succeed: expected neither `quiet` nor `!` before it";
                return Err(Problem::new(words[0].at, 1, message));
            }
            let (captured, after) = self.capture(rest)?;
            capture = Some(captured);
            rest = after;
        }
        let Some((first, rest)) = rest.split_first() else {
            return Err(Problem::new(at, 1, "expected a command"));
        };
        let Found { command, instance, words } = find(first, rest)?;
        let wrong = |message: String| Err(Problem::new(first.at, command.name.len(), message));
        if negated && command.fails.is_none() {
            return wrong(format!("`{}` cannot fail in a way that `!` could demand", command.name));
        }
        if capture.is_some() && !command.yields {
            return wrong(format!("`{}` has no result that `let` could capture", command.name));
        }
        let is_shell = |word: &&Word| word.plain().is_some_and(|text| SHELL.contains(&text));
        if command.name != "assert"
            && let Some(word) = words.iter().find(is_shell)
        {
            let message =
                "there are no pipes, redirections and lists: quote the word, or write a compiled case";
            return Err(Problem::new(word.at, word.width(), message));
        }
        let args = command.parse(words, first.at)?;
        let (unguarded, last) = (at, at);
        Ok(Step { at, unguarded, last, guards: Vec::new(), quiet, negated, capture, command, instance, args })
    }

    /// A guard; `None` if its condition is unknown, which is noted.
    fn guard(&mut self) -> Result<Option<Guard>, Problem> {
        let open = self.cursor.at();
        let line = self.cursor.line();
        let Some(end) = line.find(']') else {
            return Err(Problem::new(
                open,
                1,
                "this guard is not closed: expected [condition] or [!condition]",
            ));
        };
        let inner = &line[1..end];
        inner.chars().chain("[]".chars()).for_each(|_| _ = self.cursor.bump());
        let text = inner.strip_prefix('!').unwrap_or(inner);
        if text.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            let width = inner.chars().count() + 2;
            return Err(Problem::new(open, width, "expected one condition, without blanks, in each guard"));
        }
        match Guard::parse(inner, open, &self.script.header.params) {
            Err(_) if self.meant.iter().any(|name| text.split('=').next() == Some(name)) => Ok(None),
            Ok(guard) => Ok(Some(guard)),
            Err(problem) => {
                self.problems.push(problem);
                Ok(None)
            }
        }
    }

    /// `let NAME =`, and the path at the end of the line.
    fn capture<'w>(&self, words: &'w [Word]) -> Result<(Capture, &'w [Word]), Problem> {
        let expected = "expected `let NAME = COMMAND ... [: PATH]`";
        let [first, name, equals, rest @ ..] = words else {
            return Err(Problem::new(words[0].at, 3, expected));
        };
        let Some(text) = name.plain().filter(|text| is_name(text)) else {
            return Err(Problem::new(name.at, name.width(), expected));
        };
        if equals.plain() != Some("=") {
            return Err(Problem::new(first.at, 3, expected));
        }
        let expected = "expected a path, as in return[0]/inserted/file";
        let (rest, path) = match rest {
            [.., colon] if colon.plain() == Some(":") => {
                return Err(Problem::new(colon.at, 1, format!("{expected}, after this colon")));
            }
            [rest @ .., colon, path] if colon.plain() == Some(":") => match path.plain() {
                Some(text) => {
                    path::check(path)?;
                    (rest, Some(text.to_owned()))
                }
                None => {
                    return Err(Problem::new(path.at, path.width(), expected));
                }
            },
            _ => (rest, None),
        };
        Ok((Capture { name: text.to_owned(), at: name.at, path }, rest))
    }
}

fn heading(line: &str, at: Pos) -> Result<Line, Problem> {
    let text = line.strip_prefix("== ").and_then(|line| line.strip_suffix(" ==")).map(str::trim);
    match text {
        Some(text) if !text.is_empty() && !text.contains(char::is_control) => {
            Ok(Line::Heading { text: text.to_owned(), at })
        }
        _ => Err(Problem::new(at, line.chars().count(), "expected a heading, as in == text ==")),
    }
}

/// The key of a line that looks like one of the header.
fn header_key(line: &str) -> Option<&str> {
    let (key, rest) = line.split_once(':')?;
    let is_key = key.starts_with(|c: char| c.is_ascii_alphabetic())
        && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
        && (rest.is_empty() || rest.starts_with([' ', '\t']));
    is_key.then_some(key)
}

/// A guard that stands after `quiet` or `!`, where it would be read as JSON.
fn late_guard(line: &str, at: Pos) -> Option<Problem> {
    let mut rest = line;
    while let Some(after) = rest.strip_prefix("quiet ").or_else(|| rest.strip_prefix("! ")) {
        rest = after.trim_start();
    }
    let column = at.column + line.len() - rest.len();
    let message = "guards come first: expected this before `quiet` and `!`";
    (rest.len() < line.len() && rest.starts_with('['))
        .then(|| Problem::new(Pos { column, ..at }, rest.find(']').map_or(1, |end| end + 1), message))
}

/// The words after the colon.
fn values(rest: &str, at: Pos, offset: usize) -> Vec<(String, Pos)> {
    let mut column = at.column + offset;
    let mut found = Vec::new();
    for word in rest.split([' ', '\t']) {
        if !word.is_empty() {
            found.push((word.to_owned(), Pos { column, ..at }));
        }
        column += word.chars().count() + 1;
    }
    found
}
