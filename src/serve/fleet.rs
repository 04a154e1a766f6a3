//! The state of one cluster of HTTP members that the threads of a process share.

use std::sync::Arc;

use skitai_actors::balance::history::Past;
use skitai_actors::cluster::{Discovery, Prober, Roster};
use skitai_actors::dns::names::SystemNames;
use skitai_actors::spec::ClusterSpec;

/// A cluster of HTTP members: their list, their discovery and their health checks.
pub(crate) struct Fleet {
    pub(crate) roster: Arc<Roster>,
    _discovery: Option<Discovery>,
    _prober: Option<Prober>,
}

impl Fleet {
    /// `past` is what the process before this one has learnt of the members.
    pub(super) fn open(spec: &ClusterSpec, past: Option<Past<'_>>) -> Fleet {
        let roster = Roster::after(spec.clone(), past);
        let _discovery = Discovery::start(&roster, Arc::new(SystemNames));
        let _prober = Prober::start(&roster);
        Fleet { roster, _discovery, _prober }
    }
}
