//! Runs a parsed script.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::commands::{Done, Thing};
use super::header::Header;
use super::source::Source;
use super::syntax::{Capture, Line, Step};
use super::vars::Vars;
use crate::env::{ToolKind, similar_word};
use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::log::Msg;
use crate::test::Test;
use crate::tools::{NbdServer, QemuIoInteractive, StorageDaemon};
use crate::value::{PathError, PathProblem, dictpath};
use crate::vm::Vm;

/// Runs all lines, up to the first that fails.
pub(super) fn run(source: &Source, test: &Test) -> Result<()> {
    let script = source.parse()?;
    let mut run = Run::new(test, &script.header)?;
    for line in &script.lines {
        match line {
            Line::Heading { text, .. } => test.log(format!("== {text} ==")),
            Line::Step(step) => run.step(step).map_err(|error| source.blame(step, error))?,
            Line::Blank | Line::Comment(_) | Line::Header(_) => {}
        }
    }
    Ok(())
}

/// A running script: its variables, and all that it has started. What uses a server ends before the
/// server does.
pub(super) struct Run<'t> {
    pub(super) test: &'t Test,
    pub(super) vars: Vars,
    pub(super) reply: Option<Value>,
    /// Whether the line that replied was guarded.
    reply_is_guarded: bool,
    filters: Vec<Filter>,
    pub(super) sessions: Things<QemuIoInteractive>,
    vms: BTreeMap<String, Vm>,
    pub(super) daemons: Things<StorageDaemon>,
    pub(super) servers: Things<NbdServer>,
}

impl<'t> Run<'t> {
    fn new(test: &'t Test, header: &Header) -> Result<Self> {
        Ok(Self {
            test,
            vars: Vars::new(test, header)?,
            reply: None,
            reply_is_guarded: false,
            filters: header.filters.iter().map(|word| word.filter(test)).collect(),
            sessions: Things::new(Thing::Session),
            vms: BTreeMap::new(),
            daemons: Things::new(Thing::StorageDaemon),
            servers: Things::new(Thing::NbdServer),
        })
    }

    fn step(&mut self, step: &Step) -> Result<()> {
        for guard in &step.guards {
            if guard.condition.holds(self.test)? == guard.negated {
                self.pass_over(step);
                return Ok(());
            }
        }
        let log = self.test.context().log();
        let logged = log.len();
        let Done { failed, text, reply } = step.command.run(self, &step.instance, &step.args)?;
        match failed {
            Some(error) if !step.negated => return Err(error),
            None if step.negated => {
                let expected = step.command.fails.unwrap_or_default();
                let came = came(&log.contents()[logged..]);
                return Err(Error::assertion(format!("`!` demands {expected}, but {came}")));
            }
            _ => {}
        }
        if step.quiet || step.capture.is_some() {
            log.truncate(logged);
        }
        if let Some(capture) = &step.capture {
            let value = captured(capture, text.as_deref(), reply.as_ref())?;
            self.vars.capture(&capture.name, value);
        }
        if step.command.yields {
            self.reply = reply.map(enterable);
            self.reply_is_guarded = !step.guards.is_empty();
        }
        Ok(())
    }

    /// A reply that did not come leaves no older one in its place, unless that is of another line with a
    /// guard: the two may be meant for different formats.
    fn pass_over(&mut self, step: &Step) {
        if step.command.yields && !self.reply_is_guarded {
            self.reply = None;
        }
    }

    /// What everything of a command goes through on its way to the log: `own` are those of the
    /// command.
    pub(super) fn filters(&self, own: &[Filter]) -> Vec<Filter> {
        let paths = self.test.context().paths();
        let sockets = paths.sock_dir.clone();
        let hidden = [
            self.test.filter_testfiles(),
            // A script has variables for the directories as well.
            Filter::test_dir(&paths.test_dir),
            Filter::custom_text(move |text| text.replace(&sockets, "SOCK_DIR")),
        ];
        [own, &hidden, &self.filters].concat()
    }

