//! The site of a test: a program's apps, with or without its configuration, and fake clusters in place of real ones.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::Serialize;
use skitai_wire::Value;

use super::client::{Client, TestFault, TestReply};
use super::fake::FakeCluster;
use crate::app::App;
use crate::config;
use crate::config::Loaded;
use crate::serve::background::{Background, NotStarted};
use crate::serve::keys::Keys;
use crate::serve::mounting;

/// The source of the configuration.
#[derive(Debug)]
enum Conf {
    /// No configuration: devel mode, `static` before the first app, as `skitai::main` does.
    None,
    File(PathBuf),
    Text(String),
}

/// A site to test. `TestSite::of([app()]).start()` serves the apps as `skitai::main([app()])` does without a
/// configuration: in devel mode, so that errors include their cause, with `static` and `templates` of the current
/// folder.
#[derive(Debug)]
pub struct TestSite {
    apps: Vec<App>,
    conf: Conf,
    clusters: Vec<(String, String)>,
    folder: Option<PathBuf>,
    is_devel: Option<bool>,
}

impl TestSite {
    /// Creates a site of these apps.
    pub fn of(apps: impl IntoIterator<Item = App>) -> TestSite {
        TestSite {
            apps: apps.into_iter().collect(),
            conf: Conf::None,
            clusters: Vec::new(),
            folder: None,
            is_devel: None,
        }
    }

    /// Uses this configuration, except for its address, port, access log and keys, which are the test's own.
    #[must_use]
    pub fn conf(mut self, path: impl Into<PathBuf>) -> TestSite {
        self.conf = Conf::File(path.into());
        self
    }

    /// Uses this text as the configuration, with the same exceptions.
    #[must_use]
    pub fn conf_text(mut self, text: impl Into<String>) -> TestSite {
        self.conf = Conf::Text(text.into());
        self
    }

    /// Adds a cluster of these fake members. It replaces the configuration's cluster of that name, if there is one.
    #[must_use]
    pub fn cluster(mut self, name: &str, members: &FakeCluster) -> TestSite {
        self.clusters.push((name.trim_start_matches('@').to_owned(), members.nodes().join(", ")));
        self
    }

    /// Sets the folder that contains `static` and `templates`, to which paths of a configuration given as text are
    /// relative. Default: the current folder, which is the project's own when Cargo runs the tests.
    #[must_use]
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> TestSite {
        self.folder = Some(folder.into());
        self
    }

    /// Turns devel mode off, as in production: clients get no text of an internal fault.
    #[must_use]
    pub fn production(mut self) -> TestSite {
        self.is_devel = Some(false);
        self
    }

    /// Starts the site on a free port of 127.0.0.1, with one thread.
    ///
    /// # Panics
    /// If it cannot start; the text has the reason.
    #[track_caller]
    pub fn start(self) -> TestServer {
        match self.try_start() {
            Ok(server) => server,
            Err(why) => panic!("the site cannot be served:\n{why}"),
        }
    }

    /// Like [`start`](TestSite::start), for tests of a site that must not start.
    ///
    /// # Errors
    /// If it cannot start.
    pub fn try_start(self) -> Result<TestServer, NotStarted> {
        let names: Vec<&str> = self.apps.iter().map(|app| app.name.as_str()).collect();
        let here = self.folder.as_deref().unwrap_or(Path::new("."));
        let env = |name: &str| std::env::var(name).ok();
        let mut loaded = match &self.conf {
            Conf::None => {
                let mut loaded = Loaded::without_conf(here, &names);
                loaded.settings.server.threads = 1;
                loaded
            }
            Conf::File(path) => config::load(path).map_err(|report| NotStarted::because(report.to_string()))?,
            Conf::Text(text) => config::parse("test.conf", text, here, &env)
                .map_err(|report| NotStarted::because(report.to_string()))?,
        };
        for (name, members) in &self.clusters {
            let section = format!("[routes:line]\n\n[@{name}]\nmembers = {members}\n");
            let faked = config::parse("a fake cluster", &section, here, &env)
                .map_err(|report| NotStarted::because(report.to_string()))?;
            loaded.settings.clusters.retain(|declared| declared.name() != name);
            loaded.settings.clusters.extend(faked.settings.clusters);
        }
        let server = &mut loaded.settings.server;
        server.access_log = None;
        server.devel = self.is_devel.unwrap_or(server.devel);
        let keys = Keys::passing_of(server);
        // Without a file there is no reload, which would remove the fake clusters.
        loaded.file = None;
        let templates = match &self.folder {
            Some(folder) => Some(folder.join("templates")).filter(|templates| templates.is_dir()),
            None => mounting::templates_of(&loaded),
        };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let background = Background::serve(self.apps, loaded, keys, templates, address)?;
        Ok(TestServer { background })
    }
}

/// A running site; dropping it stops it. Each of its requests uses a new [`Client`] without cookies;
/// [`client`](TestServer::client) returns one that keeps them.
#[derive(Debug)]
pub struct TestServer {
    background: Background,
}

impl TestServer {
    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.background.address()
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    /// Creates a client that keeps cookies.
    pub fn client(&self) -> Client {
        Client::new(self.address())
    }

    /// See [`Client::get`].
    #[track_caller]
    pub fn get(&self, path: &str) -> TestReply {
        self.client().get(path)
    }

    /// See [`Client::post`].
    #[track_caller]
    pub fn post(&self, path: &str, form: &[(&str, &str)]) -> TestReply {
        self.client().post(path, form)
    }

    /// See [`Client::post_json`].
    #[track_caller]
    pub fn post_json(&self, path: &str, value: &impl Serialize) -> TestReply {
        self.client().post_json(path, value)
    }

    /// See [`Client::ask`].
    #[track_caller]
    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> TestReply {
        self.client().ask(method, path, headers, body)
    }

    /// See [`Client::xmlrpc`].
    #[track_caller]
    pub fn xmlrpc(&self, method: &str, params: impl Serialize) -> Result<Value, TestFault> {
        self.client().xmlrpc(method, params)
    }

    /// See [`Client::jsonrpc`].
    #[track_caller]
    pub fn jsonrpc(&self, method: &str, params: impl Serialize) -> Result<Value, TestFault> {
        self.client().jsonrpc(method, params)
    }
}
