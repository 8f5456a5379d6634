//! Snapshots inside an image: taken, listed, gone back to and deleted.
use iotests::prelude::*;

pub fn suite(s: &mut Suite) {
    s.formats(["qcow2"]).unsupported_imgopts(["refcount_bits=1"]).groups(["snapshot", "quick"]);
    s.test("going_back_restores_content", apply);
    s.test("going_back_restores_the_size", apply_size).unsupported_imgopts(["compat"]);
    s.test("deleting_one_keeps_the_others", delete);
    s.test("names_and_ids_are_listed", list);
    s.test("unknown_names_are_refused", unknown);
    s.test("vm_takes_and_deletes_one_by_command", live);
    s.test("vm_refuses_a_second_one_of_that_name", live_twice);
}

const SIZE: &str = "1M";

/// An image whose snapshots `one`, `two` and `three` hold the bytes 1, 2 and 3, and itself 4.
fn layered(t: &Test) -> TestResult<String> {
    let image = t.file("image");
    t.qemu_img_create(["-f", "qcow2", &image, SIZE])?;
    for (byte, name) in [(1, "one"), (2, "two"), (3, "three")] {
        t.write_pattern(&image, byte, "0", SIZE)?;
        t.qemu_img(["snapshot", "-c", name, &image])?;
    }
    t.write_pattern(&image, 4, "0", SIZE)?;
    Ok(image.to_string())
}

fn names(t: &Test, image: &str) -> TestResult<Vec<String>> {
    let info = t.qemu_img_info(["-f", "qcow2", image])?;
    let list = info["snapshots"].as_array().into_iter().flatten();
    Ok(list.map(|entry| entry["name"].as_str().unwrap_or_default().to_owned()).collect())
}

fn apply(t: &mut Test) -> TestResult {
    let image = layered(t)?;
    for (byte, name) in [(2, "two"), (1, "one"), (3, "three")] {
        t.qemu_img(["snapshot", "-a", name, &image])?;
        t.verify_pattern(&image, byte, "0", SIZE)?;
        // What is written now must not reach into any snapshot.
        t.write_pattern(&image, 0x50 + byte, "0", "128k")?;
    }
    t.qemu_img(["snapshot", "-a", "one", &image])?;
    t.verify_pattern(&image, 1, "0", SIZE)?;
    t.check_clean(&image)
}

fn apply_size(t: &mut Test) -> TestResult {
    let image = layered(t)?;
    t.qemu_img(["resize", "-f", "qcow2", &image, "2M"])?;
    t.qemu_img(["snapshot", "-a", "two", &image])?;
    t.assert_eq(t.image_size(&image)?, 1 << 20)?;
    t.check_clean(&image)
}

fn delete(t: &mut Test) -> TestResult {
    let image = layered(t)?;
    t.qemu_img(["snapshot", "-d", "two", &image])?;
    t.assert_eq(names(t, &image)?, ["one", "three"])?;
    t.check_clean(&image)?;
    t.verify_pattern(&image, 4, "0", SIZE)?;
    for (byte, name) in [(3, "three"), (1, "one")] {
        t.qemu_img(["snapshot", "-a", name, &image])?;
        t.verify_pattern(&image, byte, "0", SIZE)?;
        t.qemu_img(["snapshot", "-d", name, &image])?;
    }
    t.assert_eq(names(t, &image)?, Vec::<String>::new())?;
    t.check_clean(&image)
}

fn list(t: &mut Test) -> TestResult {
    let image = layered(t)?;
    let info = t.qemu_img_info(["-f", "qcow2", &image])?;
    for (index, name) in ["one", "two", "three"].into_iter().enumerate() {
        let entry = &info["snapshots"][index];
        t.assert_qmp(entry, "id", (index + 1).to_string())?;
        t.assert_qmp(entry, "name", name)?;
        t.assert_qmp(entry, "vm-state-size", 0)?;
    }
    let table = t.qemu_img(["snapshot", "-l", &image])?.stdout;
    t.assert_eq(table.lines().count(), 5)
}

fn unknown(t: &mut Test) -> TestResult {
    let image = layered(t)?;
    for action in ["-a", "-d"] {
        t.qemu_img_log(["snapshot", action, "four", &image]).must_fail()?;
    }
    t.assert_eq(names(t, &image)?, ["one", "two", "three"])
}

fn live(t: &mut Test) -> TestResult {
    let image = layered(t)?;
    let mut vm = t.vm().drive(&image).launch()?;
    vm.cmd("blockdev-snapshot-internal-sync", json!({ "device": "drive0", "name": "live" }))?;
    vm.write_pattern("drive0", 5, "0", "1M")?;
    let gone =
        vm.cmd("blockdev-snapshot-delete-internal-sync", json!({ "device": "drive0", "name": "two" }))?;
    t.assert_qmp(&gone, "name", "two")?;
    vm.shutdown()?;
    t.assert_eq(names(t, &image)?, ["one", "three", "live"])?;
    t.verify_pattern(&image, 5, "0", SIZE)?;
    t.qemu_img(["snapshot", "-a", "live", &image])?;
    t.verify_pattern(&image, 4, "0", SIZE)?;
    t.check_clean(&image)
}

fn live_twice(t: &mut Test) -> TestResult {
    let image = layered(t)?;
    let mut vm = t.vm().drive(&image).launch()?;
    vm.qmp_log("blockdev-snapshot-internal-sync", json!({ "device": "drive0", "name": "one" }))?;
    vm.qmp_log("blockdev-snapshot-delete-internal-sync", json!({ "device": "drive0", "name": "four" }))?;
    vm.qmp_log("blockdev-snapshot-internal-sync", json!({ "device": "nonesuch", "name": "five" }))?;
    Ok(vm.shutdown()?)
}
