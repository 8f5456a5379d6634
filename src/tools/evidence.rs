//! What a tool must show before its success is believed: exit status 0 alone proves nothing.

use serde_json::Value;

use super::footprint::Footprints;
use super::io_request::{self, reports_failure};
use crate::env::ToolKind;
use crate::error::{Error, Result};
use crate::process::{Output, Status};

/// What a subcommand of qemu-img shows once it has done its work.
struct Proof {
    command: &'static str,
    /// Beginnings of lines that it prints, all of them.
    lines: &'static [&'static str],
    /// Numbers in what it prints as JSON, in each object of a list.
    numbers: &'static [&'static str],
    /// Whether it changes a file that its command line names.
    changes: bool,
}

const fn says(command: &'static str, lines: &'static [&'static str]) -> Proof {
    Proof { command, lines, numbers: &[], changes: false }
}

const fn changes(command: &'static str) -> Proof {
    Proof { changes: true, ..says(command, &[]) }
}

/// Every subcommand. `snapshot -l` prints nothing where there is none, so a case looks at its output itself.
const PROOFS: [Proof; 15] = [
    changes("amend"),
    says("bench", &["Run completed in "]),
    changes("bitmap"),
    Proof { numbers: &["check-errors"], ..says("check", &["No errors were found on the image."]) },
    says("commit", &["Image committed."]),
    says("compare", &["Images are identical."]),
    changes("convert"),
    Proof { changes: true, ..says("create", &["Formatting '"]) },
    changes("dd"),
    Proof { numbers: &["virtual-size"], ..says("info", &["image: ", "file format: ", "virtual size: "]) },
    says("map", &["Offset "]),
    Proof {
        numbers: &["required", "fully-allocated"],
        ..says("measure", &["required size: ", "fully allocated size: "])
    },
    changes("rebase"),
    says("resize", &["Image resized."]),
    changes("snapshot"),
];

/// What a tool was asked to do: its kind, and its arguments without those of the environment.
#[derive(Debug)]
pub(super) struct Asked {
    kind: ToolKind,
    args: Vec<String>,
    before: Option<Footprints>,
}

impl Asked {
    /// Notes what is to be done, before it is.
    pub(super) fn new(kind: ToolKind, args: &[String]) -> Self {
        let asked = Self { kind, args: args.to_vec(), before: None };
        let before = asked.changes_a_file().then(|| Footprints::before(args));
        Self { before, ..asked }
    }

    /// Judges how the tool ended: a bad exit status, or a failure that it reports, is [`Error::Tool`]; death by a
    /// signal [`Error::Crash`]; and a success or a failure without evidence [`Error::NoEvidence`].
    pub(super) fn judge(&self, output: Output) -> Result<Output> {
        match output.status {
            Status::Signalled(_) => {
                Err(Error::Crash { program: self.kind.name().to_owned(), output: Box::new(output) })
            }
            Status::Exited(0) if self.kind == ToolKind::QemuIo && reports_failure(&output.stdout) => {
                if io_request::any_async(&self.args) {
                    return Err(Error::Tool(Box::new(output)));
                }
                Err(self.lacks(&output, io_request::BAD_STATUS))
            }
            Status::Exited(0) => self.prove(&output).map(|()| output),
            Status::Exited(_) if output.text().trim().is_empty() => {
                Err(self.lacks(&output, "a message that says why it failed"))
            }
            Status::Exited(_) => Err(Error::Tool(Box::new(output))),
        }
    }

    /// Which tool it is.
    pub(super) fn kind(&self) -> ToolKind {
        self.kind
    }

    /// Whether it is to create an image, whose only output is one line.
    pub(super) fn creates(&self) -> bool {
        self.proof().is_some_and(|proof| proof.command == "create")
    }

    fn prove(&self, output: &Output) -> Result<()> {
        let printed = &output.stdout;
        match (self.kind, self.proof()) {
            (ToolKind::QemuIo, _) => io_request::check_run(&output.command, &self.args, printed)?,
            (ToolKind::QemuNbd, _) if !lists_exports(printed) => {
                return Err(self.lacks(output, "\"exports available: \", a number, and so many exports"));
            }
            (_, Some(proof)) if self.wants_json() => {
                // A warning may come before it.
                let start = printed.lines().take_while(|line| !line.starts_with(['{', '[']));
                let start: usize = start.map(|line| line.len() + 1).sum();
                let value = serde_json::from_str(printed.get(start..).unwrap_or_default());
                let value = value.map_err(|error| self.lacks(output, &format!("JSON ({error})")))?;
                self.prove_json(proof, output, &value)?;
            }
            (_, Some(proof)) => {
                if let Some(missing) = proof.lines.iter().find(|line| !begins_a_line(printed, line)) {
                    let silenced = self.args.iter().any(|arg| arg == "-q" || arg == "--quiet");
                    let advice = if silenced { "; leave -q out, which silences it" } else { "" };
                    return Err(self.lacks(output, &format!("a line that begins with {missing:?}{advice}")));
                }
            }
            (_, None) if output.text().trim().is_empty() => return Err(self.lacks(output, "any output")),
            (_, None) => {}
        }
        match &self.before {
            Some(before) if !before.any_changed() => {
                Err(self.lacks(output, "one of the files that it names to have changed, and not to be empty"))
            }
            _ => Ok(()),
        }
    }

    /// Demands the numbers that a subcommand prints as JSON, whatever its exit status.
    pub(super) fn prove_value(&self, output: &Output, value: &Value) -> Result<()> {
        self.proof().map_or(Ok(()), |proof| self.prove_json(proof, output, value))
    }

    fn prove_json(&self, proof: &Proof, output: &Output, value: &Value) -> Result<()> {
        let objects = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        let missing = |key: &&&str| objects.is_empty() || objects.iter().any(|one| !one[**key].is_number());
        if let Some(key) = proof.numbers.iter().find(missing) {
            return Err(self.lacks(output, &format!("{key:?} to be a number")));
        }
        if proof.command == "map" && !follow_one_another(objects, (!self.starts_within()).then_some(0)) {
            return Err(self.lacks(output, "extents that follow one another, from 0 on unless `-s` is given"));
        }
        Ok(())
    }

    /// What proves the subcommand; of a call for help, any output does.
    fn proof(&self) -> Option<&'static Proof> {
        let asks_for_help =
            self.args.iter().any(|arg| matches!(arg.as_str(), "help" | "?" | "-h" | "--help"));
        let command = self.args.first().filter(|_| self.kind == ToolKind::QemuImg && !asks_for_help)?;
        PROOFS.iter().find(|proof| proof.command == command)
    }

    fn wants_json(&self) -> bool {
        let pairs = self.args.iter().zip(self.args.iter().skip(1));
        self.args.iter().any(|arg| arg == "--output=json")
            || pairs.into_iter().any(|(option, value)| option == "--output" && value == "json")
    }

    /// Whether it is to look at an image from some offset on.
    fn starts_within(&self) -> bool {
        self.args.iter().any(|arg| arg == "-s" || arg.starts_with("--start-offset"))
    }

    /// Whether it must change a file that can be looked at: some are reached by other names than paths.
    fn changes_a_file(&self) -> bool {
        let has_arg = |wanted: fn(&str) -> bool| self.args.iter().any(|arg| wanted(arg));
        let elsewhere = has_arg(|arg| arg.ends_with("image-opts") || names_protocol(arg));
        let changes = match self.kind {
            ToolKind::QemuIo => io_request::truncates(&self.args),
            _ => self.proof().is_some_and(|proof| {
                proof.changes && !(proof.command == "snapshot" && has_arg(|arg| arg == "-l"))
            }),
        };
        changes && !elsewhere
    }

    fn lacks(&self, output: &Output, expected: &str) -> Error {
        Error::no_evidence(self.kind.name(), &output.command, expected.to_owned(), &output.text())
    }
}

fn begins_a_line(text: &str, beginning: &str) -> bool {
    text.lines().any(|line| line.starts_with(beginning))
}

/// Whether the extents of a map follow one another, from this offset on if it is known.
fn follow_one_another(extents: &[Value], mut next: Option<u64>) -> bool {
    extents.iter().all(|extent| {
        let (start, length) = (extent["start"].as_u64(), extent["length"].as_u64());
        let follows = next.is_none() || next == start;
        next = start.zip(length).and_then(|(start, length)| start.checked_add(length));
        follows && next.is_some()
    })
}

/// Whether qemu-nbd says how many exports there are, and lists as many.
fn lists_exports(text: &str) -> bool {
    let count = text.lines().find_map(|line| line.strip_prefix("exports available: ")?.parse().ok());
    count == Some(text.lines().filter(|line| line.starts_with(" export: ")).count())
}

/// Whether a word is a file name with a protocol, such as `nbd://host` or `json:{…}`.
fn names_protocol(word: &str) -> bool {
    let word = word.strip_prefix("of=").unwrap_or(word);
    word.split_once(':').is_some_and(|(scheme, _)| {
        !scheme.is_empty()
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    })
}
