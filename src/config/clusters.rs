//! `[@name]`: clusters of HTTP members and of databases.

use skitai_actors::spec::{ClusterSpec, DbSpec};

use super::ini::{Section, Value};
use super::members::{Misread, Shape};
use super::reading::{Reading, find};
use super::report::Problem;
use super::settings::Declared;
use super::spelling::nearest;
use super::{health, keys, mask, members, reaching};

/// The spellings of a type. Two misspellings of PostgreSQL are in the first README of Skitai and have been copied.
const TYPES: &[(&str, Shape)] = &[
    ("postgresql", Shape::Postgres),
    ("postgres", Shape::Postgres),
    ("pgsql", Shape::Postgres),
    ("postresql", Shape::Postgres),
    ("posgresql", Shape::Postgres),
    ("sqlite3", Shape::Sqlite),
    ("sqlite", Shape::Sqlite),
    ("http", Shape::Http),
];

/// The shape a type's name stands for.
pub(super) fn shape_of(name: &str) -> Option<Shape> {
    TYPES.iter().find(|(spelling, _)| spelling.eq_ignore_ascii_case(name)).map(|(_, shape)| *shape)
}

/// Reads every `[@name]`. The connections in a conf are those of the instance and are divided among the threads of all
/// its processes.
pub(super) fn clusters(reading: &mut Reading<'_>, sections: &[&Section], shares: usize) -> Vec<Declared> {
    let mut declared: Vec<Declared> = Vec::new();
    for section in sections.iter().filter(|section| section.name.starts_with('@')) {
        declared.extend(cluster(reading, section, shares));
    }
    declared
}

fn cluster(reading: &mut Reading<'_>, section: &Section, shares: usize) -> Option<Declared> {
    let name = &section.name[1..];
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')) {
        reading.push(
            Problem::error(section.name_span.clone(), "this is no name for a cluster")
                .label("expected letters, digits, `-`, `_` and `.` behind the `@`"),
        );
        return None;
    }
    let members = find(Some(section), &keys::MEMBERS).filter(|value| !value.text.is_empty());
    // If the kind of the cluster is unknown, so are its valid keys.
    let shape = shape(reading, section, members)?;
    let table = match shape {
        Shape::Http => keys::HTTP_CLUSTER,
        Shape::Postgres | Shape::Sqlite => keys::DB_CLUSTER,
    };
    reading.check_keys(section, table);
    check_driver(reading, section, shape);
    let Some(members) = members else {
        let place = find(Some(section), &keys::MEMBERS).map_or(section.name_span.clone(), Value::span);
        reading.push(
            Problem::error(place, format!("[{}] has no members", section.name))
                .label("nobody to call")
                .help("write `members = host:port, host:port`"),
        );
        return None;
    };
    Some(match shape {
        Shape::Http => Declared::Http(Box::new(of_http(reading, section, members, shares))),
        Shape::Postgres | Shape::Sqlite => Declared::Db(of_databases(reading, section, (members, shape), shares)),
    })
}

/// Reports a database for which this program has no driver.
fn check_driver(reading: &mut Reading<'_>, section: &Section, shape: Shape) {
    let (kind, feature) = match shape {
        Shape::Postgres if !reading.drivers.postgres => ("PostgreSQL", "postgres"),
        Shape::Sqlite if !reading.drivers.sqlite => ("SQLite", "sqlite"),
        Shape::Http | Shape::Postgres | Shape::Sqlite => return,
    };
    let place = find(Some(section), &keys::TYPE).map_or(section.name_span.clone(), Value::span);
    reading.push(
        Problem::error(place, format!("[{}]: this program was built without {kind}", section.name))
            .label("there is no driver for it")
            .help(format!("build it with the feature `{feature}` of skitai, in its Cargo.toml")),
    );
}

/// The connections of one thread, of those of the instance.
fn share(instance: usize, shares: usize) -> usize {
    (instance / shares).max(1)
}

