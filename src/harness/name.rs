//! What a trial is: its test, and the point of the matrix that the test runs at.
//!
//! Everything that names a trial is made here: what is listed and selected, references, kept files, reports. Nothing
//! here knows what a suite or a run is.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::context::Params;

/// The protocol that names do not mention.
const PLAIN_PROTOCOL: &str = "file";

/// What separates the test from the point of the matrix.
const MATRIX: &str = "::";

/// A test, with one of its parameters: what of a trial does not depend on `IMGFMT` and `IMGPROTO`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct TestName {
    /// Path of the case file below the case directory, without the extension.
    pub(crate) case: String,
    /// The fixture; empty for none, and for one without a name.
    pub(crate) fixture: String,
    /// The test; empty where the case is one test, such as a script.
    pub(crate) test: String,
    /// The parameter.
    pub(crate) param: Option<String>,
}

/// A trial: a test at one point of the matrix. In order, the trials of a case stand together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct TrialName {
    /// The test.
    pub(crate) test: TestName,
    /// The image format.
    pub(crate) imgfmt: String,
    /// The protocol.
    pub(crate) imgproto: String,
}

impl TestName {
    /// A test that is a whole case.
    pub(crate) fn of_case(case: &str) -> Self {
        Self { case: case.to_owned(), fixture: String::new(), test: String::new(), param: None }
    }

    /// Path of the references that all parameters share, below the directory of references and without an ending.
    pub(crate) fn shared_stem(&self) -> String {
        self.parts().collect::<Vec<_>>().join("/")
    }

    /// The same of the references that are this parameter's alone, if it has one.
    pub(crate) fn own_stem(&self) -> Option<String> {
        self.param.is_some().then(|| self.to_string())
    }

    fn parts(&self) -> impl Iterator<Item = &str> {
        [&self.case, &self.fixture, &self.test]
            .into_iter()
            .map(String::as_str)
            .filter(|part| !part.is_empty())
    }
}

/// `<case>[/<fixture>][/<test>][/<parameter>]`.
impl fmt::Display for TestName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        join(f, self.parts().chain(self.param.as_deref()), "/")
    }
}

impl TrialName {
    /// This test at this point of the matrix.
    pub(crate) fn new(test: TestName, imgfmt: &str, imgproto: &str) -> Self {
        Self { test, imgfmt: imgfmt.to_owned(), imgproto: imgproto.to_owned() }
    }

    /// What the trial's context is given.
    pub(crate) fn params(&self) -> Params {
        Params {
            imgfmt: self.imgfmt.clone(),
            imgproto: self.imgproto.clone(),
            param: self.test.param.clone(),
        }
    }

    /// Where its files are, in a directory for those of all trials: kept ones, and with an ending `.notrun` and
    /// `.casenotrun` files. No two trials have the same. There is no colon in it, which would make QEMU take what is
    /// before it for a protocol.
    pub(crate) fn kept_path(&self) -> PathBuf {
        place_of(&self.to_string())
    }

    /// As unittest names a test: first itself, then where it belongs.
    pub(crate) fn description(&self) -> String {
        let TestName { case, fixture, test, param } = &self.test;
        let within = [Some(fixture), Some(test), param.as_ref()];
        let within: Vec<_> = within.into_iter().flatten().filter(|part| !part.is_empty()).cloned().collect();
        let itself = if within.is_empty() { case.clone() } else { within.join("/") };
        format!("{itself}{} ({})", self.point(), case.replace('/', "."))
    }

    /// What the names of all trials of this test begin with, and those of no other.
    pub(crate) fn test_prefix(&self) -> String {
        format!("{}{MATRIX}", self.test)
    }

    fn point(&self) -> String {
        let protocol = Some(self.imgproto.as_str()).filter(|name| *name != PLAIN_PROTOCOL);
        [self.imgfmt.as_str()].into_iter().chain(protocol).map(|part| format!("{MATRIX}{part}")).collect()
    }
}

/// `<test>::<format>[::<protocol>]`, under which the trial is listed and selected.
impl fmt::Display for TrialName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.test, self.point())
    }
}

