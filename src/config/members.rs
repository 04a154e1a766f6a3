//! Parses a member of a cluster: `host:port`, `host:port/db/user/password`, a `postgres://` URL or a file, each with an
//! optional weight.
//!
//! A database member contains a password, so no error here quotes text that could not be parsed.

use std::net::Ipv6Addr;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use percent_encoding::percent_decode_str;
use skitai_actors::spec::{DbMember, DbTls, Member, Secret, Shard};

use super::outside::Outside;
use super::values;

/// The kind of a cluster's members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Http,
    Postgres,
    Sqlite,
}

impl Shape {
    /// Its preferred name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Shape::Http => "http",
            Shape::Postgres => "postgresql",
            Shape::Sqlite => "sqlite3",
        }
    }
}

/// Why a text is not a member.
#[derive(Debug)]
pub(super) struct Misread {
    pub(super) message: String,
    pub(super) label: String,
    pub(super) help: Option<String>,
}

const HTTP_PORT: u16 = 80;
const HTTPS_PORT: u16 = 443;
const POSTGRES_PORT: u16 = 5432;
/// A larger weight is a typing error; the limit also keeps load × weight far from overflow.
const WEIGHT_MAX: u32 = 1000;
const URL_SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];
const URL_FORM: &str = "postgres://user:password@host:port/db";

fn misread(message: impl Into<String>, label: impl Into<String>) -> Misread {
    Misread { message: message.into(), label: label.into(), help: None }
}

impl Misread {
    fn help(self, help: impl Into<String>) -> Misread {
        Misread { help: Some(help.into()), ..self }
    }
}

/// The members of a list, without surrounding blanks.
pub(super) fn split(list: &str) -> Vec<Range<usize>> {
    let mut at = 0;
    list.split(',')
        .map(|part| {
            let start = at + (part.len() - part.trim_start().len());
            at += part.len() + 1;
            start..start + part.trim().len()
        })
        .collect()
}

/// The kind of members in a list without a type: databases if every one of them has the form of one.
pub(super) fn shape(list: &str) -> Shape {
    let mut parts = split(list).into_iter().map(|part| &list[part]).filter(|part| !part.is_empty()).peekable();
    let is_db = |part: &str| is_url(part) || (!part.contains("://") && part.splitn(4, '/').count() == 4);
    if parts.peek().is_some() && parts.all(is_db) { Shape::Postgres } else { Shape::Http }
}

/// The parts of a list that are, or may be, passwords.
pub(super) fn passwords(list: &str, kind: Option<&str>) -> Vec<Range<usize>> {
    let is_db = |part: &str| part.contains('@') || is_url(part) || path_depth(part) >= 2;
    match kind.and_then(super::clusters::shape_of) {
        Some(Shape::Sqlite) => return Vec::new(),
        Some(Shape::Postgres) => {}
        Some(Shape::Http) | None if split(list).into_iter().any(|part| is_db(&list[part])) => {}
        Some(Shape::Http) | None => return Vec::new(),
    }
    let parts = split(list);
    let mut hidden = Vec::new();
    for (i, part) in parts.iter().enumerate() {
        let text = &list[part.clone()];
        let (from, to) = if let Some(scheme) = text.find("://").map(|at| at + 3) {
            let login = text.rfind('@').unwrap_or(text.len()).max(scheme);
            (text[scheme..login].find(':').map_or(scheme, |at| scheme + at + 1), login)
        } else if text.contains('@') {
            // A URL without its scheme, or the rest of a URL that contained a comma.
            (0, text.len())
        } else if let Some((slash, _)) = text.match_indices('/').take(3).last() {
            (slash + 1, text.len())
        } else if i == 0 {
            (text.len(), text.len())
        } else {
            // After a comma: the rest of a password that contained one.
            (0, text.len())
        };
        if !super::mask::is_reference(&text[from..to]) {
            hidden.push(part.start + from..part.start + to);
        }
    }
    hidden
}

/// The number of `/` in a member after its scheme.
fn path_depth(part: &str) -> usize {
    part.split_once("://").map_or(part, |(_, rest)| rest).matches('/').count()
}

/// The hint for a member that may be the rest of a password with a comma.
pub(super) fn lost_password(list: &str, index: usize, shape: Shape) -> Option<String> {
    let parts = split(list);
    let earlier = parts.iter().take(index).any(|part| list[part.clone()].contains('/'));
    let is_rest = parts.get(index).is_some_and(|part| !list[part.clone()].contains('/'));
    (shape == Shape::Postgres && earlier && is_rest).then(|| {
        format!("if this is the rest of a password with a `,` in it, write the member as {URL_FORM} with `%2C` for it")
    })
}

