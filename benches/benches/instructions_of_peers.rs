//! As `instructions`, what others offer for the same. It is a program of its own, so that pawl's figures are the same without it.

#![expect(missing_docs, reason = "gungraun makes public modules of the benchmarks")]
#![allow(unreachable_pub, non_snake_case, reason = "as above; and a figure's name has a slash in it")]

mod matrix_sdk_crypto_session;

use std::hint::black_box;

use gungraun::{library_benchmark, library_benchmark_group, main};
use matrix_sdk_crypto::olm::OutboundGroupSession;
use pawl_benches::contents::{ESCAPED, REORDERED, SPACED, TYPICAL, UNKNOWN};
use pawl_benches::peers::{
    Plain, plain_serde_json, plain_serde_json_core, plain_serde_json_core_as_it_stands, raw, ruma,
};

use self::matrix_sdk_crypto_session::outbound_group_session;

type Raw = ruma_common::serde::Raw<Content>;
type Content = ruma_events::room::encryption::RoomEncryptionEventContent;

/// What is set up stays to the end, so that its end is not counted.
fn kept<T>(what: T) -> &'static mut T {
    Box::leak(Box::new(what))
}

fn session() -> &'static mut OutboundGroupSession {
    let session = kept(outbound_group_session());
    assert!(!session.expired());
    session
}

#[library_benchmark]
#[bench::rotation_check_with_clock__matrix_sdk_crypto(session())]
fn expired(session: &'static mut OutboundGroupSession) -> bool {
    black_box(session).expired()
}

#[library_benchmark]
#[bench::parse_settings__serde_json_core(TYPICAL, kept([0; 64]))]
#[bench::parse_settings_reordered__serde_json_core(REORDERED, kept([0; 64]))]
#[bench::parse_settings_spaced__serde_json_core(SPACED, kept([0; 64]))]
#[bench::parse_settings_escaped__serde_json_core(ESCAPED, kept([0; 64]))]
#[bench::parse_settings_unknown__serde_json_core(UNKNOWN, kept([0; 64]))]
fn by_serde_json_core(content: &'static [u8], unescaped: &'static mut [u8; 64]) -> Option<Plain<'static>> {
    plain_serde_json_core(black_box(content), black_box(&mut *unescaped))
}

#[library_benchmark]
#[bench::parse_settings__serde_json_core_as_it_stands(TYPICAL)]
#[bench::parse_settings_reordered__serde_json_core_as_it_stands(REORDERED)]
#[bench::parse_settings_spaced__serde_json_core_as_it_stands(SPACED)]
#[bench::parse_settings_unknown__serde_json_core_as_it_stands(UNKNOWN)]
fn by_serde_json_core_as_it_stands(content: &'static [u8]) -> Option<Plain<'static>> {
    plain_serde_json_core_as_it_stands(black_box(content))
}

/// Once beforehand.
fn read_once(content: &'static [u8]) -> &'static [u8] {
    assert!(plain_serde_json(content).is_some());
    content
}

#[library_benchmark]
#[bench::parse_settings__serde_json(read_once(TYPICAL))]
#[bench::parse_settings_reordered__serde_json(read_once(REORDERED))]
#[bench::parse_settings_spaced__serde_json(read_once(SPACED))]
#[bench::parse_settings_escaped__serde_json(read_once(ESCAPED))]
#[bench::parse_settings_unknown__serde_json(read_once(UNKNOWN))]
fn by_serde_json(content: &'static [u8]) -> Option<Plain<'static>> {
    plain_serde_json(black_box(content))
}

fn raw_read_once(content: &[u8]) -> &'static mut Raw {
    let raw = kept(raw(content));
    assert!(ruma(raw).is_some());
    raw
}

#[library_benchmark]
#[bench::parse_settings__ruma_events(raw_read_once(TYPICAL))]
#[bench::parse_settings_reordered__ruma_events(raw_read_once(REORDERED))]
#[bench::parse_settings_spaced__ruma_events(raw_read_once(SPACED))]
#[bench::parse_settings_escaped__ruma_events(raw_read_once(ESCAPED))]
#[bench::parse_settings_unknown__ruma_events(raw_read_once(UNKNOWN))]
fn by_ruma_events(raw: &'static mut Raw) {
    drop(black_box(ruma(black_box(raw)))); // whose time has the dropping in it too
}

library_benchmark_group!(
    name = peers,
    benchmarks =
        [expired, by_serde_json_core, by_serde_json_core_as_it_stands, by_serde_json, by_ruma_events]
);

main!(library_benchmark_groups = peers);
