//! The output of the demo.

use std::io::{self, IsTerminal};

use keystone_tests::cast;
use keystone_tests::stack::Stack;
use serde_json::Value;

use crate::place;

/// Standard output, or standard error while standard output belongs to a script.
#[derive(Debug)]
pub(crate) struct Screen {
    aside: bool,
    colour: bool,
}

impl Screen {
    pub(crate) fn new(aside: bool) -> Self {
        let colour = if aside { io::stderr().is_terminal() } else { io::stdout().is_terminal() };
        Self { aside, colour }
    }

    pub(crate) fn line(&self, text: &str) {
        if self.aside { eprintln!("{text}") } else { println!("{text}") }
    }

    pub(crate) fn step(&self, title: &str) {
        self.line(&format!("\n{}", self.painted("1", title)));
    }

    pub(crate) fn typed(&self, command: &str) {
        self.line(&format!("   {}", self.painted("36", &format!("$ {command}"))));
    }

    pub(crate) fn expected(&self, what: &str) {
        self.line(&format!("   {} {what}", self.painted("32", "✓")));
    }

    pub(crate) fn unexpected(&self, what: &str) {
        self.line(&format!("   {} {what}", self.painted("31", "✗")));
    }

    pub(crate) fn summary(&self, stack: &Stack) {
        let administrator = stack.credentials.administrator();
        let of = |name: &str| administrator.get(name).and_then(Value::as_str).unwrap_or("?").to_owned();
        let (people, admin) =
            (people(), format!("{} with the one-time password {}", of("username"), of("one_time_password")));
        let rows = [
            ("page", format!("{} (sign in as {people})", stack.envoy.site.url("/"))),
            ("Envoy", format!("{} (its own pages: {})", stack.envoy.site.url(""), stack.envoy.admin.url(""))),
            (
                "issuer",
                format!(
                    "{} (health: {})",
                    stack.issuer.site.url(""),
                    stack.issuer.operations.url("/health/ready")
                ),
            ),
            ("administrator", format!("{admin}, client {}, until {}", of("client_id"), of("expires_at"))),
            (
                "files",
                format!(
                    "{} (configuration, policy, data, logs, credentials.json)",
                    place::shown(&stack.directory)
                ),
            ),
        ];
        self.step("Keystone is up until Ctrl-C");
        for (name, value) in rows {
            self.line(&format!("   {name:<14} {value}"));
        }
    }

    fn painted(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

fn people() -> String {
    let all: Vec<String> =
        cast::PEOPLE.iter().map(|(name, password, _)| format!("{name} / {password}")).collect();
    all.join(" or ")
}
