//! Numbers modulo p = 2^255 − 19 in nine limbs of 29 bits, for WebAssembly: quicker there than ten limbs, because what a
//! machine has no registers for costs as much as a multiplication.
//!
//! Limb i counts 2^(29·i), and 2^261 is 1216 modulo p. Tight limbs are at most `TIGHT`, loose ones at most twice that;
//! each operation says why limbs within these bounds do not overflow it, and why what it gives is within them. The tests
//! try limbs at the bounds, with checks for overflow.

/// A number that may be added and subtracted: limbs of at most 2^29 + 2^17.
#[derive(Clone, Copy)]
pub(crate) struct Tight(pub(super) [u32; 9]);

/// A number that may be multiplied: limbs of at most 2^30 + 2^18.
#[derive(Clone, Copy)]
pub(crate) struct Loose(pub(super) [u32; 9]);

pub(crate) const BITS: u32 = 29;
pub(crate) const MASK: u32 = (1 << BITS) - 1;
/// 2^261 modulo p.
pub(crate) const FOLD: u32 = 19 << 6;
/// The greatest limb of a `Tight`.
#[cfg(test)]
pub(crate) const TIGHT: u32 = (1 << BITS) + (1 << 17);

/// Little-endian; the highest bit must be 0. No limb exceeds 29 bits.
pub(crate) const fn from_bytes(out: &mut Tight, bytes: &[u8; 32]) {
    let [w0, w1, w2, w3, w4, w5, w6, w7] = words(bytes);
    out.0 = [
        w0 & MASK,
        (w0 >> 29 | w1 << 3) & MASK,
        (w1 >> 26 | w2 << 6) & MASK,
        (w2 >> 23 | w3 << 9) & MASK,
        (w3 >> 20 | w4 << 12) & MASK,
        (w4 >> 17 | w5 << 15) & MASK,
        (w5 >> 14 | w6 << 18) & MASK,
        (w6 >> 11 | w7 << 21) & MASK,
        w7 >> 8,
    ];
}

const fn words(bytes: &[u8; 32]) -> [u32; 8] {
    let (chunks, _) = bytes.as_chunks();
    let [a, b, c, d, e, f, g, h] = chunks else { return [0; 8] };
    [
        u32::from_le_bytes(*a),
        u32::from_le_bytes(*b),
        u32::from_le_bytes(*c),
        u32::from_le_bytes(*d),
        u32::from_le_bytes(*e),
        u32::from_le_bytes(*f),
        u32::from_le_bytes(*g),
        u32::from_le_bytes(*h),
    ]
}

/// The one spelling below p, little-endian.
pub(crate) fn to_bytes(out: &mut [u8; 32], a: &Tight) {
    // The highest limb is below 2^30, so up to 127 times 2^255 are left, and each is 19.
    let (once, over) = chained(a.0, 0);
    let (twice, over) = chained(once, 19 * over);
    // A number below 2^255 is p or more where 19 more reach 2^255. Where `over` is 1, what is left besides is below
    // 19·127, and 2^255 more of it is p and 19 more.
    let (less_p, is_p_or_more) = chained(twice, 19);
    let [l0, l1, l2, l3, l4, l5, l6, l7, l8] = if over + is_p_or_more == 0 { twice } else { less_p };
    let words = [
        l0 | l1 << 29,
        l1 >> 3 | l2 << 26,
        l2 >> 6 | l3 << 23,
        l3 >> 9 | l4 << 20,
        l4 >> 12 | l5 << 17,
        l5 >> 15 | l6 << 14,
        l6 >> 18 | l7 << 11,
        l7 >> 21 | l8 << 8,
    ];
    for (bytes, word) in out.as_chunks_mut().0.iter_mut().zip(words) {
        *bytes = word.to_le_bytes();
    }
}

