//! Writes a parsed script so that it parses to the same script.

use std::fmt;

use super::syntax::{Capture, Entry, Guard, Line, Script, Step};
use super::words::{Piece, Word, is_name_char};

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blank => Ok(()),
            Self::Comment(text) => write!(f, "#{text}"),
            Self::Header(entry) => entry.fmt(f),
            Self::Heading { text, .. } => write!(f, "== {text} =="),
            Self::Step(step) => step.fmt(f),
        }
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.key.name)?;
        self.values.iter().try_for_each(|(value, _)| write!(f, " {value}"))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.guards.iter().try_for_each(|guard| write!(f, "{guard} "))?;
        if self.quiet {
            f.write_str("quiet ")?;
        }
        if self.negated {
            f.write_str("! ")?;
        }
        if let Some(Capture { name, .. }) = &self.capture {
            write!(f, "let {name} = ")?;
        }
        let (first, rest) = self.command.words();
        f.write_str(first)?;
        if !self.instance.is_empty() {
            write!(f, "@{}", self.instance)?;
        }
        if let Some(rest) = rest {
            write!(f, " {rest}")?;
        }
        self.args.iter().try_for_each(|word| write!(f, " {word}"))?;
        match &self.capture {
            Some(Capture { path: Some(path), .. }) => write!(f, " : {path}"),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}{}]", if self.negated { "!" } else { "" }, self.condition)
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, run) in self.pieces.chunk_by(|a, b| a.quoted() == b.quoted()).enumerate() {
            let next = self.pieces.chunk_by(|a, b| a.quoted() == b.quoted()).nth(index + 1);
            match run {
                [Piece::Text { text, quoted: true }]
                    if text.contains(['"', '\\', '$']) && !text.contains('\'') =>
                {
                    write!(f, "'{text}'")?;
                }
                _ if run.iter().all(Piece::quoted) => {
                    f.write_str("\"")?;
                    pieces(f, run, None)?;
                    f.write_str("\"")?;
                }
                _ => pieces(f, run, next.and_then(<[Piece]>::first))?,
            }
        }
        Ok(())
    }
}

fn pieces(f: &mut fmt::Formatter<'_>, run: &[Piece], after: Option<&Piece>) -> fmt::Result {
    for (index, piece) in run.iter().enumerate() {
        match piece {
            Piece::Text { text, quoted: false } => f.write_str(text)?,
            Piece::Text { text, quoted: true } => {
                for c in text.chars() {
                    if matches!(c, '"' | '\\' | '$') {
                        f.write_str("\\")?;
                    }
                    write!(f, "{c}")?;
                }
            }
            Piece::Var { name, .. } => match run.get(index + 1).or(after) {
                Some(Piece::Text { text, .. }) if text.starts_with(is_name_char) => write!(f, "${{{name}}}")?,
                _ => write!(f, "${name}")?,
            },
            Piece::Json { value, .. } => write!(f, "{value}")?,
        }
    }
    Ok(())
}
