//! Signals: Ctrl-C and its kin leave nothing behind, and the limit of file sizes is no signal.

use std::sync::{Arc, Weak};
use std::thread;

use nix::libc::SIGXFSZ;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use super::ending::Ending;
use super::shared::Run;
use crate::error::{Error, Result};

/// How often the run's directories are removed: what is dying may still add a file.
const SWEEPS: usize = 3;

/// Has a write fail that would make a file larger than `ulimit -f` allows, as on a full disk, instead of ending the
/// process. Children get the default back when they start, since this is a handler.
pub(crate) fn outlive_file_size_limit() {
    // It fails for signals that cannot be caught, and this one can.
    let _ = signal_hook::flag::register(SIGXFSZ, Arc::default());
}

/// Starts a thread that, at the first such signal, kills the run's children, removes its
/// directories, reports what has run, and lets the process die of that signal. The second one does not
/// wait for that.
pub(super) fn watch(run: &Arc<Run>, ending: Ending) -> Result<()> {
    // nohup, and a shell that starts a job in the background, have signals ignored: leave it so.
    let ignored = ignored();
    let handled = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| !ignored.contains(signal));
    let mut signals = Signals::new(handled).map_err(Error::io("handle signals"))?;
    let run: Weak<Run> = Arc::downgrade(run);
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            let Some(signal) = signals.forever().next() else { return };
            let run = run.upgrade();
            let stopping = run.as_ref().map(|run| run.stopping.lock());
            if let Some(run) = &run {
                for _ in 0..SWEEPS {
                    run.registry.kill_all();
                    run.dir.remove();
                }
                // A report may be a pipe that nobody reads.
                let impatient = thread::Builder::new().name("second signal".to_owned());
                let _ = impatient.spawn(move || signals.forever().next().map(emulate_default_handler));
                ending.interrupt(run);
            }
            let _ = emulate_default_handler(signal);
            // Not reached, but for a signal that cannot be raised.
            drop(stopping);
        })
        .map_err(Error::io("start a thread for signals"))?;
    Ok(())
}

/// The signals that this process was started with ignored.
fn ignored() -> Vec<i32> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    (1..=64).filter(|signal| mask & (1 << (signal - 1)) != 0).collect()
}
