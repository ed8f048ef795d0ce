//! The sections of the settings, each with its defaults and its bounds.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::Mode;
use super::reader::Reader;
use crate::network::Network;
use crate::store::Lifetimes;

/// `[tokens]`: access tokens.
#[derive(Clone, Debug)]
pub struct Tokens {
    pub access_token_lifetime: u64,
    /// No token lives longer, whatever a client's settings say; key rotation counts on it.
    pub max_access_token_lifetime: u64,
    /// Bytes of a whole token; proxies refuse long headers.
    pub byte_budget: usize,
    /// Also write `scopes`, the array form of `scope`.
    pub scopes_array: bool,
}

impl Tokens {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let tokens = Self {
            access_token_lifetime: reader.number("tokens.access_token_lifetime", 900, 30..=3600),
            max_access_token_lifetime: reader.number("tokens.max_access_token_lifetime", 900, 30..=3600),
            byte_budget: size(reader.number("tokens.byte_budget", 4096, 1024..=8192)),
            scopes_array: reader.flag("tokens.scopes_array", true),
        };
        if tokens.access_token_lifetime > tokens.max_access_token_lifetime {
            let most = tokens.max_access_token_lifetime;
            reader.mistake::<()>(
                "tokens.access_token_lifetime",
                format!("must be at most `tokens.max_access_token_lifetime`, which is {most}"),
            );
        }
        tokens
    }
}

/// `[sessions]`: refresh tokens.
#[derive(Clone, Debug)]
pub struct Sessions {
    /// How long the predecessor of an unused refresh token still gets that same token.
    pub grace: Duration,
    pub inactivity: Duration,
    pub absolute: Duration,
    /// Live sessions of one user; one more ends the oldest.
    pub max_per_user: u32,
    /// How old a login may be, in seconds, for changes to Keystone itself.
    pub step_up: u64,
}

impl Sessions {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let sessions = Self {
            grace: Duration::from_secs(reader.number("sessions.grace", 10, 0..=60)),
            inactivity: Duration::from_secs(reader.number("sessions.inactivity", 14 * DAY, 60..=YEAR)),
            absolute: Duration::from_secs(reader.number("sessions.absolute", 30 * DAY, 60..=YEAR)),
            max_per_user: small(reader.number("sessions.max_per_user", 100, 1..=10_000)),
            step_up: reader.number("sessions.step_up", 900, 60..=YEAR),
        };
        if sessions.inactivity > sessions.absolute {
            reader.mistake::<()>("sessions.inactivity", "must be at most `sessions.absolute`");
        }
        sessions
    }

    pub fn lifetimes(&self) -> Lifetimes {
        Lifetimes { inactivity: self.inactivity, absolute: self.absolute }
    }
}

/// `[passwords]`: the policy, and what one hash costs.
#[derive(Clone, Debug)]
pub struct Passwords {
    pub policy: PasswordPolicy,
    pub memory_kib: u32,
    pub passes: u32,
    pub lanes: u32,
    /// Hashes computed at the same time.
    pub permits: usize,
    /// A login that could not be answered within this is refused at once.
    pub deadline: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordPolicy {
    /// At least 8 characters, with composition asked below 15.
    Classic,
    /// At least 15 characters and nothing else (NIST SP 800-63B-4).
    Nist,
}

impl std::str::FromStr for PasswordPolicy {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "classic" => Ok(Self::Classic),
            "nist" => Ok(Self::Nist),
            _ => Err(()),
        }
    }
}

