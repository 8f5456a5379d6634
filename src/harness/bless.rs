//! Blessing: references are written anew, but none that another trial of the run has just agreed with,
//! or written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::diff;
use super::name::TrialName;
use super::nextest::Notes;
use super::reference::{self, Location};
use crate::error::{Error, Result};

/// What the trials of a run have logged that ran to their end, by reference and trial.
#[derive(Debug)]
pub(super) struct Blessing {
    logged: Mutex<BTreeMap<(PathBuf, TrialName), String>>,
    /// Where the project's references are.
    references: PathBuf,
    /// Where other processes of the run have theirs, and what it is called.
    shared: Option<(PathBuf, String)>,
}

#[derive(Serialize, Deserialize)]
struct Logged {
    reference: PathBuf,
    trial: TrialName,
    text: String,
}

impl Blessing {
    /// For the trials of this process, or of the run of nextest that it is a part of; `base` is where the
    /// harness keeps what it remembers, `references` where those of the project are.
    pub(super) fn new(base: &Path, references: PathBuf, nextest_run: Option<&str>) -> Self {
        let shared = nextest_run.map(|id| (base.to_owned(), id.to_owned()));
        Self { logged: Mutex::default(), references, shared }
    }

    /// Notes that `trial` logged what the reference at `path` says.
    pub(super) fn agree(&self, trial: &TrialName, path: &Path, text: &str) -> Result<()> {
        self.note(trial, path, text, || Ok(()))
    }

    /// Makes the reference at `path` say what `trial` logged: `text`, which is `bytes` in the file.
    pub(super) fn write(&self, trial: &TrialName, path: &Path, text: &str, bytes: &[u8]) -> Result<()> {
        self.note(trial, path, text, || reference::write(path, bytes))
    }

    fn note(
        &self,
        trial: &TrialName,
        path: &Path,
        text: &str,
        write: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        let notes = self.shared.as_ref().map(|(base, id)| Notes::open(base, id, ".blessed")).transpose()?;
        if let Some(notes) = &notes {
            let all = notes.read()?.into_iter();
            *logged = all.map(|Logged { reference, trial, text }| ((reference, trial), text)).collect();
        }
        let differs = |((reference, other), theirs): &(&(PathBuf, TrialName), &String)| {
            reference == path && other != trial && !diff::same(theirs, text)
        };
        if let Some(((_, other), _)) = logged.iter().find(differs) {
            return Err(Error::Setup(format!(
                "{} is what {other} logged in this run, and {trial} logged something else\nwhat to do: create an empty \
                 file for the variant that differs, such as {}, and bless again",
                path.display(),
                self.variant(trial, other)
            )));
        }
        write()?;
        if let Some(notes) = &notes {
            let (reference, trial, text) = (path.to_owned(), trial.clone(), text.to_owned());
            notes.add(&[Logged { reference, trial, text }])?;
        }
        logged.insert((path.to_owned(), trial.clone()), text.to_owned());
        Ok(())
    }

    /// A reference that `trial` may have for itself, where it shares one with `other`.
    fn variant(&self, trial: &TrialName, other: &TrialName) -> String {
        let own = || Location::new(self.references.clone(), &trial.test).own_path();
        match (trial.test != other.test).then(own).flatten() {
            Some(path) => path.display().to_string(),
            None => "<test>.<format>.out (in QEMU's own suite <test>.out.<format>)".to_owned(),
        }
    }
}
