//! What a migration may do to a database that is in use: add, and hold no lock for long. See `migrations/README.md`.

use std::collections::BTreeSet;

use crate::store::{postgres, sqlite};

/// Merged before there was a release: no database that these change has rows or users.
const BEFORE_RELEASE: [i64; 3] = [20, 70, 80];

#[test]
fn no_migration_blocks_or_breaks_the_program_before_it() {
    for migration in
        postgres::schema::MIGRATIONS.iter().filter(|migration| !BEFORE_RELEASE.contains(&migration.version))
    {
        let (version, sql) = (migration.version, migration.sql.as_str());
        assert_eq!(faults(sql, migration.no_tx), Vec::<String>::new(), "postgres/{version:04}");
    }
    // One process owns a SQLite file, and an older one refuses a newer file: nobody is blocked, but nothing may be lost.
    for migration in sqlite::schema::MIGRATIONS.iter() {
        let lost: Vec<_> = statements(migration.sql.as_str()).into_iter().filter(|sql| loses(sql)).collect();
        assert_eq!(lost, Vec::<String>::new(), "sqlite/{:04}", migration.version);
    }
}

#[test]
fn what_blocks_or_breaks_is_found() {
    for wrong in [
        "DROP TABLE users;",
        "ALTER TABLE users DROP COLUMN email;",
        "alter table users\n    rename column email to mail;",
        "ALTER TABLE users ALTER COLUMN epoch TYPE integer;",
        "ALTER TABLE users ALTER COLUMN email SET NOT NULL;",
        "ALTER TABLE users ADD COLUMN a text NOT NULL;",
        "ALTER TABLE users ADD COLUMN a text, ADD COLUMN b int NOT NULL, ADD COLUMN c int NOT NULL DEFAULT 1;",
        "ALTER TABLE users ADD COLUMN a uuid DEFAULT gen_random_uuid();",
        "ALTER TABLE users ADD COLUMN a int GENERATED ALWAYS AS (epoch + 1) STORED;",
        "ALTER TABLE users ADD COLUMN a text CONSTRAINT a_fkey REFERENCES roles (name);",
        "ALTER TABLE users ADD CONSTRAINT a CHECK (epoch > 0);",
        "ALTER TABLE users ADD CONSTRAINT a CHECK (epoch > 0) NOT VALID; ALTER TABLE users VALIDATE CONSTRAINT a;",
        "CREATE INDEX a ON users (email);",
        "CREATE UNIQUE INDEX a ON users (email);",
        "CREATE INDEX CONCURRENTLY a ON users (email);",
        "-- no-transaction\nCREATE INDEX CONCURRENTLY a ON users (email); CREATE TABLE b (c int);",
        "-- no-transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS a ON users (email);",
        "-- no-transaction\nCREATE TABLE b (c int);",
        "UPDATE users SET epoch = 1 WHERE epoch = 0;",
        "DELETE FROM users;",
        "TRUNCATE users;",
        "LOCK TABLE users;",
        "CREATE TABLE other (a int); CREATE INDEX a ON users (email);",
    ] {
        assert!(!faults(wrong, wrong.starts_with("-- no-transaction")).is_empty(), "{wrong}");
    }
}

#[test]
fn what_only_adds_is_let_through() {
    for right in [
        "-- DROP TABLE users; is only said here\nCREATE TABLE a (b int NOT NULL); CREATE INDEX c ON a (b); ALTER TABLE a ADD CONSTRAINT d CHECK (b > 0);",
        "ALTER TABLE users ADD COLUMN a text, ADD COLUMN b int NOT NULL DEFAULT 1;",
        "ALTER TABLE users ADD CONSTRAINT a CHECK (epoch > 0) NOT VALID;",
        "ALTER TABLE users VALIDATE CONSTRAINT a;",
        "-- no-transaction\nCREATE UNIQUE INDEX CONCURRENTLY a ON users (email);",
        "ALTER TABLE users ADD CONSTRAINT a UNIQUE USING INDEX b;",
        "INSERT INTO scopes (name) VALUES ('DROP TABLE; DELETE FROM users');",
        "CREATE FUNCTION a() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM users; RETURN NULL; END $$;",
        "ALTER TABLE users ALTER COLUMN email DROP NOT NULL;",
    ] {
        assert_eq!(faults(right, right.starts_with("-- no-transaction")), Vec::<String>::new(), "{right}");
    }
}

