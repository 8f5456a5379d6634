//! The end of a run, also by a signal: what has run goes into the history and the reports.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Instant;

use super::args::Args;
use super::history::History;
use super::outcome::{Outcome, Record};
use super::printing::{failed, say};
use super::report;
use super::shared::Run;
use crate::error::Error;

/// What a run needs at its end, whenever that is.
#[derive(Clone, Debug)]
pub(super) struct Ending {
    /// The command line.
    pub(super) args: Args,
    /// Where the history and kept files are.
    pub(super) base: PathBuf,
    /// Whose history it is.
    pub(super) id: String,
    /// When the run began.
    pub(super) start: Instant,
}

impl Ending {
    /// Remembers and reports what has run, and forgets the trials for which `exists`, if given, is false. Returns
    /// everything that could not be written.
    pub(super) fn conclude(&self, run: &Run, exists: Option<&dyn Fn(&str) -> bool>) -> Vec<Error> {
        let Some(records) = records(run) else {
            // The thread that ends the process has taken them; by then it has reported them.
            run.stop_here_if_stopping();
            return Vec::new();
        };
        self.write(run, &records, true, exists)
    }

    /// The same in the middle of a run. libtest would have printed the failures at its end.
    pub(super) fn interrupt(&self, run: &Run) {
        let Some(records) = records(run).filter(|records| !records.is_empty()) else { return };
        let mut text = String::new();
        for record in &records {
            if let Outcome::Failed(report) = &record.outcome {
                let _ = write!(text, "\n\n---- {} ----\n{}", record.name, report.printed.trim_end());
            }
        }
        say(format_args!("{text}\n\niotests: interrupted; of what had run by then:"));
        for error in self.write(run, &records, false, None) {
            let _ = failed(&error);
        }
    }

    fn write(
        &self,
        run: &Run,
        records: &[Record],
        is_whole: bool,
        exists: Option<&dyn Fn(&str) -> bool>,
    ) -> Vec<Error> {
        let elapsed = self.start.elapsed();
        let remembered = History::add(&self.base, &self.id, records, exists);
        let remembered = remembered.map(|gone| gone.iter().for_each(|name| run.kept.remove(name)));
        let not_written = report::write(run, &self.args, &self.base, records, elapsed, is_whole);
        remembered.err().into_iter().chain(not_written).collect()
    }
}

fn records(run: &Run) -> Option<Vec<Record>> {
    let mut records = run.take_records()?;
    records.sort_by(|a, b| a.name.cmp(&b.name));
    Some(records)
}
