//! SQLite, for one machine: a file with one writer and many readers.

mod file;
pub(super) mod pool;
pub(super) mod schema;

pub(super) use self::pool::Pools;
