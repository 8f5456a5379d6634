//! Streaming into one of the images that vote on what a disk holds.
use iotests::prelude::*;

pub fn suite(s: &mut Suite) {
    s.formats(["qcow2"]).groups(["rw", "backing", "quick"]).requires(Requirement::Quorum);
    s.test("one_child", one_child);
}

fn one_child(t: &mut Test) -> TestResult {
    let mut children = Vec::new();
    for n in 0..3 {
        let [backing, child] = t.files([&format!("backing{n}"), &format!("child{n}")]);
        t.qemu_img_create(["-f", t.imgfmt(), &backing, "1M"])?;
        t.write_pattern(&backing, 0x55, "0", "64k")?;
        t.qemu_img_create(["-f", t.imgfmt(), "-b", &backing, "-F", t.imgfmt(), &child])?;
        children.push(child);
    }
    let nodes = children.iter().enumerate().map(|(n, child)| {
        let file = json!({ "driver": "file", "filename": child });
        json!({ "node-name": format!("child{n}"), "driver": t.imgfmt(), "file": file })
    });
    let nodes: Vec<_> = nodes.collect();
    let mut vm = t.vm().launch()?;
    let disk = json!({ "node-name": "disk", "driver": "quorum", "vote-threshold": 2, "children": nodes });
    vm.cmd("blockdev-add", disk)?;
    vm.cmd("block-stream", json!({ "job-id": "job0", "device": "child0" }))?;
    vm.wait_until_completed("job0")?;
    vm.assert_block_path("disk", "/children.0/backing", None)?;
    vm.shutdown()?;
    t.assert_qmp_absent(&t.qemu_img_info(["-f", t.imgfmt(), &children[0]])?, "backing-filename")?;
    t.verify_pattern(&children[0], 0x55, "0", "64k")
}
