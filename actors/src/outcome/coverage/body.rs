//! A report in a body: as a value, which every codec can write.
//!
//! ```json
//! {"complete": false, "clusters": [
//!     {"cluster": "mysearch", "asked": 3, "ok": 2, "partial": 0, "failed": 0, "timed_out": 0, "cancelled": 0,
//!      "not_sent": 1, "missing": [{"index": 1, "reason": "refused"}]}]}
//! ```
//!
//! With [`CoverageDetail::Names`] a missing member has `node` and `msg`, too. A member that reported a gap has
//! `coverage`: the same once more, of its own calls. `leaves` and `leaves_ok`, `enough`, and `undescribed` (how many
//! more members are missing than `missing` lists) are there where they say something.

use std::borrow::Cow;
use std::sync::Arc;

use skitai_wire::Value;

use super::header::worded;
use super::{ClusterCoverage, Coverage, CoverageDetail, CoverageReport, DESCRIBED, LARGEST, Leaves, MissingMember};

/// How deep reports within reports are read: a chain of servers is not deeper, and what nests deeper is no report.
const TIERS: usize = 8;
/// Characters of a name or a reason that are read: both are passed on to clients.
const LETTERS: usize = 64;

impl CoverageReport {
    /// The report as a reader with this detail may see it.
    pub fn to_value(&self, detail: CoverageDetail) -> Value {
        let clusters = self.clusters.iter().map(|call| call.to_value(detail)).collect();
        Value::from_pairs([("complete", Value::Bool(!self.has_gap())), ("clusters", Value::List(clusters))])
    }

    /// Reads what [`to_value`](CoverageReport::to_value) wrote; `None` for anything else.
    pub fn from_value(value: &Value) -> Option<CoverageReport> {
        read(value, TIERS)
    }

    /// Reads the last line of an NDJSON body, in this form (`{"$coverage": {…}}`) or in the one before it
    /// (`{"$coverage": "2 of 3 ok (1 not sent)", "$missing": […]}`).
    pub fn from_last_line(text: &str) -> Option<CoverageReport> {
        let last = text.trim_end().rsplit('\n').next()?.trim();
        if !last.starts_with("{\"$coverage\"") {
            return None;
        }
        let line = skitai_wire::json::parse_value(last.as_bytes()).ok()?;
        match &line["$coverage"] {
            Value::String(text) => CoverageReport::from_header(text).filter(|_| worded(text).is_some()),
            report => CoverageReport::from_value(report),
        }
    }

    /// Reads the event that ends an event stream of ours, which is the last of its body.
    pub fn from_end_event(text: &str) -> Option<CoverageReport> {
        let last = text.trim_end().rsplit("\n\n").next()?;
        let mut lines = last.lines();
        if lines.next()? != "event: end" {
            return None;
        }
        let data = lines.find_map(|line| line.strip_prefix("data: "))?;
        CoverageReport::from_value(&skitai_wire::json::parse_value(data.as_bytes()).ok()?)
    }

    /// Reads an envelope `{"data": …, "coverage": …}`.
    pub fn from_envelope(value: &Value) -> Option<CoverageReport> {
        let map = value.as_map()?;
        let is_envelope = map.0.len() == 2 && map.0.iter().any(|(name, _)| &**name == "data");
        if is_envelope { CoverageReport::from_value(&value["coverage"]) } else { None }
    }
}

impl ClusterCoverage {
    fn to_value(&self, detail: CoverageDetail) -> Value {
        let count = |count: usize| Value::Int(i64::try_from(count).unwrap_or(i64::MAX));
        let Coverage { asked, ok, leaves, .. } = self.coverage;
        let mut pairs = vec![("cluster", Value::from(&*self.name)), ("asked", count(asked)), ("ok", count(ok))];
        pairs.extend(self.coverage.others().map(|(number, word)| (word, count(number))));
        if let Some(Leaves { asked, ok }) = leaves {
            pairs.extend([("leaves_ok", count(ok)), ("leaves", count(asked))]);
        }
        if self.coverage.has_gap() && !self.has_gap {
            pairs.push(("enough", Value::Bool(true)));
        }
        pairs.push(("missing", Value::List(self.missing.iter().map(|member| member.to_value(detail)).collect())));
        match asked.saturating_sub(ok).saturating_sub(self.missing.len()) {
            0 => {}
            more => pairs.push(("undescribed", count(more))),
        }
        Value::from_pairs(pairs)
    }
}

