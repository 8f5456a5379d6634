//! References: which one holds at a point of the matrix, whether the log is what it says, and
//! writing it anew.

use std::fmt;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::diff;
use crate::env::Version;
use crate::error::{Error, Result};

/// Ending of every reference.
pub(super) const EXTENSION: &str = ".out";
/// Variant for `CACHEMODE=none`.
pub(super) const NOCACHE: &str = "nocache";

/// What of the environment a reference may depend on. The last two cost a look at QEMU, so they
/// are asked for only when there is such a reference.
pub(super) struct Point<'a> {
    /// Whether the cache mode is `none`.
    pub(super) nocache: bool,
    /// The format under test.
    pub(super) imgfmt: &'a str,
    /// QEMU's default machine.
    pub(super) machine: &'a dyn Fn() -> Result<String>,
    /// QEMU's version.
    pub(super) version: &'a dyn Fn() -> Result<Version>,
}

/// Where a test's references may be.
#[derive(Clone, Debug)]
pub(super) struct Location {
    root: PathBuf,
    test: String,
    param: Option<String>,
}

/// How a log and its reference disagree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mismatch {
    /// Something was logged, and there is no reference.
    Missing {
        /// Where it is expected.
        path: PathBuf,
        /// What was logged.
        actual: String,
    },
    /// The reference says something else.
    Differs {
        /// The reference.
        path: PathBuf,
        /// What it says.
        expected: String,
        /// What was logged.
        actual: String,
        /// What to write as reference, if that is not the text itself: a test of QEMU's own suite may
        /// print any bytes.
        bytes: Option<Vec<u8>>,
    },
    /// There is a reference, and nothing was logged.
    Unexpected {
        /// The reference.
        path: PathBuf,
    },
}

/// What a name says besides the test: `<test>[.<variant>][@<bound>].out`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Variant {
    /// `nocache`, a format or a machine.
    pub(super) name: Option<String>,
    bound: Option<Bound>,
}

/// A range of QEMU versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bound {
    Below(Version),
    From(Version),
}

impl Location {
    /// References below `root` of this test, with this parameter.
    pub(super) fn new(root: PathBuf, test: &str, param: Option<&str>) -> Self {
        Self { root, test: test.to_owned(), param: param.map(str::to_owned) }
    }

    /// Where a first reference goes.
    pub(super) fn default_path(&self) -> PathBuf {
        self.root.join(format!("{}{EXTENSION}", self.test))
    }

    /// The reference that holds: of the parameter before that of all, and in `check`'s order.
    pub(super) fn find(&self, point: &Point<'_>) -> Result<Option<PathBuf>> {
        let own = self.param.as_ref().map(|param| format!("{}/{param}", self.test));
        for stem in own.iter().chain([&self.test]) {
            if let Some(path) = find(&self.root.join(stem), point)? {
                return Ok(Some(path));
            }
        }
        Ok(None)
    }

    /// Compares what was logged with the reference that holds.
    pub(super) fn check(&self, actual: &str, point: &Point<'_>) -> Result<Option<Mismatch>> {
        let Some(path) = self.find(point)? else {
            let missing = || Mismatch::Missing { path: self.default_path(), actual: actual.to_owned() };
            return Ok((!actual.is_empty()).then(missing));
        };
        if actual.is_empty() {
            return Ok(Some(Mismatch::Unexpected { path }));
        }
        let expected = fs::read_to_string(&path).map_err(Error::io(format!("read {}", path.display())))?;
        if diff::same(&expected, actual) {
            return Ok(None);
        }
        Ok(Some(Mismatch::Differs { path, expected, actual: actual.to_owned(), bytes: None }))
    }
}

impl Mismatch {
    /// The reference in question.
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Missing { path, .. } | Self::Differs { path, .. } | Self::Unexpected { path } => path,
        }
    }

    /// What blessing would write there, as a text.
    pub(super) fn actual(&self) -> Option<&str> {
        match self {
            Self::Missing { actual, .. } | Self::Differs { actual, .. } => Some(actual),
            Self::Unexpected { .. } => None,
        }
    }

    /// The same as it is to be written.
    pub(super) fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Differs { bytes: Some(bytes), .. } => Some(bytes),
            other => other.actual().map(str::as_bytes),
        }
    }
}

