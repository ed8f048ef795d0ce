//! One configuration of the plugin in one worker: the policy, its keys and revocations, and the tick that keeps them fresh.

use std::time::Duration;

use keystone_verifier::{Authorizer, Bundle, FeedState, IssuerPolicy, KeyCache, Revocations, text};

use crate::endpoint::feed_cluster;
use crate::feed::Feed;
use crate::held::{Awaited, HOLD_TIMEOUT};
use crate::host::{Host, Level};
use crate::keys::Remote;
use crate::metrics::{CACHE_HITS, Metrics};
use crate::outcome::{INTERNAL, Outcome};
use crate::request;

#[derive(Debug)]
pub(crate) struct Root {
    authorizer: Authorizer,
    /// The issuers whose keys are fetched, each with its place in the policy.
    remotes: Vec<(usize, Remote)>,
    /// Those whose revocation feed is followed, likewise.
    feeds: Vec<(usize, Feed)>,
    tick_period: Option<Duration>,
    has_logged_refusal: bool,
    /// No feed is awaited for the first time: nearly always.
    knows_feeds: bool,
    /// The cache hits that were counted.
    counted: u64,
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
        let Bundle { policy, shadow } = Bundle::parse(&text).map_err(|error| text!("{error}"))?;
        let enforced = policy.issuers().len();
        let authorizer = Authorizer::new(policy);
        let authorizer = match shadow {
            Some(shadow) => authorizer.with_shadow(shadow),
            None => authorizer,
        };
        let named =
            authorizer.issuers().enumerate().map(|(place, issuer)| (place, place >= enforced, issuer));
        let (mut remotes, mut feeds) = (Vec::new(), Vec::new());
        for (place, of_shadow, issuer) in named {
            let at = |error| match of_shadow {
                true => text!("shadow, issuer {}: {error}", issuer.rules.issuer),
                false => text!("issuers[{place}].{error}"),
            };
            remotes.extend(Remote::new(issuer).map_err(at)?.map(|remote| (place, remote)));
            feeds.extend(Feed::new(issuer).map_err(at)?.map(|feed| (place, feed)));
        }
        let mut root = Self {
            authorizer,
            remotes,
            feeds,
            tick_period: None,
            has_logged_refusal: false,
            knows_feeds: false,
            counted: 0,
        };
        root.each_remote(|remote, cache| remote.prepare(host, cache));
        root.each_feed(|feed, known| feed.prepare(host, known));
        root.update_tick(host, Backlog::default());
        Ok(root)
    }

    /// Takes over what another configuration of this VM knows of the same feeds: an update must not forget revocations until
    /// they are read again.
    pub(crate) fn adopt_state(&mut self, host: &impl Host, other: &mut Self) {
        let now = host.now().as_secs();
        let feeds = |root: &Self| {
            let place = |issuer: &IssuerPolicy| {
                let cluster = feed_cluster(issuer).map(String::from);
                (issuer.rules.issuer.clone(), issuer.revocations.clone(), cluster)
            };
            root.authorizer.issuers().map(place).collect::<Vec<_>>()
        };
        let (own, others) = (feeds(self), feeds(other));
        for (place, feed) in own.iter().enumerate() {
            let known =
                others.iter().position(|known| known == feed).and_then(|at| other.authorizer.revocations(at));
            if let Some(known) = known.filter(|known| known.age(now).is_some())
                && let Some(own) = self.authorizer.revocations(place)
            {
                *own = known.clone();
                // Whatever the other one awaits, this one does not.
                own.failed(now);
            }
        }
    }

    pub(crate) fn tick(&mut self, host: &impl Host, metrics: &mut Metrics) {
        self.each_remote(|remote, cache| {
            remote.tick(host, cache);
            remote.report(host, cache, metrics);
        });
        self.each_feed(|feed, known| {
            feed.tick(host, known);
            feed.report(host, known, metrics);
        });
        let hits = self.authorizer.cache_hits();
        metrics.raise(CACHE_HITS, "", hits.saturating_sub(self.counted));
        self.counted = hits;
    }

    /// The answer to a fetch, of `size` bytes.
    pub(crate) fn fetched(&mut self, host: &impl Host, call: u32, size: usize) {
        self.each_remote(|remote, cache| remote.fetched(host, cache, call, size));
        self.each_feed(|feed, known| feed.fetched(host, known, call, size));
    }

    /// Serves a request. It is held if what it lacks is on its way, and `may_wait` says so, which learns whether that began
    /// lately.
    pub(crate) fn request(
        &mut self,
        host: &impl Host,
        may_wait: impl FnOnce(Awaited, bool) -> bool,
    ) -> Outcome {
        let Self { authorizer, remotes, feeds, knows_feeds, .. } = self;
        let outcome = request::serve(host, authorizer, |authorizer, awaited, now| {
            if *knows_feeds && awaited == Awaited::FirstPage {
                return false;
            }
            awaited_since(authorizer, remotes, feeds, awaited, now)
                .is_some_and(|since| may_wait(awaited, now < since.saturating_add(HOLD_TIMEOUT)))
        });
        if matches!(outcome, Outcome::Done(_, codes) if codes.enforced == INTERNAL)
            && !self.has_logged_refusal
        {
            self.has_logged_refusal = true;
            host.log(
                Level::Error,
                "Envoy refused a call; check that allowed_capabilities lists all calls of the samples",
            );
        }
        outcome
    }

    /// Returns whether this is on its way, or about to be.
    pub(crate) fn is_awaited(&mut self, awaited: Awaited, now: Duration) -> bool {
        awaited_since(&mut self.authorizer, &self.remotes, &self.feeds, awaited, now).is_some()
    }

    /// Another number whenever keys or revocations have changed: what is held may be decided on then.
    pub(crate) fn news(&mut self) -> u64 {
        let mut news = 0_u64;
        self.each_remote(|_, cache| news = news.wrapping_add(cache.epoch()));
        self.each_feed(|_, known| news = news.wrapping_add(known.epoch()));
        news
    }

    /// Returns the number of its token caches.
    pub(crate) const fn token_caches(&self) -> usize {
        if self.authorizer.has_shadow() { 2 } else { 1 }
    }

    /// Returns the number of feeds that it follows.
    pub(crate) const fn followed_feeds(&self) -> usize {
        self.feeds.len()
    }

    /// Limits the memory, see [`Authorizer::set_limits`].
    pub(crate) fn set_limits(&mut self, cache_bytes: usize, revocations: usize) {
        self.authorizer.set_limits(cache_bytes, revocations);
    }

    /// Returns whether a client must not send a header of this name.
    pub(crate) fn is_identity_header(&self, name: &[u8]) -> bool {
        self.authorizer.is_identity_header(name)
    }

    /// Returns whether there are headers that a client must not send.
    pub(crate) fn has_identity_headers(&self) -> bool {
        self.authorizer.identity_headers().next().is_some()
    }

    fn each_remote(&mut self, mut call: impl FnMut(&mut Remote, &mut KeyCache)) {
        for (place, remote) in &mut self.remotes {
            if let Some(cache) = self.authorizer.keys(*place) {
                call(remote, cache);
            }
        }
    }

    fn each_feed(&mut self, mut call: impl FnMut(&mut Feed, &mut Revocations)) {
        for (place, feed) in &mut self.feeds {
            if let Some(known) = self.authorizer.revocations(*place) {
                call(feed, known);
            }
        }
    }

    /// A request begins to wait: the next tick is near.
    pub(crate) fn tick_soon(&mut self, host: &impl Host) {
        if self.tick_period.is_none_or(|period| period > HELD_TICK) {
            self.set_tick(host, HELD_TICK);
        }
    }

    fn set_tick(&mut self, host: &impl Host, period: Duration) {
        if self.tick_period.replace(period) != Some(period) {
            host.tick_every(period);
        }
    }

    /// Ticks come at once while one call does not do all that there is to do, quickest while a request waits, quickly while keys
    /// are awaited or a feed's first word, and else as slowly as it takes to see what the other workers fetched.
    pub(crate) fn update_tick(&mut self, host: &impl Host, backlog: Backlog) {
        let now = host.now().as_secs();
        let Backlog { requests_wait, mut is_behind } = backlog;
        let (mut awaited, mut is_cold) = (false, false);
        self.each_remote(|remote, cache| {
            awaited |= remote.is_fetching() || cache.wants_fetch(now) || cache.current(now).is_none();
        });
        self.each_feed(|feed, known| {
            is_cold |= known.state(now) == FeedState::Cold;
            is_behind |= feed.is_reading_back();
        });
        awaited |= is_cold;
        self.knows_feeds = !is_cold;
        let period = match (requests_wait, awaited) {
            _ if is_behind => IMMEDIATE_TICK,
            (true, _) => HELD_TICK,
            (false, true) => STARTUP_TICK,
            (false, false) if !self.feeds.is_empty() => FEED_TICK,
            (false, false) => IDLE_TICK,
        };
        self.set_tick(host, period);
    }
}

