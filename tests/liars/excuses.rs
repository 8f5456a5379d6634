//! The trials that cannot notice a lie, by name, each with the reason.

use std::path::Path;

use iotests::env::ToolKind;

use crate::lie::Lie;

/// A line of the file: `TOOL LIE TRIAL: REASON`, with `*` for any text in the first three.
#[derive(Debug)]
struct Excuse {
    line: String,
    patterns: [String; 3],
    reason: String,
    used: bool,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Excuses(Vec<Excuse>);

impl Excuses {
    /// Reads the file; lines that begin with `#` say something to the reader.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let text =
            std::fs::read_to_string(path).map_err(|error| format!("read {}: {error}", path.display()))?;
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let excuse = |line: &str| {
            let bad = || format!("{}: not `TOOL LIE TRIAL: REASON`: {line}", path.display());
            let (what, reason) = line.split_once(": ").ok_or_else(bad)?;
            let patterns: Vec<_> = what.split_whitespace().map(str::to_owned).collect();
            let patterns = <[String; 3]>::try_from(patterns).map_err(|_| bad())?;
            Ok(Excuse { line: line.to_owned(), patterns, reason: reason.trim().to_owned(), used: false })
        };
        Ok(Self(lines.map(excuse).collect::<Result<_, String>>()?))
    }

    /// Why a trial cannot notice a lie, if it is excused.
    pub(crate) fn reason(&mut self, tool: ToolKind, lie: Lie, trial: &str) -> Option<&str> {
        let texts = [tool.name(), lie.name(), trial];
        let fits = |excuse: &&mut Excuse| {
            excuse.patterns.iter().zip(texts).all(|(pattern, text)| fits(pattern, text))
        };
        let excuse = self.0.iter_mut().find(fits)?;
        excuse.used = true;
        Some(&excuse.reason)
    }

    /// What excuses nothing.
    pub(crate) fn unused(&self) -> Vec<String> {
        let unused = self.0.iter().filter(|excuse| !excuse.used);
        unused
            .map(|excuse| format!("excused.txt excuses no trial by this line: remove it: {}", excuse.line))
            .collect()
    }
}

fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => text.strip_prefix(before).is_some_and(|rest| {
            (0..=rest.len()).filter(|at| rest.is_char_boundary(*at)).any(|at| fits(after, &rest[at..]))
        }),
    }
}
