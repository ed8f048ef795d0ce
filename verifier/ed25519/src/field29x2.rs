//! Two numbers modulo p side by side, in the limbs of [`super::field29`]. One instruction of WebAssembly multiplies two limbs
//! of 32 bits at once, so two products cost little more than one.
//!
//! The bounds explained there hold for both numbers of a pair.

use core::ops::Mul;

use super::field29::{FOLD, MASK};
use super::simd::{Four, Two};

/// Two numbers that may be added and subtracted. A register holds limb 2·i of both numbers, then limb 2·i + 1 of both; the
/// last one holds limb 8 twice.
#[derive(Clone, Copy)]
pub(crate) struct Tight([Four; 5]);

/// Two numbers that may be multiplied: each a sum of two. Limbs of at most 2^30 + 2^18.
#[derive(Clone, Copy)]
pub(crate) struct Loose([Four; 5]);

/// Two numbers that may be multiplied by a [`Loose`]: each a difference. Limbs below 3·2^29 + 2^17.
#[derive(Clone, Copy)]
pub(crate) struct Looser([Four; 5]);

impl Tight {
    #[inline(always)]
    pub(crate) fn of(a: &[u32; 9], b: &[u32; 9]) -> Self {
        Self(side_by_side(a, b))
    }

    pub(crate) fn halves(&self) -> [[u32; 9]; 2] {
        let [l0, l2, l4, l6, l8] = self.0.map(Four::values);
        let [([a0, b0, a1, b1], [a2, b2, a3, b3]), ([a4, b4, a5, b5], [a6, b6, a7, b7])] =
            [(l0, l2), (l4, l6)];
        let [a8, b8, _, _] = l8;
        [[a0, a1, a2, a3, a4, a5, a6, a7, a8], [b0, b1, b2, b3, b4, b5, b6, b7, b8]]
    }

    #[inline(always)]
    pub(crate) fn loose(&self) -> Loose {
        Loose(self.0)
    }

    #[inline(always)]
    pub(crate) fn plus(&self, other: &Self) -> Loose {
        Loose(sums(self.0, other.0))
    }

    #[inline(always)]
    pub(crate) fn minus(&self, other: &Self) -> Looser {
        Looser(sums(self.0, negated(other.0)))
    }

    /// The numbers negated of whom that is said.
    #[inline(always)]
    pub(crate) fn negated_where(&self, negative: [bool; 2]) -> Loose {
        let [a, b] = negative.map(|negative| if negative { u32::MAX } else { 0 });
        let mask = Four::of([a, b, a, b]);
        let [n0, n1, n2, n3, n4] = negated(self.0);
        let [l0, l1, l2, l3, l4] = self.0;
        Loose([
            l0.or_where(mask, n0),
            l1.or_where(mask, n1),
            l2.or_where(mask, n2),
            l3.or_where(mask, n3),
            l4.or_where(mask, n4),
        ])
    }

    /// Not inlined: it stands in many places.
    #[inline(never)]
    pub(crate) fn set_product(&mut self, a: &Looser, b: &Loose) {
        self.0 = product(a.0, b.0);
    }

    #[inline(always)]
    pub(crate) fn product(a: &Looser, b: &Loose) -> Self {
        let mut out = Self(a.0);
        out.set_product(a, b);
        out
    }
}

impl Loose {
    #[inline(always)]
    pub(crate) fn looser(&self) -> Looser {
        Looser(self.0)
    }
}

impl Looser {
    #[inline(always)]
    pub(crate) fn settled(&self) -> Tight {
        Tight(settled(self.0))
    }
}

#[inline(always)]
fn side_by_side(a: &[u32; 9], b: &[u32; 9]) -> [Four; 5] {
    let [a0, a1, a2, a3, a4, a5, a6, a7, a8] = *a;
    let [b0, b1, b2, b3, b4, b5, b6, b7, b8] = *b;
    let (a_low, a_high) = (Four::of([a0, a1, a2, a3]), Four::of([a4, a5, a6, a7]));
    let (b_low, b_high) = (Four::of([b0, b1, b2, b3]), Four::of([b4, b5, b6, b7]));
    let last = Four::of([a8, b8, a8, b8]);
    [
        a_low.first_beside_first(b_low),
        a_low.second_beside_second(b_low),
        a_high.first_beside_first(b_high),
        a_high.second_beside_second(b_high),
        last,
    ]
}

#[inline(always)]
fn sums([a0, a1, a2, a3, a4]: [Four; 5], [b0, b1, b2, b3, b4]: [Four; 5]) -> [Four; 5] {
    [a0 + b0, a1 + b1, a2 + b2, a3 + b3, a4 + b4]
}

/// 128·p less tight limbs, as in [`super::field29::subtract`]: no limb falls below 0, and none reaches 2^30.
#[inline(always)]
fn negated([l0, l1, l2, l3, l4]: [Four; 5]) -> [Four; 5] {
    let (lowest, other) = (2 * (MASK + 1 - FOLD), 2 * MASK);
    let (first, others) = (Four::of([lowest, lowest, other, other]), Four::of([other; 4]));
    [first - l0, others - l1, others - l2, others - l3, others - l4]
}

/// Tight limbs of limbs below 2^31, as in [`super::field29`].
#[inline(always)]
fn settled(limbs: [Four; 5]) -> [Four; 5] {
    let [l0, l1, l2, l3, l4] = limbs.map(Four::low_bits);
    let [h0, h1, h2, h3, h4] = limbs.map(Four::high_bits);
    let folded = h4.times(FOLD);
    [
        l0 + folded.up_to(h0),
        l1 + h0.up_to(h1),
        l2 + h1.up_to(h2),
        l3 + h2.up_to(h3),
        l4 + h3.up_to(h3.up_to(h3)),
    ]
}

