//! What a command of qemu-io asks for, and the report by which it shows that it was done.

use crate::error::{Error, Result};

/// What a qemu-io that reports a failure must show besides.
pub(super) const BAD_STATUS: &str = "an exit status other than 0, since it reports a failure";

/// How qemu-io reports what a command did.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Request {
    /// The command, for messages.
    command: String,
    verb: &'static str,
    offset: u64,
    bytes: u64,
    report: Report,
    /// Whether the report may come after that of a later command.
    is_async: bool,
}

/// The form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Report {
    /// For people: bytes and offset on one line, the number of operations on the next.
    Text,
    /// `-C`: one line of numbers, without the offset.
    Numbers,
    /// `-q`: none.
    None,
}

/// A command that moves data.
struct Io {
    names: [&'static str; 2],
    verb: &'static str,
    /// Options that have a value.
    valued: &'static str,
    /// Whether the operands after the offset are all lengths, which add up.
    is_vectored: bool,
    is_async: bool,
}

const fn io(names: [&'static str; 2], verb: &'static str, valued: &'static str) -> Io {
    Io { names, verb, valued, is_vectored: false, is_async: false }
}

/// Those that qemu-io has, by both of their names, where there are two.
const COMMANDS: [Io; 7] = [
    io(["read", "r"], "read", "Pls"),
    io(["write", "w"], "wrote", "Ps"),
    io(["discard", "d"], "discard", ""),
    Io { is_vectored: true, ..io(["readv", ""], "read", "P") },
    Io { is_vectored: true, ..io(["writev", ""], "wrote", "P") },
    Io { is_vectored: true, is_async: true, ..io(["aio_read", ""], "read", "P") },
    Io { is_vectored: true, is_async: true, ..io(["aio_write", ""], "wrote", "P") },
];

/// Commands that move no data and print something all the same.
const TALKATIVE: [&str; 9] = ["length", "l", "map", "alloc", "a", "info", "i", "zone_report", "zone_append"];

impl Request {
    /// Reads a command as qemu-io does. `None` for one that moves no data, and for one with a mistake, which
    /// qemu-io itself reports.
    fn parse(command: &str) -> Option<Self> {
        let mut words = command.split(' ').filter(|word| !word.is_empty());
        let name = words.next()?;
        let io = COMMANDS.iter().find(|io| io.names.contains(&name))?;
        let (mut operands, mut report, mut is_marker) = (Vec::new(), Report::Text, false);
        while let Some(word) = words.next() {
            // GNU's getopt takes options from behind the operands as well.
            let Some(options) = word.strip_prefix('-').filter(|rest| !rest.is_empty()) else {
                operands.push(word);
                continue;
            };
            if options == "-" {
                operands.extend(words.by_ref());
                break;
            }
            for (at, option) in options.char_indices() {
                match option {
                    'q' => report = Report::None,
                    'C' if report == Report::Text => report = Report::Numbers,
                    // A request that is only to be accounted as invalid.
                    'i' => is_marker = true,
                    _ if io.valued.contains(option) => {
                        if options[at + option.len_utf8()..].is_empty() {
                            words.next();
                        }
                        break;
                    }
                    _ => {}
                }
            }
        }
        if is_marker && io.is_async {
            return None;
        }
        let mut numbers = operands.iter().map(|word| number(word));
        let offset = numbers.next().flatten()?;
        let lengths = numbers.collect::<Option<Vec<_>>>()?;
        if lengths.is_empty() || (!io.is_vectored && lengths.len() > 1) {
            return None;
        }
        Some(Self {
            command: command.to_owned(),
            verb: io.verb,
            offset,
            bytes: lengths.iter().sum(),
            report,
            is_async: io.is_async,
        })
    }

    /// What its report says.
    fn expected(&self) -> String {
        let Self { verb, offset, bytes, .. } = self;
        match self.report {
            Report::Numbers => format!("{bytes},1,"),
            Report::Text | Report::None => format!("{verb} {bytes}/{bytes} bytes at offset {offset}"),
        }
    }

    /// The error for a report that did not come, if there can be one at all.
    fn missing(&self, command: &str, printed: &str) -> Error {
        let asked = &self.command;
        let expected = match (self.bytes, self.report) {
            (0, _) => format!("{asked:?} to move data: a length of 0 does nothing"),
            (_, Report::None) => {
                format!(
                    "a report of {asked:?}: leave -q out, which keeps qemu-io from showing that it did it"
                )
            }
            _ => format!("{:?} and the number of operations, for {asked:?}", self.expected()),
        };
        Error::no_evidence("qemu-io", command, expected, printed)
    }
}

/// A number as qemu-io reads it: bytes, also hexadecimal, or with a fraction and a suffix of a power of 1024.
fn number(text: &str) -> Option<u64> {
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return u64::from_str_radix(digits, 16).ok();
    }
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        suffix => 10 * (1 + ["k", "m", "g", "t", "p", "e"].iter().position(|one| *one == suffix)?),
    };
    match digits.split_once('.') {
        None => digits.parse::<u64>().ok()?.checked_mul(1 << shift),
        Some(_) => Some((digits.parse::<f64>().ok()? * (1u64 << shift) as f64) as u64),
    }
}

