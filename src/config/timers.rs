//! Settings of the server itself: time limits, threads, user.

use super::push::PushOptions;
use super::tree::Section;
use std::path::PathBuf;
use std::time::Duration;

/// The server's own settings that matter to `mfa doctor` and to the ownership of the store's files. What the
/// configuration does not say, or says wrongly (the server itself then refuses to start), is as by the server's
/// default.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerTimers {
    /// `max_request_time`: after it the server gives a request up.
    pub max_request_time: Duration,
    /// `cleanup_delay`: for how long an answer is kept for retransmissions.
    pub cleanup_delay: Duration,
    /// `security { reject_delay }`: by which rejects are held back.
    pub reject_delay: Duration,
    /// `max_requests`: requests that the server keeps in mind.
    pub max_requests: u32,
    /// `thread pool { max_servers }`: threads.
    pub max_servers: u32,
    /// `proxy_requests`: whether the server proxies.
    pub proxies: bool,
    /// `security { user }`: the user that the server runs as; `None` for the user that started it.
    pub user: Option<String>,
    /// `security { group }`.
    pub group: Option<String>,
    /// `localstatedir`.
    pub localstatedir: Option<PathBuf>,
    /// `libdir`: where modules are.
    pub libdir: Option<PathBuf>,
}

impl ServerTimers {
    /// From the server's whole configuration.
    pub fn read(server: &Section) -> Self {
        let security = server.section("security");
        let within = |section: Option<&Section>, key: &str| {
            section.and_then(|s| s.value(key)).filter(|value| !value.is_empty()).map(str::to_owned)
        };
        let top = |key: &str| within(Some(server), key);
        let pool = server.sections().find(|s| s.name == "thread" && s.instance.as_deref() == Some("pool"));
        let seconds = |text: Option<String>, default: u64| {
            let parsed = text.and_then(|t| t.parse().ok());
            parsed.and_then(|s| Duration::try_from_secs_f64(s).ok()).unwrap_or(Duration::from_secs(default))
        };
        let number = |text: Option<String>, default| text.and_then(|t| t.parse().ok()).unwrap_or(default);
        Self {
            max_request_time: seconds(top("max_request_time"), 30),
            cleanup_delay: seconds(top("cleanup_delay"), 5),
            reject_delay: seconds(within(security, "reject_delay"), 0),
            max_requests: number(top("max_requests"), 256),
            max_servers: number(within(pool, "max_servers"), 32),
            proxies: !top("proxy_requests")
                .is_some_and(|word| ["no", "false", "off"].iter().any(|no| no.eq_ignore_ascii_case(&word))),
            // Old configurations have them at the top.
            user: within(security, "user").or_else(|| top("user")),
            group: within(security, "group").or_else(|| top("group")),
            localstatedir: top("localstatedir").map(PathBuf::from),
            libdir: top("libdir").map(PathBuf::from),
        }
    }
}

impl ServerTimers {
    /// The longest that the server waits for a home server: it takes at most 60 s, and less than it gives a request in all.
    pub fn response_window(&self) -> Duration {
        self.max_request_time.min(Duration::from_secs(60))
    }

    /// Whether a login may wait as long as `push { limit }` says: the answer must be there 5 s before the server gives the
    /// request up, and before a client's own `response_window` ends.
    ///
    /// # Errors
    ///
    /// A line for each setting that is too short, with the remedy.
    pub fn check_wait(&self, server: &Section, push: &PushOptions) -> Result<(), Vec<String>> {
        let mut lines = Vec::new();
        if push.provider.is_none() {
            return Ok(());
        }
        let limit = push.limit.saturating_add(SLACK);
        if limit > self.max_request_time {
            lines.push(format!(
                "\"limit = {}\" does not fit: set max_request_time to at least {} in radiusd.conf, it is {}",
                push.limit.as_secs(),
                limit.as_secs(),
                self.max_request_time.as_secs()
            ));
        }
        // At the top, in `clients { }` and in `server { }`.
        let all = server.sections().flat_map(|outer| std::iter::once(outer).chain(outer.sections()));
        for client in all.filter(|section| section.name == "client") {
            let window = client.value("response_window").and_then(|text| text.parse().ok());
            let window = window.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
            if let Some(window) = window.filter(|window| *window < limit) {
                lines.push(format!(
                    "{}: client {}: response_window of {} s is too short for \"limit = {}\": set it to at least {}",
                    client.at,
                    client.section_label(),
                    window.as_secs_f64(),
                    push.limit.as_secs(),
                    limit.as_secs()
                ));
            }
        }
        if lines.is_empty() { Ok(()) } else { Err(lines) }
    }
}

/// Minimum time between the end of a wait and the time limits of server and client.
const SLACK: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::super::read_text;
    use super::*;

    #[test]
    fn timers_are_read_from_where_the_server_has_them() {
        let text = "max_request_time = 65\nproxy_requests = no\nlocalstatedir = /var\nsecurity {\n user = freerad\n reject_delay = 0.5\n}\nthread pool {\n max_servers = 64\n}\n";
        let timers = ServerTimers::read(&read_text(text, &|_| None).unwrap());
        assert_eq!(timers.max_request_time, Duration::from_secs(65));
        assert_eq!(timers.reject_delay, Duration::from_millis(500));
        assert_eq!((timers.max_servers, timers.cleanup_delay), (64, Duration::from_secs(5)));
        assert_eq!(
            (timers.user.as_deref(), timers.group.as_deref(), timers.proxies),
            (Some("freerad"), None, false)
        );
    }

    #[test]
    fn nonsense_is_as_by_default() {
        let text = "max_request_time = -5\ncleanup_delay = 1e400\nmax_requests = x\nproxy_requests = maybe\n";
        let timers = ServerTimers::read(&read_text(text, &|_| None).unwrap());
        assert_eq!(timers, ServerTimers::read(&Section::default()));
        assert_eq!(timers.max_request_time, Duration::from_secs(30));
    }
}
