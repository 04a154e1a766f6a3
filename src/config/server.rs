//! `[server]` and `[rpc]`, but for its keys about TLS, which are read in `certification`, and `proxy`, which is read
//! with its section.

use skitai_actors::CoverageDetail;
use skitai_actors::spec::Secret;

use super::admin::AdminSettings;
use super::connection_limits::connection_limits;
use super::ini::{Section, Value};
use super::keys;
use super::keys::Key;
use super::listening::listening;
use super::names::server_names;
use super::password_hash::PasswordHash;
use super::reading::{Reading, find};
use super::report::Problem;
use super::settings::{
    ForwardedHeader, Introspection, MAX_BODIES, MetricsAccess, PartialAnswers, ServerSettings, TrustedProxies,
    Unwritable, Uploads, cores, default_umask,
};

/// The shortest key in bytes: a shorter one can be found by search.
const SECUREKEY_MIN: usize = 16;
/// The length of the sealing cipher's key, in bytes.
const SECUREKEY_GOOD: usize = 32;
/// The shortest password in characters, as in the Python server Skitai.
const ADMIN_PASSWORD_MIN: usize = 6;
/// A shorter one is warned of.
const ADMIN_PASSWORD_GOOD: usize = 12;
/// The key in the first README of Skitai, which is public.
const SAMPLE_SECUREKEY: &str = "ASDF34x5=DFu$3FD45i&*YTnU+78";
const SAMPLE_ADMIN_PASSWORD: &str = "admin-password";

/// Reads `[server]`; `name` is the conf's file name without `.conf`.
pub(super) fn server(reading: &mut Reading<'_>, section: Option<&Section>, name: &str) -> ServerSettings {
    if let Some(section) = section {
        reading.check_keys(section, keys::SERVER);
    }
    let (devel, devel_value) = reading.flag(section, &keys::DEVEL);
    let supervise = supervise(reading, section);
    let processes = processes(reading, section, supervise.unwrap_or(!devel));
    let listening = listening(reading, section, devel_value.filter(|_| devel));
    let securekey = securekey(reading, section);
    let admin_password = password(reading, section, &keys::ADMIN_PASSWORD);
    let max_body = reading.count(section, &keys::MAX_BODY);
    ServerSettings {
        threads: reading.maybe_number(section, &keys::THREADS).map_or_else(|| (cores() / processes).max(1), as_size),
        processes,
        supervise,
        user: given(section, &keys::USER).map(|value| value.text.clone()),
        group: given(section, &keys::GROUP).map(|value| value.text.clone()),
        start_timeout: reading.time(section, &keys::START_TIMEOUT),
        listening,
        umask: reading.mode(section, &keys::UMASK).unwrap_or_else(default_umask),
        name: instance_name(reading, section, name),
        sessiontimeout: reading.time(section, &keys::SESSIONTIMEOUT),
        static_max_age: reading.time(section, &keys::STATIC_MAX_AGE),
        num_result_cache_max: reading.number(section, &keys::NUM_RESULT_CACHE_MAX),
        previous_securekeys: previous_securekeys(reading, section, securekey.as_ref()),
        securekey,
        viewer_password: viewer_password(reading, section, admin_password.as_ref()),
        admin_password,
        admin_clear: reading.flag(section, &keys::ADMIN_CLEAR).0,
        devel,
        max_body,
        max_bodies: max_bodies(reading, section, max_body),
        uploads: uploads(reading, section),
        head_timeout: reading.time(section, &keys::HEAD_TIMEOUT),
        keep_alive: reading.time(section, &keys::KEEP_ALIVE),
        body_timeout: reading.time(section, &keys::BODY_TIMEOUT),
        send_timeout: reading.time(section, &keys::SEND_TIMEOUT),
        drain_delay: reading.time(section, &keys::DRAIN_DELAY),
        drain_idle: reading.time(section, &keys::DRAIN_IDLE),
        drain_timeout: reading.time(section, &keys::DRAIN_TIMEOUT),
        deadline: reading.time(section, &keys::DEADLINE),
        partial: partial(reading, section),
        coverage_detail: coverage_detail(reading, section),
        max_batch: reading.count(section, &keys::MAX_BATCH),
        max_batch_answer: reading.count(section, &keys::MAX_BATCH_ANSWER),
        // Its section is read by `rpc_into_server`.
        unwritable: Unwritable::default(),
        introspection: introspection(reading, section),
        metrics: metrics(reading, section),
        slow: reading.time(section, &keys::SLOW),
        trace_ring: reading.count(section, &keys::TRACE_RING),
        access_log: reading.file(section, &keys::ACCESS_LOG),
        tls: None,
        hsts: None,
        acme_webroot: None,
        limits: connection_limits(reading, section),
        server_names: server_names(reading, section),
        trusted_proxies: trusted_proxies(reading, section),
        // Their sections are read later, when it is known where the site listens.
        proxy: None,
        admin: AdminSettings::default(),
        otlp: None,
    }
}

