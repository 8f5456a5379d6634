//! How long a shutdown takes, beside a bare `quit` and a wait for the process.

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
    let mut vm = t.vm().accel(Accel::Tcg).launch().expect("QEMU starts");
    timed(|| vm.shutdown().expect("QEMU ends")).0
}

fn floor(argv: &[String]) -> Duration {
    let qemu = Bare::launch(argv);
    timed(|| qemu.quit()).0
}

fn shutdown(c: &mut Criterion) {
    let t = Test::with_format("raw").expect("a trial");
    let vm = t.vm().accel(Accel::Tcg).launch().expect("QEMU starts");
    let argv = shell_words::split(vm.command().expect("it runs")).expect("its command line");
    drop(vm);

    compare("shutdown", 200, || ours(&t), || floor(&argv));
    let mut group = c.benchmark_group("shutdown");
    group.sample_size(20);
    group.bench_function("ours", |b| b.iter_custom(|count| (0..count).map(|_| ours(&t)).sum()));
    group.bench_function("floor", |b| b.iter_custom(|count| (0..count).map(|_| floor(&argv)).sum()));
    group.finish();
}

criterion_group!(benches, shutdown);
criterion_main!(benches);
