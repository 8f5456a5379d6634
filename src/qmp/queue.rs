//! Events that have arrived and that nobody has taken yet.

use std::collections::VecDeque;

use serde_json::Value;

/// How many events are queued, and how much text that was: a peer that sends them without end shall
/// not fill the memory.
const MOST_EVENTS: usize = 1 << 18;
const MOST_BYTES: usize = 64 << 20;

/// Events in the order they came.
#[derive(Debug, Default)]
pub(super) struct Queue {
    events: VecDeque<Queued>,
    bytes: usize,
    /// How many of the oldest a wait has looked at and left (`qemu.machine`'s event cache).
    passed_over: usize,
}

#[derive(Debug)]
struct Queued {
    event: Value,
    bytes: usize,
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    /// Adds an event that was a text of this length; whether there was room.
    pub(super) fn push(&mut self, event: Value, bytes: usize) -> bool {
        if self.events.len() >= MOST_EVENTS || self.bytes + bytes > MOST_BYTES {
            return false;
        }
        self.bytes += bytes;
        self.events.push_back(Queued { event, bytes });
        true
    }

    /// Takes the first event, not counting the `from` oldest, that `wanted` picks. All before it are
    /// passed over.
    pub(super) fn take(&mut self, from: usize, mut wanted: impl FnMut(&Value) -> bool) -> Option<Value> {
        let found = self.events.range(from..).position(|queued| wanted(&queued.event));
        self.passed_over = self.passed_over.max(found.map_or(self.events.len(), |found| from + found));
        let found = from + found?;
        self.passed_over -= usize::from(found < self.passed_over);
        let queued = self.events.remove(found)?;
        self.bytes -= queued.bytes;
        Some(queued.event)
    }

    /// Whether there is an event, not counting the `from` oldest, that `wanted` picks.
    pub(super) fn any(&self, from: usize, wanted: impl Fn(&Value) -> bool) -> bool {
        self.events.range(from..).any(|queued| wanted(&queued.event))
    }

    pub(super) fn take_all(&mut self) -> Vec<Value> {
        std::mem::take(self).events.into_iter().map(|queued| queued.event).collect()
    }

    /// Takes those that a wait has passed over.
    pub(super) fn take_passed_over(&mut self) -> Vec<Value> {
        let unread = Self { events: self.events.split_off(self.passed_over), ..Self::default() };
        let passed_over = std::mem::replace(self, unread).take_all();
        self.bytes = self.events.iter().map(|queued| queued.bytes).sum();
        passed_over
    }

    pub(super) fn forget(&mut self, unwanted: impl Fn(&Value) -> bool) {
        let (mut index, mut passed_over) = (0, self.passed_over);
        self.events.retain(|queued| {
            let keep = !unwanted(&queued.event);
            passed_over -= usize::from(!keep && index < self.passed_over);
            self.bytes -= if keep { 0 } else { queued.bytes };
            index += 1;
            keep
        });
        self.passed_over = passed_over;
    }

    /// Puts events before all others, as passed over.
    pub(super) fn restore(&mut self, events: Vec<Value>) {
        self.passed_over += events.len();
        for event in events.into_iter().rev() {
            // They were counted once; what they add to is a new peer's.
            self.events.push_front(Queued { event, bytes: 0 });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(numbers: std::ops::Range<i64>) -> Queue {
        let mut queue = Queue::default();
        for number in numbers {
            assert!(queue.push(number.into(), 10));
        }
        queue
    }

    #[test]
    fn what_a_wait_left_is_passed_over_and_the_rest_is_not() {
        let mut all = queue(0..5);
        assert_eq!(all.take(0, |event| *event == 2), Some(2.into()));
        assert_eq!(all.take(0, |event| *event == 0), Some(0.into()));
        assert_eq!((all.take_passed_over(), all.bytes), (vec![1.into()], 20));
        assert_eq!(all.take_all(), [3, 4]);

        let mut all = queue(0..5);
        assert_eq!(all.take(1, |event| *event == 9), None);
        assert!(all.push(5.into(), 10));
        all.forget(|event| event.as_i64().is_some_and(|number| number % 2 == 1));
        assert_eq!((all.take_passed_over(), all.take_all()), (vec![0.into(), 2.into(), 4.into()], vec![]));
    }

    #[test]
    fn what_is_put_back_comes_first_and_is_passed_over() {
        let mut all = queue(7..8);
        all.restore(vec![1.into(), 2.into()]);
        assert_eq!(all.take(0, |event| *event == 7), Some(7.into()));
        assert_eq!(all.take_passed_over(), [1, 2]);
    }

    #[test]
    fn there_is_room_for_so_many_and_for_so_much() {
        let mut all = Queue::default();
        assert!(all.push(1.into(), MOST_BYTES - 1));
        assert!(!all.push(2.into(), 2));
        all.take(0, |_| true);
        assert!(all.push(2.into(), 2));
        all.take_all();
        assert!((0..MOST_EVENTS).all(|_| all.push(3.into(), 1)));
        assert!(!all.push(4.into(), 1));
    }
}
