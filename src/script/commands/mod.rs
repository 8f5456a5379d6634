//! The commands: the one table of them, and how a line finds its own. Each file below adds the words
//! of one wrapper.

mod assertions;
mod flow;
mod image;
mod jobs;
mod nbd;
mod qemu_img;
mod qemu_io;
mod qmp;
mod storage_daemon;
mod vm;

use std::fmt;

use serde_json::Value;

use super::problem::{Pos, Problem};
use super::run::Run;
use super::signature::{Split, split};
use super::words::Word;
use crate::env::ToolKind;
use crate::error::{Error, Result};
use crate::process::Output;

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
    /// The binary that it runs, if that is one that may be missing.
    pub tool: Option<ToolKind>,
    /// What it acts on, and how.
    pub on: Option<(Thing, Role)>,
    look: fn(&[Word]) -> std::result::Result<(), Problem>,
    run: fn(&mut Run<'_>, &Call<'_>) -> Result<Done>,
}

/// What there can be several of, told apart by `@name`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thing {
    /// A virtual machine.
    Vm,
    /// A qemu-io that waits for commands.
    Session,
    /// An NBD server.
    NbdServer,
    /// A storage daemon.
    StorageDaemon,
}

impl Thing {
    /// How messages call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Vm => "VM",
            Self::Session => "qemu-io session",
            Self::NbdServer => "NBD server",
            Self::StorageDaemon => "storage daemon",
        }
    }

    /// Whether names of these come from the header.
    pub(super) fn is_declared(self) -> bool {
        self == Self::Vm
    }

    /// One of these, as messages call it.
    pub(super) fn called(self, name: &str) -> String {
        if name.is_empty() { format!("the {}", self.name()) } else { format!("{} {name}", self.name()) }
    }

    /// The command that starts this one.
    pub(super) fn started_by(self, name: &str) -> String {
        let starts = COMMANDS.iter().find(|command| command.on == Some((self, Role::Starts)));
        let (first, rest) = starts.map(Command::words).unwrap_or_default();
        let at = if name.is_empty() { String::new() } else { format!("@{name}") };
        format!("{first}{at} {}", rest.unwrap_or_default()).trim_end().to_owned()
    }
}

/// How a command acts on its thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It may come before the start.
    Prepares,
    /// It starts it.
    Starts,
    /// It needs it to have been started.
    Uses,
}

/// All commands, in the order of the manual.
pub static COMMANDS: &[Command] = &[
    qemu_img::QEMU_IMG,
    qemu_img::INFO,
    qemu_img::CHECK,
    qemu_img::MAP,
    qemu_img::MEASURE,
    qemu_img::COMPARE,
    qemu_io::QEMU_IO,
    qemu_io::OPEN,
    qemu_io::CMD,
    qemu_io::CLOSE,
    qemu_io::KILL,
    image::SAMPLE,
    image::MARKERS,
    image::REMOTE,
    nbd::QEMU_NBD,
    nbd::LIST,
    nbd::START,
    nbd::STOP,
    storage_daemon::START,
    storage_daemon::QMP,
    storage_daemon::EVENT,
    storage_daemon::STOP,
    storage_daemon::KILL,
    vm::DRIVE,
    vm::DRIVE_RAW,
    vm::BLOCKDEV,
    vm::DEVICE,
    vm::OBJECT,
    vm::INCOMING,
    vm::ARG,
    vm::LAUNCH,
    vm::SEND_FILE,
    vm::SHUTDOWN,
    vm::WAIT,
    vm::KILL,
    vm::LOG,
    qmp::QMP,
    qmp::HMP,
    qmp::HMP_QEMU_IO,
    vm::PAUSE_DRIVE,
    vm::RESUME_DRIVE,
    vm::CLOCK_STEP,
    qmp::EVENT,
    jobs::JOB,
    jobs::BLOCKDEV_CREATE,
    jobs::MIGRATE,
    assertions::ASSERT,
    assertions::BLOCK_PATH,
    assertions::BITMAP,
    flow::LOG,
    flow::NOT_RUN,
    flow::SKIP,
];

/// Words that people may look for, and what to do instead.
const REFUSED: &[(&str, &str)] = &[
    ("sleep", "no case sleeps: wait for what shall happen, with `event`, `job` or `migrate`"),
    ("if", "there are no branches: guard each line, as in [qcow2] or [!qcow2], or write a compiled case"),
    ("for", "there are no loops: use `params:` for a trial for each value, or write a compiled case"),
    ("while", "there are no loops: write a compiled case"),
    ("echo", "write `log TEXT`, or a heading as in == text =="),
    ("source", "scripts cannot include others: write a compiled case"),
];

