//! Writes a parsed script so that it parses to the same script.

use std::fmt;

use super::script::{Capture, Line, Script, Step};
use crate::script::header::condition::Guard;
use crate::script::header::keys::Entry;

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
        self.args.fmt(f)?;
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
