//! LUKS images: their key slots, and a passphrase that is needed to read them.
use iotests::prelude::*;

// Few tests: each image costs QEMU seconds of measuring how fast the host derives keys.
pub fn suite(s: &mut Suite) {
    s.formats(["luks"]).requires(Requirement::WorkingLuks).groups(["create"]);
    s.test("header_names_cipher_and_key_slots", header).unsupported_imgopts(["="]);
    s.test("data_needs_the_passphrase", passphrase);
}

/// Options that open `image` with the default secret.
fn opened(image: &str) -> String {
    format!("driver=luks,key-secret=keysec0,file.driver=file,file.filename={image}")
}

/// Creates an image. Before it does, QEMU measures how fast the host derives keys; some versions before
/// 10.0 give up where the host is too fast for its clock, which may differ the next time, and does less
/// often for a slow hash.
fn create(t: &Test, options: &str) -> TestResult<String> {
    let image = t.file("image");
    for _ in 0..20 {
        match t.qemu_img_create(["-f", "luks", "-o", options, &image, "1M"]) {
            Err(Error::Tool(output)) if output.stdout.contains("accurate CPU usage") => {}
            created => return Ok(created.map(|_| image.to_string())?),
        }
    }
    Err(Error::Skip("this host derives keys too fast for QEMU to tell how fast".to_owned()).into())
}

fn io(t: &Test, image: &str, commands: &[&str]) -> TestResult<String> {
    let secret = t.luks_secret_object();
    let options = opened(image);
    let mut args = vec!["--object", &secret, "--image-opts"];
    for command in commands {
        args.extend(["-c", command]);
    }
    args.push(&options);
    Ok(t.qemu_io(args)?.stdout)
}

fn header(t: &mut Test) -> TestResult {
    let image = create(t, "cipher-alg=aes-128,cipher-mode=cbc,ivgen-alg=plain64,hash-alg=sha512")?;
    let info = t.qemu_img_info(["-f", "luks", &image])?;
    t.log(format!("virtual size: {}", info["virtual-size"]));
    let data = &info["format-specific"]["data"];
    for key in ["cipher-alg", "cipher-mode", "ivgen-alg", "hash-alg", "payload-offset"] {
        t.log(format!("{key}: {}", data[key]));
    }
    for slot in data["slots"].as_array().into_iter().flatten() {
        t.log(format!("slot at {}: active {}", slot["key-offset"], slot["active"]));
    }
    Ok(())
}

fn passphrase(t: &mut Test) -> TestResult {
    let image = create(t, "hash-alg=sha512")?;
    io(t, &image, &["write -P 0xa5 0 1M", "truncate 2M", "write -P 0xa6 1M 1M"])?;
    t.assert_eq(t.image_size(&image)?, 2 << 20)?;
    let said = io(t, &image, &["read -P 0xa5 0 1M", "read -P 0xa6 1M 1M"])?;
    t.assert(!said.contains("Pattern verification failed"), said)?;

    let wrong = ["--object", "secret,id=keysec0,data=not-it", "--image-opts", "-c", "read 0 512"];
    refused(t, &wrong, &opened(&image), "Invalid password, cannot unlock any keyslot")?;
    let none = format!("driver=luks,file.driver=file,file.filename={image}");
    refused(
        t,
        &["--image-opts", "-c", "read 0 512"],
        &none,
        "Parameter 'key-secret' is required for cipher",
    )?;

    let info = t.qemu_img_info(["-f", "luks", &image])?;
    let payload = info["format-specific"]["data"]["payload-offset"].as_u64().unwrap_or_default();
    let command = format!("read -P 0xa5 {payload} 1M");
    let said = t.qemu_io(["-f", "raw", "-c", &command, &image]).must_fail()?;
    t.assert(said.stdout.contains("Pattern verification failed"), "what is on disk is not the plain text")
}

fn refused(t: &Test, args: &[&str], image: &str, reason: &str) -> TestResult {
    let said = t.qemu_io(args.iter().copied().chain([image])).must_fail()?;
    t.assert(said.stdout.contains(reason), said.stdout)
}