fn max_bodies(reading: &mut Reading<'_>, section: Option<&Section>, max_body: usize) -> usize {
    let Some(given) = reading.maybe_number(section, &keys::MAX_BODIES).map(as_size) else {
        return MAX_BODIES.max(max_body.saturating_mul(2));
    };
    if let Some(value) = find(section, &keys::MAX_BODIES).filter(|_| given < max_body) {
        reading.push(
            Problem::error(value.span(), "`max_bodies` is below `max_body`: no body of that size could come")
                .label(format!("less than {max_body} bytes"))
                .help("raise it to several times `max_body`, or leave it out"),
        );
    }
    given
}

fn uploads(reading: &mut Reading<'_>, section: Option<&Section>) -> Uploads {
    let max_all = reading.number(section, &keys::MAX_UPLOAD);
    let max_file = reading.maybe_number(section, &keys::MAX_UPLOAD_FILE).unwrap_or(max_all);
    if let Some(value) = find(section, &keys::MAX_UPLOAD_FILE).filter(|_| max_file > max_all) {
        reading.push(
            Problem::warning(value.span(), "`max_upload_file` is above `max_upload`, which every form is held to")
                .label("never reached")
                .help("raise `max_upload`, too"),
        );
    }
    Uploads {
        max_all,
        max_file,
        max_parts: reading.count(section, &keys::MAX_UPLOAD_PARTS),
        folder: reading.folder(section, &keys::UPLOAD_FOLDER),
    }
}

fn instance_name(reading: &mut Reading<'_>, section: Option<&Section>, name: &str) -> String {
    let Some(value) = find(section, &keys::NAME).filter(|value| !value.text.is_empty()) else {
        return name.to_owned();
    };
    // The name becomes a part of paths and of log lines.
    let fits = value.text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if !fits || value.text.starts_with('.') {
        reading.push(
            Problem::error(value.span(), "this is no name for an instance")
                .label("expected letters, digits, `-`, `_` and `.`"),
        );
    }
    value.text.clone()
}

fn securekey(reading: &mut Reading<'_>, section: Option<&Section>) -> Option<Secret> {
    let (secret, span) = reading.secret(section, &keys::SECUREKEY)?;
    let length = secret.0.len();
    let make = "make one with `openssl rand -base64 33`, and keep it: a new key ends all sessions";
    if secret.0 == SAMPLE_SECUREKEY {
        reading.push(
            Problem::error(span, "`securekey` is the one of Skitai's sample, which anybody can read")
                .label("a known key seals nothing")
                .help(make),
        );
    } else if length < SECUREKEY_MIN {
        reading.push(
            Problem::error(span, format!("`securekey` is shorter than {SECUREKEY_MIN} bytes"))
                .label("can be guessed")
                .help(make),
        );
    } else if length < SECUREKEY_GOOD {
        reading.push(
            Problem::warning(span, format!("`securekey` is shorter than {SECUREKEY_GOOD} bytes"))
                .label("safe only if it is random")
                .help(make),
        );
    }
    Some(secret)
}

