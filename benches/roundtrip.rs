//! How long a monitor command takes, beside raw writes and reads on the monitor of a QEMU like it, and
//! beside Python's `qemu.qmp` where that is there.

#[path = "support/bare.rs"]
mod bare;
mod support;

use std::process::{Command, Stdio};
use std::time::Duration;

use bare::Bare;
use criterion::{Criterion, criterion_group, criterion_main};
use iotests::env::Accel;
use iotests::env::TestEnv;
use iotests::prelude::*;
use support::{compare, timed};

/// How many commands are measured at a time.
const BATCH: u32 = 500;

const COMMAND: &[u8] = br#"{"execute":"query-status","id":1}"#;

/// What Python says when it has no `qemu.qmp`.
const NO_MODULE: &str = "no qemu.qmp";

/// Runs the QEMU of its command line with a monitor on a socket, as QEMU's own iotests do, and
/// prints how long one command takes, in seconds.
const PYTHON: &str = r#"
import asyncio, os, subprocess, sys, tempfile, time
try:
    from qemu.qmp import QMPClient
except ImportError:
    sys.exit("no qemu.qmp")

async def main():
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "qmp")
        client = QMPClient("bench")
        await client.start_server(path)
        qemu = subprocess.Popen(sys.argv[2:] + ["-qmp", "unix:" + path])
        await client.accept()
        times = []
        for _ in range(20):
            start = time.perf_counter()
            for _ in range(int(sys.argv[1])):
                await client.execute("query-status")
            times.append((time.perf_counter() - start) / int(sys.argv[1]))
        await client.execute("quit")
        await client.disconnect()
        qemu.wait()
        print(sorted(times)[len(times) // 2])

asyncio.run(main())
"#;

/// How long a command takes in Python, in seconds; or why that is not known.
fn python_seconds(argv: &[String]) -> Result<f64, String> {
    let env = TestEnv::from_process().map_err(|_| "its environment is wrong")?;
    let python = env.python().map_err(|error| error.to_string())?;
    let monitor = ["-chardev", "-mon"];
    let mut args = Vec::new();
    let mut words = argv.iter();
    while let Some(word) = words.next() {
        if monitor.contains(&word.as_str()) {
            words.next();
        } else {
            args.push(word);
        }
    }
    let output = Command::new(python)
        .args(["-c", PYTHON, &BATCH.to_string()])
        .args(args)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    let reported = String::from_utf8_lossy(&output.stderr);
    String::from_utf8_lossy(&output.stdout).trim().parse().map_err(|_| reported.trim().to_owned())
}

fn ours(vm: &mut Vm) -> Duration {
    let ask = || {
        for _ in 0..BATCH {
            vm.qmp("query-status", ()).expect("QEMU answers");
        }
    };
    timed(ask).0 / BATCH
}

fn floor(qemu: &mut Bare) -> Duration {
    let ask = || {
        for _ in 0..BATCH {
            qemu.round_trip(COMMAND);
        }
    };
    timed(ask).0 / BATCH
}

fn roundtrip(c: &mut Criterion) {
    let t = Test::with_format("raw").expect("a trial");
    let mut vm = t.vm().accel(Accel::Tcg).launch().expect("QEMU starts");
    let argv = shell_words::split(vm.command().expect("it runs")).expect("its command line");
    let mut qemu = Bare::launch(&argv);

    compare("monitor round trip", 60, || ours(&mut vm), || floor(&mut qemu));
    match python_seconds(&argv) {
        Ok(seconds) => {
            let (ours, python) = (ours(&mut vm).as_secs_f64(), Duration::from_secs_f64(seconds));
            println!("Python's qemu.qmp: {python:.1?}, {:.1} times as long as ours", seconds / ours);
        }
        Err(why) if why == NO_MODULE => println!("no python3 with qemu.qmp to compare with"),
        Err(why) => println!("Python's qemu.qmp failed: {why}"),
    }
    let mut group = c.benchmark_group("monitor round trip");
    group.bench_function("ours", |b| b.iter(|| vm.qmp("query-status", ()).expect("QEMU answers")));
    group.bench_function("floor", |b| b.iter(|| qemu.round_trip(COMMAND)));
    group.finish();
    qemu.quit();
}

criterion_group!(benches, roundtrip);
criterion_main!(benches);
