//! Posts the spans of this process to their collector, by OTLP/HTTP in JSON.
//!
//! One batch is under way at a time. What a collector may take later (429, 502, 503, 504, or no answer at all) is sent
//! again, after the time that it asks for or one that doubles; whatever else it refuses is counted and gone. Meanwhile
//! the queue fills up to its bound, and then counts.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use skitai_actors::cluster::{Posted, Poster};
use skitai_actors::kit::tasks;
use tokio::time::{Instant, sleep, timeout_at};

use crate::app::trail::span_queue::SpanQueue;
use crate::config::{OtlpSettings, ServerSettings};
use crate::observe::log::one_line;
use crate::observe::seldom::Seldom;

/// How often a batch is sent.
const TRIES: u32 = 6;
/// How long the first pause is; each further one is twice as long.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest pause, whatever the collector asks for.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The time for what is under way when the process ends.
const LAST: Duration = Duration::from_secs(2);

/// Starts the export. Must be called on a thread with an event loop.
pub(super) fn start(settings: &OtlpSettings, server: &ServerSettings, spans: Arc<SpanQueue>) -> Result<(), String> {
    let headers = settings.headers.iter().map(|(name, value)| (name.clone(), value.0.clone())).collect();
    let poster = Poster::new(&settings.endpoint.0, headers, settings.timeout)?;
    let (before, after) = frame(server);
    tasks::spawn("export of traces", async move {
        let seldom = Seldom::new(1);
        loop {
            let (batch, count) = spans.batch().await;
            let document = [&before, &*batch, &after].concat();
            match send(&poster, document.into_bytes(), &spans).await {
                Ok(rejected) => spans.ended(count.saturating_sub(rejected), rejected.min(count)),
                Err(why) => {
                    spans.ended(0, count);
                    if let Some(tail) = seldom.tail(Instant::now().into_std()) {
                        tracing::warn!("the collector of [otlp] took none of {count} spans: {}{tail}", one_line(&why));
                    }
                }
            }
        }
    });
    Ok(())
}

/// Sends what waits, as far as there is time for it before the process ends.
pub(crate) async fn flush(spans: &SpanQueue) {
    let until = Instant::now() + LAST;
    spans.hurry();
    let done = async {
        while !spans.is_done() {
            spans.hurry();
            sleep(Duration::from_millis(5)).await;
        }
    };
    if timeout_at(until, done).await.is_err() {
        let left = spans.give_up();
        tracing::warn!("{left} spans were not exported within {LAST:?} of the end");
    }
}

/// What stands before and behind the spans of a batch: who sends them.
fn frame(server: &ServerSettings) -> (String, String) {
    let text = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    let attributes = [
        text("service.name", &server.name),
        text("service.instance.id", &format!("{}-{}", server.name, std::process::id())),
        json!({ "key": "process.pid", "value": { "intValue": std::process::id().to_string() } }),
        text("telemetry.sdk.name", "skitai"),
        text("telemetry.sdk.language", "rust"),
        text("telemetry.sdk.version", env!("CARGO_PKG_VERSION")),
    ];
    let scope = json!({ "name": "skitai", "version": env!("CARGO_PKG_VERSION") });
    let before = format!(
        "{{\"resourceSpans\":[{{\"resource\":{{\"attributes\":{}}},\"scopeSpans\":[{{\"scope\":{scope},\"spans\":[",
        json!(attributes)
    );
    (before, "]}]}]}".to_owned())
}

/// Posts a batch until it is taken, refused for good, or sent often enough. Gives the number of spans that the
/// collector rejected of a batch that it took.
async fn send(poster: &Poster, document: Vec<u8>, spans: &SpanQueue) -> Result<u64, String> {
    let mut pause = PAUSE;
    for nth in 1.. {
        let Posted { outcome, retry_after } = poster.post(document.clone()).await;
        if outcome.is_ok() {
            let answer = serde_json::to_value(&*outcome.data).unwrap_or_default();
            return Ok(rejected(&answer));
        }
        let why = format!("{} {}", outcome.reason.word(), outcome.msg);
        spans.failed(why.clone());
        let may_later = outcome.code == 0 || matches!(outcome.code, 429 | 502 | 503 | 504);
        if !may_later || nth >= TRIES {
            return Err(why);
        }
        sleep(retry_after.unwrap_or(pause).min(LONGEST_PAUSE)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    Err(String::new())
}

/// The spans that a collector did not take of a batch that it took: a whole number, which JSON has as a text.
fn rejected(answer: &Value) -> u64 {
    let number = &answer["partialSuccess"]["rejectedSpans"];
    number.as_u64().or_else(|| number.as_str()?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_makes_a_document() {
        let (before, after) = frame(&ServerSettings::default());
        let document: Value = serde_json::from_str(&format!("{before}{{}},{{}}{after}")).expect("JSON");
        assert_eq!(document["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().map(Vec::len), Some(2));
        assert_eq!(document["resourceSpans"][0]["resource"]["attributes"][0]["key"], "service.name");
    }

    #[test]
    fn what_a_collector_rejects_is_a_number_or_a_text() {
        assert_eq!(rejected(&json!({})), 0);
        assert_eq!(rejected(&json!({ "partialSuccess": { "rejectedSpans": "7", "errorMessage": "no" } })), 7);
        assert_eq!(rejected(&json!({ "partialSuccess": { "rejectedSpans": 7 } })), 7);
        assert_eq!(rejected(&json!({ "partialSuccess": {} })), 0);
    }
}