/// Former keys. Any of them lets an attacker make sessions, so they must satisfy the rules of the current key.
fn previous_securekeys(reading: &mut Reading<'_>, section: Option<&Section>, current: Option<&Secret>) -> Vec<Secret> {
    let read = reading.secrets(section, &keys::PREVIOUS_SECUREKEYS);
    for (secret, span) in &read {
        if secret.0 == SAMPLE_SECUREKEY {
            reading.push(
                Problem::error(span.clone(), "a previous `securekey` is the one of Skitai's sample")
                    .label("anybody could make sessions with it")
                    .help("leave it out; the sessions it sealed end"),
            );
        } else if secret.0.len() < SECUREKEY_MIN {
            let message = format!("a previous `securekey` is shorter than {SECUREKEY_MIN} bytes");
            reading.push(
                Problem::error(span.clone(), message).label("can be guessed, and sessions made with it").help(
                    "leave it out; the sessions it sealed end. A key with a comma in it is given by env: or file:",
                ),
            );
        } else if Some(secret) == current {
            reading.push(
                Problem::warning(span.clone(), "a previous `securekey` is the present one").label("has no effect"),
            );
        }
    }
    read.into_iter().map(|(secret, _)| secret).collect()
}

fn trusted_proxies(reading: &mut Reading<'_>, section: Option<&Section>) -> TrustedProxies {
    let (read, unix) = reading.networks(section, &keys::TRUSTED_PROXIES);
    for (_, span) in read.iter().filter(|(network, _)| network.is_everything()) {
        reading.push(
            Problem::warning(span.clone(), "`trusted_proxies` believes everybody")
                .label("every client may say who it is")
                .help("name the proxies' own addresses"),
        );
    }
    let mut header = None;
    if let Some(value) = find(section, &keys::FORWARDED_HEADER).filter(|value| !value.text.is_empty()) {
        match value.text.to_ascii_lowercase().as_str() {
            "x-forwarded-for" => header = Some(ForwardedHeader::XForwardedFor),
            "forwarded" => header = Some(ForwardedHeader::Forwarded),
            _ => reading.refuse(&keys::FORWARDED_HEADER, value, "expected `x-forwarded-for` or `forwarded`", None),
        }
        if find(section, &keys::TRUSTED_PROXIES).is_none() {
            reading.push(
                Problem::warning(value.span(), "`forwarded_header` has no effect without `trusted_proxies`")
                    .label("nobody is believed"),
            );
        }
    }
    TrustedProxies { networks: read.into_iter().map(|(network, _)| network).collect(), unix, header }
}

/// The password of a user of the status pages: `admin_password` or `viewer_password`.
fn password(reading: &mut Reading<'_>, section: Option<&Section>, key: &Key) -> Option<Secret> {
    let (secret, span) = reading.secret(section, key)?;
    let name = key.name;
    if secret.0 == SAMPLE_ADMIN_PASSWORD {
        reading.push(
            Problem::error(span, format!("`{name}` is the one of Skitai's sample, which anybody can read"))
                .label("a known password")
                .help(match name == keys::ADMIN_PASSWORD.name {
                    true => "choose one, or remove the line: one is made then and kept in var",
                    false => "choose one, or remove the line: there is no such user then",
                }),
        );
    } else if secret.0.chars().count() < ADMIN_PASSWORD_MIN {
        reading.push(
            Problem::error(span, format!("`{name}` is shorter than {ADMIN_PASSWORD_MIN} characters"))
                .label("can be guessed"),
        );
    } else if PasswordHash::is_meant(&secret.0) {
        if let Err(expected) = PasswordHash::read(&secret.0) {
            reading.push(
                Problem::error(span, format!("`{name}` begins as a hash does, and is none that is read here"))
                    .label(expected)
                    .help("make one with the command `hash-password`"),
            );
        }
    } else if secret.0.chars().count() < ADMIN_PASSWORD_GOOD {
        reading.push(
            Problem::warning(span, format!("`{name}` is shorter than {ADMIN_PASSWORD_GOOD} characters"))
                .label("may be guessed")
                .help("choose a longer one; the command `hash-password` makes a hash that may stand in its place"),
        );
    }
    Some(secret)
}

