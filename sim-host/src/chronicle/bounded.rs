//! The first and the last of a long list.

use std::collections::VecDeque;

/// A list that keeps its first `N` items and its last `N`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounded<T, const N: usize> {
    first: Vec<T>,
    last: VecDeque<T>,
    left_out: u64,
}

impl<T, const N: usize> Bounded<T, N> {
    pub(super) const fn new() -> Self {
        Bounded { first: Vec::new(), last: VecDeque::new(), left_out: 0 }
    }

    /// Adds an item, and returns the one that is left out for it.
    pub(super) fn push(&mut self, item: T) -> Option<T> {
        if self.first.len() < N {
            self.first.push(item);
            return None;
        }
        self.last.push_back(item);
        if self.last.len() <= N {
            return None;
        }
        self.left_out += 1;
        self.last.pop_front()
    }

    pub(super) fn newest_mut(&mut self) -> Option<&mut T> {
        self.last.back_mut().or(self.first.last_mut())
    }

    /// Those before what was left out; all of them, if nothing was.
    #[must_use]
    pub fn first(&self) -> &[T] {
        &self.first
    }

    /// Those after it, in their order.
    pub fn last(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.last.iter()
    }

    /// Those that are kept, in their order.
    pub fn kept(&self) -> impl Iterator<Item = &T> {
        self.first.iter().chain(&self.last)
    }

    /// How many were left out.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.left_out
    }
}

#[cfg(test)]
mod tests {
    use super::Bounded;

    #[test]
    fn the_first_and_the_last_are_kept_and_those_between_counted() {
        let mut list = Bounded::<u32, 3>::new();
        for number in 0..6 {
            assert_eq!(list.push(number), None);
        }
        assert_eq!((list.push(6), list.push(7)), (Some(3), Some(4)));
        assert_eq!(list.kept().copied().collect::<Vec<_>>(), [0, 1, 2, 5, 6, 7]);
        assert_eq!(list.left_out(), 2);
        assert_eq!(list.newest_mut(), Some(&mut 7));
    }
}
