//! Running a tool to its end on a trial's behalf.

use crate::env::ToolKind;
use crate::error::{Error, Result};
use crate::process::{Capture, Cmd, Output, Status};
use crate::test::Test;

/// Arguments as the tools take them.
pub(super) fn words<S: AsRef<str>>(args: impl IntoIterator<Item = S>) -> Vec<String> {
    args.into_iter().map(|arg| arg.as_ref().to_owned()).collect()
}

impl Test {
    /// The command line of a tool, without any of the options that the environment adds.
    pub(crate) fn tool_cmd(&self, kind: ToolKind) -> Result<Cmd> {
        Ok(Cmd::new(&self.context().env().tool(kind)?.program))
    }

    /// Runs a tool within the trial's deadline.
    pub(super) fn run_tool(&self, kind: ToolKind, args: &[String], capture: Capture) -> Result<Output> {
        let cmd = self.tool_cmd(kind)?.args(args);
        let output = cmd.run(capture, self.context().deadline(), self.context().registry())?;
        judge(kind, output)
    }
}

/// A bad exit status is [`Error::Tool`], death by a signal [`Error::Crash`]
/// (`iotests.py: qemu_tool_pipe_and_status`).
fn judge(kind: ToolKind, output: Output) -> Result<Output> {
    match output.status {
        Status::Exited(0) => Ok(output),
        Status::Exited(_) => Err(Error::Tool(Box::new(output))),
        Status::Signalled(_) => {
            Err(Error::Crash { program: kind.name().to_owned(), output: Box::new(output) })
        }
    }
}
