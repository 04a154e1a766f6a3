//! What makes two calls equal: everything that could change the answer is in the key.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use skitai_actors::Outcome;
use skitai_actors::cache::{Key, KeyBuilder, Question, Store};
use skitai_actors::db::Shards;
use skitai_actors::http::Request;
use skitai_actors::spec::{DbSpec, Spread};
use skitai_wire::Value;

use crate::app::services::Services;

/// The place of one call in the result cache.
#[derive(Clone)]
pub(crate) struct Caching {
    pub(crate) services: Arc<Services>,
    pub(crate) asked: Asked,
}

impl std::fmt::Debug for Caching {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Caching").finish_non_exhaustive()
    }
}

impl Caching {
    pub(crate) fn store(&self) -> &Arc<Store> {
        &self.services.results
    }

    /// What the call is looked up by.
    pub(crate) fn key(&self) -> Key {
        self.asked.key()
    }

    /// Keeps the outcomes, if they are complete and good.
    pub(crate) fn keep(&self, outcomes: &[Outcome], ttl: Duration) {
        if let Err(why) = self.store().put(self.key(), outcomes.into(), ttl) {
            tracing::debug!("not cached: {why:?}");
        }
    }
}

/// What was asked, as it is kept until somebody wants its key. Most calls are asked once, of a site that keeps nothing.
#[derive(Clone)]
pub(crate) enum Asked {
    /// Written out.
    Question(Question),
    /// A statement to a cluster: all of it is shared with the statement that was sent.
    Statement {
        spread: Spread,
        spec: Arc<DbSpec>,
        shards: Option<Shards>,
        sql: Cow<'static, str>,
        params: Arc<[Value]>,
    },
}

impl From<Question> for Asked {
    fn from(question: Question) -> Asked {
        Asked::Question(question)
    }
}

impl Asked {
    fn key(&self) -> Key {
        match self {
            Asked::Question(question) => question.key(),
            Asked::Statement { spread, spec, shards, sql, params } => {
                // No cluster's name has a space.
                let name = &*spec.name;
                let target = shards.map_or(Cow::Borrowed(name), |one| format!("{name} {one:?}").into());
                KeyParts::Sql { spread: *spread, target: &target, user: "", sql, params }.question().key()
            }
        }
    }
}

/// What the key of a call is made of.
pub(crate) enum KeyParts<'a> {
    /// A request to a cluster or a URL: path, arguments (the body), login and headers are the request's.
    Rpc { spread: Spread, target: &'a str, request: &'a Request },
    /// A statement.
    Sql { spread: Spread, target: &'a str, user: &'a str, sql: &'a str, params: &'a [Value] },
}

impl KeyParts<'_> {
    pub(crate) fn question(&self) -> Question {
        let kind = |spread: Spread, map: &'static str, lb: &'static str| if spread == Spread::All { map } else { lb };
        match self {
            KeyParts::Rpc { spread, target, request } => {
                let mut key = KeyBuilder::new(kind(*spread, "map", "lb"))
                    .target(target)
                    .other("method", request.method.as_str())
                    .path(&request.path)
                    .arguments(request.question());
                for (name, value) in &request.headers {
                    key = key.header(name, value);
                }
                if let Some(largest) = request.max_answer {
                    key = key.other("max_answer", &largest.to_string());
                }
                key.build()
            }
            KeyParts::Sql { spread, target, user, sql, params } => KeyBuilder::new(kind(*spread, "dmap", "dlb"))
                .target(target)
                .user(user)
                .arguments(sql.as_bytes())
                .values(params)
                .build(),
        }
    }
}
