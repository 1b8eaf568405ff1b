//! What the tests take from std on a host.

/// What stands in no `use`, as far as a test names it.
pub(crate) mod prelude {
    pub(crate) use alloc::borrow::ToOwned;
    pub(crate) use alloc::boxed::Box;
    pub(crate) use alloc::format;
    pub(crate) use alloc::string::{String, ToString};
    pub(crate) use alloc::vec;
    pub(crate) use alloc::vec::Vec;

    pub(crate) use super::std;
}

pub(crate) mod std {
    pub(crate) use alloc::collections;

    pub(crate) mod env {
        /// There is no environment but the one in which the program was built.
        pub(crate) fn var(name: &str) -> Result<&'static str, ()> {
            match name {
                "PAWL_ONE_CASE_IN" => option_env!("PAWL_ONE_CASE_IN").ok_or(()),
                "PAWL_LIVES" => option_env!("PAWL_LIVES").ok_or(()),
                _ => Err(()),
            }
        }
    }

    pub(crate) mod sync {
        use core::cell::{BorrowMutError, RefCell, RefMut};

        /// A mutex where there is one thread.
        pub(crate) struct Mutex<T>(RefCell<T>);

        // SAFETY: there is one thread, and no interrupt is handled.
        unsafe impl<T> Sync for Mutex<T> {}

        impl<T> Mutex<T> {
            pub(crate) const fn new(value: T) -> Self {
                Mutex(RefCell::new(value))
            }

            pub(crate) fn lock(&self) -> Result<RefMut<'_, T>, BorrowMutError> {
                self.0.try_borrow_mut()
            }
        }
    }
}
