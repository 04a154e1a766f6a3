//! `[@name]`: how `lb` and `dlb` choose a member, when a member is ejected, and the active health checks.

use skitai_actors::spec::{Balance, Check, CheckKind, Rules};

use super::ini::Section;
use super::keys;
use super::reading::{Reading, find};
use super::report::Problem;

const BALANCES: &[(&str, Balance)] = &[
    ("p2c", Balance::P2c),
    ("ewma", Balance::Ewma),
    ("least", Balance::Least),
    ("round_robin", Balance::RoundRobin),
    ("hash", Balance::Hash),
];

/// The balancing strategy.
pub(super) fn balance(reading: &mut Reading<'_>, section: Option<&Section>) -> Balance {
    let expected = "expected `p2c`, `ewma`, `least`, `round_robin` or `hash`";
    reading.named(&keys::BALANCE, find(section, &keys::BALANCE), BALANCES, expected).unwrap_or_default()
}

/// The same for databases; statements have no key by which to choose a member.
pub(super) fn db_balance(reading: &mut Reading<'_>, section: Option<&Section>) -> Balance {
    let keyless: Vec<_> = BALANCES.iter().copied().filter(|(_, balance)| *balance != Balance::Hash).collect();
    let expected = "expected `p2c`, `ewma`, `least` or `round_robin`";
    if let Some(value) = find(section, &keys::DB_BALANCE).filter(|value| value.text == "hash") {
        let help = "a statement that has a key goes to its member by itself: `was.dmap(\"name\").shard_by(key)`";
        reading.refuse(&keys::DB_BALANCE, value, expected, Some(help.to_owned()));
        return Balance::Least;
    }
    reading.named(&keys::DB_BALANCE, find(section, &keys::DB_BALANCE), &keyless, expected).unwrap_or(Balance::Least)
}

/// The rules by which a member is ejected and readmitted.
pub(super) fn rules(reading: &mut Reading<'_>, section: Option<&Section>) -> Rules {
    let defaults = Rules::default();
    let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let eject_time = reading.time(section, &keys::EJECT_TIME);
    Rules {
        eject_after: small(reading.number(section, &keys::EJECT_AFTER)),
        eject_time,
        // If the first ejection is longer than the default maximum, it also is the maximum.
        eject_time_max: defaults.eject_time_max.max(eject_time),
        max_ejected: small(reading.number(section, &keys::MAX_EJECTED)),
        slow_start: reading.time(section, &keys::SLOW_START),
        rise: small(reading.number(section, &keys::CHECK_RISE)),
        fall: small(reading.number(section, &keys::CHECK_FALL)),
    }
}

/// The same for databases.
pub(super) fn db_rules(reading: &mut Reading<'_>, section: Option<&Section>) -> Rules {
    let defaults = Rules::of_databases();
    let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let eject_time = reading.time(section, &keys::DB_EJECT_TIME);
    Rules {
        eject_after: small(reading.number(section, &keys::EJECT_AFTER)),
        eject_time,
        eject_time_max: defaults.eject_time_max.max(eject_time),
        max_ejected: small(reading.number(section, &keys::MAX_EJECTED)),
        ..defaults
    }
}

/// The health check of the members, and its interval.
pub(super) fn check(reading: &mut Reading<'_>, section: Option<&Section>) -> Option<Check> {
    let interval = reading.time(section, &keys::CHECK_INTERVAL);
    let Some(value) = find(section, &keys::CHECK).filter(|value| !value.text.is_empty()) else {
        for key in [&keys::CHECK_INTERVAL, &keys::CHECK_RISE, &keys::CHECK_FALL] {
            let Some(idle) = find(section, key) else { continue };
            let what = if key.name == keys::CHECK_INTERVAL.name { "how often" } else { "how many in a row" };
            let message = format!("`{}` says {what}, but nothing what is asked", key.name);
            let problem = Problem::warning(idle.span(), message).label("no checks are made");
            reading.push(problem.help("add `check = tcp`, `check = rpc` or `check = http:/path`"));
        }
        return None;
    };
    let kind = match value.text.split_once(':') {
        None if value.text == "tcp" => Some(CheckKind::Tcp),
        // The path that `was.lb("name")` uses as well.
        None if value.text == "rpc" => Some(CheckKind::Rpc("/RPC2".to_owned())),
        Some(("rpc", path)) if is_path(path) => Some(CheckKind::Rpc(path.to_owned())),
        Some(("http", path)) if is_path(path) => Some(CheckKind::Http(path.to_owned())),
        _ => None,
    };
    if kind.is_none() {
        let help = value.text.starts_with('/').then(|| "for a page write `check = http:/path`".to_owned());
        reading.refuse(&keys::CHECK, value, "expected `tcp`, `rpc`, `rpc:/path` or `http:/path`", help);
    }
    Some(Check { kind: kind?, interval })
}

/// Whether a path needs no escape in a request.
fn is_path(text: &str) -> bool {
    text.starts_with('/') && !text.starts_with("//") && text.bytes().all(|byte| byte.is_ascii_graphic())
}
