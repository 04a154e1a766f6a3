//! The login of the user `admin`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use subtle::ConstantTimeEq;

/// The digest with which the password of `admin` is compared in constant time: the time of a refusal reveals neither
/// the password's length nor its beginning.
#[derive(Clone)]
pub(crate) struct AdminLogin(Vec<u8>);

impl std::fmt::Debug for AdminLogin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AdminLogin(***)")
    }
}

impl AdminLogin {
    pub(crate) fn of(password: &str) -> AdminLogin {
        AdminLogin(digest(&SHA256, format!("admin:{password}").as_bytes()).as_ref().to_vec())
    }

    /// Whether an `Authorization` header is that of the admin.
    pub(crate) fn admits(&self, authorization: &str) -> bool {
        let given = authorization
            .split_once(' ')
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))
            .and_then(|(_, credentials)| STANDARD.decode(credentials.trim()).ok());
        // Compared even without credentials, so that every refusal takes the same time.
        let given = digest(&SHA256, &given.unwrap_or_default());
        given.as_ref().ct_eq(&self.0).into()
    }
}