/// The statements of one file that would block or break something, each with the reason.
fn faults(sql: &str, without_transaction: bool) -> Vec<String> {
    let statements = statements(sql);
    let new: BTreeSet<&str> = statements.iter().filter_map(|sql| word_after(sql, "CREATE TABLE ")).collect();
    let mut faults = Vec::new();
    for sql in &statements {
        let table = word_after(sql, "ALTER TABLE ").or_else(|| word_after(sql, " ON "));
        let reason = match table {
            _ if loses(sql) => Some("takes away what the program before needs"),
            Some(table) if new.contains(table) => None,
            _ => changes(sql).find_map(slow),
        };
        faults.extend(reason.map(|reason| format!("{sql}: {reason}")));
    }
    let any = |words| statements.iter().any(|sql| sql.contains(words));
    if any("ADD CONSTRAINT") && any("VALIDATE CONSTRAINT") {
        faults.push("checks all rows under the lock of the addition: validate in the next file".to_owned());
    }
    let beside = any(" CONCURRENTLY ");
    if (beside || without_transaction) && !(beside && without_transaction && statements.len() == 1) {
        faults.push(
            "`-- no-transaction` and CONCURRENTLY go together, with one statement in the file".to_owned(),
        );
    }
    faults
}

fn loses(sql: &str) -> bool {
    sql.starts_with("DROP TABLE")
        || (sql.starts_with("ALTER TABLE")
            && [" DROP COLUMN ", " RENAME "].iter().any(|word| sql.contains(word)))
}

/// What `ALTER TABLE` does, one by one.
fn changes(sql: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0;
    sql.split(move |letter| {
        depth += i32::from(letter == '(') - i32::from(letter == ')');
        depth == 0 && letter == ','
    })
}

fn slow(change: &str) -> Option<&'static str> {
    let rule = SLOW.iter().find(|(all, none, _)| {
        all.iter().all(|word| change.contains(word)) && !none.iter().any(|word| change.contains(word))
    });
    rule.map(|(_, _, reason)| *reason)
}

/// Words that stand there together, words that make them harmless, and what is wrong.
const SLOW: [(&[&str], &[&str], &str); 17] = [
    (
        &["ADD COLUMN", "NOT NULL"],
        &["DEFAULT"],
        "fails on rows that are there, and in the program before: give it a default",
    ),
    (&["ADD COLUMN", "REFERENCES"], &[], CHECKS),
    (&["ADD COLUMN", "CHECK"], &[], CHECKS),
    (&["ADD COLUMN", "UNIQUE"], &[], CHECKS),
    (&["ADD COLUMN", "PRIMARY KEY"], &[], CHECKS),
    (&["ADD COLUMN", "STORED"], &[], WRITES),
    (&["ADD COLUMN", "RANDOM"], &[], WRITES),
    (&["ADD COLUMN", "IDENTITY"], &[], WRITES),
    (&["ALTER COLUMN", " TYPE "], &[], WRITES),
    (&["ADD CONSTRAINT"], &["NOT VALID", "USING INDEX"], CHECKS),
    (&["SET NOT NULL"], &[], CHECKS),
    (&["CREATE ", "INDEX "], &[" CONCURRENTLY "], "stops all writers until it is built: CONCURRENTLY"),
    (&["INDEX CONCURRENTLY", "IF NOT EXISTS"], &[], "takes a half-built index for a whole one"),
    (&["UPDATE "], &["TRIGGER", "ON UPDATE"], ROWS),
    (&["DELETE "], &["TRIGGER", "ON DELETE"], ROWS),
    (&["TRUNCATE "], &[], ROWS),
    (&["LOCK TABLE "], &[], ROWS),
];
const CHECKS: &str = "checks all rows under a lock: add a rule NOT VALID, and validate it in the next file";
const WRITES: &str = "writes all rows anew under a lock";
const ROWS: &str = "locks rows that are in use: let the program do it, a few at a time";

fn word_after<'a>(sql: &'a str, words: &str) -> Option<&'a str> {
    let (_, rest) = sql.split_once(words)?;
    rest.split([' ', '(']).next()
}

/// Upper case, one space between words; without comments, literals and bodies of functions.
fn statements(sql: &str) -> Vec<String> {
    let code: Vec<&str> = sql.lines().map(|line| line.split("--").next().unwrap_or_default()).collect();
    let code = code.join(" ");
    let outside = |text: &str, quote: &str| text.split(quote).step_by(2).collect::<Vec<_>>().join(" ");
    let code = outside(&outside(&code, "$$"), "'").to_uppercase();
    let statements = code.split(';').map(|sql| sql.split_whitespace().collect::<Vec<_>>().join(" "));
    statements.filter(|sql| !sql.is_empty()).collect()
}
