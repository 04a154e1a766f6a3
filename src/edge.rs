//! The edge: one request, in the order that [`pipeline`] names.
//!
//! - [`pipeline`]: the steps of a web request; [`thread`]: the state they use on the thread that serves it;
//! - [`names`]: whether a request is for this site at all;
//! - [`moves`]: redirects and rewrites;
//! - [`gate`]: what the configuration says of a mount, before anything of the site runs;
//! - [`dispatch`]: finds the route, file or service of its path;
//! - [`body`]: reads the body, within its size and time limit, [`large`] ones within a limit for all of them together;
//!   [`upload`]: a multipart form, whose files go to the [`shelf`]; [`unpacked`]: bodies without their coding, and
//!   [`transfer_coding`]: parts without theirs; [`disposition`]: the names of parts;
//! - [`arguments`]: passes path, query, forms and JSON body to the binder;
//! - [`invoke`]: calls a handler, with the hooks around it ([`hooked`]); [`slow_polls`]: logs handlers that block their
//!   thread, [`watchdog`]: while they do;
//! - [`error_log`]: logs the server's own errors;
//! - [`probes`]: whether the server is ready and alive, for load balancers;
//! - [`files`]: static files, which take precedence over apps; [`conditional`]: what the client has already;
//! - [`compress`]: compresses answers for clients that read it, which [`accepts`] finds out;
//! - [`actix_fallback`]: actix-web's `App`, for code that needs its kind of request;
//! - [`sessions`]: loads the session before the handler and saves it after;
//! - [`refused`]: answers invalid requests; [`redirect`]: sends those who come in clear text to HTTPS;
//! - [`partial`]: answers from which members are missing; [`stream`]: the body of a streaming reply;
//! - [`kept`]: what a client may keep, and has already; [`browsers`]: what every answer tells a browser;
//! - [`respond`]: the only place that decides what a client sees: pages, JSON, errors; [`error_page`]: an error's page,
//!   [`problem`]: an error for a program that asks for RFC 9457.

mod accepts;
pub(crate) mod actix_fallback;
pub(crate) mod arguments;
pub(crate) mod body;
pub(crate) mod browsers;
pub(crate) mod compress;
mod conditional;
pub(crate) mod dispatch;
mod disposition;
pub(crate) mod error_log;
mod error_page;
pub(crate) mod files;
pub(crate) mod gate;
mod hooked;
pub(crate) mod invoke;
mod kept;
pub(crate) mod large;
pub(crate) mod moves;
pub(crate) mod names;
pub(crate) mod partial;
pub(crate) mod pipeline;
pub(crate) mod probes;
mod problem;
pub(crate) mod redirect;
pub(crate) mod refused;
pub(crate) mod respond;
pub(crate) mod sessions;
pub(crate) mod shelf;
mod slow_polls;
mod stream;
pub(crate) mod thread;
mod transfer_coding;
mod unpacked;
pub(crate) mod upload;
pub(crate) mod watchdog;