/// How many lines are kept in which the rest of a report may come; there are two in each.
const MOST_UNREAD: usize = 256;

/// What a qemu-io still has to show: the reports of what it was asked for.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    pending: Vec<Request>,
    /// What was printed while requests were open and that none of them has accounted for: a report may be printed in
    /// pieces, with a look between them.
    unread: String,
}

impl Requests {
    /// Adds what a command asks for, and looks for it and for what is still open in what was `printed` since the
    /// last look. Reports of asynchronous requests may come later, until an `aio_flush`.
    ///
    /// A request that failed is no matter of evidence: qemu-io says so, and what reads its output notices.
    ///
    /// # Errors
    /// [`Error::NoEvidence`] for the first report that did not come; `line` is the command line to name.
    pub(crate) fn check(&mut self, line: &str, command: &str, printed: &str) -> Result<()> {
        self.add(line, command, printed)?;
        let flushes = name(command) == "aio_flush";
        self.look(line, printed, |request| !request.is_async || flushes)
    }

    fn add(&mut self, line: &str, command: &str, printed: &str) -> Result<()> {
        if TALKATIVE.contains(&name(command)) && printed.trim().is_empty() {
            return Err(Error::no_evidence("qemu-io", line, format!("an answer to {command:?}"), printed));
        }
        self.pending.extend(Request::parse(command));
        Ok(())
    }

    /// Looks for all that is still open in what was `printed` until the end.
    ///
    /// # Errors
    /// As [`Requests::check`].
    pub(crate) fn finish(&mut self, line: &str, printed: &str) -> Result<()> {
        self.look(line, printed, |_| true)
    }

    fn look(&mut self, line: &str, printed: &str, is_due: impl Fn(&Request) -> bool) -> Result<()> {
        if reports_failure(printed) {
            // Which of the open ones failed is not said.
            self.pending.clear();
            self.unread.clear();
            return Ok(());
        }
        let text = std::mem::take(&mut self.unread) + printed;
        let mut lines: Vec<_> = text.lines().collect();
        self.pending.retain(|request| {
            let at = request.bytes > 0 && request.report != Report::None;
            let at = at.then(|| position(&lines, request)).flatten();
            at.map(|at| lines.remove(at)).is_none()
        });
        if !self.pending.is_empty() {
            lines.drain(..lines.len().saturating_sub(MOST_UNREAD));
            self.unread = lines.join("\n");
            self.unread.push_str(if text.ends_with('\n') { "\n" } else { "" });
        }
        match self.pending.iter().find(|request| is_due(request)) {
            Some(request) => {
                let error = request.missing(line, printed);
                self.pending.clear();
                self.unread.clear();
                Err(error)
            }
            None => Ok(()),
        }
    }
}

