//! Images by the names that protocols have for them.

use crate::error::{Error, Result};
use crate::test::Test;

impl Test {
    /// The name by which the tested protocol reaches a file of this machine
    /// (`iotests.py: remote_filename`). The user of `ssh` is `USER`, and `None` without one; an empty
    /// variable is as good as none here, while `iotests.py` then names no user.
    ///
    /// # Errors
    /// [`Error::Setup`] for a protocol other than `file` and `ssh`.
    pub fn remote_filename(&self, path: &str) -> Result<String> {
        match self.imgproto() {
            "file" => Ok(path.to_owned()),
            "ssh" => {
                Ok(format!("ssh://{}@127.0.0.1:22{path}", self.context().env().user().unwrap_or("None")))
            }
            other => Err(Error::Setup(format!("there is no remote file name for protocol {other}"))),
        }
    }
}