/// The viewer's password. That of `admin` would make every viewer an admin.
fn viewer_password(reading: &mut Reading<'_>, section: Option<&Section>, admin: Option<&Secret>) -> Option<Secret> {
    let secret = password(reading, section, &keys::VIEWER_PASSWORD)?;
    if let Some(value) = find(section, &keys::VIEWER_PASSWORD).filter(|_| admin == Some(&secret)) {
        reading.push(
            Problem::error(value.span(), "`viewer_password` is the password of `admin`")
                .label("every viewer could act")
                .help("choose another one"),
        );
    }
    Some(secret)
}

/// The value of a key; an empty one counts as not given.
fn given<'s>(section: Option<&'s Section>, key: &Key) -> Option<&'s Value> {
    find(section, key).filter(|value| !value.text.is_empty())
}

// A word that is none of these keeps the server from starting, so it does not matter what stands for it.

fn supervise(reading: &mut Reading<'_>, section: Option<&Section>) -> Option<bool> {
    let value = given(section, &keys::SUPERVISE);
    reading.named(&keys::SUPERVISE, value, &[("yes", true), ("no", false)], "expected `yes` or `no`")
}

fn processes(reading: &mut Reading<'_>, section: Option<&Section>, is_supervised: bool) -> usize {
    let processes = reading.count(section, &keys::PROCESSES);
    if let Some(value) = find(section, &keys::PROCESSES).filter(|_| processes > 1 && !is_supervised) {
        reading.push(
            Problem::error(value.span(), format!("`processes = {processes}` needs a supervisor, which starts them"))
                .label("only one without a supervisor")
                .help("write `supervise = yes` as well, or leave `processes` out"),
        );
    }
    processes
}

fn introspection(reading: &mut Reading<'_>, section: Option<&Section>) -> Introspection {
    let known = [("admin", Introspection::Admin), ("public", Introspection::Public), ("off", Introspection::Off)];
    let expected = "expected `admin`, `public` or `off`";
    reading.named(&keys::INTROSPECTION, given(section, &keys::INTROSPECTION), &known, expected).unwrap_or_default()
}

/// Reads `[rpc]`.
pub(super) fn rpc_into_server(reading: &mut Reading<'_>, section: Option<&Section>, server: &mut ServerSettings) {
    if let Some(section) = section {
        reading.check_keys(section, keys::RPC);
    }
    let known = [("fault", Unwritable::Fault), ("replace", Unwritable::Replace)];
    let value = given(section, &keys::UNWRITABLE);
    let read = reading.named(&keys::UNWRITABLE, value, &known, "expected `fault` or `replace`");
    server.unwritable = read.unwrap_or_default();
}

fn metrics(reading: &mut Reading<'_>, section: Option<&Section>) -> MetricsAccess {
    let known = [("admin", MetricsAccess::Admin), ("public", MetricsAccess::Public), ("off", MetricsAccess::Off)];
    let expected = "expected `admin`, `public` or `off`";
    reading.named(&keys::METRICS, given(section, &keys::METRICS), &known, expected).unwrap_or_default()
}

fn partial(reading: &mut Reading<'_>, section: Option<&Section>) -> PartialAnswers {
    let known =
        [("tell", PartialAnswers::Tell), ("consent", PartialAnswers::Consent), ("refuse", PartialAnswers::Refuse)];
    let expected = "expected `tell`, `consent` or `refuse`";
    reading.named(&keys::PARTIAL, given(section, &keys::PARTIAL), &known, expected).unwrap_or_default()
}

fn coverage_detail(reading: &mut Reading<'_>, section: Option<&Section>) -> Option<CoverageDetail> {
    let known = [("names", CoverageDetail::Names), ("positions", CoverageDetail::Positions)];
    let value = given(section, &keys::COVERAGE_DETAIL);
    reading.named(&keys::COVERAGE_DETAIL, value, &known, "expected `names` or `positions`")
}

fn as_size(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
