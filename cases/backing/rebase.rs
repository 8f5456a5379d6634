//! An overlay moved to another backing file, with its content kept or not.
use iotests::prelude::*;

pub fn suite(s: &mut Suite) {
    s.formats(["qcow2", "qed"]).groups(["backing", "quick"]);
    s.test("content_stays_on_another_backing_file", safe);
    s.test("content_stays_without_any_backing_file", to_nothing);
    s.test("content_stays_when_a_layer_is_left_out", past_a_layer);
    s.test("content_stays_on_a_shorter_backing_file", to_shorter);
    s.test("unchecked_rebase_changes_the_name_alone", unchecked);
    s.test("missing_new_backing_file_is_refused", missing);
}

fn layer(t: &Test, name: &str, below: Option<&str>, size: &str) -> TestResult<String> {
    let image = t.file(name);
    match below {
        None => t.qemu_img_create(["-f", t.imgfmt(), &image, size])?,
        Some(below) => t.qemu_img_create(["-f", t.imgfmt(), "-b", below, "-F", t.imgfmt(), &image, size])?,
    };
    Ok(image.to_string())
}

/// An old and a new backing file, and an overlay on the old one. Each range of 1 MiB differs in
/// which of the three has data: none, old, new, both, and both below the overlay's.
fn three(t: &Test) -> TestResult<[String; 3]> {
    let old = layer(t, "old", None, "5M")?;
    let new = layer(t, "new", None, "5M")?;
    let top = layer(t, "top", Some(&old), "5M")?;
    for offset in ["1M", "3M", "4M"] {
        t.write_pattern(&old, 0xaa, offset, "1M")?;
    }
    for offset in ["2M", "3M", "4M"] {
        t.write_pattern(&new, 0xbb, offset, "1M")?;
    }
    t.write_pattern(&top, 0xcc, "4M", "1M")?;
    Ok([old, new, top])
}

fn holds_old_content(t: &Test, top: &str) -> TestResult {
    for (byte, offset) in [(0, "0"), (0xaa, "1M"), (0, "2M"), (0xaa, "3M"), (0xcc, "4M")] {
        t.verify_pattern(top, byte, offset, "1M")?;
    }
    Ok(())
}

fn backing_file(t: &Test, image: &str) -> TestResult<Value> {
    Ok(t.qemu_img_info(["-f", t.imgfmt(), image])?["backing-filename"].clone())
}

fn safe(t: &mut Test) -> TestResult {
    let [old, new, top] = three(t)?;
    t.qemu_img(["rebase", "-f", t.imgfmt(), "-b", &new, "-F", t.imgfmt(), &top])?;
    std::fs::remove_file(old)?;
    t.assert_eq(backing_file(t, &top)?, json!(new))?;
    holds_old_content(t, &top)
}

fn to_nothing(t: &mut Test) -> TestResult {
    let [old, _, top] = three(t)?;
    t.qemu_img(["rebase", "-f", t.imgfmt(), "-b", "", &top])?;
    std::fs::remove_file(old)?;
    t.assert_eq(backing_file(t, &top)?, Value::Null)?;
    holds_old_content(t, &top)
}

fn past_a_layer(t: &mut Test) -> TestResult {
    let base = layer(t, "base", None, "3M")?;
    t.write_pattern(&base, 0x01, "0", "2M")?;
    let mid = layer(t, "mid", Some(&base), "3M")?;
    t.write_pattern(&mid, 0x02, "1M", "1M")?;
    let top = layer(t, "top", Some(&mid), "3M")?;
    t.qemu_img(["rebase", "-f", t.imgfmt(), "-b", &base, "-F", t.imgfmt(), &top])?;
    std::fs::remove_file(mid)?;
    for (byte, offset) in [(0x01, "0"), (0x02, "1M"), (0, "2M")] {
        t.verify_pattern(&top, byte, offset, "1M")?;
    }
    Ok(())
}

fn to_shorter(t: &mut Test) -> TestResult {
    let [_, _, top] = three(t)?;
    let short = layer(t, "short", None, "1536k")?;
    t.write_pattern(&short, 0xdd, "0", "1536k")?;
    t.qemu_img(["rebase", "-f", t.imgfmt(), "-b", &short, "-F", t.imgfmt(), &top])?;
    holds_old_content(t, &top)
}

fn unchecked(t: &mut Test) -> TestResult {
    let [_, new, top] = three(t)?;
    t.qemu_img(["rebase", "-u", "-f", t.imgfmt(), "-b", &new, "-F", t.imgfmt(), &top])?;
    for (byte, offset) in [(0, "0"), (0, "1M"), (0xbb, "2M"), (0xbb, "3M"), (0xcc, "4M")] {
        t.verify_pattern(&top, byte, offset, "1M")?;
    }
    Ok(())
}

fn missing(t: &mut Test) -> TestResult {
    let [old, _, top] = three(t)?;
    let nowhere = t.file("nowhere");
    let args = ["rebase", "-f", t.imgfmt(), "-b", &nowhere, "-F", t.imgfmt(), &top];
    t.log_with(t.qemu_img(args).must_fail()?.stdout, &[t.filter_testfiles(), t.filter_imgfmt()]);
    t.assert_eq(backing_file(t, &top)?, json!(old))?;
    holds_old_content(t, &top)
}
