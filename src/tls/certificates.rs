//! The certificates of a process at this moment. A connection keeps what it began with; the next handshake gets what is
//! here then.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

use ring::digest::{Context, SHA256};
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::default_provider;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig};
use skitai_wire::{Map, Value};

use super::chain::{SiteCertificate, at, certificates};
use super::facts::{Age, CertificateFacts};
use super::files::{TlsFiles, TlsStamp};
use super::problem::{TlsFault, TlsProblem};
use super::resolver::ByName;
use super::tickets::{TicketSecrets, Tickets};
use crate::config::{ClientCertificates, TlsSettings};

/// The protocols that are offered. HTTP/2 is none of them: decision 0005.
const PROTOCOLS: [&[u8]; 2] = [b"http/1.1", b"http/1.0"];

/// The certificates, and what handshakes make of them.
#[derive(Debug)]
pub(crate) struct Certificates {
    settings: TlsSettings,
    tickets: Arc<Tickets>,
    /// The files that these were first read from.
    began: TlsStamp,
    now: RwLock<CertificatesNow>,
    /// Why what the files have now was not taken up; `None` if it was.
    refused: Mutex<Option<String>>,
}

#[derive(Debug)]
struct CertificatesNow {
    /// Of the files that they were read from.
    digest: [u8; 32],
    config: Arc<ServerConfig>,
    shown: Vec<(PathBuf, CertificateFacts)>,
    /// Of what is in the files, whatever the day.
    notes: Vec<String>,
}

impl Certificates {
    /// Reads the certificates. One that has expired is served: a site that nobody can start helps nobody.
    pub(crate) fn open(
        settings: TlsSettings,
        files: &TlsFiles,
        tickets: Arc<Tickets>,
    ) -> Result<Arc<Certificates>, TlsProblem> {
        let now = read(&settings, files, &tickets).map_err(first)?;
        let began = files.stamp.clone();
        Ok(Arc::new(Certificates { settings, tickets, began, now: RwLock::new(now), refused: Mutex::default() }))
    }

    /// Everything that keeps these files from being served.
    pub(crate) fn problems(settings: &TlsSettings, files: &TlsFiles) -> Vec<TlsProblem> {
        read(settings, files, &Tickets::of(TicketSecrets::default())).err().unwrap_or_default()
    }

    /// Takes up what the files have now, and says whether that is anything new. If anything in them is wrong, or has
    /// expired where what is served has not, everything stays as it was.
    pub(crate) fn take_up(&self, files: &TlsFiles) -> Result<bool, TlsProblem> {
        let taken = self.taken(files);
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = taken.as_ref().err().map(ToString::to_string);
        taken
    }

    /// Why what the files have now is not served.
    pub(crate) fn refused(&self) -> Option<String> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn taken(&self, files: &TlsFiles) -> Result<bool, TlsProblem> {
        if files.digest() == self.now.read().unwrap_or_else(PoisonError::into_inner).digest {
            return Ok(false);
        }
        let next = read(&self.settings, files, &self.tickets).map_err(first)?;
        refuse_expired(&next.shown, Some(self))?;
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = next;
        Ok(true)
    }

    /// Refuses one that has expired, unless it is one of those that were served before.
    pub(crate) fn refuse_expired(&self, before: Option<&Certificates>) -> Result<(), TlsProblem> {
        let shown = self.now.read().unwrap_or_else(PoisonError::into_inner).shown.clone();
        refuse_expired(&shown, before)
    }

    fn has(&self, facts: &CertificateFacts) -> bool {
        self.now.read().unwrap_or_else(PoisonError::into_inner).shown.iter().any(|(_, shown)| shown == facts)
    }

    /// For the next handshake.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        self.now.read().unwrap_or_else(PoisonError::into_inner).config.clone()
    }

    /// What is to be said of the certificates: their ages, and what else clients will not like.
    pub(crate) fn warnings(&self, now: SystemTime) -> Vec<String> {
        let shown = &self.now.read().unwrap_or_else(PoisonError::into_inner).shown;
        let one = |(file, facts): &(PathBuf, CertificateFacts)| {
            facts.warning(now).map(|warning| format!("{}: the certificate {warning}", file.display()))
        };
        let ages: Vec<_> = shown.iter().filter_map(one).collect();
        let notes = self.now.read().unwrap_or_else(PoisonError::into_inner).notes.clone();
        ages.into_iter().chain(notes).collect()
    }

    /// One line for each: `cert/site.pem: CN=example.org, expires on 2027-01-31, serial 4F2A`.
    pub(crate) fn lines(&self) -> Vec<String> {
        let shown = &self.now.read().unwrap_or_else(PoisonError::into_inner).shown;
        let one = |(file, facts): &(PathBuf, CertificateFacts)| {
            let names = if facts.names.is_empty() { facts.subject.clone() } else { facts.names.join(", ") };
            format!("{}: {names}, expires on {}, serial {}", file.display(), facts.last_day(), facts.serial)
        };
        shown.iter().map(one).collect()
    }

    /// Whether one of the certificates is for this host.
    pub(crate) fn cover(&self, host: &str) -> bool {
        let shown = &self.now.read().unwrap_or_else(PoisonError::into_inner).shown;
        shown.iter().any(|(_, facts)| facts.covers(host))
    }

    /// The files as they were when they were first read.
    pub(crate) fn began(&self) -> &TlsStamp {
        &self.began
    }

    pub(crate) fn settings(&self) -> &TlsSettings {
        &self.settings
    }

    /// Without a supervisor the keys of tickets are this process's own.
    pub(crate) fn rotate_tickets(&self) {
        self.tickets.rotate();
    }

    /// As the status shows them.
    pub(crate) fn tree(&self) -> Value {
        let shown = &self.now.read().unwrap_or_else(PoisonError::into_inner).shown;
        let refused = self.refused();
        let one = |(file, facts): &(PathBuf, CertificateFacts)| {
            let mut told = facts.tree(&file.display().to_string());
            if let (Value::Map(Map(pairs)), Some(why)) = (&mut told, &refused) {
                pairs.push(("refused".into(), Value::from(why.as_str())));
            }
            told
        };
        Value::List(shown.iter().map(one).collect())
    }
}

