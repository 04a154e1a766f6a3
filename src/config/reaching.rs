//! `[@name]`: how members are discovered, which authority signs their certificates, and what every request carries.

use std::time::Duration;

use skitai_actors::spec::{Authority, Encoding, Identity, Login, Secret};

use super::ini::Section;
use super::keys;
use super::reading::{Reading, find};
use super::report::Problem;

/// The interval at which the members' names are looked up; `None` if the members are used as written.
pub(super) fn discover(reading: &mut Reading<'_>, section: Option<&Section>) -> Option<Duration> {
    let interval = reading.time(section, &keys::DISCOVER_INTERVAL);
    match find(section, &keys::DISCOVER).filter(|value| !value.text.is_empty()) {
        Some(value) if value.text == "dns" => Some(interval),
        Some(value) => {
            reading.refuse(&keys::DISCOVER, value, "expected `dns`, or nothing", None);
            None
        }
        None => {
            if let Some(idle) = find(section, &keys::DISCOVER_INTERVAL) {
                let problem =
                    Problem::warning(idle.span(), "`discover_interval` says how often, but nothing is looked up");
                reading.push(problem.label("each member is what is written").help("add `discover = dns`"));
            }
            None
        }
    }
}

/// The authority that signs the members' certificates, in place of the public web roots. The file is read here, so that
/// an error in it is a problem of the conf and not of the first call.
pub(super) fn authority(reading: &mut Reading<'_>, section: Option<&Section>, tls: bool) -> Option<Authority> {
    let file = reading.file(section, &keys::CA_FILE)?;
    let span = find(section, &keys::CA_FILE)?.span();
    if !tls {
        let problem = Problem::error(span, "`ca_file` says whom to trust, but no TLS is spoken to the members");
        reading.push(problem.label("nobody is asked for a certificate").help("add `ssl = yes`"));
        return None;
    }
    Authority::read(&file)
        .map_err(|why| reading.push(Problem::error(span, format!("`ca_file`: {why}")).label("no authorities in it")))
        .ok()
}

/// What is shown to members that ask who calls. Read here for the same reason.
pub(super) fn identity(reading: &mut Reading<'_>, section: Option<&Section>, tls: bool) -> Option<Identity> {
    let (file, key_file) = (reading.file(section, &keys::CLIENT_CERT), reading.file(section, &keys::CLIENT_KEY));
    let given = [&keys::CLIENT_CERT, &keys::CLIENT_KEY].into_iter().find_map(|key| Some((key, find(section, key)?)));
    let (key, value) = given?;
    if !tls {
        let problem =
            Problem::error(value.span(), format!("`{}` has no effect: no TLS is spoken to the members", key.name));
        reading.push(problem.label("nobody asks for it").help("add `ssl = yes`"));
        return None;
    }
    let Some(file) = file else {
        let problem = Problem::error(value.span(), "`client_key` is a key without its certificate");
        reading.push(problem.label("of which one?").help("add `client_cert = FILE`"));
        return None;
    };
    Identity::read(&file, key_file.as_deref().unwrap_or(&file))
        .map_err(|why| {
            reading.push(Problem::error(value.span(), format!("`client_cert`: {why}")).label("cannot be shown"))
        })
        .ok()
}

/// The encodings that answers may have.
pub(super) fn encoding(reading: &mut Reading<'_>, section: Option<&Section>) -> Encoding {
    let Some(value) = find(section, &keys::ENCODING).filter(|value| !value.text.is_empty()) else {
        return Encoding::default();
    };
    Encoding::named(&value.text).unwrap_or_else(|| {
        reading.refuse(&keys::ENCODING, value, "expected `gzip` or `identity`", None);
        Encoding::default()
    })
}

/// The login for the members.
pub(super) fn login(reading: &mut Reading<'_>, section: Option<&Section>) -> Option<Login> {
    let (Secret(text), span) = reading.secret(section, &keys::LOGIN)?;
    match text.split_once(':') {
        Some((_, password)) if password.starts_with("env:") || password.starts_with("file:") => {
            let problem = Problem::error(span, "`env:` and `file:` of `login` stand for the whole `user:password`");
            reading.push(problem.label("this would be the password itself").help("write `login = env:NAME`"));
            None
        }
        Some((user, password)) if !user.is_empty() && !text.contains(char::is_control) => {
            Some(Login { user: user.to_owned(), password: Secret(password.to_owned()) })
        }
        // The text may be the password, so it is not quoted.
        _ => {
            reading
                .push(Problem::error(span, "`login` is not a name and a password").label("expected `user:password`"));
            None
        }
    }
}
