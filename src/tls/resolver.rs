//! Which certificate a client is shown, by the name that it asks for (SNI).

use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::chain::SiteCertificate;

/// The certificates of a site, at least one.
#[derive(Debug)]
pub(super) struct ByName(pub(super) Vec<SiteCertificate>);

impl ByName {
    /// In this order: the certificate whose section has the name, one that has the name, one that has it by a `*`, the
    /// first.
    fn of(&self, name: Option<&str>) -> Option<&SiteCertificate> {
        let name = name.map(|name| name.strip_suffix('.').unwrap_or(name));
        let named = |name: &str| {
            let is_section = |certificate: &&SiteCertificate| {
                certificate.name.as_ref().is_some_and(|section| section.eq_ignore_ascii_case(name))
            };
            let is_whole = |certificate: &&SiteCertificate| {
                certificate.facts.names.iter().any(|own| own.eq_ignore_ascii_case(name))
            };
            let certificates = || self.0.iter();
            certificates()
                .find(is_section)
                .or_else(|| certificates().find(is_whole))
                .or_else(|| certificates().find(|certificate| certificate.facts.covers(name)))
        };
        name.and_then(named).or_else(|| self.0.first())
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.of(hello.server_name()).map(|certificate| certificate.key.clone())
    }
}

#[cfg(test)]
impl ByName {
    pub(super) fn file_of(&self, name: Option<&str>) -> Option<&std::path::Path> {
        self.of(name).map(|certificate| certificate.file.as_path())
    }
}
