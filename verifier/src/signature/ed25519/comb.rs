//! Multiples of one point, worked out once, so that a multiplication by a scalar is additions alone.
//!
//! Row i holds 1·256^i·P to 128·256^i·P. A scalar's signed digits choose one of each row. Issuer keys are few and
//! long-lived, so the 5 ms and 480 kB that a comb costs come back many times over. Nobody waits for all of it: it grows
//! row by row.

use alloc::boxed::Box;
use alloc::vec::Vec;

use once_cell::race::OnceBox;

use super::point::{Addend, Point};

pub(super) struct Comb([OnceBox<Row>; ROWS]);

type Row = Vec<Addend>;

/// A digit of a comb has so many bits.
const BITS: usize = 8;
const WIDTH: usize = 1 << (BITS - 1);
pub(super) const ROWS: usize = digits_of(BITS);

/// A digit without a comb, whose multiples serve only once.
const FEW_BITS: usize = 5;
const FEW: usize = 1 << (FEW_BITS - 1);
const FEW_ROWS: usize = digits_of(FEW_BITS);

impl Comb {
    pub(super) const fn new() -> Self {
        Self([const { OnceBox::new() }; ROWS])
    }

    /// Makes the next row for this point, always the same one.
    pub(super) fn grow(&self, point: &Point) {
        if let Some((place, row)) = self.0.iter().enumerate().find(|(_, row)| row.get().is_none()) {
            let mut first = *point;
            for _ in 0..place * BITS {
                first.double();
            }
            row.get_or_init(|| Box::new(Addend::all(&first_multiples(&first, WIDTH)).collect()));
        }
    }

    /// Every row, once all are made.
    pub(super) fn rows(&self) -> Option<[&Row; ROWS]> {
        let mut rows = [const { &Row::new() }; ROWS];
        for (row, made) in rows.iter_mut().zip(&self.0) {
            *row = made.get()?;
        }
        Some(rows)
    }
}

/// Adds a comb's point times `scalar`, which is little-endian and below 2^253.
pub(super) fn add_multiple(sum: &mut Point, rows: &[&Row; ROWS], scalar: &[u8; 32]) {
    let digits = digits::<BITS, ROWS>(scalar);
    let addends = || {
        let rows = rows.iter().zip(digits);
        rows.filter_map(|(row, digit)| chosen(row, digit).map(|addend| (addend, digit < 0)))
    };
    // A comb is larger than what a core keeps near. Asked for all at once, its parts come at the same time.
    core::hint::black_box(addends().fold(false, |near, (addend, _)| near ^ addend.touched()));
    for (addend, negative) in addends() {
        sum.add_addend(addend, negative);
    }
}

/// The sum of both points' multiples without a comb: four times as slow, for keys that may never be seen again.
pub(super) fn sum_of_multiples(factors: [(&Point, &[u8; 32]); 2]) -> Point {
    let tables =
        factors.map(|(point, scalar)| (first_multiples(point, FEW), digits::<FEW_BITS, FEW_ROWS>(scalar)));
    let mut sum = Point::IDENTITY;
    for place in (0..FEW_ROWS).rev() {
        for _ in 0..FEW_BITS {
            sum.double();
        }
        for (multiples, digits) in &tables {
            let digit = digits.get(place).copied().unwrap_or_default();
            match chosen(multiples, digit) {
                Some(multiple) if digit < 0 => sum.add(&multiple.negated()),
                Some(multiple) => sum.add(multiple),
                None => {}
            }
        }
    }
    sum
}

/// The signed digits of a scalar below 2^253, base 2^BITS, the lowest first.
fn digits<const BITS: usize, const COUNT: usize>(scalar: &[u8; 32]) -> [i16; COUNT] {
    let mut digits = [0; COUNT];
    let mut bytes = scalar.iter();
    let (mut pending, mut bits) = (0_u32, 0);
    let mut carry = 0;
    for digit in &mut digits {
        while bits < BITS
            && let Some(byte) = bytes.next()
        {
            pending |= u32::from(*byte) << bits;
            bits += 8;
        }
        let value = (pending & ((1 << BITS) - 1)) as i16 + carry;
        carry = i16::from(value > 1 << (BITS - 1));
        *digit = value - (carry << BITS);
        pending >>= BITS;
        bits = bits.saturating_sub(BITS);
    }
    digits
}

/// A scalar below 2^253 and the last carry fill so many digits.
const fn digits_of(bits: usize) -> usize {
    254_usize.div_ceil(bits)
}

/// The multiple that a digit names, but for its sign. `None` for 0.
fn chosen<T>(multiples: &[T], digit: i16) -> Option<&T> {
    multiples.get(usize::from(digit.unsigned_abs()).checked_sub(1)?)
}

/// 1·P to `count`·P.
fn first_multiples(point: &Point, count: usize) -> Vec<Point> {
    let mut multiples = Vec::with_capacity(count);
    let mut multiple = *point;
    for _ in 0..count {
        multiples.push(multiple);
        multiple.add(point);
    }
    multiples
}
