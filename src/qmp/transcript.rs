//! What went over the monitor, for the artefacts of a failed trial and for messages.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use crate::error::{Error, Result};

/// How many of the last lines a message shows.
const TAIL_LINES: usize = 6;
/// How much of a long line a message shows.
const TAIL_WIDTH: usize = 400;
/// How much the file takes: a peer that talks without end shall not fill the disk.
const MOST_RECORDED: usize = 256 << 20;

/// A file with every line in both directions, and the last few in memory.
#[derive(Debug)]
pub(super) struct Transcript {
    file: Option<BufWriter<File>>,
    recorded: usize,
    tail: VecDeque<String>,
}

impl Transcript {
    pub(super) fn create(path: Option<&Path>) -> Result<Self> {
        let file = path
            .map(|path| {
                File::options()
                    .create(true)
                    .append(true)
                    .open(path)
                    .map_err(Error::io(format!("open {}", path.display())))
            })
            .transpose()?
            .map(BufWriter::new);
        Ok(Self { file, recorded: 0, tail: VecDeque::with_capacity(TAIL_LINES) })
    }

    pub(super) fn sent(&mut self, line: &[u8]) {
        self.record("-> ", line);
        // What comes next may be a wait that a harness or a person breaks off.
        let _ = self.file.as_mut().map_or(Ok(()), Write::flush);
    }

    pub(super) fn received(&mut self, line: &[u8]) {
        self.record("<- ", line);
    }

    /// The last lines, shortened.
    pub(super) fn tail(&self) -> String {
        self.tail.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }

    fn record(&mut self, arrow: &str, line: &[u8]) {
        let fits = self.recorded <= MOST_RECORDED;
        self.recorded = self.recorded.saturating_add(line.len());
        if let Some(file) = self.file.as_mut().filter(|_| fits) {
            let line =
                if self.recorded <= MOST_RECORDED { line } else { b"(the rest is too much to record)" };
            // An incomplete transcript must not fail a trial.
            let _ = file
                .write_all(arrow.as_bytes())
                .and_then(|()| file.write_all(line))
                .and_then(|()| file.write_all(b"\n"));
        }
        if self.tail.len() == TAIL_LINES {
            self.tail.pop_front();
        }
        let shown = &line[..line.len().min(TAIL_WIDTH)];
        let more = if shown.len() < line.len() { " …" } else { "" };
        self.tail.push_back(format!("{arrow}{}{more}", String::from_utf8_lossy(shown)));
    }
}