/// `host[:port] [weight]`.
pub(super) fn http(text: &str, tls: bool) -> Result<(Member, String), Misread> {
    let (address, weight) = weight(text)?;
    if address.contains("://") {
        return Err(misread("an HTTP member is `host:port`, not a URL", "expected `host:port`")
            .help("for TLS write `ssl = yes` in the section; for databases `type = postgresql`"));
    }
    if address.contains('/') {
        let label = "expected `host:port`";
        return Err(if address.splitn(4, '/').count() == 4 {
            misread("this is written like a database, and the cluster is one of HTTP members", label)
                .help("write `type = postgresql`, and every member as `host:port/db/user/password`")
        } else {
            misread("an HTTP member has no path", label)
                .help("the path belongs to the call, as in `was.map(\"name/rpc2\")`; for files write `type = sqlite3`")
        });
    }
    let (host, port) = host_port(address)?;
    let port = port.unwrap_or(if tls { HTTPS_PORT } else { HTTP_PORT });
    let node = shown(&host, port);
    Ok((Member { node: node.as_str().into(), host, port, address: None, weight }, node))
}

/// `host[:port]/db/user/password [weight]`, or the same as a URL.
pub(super) fn postgres(text: &str, base: &Path, outside: &Outside<'_>) -> Result<(DbMember, String), Misread> {
    let (address, weight) = weight(text)?;
    let login = if address.contains("://") { from_url(address, base)? } else { from_slashes(address)? };
    let password = match login.password {
        Written::Plain(password) => password,
        Written::Reference(reference) => values::secret(&reference, base, outside)
            .map_err(|why| misread(format!("the member's password: {why}"), "not to be had"))?,
    };
    let port = login.port.unwrap_or(POSTGRES_PORT);
    let node = format!("{}/{}", shown(&login.host, port), login.database);
    let shard = Shard::Postgres {
        host: login.host,
        port,
        database: login.database,
        user: login.user,
        password: Secret(password),
        tls: login.tls,
    };
    Ok((DbMember { node: node.as_str().into(), shard, weight }, node))
}

/// `path [weight]`, relative to the conf.
pub(super) fn sqlite(text: &str, base: &Path) -> Result<(DbMember, String), Misread> {
    let (written, weight) = weight(text)?;
    if written.contains("://") || written.ends_with('/') {
        return Err(misread("a member of type sqlite3 is a file", "expected the path of a file"));
    }
    let path = base.join(written);
    let shown = path.display().to_string();
    // Outcomes reach clients, whom folders are none of the business of.
    let node = path.file_name().map_or_else(|| "?".into(), |name| name.to_string_lossy().as_ref().into());
    Ok((DbMember { node, shard: Shard::Sqlite { path }, weight }, shown))
}

/// Names SQLite files of one name in several folders by the number of the member, too: `data.db#1`.
pub(super) fn tell_apart(members: &mut [DbMember]) {
    let names: Vec<Arc<str>> = members.iter().map(|member| member.node.clone()).collect();
    for (index, member) in members.iter_mut().enumerate() {
        let is_file = matches!(member.shard, Shard::Sqlite { .. });
        if is_file && names.iter().filter(|name| **name == member.node).count() > 1 {
            member.node = format!("{}#{index}", member.node).into();
        }
    }
}

struct ParsedLogin {
    host: String,
    port: Option<u16>,
    database: String,
    user: String,
    password: Written,
    tls: DbTls,
}

enum Written {
    Plain(String),
    /// `env:NAME` or `file:PATH`.
    Reference(String),
}

