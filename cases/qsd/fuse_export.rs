//! tianon/docker-qemu 26: an image is exported on itself over FUSE, so that everything sees it as raw. A script could not
//! be skipped where FUSE lets nobody mount, which only a try shows.
use iotests::prelude::*;

pub fn suite(s: &mut Suite) {
    s.formats(["qcow2"]).unsupported_imgopts(["data_file"]).groups(["rw", "quick"]);
    s.requires(Requirement::Tool(ToolKind::QemuStorageDaemon)).test("on_itself", on_itself);
}

fn on_itself(t: &mut Test) -> TestResult {
    let disk = t.file("disk");
    t.qemu_img_create(["-f", t.imgfmt(), &disk, "1M"])?;

    let file = format!("driver=file,node-name=file,filename={disk}");
    let image = format!("driver={},node-name=disk,file=file", t.imgfmt());
    let export = format!("type=fuse,id=export0,node-name=disk,mountpoint={disk},writable=on,growable=on");
    let daemon =
        match t.storage_daemon(["--blockdev", &file, "--blockdev", &image, "--export", &export]).start() {
            Err(Error::Died { launching: true, log, .. }) if log.to_lowercase().contains("fuse") => {
                return Ok(t.skip(format!("no FUSE export: {}", log.trim_end()))?);
            }
            started => started?,
        };
    t.log_heading("written to, and grown");
    for request in ["write -P 0x11 0 64k", "truncate 2112k", "write -P 0x22 2M 64k"] {
        t.log_command(&format!("qemu-io -f raw -c '{request}' $disk"));
        let output = t.qemu_io(["-f", "raw", "-c", request, &disk])?;
        if !output.stdout.is_empty() {
            t.log_with(output.stdout.trim_end(), &[Filter::qemu_io()]);
        }
    }
    t.assert_eq(t.qemu_img_info(["-f", "raw", &disk])?["virtual-size"].as_u64(), Some(2_162_688))?;
    daemon.stop()?;

    t.assert_eq(t.image_size(&disk)?, 2_162_688)?;
    t.verify_pattern(&disk, 0x11, "0", "64k")?;
    t.verify_pattern(&disk, 0x22, "2M", "64k")
}
