//! Images that QEMU did not make.

use super::command::{Command, Done};
use crate::error::{Error, Result};
use crate::image::create_image;
use crate::script::text::problem::Problem;

pub(super) const SAMPLE: Command = Command {
    name: "sample",
    usage: "NAME FILE",
    about: "unpacks the sample image NAME.bz2 into FILE",
    run: |state, call| {
        state.test.sample_image(call.text(0), call.text(1))?;
        Ok(Done::default())
    },
    ..Command::BASE
};

pub(super) const MARKERS: Command = Command {
    name: "markers",
    usage: "FILE SIZE",
    about: "makes a raw image in which every sector holds its own number",
    look: |args| match args.positional()[1].plain() {
        Some(text) if size(text).is_none() => {
            Err(Problem::new(args.positional()[1].at, text.len(), EXPECTED))
        }
        _ => Ok(()),
    },
    run: |_, call| -> Result<Done> {
        let file = call.text(0);
        let size =
            size(call.text(1)).ok_or_else(|| Error::assertion(format!("{:?}: {EXPECTED}", call.text(1))))?;
        create_image(file, size)?;
        Ok(Done::default())
    },
    ..Command::BASE
};

pub(super) const REMOTE: Command = Command {
    name: "remote",
    usage: "FILE",
    about: "logs the name by which the tested protocol reaches a file of this machine, for `let`; over `file` that is its \
            path, and besides there is `ssh`",
    yields: true,
    run: |state, call| {
        let name = state.test.remote_filename(call.text(0))?;
        state.log(name.as_str(), &[]);
        Ok(Done { text: Some(name), ..Done::default() })
    },
    ..Command::BASE
};

const EXPECTED: &str = "expected a size, as in 4096, 64k or 1M";

fn size(text: &str) -> Option<u64> {
    let (digits, shift) = match text.strip_suffix(['k', 'K']) {
        Some(digits) => (digits, 10),
        None => text.strip_suffix('M').map_or((text, 0), |digits| (digits, 20)),
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}