    /// Logs a message.
    pub(super) fn log(&self, msg: impl Into<Msg>, own: &[Filter]) {
        self.test.log_with(msg, &self.filters(own));
    }

    /// Programs name themselves in messages by what they were started as.
    pub(super) fn program_names(&self) -> Filter {
        let tool = self.test.context().env().tool(ToolKind::Qemu);
        let name = tool.ok().and_then(|tool| tool.program.file_name()).and_then(|name| name.to_str());
        let prefix = name.map_or_else(String::new, |name| format!("{name}:"));
        Filter::custom_text(move |text| {
            if prefix.is_empty() { text.to_owned() } else { text.replace(&prefix, "QEMU_PROG:") }
        })
    }

    /// The VM of this name, made when it is first asked for.
    pub(super) fn vm(&mut self, name: &str) -> &mut Vm {
        self.vms.entry(name.to_owned()).or_insert_with(|| match name {
            "" => self.test.vm().build(),
            name => self.test.vm_named(&format!("-{name}")).build(),
        })
    }
}

/// What a line that did not fail logged, for messages.
fn came(logged: &str) -> String {
    let lines: Vec<_> = logged.lines().filter(|line| !line.trim().is_empty()).collect();
    match lines[..] {
        [] => "nothing of that kind came".to_owned(),
        _ => format!("it logged\n    {}", lines.join("\n    ")),
    }
}

/// A path that a reply does not have.
pub(super) fn no_path(error: &PathError, reply: &Value) -> Error {
    let hint = match (&error.problem, serde_json::from_str(&error.found)) {
        (PathProblem::NoKey(key), Ok(Value::Object(map))) => similar_word(key, map.keys()),
        _ => None,
    };
    let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
    Error::assertion(format!("failed to follow path {:?}: {}{hint}\n{reply:#}", error.path, error.problem))
}

/// A list gets the name by which paths enter it.
fn enterable(reply: Value) -> Value {
    if reply.is_array() { json!({ "return": reply }) } else { reply }
}

fn captured(capture: &Capture, text: Option<&str>, reply: Option<&Value>) -> Result<Value> {
    match (&capture.path, text, reply) {
        (Some(path), _, Some(reply)) => {
            let reply = enterable(reply.clone());
            dictpath(&reply, path).cloned().map_err(|error| no_path(&error, &reply))
        }
        (Some(path), Some(text), None) => {
            Err(Error::assertion(format!("failed to follow path {path}: this is not JSON: {text}")))
        }
        (None, Some(text), _) => Ok(Value::String(text.trim_end().to_owned())),
        (None, None, Some(reply)) => Ok(reply.clone()),
        (_, None, None) => Err(Error::assertion(format!("nothing came that ${} could hold", capture.name))),
    }
}

/// The things of one kind that run, by name.
pub(super) struct Things<T> {
    kind: Thing,
    running: BTreeMap<String, T>,
}

impl<T> Things<T> {
    fn new(kind: Thing) -> Self {
        Self { kind, running: BTreeMap::new() }
    }

    /// Takes in one that was started. If there is one of its name, that goes on and the new one ends.
    pub(super) fn insert(&mut self, name: &str, thing: T) -> Result<()> {
        if self.running.contains_key(name) {
            return Err(Error::misuse(format!("{} runs already", self.kind.called(name))));
        }
        self.running.insert(name.to_owned(), thing);
        Ok(())
    }

    /// The one of this name.
    pub(super) fn get(&mut self, name: &str) -> Result<&mut T> {
        self.running.get_mut(name).ok_or_else(|| not_running(self.kind, name))
    }

    /// The one of this name, which is not there any more afterwards.
    pub(super) fn take(&mut self, name: &str) -> Result<T> {
        self.running.remove(name).ok_or_else(|| not_running(self.kind, name))
    }
}

fn not_running(kind: Thing, name: &str) -> Error {
    Error::misuse(format!("{} does not run", kind.called(name)))
}
