//! Version numbers, as QEMU writes them and as cases ask for them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// From this micro version on, a version is one under development, of what will be the next minor.
const DEVELOPMENT: u32 = 50;

/// A QEMU version. Parts that a declaration leaves out are 0: `7.2` is `7.2.0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Version {
    /// First number.
    pub major: u32,
    /// Second number.
    pub minor: u32,
    /// Third number; 50 and above on development versions.
    pub micro: u32,
}

impl Version {
    /// A version from its three numbers.
    pub const fn new(major: u32, minor: u32, micro: u32) -> Self {
        Self { major, minor, micro }
    }

    /// What versions have in common whose output is the same: the first two numbers, and whether it is
    /// a development version, which is nearly the next one.
    pub(crate) fn series(self) -> (u32, u32, bool) {
        (self.major, self.minor, self.micro >= DEVELOPMENT)
    }

    /// The first word of the first line that is a full version number, as in
    /// `qemu-img version 10.0.2 (Debian …)`.
    pub(super) fn find_in(text: &str) -> Option<Self> {
        let mut words = text.lines().next()?.split_whitespace();
        words.find_map(|word| if word.matches('.').count() == 2 { word.parse().ok() } else { None })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.micro)
    }
}

/// A text is not a version number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a version: expected one to three numbers with dots between them, such as 7.2 or 10.0.2"
)]
pub struct BadVersion(String);

impl FromStr for Version {
    type Err = BadVersion;

    fn from_str(text: &str) -> Result<Self, BadVersion> {
        let bad = || BadVersion(text.to_owned());
        let mut numbers = [0; 3];
        for (index, part) in text.split('.').enumerate() {
            // `parse` alone would take a sign.
            if !part.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(bad());
            }
            *numbers.get_mut(index).ok_or_else(bad)? = part.parse().map_err(|_| bad())?;
        }
        let [major, minor, micro] = numbers;
        Ok(Self { major, minor, micro })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_development_version_is_of_another_series() {
        let series = |text: &str| text.parse::<Version>().expect("a version").series();
        assert_eq!(series("10.0.2"), series("10.0"));
        assert_ne!(series("10.0.2"), series("10.0.50"));
        assert_ne!(series("10.0.2"), series("10.1.2"));
    }
}
