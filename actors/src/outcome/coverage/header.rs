//! A report as the header `X-Coverage`: a List of RFC 9651 with one item for each cluster.
//!
//! `mysearch;ok=2;asked=3;not_sent=1, mydb;ok=3;asked=3`. A name that is no Token is a String. Counts of zero are left
//! out, but for `ok` and `asked`. `leaves_ok` and `leaves` add up the last tier where members reported coverage of
//! their own. `enough` says that the caller wanted no more than this, although members are missing. Because it is a
//! List, header lines that a proxy joins by a comma stay right.

use std::fmt::Write;
use std::sync::Arc;

use sfv::{BareItem, Item, ItemSerializer, List, ListEntry, Parser, RefBareItem, StringRef, TokenRef};

use super::{ClusterCoverage, Coverage, CoverageReport, LARGEST, Leaves};

/// The name of the header, in lower case.
pub const NAME: &str = "x-coverage";

/// What stands for the cluster in a report of the old form, which has no names.
const UNNAMED: &str = "unnamed";

impl CoverageReport {
    /// The value of the header; empty if nothing was asked.
    pub fn to_header(&self) -> String {
        let mut text = String::with_capacity(40 * self.clusters.len());
        for ClusterCoverage { name, coverage, has_gap, .. } in &self.clusters {
            if !text.is_empty() {
                text.push_str(", ");
            }
            push_name(&mut text, name);
            let _ = write!(text, ";ok={};asked={}", coverage.ok, coverage.asked);
            for (count, word) in coverage.others().into_iter().filter(|part| part.0 > 0) {
                let _ = write!(text, ";{word}={count}");
            }
            if let Some(Leaves { asked, ok }) = coverage.leaves {
                let _ = write!(text, ";leaves_ok={ok};leaves={asked}");
            }
            if coverage.has_gap() && !has_gap {
                text.push_str(";enough");
            }
        }
        text
    }

    /// Reads the value of the header, in this form or in the one before it: `2 of 3 ok (1 not sent)`. `None` if it is
    /// neither.
    pub fn from_header(value: &str) -> Option<CoverageReport> {
        if let Some(coverage) = worded(value) {
            let (name, has_gap) = (Arc::from(UNNAMED), coverage.has_gap());
            return Some(CoverageReport {
                clusters: vec![ClusterCoverage { name, coverage, has_gap, missing: Vec::new() }],
            });
        }
        let list: List = Parser::new(value).parse().ok()?;
        let mut report = CoverageReport::default();
        for entry in list {
            report.add(read(&entry)?);
        }
        (!report.is_empty()).then_some(report)
    }
}

/// A Token as it is, anything else as a String; a String holds ASCII alone, so other text is a Display String.
fn push_name(text: &mut String, name: &str) {
    if TokenRef::from_str(name).is_ok() {
        text.push_str(name);
        return;
    }
    let item = StringRef::from_str(name).map_or(RefBareItem::DisplayString(name), RefBareItem::String);
    text.push_str(&ItemSerializer::new().bare_item(item).finish());
}

fn read(entry: &ListEntry) -> Option<ClusterCoverage> {
    let ListEntry::Item(Item { bare_item, params }) = entry else { return None };
    let name = match bare_item {
        BareItem::Token(name) => name.as_str(),
        BareItem::String(name) => name.as_str(),
        BareItem::DisplayString(name) => name,
        _ => return None,
    };
    let count = |key: &str| match params.get(key) {
        None => Some(None),
        Some(BareItem::Integer(count)) => usize::try_from(i64::from(*count)).ok().map(Some),
        Some(_) => None,
    };
    let is_enough = matches!(params.get("enough"), Some(BareItem::Boolean(true)));
    super::body::checked(super::body::shortened(name), super::body::counts(count)?, is_enough, Vec::new())
}

/// `2 of 3 ok (1 failed, 1 timed out)`, the form of version 0.1.
pub(super) fn worded(text: &str) -> Option<Coverage> {
    let (counts, rest) = match text.trim().split_once(" (") {
        Some((counts, rest)) => (counts, rest.strip_suffix(')')?),
        None => (text.trim(), ""),
    };
    let (ok, asked) = counts.strip_suffix(" ok")?.split_once(" of ")?;
    let count = |text: &str| text.parse::<usize>().ok().map(|count| count.min(LARGEST));
    let mut coverage = Coverage { ok: count(ok)?, asked: count(asked)?, ..Coverage::default() };
    for part in rest.split(", ").filter(|part| !part.is_empty()) {
        let (number, word) = part.split_once(' ')?;
        *match word {
            "failed" => &mut coverage.failed,
            "timed out" => &mut coverage.timed_out,
            "cancelled" => &mut coverage.cancelled,
            "not sent" => &mut coverage.not_sent,
            _ => return None,
        } = count(number)?;
    }
    (coverage.ok <= coverage.asked).then_some(coverage)
}
