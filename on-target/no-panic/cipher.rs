//! Stands in for chacha20poly1305 in the images of the proof: whatever a cipher can do to bytes, this may. The crate itself has
//! panic code.

#![no_std]

use core::ffi::c_void;

unsafe extern "C" {
    fn pawl_opaque() -> *const c_void;
    fn pawl_sink(value: *const c_void);
}

fn opaque<T>() -> T {
    unsafe { core::ptr::read(pawl_opaque().cast::<T>()) }
}

fn sink<T>(value: T) {
    unsafe { pawl_sink((&raw const value).cast()) };
}

pub type Key = [u8; 32];
pub type Tag = [u8; 16];
pub type XNonce = [u8; 24];

pub struct XChaCha20Poly1305(Key);

pub mod aead {
    use super::{Key, Tag, XChaCha20Poly1305, XNonce, opaque, sink};

    pub struct Error;

    pub struct InOutBuf<'a>(&'a mut [u8]);

    impl<'a> From<&'a mut [u8]> for InOutBuf<'a> {
        fn from(bytes: &'a mut [u8]) -> Self {
            InOutBuf(bytes)
        }
    }

    pub trait KeyInit {
        fn new(key: &Key) -> Self;
    }

    impl KeyInit for XChaCha20Poly1305 {
        fn new(key: &Key) -> Self {
            XChaCha20Poly1305(*key)
        }
    }

    pub trait AeadInOut {
        fn encrypt_inout_detached(
            &self,
            nonce: &XNonce,
            associated_data: &[u8],
            buffer: InOutBuf<'_>,
        ) -> Result<Tag, Error>;

        fn decrypt_inout_detached(
            &self,
            nonce: &XNonce,
            associated_data: &[u8],
            buffer: InOutBuf<'_>,
            tag: &Tag,
        ) -> Result<(), Error>;
    }

    impl AeadInOut for XChaCha20Poly1305 {
        fn encrypt_inout_detached(
            &self,
            nonce: &XNonce,
            associated_data: &[u8],
            buffer: InOutBuf<'_>,
        ) -> Result<Tag, Error> {
            sink((&self.0, nonce, associated_data, buffer.0));
            opaque()
        }

        fn decrypt_inout_detached(
            &self,
            nonce: &XNonce,
            associated_data: &[u8],
            buffer: InOutBuf<'_>,
            tag: &Tag,
        ) -> Result<(), Error> {
            sink((&self.0, nonce, associated_data, buffer.0, tag));
            opaque()
        }
    }
}
