//! Randomness. **A stand-in:** anyone who reads this file can foretell it. Nonces and sessions need a hardware generator (TRNG).

use chacha20::ChaCha20Rng;
use chacha20::rand_core::SeedableRng;

/// What the randomness is for.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    Sessions,
    Nonces,
}

/// A generator that says the same in every run, and nothing twice: each start has its own seed.
pub(crate) fn stand_in(start: u32, purpose: Purpose) -> ChaCha20Rng {
    let mut random = ChaCha20Rng::seed_from_u64(u64::from(start));
    random.set_stream(purpose as u64);
    random
}
