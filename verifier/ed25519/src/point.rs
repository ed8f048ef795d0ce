//! PointsX2 of edwards25519 (RFC 8032 §5.1): −x² + y² = 1 + d·x²·y². The formulas are complete, so no case is special.
//!
//! A sum takes the place of its first point: WebAssembly copies a point slower than it multiplies.

use super::field::{Field, Sum};
use super::inverse::inverse;

/// x = X / Z, y = Y / Z, x·y = T / Z (Hisil, Wong, Carter and Dawson, "Twisted Edwards curves revisited", 2008).
#[derive(Clone, Copy)]
pub(crate) struct Point {
    pub(crate) x: Field,
    pub(crate) y: Field,
    pub(crate) z: Field,
    pub(crate) t: Field,
}

/// A point with Z = 1, shaped for being added often. Halves, so that a sum needs no doubling.
#[derive(Clone, Copy)]
pub(crate) struct Addend {
    /// (y + x) / 2
    sum: Field,
    /// (y − x) / 2
    difference: Field,
    /// d·x·y
    pub(crate) product: Field,
}

impl Point {
    pub(crate) const IDENTITY: Self = Self { x: Field::ZERO, y: Field::ONE, z: Field::ONE, t: Field::ZERO };

    /// The base point: 4/5 and the even x (RFC 8032 §5.1).
    pub(crate) fn base() -> Option<Self> {
        let mut bytes = [0x66; 32];
        bytes[0] = 0x58;
        Self::decompress(&bytes)
    }

    /// RFC 8032 §5.1.3. `None`: no point has this y, or x is 0 and its sign is not. The y must be below p.
    pub(crate) fn decompress(bytes: &[u8; 32]) -> Option<Self> {
        let mut low = *bytes;
        low[31] &= 0x7f;
        let y = Field::from_bytes(&low);
        let negative = bytes[31] >> 7 == 1;

        let square = y.squared();
        let u = square.minus(&Field::ONE).settled();
        let v = square.times(&D).plus(&Field::ONE).settled();
        let mut x = root_of_ratio(&u, &v)?;
        if x.to_bytes() == [0; 32] && negative {
            return None;
        }
        if is_odd(&x) != negative {
            x = x.negated().settled();
        }
        Some(Self { t: x.times(&y), x, y, z: Field::ONE })
    }

    /// RFC 8032 §5.1.2.
    pub(crate) fn compress(&self) -> [u8; 32] {
        let by_z = Field::from_bytes(&inverse(&self.z.to_bytes()));
        let mut bytes = self.y.times(&by_z).to_bytes();
        bytes[31] |= u8::from(is_odd(&self.x.times(&by_z))) << 7;
        bytes
    }

    pub(crate) fn negated(&self) -> Self {
        Self { x: self.x.negated().settled(), t: self.t.negated().settled(), ..*self }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        let a = self.y.minus(&self.x).times(&other.y.minus(&other.x));
        let b = self.y.plus(&self.x).times(&other.y.plus(&other.x));
        let c = self.t.times(&other.t).times(&D);
        let c = c.plus(&c).settled();
        let d = self.z.times(&other.z);
        let d = d.plus(&d).settled();
        self.set([&b.minus(&a), &d.minus(&c), &d.plus(&c), &b.plus(&a)]);
    }

    pub(crate) fn double(&mut self) {
        let a = self.x.squared();
        let b = self.y.squared();
        let c = self.z.squared();
        let c = c.plus(&c).settled();
        let h = a.plus(&b).settled();
        let e = self.x.plus(&self.y).squared().minus(&h);
        let g = b.minus(&a).settled();
        self.set([&e, &g.minus(&c), &g.loose(), &h.negated()]);
    }

    /// Adds `addend`, or subtracts it.
    #[cfg(not(any(target_feature = "simd128", feature = "wasm-arithmetic")))]
    pub(crate) fn add_addend(&mut self, addend: &Addend, negative: bool) {
        let (sum, difference) = addend.signed(negative);
        let a = self.y.minus(&self.x).times(&difference.loose());
        let b = self.y.plus(&self.x).times(&sum.loose());
        let c = self.t.times(&addend.product);
        let (less, more) = (self.z.minus(&c), self.z.plus(&c));
        let (f, g) = if negative { (&more, &less) } else { (&less, &more) };
        self.set([&b.minus(&a), f, g, &b.plus(&a)]);
    }