impl Variant {
    /// What `file` says besides `test`; `None` if it is no reference of that test.
    pub(super) fn parse(file: &str, test: &str) -> Option<Result<Self, String>> {
        let rest = file.strip_suffix(EXTENSION)?.strip_prefix(test)?;
        let (name, bound) = match rest.split_once('@') {
            Some((name, bound)) => (name, Some(bound)),
            None => (rest, None),
        };
        let name = match name.strip_prefix('.') {
            Some(name) if !name.is_empty() => Some(name.to_owned()),
            None if name.is_empty() => None,
            _ => return None,
        };
        Some(bound.map(Bound::parse).transpose().map(|bound| Self { name, bound }))
    }
}

type MakeBound = fn(Version) -> Bound;

impl Bound {
    /// What the name of a file says, the sign that it once said it by, and what it means. Not every file system and
    /// archive takes the signs.
    const FORMS: [(&str, &str, MakeBound); 2] = [("lt-", "<", Self::Below), ("ge-", ">=", Self::From)];

    fn parse(text: &str) -> Result<Self, String> {
        let bad = || format!("@{text} is no range of versions: expected one such as @lt-8.0 or @ge-8.0");
        for (prefix, sign, make) in Self::FORMS {
            if let Some(number) = text.strip_prefix(prefix) {
                return number.parse().map(make).map_err(|_| bad());
            }
            if let Some(number) = text.strip_prefix(sign) {
                return Err(format!(
                    "not every file system takes a {sign} in a name: rename it to end in @{prefix}{number}{EXTENSION}"
                ));
            }
        }
        Err(bad())
    }

    fn holds(self, version: Version) -> bool {
        match self {
            Self::Below(limit) => version < limit,
            Self::From(limit) => version >= limit,
        }
    }

    /// Whether `self` tells more about a version than `other`, when both hold.
    fn is_closer(self, other: Self) -> bool {
        match (self, other) {
            (Self::Below(a), Self::Below(b)) => a < b,
            (Self::From(a), Self::From(b)) => a > b,
            (Self::Below(_), Self::From(_)) => true,
            (Self::From(_), Self::Below(_)) => false,
        }
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.as_ref().map_or(Ok(()), |name| write!(f, ".{name}"))?;
        match self.bound {
            None => Ok(()),
            Some(Bound::Below(version)) => write!(f, "@lt-{version}"),
            Some(Bound::From(version)) => write!(f, "@ge-{version}"),
        }
    }
}

/// The reference with this stem that holds at `point`.
fn find(stem: &Path, point: &Point<'_>) -> Result<Option<PathBuf>> {
    let (Some(dir), Some(test)) = (stem.parent(), stem.file_name().and_then(|name| name.to_str())) else {
        return Ok(None);
    };
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io(format!("list {}", dir.display()))(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(Error::io(format!("list {}", dir.display())))?;
        let name = entry.file_name();
        if let Some(Ok(variant)) = name.to_str().and_then(|name| Variant::parse(name, test)) {
            found.push((variant, entry.path()));
        }
    }
    let known = |name: &str| name == NOCACHE || crate::suite::IMAGE_FORMATS.contains(&name);
    let has_machine =
        found.iter().any(|(variant, _)| variant.name.as_deref().is_some_and(|name| !known(name)));
    let machine = if has_machine { Some((point.machine)()?) } else { None };
    let order = [
        point.nocache.then_some(Some(NOCACHE)),
        Some(Some(point.imgfmt)),
        machine.as_deref().map(Some),
        Some(None),
    ];
    for wanted in order.into_iter().flatten() {
        let mut best: Option<&(Variant, PathBuf)> = None;
        for candidate in found.iter().filter(|(variant, _)| variant.name.as_deref() == wanted) {
            if let Some(bound) = candidate.0.bound
                && !bound.holds((point.version)()?)
            {
                continue;
            }
            let closer = match (candidate.0.bound, best.and_then(|best| best.0.bound)) {
                (Some(bound), Some(other)) => bound.is_closer(other),
                (bound, _) => best.is_none() || bound.is_some(),
            };
            if closer {
                best = Some(candidate);
            }
        }
        if let Some((_, path)) = best {
            return Ok(Some(path.clone()));
        }
    }
    Ok(None)
}

