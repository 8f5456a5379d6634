//! Looks at a closed image through qemu-img: its size, its metadata, and what it has allocated.

use serde_json::Value;

use super::Image;
use super::finding::{Kind, Stop};
use super::model::Model;
use crate::test::Test;

/// Compares all that qemu-img says about the image with the model.
pub(super) fn inspect(test: &Test, image: &Image, file: &str, model: &Model) -> Result<(), Stop> {
    if image.is_checked() {
        check(test, image, file)?;
    }
    let args = image.open_args(test, file);
    let map = test.qemu_img_map(args)?;
    map_agrees(image, &map, model)
}

/// Demands a check that finds nothing.
fn check(test: &Test, image: &Image, file: &str) -> Result<(), Stop> {
    let found = test.qemu_img_check(image.open_args(test, file))?;
    let bad = ["check-errors", "corruptions", "leaks"]
        .map(|key| (key, found[key].as_u64().unwrap_or(0)))
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(key, count)| format!("{count} {key}"))
        .collect::<Vec<_>>();
    if bad.is_empty() {
        return Ok(());
    }
    Err(Stop::Found(Kind::Check, format!("qemu-img check found {}", bad.join(", "))))
}

fn map_agrees(image: &Image, map: &Value, model: &Model) -> Result<(), Stop> {
    let cluster = image.cluster();
    let mut at = 0;
    for extent in map.as_array().into_iter().flatten() {
        let [start, len] = ["start", "length"].map(|key| extent[key].as_u64().unwrap_or(0));
        if start != at {
            return Err(Stop::Found(Kind::Map, format!("qemu-img map has a gap at {at}: {map}")));
        }
        at = start + len;
        let range = start..at.min(model.size());
        if extent["zero"] == true {
            let wrong = model.content().pieces(range).into_iter().find(|(_, cell)| !cell.now.has(0));
            if let Some((piece, cell)) = wrong {
                let text = format!(
                    "qemu-img map says that bytes {start} to {} are zero, but that at {} must be {}",
                    at - 1,
                    piece.start,
                    cell.now
                );
                return Err(Stop::Found(Kind::Map, text));
            }
        } else if image.is_mapped() && extent["depth"] == 0 {
            untouched(model, range, cluster).map_or(Ok(()), Err)?;
        }
    }
    // A size that is no multiple of a sector may be rounded.
    if at == model.size() {
        return Ok(());
    }
    let text = format!("the disk has {at} bytes, but must have {}", model.size());
    Err(Stop::Found(Kind::Size, text))
}

/// A whole cluster that holds data, but that no operation ever touched.
fn untouched(model: &Model, range: std::ops::Range<u64>, cluster: u64) -> Option<Stop> {
    let mut start = range.start / cluster * cluster;
    while start < range.end {
        let end = start + cluster;
        if !model.content().is_touched(&(start..end)) {
            let text =
                format!("bytes {start} to {} are allocated, but nothing was ever written there", end - 1);
            return Some(Stop::Found(Kind::Map, text));
        }
        start = end;
    }
    None
}