/// No client accepts such a certificate any more, and those before may be good.
fn refuse_expired(shown: &[(PathBuf, CertificateFacts)], before: Option<&Certificates>) -> Result<(), TlsProblem> {
    let now = SystemTime::now();
    for (file, facts) in shown.iter().filter(|(_, facts)| !before.is_some_and(|before| before.has(facts))) {
        if facts.age(now) == Age::Expired {
            return Err(at(file, TlsFault::Expired(facts.last_day())));
        }
    }
    Ok(())
}

/// Reads all of it. An error is at least one problem.
fn read(settings: &TlsSettings, files: &TlsFiles, tickets: &Arc<Tickets>) -> Result<CertificatesNow, Vec<TlsProblem>> {
    let provider = Arc::new(default_provider());
    let mut problems = Vec::new();
    let mut found = Vec::new();
    for certification in &settings.certifications {
        match SiteCertificate::read(certification, files, &provider) {
            Ok(certificate) => found.push(certificate),
            Err(more) => problems.extend(more),
        }
    }
    let mut binding = Context::new(&SHA256);
    let mut of_clients = Vec::new();
    let clients = settings
        .client_ca
        .as_deref()
        .map(|path| clients(settings, path, files, &provider, &mut binding, &mut of_clients));
    let clients = clients.transpose().map_err(|problem| problems.push(problem.of("client_ca")));
    let (Ok(clients), true) = (clients, problems.is_empty()) else { return Err(problems) };
    let notes = found.iter().flat_map(|one| one.notes.clone()).chain(of_clients).collect();
    let by_name = Arc::new(ByName(found));
    let shown = by_name.0.iter().map(|one| (one.file.clone(), one.facts.clone())).collect();
    let builder = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13, &TLS12])
        .expect("ring has cipher suites for both");
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(verifier) => builder.with_client_cert_verifier(verifier),
    };
    let mut config = builder.with_cert_resolver(by_name);
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    // By our order, as judges of servers want it: each of the suites is a good one.
    config.ignore_client_order = true;
    // Sessions are in tickets, which clients keep: nothing here that fills, and nothing that one process alone has.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    let mut digest = [0; 32];
    digest.copy_from_slice(binding.finish().as_ref());
    config.ticketer = tickets.bound(digest);
    Ok(CertificatesNow { digest: files.digest(), config: Arc::new(config), shown, notes })
}

/// Who judges certificates of clients, by the authorities in this file. They go into the digest that binds tickets.
fn clients(
    settings: &TlsSettings,
    path: &Path,
    files: &TlsFiles,
    provider: &Arc<CryptoProvider>,
    binding: &mut Context,
    notes: &mut Vec<String>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsProblem> {
    let bad = |why: String| at(path, TlsFault::BadAuthority(why));
    let mut roots = RootCertStore::empty();
    let is_required = settings.client_certificates == ClientCertificates::Required;
    binding.update(if is_required { b"required" } else { b"optional" });
    let mut authorities = certificates(path, files)?;
    for (_, facts) in authorities.iter().filter(|(_, facts)| !facts.is_authority && facts.issuer != facts.subject) {
        notes.push(format!(
            "{}: `{}` is no authority's certificate: it vouches for no client; name the one of `{}`",
            path.display(),
            facts.subject,
            facts.issuer
        ));
    }
    authorities.sort_by(|(one, _), (other, _)| one.cmp(other));
    for (der, _) in authorities {
        binding.update(&(der.len() as u64).to_be_bytes());
        binding.update(&der);
        roots.add(der).map_err(|error| bad(error.to_string()))?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let verifier = if is_required { verifier } else { verifier.allow_unauthenticated() };
    verifier.build().map_err(|error| bad(error.to_string()))
}

/// For those who can be told of one alone.
fn first(mut problems: Vec<TlsProblem>) -> TlsProblem {
    problems.swap_remove(0)
}
