//! One configuration of the plugin in one worker: the policy, its keys, and the tick that keeps them fresh.

use std::time::Duration;

use keystone_verifier::{Code, Gate, IssuerPolicy, KeyCache, Policy};

use crate::host::{Host, Level};
use crate::keys::Remote;
use crate::request;
use crate::vm::Action;

#[derive(Debug)]
pub(crate) struct Root {
    gate: Gate,
    /// The issuers whose keys are fetched, each with its place in the policy.
    remotes: Vec<(usize, Remote)>,
    pace: Option<Duration>,
    complained: bool,
}

impl Root {
    /// Reads the policy, and takes keys that are there already. Fetches nothing: a configuration that loads must not
    /// depend on a network.
    pub(crate) fn configure(host: &impl Host) -> Result<Self, String> {
        let text = host.configuration().unwrap_or_default();
        // Envoy hands any other type, `Struct` too, over as binary.
        if !text.trim_ascii_start().starts_with(b"{") {
            return Err("it must be a policy file, given as a google.protobuf.StringValue".into());
        }
        let policy = Policy::parse(&text).map_err(|error| error.to_string())?;
        let remotes = policy.issuers().iter().enumerate().filter_map(remote).collect::<Result<_, _>>()?;
        let mut root = Self { gate: Gate::new(policy), remotes, pace: None, complained: false };
        root.each_remote(|remote, cache| remote.prepare(host, cache));
        root.set_pace(host);
        Ok(root)
    }

    pub(crate) fn tick(&mut self, host: &impl Host) {
        self.each_remote(|remote, cache| remote.tick(host, cache));
        self.set_pace(host);
    }

    /// The answer to a fetch, of `size` bytes.
    pub(crate) fn fetched(&mut self, host: &impl Host, call: u32, size: usize) {
        self.each_remote(|remote, cache| remote.fetched(host, cache, (call, size)));
        self.set_pace(host);
    }

    pub(crate) fn request(&mut self, host: &impl Host) -> Action {
        let (action, refusal) = request::serve(host, &mut self.gate);
        match refusal {
            // The key may be a new one. The next tick fetches if the budget allows it: let it come soon.
            Some(Code::UnknownKid) => self.set_pace(host),
            None if action == Action::Stop && !self.complained => {
                self.complained = true;
                host.log(Level::Error, "Envoy refused a call, are all of them in allowed_capabilities?");
            }
            _ => {}
        }
        action
    }

    fn each_remote(&mut self, mut call: impl FnMut(&mut Remote, &mut KeyCache)) {
        for (place, remote) in &mut self.remotes {
            if let Some(cache) = self.gate.keys(*place) {
                call(remote, cache);
            }
        }
    }

    /// Quick ticks while something is awaited, slow ones to see what the other workers fetched.
    fn set_pace(&mut self, host: &impl Host) {
        let now = host.now().as_secs();
        let mut waiting = false;
        self.each_remote(|remote, cache| {
            waiting |= remote.is_fetching() || cache.wants_fetch(now) || cache.current(now).is_none();
        });
        let pace = if waiting { QUICK } else { SLOW };
        if !self.remotes.is_empty() && self.pace.replace(pace) != Some(pace) {
            host.tick_every(pace);
        }
    }
}

fn remote((place, issuer): (usize, &IssuerPolicy)) -> Option<Result<(usize, Remote), String>> {
    match Remote::new(issuer) {
        Ok(remote) => remote.map(|remote| Ok((place, remote))),
        Err(error) => Some(Err(format!("issuers[{place}].{error}"))),
    }
}

const QUICK: Duration = Duration::from_millis(200);
const SLOW: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{JWKS, Process, REMOTE, TOKEN, Worker, policy};

    fn refusal(policy: &str) -> String {
        let mut worker = Worker::unconfigured(&Process::start(), policy);
        assert!(!worker.configure());
        worker.host.last_line()
    }

    #[test]
    fn a_wrong_policy_is_refused_by_its_line_and_member() {
        let line = refusal(&policy(REMOTE, "{}").replace("\"public\"", "\"pubic\""));

        assert!(line.contains("line 3") && line.contains("routes[0].pubic"), "{line}");
    }

    #[test]
    fn keys_at_a_url_need_a_cluster() {
        let line = refusal(&policy(r#"{ "url": "https://as.test/k" }"#, "{}"));

        assert!(line.contains("issuers[0].keys.cluster"), "{line}");
    }

    #[test]
    fn keys_at_a_url_that_envoy_cannot_ask_for_are_refused() {
        let line = refusal(&policy(r#"{ "url": "https://u@as.test/k", "cluster": "c" }"#, "{}"));

        assert!(line.contains("issuers[0].keys.url"), "{line}");
    }

    #[test]
    fn what_is_no_policy_file_is_refused_by_what_it_should_be() {
        for text in ["", "\n\u{14}\n\u{7}version", "[]"] {
            assert!(refusal(text).ends_with("given as a google.protobuf.StringValue"));
        }
    }

    #[test]
    fn inline_keys_need_no_tick() {
        let worker = Worker::new(&Process::start(), &policy(&format!(r#"{{ "inline": {JWKS} }}"#), "{}"));

        assert_eq!(worker.host.pace.get(), None);
    }

    #[test]
    fn ticks_are_quick_until_the_keys_are_there() {
        let mut worker = Worker::new(&Process::start(), &policy(REMOTE, "{}"));
        assert_eq!(worker.host.pace.get(), Some(QUICK));

        worker.tick();
        worker.fetched("200", JWKS.as_bytes());

        assert_eq!(worker.host.pace.get(), Some(SLOW));
    }

    #[test]
    fn a_refused_configuration_leaves_the_running_one_alone() {
        let mut worker = Worker::new(&Process::start(), &policy(&format!(r#"{{ "inline": {JWKS} }}"#), "{}"));
        worker.host.configuration.replace("{}".into());

        assert!(!worker.configure());
        assert_eq!(worker.get("/orders", TOKEN).0, 200);
    }
}
