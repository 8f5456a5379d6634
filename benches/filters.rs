//! How fast a log of qemu-io is filtered, beside Python with the same pattern where `python3` is
//! there.

use std::fmt::Write as _;
use std::hint::black_box;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Instant;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use iotests::filter::{Paths, filter_img_info, filter_qemu_io, filter_testfiles};

const LOG_SIZE: usize = 10_000_000;
const RUNS: usize = 5;

/// Reads a log on standard input and prints the best time of some runs, in seconds.
const PYTHON: &str = r#"
import re, sys, time
text = sys.stdin.read()
timing = re.compile(r"[0-9]* ops; [0-9/:. sec]* \([0-9/.inf]* [EPTGMKiBbytes]*/sec and [0-9/.inf]* ops/sec\)")
best = float("inf")
for _ in range(int(sys.argv[1])):
    start = time.perf_counter()
    timing.sub("X ops; XX:XX:XX.X (XXX YYY/sec and XXX ops/sec)", text.replace("\r", ""))
    best = min(best, time.perf_counter() - start)
print(best)
"#;

/// What qemu-io prints for many requests, with offsets and times that vary as they do.
fn qemu_io_log(paths: &Paths) -> String {
    let mut log = String::with_capacity(LOG_SIZE + 1000);
    let mut request: u64 = 0;
    while log.len() < LOG_SIZE {
        let verb = if request.is_multiple_of(3) { "wrote" } else { "read" };
        let (offset, micros) = (request * 65536, 100 + request * 7919 % 90_000);
        let (mib, ops) = (62_500.0 / micros as f64, 1e6 / micros as f64);
        write!(
            log,
            "{verb} 65536/65536 bytes at offset {offset}\n64 KiB, 1 ops; 00.{micros:06} sec ({mib:.3} MiB/sec and {ops:.4} ops/sec)\n"
        )
        .expect("writing to a String cannot fail");
        if request.is_multiple_of(50) {
            let (dir, pid) = (&paths.test_dir, paths.pid);
            writeln!(log, "qemu-io: can't open device {dir}/{pid}-base.qcow2: Input/output error")
                .expect("writing to a String cannot fail");
        }
        request += 1;
    }
    log
}

fn python_seconds(log: &str) -> Option<f64> {
    let mut python = Command::new("python3")
        .args(["-c", PYTHON, &RUNS.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    python.stdin.take()?.write_all(log.as_bytes()).ok()?;
    let output = python.wait_with_output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

fn our_seconds(log: &str) -> f64 {
    (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            black_box(filter_qemu_io(black_box(log)));
            start.elapsed().as_secs_f64()
        })
        .fold(f64::INFINITY, f64::min)
}

fn filters(c: &mut Criterion) {
    let paths = Paths {
        test_dir: "/tmp/iotests/scratch".to_owned(),
        sock_dir: "/tmp/iotests/sock".to_owned(),
        pid: 12345,
    };
    let log = qemu_io_log(&paths);
    let megabytes = log.len() as f64 / 1e6;
    let ours = megabytes / our_seconds(&log);
    print!("filter_qemu_io on {megabytes:.1} MB of qemu-io output: {ours:.0} MB/s; ");
    match python_seconds(&log) {
        Some(seconds) => {
            let python = megabytes / seconds;
            println!("Python's re: {python:.0} MB/s; {:.1} times as fast", ours / python);
        }
        None => println!("no python3 to compare with"),
    }

    let mut group = c.benchmark_group("10 MB log");
    group.throughput(Throughput::BytesDecimal(log.len() as u64));
    group.sample_size(20);
    group.bench_function("filter_qemu_io", |b| {
        b.iter(|| filter_qemu_io(black_box(&log)));
    });
    group.bench_function("filter_testfiles", |b| {
        b.iter(|| filter_testfiles(black_box(&log), &paths));
    });
    group.bench_function("filter_img_info", |b| {
        b.iter(|| filter_img_info(black_box(&log), "base.qcow2", "qcow2", &paths));
    });
    let almost = "1 ops; 00.1 sec (1 MiB/sec and 1 ops/se".repeat(LOG_SIZE / 40);
    group.bench_function("filter_qemu_io, nothing but near misses", |b| {
        b.iter(|| filter_qemu_io(black_box(&almost)));
    });
    group.finish();
}

criterion_group!(benches, filters);
criterion_main!(benches);
