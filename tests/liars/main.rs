//! Whether trials notice a tool that lies.
//!
//! This program is two: started as a test it runs the bundled cases, over qcow2, with stand-ins for QEMU's tools;
//! started as one of these it is the stand-in, which has the real tool do the work and lies about it. For each lie
//! and each tool, `table.md` holds how many trials met the lie, how many of these noticed, and the names of the others,
//! with the reason (`excused.txt`) why they cannot.
//!
//!     cargo test --test liars                            a sample, in seconds
//!     cargo test --test liars -- --ignored               all of it, in minutes; compares with the table
//!     LIARS_BLESS=1 cargo test --test liars -- --ignored writes the table
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod excuses;
mod lie;
mod stand_in;
mod suite;
mod table;
#[path = "../support/target.rs"]
#[expect(dead_code, reason = "only the search for the target is needed")]
mod target;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use iotests::env::ToolKind;
use libtest_mimic::{Arguments, Failed, Trial};

use excuses::Excuses;
use lie::Lie;
use suite::{Cases, Suite};
use table::{Row, Table};

/// Trials of each tool, of few seconds.
const SAMPLE: [&str; 6] =
    ["compare", "io/patterns", "commit/offline", "nbd/read_write", "qsd/", "vm/commands/error"];

fn main() -> ExitCode {
    if let Some((tool, real)) = stand_in::role() {
        stand_in::run(tool, &real);
    }
    let trials = vec![
        Trial::test("changes_of_output", || {
            stand_in::changes_of_output();
            Ok(())
        }),
        Trial::test("sample_notices_as_the_table_says", sample),
        Trial::test("all_notice_as_the_table_says", all).with_ignored_flag(true),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn own(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/liars").join(file)
}

fn sample() -> Result<(), Failed> {
    let suite = Suite::new();
    let fresh = measure(&suite, &Cases::Of(SAMPLE.to_vec()));
    let kept = Table::read(&own("table.md"))?;
    let mut problems = if fresh.is_comparable(&kept) { fresh.worse_than(&kept) } else { Vec::new() };
    // Whatever the table holds: a lie that nobody meets, or that nobody can notice, would be a fault of the test's own.
    for tool in ToolKind::ALL {
        if fresh.rows.iter().filter(|row| row.tool == tool).all(|row| row.met.len() == row.unnoticed.len()) {
            problems.push(format!("no trial of the sample noticed any lie of {tool}"));
        }
    }
    conclude(problems)
}

fn all() -> Result<(), Failed> {
    let suite = Suite::new();
    let fresh = measure(&suite, &Cases::All);
    let mut excuses = Excuses::read(&own("excused.txt"))?;
    let mut problems = fresh.short_of_demand(&mut excuses);
    problems.extend(excuses.unused());
    let path = own("table.md");
    if std::env::var_os("LIARS_BLESS").is_some() {
        std::fs::write(&path, fresh.to_markdown(&mut excuses))
            .map_err(|error| format!("write {}: {error}", path.display()))?;
        eprintln!("blessed {}", path.display());
    } else {
        let kept = Table::read(&path)?;
        if fresh.is_comparable(&kept) {
            problems.extend(fresh.worse_than(&kept));
            problems.extend(fresh.out_of_date(&kept));
        }
    }
    conclude(problems)
}

/// Runs the cases once with honest stand-ins, and once for each lie of each tool.
fn measure(suite: &Suite, cases: &Cases) -> Table {
    let occasions = suite.honest(cases);
    let mut rows = Vec::new();
    for (tool, lie) in table::sensible() {
        let names = occasions.of(tool, if lie == Lie::VersionOnly { Lie::NoWork } else { lie });
        let told = suite.lying(tool, lie, names);
        eprintln!(
            "{tool} {lie}: {} met, {} did not notice, {:.0} s",
            told.met.len(),
            told.unnoticed.len(),
            told.seconds
        );
        rows.push(Row { tool, lie, met: told.met, unnoticed: told.unnoticed });
    }
    Table { qemu: suite.version(), rows }
}

fn conclude(problems: Vec<String>) -> Result<(), Failed> {
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n").into()) }
}