fn is_url(text: &str) -> bool {
    URL_SCHEMES.iter().any(|scheme| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
}

fn from_slashes(text: &str) -> Result<ParsedLogin, Misread> {
    let parts: Vec<&str> = text.splitn(4, '/').collect();
    let &[address, database, user, password] = parts.as_slice() else {
        let missing = ["", "/db/user/password", "/user/password", "/password"][parts.len().min(3)];
        return Err(misread("a database is `host:port/db/user/password`", format!("`{missing}` is missing"))
            .help(format!("or as a URL: {URL_FORM}")));
    };
    let password = if super::mask::is_reference(password) {
        Written::Reference(password.to_owned())
    } else if password.contains('/') {
        return Err(misread("a password with a `/` in it cannot be written like this", "too many `/`")
            .help(format!("write the member as {URL_FORM} with `%2F` for the `/`")));
    } else {
        Written::Plain(password.to_owned())
    };
    if database.is_empty() || user.is_empty() {
        return Err(misread("a database is `host:port/db/user/password`", "the database or the user is empty"));
    }
    let (host, port) = host_port(address)?;
    Ok(ParsedLogin { host, port, database: database.to_owned(), user: user.to_owned(), password, tls: DbTls::Off })
}

fn from_url(text: &str, base: &Path) -> Result<ParsedLogin, Misread> {
    let form = || misread(format!("a database's URL is {URL_FORM}"), "not written like this");
    if !is_url(text) {
        return Err(form().help("its scheme is `postgres` or `postgresql`"));
    }
    let rest = &text[text.find("://").map_or(0, |at| at + 3)..];
    let (login, place) = rest.rsplit_once('@').ok_or_else(|| {
        form().help("the user is missing; a `,` in a password is written `%2C`, a `/` `%2F`, a `@` `%40`")
    })?;
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let (address, database) = place.split_once('/').ok_or_else(|| form().help("the database is missing"))?;
    let (database, parameters) = database.split_once('?').unwrap_or((database, ""));
    if database.contains(['#', '/']) {
        return Err(form().help("it ends with the database, and perhaps with `?sslmode=verify-full`"));
    }
    let tls = tls(parameters, base)?;
    let decoded = |text: &str| {
        let bytes = percent_decode_str(text).decode_utf8();
        bytes.map(|text| text.into_owned()).map_err(|_| form().help("a `%` in it is written `%25`"))
    };
    let (user, database) = (decoded(user)?, decoded(database)?);
    if user.is_empty() || database.is_empty() {
        return Err(form().help("the user or the database is empty"));
    }
    let password = if super::mask::is_reference(password) {
        Written::Reference(password.to_owned())
    } else {
        Written::Plain(decoded(password)?)
    };
    // `%2Fvar%2Frun%2Fpostgresql` is the folder of a Unix socket, as libpq writes it.
    let (host, port) = match address.get(..3).filter(|start| start.eq_ignore_ascii_case("%2f")) {
        Some(_) => {
            let (folder, port) = address.split_once(':').map_or((address, None), |(folder, port)| (folder, Some(port)));
            (decoded(folder)?, port.map(port_of).transpose()?)
        }
        None => host_port(address)?,
    };
    Ok(ParsedLogin { host, port, database, user, password, tls })
}

/// Parses `sslmode=verify-full&sslrootcert=ca.pem`, in libpq's names; other parameters are refused. TLS is always
/// verified: the weaker modes `verify-ca` and `require`, which copied URLs have, count as `verify-full`. `prefer` and
/// `allow` are refused, because they fall back to a connection without TLS.
fn tls(parameters: &str, base: &Path) -> Result<DbTls, Misread> {
    let (mut mode, mut roots) = (None, None);
    for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
        match parameter.split_once('=') {
            Some(("sslmode", value)) => mode = Some(value),
            Some(("sslrootcert", value)) => {
                let path = percent_decode_str(value).decode_utf8_lossy();
                roots = Some(base.join(&*path));
            }
            _ => {
                return Err(misread(
                    "a parameter of the URL is not known",
                    "only `sslmode` and `sslrootcert` are read",
                )
                .help("times and numbers of connections are keys of the section"));
            }
        }
    }
    match mode {
        Some("verify-full" | "verify-ca" | "require") => {
            if let Some(path) = roots.as_ref().filter(|path| !path.is_file()) {
                return Err(misread(format!("there is no file {}", path.display()), "`sslrootcert` names no file"));
            }
            Ok(DbTls::Verified(roots))
        }
        Some("disable") | None if roots.is_none() => Ok(DbTls::Off),
        Some("disable") | None => Err(misread("root certificates are of no use without TLS", "`sslrootcert` alone")
            .help("write `sslmode=verify-full` beside it")),
        Some(_) => Err(misread("this `sslmode` is none", "expected `verify-full` or `disable`")
            .help("`prefer` and `allow` would go on without TLS, and whoever is in between decides that")),
    }
}

/// A member without its weight.
fn weight(text: &str) -> Result<(&str, u32), Misread> {
    let Some((address, last)) = text.rsplit_once(char::is_whitespace) else { return Ok((text, 1)) };
    if !last.bytes().all(|b| b.is_ascii_digit()) {
        // A password may contain a blank. A host may not, and is refused later.
        return Ok((text, 1));
    }
    match last.parse() {
        Ok(weight @ 1..=WEIGHT_MAX) => Ok((address.trim_end(), weight)),
        _ => Err(misread(format!("a weight is a number from 1 to {WEIGHT_MAX}"), "this weight is not")
            .help("a member that is not to be called is removed from the list")),
    }
}

fn host_port(text: &str) -> Result<(String, Option<u16>), Misread> {
    if let Some(inside) = text.strip_prefix('[') {
        let (host, rest) = inside.split_once(']').ok_or_else(|| misread("the address's `]` is missing", "here"))?;
        let address = host.parse::<Ipv6Addr>();
        let address = address.map_err(|_| misread("this is no IPv6 address", "expected one within `[` and `]`"))?;
        let port = match rest.strip_prefix(':') {
            Some(port) => Some(port_of(port)?),
            None if rest.is_empty() => None,
            None => return Err(misread("there is text behind the address's `]`", "expected `:port` or nothing")),
        };
        return Ok((address.to_string(), port));
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        return Err(misread("an IPv6 address is written within brackets", "expected `[address]:port`"));
    }
    let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
    if host.is_empty() {
        return Err(misread("the member's host is missing", "expected `host:port`"));
    }
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    if !host.bytes().all(fits) || host.starts_with(['.', '-']) {
        let message = "this is no host";
        let mut why = misread(message, "expected a host's name or address, and `:port`");
        if host.contains(char::is_whitespace) {
            why = why.help("members have commas between them");
        }
        return Err(why);
    }
    Ok((host.to_owned(), port.map(port_of).transpose()?))
}

fn port_of(text: &str) -> Result<u16, Misread> {
    let port = text.parse().ok().filter(|port| *port != 0);
    port.ok_or_else(|| misread("the member's port is a number from 1 to 65535", "this one is not"))
}

fn shown(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}
