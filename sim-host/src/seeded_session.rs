//! Outbound vodozemac sessions whose secrets come from a seed, so that a run is the same again down to what is in its flash.
//!
//! vodozemac draws a session's secrets from the thread's random number generator and takes no other; what it does take is a
//! pickle with secrets of one's own.

use pawl_core::VodozemacSession;
use rand::{CryptoRng, RngExt};
use serde_json::json;
use vodozemac::megolm::{GroupSession, GroupSessionPickle};

/// How long the ratchet of a Megolm session is, and the secret that it signs with, in bytes.
const RATCHET: usize = 128;
const SIGNING_KEY: usize = 32;

/// A new session of Megolm version 1.
///
/// # Panics
/// When vodozemac's pickles have another form than those of version 0.11.
pub(crate) fn seeded_session(random: &mut impl CryptoRng) -> VodozemacSession {
    let ratchet: [u8; RATCHET] = random.random();
    let signing_key: [u8; SIGNING_KEY] = random.random();
    let pickle: GroupSessionPickle = serde_json::from_value(json!({
        "ratchet": { "inner": ratchet.as_slice(), "counter": 0 },
        "signing_key": { "Normal": signing_key },
        "config": { "version": "V1" },
    }))
    .expect("this is how vodozemac writes a pickle");
    GroupSession::from_pickle(pickle).into()
}

#[cfg(test)]
mod tests {
    use pawl_core::session::{OutboundSession, SESSION_ID_LENGTH};
    use rand::SeedableRng;
    use rand_chacha::ChaCha20Rng;

    use super::*;

    #[test]
    fn a_seed_gives_the_same_sessions_one_after_the_other() {
        let mut randoms = [1, 1, 2].map(ChaCha20Rng::seed_from_u64);
        let mut next = || {
            randoms.each_mut().map(|random| {
                let mut session = seeded_session(random);
                let mut id = [0; SESSION_ID_LENGTH];
                session.write_session_id(&mut id);
                (id, session.encrypt(b"21 degrees", &mut [0; 1_024]).unwrap().to_owned())
            })
        };
        let (first, second) = (next(), next());
        assert_eq!((&first[0], &second[0]), (&first[1], &second[1]));
        assert_ne!(first[0].0, first[2].0);
        assert_ne!(first[0].0, second[0].0);
    }
}
