//! Which of the two formats a client reads.

use crate::prelude::*;

/// The formats that a client asks for.
pub(super) fn requested(was: &Was) -> &str {
    was.request.get_header("accept").unwrap_or_default()
}

/// Whether a client likes OpenMetrics better than the classic format: only one that names it, in a version that is
/// written here.
pub(super) fn is_openmetrics_wanted(accept: &str) -> bool {
    let (mut openmetrics, mut classic, mut any_text, mut anything) = (0.0_f64, None::<f64>, None::<f64>, None::<f64>);
    for entry in accept.split(',') {
        let mut parts = entry.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
        let (mut weight, mut version) = (1.0_f64, None);
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            match name.trim().to_ascii_lowercase().as_str() {
                "q" => weight = value.trim().parse().ok().filter(|q| (0.0..=1.0).contains(q)).unwrap_or(0.0),
                "version" => version = Some(value.trim().trim_matches('"').to_owned()),
                // `charset`, and `escaping` of Prometheus 3: names here need none.
                _ => {}
            }
        }
        let best = |known: Option<f64>| Some(known.map_or(weight, |known| known.max(weight)));
        match (&*kind, version.as_deref()) {
            ("application/openmetrics-text", None | Some("1.0.0")) => openmetrics = openmetrics.max(weight),
            ("text/plain", None | Some("0.0.4")) => classic = best(classic),
            ("text/*", _) => any_text = best(any_text),
            ("*/*", _) => anything = best(anything),
            _ => {}
        }
    }
    // The most specific entry counts (RFC 9110, 12.5.1).
    openmetrics > 0.0 && openmetrics >= classic.or(any_text).or(anything).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_names_openmetrics_gets_it_and_nobody_else() {
        let prometheus_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
                            application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;\
                            escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
        let prometheus_2 = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                            text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        for (accept, wanted) in [
            (prometheus_3, true),
            (prometheus_2, true),
            ("application/openmetrics-text", true),
            ("Application/OpenMetrics-Text; Version=\"1.0.0\"; charset=utf-8", true),
            ("application/openmetrics-text;version=0.0.1", false),
            ("application/openmetrics-text;version=1.0.0;q=0.2, text/plain;q=0.9", false),
            ("application/openmetrics-text;q=0.2, */*;q=0.9", false),
            ("application/openmetrics-text;q=0, text/plain;q=0", false),
            ("application/openmetrics-text;q=x", false),
            ("text/plain;version=0.0.4", false),
            ("text/html,application/xhtml+xml,*/*;q=0.8", false),
            ("*/*", false),
            ("", false),
            (",;=,;;q", false),
        ] {
            assert_eq!(is_openmetrics_wanted(accept), wanted, "{accept}");
        }
    }
}
