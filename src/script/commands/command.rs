//! What a command is: how it is written, how it may fail, what it acts on, and what comes of it.

use std::fmt;

use serde_json::Value;

use crate::env::ToolKind;
use crate::error::{Error, Result};
use crate::process::Output;
use crate::script::args::signature::Args;
use crate::script::state::running::Running;
use crate::script::state::thing::Thing;
use crate::script::text::problem::{Pos, Problem};
use crate::script::text::word::Word;

/// A command of the language.
pub struct Command {
    /// Its name: one word or two.
    pub name: &'static str,
    /// What follows, as the manual shows it and as the parser checks it.
    pub usage: &'static str,
    /// What it does.
    pub about: &'static str,
    /// What `!` before it demands; without this it cannot stand after `!`.
    pub fails: Option<&'static str>,
    /// Whether it has a result, for `let` and for `assert`.
    pub yields: bool,
    /// Whether it looks at the result of an earlier one.
    pub needs_reply: bool,
    /// Whether its line is left out of the log, which is then the same whether it ran or not.
    pub unlogged: bool,
    /// The binary that it runs, if that is one that may be missing.
    pub tool: Option<ToolKind>,
    /// What it acts on, and how.
    pub on: Option<(Thing, Role)>,
    pub(super) look: fn(&Args) -> std::result::Result<(), Problem>,
    pub(super) run: fn(&mut Running<'_>, &Call<'_>) -> Result<Done>,
}

/// How a command acts on its thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It says what the next start is made with.
    Prepares,
    /// It starts it.
    Starts,
    /// It needs it to have been started.
    Uses,
    /// It ends it, or waits for its end.
    Ends,
}

impl Command {
    pub(super) const BASE: Self = Self {
        name: "",
        usage: "",
        about: "",
        fails: None,
        yields: false,
        needs_reply: false,
        unlogged: false,
        tool: None,
        on: None,
        look: |_| Ok(()),
        run: |_, _| Ok(Done::default()),
    };

    /// Its first word, and its second if it has one.
    pub fn words(&self) -> (&'static str, Option<&'static str>) {
        match self.name.split_once(' ') {
            Some((first, second)) => (first, Some(second)),
            None => (self.name, None),
        }
    }

    /// The arguments that these words are.
    pub(crate) fn parse(&self, words: &[Word], at: Pos) -> std::result::Result<Args, Problem> {
        let args = Args::parse(self.usage, words, self.name, at)?;
        (self.look)(&args)?;
        Ok(args)
    }

    /// Runs it.
    pub(crate) fn run(&self, state: &mut Running<'_>, instance: &str, args: &Args) -> Result<Done> {
        let texts = args.positional().iter().map(|word| state.vars.text(word)).collect::<Result<_>>()?;
        (self.run)(state, &Call { instance, texts, args })
    }
}

impl PartialEq for Command {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Command({})", self.name)
    }
}

/// A line's arguments, variables filled in.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    /// Which of several things; empty for the one without a name.
    pub(super) instance: &'a str,
    /// Those that go by their place.
    pub(super) texts: Vec<String>,
    /// As they are written.
    pub(super) args: &'a Args,
}

impl Call<'_> {
    /// An argument by its place; empty if there is none.
    pub(super) fn text(&self, index: usize) -> &str {
        self.texts.get(index).map_or("", String::as_str)
    }

    /// An argument by its name.
    pub(super) fn named(&self, name: &str, state: &Running<'_>) -> Result<Option<String>> {
        self.args.named(name).map(|word| state.vars.text(word)).transpose()
    }

    pub(super) fn has(&self, flag: &str) -> bool {
        self.args.has(flag)
    }

    /// The arguments of a QMP command.
    pub(super) fn arguments(&self, state: &Running<'_>) -> Result<Value> {
        let none = || Ok(Value::Object(serde_json::Map::new()));
        self.args.qmp().map_or_else(none, |arguments| arguments.build(|word| state.vars.value(word)))
    }
}

/// What came of a command that could be run.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// Why it failed, if it did in the way that `!` demands.
    pub(crate) failed: Option<Error>,
    /// What it printed.
    pub(crate) text: Option<String>,
    /// What it returned.
    pub(crate) reply: Option<Value>,
}

impl Done {
    /// A tool that ran to its end, with any exit status.
    pub(super) fn tool(output: Output) -> Self {
        let json = output.stdout.starts_with(['{', '[']);
        Self {
            reply: if json { serde_json::from_str(&output.stdout).ok() } else { None },
            text: Some(output.stdout.clone()),
            failed: (!output.success()).then(|| Error::Tool(Box::new(output))),
        }
    }

    pub(super) fn reply(value: Value) -> Self {
        Self { reply: Some(value), ..Self::default() }
    }

    /// A claim; `wrong` says what does not hold, if it does not.
    pub(super) fn claim(wrong: Option<String>) -> Self {
        Self { failed: wrong.map(Error::assertion), ..Self::default() }
    }
}
