//! Numbers modulo p = 2^255 − 19, on fiat-crypto's formally verified limbs; in WebAssembly on own ones, which tests hold
//! against those. With the feature `wasm-arithmetic` the tests of all that rests on a field run on the own ones, too.

#[cfg(not(any(target_arch = "wasm32", feature = "wasm-arithmetic", target_pointer_width = "64")))]
use fiat_crypto::curve25519_32 as fiat;
#[cfg(all(not(any(target_arch = "wasm32", feature = "wasm-arithmetic")), target_pointer_width = "64"))]
use fiat_crypto::curve25519_64 as fiat;

#[cfg(not(any(target_arch = "wasm32", feature = "wasm-arithmetic")))]
use self::fiat::{
    fiat_25519_add as add, fiat_25519_carry as carry, fiat_25519_carry_mul as multiply,
    fiat_25519_carry_square as square, fiat_25519_from_bytes as from_bytes,
    fiat_25519_loose_field_element as Loose, fiat_25519_sub as subtract,
    fiat_25519_tight_field_element as Tight, fiat_25519_to_bytes as to_bytes,
};
#[cfg(any(target_arch = "wasm32", feature = "wasm-arithmetic"))]
use super::field29::{Loose, Tight, add, carry, from_bytes, multiply, square, subtract, to_bytes};

/// A number that may stand anywhere.
#[derive(Clone, Copy)]
pub(crate) struct Field(Tight);

/// A sum, difference or copy with larger limbs, which may only be multiplied or settled.
#[derive(Clone, Copy)]
pub(crate) struct Sum(Loose);

impl Field {
    pub(crate) const ZERO: Self = Self::from_bytes(&[0; 32]);
    pub(crate) const ONE: Self = Self::from_bytes(&one());

    #[cfg(any(target_feature = "simd128", feature = "wasm-arithmetic"))]
    pub(crate) fn limbs(&self) -> &[u32; 9] {
        &self.0.0
    }

    #[cfg(any(target_feature = "simd128", feature = "wasm-arithmetic"))]
    pub(crate) fn of_limbs(limbs: [u32; 9]) -> Self {
        Self(Tight(limbs))
    }

    /// Little-endian; the highest bit must be 0.
    pub(crate) const fn from_bytes(bytes: &[u8; 32]) -> Self {
        let mut out = Tight([0; _]);
        from_bytes(&mut out, bytes);
        Self(out)
    }

    /// The one spelling below p, little-endian.
    pub(crate) fn to_bytes(self) -> [u8; 32] {
        let mut out = [0; 32];
        to_bytes(&mut out, &self.0);
        out
    }

    /// Reads its first limb, the one in the middle or the last.
    pub(crate) fn touched_after<const HALVES: usize>(&self) -> bool {
        let limbs = &self.0.0;
        limbs.get((limbs.len() - 1) * HALVES / 2).is_some_and(|limb| limb & 1 == 1)
    }

    pub(crate) fn plus(&self, other: &Self) -> Sum {
        let mut out = Loose([0; _]);
        add(&mut out, &self.0, &other.0);
        Sum(out)
    }

    pub(crate) fn minus(&self, other: &Self) -> Sum {
        let mut out = Loose([0; _]);
        subtract(&mut out, &self.0, &other.0);
        Sum(out)
    }

    pub(crate) fn negated(&self) -> Sum {
        Self::ZERO.minus(self)
    }

    /// As a factor.
    pub(crate) const fn loose(&self) -> Sum {
        Sum(Loose(self.0.0))
    }

    pub(crate) fn times(&self, other: &Self) -> Self {
        self.loose().times(&other.loose())
    }

    /// Where it is needed at once: to move a product costs WebAssembly a part of what it cost to make.
    pub(crate) fn set_product(&mut self, a: &Sum, b: &Sum) {
        multiply(&mut self.0, &a.0, &b.0);
    }

    pub(crate) fn squared(&self) -> Self {
        self.loose().squared()
    }

    pub(crate) fn equals(&self, other: &Self) -> bool {
        self.to_bytes() == other.to_bytes()
    }
}

impl Sum {
    pub(crate) fn times(&self, other: &Self) -> Field {
        let mut out = Field::ZERO;
        out.set_product(self, other);
        out
    }

    pub(crate) fn squared(&self) -> Field {
        let mut out = Tight([0; _]);
        square(&mut out, &self.0);
        Field(out)
    }

    pub(crate) fn settled(&self) -> Field {
        let mut out = Tight([0; _]);
        carry(&mut out, &self.0);
        Field(out)
    }
}

const fn one() -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[0] = 1;
    bytes
}
