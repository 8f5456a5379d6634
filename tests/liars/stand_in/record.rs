//! What happened, a line each, for the runner to read. Lines of many processes go to one file.

use std::fs::File;
use std::io::Write;

use iotests::env::ToolKind;

use crate::lie::Lie;

/// Where a stand-in records the lies that it told, or would have told.
#[derive(Clone, Debug)]
pub(super) struct Record {
    tool: ToolKind,
    lie: Option<Lie>,
    trial: String,
}

impl Record {
    pub(super) fn new(tool: ToolKind, lie: Option<Lie>, trial: String) -> Self {
        Self { tool, lie, trial }
    }

    /// Whether to tell this lie now, when there is an occasion. An honest stand-in notes the occasion.
    pub(super) fn tells(&self, lie: Lie) -> bool {
        if self.lie.is_some_and(|own| own != lie) {
            return false;
        }
        self.note(lie);
        self.lie.is_some()
    }

    /// Whether this is its lie, if there will be an occasion: to be noted once it was told.
    pub(super) fn would_tell(&self, lie: Lie) -> bool {
        self.lie == Some(lie)
    }

    /// Notes that the lie was told.
    pub(super) fn note(&self, lie: Lie) {
        let path = std::env::var_os(super::RECORD).expect("the runner names the record");
        let mut file = File::options().append(true).open(path).expect("the record is there");
        let line = format!("{}\t{lie}\t{}\n", self.tool, self.trial);
        file.write_all(line.as_bytes()).expect("the record can be written");
    }
}
