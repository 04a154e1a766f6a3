//! Certificates are taken up anew when their files change, without a connection that ends.
//!
//! The files are looked at once a second, behind the links in front of them: certbot swaps links, Kubernetes the link
//! of a whole folder. Where there is a supervisor, it looks, and hands them down.
//!
//! A key and its certificate are rarely written at once: what does not fit is tried again at the next look, and told
//! only then.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use skitai_actors::kit::tasks;
use tokio::time::sleep;

use crate::tls::certificates::Certificates;
use crate::tls::files::{HandedFiles, TlsFiles, TlsStamp, paths};
use crate::tls::tickets::ROTATION;

const LOOK: Duration = Duration::from_secs(1);
/// How often the log says that a certificate is to be renewed.
const REMIND: Duration = Duration::from_secs(24 * 60 * 60);

/// What a process looks after by itself, because nobody else does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Duties {
    /// Whether files have changed.
    pub(crate) files: bool,
    /// The keys of tickets.
    pub(crate) tickets: bool,
    /// The log's line of a certificate that is to be renewed: one process says it for all.
    pub(crate) reminders: bool,
}

/// Looks after certificates for as long as the process lives. Must be called inside the actor system.
pub(crate) fn watch(certificates: Arc<Certificates>, duties: Duties) {
    if duties.reminders {
        remind(&certificates);
    }
    tasks::spawn("files of certificates", async move {
        let paths: Arc<[PathBuf]> = paths(certificates.settings()).into();
        let mut seen = certificates.began().clone();
        let (mut rotated, mut reminded) = (Instant::now(), Instant::now());
        // A failure that may be over at the next look.
        let mut is_tried_again = false;
        loop {
            sleep(LOOK).await;
            if duties.tickets && rotated.elapsed() >= ROTATION {
                certificates.rotate_tickets();
                rotated = Instant::now();
            }
            if duties.reminders && reminded.elapsed() >= REMIND {
                remind(&certificates);
                reminded = Instant::now();
            }
            if !duties.files {
                continue;
            }
            let now = stamp(&paths).await;
            if now == seen && !is_tried_again {
                continue;
            }
            seen = now;
            let failed = take_up(&certificates, Vec::new()).await.err();
            if let Some(problem) = failed.as_ref().filter(|_| is_tried_again) {
                tell(problem);
            }
            is_tried_again = failed.is_some() && !is_tried_again;
        }
    });
}

/// Takes up files that the supervisor has read.
pub(crate) fn handed(certificates: Arc<Certificates>, files: HandedFiles) {
    tasks::spawn("files of certificates, handed down", async move {
        if let Err(problem) = take_up(&certificates, files).await {
            tell(&problem);
        }
    });
}

/// A passphrase is slow to try and a disk may be: not on the event loop.
async fn take_up(certificates: &Arc<Certificates>, files: HandedFiles) -> Result<(), String> {
    let taken = certificates.clone();
    let work = move || taken.take_up(&TlsFiles::read(taken.settings(), files)).map_err(|problem| problem.to_string());
    if !tokio::task::spawn_blocking(work).await.map_err(|error| error.to_string())?? {
        tracing::debug!("the files of certificates are those that are served");
        return Ok(());
    }
    for line in certificates.lines() {
        tracing::info!("new connections get the certificate {line}");
    }
    remind(certificates);
    Ok(())
}

fn tell(problem: &str) {
    tracing::error!("the certificates stay as they are: {problem}");
}

fn remind(certificates: &Certificates) {
    for warning in certificates.warnings(SystemTime::now()) {
        tracing::warn!("{warning}");
    }
}

async fn stamp(paths: &Arc<[PathBuf]>) -> TlsStamp {
    let paths = paths.clone();
    tokio::task::spawn_blocking(move || TlsStamp::of(&paths)).await.unwrap_or_default()
}
