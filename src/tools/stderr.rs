//! What a tool that succeeded printed beside its work, such as a warning.

use super::evidence::Asked;
use crate::context::Context;
use crate::env::ToolKind;
use crate::process::Output;

/// Has the trial remember it, for the case to log or to declare. Where stdout and stderr are one text, these are the
/// lines that programs begin with their name or with what kind of message it is.
pub(super) fn hear(context: &Context, asked: &Asked, output: &Output) {
    let program = context.env().tool(asked.kind()).ok().and_then(|tool| tool.program.file_name());
    let prefix = format!("{}: ", program.unwrap_or_default().to_string_lossy());
    // `Warning: Image size mismatch!` is what a comparison finds.
    let is_message = |line: &&str| {
        line.starts_with(&prefix) || line.starts_with("WARNING: ") || line.contains("warning: ")
    };
    let beside = |line: &&str| match asked.kind() {
        _ if asked.creates() => !line.starts_with("Formatting '"),
        ToolKind::Qemu => line.contains("warning: "),
        _ => is_message(line),
    };
    let lines = output.stderr.lines().chain(output.stdout.lines().filter(beside));
    context.hear(asked.kind().name(), &output.command, lines.filter(|line| !line.trim().is_empty()));
}
