//! How fast the oracle drives a qemu-io, beside a loop that sends the same number of commands over bare pipes
//! and compares nothing.

mod support;

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use iotests::oracle::{Image, Op, Oracle, QemuIo};
use iotests::prelude::*;
use support::{compare, timed};

/// How many operations are measured at a time.
const OPS: u64 = 4000;
const PAIRS: usize = 5;
const PROMPT: &[u8] = b"qemu-io> ";

/// Where the operation of this number is: all over 4 MiB, in no order.
fn place(number: u64) -> u64 {
    number * 2_654_435_761 % 1000 * 4096
}

fn byte(number: u64) -> u8 {
    1 + (number % 255) as u8
}

fn main() -> TestResult {
    let t = Test::new()?;
    let image = Image::new("qcow2").options("cluster_size=4k");
    let oracle = Oracle::new(&t, "bench").side(image, QemuIo::new(&t)).size(4 << 20);
    let writes = (0..OPS).map(|n| Op::Write { at: place(n), len: 4096, byte: byte(n), stripe: 0 });
    let writes: Vec<_> = writes.collect();
    let file = t.file("floor");
    let program = t.context().env().tool(ToolKind::QemuIo)?.program.clone();
    let mut failed = None;
    let mut last = Duration::MAX;
    let ours = || {
        let (time, result) = timed(|| oracle.replay(&writes));
        failed = result.err();
        last = last.min(time);
        time
    };
    let floor = || {
        let created = t.qemu_img_create(["-f", "qcow2", "-o", "cluster_size=4k", &file, "4M"]);
        let (time, done) = timed(|| created.is_ok() && bare(&program, &file).is_ok());
        assert!(done, "the bare loop failed");
        time
    };
    // The oracle compares after each operation, which takes two to four more commands.
    compare("an operation of the oracle, compared", PAIRS, ours, floor);
    if let Some(error) = failed {
        return Err(error.into());
    }
    println!("{:.0} operations a second, start and end included", OPS as f64 / last.as_secs_f64());
    Ok(())
}

fn bare(program: &std::path::Path, file: &str) -> std::io::Result<()> {
    let mut child = Command::new(program)
        .args(["-f", "qcow2", file])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let (Some(mut to), Some(mut from)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(std::io::ErrorKind::BrokenPipe.into());
    };
    let mut prompt = || -> std::io::Result<()> {
        let (mut seen, mut buffer) = (Vec::new(), [0; 4096]);
        while !seen.ends_with(PROMPT) {
            match from.read(&mut buffer)? {
                0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                count => seen.extend_from_slice(&buffer[..count]),
            }
        }
        Ok(())
    };
    prompt()?;
    for number in 0..OPS {
        // In one piece: each write wakes the reader.
        to.write_all(format!("write -P {:#04x} {} 4096\n", byte(number), place(number)).as_bytes())?;
        prompt()?;
    }
    drop(to);
    child.wait().map(drop)
}
