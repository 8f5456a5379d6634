//! qemu-img.

use serde_json::{Map, Value, json};

use super::super::run::Run;
use super::{Call, Command, Done};
use crate::error::{Error, Result, Unchecked};
use crate::filter::Filter;
use crate::tools::InfoLog;

pub(super) const QEMU_IMG: Command = Command {
    name: "qemu-img",
    usage: "ARG...",
    about: "runs qemu-img and logs what it prints, without sizes on disk; a successful `create` prints nothing",
    fails: Some("an exit status other than 0"),
    yields: true,
    run: |run, call| {
        let output = run.test.qemu_img(&call.texts).unchecked()?;
        run.log(output.stdout.as_str(), &[Filter::host_sizes()]);
        Ok(Done::tool(output))
    },
    ..Command::BASE
};

pub(super) const INFO: Command = Command {
    name: "info",
    usage: "FILE [image-opts] [hide=TEXT] [extra=ARG]",
    about: "logs `qemu-img info` of an image of the tested format, without sizes on disk, ids and child nodes; \
            FILE (or TEXT) reads `TEST_IMG`. With `image-opts`, FILE is a list of options",
    fails: Some("an exit status other than 0"),
    run: info,
    ..Command::BASE
};

pub(super) const CHECK: Command = Command {
    name: "check",
    usage: "FILE [format=FORMAT]",
    about: "demands that `qemu-img check` finds nothing wrong; its result can be looked at by `assert`",
    fails: Some("errors, leaks or corruptions, or an image that cannot be checked, whose message is logged"),
    yields: true,
    run: check,
    ..Command::BASE
};

pub(super) const MAP: Command = Command {
    name: "map",
    usage: "FILE [format=FORMAT]",
    about: "logs `qemu-img map` as JSON, a line for each extent, without its `offset`, and without `compressed` where it is false",
    yields: true,
    run: map,
    ..Command::BASE
};

pub(super) const MEASURE: Command = Command {
    name: "measure",
    usage: "ARG...",
    about: "logs `qemu-img measure` as JSON",
    fails: Some("an exit status other than 0"),
    yields: true,
    run: |run, call| {
        run.json_or_failure(run.test.qemu_img_measure(&call.texts), |run, value| run.log(value.clone(), &[]))
    },
    ..Command::BASE
};

pub(super) const COMPARE: Command = Command {
    name: "compare",
    usage: "FILE FILE [format=FORMAT] [other-format=FORMAT]",
    about: "demands that two images have the same content; FORMAT is the tested one if not given",
    fails: Some("that the content differs"),
    run: compare,
    ..Command::BASE
};

/// The format that an option names, or the tested one for this file.
fn format_of(run: &Run<'_>, call: &Call<'_>, name: &str, file: &str) -> Result<String> {
    match call.named(name, run)? {
        Some(format) => Ok(format),
        None => run.test.assume_tested_format(file).map(|()| run.test.imgfmt().to_owned()),
    }
}

fn info(run: &mut Run<'_>, call: &Call<'_>) -> Result<Done> {
    let (hidden, extra) = (call.named("hide", run)?, call.named("extra", run)?);
    let extra = extra.as_deref();
    let options = InfoLog {
        filter_path: hidden.as_deref(),
        image_opts: call.has("image-opts"),
        extra_args: extra.as_slice(),
    };
    let (output, filters) = run.test.img_info(call.text(0), &options);
    let output = output.unchecked()?;
    run.log(output.stdout.as_str(), &filters);
    Ok(Done::tool(output))
}

fn check(run: &mut Run<'_>, call: &Call<'_>) -> Result<Done> {
    let format = format_of(run, call, "format", call.text(0))?;
    let result = run.test.qemu_img_check(["-f", &format, call.text(0)]);
    let mut done = run.json_or_failure(result, |_, _| ())?;
    if let Some(found) = &done.reply {
        // Those that are 0 are left out, but for the errors.
        let is_wrong = |key: &&str| found.get(*key).is_some_and(|count| count != 0);
        let wrong = ["check-errors", "leaks", "corruptions"].iter().any(is_wrong);
        done.failed = wrong.then(|| Error::assertion(format!("the image is not sound: {found:#}")));
    }
    Ok(done)
}

fn map(run: &mut Run<'_>, call: &Call<'_>) -> Result<Done> {
    let format = format_of(run, call, "format", call.text(0))?;
    let map = run.test.qemu_img_map(["-f", &format, call.text(0)])?;
    for extent in lasting_extents(&map) {
        run.log(Value::Object(extent), &[]);
    }
    Ok(Done::reply(map))
}

/// The extents without where they are in the file, which depends on the order of writes, and so
/// joined where that alone had parted them.
fn lasting_extents(map: &Value) -> Vec<Map<String, Value>> {
    let mut joined: Vec<Map<String, Value>> = Vec::new();
    for extent in map.as_array().into_iter().flatten().filter_map(Value::as_object) {
        let mut extent = extent.clone();
        extent.shift_remove("offset");
        if extent.get("compressed") == Some(&json!(false)) {
            extent.shift_remove("compressed");
        }
        let place = |extent: &mut Map<String, Value>| {
            ["start", "length"]
                .map(|key| extent.shift_remove(key).and_then(|value| value.as_u64()).unwrap_or(0))
        };
        if let Some(last) = joined.last_mut() {
            let (mut before, mut this) = (last.clone(), extent.clone());
            let ([start, length], [next, more]) = (place(&mut before), place(&mut this));
            if before == this && start + length == next {
                last.insert("length".to_owned(), json!(length + more));
                continue;
            }
        }
        joined.push(extent);
    }
    joined
}

fn compare(run: &mut Run<'_>, call: &Call<'_>) -> Result<Done> {
    let (format, other) =
        (format_of(run, call, "format", call.text(0))?, format_of(run, call, "other-format", call.text(1))?);
    let same = run.test.compare_images_as(call.text(0), &format, call.text(1), &other)?;
    let claim = || Error::assertion(format!("{} and {} differ", call.text(0), call.text(1)));
    Done::claim(if same { Ok(()) } else { Err(claim()) })
}

impl Run<'_> {
    /// JSON of a tool, shown by `show`; what the tool says instead is logged and is a failure.
    fn json_or_failure(&self, result: Result<Value>, show: impl FnOnce(&Self, &Value)) -> Result<Done> {
        match result {
            Ok(value) => {
                show(self, &value);
                Ok(Done::reply(value))
            }
            Err(Error::Tool(output)) => {
                self.log(output.text().into_owned(), &[]);
                Ok(Done { failed: Some(Error::Tool(output)), ..Done::default() })
            }
            Err(other) => Err(other),
        }
    }
}
