//! Images created by a running VM: a job for the protocol layer, then one for the format.
use iotests::prelude::*;

pub fn suite(s: &mut Suite) {
    s.groups(["create", "blockdev", "quick"]);
    s.test("file_and_then_the_format_on_it", two_layers).formats([
        "qcow2",
        "qed",
        "vdi",
        "vmdk",
        "vhdx",
        "vpc",
        "parallels",
    ]);
    s.test("luks_with_a_secret_of_its_own", luks).formats(["luks"]).requires(Requirement::WorkingLuks);
    s.test("qcow2_options_reach_the_header", qcow2_options).formats(["qcow2"]);
    s.test("qcow2_on_a_backing_file", backing).formats(["qcow2", "qed"]);
    s.test("what_was_in_the_file_is_gone", overwritten).formats(["qcow2", "vdi"]);
    s.test("mistakes_fail_the_command_or_the_job", mistakes).formats(["qcow2"]);
    s.test("concluded_job_takes_no_orders_but_dismissal", concluded).formats(["qcow2"]);
}

/// A size that vpc can tell in cylinders, heads and sectors.
const SIZE: u64 = 302 * 4 * 17 * 512;

/// Runs a creation to its end, the format hidden in what is logged.
fn create(t: &Test, vm: &mut Vm, options: Value) -> TestResult {
    let filters = [t.filter_testfiles(), t.filter_imgfmt()];
    vm.qmp_log_with("blockdev-create", json!({ "job-id": "job0", "options": options }), &filters, None)?;
    vm.run_job("job0", RunJob::new().filters(filters))?;
    Ok(())
}

/// A VM with an empty file that is node `file`.
fn vm_with_file(t: &Test, file: &str) -> TestResult<Vm> {
    std::fs::write(file, "")?;
    let node = json!({ "driver": "file", "node-name": "file", "filename": file });
    Ok(t.vm().blockdev(node).launch()?)
}

fn two_layers(t: &mut Test) -> TestResult {
    let image = t.file("image");
    let mut vm = t.vm().launch()?;
    create(t, &mut vm, json!({ "driver": "file", "filename": image, "size": 0 }))?;
    vm.cmd("blockdev-add", json!({ "driver": "file", "node-name": "file", "filename": image }))?;
    create(t, &mut vm, json!({ "driver": t.imgfmt(), "file": "file", "size": SIZE }))?;
    vm.shutdown()?;
    let info = t.qemu_img_info(["-f", t.imgfmt(), &image])?;
    t.assert_qmp(&info, "format", t.imgfmt())?;
    t.assert_qmp(&info, "virtual-size", SIZE)?;
    t.verify_pattern(&image, 0, "0", "10M")
}

fn luks(t: &mut Test) -> TestResult {
    let image = t.file("image");
    std::fs::write(&image, "")?;
    let mut vm = t
        .vm()
        .object("secret,id=key0,data=open sesame")
        .blockdev(json!({ "driver": "file", "node-name": "file", "filename": image }))
        .launch()?;
    let options = json!({
        "driver": "luks", "file": "file", "key-secret": "key0", "size": 1 << 20, "iter-time": 10,
        "hash-alg": "sha512",
    });
    // Some versions before 10.0 cannot always tell how fast the host derives keys; less often for a slow hash.
    for attempt in 1.. {
        vm.cmd("blockdev-create", json!({ "job-id": "job0", "options": options }))?;
        // On a busy host that measurement takes long.
        vm.events_wait(&[EventMatch::job_status("job0", JobStatus::Concluded)], Wait::Forever)?;
        let mut job = vm.job("job0");
        let error = job.query()?.map(|entry| entry["error"].clone()).unwrap_or_default();
        job.dismiss()?;
        if error.is_null() {
            break;
        }
        t.assert(error.to_string().contains("accurate CPU usage"), error.to_string())?;
        if attempt == 20 {
            t.skip("this host derives keys too fast for QEMU to tell how fast")?;
        }
    }
    vm.cmd(
        "blockdev-add",
        json!({ "driver": "luks", "node-name": "disk", "file": "file", "key-secret": "key0" }),
    )?;
    vm.write_pattern("disk", 0x42, "0", "64k")?;
    vm.drive_io("disk", "read -P 0x42 0 64k")?;
    Ok(vm.shutdown()?)
}

