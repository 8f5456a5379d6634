//! A VM that moves to another QEMU with its disk, over every kind of wire.
use std::io::pipe;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

use iotests::prelude::*;
use nix::sys::socket::{setsockopt, sockopt::SndBuf};

pub fn suite(s: &mut Suite) {
    s.formats(["raw", "qcow2"]).groups(["migration", "quick"]);
    s.test("over_a_unix_socket", over_socket);
    s.test("through_commands_and_a_file", through_commands);
    s.test("through_a_pipe", through_pipe);
    s.test("disk_belongs_to_the_destination_afterwards", disk_moves).formats(["qcow2"]);
    s.test("destination_stays_paused_when_the_source_was", stays_paused);
    s.test("bitmaps_travel_with_the_disk", bitmaps).formats(["qcow2"]).unsupported_imgopts(["compat"]);
    s.test("nobody_at_the_other_end", nobody).formats(["raw"]);
    s.test("cancelled_on_its_way", cancelled).formats(["raw"]);
    s.test("mistakes_are_refused", mistakes).formats(["raw"]);
}

const SMALL: [&str; 2] = ["-m", "16M"];

fn image(t: &Test) -> TestResult<String> {
    let image = t.file("image");
    t.qemu_img_create(["-f", t.imgfmt(), &image, "1M"])?;
    Ok(image.to_string())
}

fn source(t: &Test, image: &str) -> TestResult<Vm> {
    let drive = Drive::new(image).options("node-name=disk");
    Ok(t.vm_named("-source").args(SMALL).drive_with(drive).launch()?)
}

fn destination(t: &Test, image: &str, address: &str) -> TestResult<Vm> {
    let drive = Drive::new(image).options("node-name=disk");
    Ok(t.vm_named("-destination").args(SMALL).drive_with(drive).incoming(address).launch()?)
}

fn turn_on(vm: &mut Vm, capability: &str) -> TestResult {
    let capabilities = json!([{ "capability": capability, "state": true }]);
    vm.cmd("migrate-set-capabilities", json!({ "capabilities": capabilities }))?;
    Ok(())
}

fn completed(vm: &mut Vm) -> TestResult {
    vm.event_wait(EventMatch::new("MIGRATION").data(json!({ "status": "completed" })))?;
    Ok(())
}

/// Waits until the migration has arrived, and demands that the disk holds what was written before.
fn arrived(t: &Test, source: &mut Vm, destination: &mut Vm) -> TestResult {
    t.log("source:");
    t.assert(source.wait_migration("postmigrate")?, "it has left the source")?;
    t.log("destination:");
    t.assert(destination.wait_migration("running")?, "it has arrived at the destination")?;
    destination.drive_io("drive0", "read -P 0x41 0 64k")?;
    source.shutdown()?;
    Ok(destination.shutdown()?)
}

fn over_socket(t: &mut Test) -> TestResult {
    let image = image(t)?;
    let address = format!("unix:{}", t.socket("migration")?);
    let mut source = source(t, &image)?;
    let mut destination = destination(t, &image, &address)?;
    source.enable_migration_events("source")?;
    destination.enable_migration_events("destination")?;
    source.drive_io("drive0", "write -P 0x41 0 64k")?;
    source.qmp_log("migrate", json!({ "uri": address }))?;
    arrived(t, &mut source, &mut destination)
}

fn through_commands(t: &mut Test) -> TestResult {
    let image = image(t)?;
    let state = t.file("state");
    let mut source = source(t, &image)?;
    source.enable_migration_events("source")?;
    source.drive_io("drive0", "write -P 0x41 0 64k")?;
    source.qmp_log("migrate", json!({ "uri": format!("exec:cat > '{state}'") }))?;
    t.assert(source.wait_migration("postmigrate")?, "its state is in the file")?;
    source.shutdown()?;
    let mut destination = destination(t, &image, "defer")?;
    destination.enable_migration_events("destination")?;
    destination.qmp_log("migrate-incoming", json!({ "uri": format!("exec:cat '{state}'") }))?;
    t.assert(destination.wait_migration("running")?, "it runs on from the file")?;
    destination.drive_io("drive0", "read -P 0x41 0 64k")?;
    Ok(destination.shutdown()?)
}

fn through_pipe(t: &mut Test) -> TestResult {
    let image = image(t)?;
    let (read, write) = pipe()?;
    let mut source = source(t, &image)?;
    let address = format!("fd:{}", read.as_raw_fd());
    let drive = Drive::new(&image).options("node-name=disk");
    let builder = t.vm_named("-destination").args(SMALL).drive_with(drive);
    let mut destination = builder.inherit_fd(read.into()).incoming(address).launch()?;
    source.enable_migration_events("source")?;
    source.drive_io("drive0", "write -P 0x41 0 64k")?;
    source.send_fd(&write)?;
    drop(write);
    source.qmp_log("getfd", json!({ "fdname": "wire" }))?;
    source.qmp_log("migrate", json!({ "uri": "fd:wire" }))?;
    t.assert(source.wait_migration("postmigrate")?, "it has left the source")?;
    destination.event_wait("RESUME")?;
    destination.drive_io("drive0", "read -P 0x41 0 64k")?;
    source.shutdown()?;
    Ok(destination.shutdown()?)
}

