//! Types of columns that the databases store differently, or that a row type reads through (`#[sqlx(try_from = "…")]`).

use std::time::Duration;

use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArgumentBuffer, PgTypeInfo, PgValueRef};
use sqlx::sqlite::{SqliteArgumentsBuffer, SqliteTypeInfo, SqliteValueRef};
use sqlx::{Database, Decode, Encode, Postgres, Sqlite, Type};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{SessionId, StoreError};
use crate::hex;

/// A time: `timestamptz` on PostgreSQL, whole milliseconds since 1970 on SQLite.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timestamp(pub(super) OffsetDateTime);

impl From<Timestamp> for OffsetDateTime {
    fn from(timestamp: Timestamp) -> Self {
        timestamp.0
    }
}

impl Type<Postgres> for Timestamp {
    fn type_info() -> PgTypeInfo {
        <OffsetDateTime as Type<Postgres>>::type_info()
    }
}

impl Encode<'_, Postgres> for Timestamp {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        Encode::<Postgres>::encode(self.0, buffer)
    }
}

impl<'r> Decode<'r, Postgres> for Timestamp {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        <OffsetDateTime as Decode<Postgres>>::decode(value).map(Self)
    }
}

impl Type<Sqlite> for Timestamp {
    fn type_info() -> SqliteTypeInfo {
        <i64 as Type<Sqlite>>::type_info()
    }

    fn compatible(ty: &SqliteTypeInfo) -> bool {
        <i64 as Type<Sqlite>>::compatible(ty)
    }
}

impl Encode<'_, Sqlite> for Timestamp {
    fn encode_by_ref(&self, buffer: &mut SqliteArgumentsBuffer) -> Result<IsNull, BoxDynError> {
        let millis = self.0.unix_timestamp_nanos().div_euclid(1_000_000);
        Encode::<Sqlite>::encode(i64::try_from(millis)?, buffer)
    }
}

impl<'r> Decode<'r, Sqlite> for Timestamp {
    fn decode(value: SqliteValueRef<'r>) -> Result<Self, BoxDynError> {
        let millis = <i64 as Decode<Sqlite>>::decode(value)?;
        Ok(Self(OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000)?))
    }
}

/// Implements the traits of a column for a type that is stored as another.
macro_rules! stored_as {
    ($type:ty as $stored:ty, $encode:expr, $decode:expr) => {
        impl<DB: Database> Type<DB> for $type
        where
            $stored: Type<DB>,
        {
            fn type_info() -> DB::TypeInfo {
                <$stored as Type<DB>>::type_info()
            }

            fn compatible(ty: &DB::TypeInfo) -> bool {
                <$stored as Type<DB>>::compatible(ty)
            }
        }

        impl<'q, DB: Database> Encode<'q, DB> for $type
        where
            $stored: Encode<'q, DB>,
        {
            fn encode_by_ref(&self, buffer: &mut DB::ArgumentBuffer) -> Result<IsNull, BoxDynError> {
                let encode: fn(&Self) -> $stored = $encode;
                encode(self).encode(buffer)
            }
        }

        impl<'r, DB: Database> Decode<'r, DB> for $type
        where
            $stored: Decode<'r, DB>,
        {
            fn decode(value: DB::ValueRef<'r>) -> Result<Self, BoxDynError> {
                let decode: fn($stored) -> Self = $decode;
                Ok(decode(<$stored as Decode<'r, DB>>::decode(value)?))
            }
        }
    };
}

stored_as!(SessionId as Uuid, |id| Uuid::from_bytes(id.0), |id| Self(id.into_bytes()));

/// A number of seconds, for [`duration`](super::sql) fragments.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seconds(pub(super) f64);

stored_as!(Seconds as f64, |seconds| seconds.0, Self);

impl From<Duration> for Seconds {
    fn from(duration: Duration) -> Self {
        Self(duration.as_secs_f64())
    }
}

/// Declares the type that an optional column is read through.
macro_rules! optional {
    ($(#[$doc:meta])* $name:ident($inner:ty) -> $into:ty, $convert:expr) => {
        $(#[$doc])*
        pub(super) struct $name(Option<$inner>);

        impl<DB: Database> Type<DB> for $name
        where
            Option<$inner>: Type<DB>,
        {
            fn type_info() -> DB::TypeInfo {
                <Option<$inner> as Type<DB>>::type_info()
            }

            fn compatible(ty: &DB::TypeInfo) -> bool {
                <Option<$inner> as Type<DB>>::compatible(ty)
            }
        }

        impl<'r, DB: Database> Decode<'r, DB> for $name
        where
            Option<$inner>: Decode<'r, DB>,
        {
            fn decode(value: DB::ValueRef<'r>) -> Result<Self, BoxDynError> {
                <Option<$inner> as Decode<'r, DB>>::decode(value).map(Self)
            }
        }

        impl From<$name> for Option<$into> {
            fn from(optional: $name) -> Self {
                let convert: fn($inner) -> Option<$into> = $convert;
                optional.0.and_then(convert)
            }
        }
    };
}

optional!(
    /// A time, or none.
    OptionalTimestamp(Timestamp) -> OffsetDateTime, |timestamp| Some(timestamp.0)
);
optional!(
    /// A number of seconds, or none.
    OptionalSeconds(Seconds) -> Duration, |seconds| Duration::try_from_secs_f64(seconds.0).ok()
);

/// Bytes of a fixed length.
pub(super) struct Bytes(Vec<u8>);

stored_as!(Bytes as Vec<u8>, |bytes| bytes.0.clone(), Self);

impl Bytes {
    /// Returns the bytes, which are named `column` in the error about another number of them.
    pub(super) fn fixed<const N: usize>(self, column: &str) -> Result<[u8; N], StoreError> {
        self.try_into().map_err(|error| StoreError::Inconsistent(format!("{column}: {error}")))
    }
}

impl<const N: usize> TryFrom<Bytes> for [u8; N] {
    type Error = BoxDynError;

    fn try_from(bytes: Bytes) -> Result<Self, BoxDynError> {
        let length = bytes.0.len();
        bytes.0.try_into().map_err(|_| format!("{length} bytes where {N} are due").into())
    }
}

/// A JSON array of hexadecimal texts, each 32 bytes.
#[derive(serde::Deserialize)]
pub(super) struct Hashes(Vec<String>);

impl TryFrom<Hashes> for Vec<[u8; 32]> {
    type Error = BoxDynError;

    fn try_from(hashes: Hashes) -> Result<Self, BoxDynError> {
        let hash = |text: &String| hex::decode(text).ok_or_else(|| "not a hash of 32 bytes".into());
        hashes.0.iter().map(hash).collect()
    }
}

/// The greatest text that begins with `prefix`: UTF-8 sorts by code point, and U+10FFFF is the last.
pub(super) fn end_of_prefix(prefix: &str) -> String {
    format!("{prefix}\u{10FFFF}")
}
