//! Starts a binary for what it says of itself, and reads that.

use super::{Tool, ToolKind, Version};
use crate::process::{Capture, Cmd, Deadline, Output, Registry};

/// Runs a tool that shall succeed.
pub(super) fn run(tool: &Tool, arguments: &[&str], deadline: Deadline) -> Result<Output, String> {
    let command = Cmd::new(&tool.program).args(arguments);
    let output =
        command.run(Capture::Merged, deadline, &Registry::new()).map_err(|error| error.to_string())?;
    if !output.success() {
        return Err(format!("`{}` ended with {}{}", output.command, output.status, printed(&output)));
    }
    Ok(output)
}

/// Starts a tool for nothing but its version.
pub(super) fn ask_version(tool: &Tool, deadline: Deadline) -> Result<Version, String> {
    let output = run(tool, &["--version"], deadline)?;
    Version::find_in(&output.stdout)
        .ok_or_else(|| format!("`{}` named no version{}", output.command, printed(&output)))
}

/// That a binary does not do what it is for.
pub(super) fn unusable(kind: ToolKind, tool: &Tool, problem: &str) -> String {
    format!("{} is not a working {kind}: {problem}\nwhat to do: {}", tool.program.display(), kind.advice())
}

/// As [`quoted`], of all that a program printed.
pub(super) fn printed(output: &Output) -> String {
    quoted(&output.text())
}

/// What a program printed, to go on with after how it ended.
pub(super) fn quoted(text: &str) -> String {
    const MOST: usize = 20;
    let text = text.trim_end();
    if text.is_empty() {
        return " and printed nothing".to_owned();
    }
    let mut out = String::from(" and printed:");
    for line in text.lines().take(MOST) {
        out.push_str(&format!("\n    {line}"));
    }
    if text.lines().count() > MOST {
        out.push_str("\n    …");
    }
    out
}

/// The words below a title: on the rest of its line, and on the indented lines that follow.
pub(super) fn words_after(text: &str, title: &str) -> Option<Vec<String>> {
    let (_, list) = text.split_once(title)?;
    let (first, below) = list.split_once('\n').unwrap_or((list, ""));
    let below = below.lines().skip_while(|line| line.is_empty()).take_while(|line| line.starts_with(' '));
    let words = std::iter::once(first).chain(below).flat_map(str::split_whitespace);
    Some(words.map(str::to_owned).collect())
}
