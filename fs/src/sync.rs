//! Locks and atomics. Everything in this crate and in the call layer takes them
//! from here, so that a model checker can replace them all at once.

pub use core::sync::atomic::{
    AtomicBool, AtomicI64, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};
pub use spin::Once;
pub use spin::mutex::{SpinMutex as Mutex, SpinMutexGuard as MutexGuard};
pub use spin::rwlock::{RwLock, RwLockReadGuard, RwLockWriteGuard};