fn disk_moves(t: &mut Test) -> TestResult {
    let image = image(t)?;
    let address = format!("unix:{}", t.socket("migration")?);
    let mut source = source(t, &image)?;
    let mut destination = destination(t, &image, &address)?;
    for vm in [&mut source, &mut destination] {
        turn_on(vm, "events")?;
    }
    source.cmd("migrate", json!({ "uri": address }))?;
    for vm in [&mut source, &mut destination] {
        completed(vm)?;
    }
    destination.drive_io("drive0", "write -P 0x42 0 64k")?;
    source.shutdown()?;
    destination.shutdown()?;
    t.verify_pattern(&image, 0x42, "0", "64k")?;
    t.check_clean(&image)
}

fn stays_paused(t: &mut Test) -> TestResult {
    let image = image(t)?;
    let address = format!("unix:{}", t.socket("migration")?);
    let mut source = source(t, &image)?;
    let mut destination = destination(t, &image, &address)?;
    destination.enable_migration_events("destination")?;
    source.cmd("stop", ())?;
    source.cmd("migrate", json!({ "uri": address }))?;
    t.assert(destination.wait_migration("paused")?, "it has arrived, and does not run")?;
    destination.cmd("cont", ())?;
    destination.drive_io("drive0", "write -P 0x43 0 64k")?;
    source.shutdown()?;
    destination.shutdown()?;
    t.verify_pattern(&image, 0x43, "0", "64k")
}

fn bitmaps(t: &mut Test) -> TestResult {
    let image = image(t)?;
    let address = format!("unix:{}", t.socket("migration")?);
    let mut source = source(t, &image)?;
    let mut destination = destination(t, &image, &address)?;
    for vm in [&mut source, &mut destination] {
        turn_on(vm, "dirty-bitmaps")?;
        turn_on(vm, "events")?;
    }
    source.cmd("block-dirty-bitmap-add", json!({ "node": "disk", "name": "b0" }))?;
    source.drive_io("drive0", "write -P 0x44 0 192k")?;
    source.cmd("migrate", json!({ "uri": address }))?;
    for vm in [&mut source, &mut destination] {
        completed(vm)?;
    }
    let as_was = json!({ "count": 192 << 10, "recording": true, "busy": false });
    t.assert(destination.check_bitmap_status("disk", "b0", &as_was)?, "the bitmap came along")?;
    source.shutdown()?;
    destination.shutdown()?;
    t.verify_pattern(&image, 0x44, "0", "192k")
}

fn nobody(t: &mut Test) -> TestResult {
    let image = image(t)?;
    let mut source = source(t, &image)?;
    turn_on(&mut source, "events")?;
    let nowhere = format!("unix:{}", t.socket("nobody")?);
    let reply = source.qmp("migrate", json!({ "uri": nowhere }))?;
    // Newer versions refuse at once, older ones send an event.
    if reply.get("error").is_none() {
        source.event_wait(EventMatch::new("MIGRATION").data(json!({ "status": "failed" })))?;
    }
    t.assert_qmp(&source.query("query-status")?, "return/status", "running")?;
    source.drive_io("drive0", "write -P 0x45 0 64k")?;
    source.shutdown()?;
    // Some versions print why the migration failed, others do not: this reads it.
    source.get_log();
    t.verify_pattern(&image, 0x45, "0", "64k")
}

fn cancelled(t: &mut Test) -> TestResult {
    let image = image(t)?;
    let mut source = source(t, &image)?;
    turn_on(&mut source, "events")?;
    // Nobody reads, and the socket holds less than the state of any machine: it cannot come to handing over the disk.
    // (Cancelled then, QEMU 7.2 is left with an inactive one.)
    let (wire, _silent) = UnixStream::pair()?;
    setsockopt(&wire, SndBuf, &4096).map_err(std::io::Error::from)?;
    source.send_fd(&wire)?;
    drop(wire);
    source.cmd("getfd", json!({ "fdname": "wire" }))?;
    source.cmd("migrate", json!({ "uri": "fd:wire" }))?;
    source.event_wait(EventMatch::new("MIGRATION").data(json!({ "status": "active" })))?;
    source.cmd("migrate_cancel", ())?;
    t.assert(!source.wait_migration("running")?, "it has not completed")?;
    t.assert_qmp(&source.query("query-status")?, "return/status", "running")?;
    source.drive_io("drive0", "write -P 0x46 0 64k")?;
    source.shutdown()?;
    // What it prints depends on what it was sending when it was cancelled: this reads it.
    source.get_log();
    t.verify_pattern(&image, 0x46, "0", "64k")
}

fn mistakes(t: &mut Test) -> TestResult {
    let image = image(t)?;
    let mut source = source(t, &image)?;
    let reply = source.qmp("migrate", json!({ "uri": "pigeon:home" }))?;
    t.assert_qmp(&reply, "error/class", "GenericError")?;
    source.qmp_log("migrate-incoming", json!({ "uri": "fd:0" }))?;
    source.qmp_log("migrate", json!({ "uri": "fd:nonesuch" }))?;
    source.qmp_log("migrate_cancel", ())?;
    t.assert_qmp(&source.query("query-status")?, "return/status", "running")?;
    Ok(source.shutdown()?)
}