/// Writes a reference, all of it or nothing.
pub(super) fn write(path: &Path, text: &[u8]) -> Result<()> {
    let failed = || format!("write {}", path.display());
    let dir = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(dir).map_err(Error::io(failed()))?;
    let mut file = tempfile::Builder::new()
        .prefix(".bless-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(dir)
        .map_err(Error::io(failed()))?;
    file.write_all(text).map_err(Error::io(failed()))?;
    file.persist(path).map_err(|error| Error::io(failed())(error.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The reference found among `files` of the test `t/one` with the parameter `1M`.
    fn found(files: &[&str], nocache: bool, version: &str) -> String {
        let dir = tempfile::tempdir().expect("temporary directory");
        for file in files {
            write(&dir.path().join(file), b"x\n").expect("write a reference");
        }
        let machine = || Ok("pc".to_owned());
        let version = || Ok(version.parse().expect("a version"));
        let point = Point { nocache, imgfmt: "qcow2", machine: &machine, version: &version };
        let location = Location::new(dir.path().to_owned(), "t/one", Some("1M"));
        let path = location.find(&point).expect("look-up");
        path.map_or_else(String::new, |path| {
            path.strip_prefix(dir.path()).expect("below the root").display().to_string()
        })
    }

    #[test]
    fn the_first_of_the_order_is_taken() {
        let mut files = vec![
            "t/one/1M.nocache.out",
            "t/one/1M.qcow2.out",
            "t/one/1M.pc.out",
            "t/one/1M.out",
            "t/one.nocache.out",
            "t/one.qcow2.out",
            "t/one.pc.out",
            "t/one.out",
        ];
        while !files.is_empty() {
            assert_eq!(found(&files, true, "10.0.2"), files[0]);
            files.remove(0);
        }
        assert_eq!(found(&["t/one.nocache.out", "t/one.raw.out", "t/one.q35.out"], false, "10.0.2"), "");
        assert_eq!(found(&["t/one_more.out", "t/one.qcow2", "t/onex.out"], false, "10.0.2"), "");
    }

    #[test]
    fn the_closest_version_is_taken() {
        let files =
            ["t/one.out", "t/one@lt-8.0.out", "t/one@lt-9.1.out", "t/one@ge-10.0.out", "t/one@ge-9.2.out"];
        for (version, expected) in [
            ("7.2.22", "t/one@lt-8.0.out"),
            ("8.0.0", "t/one@lt-9.1.out"),
            ("9.1.0", "t/one.out"),
            ("9.2.1", "t/one@ge-9.2.out"),
            ("10.0.2", "t/one@ge-10.0.out"),
        ] {
            assert_eq!(found(&files, false, version), expected, "{version}");
        }
        assert_eq!(found(&["t/one@lt-8.0.out", "t/one.qcow2.out"], false, "7.2"), "t/one.qcow2.out");
    }

    #[test]
    fn a_bad_range_of_versions_is_refused() {
        let parsed = |name| Variant::parse(name, "one");
        assert_eq!(
            parsed("one.qcow2@lt-8.0.out").expect("a reference").expect("sound").to_string(),
            ".qcow2@lt-8.0.0"
        );
        for bad in ["one@8.0.out", "one@lt-.out", "one@>8.0.out", "one@ge-8.x.out"] {
            assert!(parsed(bad).expect("a reference").is_err(), "{bad}");
        }
        for (old, new) in [("one@<8.0.out", "@lt-8.0.out"), ("one.qcow2@>=10.0.2.out", "@ge-10.0.2.out")] {
            let problem = parsed(old).expect("a reference").expect_err(old);
            assert!(problem.ends_with(&format!(": rename it to end in {new}")), "{problem}");
        }
        assert_eq!(parsed("one..out"), None);
        assert_eq!(parsed("one"), None);
    }
}
