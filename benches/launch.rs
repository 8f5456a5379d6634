//! How long it takes from nothing to a negotiated monitor, beside a bare process with the same command
//! line on a bare socket pair.

#[path = "support/bare.rs"]
mod bare;
mod support;

use std::time::Duration;

use bare::Bare;
use criterion::{Criterion, criterion_group, criterion_main};
use iotests::env::Accel;
use iotests::prelude::*;
use support::{compare, timed};

fn ours(t: &Test) -> Duration {
    let (time, vm) = timed(|| t.vm().accel(Accel::Tcg).launch().expect("QEMU starts"));
    drop(vm);
    time
}

fn floor(argv: &[String]) -> Duration {
    let (time, qemu) = timed(|| Bare::launch(argv));
    qemu.quit();
    time
}

fn launch(c: &mut Criterion) {
    let t = Test::with_format("raw").expect("a trial");
    let vm = t.vm().accel(Accel::Tcg).launch().expect("QEMU starts");
    let argv = shell_words::split(vm.command().expect("it runs")).expect("its command line");
    drop(vm);

    compare("launch to negotiated monitor", 200, || ours(&t), || floor(&argv));
    let mut group = c.benchmark_group("launch to negotiated monitor");
    group.sample_size(20);
    group.bench_function("ours", |b| b.iter_custom(|count| (0..count).map(|_| ours(&t)).sum()));
    group.bench_function("floor", |b| b.iter_custom(|count| (0..count).map(|_| floor(&argv)).sum()));
    group.finish();
}

criterion_group!(benches, launch);
criterion_main!(benches);