fn of_http(reading: &mut Reading<'_>, section: &Section, members: &Value, shares: usize) -> ClusterSpec {
    let name = &section.name[1..];
    let section = Some(section);
    let (tls, _) = reading.flag(section, &keys::TLS);
    ClusterSpec {
        name: name.into(),
        tls,
        authority: reaching::authority(reading, section, tls),
        identity: reaching::identity(reading, section, tls),
        members: parts(reading, name, members, Shape::Http, |part, _| members::http(part, tls)),
        discover: reaching::discover(reading, section),
        connect_timeout: reading.time(section, &keys::CONNECT_TIMEOUT),
        member_timeout: reading.time(section, &keys::MEMBER_TIMEOUT),
        connections: share(reading.count(section, &keys::CONNECTIONS), shares),
        max_answer: reading.count(section, &keys::MAX_ANSWER),
        encoding: reaching::encoding(reading, section),
        login: reaching::login(reading, section),
        balance: health::balance(reading, section),
        rules: health::rules(reading, section),
        check: health::check(reading, section),
        retries: u32::try_from(reading.number(section, &keys::RETRIES)).unwrap_or(u32::MAX),
        hedge: reading.flag(section, &keys::HEDGE).0,
    }
}

fn of_databases(
    reading: &mut Reading<'_>,
    section: &Section,
    (members, shape): (&Value, Shape),
    shares: usize,
) -> DbSpec {
    let name = &section.name[1..];
    let section = Some(section);
    let mut found = parts(reading, name, members, shape, |part, reading| match shape {
        Shape::Sqlite => members::sqlite(part, reading.base),
        Shape::Http | Shape::Postgres => members::postgres(part, reading.base, reading.outside),
    });
    members::tell_apart(&mut found);
    DbSpec {
        name: name.into(),
        members: found,
        connections: share(reading.count(section, &keys::DB_CONNECTIONS), shares),
        stream_share: u32::try_from(reading.number(section, &keys::STREAM_SHARE)).unwrap_or(u32::MAX),
        wait: reading.time(section, &keys::WAIT),
        connect_timeout: reading.time(section, &keys::CONNECT_TIMEOUT),
        member_timeout: reading.time(section, &keys::MEMBER_TIMEOUT),
        statement_timeout: reading.flag(section, &keys::STATEMENT_TIMEOUT).0,
        pipeline: reading.flag(section, &keys::PIPELINE).0,
        balance: health::db_balance(reading, section),
        rules: health::db_rules(reading, section),
    }
}

/// The kind of the members, from the type or from the form of the members.
fn shape(reading: &mut Reading<'_>, section: &Section, members: Option<&Value>) -> Option<Shape> {
    let Some(value) = find(Some(section), &keys::TYPE).filter(|value| !value.text.is_empty()) else {
        return Some(members.map_or(Shape::Http, |members| members::shape(&members.text)));
    };
    let known = shape_of(&value.text);
    if known.is_none() {
        let shown = mask::quotable_word(&value.text).unwrap_or_else(|| "this".to_owned());
        let near = nearest(&value.text, TYPES.iter().map(|(name, _)| *name)).and_then(shape_of);
        let suggestion = near.map(|near| format!("did you mean `{}`?", near.name()));
        reading.push(
            Problem::error(value.span(), format!("[{}]: {shown} is no type of a cluster", section.name))
                .label("expected `http`, `postgresql` or `sqlite3`")
                .maybe_help(suggestion),
        );
    }
    known
}

/// Parses every member of a list and reports the invalid ones.
fn parts<M>(
    reading: &mut Reading<'_>,
    cluster: &str,
    value: &Value,
    shape: Shape,
    mut read: impl FnMut(&str, &Reading<'_>) -> Result<(M, String), Misread>,
) -> Vec<M> {
    let mut found = Vec::new();
    let mut nodes: Vec<String> = Vec::new();
    let parts = members::split(&value.text);
    for (i, part) in parts.iter().enumerate() {
        let text = &value.text[part.clone()];
        let span = value.span_of(part);
        if text.is_empty() {
            // A comma at the very end is allowed.
            if i + 1 < parts.len() {
                reading.push(
                    Problem::error(span, format!("[@{cluster}]: a member is missing"))
                        .label("nothing before the comma"),
                );
            }
            continue;
        }
        match read(text, reading) {
            Ok((member, node)) => {
                if nodes.contains(&node) {
                    reading.push(
                        Problem::warning(span, format!("[@{cluster}]: `{node}` is a member twice"))
                            .label("asked twice by every fan-out")
                            .help("to give it more load, write a weight behind it: `host:port 2`"),
                    );
                }
                nodes.push(node);
                found.push(member);
            }
            Err(misread) => {
                let help = if value.is_broken(part) {
                    Some("the lines of a value are joined as they are: end each with a comma".to_owned())
                } else {
                    members::lost_password(&value.text, i, shape).or(misread.help)
                };
                reading.push(
                    Problem::error(span, format!("[@{cluster}]: {}", misread.message))
                        .label(misread.label)
                        .maybe_help(help),
                );
            }
        }
    }
    found
}
