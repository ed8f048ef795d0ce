//! Against fiat-crypto's verified arithmetic, which reads no limb of ours: bytes go in, bytes come out. Overflows are
//! checked, as in every test.

use fiat_crypto::curve25519_64 as fiat;
use proptest::prelude::*;

use super::*;

/// A number by the verified arithmetic.
#[derive(Clone, Copy)]
struct Verified(fiat::fiat_25519_tight_field_element);

impl Verified {
    fn from_bytes(bytes: &[u8; 32]) -> Self {
        let mut out = fiat::fiat_25519_tight_field_element([0; 5]);
        fiat::fiat_25519_from_bytes(&mut out, bytes);
        Self(out)
    }

    fn small(number: u32) -> Self {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&number.to_le_bytes());
        Self::from_bytes(&bytes)
    }

    /// Returns the number that the limbs stand for.
    fn of(limbs: [u32; 9]) -> Self {
        let base = Self::small(1 << BITS);
        limbs.iter().rev().fold(Self::small(0), |sum, limb| sum.times(base).plus(Self::small(*limb)))
    }

    fn loose(self) -> fiat::fiat_25519_loose_field_element {
        fiat::fiat_25519_loose_field_element(self.0.0)
    }

    fn settled(loose: &fiat::fiat_25519_loose_field_element) -> Self {
        let mut out = Self::small(0);
        fiat::fiat_25519_carry(&mut out.0, loose);
        out
    }

    fn plus(self, other: Self) -> Self {
        let mut out = self.loose();
        fiat::fiat_25519_add(&mut out, &self.0, &other.0);
        Self::settled(&out)
    }

    fn minus(self, other: Self) -> Self {
        let mut out = self.loose();
        fiat::fiat_25519_sub(&mut out, &self.0, &other.0);
        Self::settled(&out)
    }

    fn times(self, other: Self) -> Self {
        let mut out = self.0;
        fiat::fiat_25519_carry_mul(&mut out, &self.loose(), &other.loose());
        Self(out)
    }

    fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        fiat::fiat_25519_to_bytes(&mut bytes, &self.0);
        bytes
    }
}

fn check_tight(limbs: [u32; 9], expected: Verified) {
    assert!(limbs.iter().all(|limb| *limb <= TIGHT), "{limbs:x?}");
    let mut bytes = [0; 32];
    to_bytes(&mut bytes, &Tight(limbs));
    assert_eq!(bytes, expected.to_bytes(), "{limbs:x?}");
}

fn check_sums(a: [u32; 9], b: [u32; 9]) {
    let (mut sum, mut difference) = (Loose([0; 9]), Loose([0; 9]));
    add(&mut sum, &Tight(a), &Tight(b));
    subtract(&mut difference, &Tight(a), &Tight(b));

    let mut tight = Tight([0; 9]);
    carry(&mut tight, &sum);
    assert!(sum.0.iter().all(|limb| *limb <= 2 * TIGHT));
    check_tight(tight.0, Verified::of(a).plus(Verified::of(b)));
    check_tight(difference.0, Verified::of(a).minus(Verified::of(b)));
    check_tight(a, Verified::of(a));
}

fn check_products(a: [u32; 9], b: [u32; 9]) {
    let mut product = Tight([0; 9]);
    multiply(&mut product, &Loose(a), &Loose(b));
    check_tight(product.0, Verified::of(a).times(Verified::of(b)));
    square(&mut product, &Loose(a));
    check_tight(product.0, Verified::of(a).times(Verified::of(a)));
    carry(&mut product, &Loose(a));
    check_tight(product.0, Verified::of(a));
}

/// Limbs up to `most`, often at its end.
fn limbs(most: u32) -> impl Strategy<Value = [u32; 9]> {
    let edges = prop_oneof![Just(0), Just(1), Just(MASK), Just(MASK + 1), Just(most - 1), Just(most)];
    prop::array::uniform9(prop_oneof![edges, 0..=most])
}

proptest! {
    #[test]
    fn sums_are_those_of_the_verified_arithmetic(a in limbs(TIGHT), b in limbs(TIGHT)) {
        check_sums(a, b);
    }

    #[test]
    fn products_are_those_of_the_verified_arithmetic(a in limbs(2 * TIGHT), b in limbs(2 * TIGHT)) {
        check_products(a, b);
    }

    #[test]
    fn bytes_are_read_and_written_as_by_the_verified_arithmetic(mut bytes: [u8; 32]) {
        bytes[31] &= 0x7f;
        let mut read = Tight([0; 9]);
        from_bytes(&mut read, &bytes);
        check_tight(read.0, Verified::from_bytes(&bytes));
    }

    #[test]
    fn what_was_computed_can_be_computed_with(a in limbs(TIGHT), b in limbs(TIGHT)) {
        let (mut ours, mut theirs) = ([Tight(a), Tight(b)], [a, b].map(Verified::of));
        for _ in 0..20 {
            let (mut sum, mut difference) = (Loose([0; 9]), Loose([0; 9]));
            add(&mut sum, &ours[0], &ours[1]);
            subtract(&mut difference, &ours[0], &ours[1]);
            multiply(&mut ours[0], &sum, &difference);
            square(&mut ours[1], &sum);
            theirs = [theirs[0].plus(theirs[1]), theirs[0].minus(theirs[1])];
            theirs = [theirs[0].times(theirs[1]), theirs[0].times(theirs[0])];
            check_tight(ours[0].0, theirs[0]);
            check_tight(ours[1].0, theirs[1]);
        }
    }
}

#[test]
fn limbs_at_their_bounds_do_not_overflow() {
    for (a, b) in [(0, 0), (0, TIGHT), (TIGHT, 0), (TIGHT, TIGHT)] {
        check_sums([a; 9], [b; 9]);
        check_products([2 * a; 9], [2 * b; 9]);
    }
    for place in 0..9 {
        let alone = core::array::from_fn(|at| if at == place { TIGHT } else { 0 });
        check_sums(alone, [TIGHT; 9]);
        check_sums([TIGHT; 9], alone);
        check_products(alone.map(|limb| 2 * limb), [2 * TIGHT; 9]);
    }
}

#[test]
fn around_p_and_its_multiples_there_is_one_spelling() {
    for times in 0..=64_u32 {
        for offset in -30..30 {
            let Some(limbs) = near_multiple(times, offset) else { continue };
            let expected = Verified::small(offset.unsigned_abs());
            check_tight(limbs, if offset < 0 { Verified::small(0).minus(expected) } else { expected });
        }
    }
}

#[test]
fn numbers_around_multiples_of_p_are_like_any_other() {
    let near = |times| (-2..=2).filter_map(move |offset| near_multiple(times, offset));
    let numbers = [0, 1, 2, 63, 64].into_iter().flat_map(near);
    for a in numbers.clone() {
        for b in numbers.clone() {
            check_sums(a, b);
            check_products(a, b);
        }
    }
}

/// `times`·p + `offset` in limbs of 29 bits, but for the highest. `None` where it is negative.
fn near_multiple(times: u32, offset: i32) -> Option<[u32; 9]> {
    let low = offset - 19 * times as i32;
    match (u32::try_from(low), times) {
        (Ok(low), _) => Some([low, 0, 0, 0, 0, 0, 0, 0, times << 23]),
        (Err(_), 0) => None,
        (Err(_), _) => {
            let lowest = (1 << BITS) - low.unsigned_abs();
            Some([lowest, MASK, MASK, MASK, MASK, MASK, MASK, MASK, (times << 23) - 1])
        }
    }
}
