//! `Via` (RFC 9110, 7.6.3): each proxy adds itself, so that one that meets its own name knows of a loop.

use std::sync::OnceLock;

use crate::app::Error;
use crate::app::request::id::RequestId;

/// More proxies than any request has: a loop through processes that each have a name of their own.
const MOST: usize = 32;

/// What a message passed, with this process behind it. `version` is that of the message.
pub(super) fn with_own(before: &str, version: &str) -> String {
    let separator = if before.is_empty() { "" } else { ", " };
    format!("{before}{separator}{version} {}", pseudonym())
}

/// Refuses a request that came by here already.
pub(super) fn check(before: &str) -> Result<(), Error> {
    let own = pseudonym();
    let has_been_here = before.split(',').any(|hop| hop.split_ascii_whitespace().nth(1) == Some(own));
    if has_been_here || before.split(',').count() > MOST {
        return Err(Error::new(508, "the request goes in a circle: this proxy has passed it on already"));
    }
    Ok(())
}

/// The name of this process, which no other has.
fn pseudonym() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| format!("skitai-{}", &RequestId::new().as_str()[..12]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_meets_its_own_name_stops() {
        let others = "1.1 a.example, 1.0 fred (Apache/1.1)";
        check(others).expect("a chain of others");
        let passed = with_own(others, "1.1");
        assert!(passed.starts_with("1.1 a.example, 1.0 fred (Apache/1.1), 1.1 skitai-"), "{passed}");
        assert_eq!(check(&passed).expect_err("a loop").status(), 508);
        assert_eq!(check(&"1.1 a,".repeat(40)).expect_err("a long chain").status(), 508);
        assert_eq!(with_own("", "1.0").split(' ').next(), Some("1.0"));
    }
}
