//! What is printed about a finding: the operations, a script that repeats them on QEMU, and Rust that repeats
//! them on the library.

use std::fmt;
use std::path::PathBuf;

use super::finding::Finding;
use super::image::Image;
use super::op::Op;
use super::script;

/// A finding, with the shortest sequence that shows it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// The name of the oracle.
    pub name: String,
    /// The seed of the sequence that showed it first.
    pub seed: u64,
    /// How large the disk is at first.
    pub size: u64,
    /// The operations that are left.
    pub ops: Vec<Op>,
    /// What goes wrong.
    pub finding: Finding,
    /// The kind of image on which it does.
    pub image: Image,
    /// Where it is kept.
    pub kept: Option<PathBuf>,
}

impl Report {
    pub(super) fn kept_in(mut self, path: PathBuf) -> Self {
        self.kept = Some(path);
        self
    }

    /// The sequence as a script case, which does on QEMU what the library did.
    pub fn script(&self) -> String {
        let finding = self.finding.to_string();
        let summary = finding.lines().next().unwrap_or_default();
        let about = format!("# {summary}\n# Found by seed {} of {}.\n", self.seed, self.name);
        script::script(&about, &self.image, self.size, &self.ops)
    }

    /// The sequence as Rust, to be given to the same oracle.
    pub fn rust(&self) -> String {
        let ops: String = self.ops.iter().map(|op| format!("    Op::{op:?},\n")).collect();
        format!("// Seed {} of {}.\noracle.size({}).replay(&[\n{ops}])?;\n", self.seed, self.name, self.size)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.finding)?;
        writeln!(f, "\non a disk of {} bytes, after", self.size)?;
        for op in &self.ops {
            writeln!(f, "    {op}")?;
        }
        writeln!(f, "\nas a script, for QEMU:\n\n{}", self.script())?;
        writeln!(f, "as Rust:\n\n{}", self.rust())?;
        write!(f, "seed: {}", self.seed)?;
        match &self.kept {
            Some(path) => {
                write!(f, "\nkept: {} (tried first the next time; remove it to forget it)", path.display())
            }
            None => Ok(()),
        }
    }
}
