//! Open files handed to QEMU instead of their names.
use std::fs::File;

use iotests::prelude::*;

pub fn suite(s: &mut Suite) {
    s.formats(["raw", "qcow2"]).groups(["vm", "quick"]);
    s.test("disk_is_opened_from_a_set_given_at_start", at_start);
    s.test("disk_is_opened_from_a_set_given_later", later);
    s.test("sets_are_listed_and_emptied", listed).formats(["raw"]);
    s.test("descriptor_is_kept_under_a_name", named).formats(["raw"]);
    s.test("command_without_a_descriptor_is_refused", none_sent).formats(["raw"]);
}

fn image(t: &Test) -> TestResult<String> {
    let image = t.file("image");
    t.qemu_img_create(["-f", t.imgfmt(), &image, "1M"])?;
    Ok(image.to_string())
}

fn open(image: &str) -> TestResult<File> {
    Ok(File::options().read(true).write(true).open(image)?)
}

fn node(t: &Test, set: u32) -> Value {
    let file = json!({ "driver": "file", "filename": format!("/dev/fdset/{set}") });
    json!({ "driver": t.imgfmt(), "node-name": "disk", "file": file })
}

fn at_start(t: &mut Test) -> TestResult {
    let image = image(t)?;
    let mut vm = t.vm().add_fd(open(&image)?.into(), 3, "the-image").blockdev(node(t, 3)).launch()?;
    // A set that is given at the start is there at each start.
    for byte in [0x11, 0x13] {
        vm.drive_io("disk", &format!("write -P {byte} 0 64k"))?;
        vm.shutdown()?;
        t.verify_pattern(&image, byte, "0", "64k")?;
        vm.launch()?;
    }
    Ok(vm.shutdown()?)
}

fn later(t: &mut Test) -> TestResult {
    let image = image(t)?;
    let mut vm = t.vm().launch()?;
    vm.send_fd(open(&image)?)?;
    vm.cmd("add-fd", json!({ "fdset-id": 7 }))?;
    vm.cmd("blockdev-add", node(t, 7))?;
    vm.write_pattern("disk", 0x12, "0", "64k")?;
    vm.cmd("blockdev-del", json!({ "node-name": "disk" }))?;
    vm.shutdown()?;
    t.verify_pattern(&image, 0x12, "0", "64k")
}

fn listed(t: &mut Test) -> TestResult {
    let image = image(t)?;
    let mut vm = t.vm().add_fd(open(&image)?.into(), 1, "first").launch()?;
    vm.send_file(&image)?;
    vm.cmd("add-fd", json!({ "fdset-id": 2, "opaque": "second" }))?;
    vm.send_fd(open(&image)?)?;
    vm.cmd("add-fd", json!({ "fdset-id": 2 }))?;
    let sets = |vm: &mut Vm| -> TestResult<Vec<(u64, usize)>> {
        let sets = vm.cmd("query-fdsets", ())?;
        let sets = sets.as_array().into_iter().flatten();
        let mut counted: Vec<_> = sets
            .map(|set| {
                let id = set["fdset-id"].as_u64().unwrap_or_default();
                (id, set["fds"].as_array().map_or(0, Vec::len))
            })
            .collect();
        counted.sort_unstable();
        Ok(counted)
    };
    t.assert_eq(sets(&mut vm)?, [(1, 1), (2, 2)])?;
    vm.cmd("remove-fd", json!({ "fdset-id": 2 }))?;
    t.assert_eq(sets(&mut vm)?, [(1, 1)])?;
    vm.qmp_log("remove-fd", json!({ "fdset-id": 2 }))?;
    Ok(vm.shutdown()?)
}

fn named(t: &mut Test) -> TestResult {
    let image = image(t)?;
    let mut vm = t.vm().launch()?;
    vm.send_file(&image)?;
    vm.qmp_log("getfd", json!({ "fdname": "image" }))?;
    vm.qmp_log("closefd", json!({ "fdname": "image" }))?;
    vm.qmp_log("closefd", json!({ "fdname": "image" }))?;
    vm.send_file(&image)?;
    vm.qmp_log("getfd", json!({ "fdname": "0bad" }))?;
    Ok(vm.shutdown()?)
}

fn none_sent(t: &mut Test) -> TestResult {
    let mut vm = t.vm().launch()?;
    vm.qmp_log("getfd", json!({ "fdname": "nothing" }))?;
    vm.qmp_log("add-fd", ())?;
    Ok(vm.shutdown()?)
}
