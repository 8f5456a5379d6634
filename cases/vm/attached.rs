//! What a drive is made of stays while the drive is there.
use iotests::prelude::*;

struct Disk {
    vm: Vm, // shuts down when the fixture is dropped
}

pub fn suite(s: &mut Suite) {
    s.formats(["qcow2"]).groups(["quick"]);
    for interface in ["virtio", "none"] {
        let mut disk = s.fixture(interface, move |t| {
            let image = t.file("image");
            t.qemu_img_create(["-f", t.imgfmt(), &image, "1M"])?;
            let drive = Drive::new(&image).interface(interface).options("node-name=disk,file.node-name=file");
            Ok(Disk { vm: t.vm().drive_with(drive).launch()? })
        });
        disk.test("stays", stays).params(["disk", "file"]);
    }
}

fn stays(t: &mut Test, disk: &mut Disk) -> TestResult {
    let reply = disk.vm.qmp("blockdev-del", json!({ "node-name": t.param() }))?;
    t.assert_qmp(&reply, "error/class", "GenericError")?;
    t.assert(disk.vm.node_info(t.param())?.is_some(), "the node is still there")
}
