//! `redirects` and `rewrites` of a conf: a path that stands for another one, before anything else looks at it.

use actix_web::HttpResponse;
use actix_web::http::header::{HeaderValue, LOCATION};
use actix_web::http::uri::PathAndQuery;
use actix_web::http::{StatusCode, Uri};

use crate::app::Request;
use crate::app::routing::pattern::{canonical, fixed};
use crate::config::{MountSettings, MoveRule};

/// The tables of a site: redirects, then rewrites, of each those of the longest mount first.
#[derive(Debug, Default)]
pub(crate) struct Moves {
    rules: Vec<MoveRule>,
}

/// What a rule makes of a request.
pub(crate) enum Moved {
    /// This is the answer.
    Redirect(HttpResponse),
    /// This is the target in its place.
    Rewrite(Uri),
}

impl Moves {
    pub(crate) fn of(mounts: &[MountSettings]) -> Moves {
        let mut by_length: Vec<&MountSettings> = mounts.iter().collect();
        by_length.sort_by_key(|mount| std::cmp::Reverse(mount.path.len()));
        let rules = by_length.iter().flat_map(|mount| &mount.moves);
        // Compared in the form in which clients send it.
        let mut rules: Vec<MoveRule> = rules.map(|rule| MoveRule { from: fixed(&rule.from), ..rule.clone() }).collect();
        rules.sort_by_key(|rule| rule.code.is_none());
        Moves { rules }
    }

    /// What becomes of a request, if a rule is for its path.
    pub(crate) fn lead(&self, request: &Request) -> Option<Moved> {
        if self.rules.is_empty() {
            return None;
        }
        let path = canonical(request.uri.path());
        let (rule, to) = self.rules.iter().find_map(|rule| Some((rule, rule.apply(&path)?)))?;
        let to = match request.uri.query() {
            Some(query) if !to.contains('?') => match to.split_once('#') {
                Some((to, fragment)) => format!("{to}?{query}#{fragment}"),
                None => format!("{to}?{query}"),
            },
            _ => to,
        };
        match rule.code {
            Some(code) => {
                let mut reply = HttpResponse::new(StatusCode::from_u16(code).ok()?);
                reply.headers_mut().insert(LOCATION, HeaderValue::try_from(to).ok()?);
                Some(Moved::Redirect(reply))
            }
            None => {
                let mut parts = request.uri.clone().into_parts();
                parts.path_and_query = Some(PathAndQuery::try_from(to).ok()?);
                Some(Moved::Rewrite(Uri::from_parts(parts).ok()?))
            }
        }
    }
}
