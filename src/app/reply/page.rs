//! A page from a template, and the calls it waits for.

use std::borrow::Cow;
use std::time::Duration;

use serde::Serialize;
use skitai_wire::Value;

use super::{Answer, Later, Reply};
use crate::app::calls::task::Task;
use crate::app::error::Error;
use crate::app::request::csrf::FIELD as CSRF_FIELD;
use crate::app::was::Was;

/// The variable that every template has: the coverage of the request's calls.
const COVERAGE: &str = "coverage";

/// A page from a template of the app: `Page::new("index.html").with("title", "Skitai")`.
///
/// Every template has a variable `coverage`, unless the page sets one of this name: what the calls of the request asked
/// and what came. `coverage.complete` is false if something is missing, `coverage.text` says it in words, and
/// `coverage.clusters` has the counts and the missing members of each cluster.
#[derive(Debug)]
pub struct Page {
    template: Cow<'static, str>,
    context: Vec<(Cow<'static, str>, Result<Value, String>)>,
    awaited: Vec<(Cow<'static, str>, Task, Duration)>,
    has_csrf: bool,
}

impl Page {
    /// Creates a page from this template.
    pub fn new(template: impl Into<Cow<'static, str>>) -> Page {
        Page { template: template.into(), context: Vec::new(), awaited: Vec::new(), has_csrf: false }
    }

    /// Sets a variable of the template.
    #[must_use]
    pub fn with(mut self, name: impl Into<Cow<'static, str>>, value: impl Serialize) -> Page {
        // A value that cannot be serialised is reported by its name when the page is rendered.
        self.context.push((name.into(), skitai_wire::to_value(&value).map_err(|error| error.to_string())));
        self
    }

    /// Sets a variable of the template to the result of a call. The page waits for the call when it is rendered, at
    /// most until `timeout` after the call was made. The variable has the fields `data` (a list with one entry for each
    /// good answer, in member order), `coverage` (such as `2 of 3 ok (1 not sent)`) and `outcomes` (one for each
    /// member).
    ///
    /// If no member answered, or fewer than the call's completion rule requires, the page is not rendered and the reply
    /// is an error with every reason, as for [`Results::ok`](crate::app::Results::ok).
    #[must_use]
    pub fn with_task(mut self, name: impl Into<Cow<'static, str>>, task: Task, timeout: Duration) -> Page {
        self.awaited.push((name.into(), task, timeout));
        self
    }

    /// Sets the variable `csrf_token` to a token against forged requests, for the page's forms: see
    /// [`csrf`](fn@crate::app::csrf). The app must use sessions; a visitor without a session gets one.
    #[must_use]
    pub fn with_csrf(mut self) -> Page {
        self.has_csrf = true;
        self
    }

    /// Waits for the calls, then renders.
    async fn wait(mut self, was: Was) -> Answer {
        for (name, task, timeout) in std::mem::take(&mut self.awaited) {
            match awaited(task, timeout).await {
                Ok(value) => self.context.push((name, Ok(value))),
                Err(error) => return Answer::Failed(error),
            }
        }
        self.into_answer(&was)
    }

    /// The text of the page.
    pub(crate) fn render(self, was: &Was) -> Result<String, Error> {
        let mut pairs = Vec::with_capacity(self.context.len());
        if self.has_csrf {
            pairs.push((CSRF_FIELD.into(), Value::String(was.csrf_token()?)));
        }
        for (name, value) in self.context {
            let value =
                value.map_err(|error| Error::internal(format!("template {}: {name}: {error}", self.template)))?;
            pairs.push((name, value));
        }
        if !pairs.iter().any(|(name, _)| name == COVERAGE) {
            pairs.push((COVERAGE.into(), coverage(was)));
        }
        was.app().templates().render(&self.template, &Value::from_pairs(pairs)).map_err(Error::internal)
    }
}

/// What the calls of the request asked and what came: for the page to tell its visitor.
fn coverage(was: &Was) -> Value {
    let report = was.coverage();
    let mut value = report.to_value(was.coverage_detail());
    if let Value::Map(map) = &mut value {
        map.0.push(("text".into(), Value::String(report.to_string())));
    }
    value
}

async fn awaited(task: Task, timeout: Duration) -> Result<Value, Error> {
    let results = task.getswait(timeout).await;
    let coverage = results.coverage().to_string();
    let outcomes = skitai_wire::to_value(&results[..])?;
    let data = results.ok()?.collect();
    Ok(Value::from_pairs([("data", Value::List(data)), ("coverage", Value::String(coverage)), ("outcomes", outcomes)]))
}

impl Reply for Page {
    fn into_answer(self, was: &Was) -> Answer {
        if !self.awaited.is_empty() {
            return Answer::Later(Later(Box::pin(self.wait(was.clone()))));
        }
        match self.render(was) {
            Ok(text) => String::into_answer(text, was),
            Err(error) => Answer::Failed(error),
        }
    }
}
