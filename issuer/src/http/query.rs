//! Query strings, decoded as strictly as bodies: none repeated, none unknown, each of its type.

use super::decode::{DecodeError, Parameters};
use crate::store::Page;
use axum::http::Uri;
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

pub(super) struct Query(Parameters);

impl Query {
    pub(super) fn of(uri: &Uri) -> Result<Self, DecodeError> {
        Parameters::parse_query(uri.query().unwrap_or_default().as_bytes()).map(Self)
    }

    /// A listing by name: `cursor` and `limit`, nothing else.
    pub(super) fn page(uri: &Uri) -> Result<Page, DecodeError> {
        let mut query = Self::of(uri)?;
        let page = Page { after: query.text("cursor")?.unwrap_or_default(), limit: query.limit()? };
        query.end()?;
        Ok(page)
    }

    pub(super) fn text(&mut self, name: &'static str) -> Result<Option<String>, DecodeError> {
        match self.0.take(name) {
            // PostgreSQL takes no NUL in a text and would call it an error of ours.
            Some(text) if text.contains('\0') => Err(DecodeError::Parameter(name)),
            text => Ok(text.filter(|text| !text.is_empty())),
        }
    }

    pub(super) fn flag(&mut self, name: &'static str) -> Result<Option<bool>, DecodeError> {
        self.parsed(name, |text| text.parse().ok())
    }

    pub(super) fn number(&mut self, name: &'static str) -> Result<Option<i64>, DecodeError> {
        self.parsed(name, |text| text.parse().ok())
    }

    /// One that has a name in UTC as well: the last second of the year 9999 west of Greenwich has none, and a database
    /// driver that is asked to write it panics.
    pub(super) fn time(&mut self, name: &'static str) -> Result<Option<OffsetDateTime>, DecodeError> {
        self.parsed(name, |text| {
            OffsetDateTime::parse(text, &Rfc3339).ok()?.checked_to_offset(UtcOffset::UTC)
        })
    }

    /// How many at most: 1 to 100.
    pub(super) fn limit(&mut self) -> Result<i64, DecodeError> {
        match self.number("limit")? {
            None => Ok(DEFAULT_LIMIT),
            Some(limit) if (1..=MOST).contains(&limit) => Ok(limit),
            Some(_) => Err(DecodeError::Parameter("limit")),
        }
    }

    /// A parameter nobody knows is a filter nobody applied.
    pub(super) fn end(self) -> Result<(), DecodeError> {
        if self.0.is_empty() { Ok(()) } else { Err(DecodeError::UnknownParameter) }
    }

    pub(super) fn parsed<T>(
        &mut self,
        name: &'static str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, DecodeError> {
        let Some(text) = self.0.take(name) else { return Ok(None) };
        read(&text).map(Some).ok_or(DecodeError::Parameter(name))
    }
}

/// The cursor of the next page, if this one is full.
pub(super) fn next<T>(found: &[T], limit: i64, key: impl Fn(&T) -> &String) -> Option<String> {
    let full = i64::try_from(found.len()) == Ok(limit);
    found.last().filter(|_| full).map(|last| key(last).clone())
}

const DEFAULT_LIMIT: i64 = 50;
const MOST: i64 = 100;
