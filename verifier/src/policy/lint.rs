//! Facts about a policy that a reader may overlook: what is public, which rule yields to which, and which is open to
//! another spelling of its path.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::{Access, Policy, Route};

mod respelled;

pub use respelled::Respelled;

/// Two routes that match the same requests. Both are reached: neither matches nothing else.
#[derive(Clone, Copy, Debug)]
pub struct Shadowed<'a> {
    /// Decides, because it is more specific.
    pub winner: &'a Route,
    /// Would have decided.
    pub loser: &'a Route,
}

impl Shadowed<'_> {
    /// Returns whether the winner asks for less than the loser: for no token where one is needed, or without a scope or role.
    ///
    /// A winner that is not strict about revocations, where the loser is, asks for less too.
    pub fn is_looser(&self) -> bool {
        self.loser.strict && !self.winner.strict || self.asks_for_less()
    }

    fn asks_for_less(&self) -> bool {
        match (&self.winner.access, &self.loser.access) {
            (_, Access::Public) => false,
            (Access::Public, Access::Token { .. }) => true,
            (
                Access::Token { all, any, roles },
                Access::Token { all: lost_all, any: lost_any, roles: lost_roles },
            ) => {
                let held = |scope: &String| all.contains(scope) || any.len() == 1 && any.contains(scope);
                // With fewer to choose from, a choice is harder to make.
                let narrows = |kept: &[String], lost: &[String]| {
                    lost.is_empty() || !kept.is_empty() && kept.iter().all(|one| lost.contains(one))
                };
                let any_met = narrows(any, lost_any) || lost_any.iter().any(|scope| all.contains(scope));
                !(lost_all.iter().all(held) && any_met && narrows(roles, lost_roles))
            }
        }
    }
}

/// As in a report: which route decides instead of which.
impl fmt::Display for Shadowed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} decides before {}, where both match", self.winner, self.loser)
    }
}

impl Policy {
    /// Returns the routes that need no token, the most specific first.
    pub fn public_routes(&self) -> impl Iterator<Item = &Route> {
        self.routes.iter().filter(|route| route.access == Access::Public)
    }

    /// Returns every pair of routes that match the same requests and do not ask for the same.
    ///
    /// A route that is never reached is not among them: such a policy does not load, and no other kind can be written, because
    /// of two overlapping paths the less specific always matches more.
    pub fn shadowed_routes(&self) -> Vec<Shadowed<'_>> {
        let pairs = self.routes.iter().enumerate().flat_map(|(at, winner)| {
            self.routes.iter().skip(at + 1).map(move |loser| Shadowed { winner, loser })
        });
        let clash = |Shadowed { winner, loser }: &Shadowed<'_>| {
            winner.shares_a_method(loser) && winner.differs(loser) && winner.path.overlaps(&loser.path)
        };
        pairs.filter(clash).collect()
    }
}
