//! What there is, by name. docs/METRICS.md has the same list, for readers; a test compares the two.

/// What a family's series are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FamilyKind {
    /// It only grows, over reloads too.
    Counter,
    /// What is now.
    Gauge,
    /// Of durations; it only grows.
    Histogram,
    /// Facts as labels; its value is 1.
    Info,
}

/// A family of series.
#[derive(Debug)]
pub(super) struct Family {
    /// Without the ending `_total` of a counter, and `_info` of an info.
    pub(super) name: &'static str,
    pub(super) kind: FamilyKind,
    pub(super) help: &'static str,
    pub(super) labels: &'static [&'static str],
}

impl Family {
    /// The unit, which a name ends with.
    pub(super) fn unit(&self) -> Option<&'static str> {
        ["seconds", "bytes"].into_iter().find(|unit| self.name.ends_with(unit))
    }
}

/// Makes the constants and the list of all of them.
macro_rules! families {
    ($($constant:ident = $kind:ident $name:literal $labels:expr, $help:literal;)+) => {
        $(pub(super) const $constant: Family =
            Family { name: $name, kind: FamilyKind::$kind, help: $help, labels: &$labels };)+

        /// All of them.
        #[cfg(test)]
        pub(super) const ALL: &[&Family] = &[$(&$constant),+];
    };
}

