//! Keys for an algorithm that this build never accepts: there are none, so nothing has to be built for them.

use alloc::string::String;

/// No such key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PublicKey {}

impl PublicKey {
    pub(super) const fn from_coordinates(_: &[u8], _: &[u8]) -> Option<Self> {
        None
    }

    pub(super) const fn from_components(_: &[u8], _: &[u8]) -> Option<Self> {
        None
    }

    pub(super) const fn verify(&self, _: &[u8], _: &[u8]) -> bool {
        match *self {}
    }

    pub(super) const fn may_have_made(&self, _: &[u8]) -> bool {
        match *self {}
    }

    pub(super) const fn jwk(&self) -> String {
        match *self {}
    }
}

pub(super) const fn is_well_formed(_: &[u8]) -> bool {
    false
}