    /// The last step of every sum.
    fn set(&mut self, [e, f, g, h]: [&Sum; 4]) {
        self.x.set_product(e, f);
        self.y.set_product(g, h);
        self.z.set_product(f, g);
        self.t.set_product(e, h);
    }
}

impl Addend {
    pub(crate) const IDENTITY: Self = Self { sum: HALF, difference: HALF, product: Field::ZERO };

    /// Sum and difference of the point, or of its negative.
    pub(crate) fn signed(&self, negative: bool) -> (&Field, &Field) {
        if negative { (&self.difference, &self.sum) } else { (&self.sum, &self.difference) }
    }

    /// Reads its beginning, its middle and its end, and says nothing of use.
    pub(crate) fn touched(&self) -> bool {
        self.sum.touched_after::<0>()
            ^ self.difference.touched_after::<1>()
            ^ self.product.touched_after::<2>()
    }

    /// The points, with one inverse for all of them.
    pub(crate) fn all(points: &[Point]) -> impl Iterator<Item = Self> {
        let mut product = Field::ONE;
        // Before each point, the product of the Zs before it.
        let before = points.iter().map(|point| {
            let before = product;
            product = product.times(&point.z);
            before
        });
        let before = before.collect::<alloc::vec::Vec<_>>();
        let mut by_rest = Field::from_bytes(&inverse(&product.to_bytes()));
        let mut addends = alloc::vec::Vec::with_capacity(points.len());
        for (point, before) in points.iter().rev().zip(before.into_iter().rev()) {
            addends.push(Self::of(point, &by_rest.times(&before)));
            by_rest = by_rest.times(&point.z);
        }
        addends.into_iter().rev()
    }

    fn of(point: &Point, by_z: &Field) -> Self {
        let (x, y) = (point.x.times(by_z), point.y.times(by_z));
        Self {
            sum: y.plus(&x).times(&HALF.loose()),
            difference: y.minus(&x).times(&HALF.loose()),
            product: x.times(&y).times(&D),
        }
    }
}

fn is_odd(x: &Field) -> bool {
    x.to_bytes()[0] & 1 == 1
}

/// A square root of u / v: u·v³·(u·v⁷)^((p − 5) / 8), by √−1 where that gives the root of −u / v.
fn root_of_ratio(u: &Field, v: &Field) -> Option<Field> {
    let v3 = v.squared().times(v);
    let v7 = v3.squared().times(v);
    let root = u.times(&v3).times(&to_the_p_minus_5_over_8(&u.times(&v7)));
    let check = v.times(&root.squared());
    if check.equals(u) {
        Some(root)
    } else if check.equals(&u.negated().settled()) {
        Some(root.times(&ROOT_OF_MINUS_ONE))
    } else {
        None
    }
}

/// (p − 5) / 8 = 2^252 − 3: every bit is set but the second.
fn to_the_p_minus_5_over_8(x: &Field) -> Field {
    (0..252).rev().fold(Field::ONE, |power, bit| {
        let power = power.squared();
        if bit == 1 { power } else { power.times(x) }
    })
}

/// −121665 / 121666
const D: Field = constant("a3785913ca4deb75abd841414d0a700098e879777940c78c73fe6f2bee6c0352");
const ROOT_OF_MINUS_ONE: Field = constant("b0a00e4a271beec478e42fad0618432fa7d7fb3d99004d2b0bdfc14f8024832b");
const HALF: Field = constant("f7ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff3f");

/// From 64 hexadecimal digits, the lowest byte first.
const fn constant(digits: &str) -> Field {
    let (mut bytes, mut rest) = ([0; 32], digits.as_bytes());
    let mut left: &mut [u8] = &mut bytes;
    while let ([high, low, after @ ..], [byte, more @ ..]) = (rest, left) {
        *byte = (digit(*high) << 4) | digit(*low);
        (rest, left) = (after, more);
    }
    Field::from_bytes(&bytes)
}

const fn digit(hex: u8) -> u8 {
    if hex.is_ascii_digit() { hex - b'0' } else { hex - b'a' + 10 }
}