families! {
    BUILD = Info "skitai_build" ["version", "name"], "Version of the server, and name of the site.";
    PROCESSES = Gauge "skitai_processes" ["state"], "Processes of the instance, by what they do.";
    SILENT = Gauge "skitai_processes_silent" [],
        "Processes that did not answer in time; their counters stay in the sums.";
    ENDED = Counter "skitai_processes_ended" [], "Processes that have ended, by reloads and otherwise.";
    KILLED = Counter "skitai_processes_killed" [],
        "Of these, the ones that could not say what they had counted at last.";
    THREADS = Gauge "skitai_threads" [], "Event loops, of all processes that answered.";
    HELD = Gauge "skitai_threads_held" [], "Event loops that a handler holds too long at the moment.";
    MEMORY = Gauge "skitai_resident_memory_bytes" [], "Memory of all processes that answered.";
    FDS = Gauge "skitai_open_fds" [], "Open descriptors of all processes that answered.";
    TASKS = Gauge "skitai_background_tasks" ["task"], "Background tasks, by their name.";
    ACTORS_SILENT = Gauge "skitai_actors_silent" ["actor"], "Threads on which an actor did not answer in time.";
    REQUESTS = Counter "skitai_requests" ["class"],
        "Requests, by the class of their status; one whose client left is a 4xx.";
    RPC_CALLS = Counter "skitai_rpc_calls" [], "Calls by XML-RPC and JSON-RPC; a batch is several.";
    RPC_ERRORS = Counter "skitai_rpc_errors" [], "Of these, the ones that ended with a fault.";
    PANICS = Counter "skitai_panics" [], "Panics in handlers, each an answer with status 500.";
    PARTIAL = Counter "skitai_partial_answers" [], "Answers from which members were missing.";
    REFUSED = Counter "skitai_refused" ["reason"], "What was refused before anything of the site ran for it.";
    DURATION = Histogram "skitai_request_duration_seconds" ["route"],
        "Time from a request's head to its answer's head.";
    ROUTE_REQUESTS = Counter "skitai_route_requests" ["route", "class"],
        "Requests by the rule of their route and class of status.";
    QUEUE = Gauge "skitai_blocking_handlers" ["state"],
        "Plain functions that run on the pool of threads, or wait for it.";
    RETRIES = Counter "skitai_cluster_retries" ["cluster"], "Calls that were sent again to another member.";
    HEDGES = Counter "skitai_cluster_hedges" ["cluster"],
        "Calls that were also sent to a second member, because the first was slow.";
    EXTRA_DENIED = Counter "skitai_cluster_extra_denied" ["cluster"],
        "Retries and hedges for which the budget had no room.";
    MEMBER_UP = Gauge "skitai_member_up" ["cluster", "member"],
        "1 while no process has ejected the member or database, else 0.";
    MEMBER_STATE = Gauge "skitai_member_state" ["cluster", "member", "state", "reason"],
        "In how many processes a member is in a state, and why.";
    MEMBER_SINCE = Gauge "skitai_member_state_since_timestamp_seconds" ["cluster", "member"],
        "When a process last changed the member's state.";
    SET_ASIDE = Gauge "skitai_member_set_aside" ["cluster", "member", "word"],
        "In how many processes an operator keeps the member out, and how.";
    EJECTIONS = Counter "skitai_member_ejections" ["cluster", "member"], "How often a process has ejected the member.";
    CALLS = Counter "skitai_member_calls" ["cluster", "member", "outcome"], "Calls to a member, by what came of them.";
    MEMBER_PARTIAL = Counter "skitai_member_partial_answers" ["cluster", "member"],
        "Answers of a member that reported a gap of its own.";
    CALLS_IN_FLIGHT = Gauge "skitai_member_calls_in_flight" ["cluster", "member"],
        "Calls to a member that are under way.";
    CALL_DURATION = Histogram "skitai_member_call_duration_seconds" ["cluster", "member"],
        "Time of calls that a member answered.";
    STATEMENTS = Counter "skitai_database_statements" ["cluster", "member", "outcome"],
        "Statements on a database, by what came of them.";
    POOL = Gauge "skitai_database_connections" ["cluster", "member", "state"],
        "Connections to a database: open, idle, and how many there may be.";
    WAIT_DURATION = Histogram "skitai_database_wait_duration_seconds" ["cluster", "member"],
        "Time that statements waited for a connection.";
    DIAL_DURATION = Histogram "skitai_database_dial_duration_seconds" ["cluster", "member"],
        "Time to make a connection.";
    QUERY_DURATION = Histogram "skitai_database_query_duration_seconds" ["cluster", "member"],
        "Time of statements on their connection.";
    CACHE = Counter "skitai_cache_lookups" ["result"], "Looks into the result cache.";
    CACHE_ENTRIES = Gauge "skitai_cache_entries" [], "Results that are kept, of all processes that answered.";
    CACHE_EVICTED = Counter "skitai_cache_evicted" [], "Results that had to leave before their time.";
    SESSIONS = Counter "skitai_sessions" ["result"], "Session cookies, by what became of them.";
    SESSIONS_REFUSED = Counter "skitai_sessions_refused" ["reason"], "Session cookies that were not opened.";
    URLS = Counter "skitai_url_requests" [], "Requests to URLs that belong to no cluster.";
    FORWARD_REQUESTS = Counter "skitai_forward_proxy_requests" [], "Requests to the forward proxy.";
    FORWARD_REFUSED = Counter "skitai_forward_proxy_refused" ["reason"], "Clients and requests that it led nowhere.";
    FORWARD_OPENED = Counter "skitai_forward_proxy_opened" ["kind"], "Tunnels and exchanges that it began.";
    FORWARD_OPEN = Gauge "skitai_forward_proxy_open" ["kind"], "Tunnels and exchanges that are under way.";
    FORWARD_FAILED = Counter "skitai_forward_proxy_failed" ["reason"],
        "Hosts that failed, and what was ended by a bound of time or of octets.";
    FORWARD_SENT = Counter "skitai_forward_proxy_sent_bytes" ["to"], "Octets that it led to clients and to hosts.";
    SPANS_SENT = Counter "skitai_otlp_sent_spans" [], "Spans that the collector of traces has taken.";
    SPANS_DROPPED = Counter "skitai_otlp_dropped_spans" [],
        "Spans for which there was no room, or that the collector did not take.";
    CERTIFICATE = Gauge "skitai_certificate_expiry_timestamp_seconds" ["file"], "When a certificate expires.";
    OMITTED = Gauge "skitai_metrics_omitted_series" [], "Series for which this answer had no room.";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// `| name | kind | labels | …` of the tables of the document, names as they are served.
    fn documented() -> BTreeMap<String, (String, String)> {
        let document = include_str!("../../../docs/METRICS.md");
        let row = |line: &str| {
            let mut cells = line.strip_prefix("| `skitai_")?.split('|').map(str::trim);
            let name = format!("skitai_{}", cells.next()?.trim_end_matches('`'));
            Some((name, (cells.next()?.to_owned(), cells.next()?.to_owned())))
        };
        document.lines().filter_map(row).collect()
    }

    #[test]
    fn every_series_is_documented_and_nothing_else_is() {
        let served = ALL.iter().map(|family| {
            let (end, kind) = match family.kind {
                FamilyKind::Counter => ("_total", "counter"),
                FamilyKind::Gauge => ("", "gauge"),
                FamilyKind::Histogram => ("", "histogram"),
                FamilyKind::Info => ("_info", "info"),
            };
            let labels: Vec<String> = family.labels.iter().map(|label| format!("`{label}`")).collect();
            (format!("{}{end}", family.name), (kind.to_owned(), labels.join(", ")))
        });
        let served: BTreeMap<_, _> = served.collect();
        assert_eq!(served, documented());
        assert_eq!(served.len(), ALL.len(), "each name is there once");
    }

    #[test]
    fn names_end_as_their_kind_has_it() {
        for family in ALL {
            assert!(family.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{}", family.name);
            assert!(!family.name.ends_with("_total") && !family.name.ends_with("_count"), "{}", family.name);
            assert!(family.kind != FamilyKind::Histogram || family.unit() == Some("seconds"), "{}", family.name);
            assert!(family.help.ends_with('.') && !family.labels.contains(&"le"), "{}", family.name);
        }
    }
}