/// A limb of the left factor, in the first half of a register or in the second.
#[derive(Clone, Copy)]
struct First(Four);
#[derive(Clone, Copy)]
struct Second(Four);

/// A limb of the right factor: a register that has it in the first half, and one that has it in the second.
#[derive(Clone, Copy)]
struct Either(Four, Four);

impl Mul<Either> for First {
    type Output = Two;

    #[inline(always)]
    fn mul(self, Either(first, _): Either) -> Two {
        self.0.first_by_first(first)
    }
}

impl Mul<Either> for Second {
    type Output = Two;

    #[inline(always)]
    fn mul(self, Either(_, second): Either) -> Two {
        self.0.second_by_second(second)
    }
}

/// Columns are summed and carried as in [`super::field29::multiply`], the upper ones first, so that what is folded has limbs
/// of 29 bits, and the last one, as c16 is below 1.51·2^60, of 32. A column is nine products of limbs up to three and two
/// times 2^29 + 2^17: below 13.6·2^60. What is folded onto one is below 2^43 and a carry below 2^35, and 2^64 is far.
#[inline(always)]
fn product([x0, x2, x4, x6, x8]: [Four; 5], [y0, y2, y4, y6, y8]: [Four; 5]) -> [Four; 5] {
    let (a0, a2, a4, a6, a8) = (First(x0), First(x2), First(x4), First(x6), First(x8));
    let (a1, a3, a5, a7, a8_too) = (Second(x0), Second(x2), Second(x4), Second(x6), Second(x8));
    let [z0, z2, z4, z6] = [y0, y2, y4, y6].map(|both| both.up_to(both).unrelated());
    let (b0, b2, b4, b6, b8) =
        (Either(y0, z0), Either(y2, z2), Either(y4, z4), Either(y6, z6), Either(y8, y8));
    let (b1, b3, b5, b7) = (Either(z0, y0), Either(z2, y2), Either(z4, y4), Either(z6, y6));
    let fold = Four::of([FOLD; 4]).unrelated();
    let fold = Either(fold, fold);

    let c9 = a1 * b8 + a2 * b7 + a3 * b6 + a4 * b5 + a5 * b4 + a6 * b3 + a7 * b2 + a8_too * b1;
    let c10 = a2 * b8 + a3 * b7 + a4 * b6 + a5 * b5 + a6 * b4 + a7 * b3 + a8 * b2 + c9.high_bits();
    let c11 = a3 * b8 + a4 * b7 + a5 * b6 + a6 * b5 + a7 * b4 + a8_too * b3 + c10.high_bits();
    let c12 = a4 * b8 + a5 * b7 + a6 * b6 + a7 * b5 + a8 * b4 + c11.high_bits();
    let c13 = a5 * b8 + a6 * b7 + a7 * b6 + a8_too * b5 + c12.high_bits();
    let c14 = a6 * b8 + a7 * b7 + a8 * b6 + c13.high_bits();
    let c15 = a7 * b8 + a8_too * b7 + c14.high_bits();
    let c16 = a8 * b8 + c15.high_bits();
    let (f0, f2) = (c9.with(c10).low_bits(), c11.with(c12).low_bits());
    let (f4, f6) = (c13.with(c14).low_bits(), c15.with(c16).low_bits());
    let f8 = c16.high_bits().with(c16.high_bits());

    let c0 = First(f0) * fold + a0 * b0;
    let c1 = Second(f0) * fold + a0 * b1 + a1 * b0 + c0.high_bits();
    let c2 = First(f2) * fold + a0 * b2 + a1 * b1 + a2 * b0 + c1.high_bits();
    let c3 = Second(f2) * fold + a0 * b3 + a1 * b2 + a2 * b1 + a3 * b0 + c2.high_bits();
    let c4 = First(f4) * fold + a0 * b4 + a1 * b3 + a2 * b2 + a3 * b1 + a4 * b0 + c3.high_bits();
    let c5 = Second(f4) * fold + a0 * b5 + a1 * b4 + a2 * b3 + a3 * b2 + a4 * b1 + a5 * b0 + c4.high_bits();
    let c6 = First(f6) * fold
        + (a0 * b6 + a1 * b5 + a2 * b4 + a3 * b3 + a4 * b2 + a5 * b1 + a6 * b0)
        + c5.high_bits();
    let c7 = Second(f6) * fold
        + (a0 * b7 + a1 * b6 + a2 * b5 + a3 * b4 + a4 * b3 + a5 * b2 + a6 * b1 + a7 * b0)
        + c6.high_bits();
    let c8 = First(f8) * fold
        + (a0 * b8 + a1 * b7 + a2 * b6 + a3 * b5 + a4 * b4 + a5 * b3 + a6 * b2 + a7 * b1 + a8 * b0)
        + c7.high_bits();

    // Below 2^35: its low bits folded are below 2^40, of which less than 2^11 is carried on, its high ones below 2^17 − 2^11.
    let over = c8.high_bits();
    let c0 = c0.low_bits() + First(over.with(over).low_bits()) * fold;
    let higher = First(over.high_bits().with(over.high_bits())) * fold;
    let c1 = c1.low_bits() + c0.high_bits() + higher;
    [
        c0.low_bits().with(c1),
        c2.with(c3).low_bits(),
        c4.with(c5).low_bits(),
        c6.with(c7).low_bits(),
        c8.with(c8).low_bits(),
    ]
}

#[cfg(test)]
mod tests;