/// `limbs`, which are tight, and `more`, below 2^12, as the limbs of a number below 2^255, and how many times 2^255 are
/// left. A carry is 0 or 1.
fn chained(limbs: [u32; 9], more: u32) -> ([u32; 9], u32) {
    let mut carry = more;
    let [low @ .., top] = limbs.map(|limb| {
        let sum = limb + carry;
        carry = sum >> BITS;
        sum & MASK
    });
    let top = top | carry << BITS;
    let [l0, l1, l2, l3, l4, l5, l6, l7] = low;
    ([l0, l1, l2, l3, l4, l5, l6, l7, top & 0x7f_ffff], top >> 23)
}

pub(crate) fn add(out: &mut Loose, a: &Tight, b: &Tight) {
    let [a0, a1, a2, a3, a4, a5, a6, a7, a8] = a.0;
    let [b0, b1, b2, b3, b4, b5, b6, b7, b8] = b.0;
    out.0 = [a0 + b0, a1 + b1, a2 + b2, a3 + b3, a4 + b4, a5 + b5, a6 + b6, a7 + b7, a8 + b8];
}

pub(crate) fn subtract(out: &mut Loose, a: &Tight, b: &Tight) {
    let [a0, a1, a2, a3, a4, a5, a6, a7, a8] = a.0;
    let [b0, b1, b2, b3, b4, b5, b6, b7, b8] = b.0;
    // 128·p, in limbs of more than 2^29 + 2^17, so that none falls below 0. None reaches 2^31.
    let (lowest, other) = (2 * (MASK + 1 - FOLD), 2 * MASK);
    out.0 = settled([
        a0 + lowest - b0,
        a1 + other - b1,
        a2 + other - b2,
        a3 + other - b3,
        a4 + other - b4,
        a5 + other - b5,
        a6 + other - b6,
        a7 + other - b7,
        a8 + other - b8,
    ]);
}

pub(crate) fn carry(out: &mut Tight, a: &Loose) {
    out.0 = settled(a.0);
}

/// Tight limbs of limbs below 2^31, as those of a `Loose` are: a carry is at most 3, and 3·1216 below 2^17.
fn settled([a0, a1, a2, a3, a4, a5, a6, a7, a8]: [u32; 9]) -> [u32; 9] {
    let (low, high) = (|limb: u32| limb & MASK, |limb: u32| limb >> BITS);
    [
        low(a0) + FOLD * high(a8),
        low(a1) + high(a0),
        low(a2) + high(a1),
        low(a3) + high(a2),
        low(a4) + high(a3),
        low(a5) + high(a4),
        low(a6) + high(a5),
        low(a7) + high(a6),
        low(a8) + high(a7),
    ]
}

/// A column is at most nine products of loose limbs: below 9.01·2^60.
pub(crate) fn multiply(out: &mut Tight, a: &Loose, b: &Loose) {
    let [a0, a1, a2, a3, a4, a5, a6, a7, a8] = a.0.map(u64::from);
    let [b0, b1, b2, b3, b4, b5, b6, b7, b8] = b.0.map(u64::from);
    out.0 = folded([
        a0 * b0,
        a0 * b1 + a1 * b0,
        a0 * b2 + a1 * b1 + a2 * b0,
        a0 * b3 + a1 * b2 + a2 * b1 + a3 * b0,
        a0 * b4 + a1 * b3 + a2 * b2 + a3 * b1 + a4 * b0,
        a0 * b5 + a1 * b4 + a2 * b3 + a3 * b2 + a4 * b1 + a5 * b0,
        a0 * b6 + a1 * b5 + a2 * b4 + a3 * b3 + a4 * b2 + a5 * b1 + a6 * b0,
        a0 * b7 + a1 * b6 + a2 * b5 + a3 * b4 + a4 * b3 + a5 * b2 + a6 * b1 + a7 * b0,
        a0 * b8 + a1 * b7 + a2 * b6 + a3 * b5 + a4 * b4 + a5 * b3 + a6 * b2 + a7 * b1 + a8 * b0,
        a1 * b8 + a2 * b7 + a3 * b6 + a4 * b5 + a5 * b4 + a6 * b3 + a7 * b2 + a8 * b1,
        a2 * b8 + a3 * b7 + a4 * b6 + a5 * b5 + a6 * b4 + a7 * b3 + a8 * b2,
        a3 * b8 + a4 * b7 + a5 * b6 + a6 * b5 + a7 * b4 + a8 * b3,
        a4 * b8 + a5 * b7 + a6 * b6 + a7 * b5 + a8 * b4,
        a5 * b8 + a6 * b7 + a7 * b6 + a8 * b5,
        a6 * b8 + a7 * b7 + a8 * b6,
        a7 * b8 + a8 * b7,
        a8 * b8,
    ]);
}

