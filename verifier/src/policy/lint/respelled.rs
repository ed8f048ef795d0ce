//! Routes that another spelling of their paths gets around, where the service behind does not compare byte by byte after all.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::Shadowed;
use crate::path::Path;
use crate::policy::{PathComparison, Policy, Route};

/// A path that a service may take for one of `avoided`, and that a looser route decides.
#[derive(Clone, Debug)]
pub struct Respelled<'a> {
    /// One of `avoided`, otherwise spelled.
    pub path: String,
    /// Decides.
    pub deciding: &'a Route,
    /// Would have decided on the path in the spelling of the policy.
    pub avoided: &'a Route,
}

/// As in a report: what gets around what.
impl fmt::Display for Respelled<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, deciding, avoided } = self;
        write!(
            f,
            "{path} is decided by {deciding}, not by {avoided}, where the service takes both paths for one"
        )
    }
}

impl Policy {
    /// Returns the routes that are open to another spelling of a path, if the service does not compare byte by byte: each with an
    /// example. Empty unless the policy says that it does.
    pub fn respelled_routes(&self) -> Vec<Respelled<'_>> {
        let mut found: Vec<Respelled<'_>> = Vec::new();
        if self.path_comparison() != PathComparison::Exact {
            return found;
        }
        for avoided in &self.routes {
            for path in avoided.path.respelled() {
                for method in &avoided.methods {
                    let Some(deciding) = self.exactly(method, &path) else { continue };
                    let is_open = Shadowed { winner: deciding, loser: avoided }.is_looser();
                    let is_known = |known: &Respelled<'_>| {
                        core::ptr::eq(known.deciding, deciding) && core::ptr::eq(known.avoided, avoided)
                    };
                    if is_open && !found.iter().any(is_known) {
                        found.push(Respelled { path: path.clone(), deciding, avoided });
                    }
                }
            }
        }
        found
    }

    fn exactly(&self, method: &str, path: &str) -> Option<&Route> {
        Some(self.matched_routes(method.as_bytes(), Path::parse(path.as_bytes())?)?.route)
    }
}
