//! Numbers modulo p = 2^255 − 19, on fiat-crypto's formally verified limbs: 32-bit ones where a register has 32 bits.

#[cfg(not(target_pointer_width = "64"))]
use fiat_crypto::curve25519_32 as fiat;
#[cfg(target_pointer_width = "64")]
use fiat_crypto::curve25519_64 as fiat;

/// A number that may stand anywhere.
#[derive(Clone, Copy)]
pub(super) struct Field(fiat::fiat_25519_tight_field_element);

/// A sum, difference or copy with larger limbs, which may only be multiplied or settled.
#[derive(Clone, Copy)]
pub(super) struct Sum(fiat::fiat_25519_loose_field_element);

impl Field {
    pub(super) const ZERO: Self = Self::from_bytes(&[0; 32]);
    pub(super) const ONE: Self = Self::from_bytes(&one());

    /// Little-endian; the highest bit must be 0.
    pub(super) const fn from_bytes(bytes: &[u8; 32]) -> Self {
        let mut out = fiat::fiat_25519_tight_field_element([0; _]);
        fiat::fiat_25519_from_bytes(&mut out, bytes);
        Self(out)
    }

    /// The one spelling below p, little-endian.
    pub(super) fn to_bytes(self) -> [u8; 32] {
        let mut out = [0; 32];
        fiat::fiat_25519_to_bytes(&mut out, &self.0);
        out
    }

    /// Reads its beginning and its end, and says nothing of use.
    pub(super) fn touched(&self) -> bool {
        self.0.0.first() == self.0.0.last()
    }

    pub(super) fn plus(&self, other: &Self) -> Sum {
        let mut out = fiat::fiat_25519_loose_field_element([0; _]);
        fiat::fiat_25519_add(&mut out, &self.0, &other.0);
        Sum(out)
    }

    pub(super) fn minus(&self, other: &Self) -> Sum {
        let mut out = fiat::fiat_25519_loose_field_element([0; _]);
        fiat::fiat_25519_sub(&mut out, &self.0, &other.0);
        Sum(out)
    }

    pub(super) fn negated(&self) -> Sum {
        Self::ZERO.minus(self)
    }

    /// As a factor.
    pub(super) const fn loose(&self) -> Sum {
        Sum(fiat::fiat_25519_loose_field_element(self.0.0))
    }

    pub(super) fn times(&self, other: &Self) -> Self {
        self.loose().times(&other.loose())
    }

    /// Where it is needed at once: to move a product costs WebAssembly a part of what it cost to make.
    pub(super) fn set_product(&mut self, a: &Sum, b: &Sum) {
        fiat::fiat_25519_carry_mul(&mut self.0, &a.0, &b.0);
    }

    pub(super) fn squared(&self) -> Self {
        self.loose().squared()
    }

    pub(super) fn equals(&self, other: &Self) -> bool {
        self.to_bytes() == other.to_bytes()
    }
}

impl Sum {
    pub(super) fn times(&self, other: &Self) -> Field {
        let mut out = Field::ZERO;
        out.set_product(self, other);
        out
    }

    pub(super) fn squared(&self) -> Field {
        let mut out = fiat::fiat_25519_tight_field_element([0; _]);
        fiat::fiat_25519_carry_square(&mut out, &self.0);
        Field(out)
    }

    pub(super) fn settled(&self) -> Field {
        let mut out = fiat::fiat_25519_tight_field_element([0; _]);
        fiat::fiat_25519_carry(&mut out, &self.0);
        Field(out)
    }
}

const fn one() -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[0] = 1;
    bytes
}