/// The columns of `multiply`, each product that stands twice in one doubled before.
pub(crate) fn square(out: &mut Tight, a: &Loose) {
    let [a0, a1, a2, a3, a4, a5, a6, a7, a8] = a.0.map(u64::from);
    let [d0, d1, d2, d3, d4, d5, d6, d7, _] = a.0.map(|limb| u64::from(limb) << 1);
    out.0 = folded([
        a0 * a0,
        d0 * a1,
        d0 * a2 + a1 * a1,
        d0 * a3 + d1 * a2,
        d0 * a4 + d1 * a3 + a2 * a2,
        d0 * a5 + d1 * a4 + d2 * a3,
        d0 * a6 + d1 * a5 + d2 * a4 + a3 * a3,
        d0 * a7 + d1 * a6 + d2 * a5 + d3 * a4,
        d0 * a8 + d1 * a7 + d2 * a6 + d3 * a5 + a4 * a4,
        d1 * a8 + d2 * a7 + d3 * a6 + d4 * a5,
        d2 * a8 + d3 * a7 + d4 * a6 + a5 * a5,
        d3 * a8 + d4 * a7 + d5 * a6,
        d4 * a8 + d5 * a7 + a6 * a6,
        d5 * a8 + d6 * a7,
        d6 * a8 + a7 * a7,
        d7 * a8,
        a8 * a8,
    ]);
}

/// Makes tight limbs of a product's columns, each of which counts 2^29 times as much as the one before.
///
/// Columns are below 9.01·2^60, carries of them so below 2^35, and what is folded onto a column below 2^46: 2^64 is far.
/// The last carry is below 2^33, folded below 2^44, of which less than 2^15 is carried on: below 2^17.
fn folded(columns: [u64; 17]) -> [u32; 9] {
    let [c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12, c13, c14, c15, c16] = columns;
    let (low, high) = (|column: u64| column & u64::from(MASK), |column: u64| column >> BITS);
    let fold = u64::from(FOLD);
    // What counts 2^261 or more.
    let c0 = c0 + fold * low(c9);
    let c1 = c1 + fold * (low(c10) + high(c9));
    let c2 = c2 + fold * (low(c11) + high(c10));
    let c3 = c3 + fold * (low(c12) + high(c11));
    let c4 = c4 + fold * (low(c13) + high(c12));
    let c5 = c5 + fold * (low(c14) + high(c13));
    let c6 = c6 + fold * (low(c15) + high(c14));
    let c7 = c7 + fold * (low(c16) + high(c15));
    let c8 = c8 + fold * high(c16);
    let c1 = c1 + high(c0);
    let c2 = c2 + high(c1);
    let c3 = c3 + high(c2);
    let c4 = c4 + high(c3);
    let c5 = c5 + high(c4);
    let c6 = c6 + high(c5);
    let c7 = c7 + high(c6);
    let c8 = c8 + high(c7);
    let c0 = low(c0) + fold * high(c8);
    [low(c0), low(c1) + high(c0), low(c2), low(c3), low(c4), low(c5), low(c6), low(c7), low(c8)]
        .map(|limb| limb as u32)
}

#[cfg(test)]
mod tests;