fn qcow2_options(t: &mut Test) -> TestResult {
    for (name, options) in [
        ("v2", json!({ "version": "v2" })),
        ("lazy", json!({ "version": "v3", "lazy-refcounts": true })),
        ("small", json!({ "cluster-size": 4096, "refcount-bits": 1 })),
        ("extended", json!({ "extended-l2": true, "preallocation": "metadata" })),
    ] {
        let image = t.file(name);
        let mut vm = vm_with_file(t, &image)?;
        let mut all = json!({ "driver": "qcow2", "file": "file", "size": SIZE });
        for (key, value) in options.as_object().into_iter().flatten() {
            all[key] = value.clone();
        }
        vm.blockdev_create_with(name, all, &[t.filter_testfiles()])?;
        vm.shutdown()?;
        t.img_info_log(&image)?;
    }
    Ok(())
}

fn backing(t: &mut Test) -> TestResult {
    let [base, image] = t.files(["base", "image"]);
    t.qemu_img_create(["-f", t.imgfmt(), &base, &SIZE.to_string()])?;
    t.write_pattern(&base, 0x17, "0", "1M")?;
    let mut vm = vm_with_file(t, &image)?;
    let options = json!({
        "driver": t.imgfmt(), "file": "file", "size": SIZE, "backing-file": base, "backing-fmt": t.imgfmt(),
    });
    create(t, &mut vm, options)?;
    vm.shutdown()?;
    t.assert_qmp(&t.qemu_img_info(["-f", t.imgfmt(), &image])?, "backing-filename", base.as_str())?;
    t.verify_pattern(&image, 0x17, "0", "1M")
}

fn overwritten(t: &mut Test) -> TestResult {
    let image = t.file("image");
    t.qemu_img_create(["-f", t.imgfmt(), &image, "4M"])?;
    t.write_pattern(&image, 0x18, "0", "4M")?;
    let node = json!({ "driver": "file", "node-name": "file", "filename": image });
    let mut vm = t.vm().blockdev(node).launch()?;
    create(t, &mut vm, json!({ "driver": t.imgfmt(), "file": "file", "size": SIZE }))?;
    vm.shutdown()?;
    t.verify_pattern(&image, 0, "0", "10M")
}

fn mistakes(t: &mut Test) -> TestResult {
    let image = t.file("image");
    let mut vm = vm_with_file(t, &image)?;
    for options in [
        json!({ "driver": "qcow2", "file": "nonesuch", "size": SIZE }),
        json!({ "driver": "qcow2", "file": "file" }),
        json!({ "driver": "qcow2", "file": "file", "size": 1000 }),
        json!({ "driver": "qcow2", "file": "file", "size": SIZE, "cluster-size": 1234 }),
        json!({ "driver": "qcow2", "file": "file", "size": SIZE, "version": "v1" }),
        json!({ "driver": "qcow2", "file": "file", "size": SIZE, "version": "v2", "lazy-refcounts": true }),
        json!({ "driver": "qcow2", "file": "file", "size": 1u64 << 62 }),
        json!({ "driver": "copy-on-read" }),
        json!({ "driver": "raw" }),
    ] {
        vm.blockdev_create(options)?;
    }
    Ok(vm.shutdown()?)
}

fn concluded(t: &mut Test) -> TestResult {
    let image = t.file("image");
    let mut vm = vm_with_file(t, &image)?;
    let options = json!({ "driver": "qcow2", "file": "file", "size": SIZE });
    vm.qmp_log("blockdev-create", json!({ "job-id": "job0", "options": options }))?;
    vm.event_wait(EventMatch::job_status("job0", JobStatus::Concluded))?;
    t.log("A job that is concluded has nothing left to cancel:");
    vm.qmp_log("job-cancel", json!({ "id": "job0" }))?;
    vm.qmp_log("job-pause", json!({ "id": "job0" }))?;
    vm.qmp_log("job-dismiss", json!({ "id": "job0" }))?;
    vm.qmp_log("query-jobs", ())?;
    Ok(vm.shutdown()?)
}
