//! Writes a word so that it reads back as the same word.

use std::fmt;

use super::name::is_name_char;
use super::word::{Piece, Word};

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
