//! The command line, as libtest reads it.

use clap::{Arg, ArgAction, CommandFactory, FromArgMatches};
use libtest_mimic::{Arguments, Trial};

use crate::env::TestEnv;
use crate::error::{Error, Result};

/// The kind of the trials that are left out; no name has brackets, which kinds are put in.
const LEFT_OUT: &str = "left out";

/// What the command line asks for.
#[derive(Clone, Debug)]
pub(crate) struct Args {
    /// The part that libtest-mimic acts on.
    pub(crate) libtest: Arguments,
    /// All name filters, where there is more than the one that libtest-mimic takes.
    filters: Vec<String>,
}

impl Args {
    /// Reads the command line and `RUST_TEST_THREADS`. A mistake is printed and ends the process,
    /// as libtest does.
    pub(crate) fn from_process() -> Result<Self> {
        // libtest takes these, and libtest-mimic does not: further filters, and the newer spelling of
        // --nocapture.
        let command = Arguments::command()
            .arg(Arg::new("more filters").num_args(0..).hide(true))
            .arg(Arg::new("no-capture").long("no-capture").action(ArgAction::SetTrue).hide(true));
        let matches = command.get_matches();
        let mut libtest = Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        let more = matches.get_many::<String>("more filters").unwrap_or_default().cloned();
        let mut filters: Vec<_> = libtest.filter.iter().cloned().chain(more).collect();
        if filters.len() > 1 {
            libtest.filter = None;
        } else {
            filters.clear();
        }
        libtest.test_threads = threads(libtest.test_threads)?;
        Ok(Self { libtest, filters })
    }

    /// The whole names that `--exact` asks for; `None` when other names may match.
    pub(crate) fn exact_names(&self) -> Option<Vec<&str>> {
        if !self.libtest.exact {
            return None;
        }
        let names: Vec<_> = self.libtest.filter.iter().chain(&self.filters).map(String::as_str).collect();
        (!names.is_empty()).then_some(names)
    }

    /// The run of nextest that this process is a part of. nextest asks for each trial by its whole
    /// name; a process without one was started by something that nextest runs.
    pub(crate) fn nextest_run<'e>(&self, env: &'e TestEnv) -> Option<&'e str> {
        env.nextest_run().filter(|_| self.exact_names().is_some())
    }

    /// Whether no filter leaves anything out.
    pub(crate) fn selects_all(&self) -> bool {
        self.libtest.filter.is_none() && self.filters.is_empty() && self.libtest.skip.is_empty()
    }

    /// Whether trials that will be skipped carry libtest's ignored mark. In a plain run they do
    /// not: libtest-mimic prints a reason only for what is skipped while it runs.
    pub(crate) fn marks_ignored(&self) -> bool {
        self.libtest.ignored || self.libtest.include_ignored
    }

    /// How many trials run at a time, as libtest-mimic decides it.
    pub(crate) fn threads(&self) -> usize {
        let all = || std::thread::available_parallelism().map_or(1, usize::from);
        self.libtest.test_threads.unwrap_or_else(all)
    }

    /// Whether more than one trial runs at a time.
    pub(crate) fn is_parallel(&self) -> bool {
        self.libtest.test_threads != Some(1)
    }

    /// Marks a trial that no filter selects, for libtest-mimic, which takes one filter alone, to leave out and count.
    pub(crate) fn mark(&self, trial: Trial) -> Trial {
        if self.select(trial.name()) { trial } else { trial.with_kind(LEFT_OUT) }
    }

    /// The same way of running, with nothing left out but what is marked.
    pub(crate) fn of_marked(&self) -> Arguments {
        let skip = vec![format!("[{LEFT_OUT}] ")];
        Arguments { filter: None, skip, exact: false, ..self.libtest.clone() }
    }

    /// Whether a trial of this name is listed or run, as far as names decide that.
    pub(crate) fn select(&self, name: &str) -> bool {
        let mut filters = self.libtest.filter.iter().chain(&self.filters).peekable();
        (filters.peek().is_none() || filters.any(|filter| self.matches(filter, name)))
            && !self.libtest.skip.iter().any(|filter| self.matches(filter, name))
    }

    /// The filters that match none of these names.
    pub(crate) fn unmatched(&self, names: &[String]) -> Vec<&str> {
        let filters = self.libtest.filter.iter().chain(&self.filters).map(String::as_str);
        filters.filter(|filter| !names.iter().any(|name| self.matches(filter, name))).collect()
    }

    fn matches(&self, filter: &str, name: &str) -> bool {
        if self.libtest.exact { name == filter } else { name.contains(filter) }
    }

    /// The same way of printing, with nothing left out.
    pub(crate) fn unfiltered(&self) -> Arguments {
        Arguments { filter: None, skip: Vec::new(), exact: false, ignored: false, ..self.libtest.clone() }
    }
}

fn threads(option: Option<usize>) -> Result<Option<usize>> {
    let bad = |name: &str, value: String| Error::Variable {
        name: name.to_owned(),
        value,
        expected: "a number of threads, at least 1".to_owned(),
    };
    match option {
        Some(0) => Err(Error::Setup("--test-threads is 0: expected at least 1".to_owned())),
        Some(count) => Ok(Some(count)),
        None => match std::env::var("RUST_TEST_THREADS") {
            Err(_) => Ok(None),
            Ok(text) => match text.parse() {
                Ok(count) if count > 0 => Ok(Some(count)),
                _ => Err(bad("RUST_TEST_THREADS", text)),
            },
        },
    }
}
