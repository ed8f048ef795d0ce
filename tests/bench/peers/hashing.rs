//! How many passwords this machine can hash: every core, the issuer's library, memory taken once.

use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow};
use argon2::{Algorithm, Argon2, Block, Params, Version};

use crate::watch;

pub(crate) fn hashes(lasting: Duration) -> Result<f64> {
    let cores = thread::available_parallelism()?.get();
    thread::scope(|scope| {
        let all: Vec<_> = (0..cores).map(|_| scope.spawn(|| on_one_core(lasting))).collect();
        all.into_iter().map(|one| one.join().map_err(|_| anyhow!("a thread of hashes ended early"))?).sum()
    })
}

fn on_one_core(lasting: Duration) -> Result<f64> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).map_err(|error| anyhow!("argon2: {error}"))?;
    let mut blocks = vec![Block::new(); params.block_count()];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    watch::rate(lasting, || {
        let mut output = [0; 32];
        let memory = blocks.as_mut_slice();
        let hashed = argon2.hash_password_into_with_memory(b"Wonder-Land-42", &[1; 16], &mut output, memory);
        hashed.map_err(|error| anyhow!("argon2: {error}"))
    })
}

/// The issuer's defaults.
pub(crate) const MEMORY_KIB: u32 = 65_536;
const PASSES: u32 = 3;
