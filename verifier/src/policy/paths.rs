//! How the service behind compares paths, and which routes decide on one that it may take for another.

use alloc::vec::Vec;

use super::{Policy, Route};
use crate::path::{Path, Reading};

/// How the service behind compares a path with those of its handlers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PathComparison {
    /// Perhaps without case, without a last slash, or decoded: it may take `/ADMIN` and `/admin/` for `/admin`. A request must be
    /// allowed by the routes of all the paths that it may be taken for.
    #[default]
    Lenient,
    /// Byte by byte: a request needs what the route of its path asks for.
    Exact,
}

impl PathComparison {
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "lenient" => Some(Self::Lenient),
            "exact" => Some(Self::Exact),
            _ => None,
        }
    }
}

/// The routes that decide on a request: every one of them must allow it.
#[derive(Clone, Debug)]
pub(crate) struct MatchedRoutes<'a> {
    /// The most specific that matches the path as it is.
    pub(crate) route: &'a Route,
    /// Those of the paths that the service may take it for.
    pub(crate) others: Vec<&'a Route>,
}

impl<'a> MatchedRoutes<'a> {
    pub(crate) fn all(&self) -> impl Iterator<Item = &'a Route> + Clone {
        core::iter::once(self.route).chain(self.others.iter().copied())
    }
}

/// The routes that may decide on a request besides the one that matches its path, by their places in the policy. Worked out
/// once: of most routes there are none.
#[derive(Clone, Debug, Default)]
pub(super) struct Alternatives {
    /// Those that may match any path in another reading.
    of_any: Vec<usize>,
    /// Those that do so with a path of as many segments, a folder itself, or one that has other readings.
    of_folder: Vec<(usize, usize)>,
    /// Those that do so only with a path that has other readings.
    of_respelled: Vec<usize>,
}

/// One for each route.
pub(super) fn alternatives(routes: &[Route]) -> Vec<Alternatives> {
    let of = |(at, route): (usize, &Route)| {
        let mut alternatives = Alternatives::default();
        for (place, alternative) in routes.iter().enumerate() {
            if place != at && alternative.shares_a_method(route) && alternative.path.may_precede(&route.path)
            {
                match (alternative.path.is_plain(), alternative.path.plain_folder()) {
                    (true, _) => alternatives.of_respelled.push(place),
                    (false, Some(segments)) => alternatives.of_folder.push((segments, place)),
                    (false, None) => alternatives.of_any.push(place),
                }
            }
        }
        alternatives
    };
    routes.iter().enumerate().map(of).collect()
}

impl Policy {
    /// Returns how the service behind compares paths.
    pub fn path_comparison(&self) -> PathComparison {
        self.paths.unwrap_or_default()
    }

    /// Returns the routes that decide, or `None` if no route allows this path, in whatever way it may be read.
    pub(crate) fn matched_routes(&self, method: &[u8], path: Path<'_>) -> Option<MatchedRoutes<'_>> {
        let fits = |route: &Route| route.allows(method) && route.path.matches(path);
        let at = self.routes.iter().position(fits)?;
        let route = self.routes.get(at)?;
        let others = match self.path_comparison() {
            PathComparison::Exact => Vec::new(),
            PathComparison::Lenient => self.others(at, route, method, path),
        };
        Some(MatchedRoutes { route, others })
    }

    fn others<'a>(&'a self, at: usize, route: &Route, method: &[u8], path: Path<'_>) -> Vec<&'a Route> {
        let Some(Alternatives { of_any, of_folder, of_respelled }) = self.alternatives.get(at) else {
            return Vec::new();
        };
        if of_any.is_empty() && of_folder.is_empty() && of_respelled.is_empty() {
            return Vec::new();
        }
        let (is_plain, count) = (path.is_plain(), path.segments().count());
        let respelled = if is_plain { &[] } else { of_respelled.as_slice() };
        let folders = of_folder.iter().filter(|(segments, _)| !is_plain || *segments == count);
        let read = path.read_as(Reading::LOOSEST);
        let alternatives: Vec<&Route> = of_any
            .iter()
            .chain(respelled)
            .chain(folders.map(|(_, place)| place))
            .filter_map(|place| self.routes.get(*place))
            .filter(|alternative| {
                alternative.path.matches_as(&read, Reading::LOOSEST) && alternative.allows(method)
            })
            .collect();
        if alternatives.is_empty() { alternatives } else { most_specific(route, &alternatives, path) }
    }
}

/// Those of `alternatives` that are the most specific in some reading, each once.
fn most_specific<'a>(route: &Route, alternatives: &[&'a Route], path: Path<'_>) -> Vec<&'a Route> {
    let mut most_specific: Vec<&Route> = Vec::new();
    for reading in Reading::all() {
        let read = path.read_as(reading);
        let matching =
            || alternatives.iter().filter(|alternative| alternative.path.matches_as(&read, reading));
        for alternative in matching() {
            let yields_to = |other: &Route| other.path.by_precedence_as(&alternative.path, reading).is_lt();
            let is_first = !yields_to(route) && !matching().any(|other| yields_to(other));
            if is_first && !most_specific.iter().any(|known| core::ptr::eq(*known, *alternative)) {
                most_specific.push(alternative);
            }
        }
    }
    most_specific
}
