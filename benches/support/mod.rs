//! What the benchmarks have in common: pairs of measurements.

use std::time::{Duration, Instant};

/// Measures two things by turns, so that both meet the same conditions, and prints the medians and
/// their ratio.
pub(crate) fn compare(
    title: &str,
    pairs: usize,
    mut ours: impl FnMut() -> Duration,
    mut floor: impl FnMut() -> Duration,
) {
    let (mut our_times, mut floor_times) = (Vec::new(), Vec::new());
    for turn in 0..pairs {
        // Who goes first has the cache as the other one left it.
        if turn % 2 == 0 {
            our_times.push(ours());
            floor_times.push(floor());
        } else {
            floor_times.push(floor());
            our_times.push(ours());
        }
    }
    let (ours, floor) = (median(our_times), median(floor_times));
    let ratio = ours.as_secs_f64() / floor.as_secs_f64();
    println!(
        "{title}: {ours:.1?}, its floor {floor:.1?}: {ratio:.3} times as long (medians of {pairs} pairs)"
    );
}

/// The middle one.
pub(crate) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// How long it takes.
pub(crate) fn timed<T>(what: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let result = what();
    (start.elapsed(), result)
}
