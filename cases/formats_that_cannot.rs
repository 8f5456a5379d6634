//! What a format cannot do is refused, and said so.
use iotests::prelude::*;

pub fn suite(s: &mut Suite) {
    s.groups(["quick"]);
    s.test("resize", resize).formats(["vdi", "vmdk", "vhdx", "vpc"]);
    s.test("check", check).formats(["raw", "vpc"]);
    s.test("snapshot", snapshot).formats(["raw", "qed", "vdi", "vmdk", "vhdx", "vpc"]);
    s.test("rebase", rebase).formats(["raw", "vdi"]);
    s.test("commit_without_backing_file", commit).formats(["raw", "qcow2", "qed", "vdi"]);
    s.test("bitmap", bitmap).formats(["raw", "qed", "vdi"]);
    s.test("amend", amend).formats(["raw", "qed", "vmdk"]);
}

/// Runs qemu-img on a new image, which must refuse and leave the image as it was; logs what it
/// says.
fn refused(t: &Test, before: &[&str], after: &[&str], code: i32) -> TestResult {
    let image = t.file("image");
    t.qemu_img_create(["-f", t.imgfmt(), &image, "4M"])?;
    let size = t.image_size(&image)?;
    let output = t
        .qemu_img(before.iter().copied().chain([image.as_str()]).chain(after.iter().copied()))
        .must_fail()?;
    t.log_with(output.stdout, &[t.filter_testfiles(), t.filter_imgfmt(), Filter::generated_node_ids()]);
    t.assert_eq(output.status, Status::Exited(code))?;
    t.assert_eq(t.image_size(&image)?, size)
}

fn resize(t: &mut Test) -> TestResult {
    refused(t, &["resize", "-f", t.imgfmt()], &["8M"], 1)
}

fn check(t: &mut Test) -> TestResult {
    refused(t, &["check", "-f", t.imgfmt()], &[], 63)
}

fn snapshot(t: &mut Test) -> TestResult {
    let image = t.file("image");
    t.qemu_img_create(["-f", t.imgfmt(), &image, "4M"])?;
    let options = format!("driver={},file.filename={image}", t.imgfmt());
    let output = t.qemu_img(["snapshot", "--image-opts", "-c", "one", &options]).must_fail()?;
    t.assert_eq(output.status, Status::Exited(1))?;
    t.assert(output.stdout.contains("Operation not supported"), output.stdout)
}

fn rebase(t: &mut Test) -> TestResult {
    let base = t.file("base");
    t.qemu_img_create(["-f", "raw", &base, "4M"])?;
    refused(t, &["rebase", "-u", "-f", t.imgfmt(), "-b", &base, "-F", "raw"], &[], 1)
}

fn commit(t: &mut Test) -> TestResult {
    refused(t, &["commit", "-f", t.imgfmt()], &[], 1)
}

fn bitmap(t: &mut Test) -> TestResult {
    refused(t, &["bitmap", "-f", t.imgfmt(), "--add"], &["b0"], 1)
}

fn amend(t: &mut Test) -> TestResult {
    refused(t, &["amend", "-f", t.imgfmt(), "-o", "compat=0.10"], &[], 1)
}
