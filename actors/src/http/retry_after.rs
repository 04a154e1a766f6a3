//! `Retry-After`: a number of seconds or a date (RFC 9110, 10.2.3).

use std::str::FromStr;
use std::time::{Duration, SystemTime};

use actix_http::header::HttpDate;

/// The wait that the value asks for, from `now`; `None` for a value in neither form.
pub(crate) fn wait_of(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number too large for u64 is still a very long wait.
        return Some(Duration::from_secs(value.parse().unwrap_or(u32::MAX.into())));
    }
    let date = SystemTime::from(HttpDate::from_str(value).ok()?);
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let wait = |value| wait_of(value, now).map(|time| time.as_secs());
        assert_eq!(wait("120"), Some(120));
        assert_eq!(wait(" 0 "), Some(0));
        assert_eq!(wait("99999999999999999999999"), Some(u32::MAX.into()));
        assert_eq!(wait("Sun, 06 Nov 1994 08:50:37 GMT"), Some(60));
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:00 GMT"), Some(0));
        assert_eq!((wait("soon"), wait(""), wait("-3")), (None, None, None));
    }
}
