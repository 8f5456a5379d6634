//! Everything the environment says, read once.

/// Placeholder until the room is merged.
#[derive(Debug)]
pub struct TestEnv;

/// A version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Major.
    pub major: u32,
    /// Minor.
    pub minor: u32,
    /// Micro.
    pub micro: u32,
}
