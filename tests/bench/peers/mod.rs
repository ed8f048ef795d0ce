//! The other sides: what the machine, the database or the same libraries can do with nothing of ours on top.

pub(crate) mod bare;
mod disk;
mod hashing;
mod pgbench;

pub(crate) use self::{disk::commits, hashing::hashes, pgbench::Pgbench};
