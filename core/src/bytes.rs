//! Comparing bytes, faster than byte by byte as `core` does it on a target without std. It is a server that chooses how much of two
//! keys or room IDs is alike.

use core::cmp::Ordering;

/// As `==` of slices.
#[inline(always)]
pub(crate) fn equal(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && compare(one, other).is_eq()
}

/// As [`Ord::cmp`] of slices, four bytes at a time.
pub(crate) fn compare(one: &[u8], other: &[u8]) -> Ordering {
    let (words, other_words) = (one.as_chunks().0, other.as_chunks().0);
    for (&word, &other_word) in words.iter().zip(other_words) {
        if word != other_word {
            return u32::from_be_bytes(word).cmp(&u32::from_be_bytes(other_word));
        }
    }
    let alike = 4 * words.len().min(other_words.len());
    let (one, other) = (one.get(alike..).unwrap_or_default(), other.get(alike..).unwrap_or_default());
    one.iter().cmp(other) // few enough that it takes longer to call a function for them
}
