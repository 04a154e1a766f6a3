//! Where each figure is in the status.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use skitai_wire::Value;

use super::exposition::{Exposition, Sample, Series};
use super::families::{self as f, Family};

/// What is missing, if the sums are not whole.
pub(super) fn missing(tree: &Value) -> Option<&str> {
    if tree["requests"].as_map().is_none() {
        return Some("the status did not come in time");
    }
    tree["processes"]["problem"].as_str()
}

/// Writes all figures.
pub(super) fn write(tree: &Value, text: &mut Exposition) {
    let about = &tree["about"];
    text.family(&f::BUILD, vec![(vec![word(&about["version"]), word(&about["name"])], Sample::Number(1))]);
    of_processes(tree, text);
    of_actors(tree, text);
    of_requests(tree, text);
    of_clusters(tree, text);
    of_databases(tree, text);
    of_forward_proxy(&tree["forward_proxy"], text);
    of_the_rest(tree, text);
}

fn of_processes(tree: &Value, text: &mut Exposition) {
    let processes = &tree["processes"];
    let alone = [tree["process"].clone()];
    let running = processes["running"].as_list().unwrap_or(&alone);
    let state = |process: &Value| process["state"].as_str().unwrap_or("serving").to_owned();
    // A process alone serves, or it would not answer.
    let states = ["starting", "serving", "leaving"].map(|word| (vec![word.to_owned()], Sample::Number(0)));
    let states = states.into_iter().chain(running.iter().map(|process| (vec![state(process)], Sample::Number(1))));
    text.family(&f::PROCESSES, states.collect());
    let silent = running.iter().filter(|process| process["answered"].as_bool() == Some(false)).count();
    one(text, &f::SILENT, silent.cast_signed() as i64);
    one(text, &f::ENDED, number(&processes["ended"]));
    one(text, &f::KILLED, number(&processes["killed"]));
    one(text, &f::THREADS, number(&tree["threads"]));
    one(text, &f::HELD, tree["held"].len().cast_signed() as i64);
    one(text, &f::MEMORY, running.iter().map(|process| number(&process["rss_bytes"])).sum());
    one(text, &f::FDS, running.iter().map(|process| number(&process["open_fds"])).sum());
    let tasks = running.iter().flat_map(|process| counts(&process["tasks"], |name| vec![name.to_owned()]));
    text.family(&f::TASKS, tasks.collect());
}

fn of_actors(tree: &Value, text: &mut Exposition) {
    let actors = tree["actors"].as_list().unwrap_or_default().iter();
    let silent = |actor: &Value| i64::from(actor["answered"].as_bool() == Some(false));
    let silent = actors.map(|actor| (vec![word(&actor["name"])], Sample::Number(silent(actor))));
    text.family(&f::ACTORS_SILENT, silent.collect());
}

fn of_requests(tree: &Value, text: &mut Exposition) {
    let requests = &tree["requests"];
    let classes = |counts: &Value, labels: &dyn Fn(&str) -> Vec<String>| -> Series {
        let classes = ["1xx", "2xx", "3xx", "4xx", "5xx"];
        classes.iter().map(|class| (labels(class), Sample::Number(number(&counts[*class])))).collect()
    };
    text.family(&f::REQUESTS, classes(requests, &|class| vec![class.to_owned()]));
    one(text, &f::RPC_CALLS, number(&requests["rpc_calls"]));
    one(text, &f::RPC_ERRORS, number(&requests["rpc_errors"]));
    one(text, &f::PANICS, number(&requests["panics"]));
    one(text, &f::PARTIAL, number(&requests["partial"]));
    text.family(&f::REFUSED, counts(&requests["refused"], |reason| vec![reason.to_owned()]).collect());
    let routes = || pairs(&tree["routes"]);
    let durations = routes().map(|(rule, route)| (vec![rule.to_owned()], Sample::histogram(&route["durations"])));
    text.family(&f::DURATION, durations.collect());
    let of_route = routes()
        .flat_map(|(rule, route)| classes(&route["requests"], &|class| vec![rule.to_owned(), class.to_owned()]));
    text.family(&f::ROUTE_REQUESTS, of_route.collect());
    let queue = &tree["queue"];
    let queue = [("running", "in_use"), ("waiting", "waiting")]
        .map(|(state, name)| (vec![state.to_owned()], Sample::Number(number(&queue[name]))));
    text.family(&f::QUEUE, queue.into());
}

