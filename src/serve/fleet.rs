//! What the threads of a process share of one cluster of HTTP members.

use std::sync::Arc;

use skitai_actors::cluster::{Discovery, Prober, Roster};
use skitai_actors::dns::names::SystemNames;
use skitai_actors::spec::ClusterSpec;

/// A cluster of HTTP members: who they are, who finds them and who asks after their health.
pub(crate) struct Fleet {
    pub(crate) roster: Arc<Roster>,
    _discovery: Option<Discovery>,
    _prober: Option<Prober>,
}

impl Fleet {
    pub(super) fn open(spec: &ClusterSpec) -> Fleet {
        let roster = Roster::new(spec.clone());
        let _discovery = Discovery::start(&roster, Arc::new(SystemNames));
        let _prober = Prober::start(&roster);
        Fleet { roster, _discovery, _prober }
    }
}