/// The work that the last call left undone.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Backlog {
    /// Requests are held.
    pub(crate) requests_wait: bool,
    /// More of them can be decided than one call may answer.
    pub(crate) is_behind: bool,
}

/// Items of issuers, each with the issuer's place in the policy.
type Placed<T> = [(usize, T)];

/// Since when the youngest of what could bring it has been on its way.
fn awaited_since(
    authorizer: &mut Authorizer,
    remotes: &Placed<Remote>,
    feeds: &Placed<Feed>,
    awaited: Awaited,
    now: Duration,
) -> Option<Duration> {
    let of_feeds = |authorizer: &mut Authorizer,
                    of: fn(&Feed, &mut Revocations, Duration) -> Option<Duration>| {
        feeds.iter().filter_map(|(place, feed)| of(feed, authorizer.revocations(*place)?, now)).max()
    };
    match awaited {
        Awaited::Keys(_) => remotes
            .iter()
            .filter_map(|(place, remote)| remote.awaited_since(authorizer.keys(*place)?, now))
            .max(),
        Awaited::Revocations => of_feeds(authorizer, Feed::awaited_since),
        Awaited::FirstPage => of_feeds(authorizer, Feed::first_awaited_since),
    }
}

const IMMEDIATE_TICK: Duration = Duration::from_millis(1);
const HELD_TICK: Duration = Duration::from_millis(20);
const STARTUP_TICK: Duration = Duration::from_millis(200);
/// How long after its fetch a revocation may take to reach every worker.
const FEED_TICK: Duration = Duration::from_millis(250);
const IDLE_TICK: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{FEED, JWKS, Process, REMOTE, TOKEN, Worker, followed, policy};
    use crate::outcome::Action;

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
    fn inline_keys_need_slow_ticks_only() {
        let worker = Worker::new(&Process::start(), &policy(&format!(r#"{{ "inline": {JWKS} }}"#), "{}"));

        assert_eq!(worker.host.tick_period.get(), Some(IDLE_TICK));
    }

    #[test]
    fn ticks_are_quick_until_the_keys_are_there() {
        let mut worker = Worker::new(&Process::start(), &policy(REMOTE, "{}"));
        assert_eq!(worker.host.tick_period.get(), Some(STARTUP_TICK));

        worker.tick();
        worker.fetched("200", JWKS.as_bytes());

        assert_eq!(worker.host.tick_period.get(), Some(IDLE_TICK));
    }

    #[test]
    fn a_refused_configuration_leaves_the_running_one_alone() {
        let mut worker = Worker::new(&Process::start(), &policy(&format!(r#"{{ "inline": {JWKS} }}"#), "{}"));
        worker.host.configuration.replace("{}".into());

        assert!(!worker.configure());
        assert_eq!(worker.get("/orders", TOKEN).0, 200);
    }
    #[test]
    fn a_shadow_policy_is_counted_and_noted_and_never_enforced() {
        let keys = format!(r#"{{ "inline": {JWKS} }}"#);
        let own = policy(&keys, r#"{}, "envoy": { "access_log": true }"#);
        let stricter = policy(&keys, "{}").replace("orders:read", "orders:audit");
        let mut worker =
            Worker::new(&Process::start(), &format!(r#"{{ "policy": {own}, "shadow": {stricter} }}"#));
        let bearer = format!("Bearer {TOKEN}");

        let outcome = worker.send(&[(":method", "GET"), (":path", "/orders"), ("authorization", &bearer)]);

        assert_eq!(outcome.action, Action::Continue);
        let note = outcome.note.unwrap();
        assert!(note.starts_with(r#"{"code":"allow","shadow":"insufficient_scope","sub":"#), "{note}");
        worker.get("/", "");
        worker.tick();
        let metric = |name| worker.host.metric(name);
        assert_eq!(metric("keystone_shadow_differences_total.code.insufficient_scope"), Some(1));
        assert_eq!(metric("keystone_decisions_total.code.allow"), Some(1));
        assert_eq!(metric("keystone_shadow_differences_total.code.public"), None);
    }

    #[test]
    fn keys_of_an_issuer_of_the_shadow_alone_are_fetched_too() {
        let own = policy(&format!(r#"{{ "inline": {JWKS} }}"#), "{}");
        let shadow = policy(REMOTE, "{}").replace("http://as.test\"", "http://other.test\"");
        let bundle = format!(r#"{{ "policy": {own}, "shadow": {shadow} }}"#);
        let mut worker = Worker::new(&Process::start(), &bundle);

        worker.tick();

        assert_eq!(worker.host.fetches.borrow().len(), 1);
        let line = refusal(&bundle.replace(r#", "cluster": "keystone""#, ""));
        assert!(line.contains("shadow, issuer http://other.test: keys.cluster: missing"), "{line}");
    }

    #[test]
    fn a_feed_needs_a_cluster_of_its_own_or_of_the_keys() {
        let bare = FEED.replace(r#", "cluster": "keystone""#, "");
        let line = refusal(&followed(&bare));
        assert!(
            line.contains("issuers[0].revocation.cluster: missing, it must name the Envoy cluster"),
            "{line}"
        );

        let of_keys = policy(&format!(r#"{REMOTE}, "revocation": {bare}"#), "{}");
        let mut worker = Worker::new(&Process::start(), &of_keys);
        worker.tick();
        assert!(worker.host.fetches.borrow().contains(&"keystone as.test/feed-jwks.json".to_owned()));
    }

    #[test]
    fn a_feed_at_a_url_that_envoy_cannot_ask_for_is_refused() {
        for (member, url) in
            [("url", "http://as.test/revocations"), ("keys_url", "http://as.test/feed-jwks.json")]
        {
            let line = refusal(&followed(&FEED.replace(url, "https://u@as.test/x")));

            assert!(line.contains(&format!("issuers[0].revocation.{member}")), "{line}");
        }
    }

    #[test]
    fn the_feed_of_an_issuer_of_the_shadow_alone_is_followed() {
        let own = policy(&format!(r#"{{ "inline": {JWKS} }}"#), "{}");
        let shadow = followed(FEED).replace("\"http://as.test\"", "\"http://other.test\"");
        let bundle = format!(r#"{{ "policy": {own}, "shadow": {shadow} }}"#);
        let mut worker = Worker::new(&Process::start(), &bundle);

        worker.tick();

        assert_eq!(*worker.host.fetches.borrow(), ["keystone as.test/feed-jwks.json"]);
        let line = refusal(&bundle.replace(r#", "cluster": "keystone""#, ""));
        assert!(line.contains("shadow, issuer http://other.test: revocation.cluster: missing"), "{line}");
    }
}