/// Where the report of a request is.
fn position(lines: &[&str], request: &Request) -> Option<usize> {
    let expected = request.expected();
    (0..lines.len()).find(|at| match request.report {
        Report::Numbers => lines[*at].starts_with(&expected),
        _ => lines[*at] == expected && lines.get(at + 1).is_some_and(|next| next.contains(" 1 ops; ")),
    })
}

/// Demands of a qemu-io that ran to its end, with these arguments, what its commands should have printed.
///
/// # Errors
/// [`Error::NoEvidence`].
pub(super) fn check_run(line: &str, args: &[String], printed: &str) -> Result<()> {
    let commands = commands(args);
    if commands.is_empty() {
        // Its prompt, for it found no command on its standard input.
        let opened = printed.ends_with("qemu-io> ") || args.iter().any(|arg| arg == "-V" || arg == "-h");
        let expected = || "its prompt, once the image is open".to_owned();
        return if opened { Ok(()) } else { Err(Error::no_evidence("qemu-io", line, expected(), printed)) };
    }
    let mut requests = Requests::default();
    for command in commands {
        requests.add(line, command, printed)?;
    }
    requests.finish(line, printed)
}

/// Whether a command starts a request that runs beside others. If that fails, qemu-io reports it and still ends with 0;
/// after any other failure it ends with 1.
pub(super) fn is_async(command: &str) -> bool {
    name(command).starts_with("aio_")
}

/// Whether one of the commands among the arguments starts a request that runs beside others.
pub(super) fn any_async(args: &[String]) -> bool {
    commands(args).into_iter().any(is_async)
}

/// Whether one of the commands among the arguments sets the length of the image.
pub(super) fn truncates(args: &[String]) -> bool {
    commands(args).iter().any(|command| matches!(name(command), "truncate" | "t"))
}

/// The first word of a command.
fn name(command: &str) -> &str {
    command.split(' ').find(|word| !word.is_empty()).unwrap_or_default()
}

/// The commands among the arguments: the values of `-c` and `--cmd`.
fn commands(args: &[String]) -> Vec<&str> {
    let mut commands = Vec::new();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if arg == "-c" || arg == "--cmd" {
            commands.extend(args.next().map(String::as_str));
        } else if let Some(joined) = arg.strip_prefix("--cmd=") {
            commands.push(joined);
        } else if let Some(joined) = arg.strip_prefix("-c").filter(|_| !arg.starts_with("--")) {
            commands.push(joined);
        }
    }
    commands
}

/// Whether what qemu-io printed reports a request that failed, data that is not what `read -P` demands, or a
/// command that it did not understand.
pub(crate) fn reports_failure(printed: &str) -> bool {
    // That a breakpoint could not be removed is no failure: one that was met is gone.
    const BEGINNINGS: [&str; 5] = [
        "Could not set breakpoint: ",
        "Could not resume request: ",
        "Parsing error: ",
        "bad argument count ",
        "command \"",
    ];
    printed.lines().any(|line| {
        line.contains(" failed: ")
            || line.starts_with("Pattern verification failed")
            || BEGINNINGS.iter().any(|beginning| line.starts_with(beginning))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_that_is_printed_in_pieces_is_one_report() {
        let whole =
            "wrote 65536/65536 bytes at offset 0\n64 KiB, 1 ops; 00.00 sec (81 MiB/sec and 1304 ops/sec)\n";
        for at in 0..=whole.len() {
            let mut requests = Requests::default();
            let (first, rest) = whole.split_at(at);
            requests.check("qemu-io", "aio_write -P 0x06 0 64k", "").expect("it may come later");
            requests.check("qemu-io", "remove_break a", first).expect("the rest may come later");
            requests.check("qemu-io", "aio_flush", rest).expect("it is whole now");
        }
        let mut requests = Requests::default();
        requests
            .check("qemu-io", "aio_write -P 0x06 0 64k", "wrote 65536/65536 bytes at offset 0\n")
            .expect("later");
        requests.check("qemu-io", "aio_flush", "").expect_err("the number of operations never came");
        requests.check("qemu-io", "flush", "").expect("nothing is open any more");
    }
}