fn of_clusters(tree: &Value, text: &mut Exposition) {
    let clusters = || pairs(&tree["clusters"]);
    for (family, name) in [(&f::RETRIES, "retries"), (&f::HEDGES, "hedges"), (&f::EXTRA_DENIED, "extra_denied")] {
        let of_each = clusters().map(|(cluster, told)| (vec![cluster.to_owned()], Sample::Number(number(&told[name]))));
        text.family(family, of_each.collect());
    }
    health(tree, text);
    let members: Vec<_> = clusters().flat_map(|(cluster, told)| members(cluster, told)).collect();
    let outcomes = ["ok", "failed", "timed_out", "cancelled", "not_connected", "not_sent"];
    text.family(&f::CALLS, by_outcome(&members, &outcomes, |member| member));
    let each = |name: &'static str| {
        members.iter().map(move |(labels, told)| (labels.clone(), Sample::Number(number(&told[name]))))
    };
    text.family(&f::MEMBER_PARTIAL, each("partial").collect());
    text.family(&f::CALLS_IN_FLIGHT, each("in_flight").collect());
    text.family(&f::CALL_DURATION, durations(&members, "latency"));
}

/// The state of members, and of databases alike.
fn health(tree: &Value, text: &mut Exposition) {
    let (mut up, mut states, mut since, mut ejections) = (Series::new(), Series::new(), Series::new(), Series::new());
    let mut aside = Series::new();
    for (cluster, told) in pairs(&tree["clusters"]).chain(pairs(&tree["databases"])) {
        let in_processes = in_processes(cluster, told);
        for (labels, member) in members(cluster, told) {
            let Some(seen) = in_processes.get(&labels) else { continue };
            let mut words = BTreeMap::<&str, i64>::new();
            seen.iter().filter_map(|seen| seen["operator"]["word"].as_str()).for_each(|word| {
                *words.entry(word).or_default() += 1;
            });
            aside.extend(
                words
                    .into_iter()
                    .map(|(word, count)| ([labels.as_slice(), &[word.to_owned()]].concat(), Sample::Number(count))),
            );
            let is_up = seen.iter().all(|seen| seen["state"].as_str() == Some("healthy"));
            up.push((labels.clone(), Sample::Number(i64::from(is_up))));
            since.push((
                labels.clone(),
                Sample::Number(seen.iter().map(|seen| number(&seen["since"])).max().unwrap_or(0)),
            ));
            ejections.push((labels.clone(), Sample::Number(number(&member["ejections"]))));
            states.extend(seen.iter().map(|seen| {
                let state = [word(&seen["state"]), word(&seen["ejected_for"])];
                (labels.iter().cloned().chain(state).collect(), Sample::Number(1))
            }));
        }
    }
    text.family(&f::MEMBER_UP, up);
    text.family(&f::MEMBER_STATE, states);
    text.family(&f::MEMBER_SINCE, since);
    text.family(&f::SET_ASIDE, aside);
    text.family(&f::EJECTIONS, ejections);
}

/// How each process sees each member: its threads see it alike.
fn in_processes<'t>(cluster: &str, told: &'t Value) -> HashMap<Vec<String>, Vec<&'t Value>> {
    let (mut seen, mut processes) = (HashMap::<_, Vec<_>>::new(), BTreeSet::new());
    for thread in told["by_thread"].as_list().unwrap_or_default() {
        if thread["answered"].as_bool() == Some(true) && processes.insert(number(&thread["process"])) {
            for (labels, member) in members(cluster, thread) {
                if member["shared"].as_map().is_some() {
                    seen.entry(labels).or_default().push(&member["shared"]);
                }
            }
        }
    }
    seen
}

fn of_databases(tree: &Value, text: &mut Exposition) {
    let members: Vec<_> = pairs(&tree["databases"]).flat_map(|(cluster, told)| members(cluster, told)).collect();
    let outcomes = ["ok", "failed", "timed_out", "cancelled", "not_sent"];
    text.family(&f::STATEMENTS, by_outcome(&members, &outcomes, |member| &member["statements"]));
    text.family(&f::POOL, by_outcome(&members, &["open", "idle", "limit"], |member| &member["connections"]));
    for (family, name) in [(&f::WAIT_DURATION, "waits"), (&f::DIAL_DURATION, "dials"), (&f::QUERY_DURATION, "queries")]
    {
        text.family(family, durations(&members, name));
    }
}