impl Passwords {
    pub(super) fn read(reader: &mut Reader, mode: Mode) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from) as u64;
        let passwords = Self {
            policy: reader
                .parsed("passwords.policy", "\"classic\" or \"nist\"")
                .unwrap_or(PasswordPolicy::Classic),
            memory_kib: small(reader.number("passwords.memory_kib", 65_536, 8..=1_048_576)),
            passes: small(reader.number("passwords.passes", 3, 1..=16)),
            lanes: small(reader.number("passwords.lanes", 1, 1..=16)),
            permits: size(reader.number("passwords.permits", cores, 1..=1024)),
            deadline: Duration::from_millis(reader.number("passwords.deadline_ms", 2000, 50..=60_000)),
        };
        if passwords.memory_kib < 8 * passwords.lanes {
            reader.mistake::<()>("passwords.memory_kib", "must be at least 8 times `passwords.lanes`");
        }
        // OWASP ASVS 5.0, appendix C: the least memory for each number of passes.
        let least = match passwords.passes {
            1 => 46 * 1024,
            2 => 19 * 1024,
            _ => 12 * 1024,
        };
        if mode == Mode::Production && passwords.memory_kib < least {
            let passes = passwords.passes;
            reader.mistake::<()>(
                "passwords.memory_kib",
                format!("must be at least {least} with {passes} passes in production"),
            );
        }
        passwords
    }
}

/// `[limits]`: attempts, and whose word about addresses is taken.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Logins as one user from one address.
    pub login_attempts: u64,
    /// Logins as one user from anywhere.
    pub user_attempts: u64,
    /// Wrong secrets of one client from anywhere.
    pub client_attempts: u64,
    /// Logins and wrong credentials from one address (IPv6: one /64), whoever for.
    pub address_attempts: u64,
    /// Wrong passwords through one confidential client that does not forward its users' addresses.
    pub client_user_attempts: u64,
    pub login_window: Duration,
    /// Connections from one address (IPv6: one /64) at once; proxies may have more.
    pub connections_per_address: usize,
    /// Issuers on the same database. Where no Redis counts for all, each allows its part.
    pub replicas: u64,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
}

impl Limits {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let limits = Self {
            login_attempts: reader.number("limits.login_attempts", 10, 1..=1_000_000),
            user_attempts: reader.number("limits.user_attempts", 100, 1..=1_000_000),
            client_attempts: reader.number("limits.client_attempts", 100, 1..=1_000_000),
            address_attempts: reader.number("limits.address_attempts", 300, 1..=1_000_000),
            client_user_attempts: reader.number("limits.client_user_attempts", 300, 1..=1_000_000),
            login_window: Duration::from_secs(reader.number("limits.login_window", 60, 1..=DAY)),
            connections_per_address: size(reader.number(
                "limits.connections_per_address",
                1024,
                1..=1_000_000,
            )),
            replicas: reader.number("limits.replicas", 1, 1..=1000),
            trusted_proxies: Vec::new(),
        };
        let listed = reader.list("limits.trusted_proxies");
        let trusted_proxies = listed.iter().filter_map(|item| item.parse().ok()).collect::<Vec<_>>();
        if trusted_proxies.len() < listed.len() {
            reader.mistake::<()>(
                "limits.trusted_proxies",
                "must contain only addresses and networks, like \"10.0.0.0/8\" or \"::1\"",
            );
        }
        Self { trusted_proxies, ..limits }
    }

    /// Whether the word of whoever is at this address is taken.
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(address))
    }
}

/// `[tls]`: the public listener's certificate, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, then those that lead from it to a root.
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl TlsFiles {
    pub(super) fn read(reader: &mut Reader) -> Option<Self> {
        match [CERTIFICATE, KEY].map(|key| reader.text(key)) {
            [Some(certificate), Some(key)] => {
                let files = Self { certificate: certificate.into(), key: key.into() };
                reader.secret_files.insert(files.key.clone());
                Some(files)
            }
            [Some(_), None] => reader.mistake(KEY, format!("is missing; `{CERTIFICATE}` requires it")),
            [None, Some(_)] => reader.mistake(CERTIFICATE, format!("is missing; `{KEY}` requires it")),
            [None, None] => None,
        }
    }
}

fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

const CERTIFICATE: &str = "tls.certificate_file";
const KEY: &str = "tls.key_file";
const DAY: u64 = 86_400;
const YEAR: u64 = 366 * DAY;
