//! File descriptors, shared out between those who need them, so that no flood of connections takes the last one.

use super::Failure;

/// How many connections each listener may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Connections {
    pub(super) public: usize,
    pub(super) operations: usize,
}

/// Asks for as many descriptors as this process may have.
pub(super) fn shared_out(database: u32) -> Result<Connections, Failure> {
    share(most(), u64::from(database))
}

fn share(descriptors: u64, database: u64) -> Result<Connections, Failure> {
    let kept = OPERATIONS + database + OTHERS;
    match descriptors.checked_sub(kept).filter(|left| *left >= FEWEST) {
        Some(public) => Ok(Connections {
            public: usize::try_from(public).unwrap_or(usize::MAX),
            operations: usize::try_from(OPERATIONS).unwrap_or(usize::MAX),
        }),
        None => {
            let least = kept + FEWEST;
            Err(Failure::new(format!(
                "this process may open {descriptors} files but needs {least}: raise `ulimit -n` or lower `database.max_connections`"
            )))
        }
    }
}

#[cfg(unix)]
fn most() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
    {
        tracing::warn!(%error, "raising the limit of open files failed");
        return current.unwrap_or(ENOUGH);
    }
    maximum.unwrap_or(ENOUGH)
}

#[cfg(not(unix))]
fn most() -> u64 {
    ENOUGH
}

const OPERATIONS: u64 = 64;
/// SQLite, listeners, logs, Redis, telemetry, name look-ups.
const OTHERS: u64 = 128;
/// For the public.
const FEWEST: u64 = 16;
/// Where there is no limit.
const ENOUGH: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_gets_what_others_do_not_need() {
        let shared = share(256, 16).unwrap_or(Connections { public: 0, operations: 0 });

        assert_eq!(shared, Connections { public: 48, operations: 64 });
    }

    #[test]
    fn too_few_descriptors_are_a_clear_error() {
        let error = share(128, 16).err().map(|Failure(error)| error);

        assert_eq!(
            error.as_deref(),
            Some(
                "this process may open 128 files but needs 224: raise `ulimit -n` or lower `database.max_connections`"
            )
        );
    }
}
