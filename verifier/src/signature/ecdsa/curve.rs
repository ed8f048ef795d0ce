//! The equation of P-256, y² = x³ − 3x + b modulo p (SP 800-186 §3.2.1.3): enough to tell a key from noise, and no more.
//!
//! Runs once for each key that is read, over public numbers, so it is short rather than fast.

/// Big-endian, as in a JWK.
pub(super) const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
    0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// Returns whether both are below p and fulfil the equation.
pub(super) fn is_on_curve(x: &[u8; 32], y: &[u8; 32]) -> bool {
    let (Some(x), Some(y)) = (Residue::from_bytes(x), Residue::from_bytes(y)) else { return false };
    let three_x = x.plus(x).plus(x);
    y.times(y).plus(three_x) == x.times(x).times(x).plus(Residue::B)
}

/// A number below p in two halves, the more significant first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Residue(u128, u128);

impl Residue {
    const P: Self =
        Self(0xffff_ffff_0000_0001_0000_0000_0000_0000, 0x0000_0000_ffff_ffff_ffff_ffff_ffff_ffff);
    const B: Self =
        Self(0x5ac6_35d8_aa3a_93e7_b3eb_bd55_7698_86bc, 0x651d_06b0_cc53_b0f6_3bce_3c3e_27d2_604b);

    fn from_bytes(bytes: &[u8; 32]) -> Option<Self> {
        let (high, low) = (bytes.first_chunk()?, bytes.last_chunk()?);
        Some(Self(u128::from_be_bytes(*high), u128::from_be_bytes(*low))).filter(|number| *number < Self::P)
    }

    fn plus(self, other: Self) -> Self {
        let (low, carry) = self.1.overflowing_add(other.1);
        let (high, over) = self.0.overflowing_add(other.0);
        let (high, over_again) = high.overflowing_add(u128::from(carry));
        let sum = Self(high, low);
        if over || over_again || sum >= Self::P { sum.minus_p() } else { sum }
    }

    const fn minus_p(self) -> Self {
        let (low, borrow) = self.1.overflowing_sub(Self::P.1);
        Self(self.0.wrapping_sub(Self::P.0).wrapping_sub(borrow as u128), low)
    }

    /// By doubling and adding, from the most significant bit on.
    fn times(self, other: Self) -> Self {
        [other.0, other.1].into_iter().fold(Self(0, 0), |product, half| {
            (0..128).rev().fold(product, |product, bit| {
                let doubled = product.plus(product);
                if half >> bit & 1 == 1 { doubled.plus(self) } else { doubled }
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p_minus_one_is_minus_one() {
        let minus_one = Residue(Residue::P.0, Residue::P.1 - 1);

        assert!(minus_one.times(minus_one) == Residue(0, 1));
        assert!(minus_one.plus(Residue(0, 1)) == Residue(0, 0));
        assert!(minus_one.plus(minus_one) == Residue(Residue::P.0, Residue::P.1 - 2));
    }

    #[test]
    fn a_point_and_its_mirror_image_are_on_the_curve() {
        // The base point of SP 800-186 §3.2.1.3.
        let x = Residue(0x6b17_d1f2_e12c_4247_f8bc_e6e5_63a4_40f2, 0x7703_7d81_2deb_33a0_f4a1_3945_d898_c296);
        let y = Residue(0x4fe3_42e2_fe1a_7f9b_8ee7_eb4a_7c0f_9e16, 0x2bce_3357_6b31_5ece_cbb6_4068_37bf_51f5);
        let bytes = |number: Residue| {
            let mut bytes = [0; 32];
            bytes[..16].copy_from_slice(&number.0.to_be_bytes());
            bytes[16..].copy_from_slice(&number.1.to_be_bytes());
            bytes
        };
        // y times −1.
        let mirrored = Residue(Residue::P.0, Residue::P.1 - 1).times(y);

        assert!(is_on_curve(&bytes(x), &bytes(y)));
        assert!(is_on_curve(&bytes(x), &bytes(mirrored)));
        assert!(!is_on_curve(&bytes(y), &bytes(x)));
        assert!(!is_on_curve(&bytes(x), &bytes(Residue(y.0, y.1 + 1))));
        assert!(!is_on_curve(&bytes(Residue(0, 0)), &bytes(Residue(0, 0))));
        assert!(!is_on_curve(&bytes(Residue::P), &bytes(y)));
    }
}
