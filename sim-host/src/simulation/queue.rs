//! What is due, in the order of time: a hierarchical timing wheel.
//!
//! Events of one time come in the order in which they were put in. Putting one in and taking one out costs the same
//! however many there are, which a heap's comparisons do not: with 10,000 rooms that is what a simulation without
//! cryptography would spend its time on.

/// Each level tells 64 slots apart, by six bits of the time.
const BITS: u32 = 6;
const SLOTS: usize = 1 << BITS;
/// As many as 64 bits of time need.
const LEVELS: usize = 11;

/// No node.
const NONE: u32 = u32::MAX;

/// Events by time in milliseconds, none of them before the last one that was taken out.
pub(super) struct Queue<T> {
    /// Nothing is due before that. Each event is in the level of the highest six bits in which its time differs.
    now_ms: u64,
    levels: [Level; LEVELS],
    nodes: Vec<Node<T>>,
    /// The first of the nodes that are free.
    free: u32,
}

#[derive(Clone, Copy)]
struct Level {
    /// A bit a slot: whether it holds anything.
    occupied: u64,
    slots: [Slot; SLOTS],
}

/// A list of nodes, in the order in which they came.
#[derive(Clone, Copy)]
struct Slot {
    first: u32,
    last: u32,
}

const EMPTY: Slot = Slot { first: NONE, last: NONE };

struct Node<T> {
    at_ms: u64,
    item: T,
    next: u32,
}

impl<T: Copy> Queue<T> {
    pub(super) fn new() -> Self {
        let level = Level { occupied: 0, slots: [EMPTY; SLOTS] };
        Queue { now_ms: 0, levels: [level; LEVELS], nodes: Vec::new(), free: NONE }
    }

    /// `item` is due at that time, which is not before that of the last one taken out.
    pub(super) fn push(&mut self, at_ms: u64, item: T) {
        debug_assert!(at_ms >= self.now_ms, "nothing is due in the past");
        let node = Node { at_ms, item, next: NONE };
        let number = self.free;
        if number == NONE {
            let number = u32::try_from(self.nodes.len()).expect("fewer than 2³² events are due");
            self.nodes.push(node);
            self.put(number, at_ms);
        } else {
            let place = &mut self.nodes[number as usize];
            self.free = place.next;
            *place = node;
            self.put(number, at_ms);
        }
    }

    /// What is due next, if that is before `until_ms`, and when.
    pub(super) fn pop_before(&mut self, until_ms: u64) -> Option<(u64, T)> {
        loop {
            let level = self.levels.iter().position(|level| level.occupied != 0)?;
            let slot = self.levels[level].occupied.trailing_zeros();
            let shift = BITS * u32::try_from(level).unwrap_or_default();
            // The highest level has fewer than six bits left of 64.
            let above = u64::MAX.checked_shl(shift + BITS).unwrap_or(0);
            let begin_ms = (self.now_ms & above) | (u64::from(slot) << shift);
            if begin_ms >= until_ms {
                return None;
            }
            self.now_ms = begin_ms;
            if level == 0 {
                return Some(self.take_first(slot as usize));
            }
            self.spread(level, slot as usize);
        }
    }

    /// The events of a slot whose time has come go to lower levels, in their order.
    fn spread(&mut self, level: usize, slot: usize) {
        let level = &mut self.levels[level];
        level.occupied &= !(1 << slot);
        let mut number = std::mem::replace(&mut level.slots[slot], EMPTY).first;
        while number != NONE {
            let node = &mut self.nodes[number as usize];
            let (at_ms, next) = (node.at_ms, node.next);
            node.next = NONE;
            self.put(number, at_ms);
            number = next;
        }
    }

    fn put(&mut self, number: u32, at_ms: u64) {
        let level = match (at_ms ^ self.now_ms).checked_ilog2() {
            None => 0,
            Some(bit) => bit / BITS,
        };
        #[expect(clippy::cast_possible_truncation, reason = "six bits")]
        let slot = ((at_ms >> (BITS * level)) & (SLOTS as u64 - 1)) as usize;
        let level = &mut self.levels[level as usize];
        level.occupied |= 1 << slot;
        let slot = &mut level.slots[slot];
        if slot.first == NONE {
            slot.first = number;
        } else {
            self.nodes[slot.last as usize].next = number;
        }
        slot.last = number;
    }

    fn take_first(&mut self, slot: usize) -> (u64, T) {
        let level = &mut self.levels[0];
        let number = level.slots[slot].first;
        let node = &mut self.nodes[number as usize];
        level.slots[slot].first = node.next;
        if node.next == NONE {
            level.occupied &= !(1 << slot);
        }
        node.next = self.free;
        self.free = number;
        (node.at_ms, node.item)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::Queue;

    #[derive(Clone, Debug)]
    enum Op {
        Push(u64),
        PopBefore(u64),
    }

    fn later() -> impl Strategy<Value = u64> {
        prop_oneof![0..3_u64, 0..200_u64, 0..100_000_u64, 0..1_u64 << 40]
    }

    proptest! {
        #[test]
        fn events_come_in_the_order_of_time_then_as_they_were_put_in(
            ops in prop::collection::vec(prop_oneof![later().prop_map(Op::Push), later().prop_map(Op::PopBefore)], 0..400)
        ) {
            let (mut queue, mut model) = (Queue::new(), BTreeMap::new());
            let mut now_ms = 0;
            for (number, op) in ops.into_iter().enumerate() {
                match op {
                    Op::Push(in_ms) => {
                        queue.push(now_ms + in_ms, number);
                        model.insert((now_ms + in_ms, number), ());
                    }
                    Op::PopBefore(in_ms) => {
                        let until_ms = now_ms + in_ms;
                        let expected = model.first_key_value().map(|(key, ())| *key).filter(|(at, _)| *at < until_ms);
                        prop_assert_eq!(queue.pop_before(until_ms), expected);
                        now_ms = expected.map_or(until_ms, |(at_ms, _)| at_ms);
                        model.retain(|key, ()| Some(*key) != expected);
                    }
                }
            }
        }
    }
}
