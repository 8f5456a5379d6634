//! The table: written as Markdown for people, read back to compare.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use iotests::env::ToolKind;

use crate::excuses::Excuses;
use crate::lie::{Demand, Lie, tool_named};

/// What came of one lie of one tool.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) tool: ToolKind,
    pub(crate) lie: Lie,
    /// The trials that the lie was told to. When read back, only those that did not notice are known by name.
    pub(crate) met: BTreeSet<String>,
    pub(crate) unnoticed: BTreeSet<String>,
}

/// All rows, and the QEMU that they were measured with.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) qemu: String,
    pub(crate) rows: Vec<Row>,
}

const HEAD: &str = "# Trials that notice a tool that lies

`LIARS_BLESS=1 cargo test --test liars -- --ignored` writes this file. The bundled cases run over qcow2. A trial has met a lie
if the stand-in really lied to it, and has noticed it if it failed; being skipped is not noticing.
";
/// Below the lies.
const NO_THRESHOLD: &str = "
`digit` has no threshold: the first number that qemu-img prints is rarely the one that a case is about. Where a trial did not notice, that
number was, the most frequent first: the size of the file below an image, which the JSON of `info` puts before that of the image;
`image-end-offset` in the JSON of `check`; the offset at which two images differ, where the case only demands that they do; or a part of
what the case neither logs nor asserts.
";
const QEMU: &str = "Measured with QEMU ";
const SECTION: &str = "### ";

/// The lies that make sense, in the table's order.
pub(crate) fn sensible() -> impl Iterator<Item = (ToolKind, Lie)> {
    let tools =
        [ToolKind::QemuImg, ToolKind::QemuIo, ToolKind::QemuNbd, ToolKind::QemuStorageDaemon, ToolKind::Qemu];
    tools
        .into_iter()
        .flat_map(|tool| Lie::ALL.map(|lie| (tool, lie)))
        .filter(|(tool, lie)| lie.senseless(*tool).is_none())
}

impl Table {
    pub(crate) fn to_markdown(&self, excuses: &mut Excuses) -> String {
        let mut text = format!("{HEAD}\n{QEMU}{}.\n\n", self.qemu);
        text.push_str("| tool | lie | met | noticed | share | excused | demanded of the rest |\n");
        text.push_str("| --- | --- | ---: | ---: | ---: | ---: | --- |\n");
        for Row { tool, lie, met, unnoticed } in &self.rows {
            let (met, noticed) = (met.len(), met.len() - unnoticed.len());
            let share =
                (noticed * 100).checked_div(met).map_or("–".to_owned(), |share| format!("{share} %"));
            let excused = unnoticed.iter().filter(|name| excuses.reason(*tool, *lie, name).is_some()).count();
            let demand = match lie.demand() {
                Demand::All => "all".to_owned(),
                Demand::Percent(least) => format!("{least} %"),
                Demand::AsBefore => "no fewer than here".to_owned(),
            };
            let _ = writeln!(text, "| {tool} | {lie} | {met} | {noticed} | {share} | {excused} | {demand} |");
        }
        text.push_str("\n## The lies\n\n| lie | the tool |\n| --- | --- |\n");
        for lie in Lie::ALL {
            let _ = writeln!(text, "| {lie} | {} |", lie.meaning());
        }
        text.push_str(NO_THRESHOLD);
        text.push_str("\n## Left out\n\n| tool | lie | because it |\n| --- | --- | --- |\n");
        for tool in ToolKind::ALL {
            for lie in Lie::ALL {
                if let Some(why) = lie.senseless(tool) {
                    let _ = writeln!(text, "| {tool} | {lie} | {why} |");
                }
            }
        }
        text.push_str("\n## Trials that did not notice\n");
        for Row { tool, lie, unnoticed, .. } in self.rows.iter().filter(|row| !row.unnoticed.is_empty()) {
            let _ = writeln!(text, "\n{SECTION}{tool}, {lie}\n");
            for name in unnoticed {
                let reason = excuses.reason(*tool, *lie, name).map(|reason| format!(": {reason}"));
                let _ = writeln!(text, "- `{name}`{}", reason.unwrap_or_default());
            }
        }
        text
    }

