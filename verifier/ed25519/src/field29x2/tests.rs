//! Against [`crate::field29`], number by number, on arrays whose sums are checked for overflow.

use proptest::prelude::*;

use super::*;
use crate::field29::{self, TIGHT};

type Limbs = [u32; 9];

fn check(pair: [Four; 5], expected: [field29::Tight; 2]) {
    let halves = Tight(pair).halves();
    for (limbs, expected) in halves.into_iter().zip(&expected) {
        assert!(limbs.iter().all(|limb| *limb <= TIGHT), "{limbs:x?}");
        assert_eq!(bytes(&field29::Tight(limbs)), bytes(expected), "{limbs:x?}");
    }
    let [.., [a8, b8, a8_too, b8_too]] = pair.map(Four::values);
    assert_eq!([a8, b8], [a8_too, b8_too]);
}

fn bytes(number: &field29::Tight) -> [u8; 32] {
    let mut bytes = [0; 32];
    field29::to_bytes(&mut bytes, number);
    bytes
}

fn check_sums(a: [Limbs; 2], b: [Limbs; 2]) {
    let (left, right) = (Tight::of(&a[0], &a[1]), Tight::of(&b[0], &b[1]));
    let each = |operation: fn(&mut field29::Loose, &field29::Tight, &field29::Tight)| {
        [0, 1].map(|at| {
            let (mut loose, mut tight) = (field29::Loose([0; 9]), field29::Tight([0; 9]));
            operation(&mut loose, &field29::Tight(a[at]), &field29::Tight(b[at]));
            field29::carry(&mut tight, &loose);
            tight
        })
    };
    assert!(left.plus(&right).0.iter().all(|four| four.values().iter().all(|limb| *limb <= 2 * TIGHT)));
    check(left.plus(&right).looser().settled().0, each(field29::add));
    check(left.loose().looser().settled().0, each(|loose, a, _| *loose = field29::Loose(a.0)));
    assert!(left.minus(&right).0.iter().all(|four| four.values().iter().all(|limb| *limb <= 3 * TIGHT)));
    check(left.minus(&right).settled().0, each(field29::subtract));
    for negative in [[false, false], [false, true], [true, false], [true, true]] {
        let expected = [0, 1].map(|at| {
            let (mut loose, mut tight) = (field29::Loose(a[at]), field29::Tight([0; 9]));
            if negative[at] {
                field29::subtract(&mut loose, &field29::Tight([0; 9]), &field29::Tight(a[at]));
            }
            field29::carry(&mut tight, &loose);
            tight
        });
        check(settled(left.negated_where(negative).0), expected);
    }
}

fn check_products(a: [Limbs; 2], b: [Limbs; 2]) {
    let pair = |[one, other]: [Limbs; 2]| side_by_side(&one, &other);
    let expected = [0, 1].map(|at| {
        let (mut product, mut left) = (field29::Tight([0; 9]), field29::Tight([0; 9]));
        field29::carry(&mut left, &field29::Loose(a[at]));
        field29::multiply(&mut product, &field29::Loose(left.0), &field29::Loose(b[at]));
        product
    });
    check(Tight::product(&Looser(pair(a)), &Loose(pair(b))).0, expected);
}

/// Limbs up to `most`, often at its end.
fn limbs(most: u32) -> BoxedStrategy<Limbs> {
    let edges = prop_oneof![Just(0), Just(1), Just(MASK), Just(MASK + 1), Just(most - 1), Just(most)];
    prop::array::uniform9(prop_oneof![edges, 0..=most]).boxed()
}

proptest! {
    #[test]
    fn sums_are_those_of_each_number(
        a in prop::array::uniform2(limbs(TIGHT)),
        b in prop::array::uniform2(limbs(TIGHT)),
    ) {
        check_sums(a, b);
    }

    #[test]
    fn products_are_those_of_each_number(
        a in prop::array::uniform2(limbs(3 * TIGHT)),
        b in prop::array::uniform2(limbs(2 * TIGHT)),
    ) {
        check_products(a, b);
    }

    #[test]
    fn what_was_read_is_written(a in limbs(u32::MAX), b in limbs(u32::MAX)) {
        prop_assert_eq!(Tight::of(&a, &b).halves(), [a, b]);
    }
}

#[test]
fn limbs_at_their_bounds_do_not_overflow() {
    let ends = [[0; 9], [TIGHT; 9]];
    for (a, b) in ends.into_iter().flat_map(|a| ends.map(|b| (a, b))) {
        check_sums([a, b], [b, a]);
        check_sums([a, a], [b, b]);
        let ([a, b], [c, d]) =
            ([a, b].map(|limbs| limbs.map(|limb| 3 * limb)), [a, b].map(|limbs| limbs.map(|limb| 2 * limb)));
        check_products([a, b], [d, c]);
        check_products([a, a], [d, d]);
    }
}
