//! The arguments that a command takes, read from the text that the manual shows: `FILE` is needed,
//! `[FILE]` is not, `ARG...` is one or more, `[name=VALUE]` and `[flag]` go by their names, and
//! `ARGUMENTS` are those of QMP.
//!
//! Where arguments go by their names, a misspelt one must not pass for a file. So all that looks like
//! `name=` and is not quoted has to be one of them, but for a file that is said to be a list of options.

use std::fmt;

use super::qmp::Arguments;
use crate::script::text::problem::{Pos, Problem};
use crate::script::text::word::Word;

/// The flag that makes a list of options of a file.
const IMAGE_OPTS: &str = "image-opts";

/// What a command takes.
#[derive(Debug, Default)]
struct Signature {
    least: usize,
    most: Option<usize>,
    named: Vec<(&'static str, Vec<&'static str>)>,
    flags: Vec<&'static str>,
    arguments: Option<Need>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    Optional,
    Required,
}

/// The arguments of one line, sorted out; variables are not filled in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Args {
    positional: Vec<Word>,
    named: Vec<(&'static str, Word)>,
    flags: Vec<(&'static str, Pos)>,
    qmp: Option<Arguments>,
}

impl Args {
    /// Tells the words after a command apart, as its `usage` says; `at` and `name` are those of the
    /// command.
    pub(crate) fn parse(usage: &'static str, words: &[Word], name: &str, at: Pos) -> Result<Self, Problem> {
        let signature = Signature::parse(usage);
        let mut args = Self::default();
        let mut qmp = Vec::new();
        let lists_options = signature.flags.contains(&IMAGE_OPTS)
            && words.iter().any(|word| word.plain() == Some(IMAGE_OPTS));
        for word in words {
            if signature.arguments.is_some() && signature.is_full(args.positional.len()) {
                qmp.push(word);
            } else {
                args.place(&signature, lists_options, word)?;
            }
        }
        let arguments_missing = signature.arguments == Some(Need::Required) && qmp.is_empty();
        if args.positional.len() < signature.least || arguments_missing {
            let message = format!("{name} lacks an argument: expected `{}`", [name, usage].join(" "));
            return Err(Problem::new(at, name.len(), message));
        }
        if let Some(extra) = signature.most.and_then(|most| args.positional.get(most)) {
            let message = format!("one argument too many: expected `{}`", [name, usage].join(" ").trim());
            return Err(Problem::new(extra.at, extra.width(), message));
        }
        args.qmp = signature.arguments.map(|_| Arguments::parse(&qmp)).transpose()?;
        Ok(args)
    }

    fn place(&mut self, signature: &Signature, lists_options: bool, word: &Word) -> Result<(), Problem> {
        if let Some((name, value)) = word.split_option() {
            if let Some((known, allowed)) = signature.named.iter().find(|(known, _)| *known == name) {
                if self.named(known).is_some() {
                    return Err(Problem::new(word.at, name.len(), format!("{name} is given twice")));
                }
                if value.pieces.is_empty() {
                    let message = format!("{name} lacks its value: expected something after the =");
                    return Err(Problem::new(word.at, name.len() + 1, message));
                }
                if !allowed.is_empty() && !value.plain().is_some_and(|value| allowed.contains(&value)) {
                    let expected = format!("expected {name}={}", allowed.join("|"));
                    return Err(Problem::new(word.at, word.width(), expected));
                }
                self.named.push((known, value));
                return Ok(());
            }
            let looks_named =
                !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
            if looks_named && !lists_options && !signature.named.is_empty() {
                let names = signature.named.iter().map(|(known, _)| *known);
                let known = names.clone().collect::<Vec<_>>().join(", ");
                let expected = format!("known are {known}; quote the word if it is none");
                return Err(Problem::unknown(word.at, "option", name, names, &expected));
            }
        }
        match word.plain().and_then(|text| signature.flags.iter().find(|flag| **flag == text)) {
            Some(flag) if self.positional.len() >= signature.least => {
                if self.has(flag) {
                    return Err(Problem::new(word.at, flag.len(), format!("{flag} is given twice")));
                }
                self.flags.push((flag, word.at));
            }
            _ => self.positional.push(word.clone()),
        }
        Ok(())
    }

    /// Those that go by their place.
    pub fn positional(&self) -> &[Word] {
        &self.positional
    }

    /// The value of the one that goes by this name.
    pub fn named(&self, name: &str) -> Option<&Word> {
        self.named.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Whether this flag is given.
    pub fn has(&self, flag: &str) -> bool {
        self.place_of(flag).is_some()
    }

    /// Where this flag stands.
    pub(crate) fn place_of(&self, flag: &str) -> Option<Pos> {
        self.flags.iter().find(|(known, _)| *known == flag).map(|(_, at)| *at)
    }

    /// The arguments of a QMP command, if the command takes any.
    pub(crate) fn qmp(&self) -> Option<&Arguments> {
        self.qmp.as_ref()
    }

    /// The words in which variables may stand: all but names and flags.
    pub fn words(&self) -> impl Iterator<Item = &Word> {
        let qmp = self.qmp.iter().flat_map(Arguments::words);
        self.positional.iter().chain(self.named.iter().map(|(_, value)| value)).chain(qmp)
    }
}

impl fmt::Display for Args {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.positional.iter().try_for_each(|word| write!(f, " {word}"))?;
        self.named.iter().try_for_each(|(name, value)| write!(f, " {name}={value}"))?;
        self.flags.iter().try_for_each(|(flag, _)| write!(f, " {flag}"))?;
        self.qmp.iter().try_for_each(|arguments| arguments.fmt(f))
    }
}

impl Signature {
    fn parse(usage: &'static str) -> Self {
        let mut signature = Self { most: Some(0), ..Self::default() };
        for part in parts(usage) {
            let (inner, need) = match part.strip_prefix('[').and_then(|part| part.strip_suffix(']')) {
                Some(inner) => (inner, Need::Optional),
                None => (part, Need::Required),
            };
            if inner == "ARGUMENTS" {
                signature.arguments = Some(need);
            } else if let Some((name, value)) = inner.split_once('=') {
                let allowed = if value.contains('|') { value.split('|').collect() } else { Vec::new() };
                signature.named.push((name, allowed));
            } else if inner.starts_with(|c: char| c.is_ascii_lowercase()) {
                signature.flags.push(inner);
            } else {
                let count = inner.split(' ').count();
                signature.least += if need == Need::Required { count } else { 0 };
                let repeats = inner.ends_with("...");
                signature.most = signature.most.filter(|_| !repeats).map(|most| most + count);
            }
        }
        signature
    }

    fn is_full(&self, count: usize) -> bool {
        self.most.is_some_and(|most| count >= most)
    }
}

/// The parts of a usage text: blanks within brackets do not part.
fn parts(usage: &'static str) -> impl Iterator<Item = &'static str> {
    let mut depth = 0;
    usage
        .split(move |c| {
            depth += i32::from(c == '[') - i32::from(c == ']');
            c == ' ' && depth == 0
        })
        .filter(|part| !part.is_empty())
}
