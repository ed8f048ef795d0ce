//! Configurations of jwt_authn, rbac and routes, and requests for them, from a number that is counted on.

use serde_json::{Value, json};

const TYPES: &str = "type.googleapis.com/envoy.extensions.filters.http";

/// The same numbers in every run (xorshift64*).
pub(super) struct Numbers(pub(super) u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).unwrap_or_default() % bound
    }

    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(super) fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of.get(self.below(of.len())).or(of.first()).cloned().unwrap_or_else(|| unreachable_choice())
    }
}
