//! SQL statements, each written once for both databases.
//!
//! [`statements!`] declares constants of type [`Sql`]. A statement is a sequence of string literals and of fragments in
//! brackets; a fragment is what the databases spell differently ([`fragment!`]). Where they differ in more than that, a
//! statement has two texts, side by side. The tests prepare every statement on both databases.

use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments as _, Encode, FromRow, Postgres, Sqlite, Type};

/// A statement, in the text of each database.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sql {
    pub(super) postgres: &'static str,
    pub(super) sqlite: &'static str,
}

/// Declares statements, and `STATEMENTS`, the list of them with their names.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = { $($text:tt)+ })+) => {
        $($(#[$doc])* const $name: $crate::store::sql::Sql = $crate::store::sql::sql!($($text)+);)+

        #[cfg(test)]
        pub(in crate::store) const STATEMENTS: &[(&str, $crate::store::sql::Sql)] =
            &[$((concat!(module_path!(), "::", stringify!($name)), $name)),+];
    };
}

/// One statement: the pieces of a text, two texts, or a text for the only database that needs the statement.
macro_rules! sql {
    (postgres: $postgres:expr, sqlite: $sqlite:expr $(,)?) => {
        $crate::store::sql::Sql { postgres: $postgres, sqlite: $sqlite }
    };
    (postgres: $postgres:expr $(,)?) => {
        $crate::store::sql::Sql { postgres: $postgres, sqlite: "" }
    };
    (sqlite: $sqlite:expr $(,)?) => {
        $crate::store::sql::Sql { postgres: "", sqlite: $sqlite }
    };
    ($($piece:tt)+) => {
        $crate::store::sql::Sql {
            postgres: concat!($($crate::store::sql::fragment!(postgres $piece)),+),
            sqlite: concat!($($crate::store::sql::fragment!(sqlite $piece)),+),
        }
    };
}

/// The text of one piece of a statement on one database.
///
/// | fragment | meaning |
/// |---|---|
/// | `(x!(…))` | the text that another macro makes |
/// | `[now]` | the current time; PostgreSQL's is the transaction's |
/// | `[after "x"]`, `[before "x"]` | the time `x` seconds from now, `x` seconds ago |
/// | `[seconds "x"]` | a stored duration as a number of seconds |
/// | `[duration "x"]` | `x` seconds as a stored duration |
/// | `[seconds_between "a", "b"]` | the seconds from the time `a` to the time `b` |
/// | `[seconds_since "a"]` | the seconds from the time `a` to now |
/// | `[array "x"]` | an aggregate: the values of `x` as a JSON array |
/// | `[sorted_array "x"]` | the same, sorted |
/// | `[list "x"]` | a column that is a list of texts (`text[]`, JSON), as a JSON array |
/// | `[in_list "x"]` | the comparison with the members of such a column |
/// | `[members "x"]` | the members of the JSON array `x`, a set of texts to select from |
/// | `[elements "x"]` | the elements of the JSON array `x` as rows `e (value)` |
/// | `[text "e.value"]` | such an element, as a text |
/// | `[scopes]` | an aggregate over `scopes AS s`: JSON objects with `name` and `resource`, sorted |
/// | `[hashes]` | an aggregate over `client_secrets AS secret`: their hashes, hexadecimal, by slot |
/// | `[uuid "x"]` | a text as a UUID |
/// | `[json "x"]` | a text as a value of a JSON column |
/// | `[least]` | the function that returns the least of its arguments |
/// | `[for_update]`, `[skip_locked]` | row locks; SQLite has one writer at a time |
/// | `[binary]` | a comparison by code points |
macro_rules! fragment {
    ($database:ident $text:literal) => {
        $text
    };
    ($database:ident ($text:expr)) => {
        $text
    };

    (postgres [now]) => {
        "now()"
    };
    (sqlite [now]) => {
        "CAST(round(unixepoch('subsec') * 1000) AS INTEGER)"
    };
    (postgres [after $seconds:literal]) => {
        concat!("(now() + make_interval(secs => ", $seconds, "))")
    };
    (sqlite [after $seconds:literal]) => {
        concat!("CAST(round((unixepoch('subsec') + ", $seconds, ") * 1000) AS INTEGER)")
    };
    (postgres [before $seconds:literal]) => {
        concat!("(now() - make_interval(secs => ", $seconds, "))")
    };
    (sqlite [before $seconds:literal]) => {
        concat!("CAST(round((unixepoch('subsec') - ", $seconds, ") * 1000) AS INTEGER)")
    };
    (postgres [seconds $duration:literal]) => {
        concat!("CAST(extract(epoch FROM ", $duration, ") AS float8)")
    };
    (sqlite [seconds $duration:literal]) => {
        concat!("(", $duration, " / 1000.0)")
    };
    (postgres [duration $seconds:literal]) => {
        concat!("make_interval(secs => ", $seconds, ")")
    };
    (sqlite [duration $seconds:literal]) => {
        concat!("CAST(round(", $seconds, " * 1000) AS INTEGER)")
    };
    (postgres [seconds_since $time:literal]) => {
        concat!("CAST(extract(epoch FROM now() - ", $time, ") AS float8)")
    };
    (sqlite [seconds_since $time:literal]) => {
        concat!("((CAST(round(unixepoch('subsec') * 1000) AS INTEGER) - ", $time, ") / 1000.0)")
    };
    (postgres [seconds_between $from:literal, $to:literal]) => {
        concat!("CAST(extract(epoch FROM ", $to, " - ", $from, ") AS float8)")
    };
    (sqlite [seconds_between $from:literal, $to:literal]) => {
        concat!("((", $to, " - ", $from, ") / 1000.0)")
    };

    (postgres [array $value:literal]) => {
        concat!("coalesce(json_agg(", $value, "), '[]')")
    };
    (sqlite [array $value:literal]) => {
        concat!("json_group_array(", $value, ")")
    };
    (postgres [sorted_array $value:literal]) => {
        concat!("coalesce(json_agg(", $value, " ORDER BY ", $value, "), '[]')")
    };
    (sqlite [sorted_array $value:literal]) => {
        concat!("json_group_array(", $value, " ORDER BY ", $value, ")")
    };
    (postgres [list $column:literal]) => {
        concat!("to_json(", $column, ")")
    };
    (sqlite [list $column:literal]) => {
        $column
    };
    (postgres [in_list $column:literal]) => {
        concat!("= ANY (", $column, ")")
    };
    (sqlite [in_list $column:literal]) => {
        concat!("IN (SELECT value FROM json_each(", $column, "))")
    };
    (postgres [members $array:literal]) => {
        concat!("SELECT jsonb_array_elements_text(", $array, ")")
    };
    (sqlite [members $array:literal]) => {
        concat!("SELECT value FROM json_each(", $array, ")")
    };
    (postgres [elements $array:literal]) => {
        concat!("jsonb_array_elements(", $array, ") AS e (value)")
    };
    (sqlite [elements $array:literal]) => {
        concat!("json_each(", $array, ") AS e")
    };
    (postgres [text $element:literal]) => {
        concat!("(", $element, " #>> '{}')")
    };
    (sqlite [text $element:literal]) => {
        $element
    };
    (postgres [hashes]) => {
        "coalesce(json_agg(encode(secret.hash, 'hex') ORDER BY secret.slot), '[]')"
    };
    (sqlite [hashes]) => {
        "json_group_array(lower(hex(secret.hash)) ORDER BY secret.slot)"
    };
    (postgres [scopes]) => {
        "coalesce(json_agg(json_build_object('name', s.name, 'resource', s.resource) ORDER BY s.name), '[]')"
    };
    (sqlite [scopes]) => {
        "json_group_array(json_object('name', s.name, 'resource', s.resource) ORDER BY s.name)"
    };
    (postgres [uuid $text:literal]) => {
        concat!("CAST(", $text, " AS uuid)")
    };
    (sqlite [uuid $text:literal]) => {
        concat!("unhex(replace(", $text, ", '-', ''))")
    };
    (postgres [json $text:literal]) => {
        concat!("CAST(", $text, " AS json)")
    };
    (sqlite [json $text:literal]) => {
        $text
    };

    (postgres [least]) => {
        "least"
    };
    (sqlite [least]) => {
        "min"
    };
    (postgres [for_update]) => {
        " FOR UPDATE"
    };
    (sqlite [for_update]) => {
        ""
    };
    (postgres [skip_locked]) => {
        " FOR UPDATE SKIP LOCKED"
    };
    (sqlite [skip_locked]) => {
        ""
    };
    (postgres [binary]) => {
        " COLLATE \"C\""
    };
    (sqlite [binary]) => {
        ""
    };
}