/// Nothing where the site has none.
fn of_forward_proxy(proxy: &Value, text: &mut Exposition) {
    if proxy.as_map().is_none() {
        return;
    }
    one(text, &f::FORWARD_REQUESTS, number(&proxy["requests"]));
    text.family(&f::FORWARD_REFUSED, counts(&proxy["refused"], |reason| vec![reason.to_owned()]).collect());
    for (family, name) in [(&f::FORWARD_OPENED, "opened"), (&f::FORWARD_OPEN, "open")] {
        let of_kind = |kind: &str| (vec![kind.to_owned()], Sample::Number(number(&proxy[kind][name])));
        text.family(family, ["tunnels", "exchanges"].map(of_kind).into());
    }
    let failed =
        ["failed", "timed_out", "too_large"].map(|why| (vec![why.to_owned()], Sample::Number(number(&proxy[why]))));
    text.family(&f::FORWARD_FAILED, failed.into());
    let sent = [("clients", "to_clients"), ("hosts", "to_hosts")];
    let sent = sent.map(|(to, name)| (vec![to.to_owned()], Sample::Number(number(&proxy["sent"][name]))));
    text.family(&f::FORWARD_SENT, sent.into());
}

fn of_the_rest(tree: &Value, text: &mut Exposition) {
    let words = |names: &[&str], told: &Value| -> Series {
        names.iter().map(|name| (vec![(*name).to_owned()], Sample::Number(number(&told[*name])))).collect()
    };
    let cache = &tree["cache"];
    text.family(&f::CACHE, words(&["hits", "misses", "followed"], cache));
    one(text, &f::CACHE_ENTRIES, number(&cache["entries"]));
    one(text, &f::CACHE_EVICTED, number(&cache["evicted"]));
    one(text, &f::SPANS_SENT, number(&tree["otlp"]["sent"]));
    one(text, &f::SPANS_DROPPED, number(&tree["otlp"]["otlp_dropped"]));
    let sessions = &tree["sessions"];
    text.family(&f::SESSIONS, words(&["loaded", "absent", "saved", "removed", "load_failed", "save_failed"], sessions));
    text.family(&f::SESSIONS_REFUSED, counts(&sessions["refused"], |reason| vec![reason.to_owned()]).collect());
    one(text, &f::URLS, number(&tree["web"]["asked"]));
    // The processes have the same files; after a renewal the one that is behind tells the truth of the site.
    let mut expiry = BTreeMap::<String, i64>::new();
    for certificate in tree["certificates"].as_list().unwrap_or_default() {
        let at = number(&certificate["expires_at"]);
        expiry.entry(word(&certificate["file"])).and_modify(|known| *known = at.min(*known)).or_insert(at);
    }
    text.family(&f::CERTIFICATE, expiry.into_iter().map(|(file, at)| (vec![file], Sample::Number(at))).collect());
}

fn one(text: &mut Exposition, family: &Family, number: i64) {
    text.family(family, vec![(Vec::new(), Sample::Number(number))]);
}

/// The members of a cluster with their labels. A node may be listed twice: the second is `node#2`.
fn members<'t>(cluster: &str, told: &'t Value) -> Vec<(Vec<String>, &'t Value)> {
    let mut known = HashMap::<&str, usize>::new();
    let mut labelled = Vec::new();
    for member in told["members"].as_list().unwrap_or_default() {
        let node = member["node"].as_str().unwrap_or_default();
        let nth = known.entry(node).and_modify(|nth| *nth += 1).or_insert(1);
        let node = if *nth == 1 { node.to_owned() } else { format!("{node}#{nth}") };
        labelled.push((vec![cluster.to_owned(), node], member));
    }
    labelled
}

/// A series for each member and each of these words, which are names at a place in its report.
fn by_outcome<'t>(
    members: &[(Vec<String>, &'t Value)],
    words: &[&str],
    place: impl Fn(&'t Value) -> &'t Value,
) -> Series {
    let of_member = |(labels, told): &(Vec<String>, &'t Value)| {
        let told = place(told);
        let one = |name: &&str| {
            let labels = labels.iter().cloned().chain([(*name).to_owned()]).collect();
            (labels, Sample::Number(number(&told[*name])))
        };
        words.iter().map(one).collect::<Series>()
    };
    members.iter().flat_map(of_member).collect()
}

fn durations(members: &[(Vec<String>, &Value)], name: &str) -> Series {
    members.iter().map(|(labels, told)| (labels.clone(), Sample::histogram(&told[name]))).collect()
}

/// A series for each number of a map.
fn counts<'t>(
    map: &'t Value,
    labels: impl Fn(&str) -> Vec<String> + 't,
) -> impl Iterator<Item = (Vec<String>, Sample)> + 't {
    pairs(map).map(move |(name, count)| (labels(name), Sample::Number(number(count))))
}

fn pairs(map: &Value) -> impl Iterator<Item = (&str, &Value)> {
    map.as_map().into_iter().flat_map(|map| map.iter())
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or(0)
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