impl MissingMember {
    fn to_value(&self, detail: CoverageDetail) -> Value {
        let mut pairs = Vec::with_capacity(4);
        pairs.extend(self.index.map(|index| ("index", Value::Int(index.into()))));
        pairs.push(("reason", Value::from(&*self.reason)));
        if detail == CoverageDetail::Names {
            pairs.extend([("node", Value::from(&*self.node)), ("msg", Value::from(self.msg.as_str()))]);
        }
        if let Some(report) = &self.report {
            pairs.push(("coverage", report.to_value(detail)));
        }
        Value::from_pairs(pairs)
    }
}

fn read(value: &Value, tiers: usize) -> Option<CoverageReport> {
    let mut report = CoverageReport::default();
    let clusters = value.as_map().and_then(|_| value["clusters"].as_list())?;
    for call in clusters {
        report.add(read_call(call, tiers.checked_sub(1)?)?);
    }
    (!report.is_empty()).then_some(report)
}

fn read_call(value: &Value, tiers: usize) -> Option<ClusterCoverage> {
    value.as_map()?;
    let count = |key: &str| match &value[key] {
        Value::Nil => Some(None),
        count => usize::try_from(count.as_i64()?).ok().map(|count| Some(count.min(LARGEST))),
    };
    let coverage = counts(count)?;
    let missing = value["missing"].as_list().unwrap_or_default();
    let missing = missing.iter().take(DESCRIBED).filter_map(|member| read_member(member, tiers)).collect();
    checked(shortened(value["cluster"].as_str()?), coverage, value["enough"] == Value::Bool(true), missing)
}

/// The word of a reason; free text, which might tell clients anything, is none.
fn reason(text: &str) -> Cow<'static, str> {
    let is_word = text.len() <= LETTERS && text.bytes().all(|octet| octet.is_ascii_lowercase() || octet == b'_');
    if is_word { Cow::Owned(text.to_owned()) } else { Cow::Borrowed("other") }
}

/// A name that is short enough to be passed on.
pub(super) fn shortened(name: &str) -> Arc<str> {
    match name.char_indices().nth(LETTERS) {
        Some((end, _)) => format!("{}…", &name[..end]).into(),
        None => name.into(),
    }
}

fn read_member(value: &Value, tiers: usize) -> Option<MissingMember> {
    value.as_map()?;
    let text = |key: &str| value[key].as_str().unwrap_or_default();
    Some(MissingMember {
        index: value["index"].as_i64().and_then(|index| u32::try_from(index).ok()),
        reason: reason(value["reason"].as_str()?),
        node: text("node").into(),
        msg: text("msg").to_owned(),
        report: read(&value["coverage"], tiers).map(Arc::new),
    })
}

/// The counts of one cluster. `count` reads one of them: `None` for what is no count, `Some(None)` for what is left
/// out.
pub(super) fn counts(count: impl Fn(&str) -> Option<Option<usize>>) -> Option<Coverage> {
    let or_zero = |key: &str| count(key).map(Option::unwrap_or_default);
    let leaves = match (count("leaves")?, count("leaves_ok")?) {
        (Some(asked), Some(ok)) if ok <= asked => Some(Leaves { asked, ok }),
        (None, None) => None,
        _ => return None,
    };
    Some(Coverage {
        asked: count("asked")??,
        ok: count("ok")??,
        partial: or_zero("partial")?,
        failed: or_zero("failed")?,
        timed_out: or_zero("timed_out")?,
        cancelled: or_zero("cancelled")?,
        not_sent: or_zero("not_sent")?,
        leaves,
    })
}

/// What was read, if its counts can be true: a later version may have counts that we do not know, but no more answers
/// than members.
pub(super) fn checked(
    name: Arc<str>,
    coverage: Coverage,
    is_enough: bool,
    missing: Vec<MissingMember>,
) -> Option<ClusterCoverage> {
    // Sums beyond the largest count are cut, so together they may be more.
    let others = coverage.others().into_iter().fold(coverage.ok, |all, (count, _)| super::sum(all, count));
    let has_gap = coverage.has_gap() && !(is_enough && coverage.partial == 0);
    (others <= coverage.asked).then_some(ClusterCoverage { name, coverage, has_gap, missing })
}
