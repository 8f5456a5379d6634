//! The processes below this one, as `/proc` lists them.

use std::collections::BTreeMap;
use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Characters of a command line that are shown.
const SHOWN: usize = 200;

/// A process of the tree.
struct Entry {
    parent: i32,
    name: String,
    zombie: bool,
}

/// Everything alive below this process, named.
pub(super) fn named() -> Vec<String> {
    let table = table();
    below(&table, Pid::this().as_raw())
        .into_iter()
        .filter(|pid| table.get(pid).is_some_and(|entry| !entry.zombie))
        .map(|pid| describe(pid, &table[&pid].name))
        .collect()
}

/// Sends SIGKILL to everything below this process. What forks in between shows up as a child of
/// this process once its parent is dead, and is met the next time.
pub(super) fn kill_all() {
    for pid in below(&table(), Pid::this().as_raw()) {
        // One that has just ended, or that belongs to somebody else, is no error here.
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
}

fn table() -> BTreeMap<i32, Entry> {
    let Ok(entries) = fs::read_dir("/proc") else { return BTreeMap::new() };
    entries
        .flatten()
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let stat = fs::read(entry.path().join("stat")).ok()?;
            Some((pid, parse_stat(&stat)?))
        })
        .collect()
}

/// Reads `pid (name) state ppid …`; the name may hold blanks and brackets of its own.
fn parse_stat(stat: &[u8]) -> Option<Entry> {
    let open = stat.iter().position(|byte| *byte == b'(')?;
    let close = stat.iter().rposition(|byte| *byte == b')')?;
    let name = String::from_utf8_lossy(stat.get(open + 1..close)?).into_owned();
    let rest = std::str::from_utf8(stat.get(close + 1..)?).ok()?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    Some(Entry { parent, name, zombie: matches!(state, "Z" | "X") })
}

/// The descendants of `root`, parents before their children.
fn below(table: &BTreeMap<i32, Entry>, root: i32) -> Vec<i32> {
    let mut found = Vec::new();
    let mut parents = vec![root];
    while let Some(parent) = parents.pop() {
        for (pid, _) in table.iter().filter(|(_, entry)| entry.parent == parent) {
            found.push(*pid);
            parents.push(*pid);
        }
    }
    found
}

fn describe(pid: i32, name: &str) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let line = String::from_utf8_lossy(&line);
    let words: Vec<_> = line.split_terminator('\0').collect();
    let mut line = shell_words::join(words);
    if line.chars().count() > SHOWN {
        line = line.chars().take(SHOWN).chain(['…']).collect();
    }
    format!("{name} (process {pid}: {line})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_hold_brackets() {
        let entry = parse_stat(b"42 (a) b (c) S 7 42 42 0").expect("a stat line");
        assert_eq!((entry.parent, entry.name.as_str(), entry.zombie), (7, "a) b (c", false));
        assert!(parse_stat(b"42 (a) Z 7").expect("a zombie").zombie);
        assert!(parse_stat(b"42 a Z 7").is_none());
    }

    #[test]
    fn finds_a_child_and_its_child() {
        let mut child = std::process::Command::new("/bin/sh")
            .args(["-c", "sleep 60 & echo; wait"])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("start a shell");
        let mut line = [0];
        std::io::Read::read_exact(child.stdout.as_mut().expect("stdout"), &mut line).expect("its output");
        let (table, root) = (table(), child.id() as i32);
        let names: Vec<_> = below(&table, root).iter().map(|pid| table[pid].name.clone()).collect();
        for pid in below(&table, root) {
            kill(Pid::from_raw(pid), Signal::SIGKILL).expect("kill");
        }
        child.kill().expect("kill");
        child.wait().expect("reap");
        assert_eq!(names.len(), 1, "{names:?}");
    }
}
