//! Runs the lines of a script, and logs each command as it is written.

use serde_json::Value;

use super::source::Source;
use crate::error::{Error, Result};
use crate::script::commands::command::Done;
use crate::script::header::keys::IgnoredLine;
use crate::script::state::reply::{enterable, follow};
use crate::script::state::running::Running;
use crate::script::syntax::script::{Capture, Line, Step};
use crate::test::Test;

/// Runs all lines, up to the first that fails.
pub(crate) fn run(source: &Source, test: &Test) -> Result<()> {
    let script = source.parse()?;
    let mut state = Running::new(test, &script.header)?;
    if let Some(IgnoredLine { guard, text, reason }) = &script.header.ignored_stderr
        && guard.as_ref().map_or(Ok(true), |guard| guard.holds(test))?
    {
        test.ignore_stderr(text, reason);
    }
    let mut any_ran = false;
    for line in &script.lines {
        match line {
            Line::Heading { text, .. } => test.log_heading(text),
            Line::Step(step) => {
                any_ran |= run_step(source, &mut state, step).map_err(|error| source.blame(step, error))?;
            }
            Line::Blank | Line::Comment(_) | Line::Header(_) => {}
        }
    }
    if any_ran { Ok(()) } else { test.skip("no line of this script runs here: all are guarded") }
}

/// Runs a command, unless its guards keep it from that. Whether it ran.
fn run_step(source: &Source, state: &mut Running<'_>, step: &Step) -> Result<bool> {
    for guard in &step.guards {
        if !guard.holds(state.test)? {
            if step.command.yields {
                state.miss_reply();
            }
            return Ok(false);
        }
    }
    if !step.command.unlogged {
        state.test.log_command(&source.command(step));
    }
    let context = state.test.context().clone();
    let log = context.log();
    let logged = log.len();
    let Done { failed, text, reply } = step.command.run(state, &step.instance, &step.args)?;
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
        state.vars.capture(&capture.name, value);
    }
    if step.command.yields {
        state.keep_reply(reply, !step.guards.is_empty());
    }
    Ok(true)
}

/// What a line that did not fail logged, for messages.
fn came(logged: &str) -> String {
    let lines: Vec<_> = logged.lines().filter(|line| !line.trim().is_empty()).collect();
    match lines[..] {
        [] => "nothing of that kind came".to_owned(),
        _ => format!("it logged\n    {}", lines.join("\n    ")),
    }
}

fn captured(capture: &Capture, text: Option<&str>, reply: Option<&Value>) -> Result<Value> {
    match (&capture.path, text, reply) {
        (Some(path), _, Some(reply)) => follow(&enterable(reply.clone()), path).cloned(),
        (Some(path), Some(text), None) => {
            Err(Error::assertion(format!("failed to follow path {path}: this is not JSON: {text}")))
        }
        (None, Some(text), _) => Ok(Value::String(text.trim_end().to_owned())),
        (None, None, Some(reply)) => Ok(reply.clone()),
        (_, None, None) => Err(Error::assertion(format!("nothing came that ${} could hold", capture.name))),
    }
}
