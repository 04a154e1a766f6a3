//! Black-box tests: the running programs, driven over their sockets by clients that share no code with them.
//!
//! One integration binary, so that it links once. Each file is a topic:
//!
//! - [`acting`]: what operators do to members and processes, who may, and the audit log;
//! - [`harness`]: what scenarios are made of (servers, clients, misbehaving members, PostgreSQL, Python);
//! - [`faces`]: one handler is a page, an XML-RPC method and a JSON-RPC method, for curl and Python's clients too;
//! - [`validator`], [`jsonrpc_spec`]: the two protocols to the letter, by clients of many makers;
//! - [`rpc_many`], [`rpc_calls`]: many calls in one request; calls to servers of others;
//! - [`introspection`], [`rpc_command`]: what methods there are, and the command that calls them;
//! - [`arguments`]: every kind of argument from every place a client can put it;
//! - [`bad_input`]: wrong, missing, malformed and oversized input, and configurations that are refused;
//! - [`peers`]: charsets, packed bodies and the names of JSON, as peers of all kinds send them;
//! - [`bombs`]: documents that unfold, nest or go on for ever, and the memory of the server that gets them;
//! - [`fanout`]: what becomes of calls to good, slow, dead and lying members;
//! - [`completion`]: how many answers are enough, and several calls under one deadline;
//! - [`calls`]: URLs, databases given on the spot, filters, the cache;
//! - [`sql`]: the shards' union equals one database, over SQLite and over PostgreSQL;
//! - [`sql_leaving`]: clients that leave while databases work, and databases that are lost;
//! - [`rows`]: rows that leave while the shards still send them;
//! - [`config`]: `check`, first and second start, signals; [`demo`]: what the demo shows, and two of it side by side;
//! - [`listening`]: Unix sockets and ports, who may connect, and who counts as somebody on this machine;
//! - [`asking`], [`responding`]: what a handler sees of its request, its client behind proxies, and what it may set;
//! - [`sessions`], [`forgery`]: sealed cookies, and tokens against what other sites have browsers send;
//! - [`status`]: the status tree; [`status_parts`]: its parts by name, and every place that shows it; [`status_page`]:
//!   the page for people; [`metrics`]: the same for Prometheus;
//! - [`files`]: static files before apps; [`error_pages`]: what a client sees of an error, and its id in the log;
//! - [`compressed`]: answers that are compressed, and such as may be kept;
//! - [`edge`]: what a conf says of mounts, names, limits and the user `admin`;
//! - [`guarded`]: a hook that tests the path tests it for all three faces;
//! - [`failing`]: nothing of a success stays on an error, and problems for who asks for them;
//! - [`places`]: the log names the author's line;
//! - [`holding`]: a handler that holds its thread is named while it does;
//! - [`refused`]: statements that a database refuses, and where its files are;
//! - [`hooks`]: what runs around a handler, in which order, whatever fails;
//! - [`reload`]: templates, files and the conf change under a running site; [`newcomer`]: a project of one's own;
//! - [`uploads`]: files that clients send, every limit on them, and that none stays behind;
//! - [`streams`], [`replies`]: replies that are made while they are sent, callers that leave, files as replies;
//! - [`deadlines`], [`overload`]: the time of a request, and too much for one cluster;
//! - [`reaching`]: members by DNS, over TLS, packed; whether the server is ready;
//! - [`chaos`]: members that misbehave on command under load: errors, percentiles, extra requests, isolation;
//! - [`load`]: panics, keep-alive, pipelining, chunked bodies, clients that leave;
//! - [`routing`]: mounts, rules, methods and the links that lead back to them; [`life`]: the start and the end of an
//!   app; [`draining`]: the end of a process, which loses no request; [`probes`]: what load balancers ask;
//! - [`twins`]: the examples of the first Skitai's README, in its order; [`coming`]: the table that names their tests;
//! - [`tiers`]: a tree of servers with one leaf missing, late or left;
//! - [`covered`]: what is missing from an answer, in every place and through a chain of servers;
//! - [`connections`]: clients that attack, stall and hide requests in others, and that nobody else is harmed;
//! - [`supervised`]: processes are replaced, the supervisor too, and nothing that served stops serving;
//! - [`proxying`]: requests that are passed on to members;
//! - [`processes`]: several of them, their limits and their sums;
//! - [`systemd`]: a service manager runs a site: what it is told, and the sockets that it opens;
//! - [`tls`]: TLS to clients: handshakes, certificates that change, sessions, and those who come in clear text;
//! - [`forward`]: the forward proxy: who is led where, and who is not;
//! - [`succession`]: what a process has learnt of its members goes to its successor;
//! - [`directions`]: who may name whom in the source tree; [`documents`]: lengths, links and examples of the documents;
//!   [`logged`]: the list of the log's lines.
//!
//! `tests/run` installs what they need. They run in parallel: each test has its own folder, ports and members; only the
//! PostgreSQL cluster is shared, and read-only.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise; the panic names the line")]
#![expect(
    clippy::disallowed_methods,
    reason = "the harness waits for other processes with short sleeps; no event loop here"
)]

mod acting;
mod arguments;
mod asking;
mod bad_input;
mod bombs;
mod calls;
mod chaos;
mod coming;
mod completion;
mod compressed;
mod config;
mod connections;
mod covered;
mod deadlines;
mod demo;
mod directions;
mod documents;
mod draining;
mod edge;
mod error_pages;
mod faces;
mod failing;
mod fanout;
mod files;
mod forgery;
mod forward;
mod guarded;
mod harness;
mod holding;
mod hooks;
mod introspection;
mod jsonrpc_spec;
mod life;
mod listening;
mod load;
mod logged;
mod metrics;
mod names;
mod newcomer;
mod overload;
mod peers;
mod places;
mod probes;
mod processes;
mod proxying;
mod reaching;
mod refused;
mod reload;
mod replies;
mod responding;
mod roll_databases;
mod routing;
mod rows;
mod rpc_calls;
mod rpc_command;
mod rpc_many;
mod services;
mod sessions;
mod sql;
mod sql_leaving;
mod status;
mod status_operators;
mod status_page;
mod status_parts;
mod streams;
mod succession;
mod supervised;
mod systemd;
mod tiers;
mod tls;
mod traces;
mod trail;
mod twins;
mod uploads;
mod validator;
