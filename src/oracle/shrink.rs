//! Makes a sequence of operations small while it still shows the same fault.

use super::op::Op;

/// Whether a sequence still shows the fault. An error ends the search; what is smallest by then stays.
pub(super) type Fails<'f, E> = dyn FnMut(&[Op]) -> Result<bool, E> + 'f;

/// Shrinks `ops` in place until nothing can be left out or made simpler.
pub(super) fn shrink<E>(ops: &mut Vec<Op>, fails: &mut Fails<'_, E>) -> Result<(), E> {
    loop {
        let before = ops.clone();
        leave_out(ops, fails)?;
        simplify(ops, fails)?;
        if *ops == before {
            return Ok(());
        }
    }
}

/// Leaves out as many operations as possible: large pieces first, from the end, since what comes last
/// shows the fault and what comes before rarely matters.
fn leave_out<E>(ops: &mut Vec<Op>, fails: &mut Fails<'_, E>) -> Result<(), E> {
    let mut piece = ops.len().div_ceil(2);
    while piece > 0 {
        let mut end = ops.len();
        while end > 0 {
            let start = end.saturating_sub(piece);
            let mut fewer = ops.clone();
            fewer.drain(start..end);
            if fails(&fewer)? {
                *ops = fewer;
            }
            end = start;
        }
        piece = if piece == 1 { 0 } else { piece.div_ceil(2) };
    }
    Ok(())
}

/// Makes each operation as simple as possible.
fn simplify<E>(ops: &mut [Op], fails: &mut Fails<'_, E>) -> Result<(), E> {
    for at in 0..ops.len() {
        let mut again = true;
        while again {
            again = false;
            for simpler in simpler(&ops[at]) {
                let before = std::mem::replace(&mut ops[at], simpler);
                // Where the search is broken off as well, what is not known to fail does not stay.
                let failed = fails(ops);
                if !matches!(failed, Ok(true)) {
                    ops[at] = before;
                }
                if failed? {
                    again = true;
                    break;
                }
            }
        }
    }
    Ok(())
}

/// What an operation could be instead, the simplest first. Each is strictly simpler by some measure, so that this
/// comes to an end.
fn simpler(op: &Op) -> Vec<Op> {
    match *op {
        Op::Write { at, len, byte, stripe } => {
            let mut list = Vec::new();
            if stripe != 0 {
                list.push(Op::Write { at, len, byte, stripe: 0 });
            }
            list.extend(ranges(at, len).map(|(at, len)| Op::Write { at, len, byte, stripe }));
            list
        }
        Op::Compressed { at, len, byte } => vec![Op::Write { at, len, byte, stripe: 0 }],
        Op::Zero { at, len, unmap } => {
            let mut list = Vec::new();
            if unmap {
                list.push(Op::Zero { at, len, unmap: false });
            }
            list.extend(ranges(at, len).map(|(at, len)| Op::Zero { at, len, unmap }));
            list
        }
        Op::Discard { at, len } => ranges(at, len).map(|(at, len)| Op::Discard { at, len }).collect(),
        Op::Read { at, len } => ranges(at, len).map(|(at, len)| Op::Read { at, len }).collect(),
        Op::Kill => vec![Op::Reopen],
        Op::Reopen => vec![Op::Flush],
        _ => Vec::new(),
    }
}

/// Simpler ranges: at rounder places first, then shorter.
fn ranges(at: u64, len: u64) -> impl Iterator<Item = (u64, u64)> {
    let rounder = (9..=24).rev().map(move |bits| at >> bits << bits).filter(move |there| *there < at);
    let rounder = std::iter::once(0).filter(move |_| at > 0).chain(rounder).map(move |there| (there, len));
    let down =
        (9..=20).rev().map(move |bits| len >> bits << bits).filter(move |less| *less > 0 && *less < len);
    let shorter = [512, 4096, 65536, len / 2].into_iter().filter(move |less| *less > 0 && *less < len);
    let shorter = shorter.chain(down).map(move |less| (at, less));
    // The second half: what matters may be at the end.
    let tail = std::iter::once(len / 2).filter(|half| *half >= 512).map(move |half| (at + half, len - half));
    let mut all: Vec<_> = rounder.chain(shorter).chain(tail).collect();
    all.dedup();
    all.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matters_is_all_that_is_left() {
        let noise = |at| Op::Write { at, len: 70_000, byte: 3, stripe: 512 };
        let mut ops: Vec<_> = (0..200).map(|number| noise(number * 4096)).collect();
        ops[57] = Op::Zero { at: 1 << 20, len: 9000, unmap: true };
        ops[150] = Op::Kill;
        let mut runs = 0;
        let mut fails = |ops: &[Op]| -> Result<bool, ()> {
            runs += 1;
            let zero =
                ops.iter().position(|op| matches!(op, Op::Zero { unmap: true, len, .. } if *len > 600));
            let kill = ops.iter().position(|op| *op == Op::Kill);
            Ok(zero.is_some() && kill > zero)
        };
        shrink(&mut ops, &mut fails).expect("no limit");
        assert_eq!(ops, [Op::Zero { at: 0, len: 1024, unmap: true }, Op::Kill]);
        assert!(runs < 150, "{runs} runs");
    }

    #[test]
    fn it_ends_with_the_smallest_by_then() {
        let mut ops = vec![Op::Flush; 64];
        let mut runs = 0;
        let mut fails = |_: &[Op]| {
            runs += 1;
            if runs > 1 { Err("no time") } else { Ok(true) }
        };
        assert_eq!(shrink(&mut ops, &mut fails), Err("no time"));
        assert_eq!(ops.len(), 32, "one half had gone by then");
    }
}
