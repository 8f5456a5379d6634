//! Pure text and QMP filters.

/// Where a trial's files live, as the filters want it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// The scratch directory.
    pub test_dir: String,
    /// The socket directory.
    pub sock_dir: String,
    /// The number that file names start with.
    pub pid: u32,
}
