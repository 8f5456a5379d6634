//! The arguments that a command takes, read from the text that the manual shows: `FILE` is needed,
//! `[FILE]` is not, `ARG...` is one or more, `[name=VALUE]` and `[flag]` go by their names, and
//! `ARGUMENTS` are those of QMP.
//!
//! Where arguments go by their names, a misspelt one must not pass for a file. So all that looks like
//! `name=` and is not quoted has to be one of them, but for a file that is said to be a list of options.

use super::arguments::Arguments;
use super::problem::{Pos, Problem};
use super::words::Word;

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

/// The arguments of one line, told apart.
#[derive(Debug, Default)]
pub(super) struct Split<'a> {
    /// Those that go by their place.
    pub(super) positional: Vec<&'a Word>,
    /// Those that go by their name.
    pub(super) named: Vec<(&'static str, Word)>,
    /// Those that are a name alone.
    pub(super) flags: Vec<&'static str>,
    /// Those of QMP.
    pub(super) arguments: Vec<&'a Word>,
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

/// Tells the arguments of a line apart; `at` and `name` are those of the command.
pub(super) fn split<'a>(
    usage: &'static str,
    words: &'a [Word],
    name: &str,
    at: Pos,
) -> Result<Split<'a>, Problem> {
    let signature = Signature::parse(usage);
    let mut split = Split::default();
    let lists_options =
        signature.flags.contains(&IMAGE_OPTS) && words.iter().any(|word| word.plain() == Some(IMAGE_OPTS));
    for word in words {
        place(&signature, lists_options, &mut split, word)?;
    }
    let count = split.positional.len();
    let arguments_missing = signature.arguments == Some(Need::Required) && split.arguments.is_empty();
    if count < signature.least || arguments_missing {
        let message = format!("{name} lacks an argument: expected `{}`", [name, usage].join(" "));
        return Err(Problem::new(at, name.len(), message));
    }
    if let Some(extra) = signature.most.and_then(|most| split.positional.get(most)) {
        let message = format!("one argument too many: expected `{}`", [name, usage].join(" ").trim());
        return Err(Problem::new(extra.at, extra.to_string().chars().count(), message));
    }
    if signature.arguments.is_some() {
        Arguments::parse(&split.arguments)?;
    }
    Ok(split)
}

fn place<'a>(
    signature: &Signature,
    lists_options: bool,
    split: &mut Split<'a>,
    word: &'a Word,
) -> Result<(), Problem> {
    if let Some((name, value)) = word.split_option() {
        if let Some((known, allowed)) = signature.named.iter().find(|(known, _)| *known == name) {
            if split.named.iter().any(|(before, _)| before == known) {
                return Err(Problem::new(word.at, name.len(), format!("{name} is given twice")));
            }
            if value.pieces.is_empty() {
                let message = format!("{name} lacks its value: expected something after the =");
                return Err(Problem::new(word.at, name.len() + 1, message));
            }
            if !allowed.is_empty() && !value.plain().is_some_and(|value| allowed.contains(&value)) {
                let expected = format!("expected {name}={}", allowed.join("|"));
                return Err(Problem::new(word.at, word.to_string().chars().count(), expected));
            }
            split.named.push((known, value));
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
    if signature.arguments.is_some() && signature.is_full(split.positional.len()) {
        split.arguments.push(word);
        return Ok(());
    }
    match word.plain().and_then(|text| signature.flags.iter().find(|flag| **flag == text)) {
        Some(flag) if split.positional.len() >= signature.least => split.flags.push(flag),
        _ => split.positional.push(word),
    }
    Ok(())
}