pub(super) use {fragment, sql, statements};

/// A value that both databases can store.
pub(super) trait Value<'q>:
    Type<Postgres> + Type<Sqlite> + Encode<'q, Postgres> + Encode<'q, Sqlite> + Send
{
}

impl<'q, T> Value<'q> for T where
    T: Type<Postgres> + Type<Sqlite> + Encode<'q, Postgres> + Encode<'q, Sqlite> + Send
{
}

/// A row, or a part of one, that both databases can return.
pub(super) trait Row:
    for<'r> FromRow<'r, PgRow> + for<'r> FromRow<'r, SqliteRow> + Send + Unpin + 'static
{
}

impl<T> Row for T where T: for<'r> FromRow<'r, PgRow> + for<'r> FromRow<'r, SqliteRow> + Send + Unpin + 'static
{}

/// The type of a row's only column.
pub(super) trait Column: Send + Unpin + 'static {}

impl<T: Send + Unpin + 'static> Column for T {}

/// The arguments of a statement: a tuple of values, `$1` first.
pub(super) trait Args<'q>: Send {
    fn postgres(self) -> Result<PgArguments, BoxDynError>;
    fn sqlite(self) -> Result<SqliteArguments, BoxDynError>;
}

macro_rules! impl_args {
    ($($value:ident)*) => {
        #[expect(non_snake_case, reason = "each value is named like its type")]
        impl<'q, $($value: Value<'q>),*> Args<'q> for ($($value,)*) {
            fn postgres(self) -> Result<PgArguments, BoxDynError> {
                let ($($value,)*) = self;
                let mut arguments = PgArguments::default();
                $(arguments.add($value)?;)*
                Ok(arguments)
            }

            fn sqlite(self) -> Result<SqliteArguments, BoxDynError> {
                let ($($value,)*) = self;
                let mut arguments = SqliteArguments::default();
                $(arguments.add($value)?;)*
                Ok(arguments)
            }
        }
    };
}

impl_args!(A);
impl_args!(A B);
impl_args!(A B C);
impl_args!(A B C D);
impl_args!(A B C D E);
impl_args!(A B C D E F);
impl_args!(A B C D E F G);
impl_args!(A B C D E F G H);
impl_args!(A B C D E F G H I);
impl_args!(A B C D E F G H I J);
impl_args!(A B C D E F G H I J K);

impl Args<'_> for () {
    fn postgres(self) -> Result<PgArguments, BoxDynError> {
        Ok(PgArguments::default())
    }

    fn sqlite(self) -> Result<SqliteArguments, BoxDynError> {
        Ok(SqliteArguments::default())
    }
}