    /// Reads the file back: the names of those that did not notice, for each lie of each tool.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let text =
            std::fs::read_to_string(path).map_err(|error| format!("read {}: {error}", path.display()))?;
        let qemu = text.lines().find_map(|line| line.strip_prefix(QEMU)?.strip_suffix('.'));
        let qemu = qemu.ok_or_else(|| format!("{} names no QEMU", path.display()))?.to_owned();
        let mut rows: Vec<_> = sensible()
            .map(|(tool, lie)| Row { tool, lie, met: BTreeSet::new(), unnoticed: BTreeSet::new() })
            .collect();
        let mut current = None;
        for line in text.lines() {
            if let Some(title) = line.strip_prefix(SECTION) {
                let named = title
                    .split_once(", ")
                    .and_then(|(tool, lie)| Some((tool_named(tool)?, Lie::named(lie)?)));
                current = rows.iter().position(|row| Some((row.tool, row.lie)) == named);
                if current.is_none() {
                    return Err(format!("{}: no such lie: {title}", path.display()));
                }
            } else if let Some((name, _)) = line.strip_prefix("- `").and_then(|rest| rest.split_once('`'))
                && let Some(row) = current
            {
                rows[row].unnoticed.insert(name.to_owned());
            }
        }
        Ok(Self { qemu, rows })
    }

    /// Whether both were measured with the same QEMU. Another one has other occasions to lie.
    pub(crate) fn is_comparable(&self, kept: &Self) -> bool {
        let same = self.qemu == kept.qemu;
        if !same {
            eprintln!("table.md is that of QEMU {}, this is {}: not compared with it", kept.qemu, self.qemu);
        }
        same
    }

    /// The trials that noticed once and no longer do, or that are new and do not notice.
    pub(crate) fn worse_than(&self, kept: &Self) -> Vec<String> {
        let pairs = self.rows.iter().zip(&kept.rows);
        let worse = pairs.flat_map(|(new, old)| {
            let names = new.unnoticed.difference(&old.unnoticed);
            names.map(|name| {
                format!(
                    "{name} does not notice a {} that lies by {}: {}",
                    new.tool,
                    new.lie,
                    new.lie.meaning()
                )
            })
        });
        worse.collect()
    }

    /// The trials of which the table says that they do not notice, and that do. One that met no lie may have been
    /// skipped: it needs what this machine lacks.
    pub(crate) fn out_of_date(&self, kept: &Self) -> Vec<String> {
        let pairs = self.rows.iter().zip(&kept.rows);
        let better = pairs.flat_map(|(new, old)| {
            let names = old.unnoticed.difference(&new.unnoticed).filter(|name| new.met.contains(*name));
            names.map(|name| {
                format!(
                    "table.md says that {name} does not notice {} of {}, which is no longer so: \
                     write it anew by LIARS_BLESS=1",
                    new.lie, new.tool
                )
            })
        });
        better.collect()
    }

    /// The trials that must notice, do not, and are not excused.
    pub(crate) fn short_of_demand(&self, excuses: &mut Excuses) -> Vec<String> {
        let mut problems = Vec::new();
        for Row { tool, lie, met, unnoticed } in &self.rows {
            let silent: Vec<_> = unnoticed
                .iter()
                .filter(|name| excuses.reason(*tool, *lie, name).is_none())
                .cloned()
                .collect();
            let rest = met.len() - (unnoticed.len() - silent.len());
            let allowed = match lie.demand() {
                Demand::All => 0,
                Demand::Percent(least) => rest * (100 - least) / 100,
                Demand::AsBefore => continue,
            };
            if silent.len() > allowed {
                problems.push(format!(
                    "{tool} {lie}: {} of {rest} trials did not notice, {allowed} may: have them look, or excuse them in excused.txt:\n  {}",
                    silent.len(),
                    silent.join("\n  ")
                ));
            }
        }
        problems
    }
}
