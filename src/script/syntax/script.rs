//! What a script is made of, once parsed.

use crate::env::ToolKind;
use crate::script::args::signature::Args;
use crate::script::commands::command::Command;
use crate::script::header::condition::Guard;
use crate::script::header::keys::{Entry, Header};
use crate::script::text::problem::Pos;

/// A parsed script. Two are equal if their lines are, wherever these stand.
#[derive(Clone, Debug)]
pub struct Script {
    /// All of its lines, in order.
    pub lines: Vec<Line>,
    /// What its header says.
    pub header: Header,
}

impl PartialEq for Script {
    fn eq(&self, other: &Self) -> bool {
        self.lines == other.lines
    }
}

impl Script {
    /// Its commands, in order.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.lines.iter().filter_map(|line| if let Line::Step(step) = line { Some(&**step) } else { None })
    }

    /// The binaries that may be missing and that it cannot do without: those of all its commands but
    /// the ones that are guarded by their being there.
    pub fn tools(&self) -> Vec<ToolKind> {
        let mut tools = Vec::new();
        for step in self.steps() {
            if let Some(tool) = step.command.tool
                && !tools.contains(&tool)
                && !step.guards.iter().any(|guard| guard.demands(tool))
            {
                tools.push(tool);
            }
        }
        tools
    }
}

/// A line of a script, or several that belong together.
#[derive(Clone, Debug, PartialEq)]
pub enum Line {
    /// Nothing.
    Blank,
    /// What follows a `#`.
    Comment(String),
    /// A line of the header.
    Header(Entry),
    /// `== text ==`.
    Heading {
        /// The text.
        text: String,
        /// Where it begins.
        at: Pos,
    },
    /// A command.
    Step(Box<Step>),
}

/// A command, and when and how it runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Where it begins.
    pub at: Pos,
    /// Where it begins after its guards.
    pub unguarded: Pos,
    /// Where it ends: more lines below, if they are continued or hold JSON.
    pub last: Pos,
    /// All of these must hold, or it does not run.
    pub guards: Vec<Guard>,
    /// Whether what it logs is dropped.
    pub quiet: bool,
    /// Whether it must fail.
    pub negated: bool,
    /// Where its result goes instead of the log.
    pub capture: Option<Capture>,
    /// The command.
    pub command: &'static Command,
    /// Which of several it acts on; empty for the one without a name.
    pub instance: String,
    /// Its arguments.
    pub args: Args,
}

/// `let name = … : path`.
#[derive(Clone, Debug, PartialEq)]
pub struct Capture {
    /// The variable.
    pub name: String,
    /// Where the name stands.
    pub at: Pos,
    /// Path into the result, if only a part of it is wanted.
    pub path: Option<String>,
}
