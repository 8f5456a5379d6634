//! qemu-io at its prompt: one process that keeps an image open over many commands.
use iotests::prelude::*;

pub fn suite(s: &mut Suite) {
    s.formats(["raw", "qcow2", "vdi", "parallels"]).groups(["rw", "quick"]);
    s.test("commands_share_one_open_image", session);
    s.test("bad_command_does_not_end_the_session", bad_command);
    // raw images may be shared by writers.
    s.test("image_is_locked_while_open", locked).formats(["qcow2", "vdi", "parallels"]);
}

fn image(t: &Test) -> TestResult<String> {
    let image = t.file("image");
    t.qemu_img_create(["-f", t.imgfmt(), &image, "4M"])?;
    Ok(image.to_string())
}

fn session(t: &mut Test) -> TestResult {
    let image = image(t)?;
    let mut io = t.qemu_io_interactive([&image])?;
    let log = |command: &str, printed: String| {
        t.log(command);
        t.log_with(printed, &[Filter::qemu_io()]);
    };
    for command in ["write -P 0x1f 1M 64k", "read -P 0x1f 1M 64k"] {
        log(command, io.cmd(command)?);
    }
    log("read -P 0x20 1M 512", io.try_cmd("read -P 0x20 1M 512")?);
    log("length", io.cmd("length")?);
    io.close()?;
    t.verify_pattern(&image, 0x1f, "1M", "64k")
}

fn bad_command(t: &mut Test) -> TestResult {
    let image = image(t)?;
    let mut io = t.qemu_io_interactive([&image])?;
    let said = io.try_cmd("fly to the moon")?;
    t.assert(said.contains("command \"fly\" not found"), said)?;
    let said = io.cmd("write -P 0x2f 0 4k")?;
    t.assert(said.contains("wrote 4096/4096 bytes"), said)?;
    Ok(io.close()?)
}

fn locked(t: &mut Test) -> TestResult {
    let image = image(t)?;
    let io = t.qemu_io_interactive([&image])?;
    let said = t.qemu_io(["-c", "write 0 512", &image]).must_fail()?;
    t.assert(said.stdout.contains("Failed to get"), said.stdout)?;
    io.close()?;
    t.write_pattern(&image, 1, "0", "512")?;
    Ok(())
}