impl Command {
    const BASE: Self = Self {
        name: "",
        usage: "",
        about: "",
        fails: None,
        yields: false,
        needs_reply: false,
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

    /// Whether these arguments can be meant.
    pub(super) fn check(&self, args: &[Word], at: Pos) -> std::result::Result<(), Problem> {
        split(self.usage, args, self.name, at)?;
        (self.look)(args)
    }

    /// Runs it.
    pub(super) fn run(&self, run: &mut Run<'_>, instance: &str, args: &[Word]) -> Result<Done> {
        // The parser has seen these arguments, so this finds no mistake.
        let split = split(self.usage, args, self.name, Pos { line: 0, column: 0 })
            .map_err(|problem| Error::assertion(problem.message()))?;
        let texts = split.positional.iter().map(|word| run.vars.text(word)).collect::<Result<_>>()?;
        (self.run)(run, &Call { instance, texts, split })
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
pub(super) struct Call<'a> {
    /// Which of several things; empty for the one without a name.
    instance: &'a str,
    /// Those that go by their place.
    texts: Vec<String>,
    split: Split<'a>,
}

impl Call<'_> {
    /// An argument by its place; empty if there is none.
    fn text(&self, index: usize) -> &str {
        self.texts.get(index).map_or("", String::as_str)
    }

    /// An argument by its name.
    fn named(&self, name: &str, run: &Run<'_>) -> Result<Option<String>> {
        let found = self.split.named.iter().find(|(known, _)| *known == name);
        found.map(|(_, word)| run.vars.text(word)).transpose()
    }

    fn has(&self, flag: &str) -> bool {
        self.split.flags.contains(&flag)
    }

    /// The arguments of a QMP command.
    fn arguments(&self, run: &Run<'_>) -> Result<Value> {
        super::arguments::Arguments::parse(&self.split.arguments)
            .map_err(|problem| Error::assertion(problem.message()))?
            .build(|word| run.vars.value(word))
    }
}

/// What came of a command that could be run.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// Why it failed, if it did in the way that `!` demands.
    pub(super) failed: Option<Error>,
    /// What it printed.
    pub(super) text: Option<String>,
    /// What it returned.
    pub(super) reply: Option<Value>,
}

impl Done {
    /// A tool that ran to its end, with any exit status.
    fn tool(output: Output) -> Self {
        let json = output.stdout.starts_with(['{', '[']);
        Self {
            reply: if json { serde_json::from_str(&output.stdout).ok() } else { None },
            text: Some(output.stdout.clone()),
            failed: (!output.success()).then(|| Error::Tool(Box::new(output))),
        }
    }

    fn reply(value: Value) -> Self {
        Self { reply: Some(value), ..Self::default() }
    }

    /// A claim that holds or not; the error is what does not.
    fn claim(result: Result<()>) -> Result<Self> {
        match result {
            Ok(()) => Ok(Self::default()),
            Err(error @ Error::Assertion(_)) => Ok(Self { failed: Some(error), ..Self::default() }),
            Err(other) => Err(other),
        }
    }
}

/// A line's command, and the words after it.
pub(super) struct Found<'a> {
    pub(super) command: &'static Command,
    pub(super) instance: String,
    pub(super) args: &'a [Word],
}

/// The command that a line begins with.
pub(super) fn find<'a>(first: &Word, rest: &'a [Word]) -> std::result::Result<Found<'a>, Problem> {
    let wrong = |at: &Word, message: String| Problem::new(at.at, at.to_string().chars().count(), message);
    let Some(text) = first.plain() else {
        return Err(wrong(first, "expected a command, without quotes and variables".to_owned()));
    };
    let (name, instance) = match text.split_once('@') {
        Some((name, instance)) => (name, Some(instance)),
        None => (text, None),
    };
    if let Some((_, why)) = REFUSED.iter().find(|(word, _)| *word == name) {
        return Err(wrong(first, format!("{name}: {why}")));
    }
    // Without a look for the blank of each name, for this is done for every line.
    let begins = |command: &&Command| matches!(command.name.strip_prefix(name), Some(rest) if rest.is_empty() || rest.starts_with(' '));
    let mut candidates = COMMANDS.iter().filter(begins).peekable();
    let Some(only) = candidates.peek().copied() else {
        let mut known = Vec::new();
        for (name, _) in COMMANDS.iter().map(Command::words) {
            if !known.contains(&name) {
                known.push(name);
            }
        }
        let expected = format!("known are {}", known.join(", "));
        return Err(Problem::unknown(first.at, "command", name, known, &expected));
    };
    let (command, args) = match only.words().1 {
        None => (only, rest),
        Some(_) => {
            let second = rest.first();
            let found = candidates.clone().find(|command| second.and_then(Word::plain) == command.words().1);
            match (found, second) {
                (Some(command), _) => (command, &rest[1..]),
                (None, second) => {
                    let names: Vec<_> = candidates.filter_map(|command| command.words().1).collect();
                    let expected = format!("known are {}", names.join(", "));
                    let (place, given) = match second {
                        Some(word) => (word, word.plain().unwrap_or_default()),
                        None => return Err(wrong(first, format!("{name} lacks a command: {expected}"))),
                    };
                    return Err(Problem::unknown(
                        place.at,
                        &format!("command of {name}"),
                        given,
                        &names,
                        &expected,
                    ));
                }
            }
        }
    };
    match instance {
        Some(_) if command.on.is_none() => {
            Err(wrong(first, format!("there is only one {name}: expected no @ after it")))
        }
        Some(instance) if !super::words::is_name(instance) => {
            Err(wrong(first, "expected a name of letters, digits and _ after the @".to_owned()))
        }
        instance => Ok(Found { command, instance: instance.unwrap_or_default().to_owned(), args }),
    }
}
