//! matrix-sdk-crypto's outbound session, for the two benchmarks that have it: in the library, all of them would be linked with it, which
//! takes minutes.

use std::sync::Arc;

use matrix_sdk_crypto::olm::{Account, EncryptionSettings, OutboundGroupSession};

/// matrix-sdk-crypto's outbound session, as new, with the default settings: a hundred messages and a week.
///
/// # Panics
/// When matrix-sdk-crypto makes none.
pub(crate) fn outbound_group_session() -> OutboundGroupSession {
    let account = Account::new("@kiosk:example.org".try_into().expect("a user ID"));
    OutboundGroupSession::new(
        account.device_id().to_owned(),
        Arc::new(account.identity_keys()),
        "!OGEhHVWSdvArJzumhm:matrix.org".try_into().expect("a room ID"),
        EncryptionSettings::default(),
    )
    .expect("Megolm")
}
