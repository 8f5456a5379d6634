//! Takes typed values out of a set of variables and notes everything that is wrong with them, so
//! that all of it is reported at once.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::similar::similar_word;
use super::values;
use super::variables::{self, PREFIX, VARIABLES};
use crate::error::Error;

/// Set by the machine or by what runs tests, whatever is run there.
const OF_THE_HOST: &[&str] = &["CI", "NEXTEST_RUN_ID", "NO_COLOR", "PATH", "TMPDIR", "USER"];

/// Variables being read. A variable that is set but empty is as good as unset.
pub(super) struct Reader {
    vars: BTreeMap<OsString, OsString>,
    asked: Vec<&'static str>,
    errors: Vec<Error>,
}

impl Reader {
    pub(super) fn new(vars: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let vars = vars.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        Self { vars, asked: Vec::new(), errors: Vec::new() }
    }

    /// The value as it is.
    pub(super) fn raw(&mut self, name: &'static str) -> Option<OsString> {
        self.asked.push(name);
        self.vars.get(OsStr::new(name)).cloned()
    }

    /// The value as `parse` reads it. `None` from `parse` is an error, which quotes the table.
    pub(super) fn parsed<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let raw = self.raw(name)?;
        let value = raw.to_str().and_then(parse);
        if value.is_none() {
            self.refuse(name, &raw, variables::find(name).map_or("", |variable| variable.allowed));
        }
        value
    }

    pub(super) fn text(&mut self, name: &'static str) -> Option<String> {
        self.parsed(name, |text| Some(text.to_owned()))
    }

    /// Words with blanks between them. (The seed splits at every single blank, which makes an empty
    /// argument of a double one; nobody wants those.)
    pub(super) fn words(&mut self, name: &'static str) -> Option<Vec<String>> {
        let words: Option<Vec<_>> =
            self.parsed(name, |text| Some(text.split_whitespace().map(str::to_owned).collect()));
        words.filter(|words| !words.is_empty())
    }

    /// A path, made absolute.
    pub(super) fn path(&mut self, name: &'static str) -> Option<PathBuf> {
        let raw = self.raw(name)?;
        match std::path::absolute(&raw) {
            Ok(path) => Some(path),
            Err(error) => {
                self.refuse(name, &raw, &format!("a path that can be made absolute: {error}"));
                None
            }
        }
    }

    /// A path where there must be a directory already.
    pub(super) fn directory(&mut self, name: &'static str) -> Option<PathBuf> {
        let path = self.path(name)?;
        if let Err(expected) = super::dirs::exists(&path) {
            self.refuse(name, path.as_os_str(), &expected);
        }
        Some(path)
    }

    pub(super) fn one_of(&mut self, name: &'static str, allowed: &[&'static str]) -> Option<&'static str> {
        self.parsed(name, |text| allowed.iter().copied().find(|word| *word == text))
    }

    /// Names with commas between them, each of them one of these, and not `generic`.
    pub(super) fn names(&mut self, name: &'static str, known: &[&'static str]) -> Vec<String> {
        let names = self.parsed(name, values::parse_names).unwrap_or_default();
        let known: Vec<_> = known.iter().copied().filter(|word| *word != "generic").collect();
        for wrong in names.iter().filter(|one| !known.contains(&one.as_str())) {
            let hint = similar_word(wrong, &known).map(|hint| format!("; {hint}")).unwrap_or_default();
            self.refuse(name, wrong, &format!("some of {}{hint}", known.join(", ")));
        }
        names
    }

    /// A switch that is off when unset, and in one of two states when set.
    pub(super) fn switch(&mut self, name: &'static str, [on, off]: [&'static str; 2]) -> Option<bool> {
        self.one_of(name, &[on, off]).map(|word| word == on)
    }

    /// Notes a bad value.
    pub(super) fn refuse(&mut self, name: &str, value: impl AsRef<OsStr>, expected: &str) {
        self.errors.push(Error::Variable {
            name: name.to_owned(),
            value: value.as_ref().to_string_lossy().into_owned(),
            expected: expected.to_owned(),
        });
    }

    /// Notes every variable of ours that does not exist.
    pub(super) fn refuse_unknown(&mut self) {
        let unknown: Vec<_> = self
            .vars
            .iter()
            .map(|(name, value)| (name.to_string_lossy().into_owned(), value.clone()))
            .filter(|(name, _)| name.starts_with(PREFIX) && !variables::is_known(name))
            .collect();
        let ours = VARIABLES.iter().map(|variable| variable.name).filter(|name| name.starts_with(PREFIX));
        for (name, value) in unknown {
            let hint = similar_word(&name, ours.clone()).map(|hint| format!("; {hint}")).unwrap_or_default();
            self.refuse(&name, value, &format!("it to be unset, for there is no such variable{hint}"));
        }
    }

    /// The variables of the table that were set to steer the tests, in its order.
    pub(super) fn given(&self) -> Vec<(&'static str, OsString)> {
        let ours = VARIABLES.iter().map(|variable| variable.name).filter(|name| !OF_THE_HOST.contains(name));
        ours.filter_map(|name| Some((name, self.vars.get(OsStr::new(name))?.clone()))).collect()
    }

    /// The names that were asked for.
    #[cfg(test)]
    pub(super) fn asked(&self) -> &[&'static str] {
        &self.asked
    }

    /// Everything that was wrong.
    pub(super) fn into_errors(self) -> Vec<Error> {
        self.errors
    }
}

/// Looks a program up the way a shell does: a name with a slash is a path, any other is searched
/// for on `path`.
pub(super) fn find_program(name: &Path, path: &[PathBuf]) -> Option<PathBuf> {
    let runs =
        |file: &PathBuf| file.is_file() && nix::unistd::access(file, nix::unistd::AccessFlags::X_OK).is_ok();
    if name.components().count() > 1 || name.is_absolute() {
        return std::path::absolute(name).ok().filter(runs);
    }
    path.iter().map(|dir| dir.join(name)).find(runs)
}
