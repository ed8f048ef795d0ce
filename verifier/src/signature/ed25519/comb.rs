//! Multiples of one point, worked out once, so that a multiplication by a scalar is additions alone.
//!
//! Row i holds 1·128^i·P to 64·128^i·P. A scalar's signed digits choose one of each row. Issuer keys are few and
//! long-lived, so the 2 ms and 280 kB that a comb costs come back many times over.

use alloc::vec::Vec;

use super::point::{Addend, Point};

pub(super) struct Comb(Vec<Addend>);

/// The signed digits of a scalar below 2^253, base 2^[`BITS`], each from −[`WIDTH`] to [`WIDTH`].
pub(super) struct Digits([i8; ROWS]);

const BITS: usize = 6;
const WIDTH: usize = 1 << (BITS - 1);
const ROWS: usize = 254_usize.div_ceil(BITS);

impl Comb {
    pub(super) fn of(point: &Point) -> Self {
        let mut addends = Vec::with_capacity(ROWS * WIDTH);
        let mut first = *point;
        for _ in 0..ROWS {
            let row = first_multiples(&first);
            addends.extend(Addend::all(&row));
            first = row.last().unwrap_or(&first).doubled();
        }
        Self(addends)
    }

    /// `sum` and the multiple of the comb's point.
    pub(super) fn add_multiple(&self, sum: Point, digits: &Digits) -> Point {
        self.0.chunks_exact(WIDTH).zip(digits.0).fold(sum, |sum, (row, digit)| {
            match usize::from(digit.unsigned_abs()).checked_sub(1).and_then(|place| row.get(place)) {
                Some(addend) => sum.plus_addend(addend, digit < 0),
                None => sum,
            }
        })
    }
}

impl Digits {
    /// Little-endian.
    pub(super) fn of(scalar: &[u8; 32]) -> Self {
        let mut digits = [0; ROWS];
        let mut bytes = scalar.iter();
        let (mut pending, mut bits) = (0_u32, 0);
        let mut carry = 0;
        for digit in &mut digits {
            if bits < BITS
                && let Some(byte) = bytes.next()
            {
                pending |= u32::from(*byte) << bits;
                bits += 8;
            }
            let value = (pending & ((1 << BITS) - 1)) as i16 + carry;
            carry = i16::from(value > WIDTH as i16);
            *digit = (value - (carry << BITS)) as i8;
            pending >>= BITS;
            bits = bits.saturating_sub(BITS);
        }
        Self(digits)
    }
}

/// The sum of both points' multiples without a comb: four times as slow, for keys that may never be seen again.
pub(super) fn sum_of_multiples(factors: [(&Point, &Digits); 2]) -> Point {
    let tables = factors.map(|(point, digits)| (first_multiples(point), digits));
    (0..ROWS).rev().fold(Point::IDENTITY, |mut sum, place| {
        for _ in 0..BITS {
            sum = sum.doubled();
        }
        tables.iter().fold(sum, |sum, (multiples, digits)| {
            let digit = digits.0.get(place).copied().unwrap_or_default();
            match usize::from(digit.unsigned_abs()).checked_sub(1).and_then(|place| multiples.get(place)) {
                Some(multiple) if digit < 0 => sum.plus(&multiple.negated()),
                Some(multiple) => sum.plus(multiple),
                None => sum,
            }
        })
    })
}

/// 1·P to [`WIDTH`]·P.
fn first_multiples(point: &Point) -> Vec<Point> {
    core::iter::successors(Some(*point), |multiple| Some(multiple.plus(point))).take(WIDTH).collect()
}
