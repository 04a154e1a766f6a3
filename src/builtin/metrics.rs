//! `/metrics`: the figures of the status for Prometheus and what reads its formats.
//!
//! The figures are those of the status, asked for once: sums over all threads and processes, and over those that have
//! ended. A sum that is not whole is not shown, because monitoring would take it for a restart.
//!
//! - `families`: what there is, by name, with its labels; `figures`: where each is in the status;
//! - `exposition`: the two text formats, and the bound of their size;
//! - `accept`: which of the two a client reads.
//!
//! Labels come from the configuration and the code alone: rules of routes, clusters, members. No request makes one.

mod accept;
mod exposition;
mod families;
mod figures;

use self::accept::{is_openmetrics_wanted, requested};
use self::exposition::{Exposition, Format};
use crate::config::MetricsAccess;
use crate::prelude::*;

/// The app.
pub(crate) fn app() -> App {
    App::new("metrics").rpc(false).routes(routes![scrape])
}

/// The figures of this server, for monitoring.
#[route("/", methods = ["GET", "HEAD"], name = "metrics")]
async fn scrape(was: Was) -> Result<Response> {
    if was.services().site.server.metrics != MetricsAccess::Public {
        was.require_viewer("the metrics are for the user `admin` with the admin_password").await?;
    }
    let format = if is_openmetrics_wanted(requested(&was)) { Format::OpenMetrics } else { Format::Classic };
    let tree = was.status(None).await;
    if let Some(missing) = figures::missing(&tree) {
        return Err(Error::new(503, format!("the sums are not whole: {missing}; they would seem to go back")));
    }
    let mut text = Exposition::new(format);
    figures::write(&tree, &mut text);
    let reply = Response::new(200).header("Content-Type", format.content_type());
    // A kept answer would be out of date, and who reads another format gets another one.
    Ok(reply.header("Cache-Control", "no-store").header("Vary", "Accept").body(text.end()))
}