/// A trial's name as somebody wrote it, on the command line or in an earlier run. Which trial it is, only the suites
/// can say: it does not show where the case's path ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WrittenName<'n> {
    /// The test, with its parameter.
    pub(crate) test: &'n str,
    /// The image format, if one is named.
    pub(crate) imgfmt: Option<&'n str>,
    /// The protocol.
    pub(crate) imgproto: &'n str,
}

impl<'n> WrittenName<'n> {
    /// Takes a name apart.
    pub(crate) fn parse(name: &'n str) -> Self {
        let mut parts = name.split(MATRIX);
        Self {
            test: parts.next().unwrap_or_default(),
            imgfmt: parts.next(),
            imgproto: parts.next().unwrap_or(PLAIN_PROTOCOL),
        }
    }

    /// Every path that may be that of the case, or of a test which shares a reference with this one: up to each slash
    /// and dot, and the whole.
    pub(crate) fn case_paths(self) -> impl Iterator<Item = &'n str> {
        let ends = self.test.match_indices(['/', '.']).map(|(at, _)| at);
        ends.chain([self.test.len()]).map(move |end| &self.test[..end])
    }
}

/// Where the files of a trial are kept that had this name in an earlier run: see [`TrialName::kept_path`].
pub(crate) fn place_of(name: &str) -> PathBuf {
    Path::new(&name.replace(MATRIX, ".")).to_owned()
}

fn join<'p>(
    f: &mut fmt::Formatter<'_>,
    parts: impl Iterator<Item = &'p str>,
    separator: &str,
) -> fmt::Result {
    for (index, part) in parts.enumerate() {
        f.write_str(if index == 0 { "" } else { separator })?;
        f.write_str(part)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(parts: [&str; 3], param: Option<&str>, imgproto: &str) -> TrialName {
        let [case, fixture, test] = parts.map(str::to_owned);
        TrialName::new(TestName { case, fixture, test, param: param.map(str::to_owned) }, "raw", imgproto)
    }

    #[test]
    fn a_name_has_the_parts_that_there_are() {
        for (trial, name, description) in [
            (trial(["a/b", "", ""], None, "file"), "a/b::raw", "a/b::raw (a.b)"),
            (trial(["a/b", "", ""], Some("1M"), "nbd"), "a/b/1M::raw::nbd", "1M::raw::nbd (a.b)"),
            (trial(["a", "f", "t"], None, "file"), "a/f/t::raw", "f/t::raw (a)"),
            (trial(["a", "", "t"], Some("p"), "file"), "a/t/p::raw", "t/p::raw (a)"),
        ] {
            assert_eq!((trial.to_string().as_str(), trial.description().as_str()), (name, description));
        }
    }

    #[test]
    fn files_are_named_after_their_trial() {
        let trial = trial(["a", "f", "t"], Some("1.5M"), "nbd");
        assert_eq!(trial.test.shared_stem(), "a/f/t");
        assert_eq!(trial.test.own_stem().as_deref(), Some("a/f/t/1.5M"));
        assert_eq!(trial.kept_path(), Path::new("a/f/t/1.5M.raw.nbd"));
    }

    #[test]
    fn the_trials_of_a_case_stand_together() {
        let mut trials = [
            trial(["a", "", "d"], None, "file"),
            trial(["a/b", "", "c"], None, "file"),
            trial(["a", "", "a"], None, "file"),
        ];
        trials.sort();
        assert_eq!(trials.map(|trial| trial.to_string()), ["a/a::raw", "a/d::raw", "a/b/c::raw"]);
    }

    #[test]
    fn a_written_name_is_taken_apart() {
        let written = WrittenName::parse("a/t/1.5M::qcow2::nbd");
        assert_eq!((written.test, written.imgfmt, written.imgproto), ("a/t/1.5M", Some("qcow2"), "nbd"));
        assert_eq!(written.case_paths().collect::<Vec<_>>(), ["a", "a/t", "a/t/1", "a/t/1.5M"]);
        let plain = WrittenName::parse("030");
        assert_eq!((plain.test, plain.imgfmt, plain.imgproto), ("030", None, "file"));
    }
}
