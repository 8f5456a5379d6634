//! Stopping a VM drains its disks, but does not bring slow jobs to their end.
use iotests::prelude::*;

pub fn suite(s: &mut Suite) {
    s.formats(["qcow2"]).groups(["rw", "backup", "quick"]);
    let mut slow = s.fixture("", slow_drive);
    slow.test("backup", backup);
    slow.test("mirror", mirror);
    slow.test("commit", commit);
}

/// A drive whose data takes hours to read.
fn slow_drive(t: &mut Test) -> TestResult<Vm> {
    let [base, image] = t.files(["base", "image"]);
    t.qemu_img_create(["-f", t.imgfmt(), &base, "1G"])?;
    t.qemu_img_create(["-f", t.imgfmt(), "-b", &base, "-F", t.imgfmt(), &image])?;
    t.write_pattern(&image, 0x5d, "1M", "32M")?;
    let drive = format!(
        "driver=throttle,node-name=source,throttle-group=slow,file.driver={},file.file.filename={image}",
        t.imgfmt()
    );
    let drive = Drive::empty().interface("none").options(drive);
    Ok(t.vm().object("throttle-group,id=slow,x-bps-total=1024").drive_with(drive).launch()?)
}

/// Starts a job, stops the VM, and demands that the job is still at it.
fn runs_on(t: &Test, vm: &mut Vm, command: &str, arguments: Value) -> TestResult {
    vm.cmd(command, arguments)?;
    vm.cmd("stop", ())?;
    let jobs = vm.query("query-block-jobs")?;
    t.assert_qmp(&jobs, "return[0]/status", "running")?;
    t.assert_qmp(&jobs, "return[0]/ready", false)
}

fn backup(t: &mut Test, vm: &mut Vm) -> TestResult {
    // Small and few requests: those that are under way are finished by the drain.
    let few = json!({ "max-chunk": 65536, "max-workers": 8 });
    let arguments = json!({
        "device": "drive0", "target": t.file("target"), "format": t.imgfmt(), "sync": "full", "x-perf": few,
    });
    runs_on(t, vm, "drive-backup", arguments)
}

fn mirror(t: &mut Test, vm: &mut Vm) -> TestResult {
    let arguments = json!({
        "device": "drive0", "target": t.file("target"), "format": t.imgfmt(), "sync": "full",
        "buf-size": 65536,
    });
    runs_on(t, vm, "drive-mirror", arguments)
}

/// Not of the active layer, which would be another kind of mirror.
fn commit(t: &mut Test, vm: &mut Vm) -> TestResult {
    let overlay = t.file("overlay");
    t.qemu_img_create(["-f", t.imgfmt(), &overlay, "1G"])?;
    let file = json!({ "driver": "file", "filename": overlay });
    vm.cmd("blockdev-add", json!({ "node-name": "overlay", "driver": t.imgfmt(), "file": file }))?;
    vm.cmd("blockdev-snapshot", json!({ "node": "source", "overlay": "overlay" }))?;
    runs_on(t, vm, "block-commit", json!({ "device": "drive0", "top-node": "source" }))
}
