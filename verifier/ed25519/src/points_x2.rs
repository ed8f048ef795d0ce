//! Two sums of points side by side, as [`super::field29x2`] multiplies. The formula is that of `Point::add_addend`.

use super::field::Field;
use super::field29x2::Tight;
use super::point::{Addend, Point};

pub(crate) struct PointsX2 {
    x: Tight,
    y: Tight,
    z: Tight,
    t: Tight,
}

impl PointsX2 {
    /// The identity, twice.
    pub(crate) fn new() -> Self {
        let twice = |number: &Field| Tight::of(number.limbs(), number.limbs());
        let (zero, one) = (twice(&Field::ZERO), twice(&Field::ONE));
        Self { x: zero, y: one, z: one, t: zero }
    }

    /// Adds an addend to each, or subtracts it.
    pub(crate) fn add(&mut self, [(one, one_negative), (other, other_negative)]: [(&Addend, bool); 2]) {
        let (one_sum, one_difference) = one.signed(one_negative);
        let (other_sum, other_difference) = other.signed(other_negative);
        let difference = Tight::of(one_difference.limbs(), other_difference.limbs());
        let sum = Tight::of(one_sum.limbs(), other_sum.limbs());
        let product = Tight::of(one.product.limbs(), other.product.limbs());

        let a = Tight::product(&self.y.minus(&self.x), &difference.loose());
        let b = Tight::product(&self.y.plus(&self.x).looser(), &sum.loose());
        let negated = product.negated_where([one_negative, other_negative]);
        let c = Tight::product(&self.t.loose().looser(), &negated);
        let (e, f, g, h) = (b.minus(&a), self.z.minus(&c), self.z.plus(&c), b.plus(&a));
        // Of two differences one must be settled.
        self.x.set_product(&f, &e.settled().loose());
        self.y.set_product(&g.looser(), &h);
        self.z.set_product(&f, &g);
        self.t.set_product(&e, &h);
    }

    /// Returns the sum of both.
    pub(crate) fn sum(&self) -> Point {
        let [x, y, z, t] =
            [&self.x, &self.y, &self.z, &self.t].map(|pair| pair.halves().map(Field::of_limbs));
        let ([x, other_x], [y, other_y], [z, other_z], [t, other_t]) = (x, y, z, t);
        let mut sum = Point { x, y, z, t };
        sum.add(&Point { x: other_x, y: other_y, z: other_z, t: other_t });
        sum
    }
}
