//! Programs that tests write.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Writes a shell script that can be run. Another process does so: with a descriptor of our own open for
/// writing, a fork in another thread at that moment would make the script "busy".
pub(crate) fn script(dir: &Path, name: &str, text: &str) -> PathBuf {
    let (draft, path) = (dir.join("draft"), dir.join(name));
    fs::write(&draft, format!("#!/bin/bash\n{text}\n")).unwrap();
    let installed = Command::new("install").args(["-m", "755"]).args([&draft, &path]).status().unwrap();
    assert!(installed.success());
    path
}
