//! The two text formats of Prometheus: the classic one, version 0.0.4, and OpenMetrics 1.0.0.
//!
//! Both have the same series, so that who changes from one to the other goes on with what he has: of counters the names
//! end in `_total`, and the bounds of histograms are written alike.

use std::collections::HashMap;
use std::fmt::Write as _;

use skitai_actors::kit::{BOUNDS, UNBOUNDED};
use skitai_wire::Value;

use super::families::{self, Family, FamilyKind};

/// The most lines of samples. Of a series that has no room nothing is shown: half a histogram would be read wrongly.
const MOST: usize = 50_000;
/// Lines of one histogram: its buckets, count and sum.
const OF_HISTOGRAM: usize = BOUNDS.len() + 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Classic,
    OpenMetrics,
}

impl Format {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Format::Classic => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// What a series shows.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Sample {
    Number(i64),
    /// The counts of its buckets, each without those before it, and the sum in microseconds.
    Histogram(Box<[i64; BOUNDS.len() + 1]>, i64),
}

impl Sample {
    /// A histogram of the status: `buckets` and `total_us`.
    pub(super) fn histogram(told: &Value) -> Sample {
        let number = |value: &Value| value.as_i64().unwrap_or(0);
        let mut counts = Box::new([0; BOUNDS.len() + 1]);
        let names = BOUNDS.iter().map(|(_, name)| *name).chain([UNBOUNDED]);
        counts.iter_mut().zip(names).for_each(|(count, name)| *count = number(&told["buckets"][name]));
        Sample::Histogram(counts, number(&told["total_us"]))
    }

    fn add(&mut self, more: &Sample) {
        match (self, more) {
            (Sample::Number(number), Sample::Number(more)) => *number += more,
            (Sample::Histogram(counts, total), Sample::Histogram(more, more_total)) => {
                counts.iter_mut().zip(more.iter()).for_each(|(count, more)| *count += more);
                *total += more_total;
            }
            _ => {}
        }
    }
}

/// The series of one family: the values of its labels, in their order, and what each shows.
pub(super) type Series = Vec<(Vec<String>, Sample)>;

/// A text that is written.
pub(super) struct Exposition {
    format: Format,
    text: String,
    room: usize,
    omitted: i64,
}

impl Exposition {
    pub(super) fn new(format: Format) -> Exposition {
        Exposition { format, text: String::with_capacity(32 * 1024), room: MOST, omitted: 0 }
    }

    /// Writes a family. Series with the same labels, which must not be there twice, are added up.
    pub(super) fn family(&mut self, family: &Family, series: Series) {
        let mut order: Series = Vec::with_capacity(series.len());
        let mut places = HashMap::new();
        for (labels, sample) in series {
            match places.get(&labels) {
                Some(&at) => {
                    let (_, known): &mut (Vec<String>, Sample) = &mut order[at];
                    known.add(&sample);
                }
                None => {
                    places.insert(labels.clone(), order.len());
                    order.push((labels, sample));
                }
            }
        }
        if !order.is_empty() {
            self.head(family);
        }
        for (labels, sample) in order {
            let lines = if let Sample::Number(_) = sample { 1 } else { OF_HISTOGRAM };
            match self.room.checked_sub(lines) {
                Some(room) => self.room = room,
                None => {
                    self.omitted += 1;
                    continue;
                }
            }
            self.sample(family, &labels, &sample);
        }
    }

    fn head(&mut self, family: &Family) {
        let Family { name, kind, help, .. } = *family;
        let (of_head, word) = match (self.format, kind) {
            (Format::Classic, FamilyKind::Counter) => (format!("{name}_total"), "counter"),
            (Format::Classic, FamilyKind::Info) => (format!("{name}_info"), "gauge"),
            (Format::OpenMetrics, FamilyKind::Info) => (name.to_owned(), "info"),
            (_, FamilyKind::Counter) => (name.to_owned(), "counter"),
            (_, FamilyKind::Gauge) => (name.to_owned(), "gauge"),
            (_, FamilyKind::Histogram) => (name.to_owned(), "histogram"),
        };
        let _ = writeln!(self.text, "# HELP {of_head} {}", escaped(help, self.format == Format::OpenMetrics));
        let _ = writeln!(self.text, "# TYPE {of_head} {word}");
        if let (Format::OpenMetrics, Some(unit)) = (self.format, family.unit()) {
            let _ = writeln!(self.text, "# UNIT {of_head} {unit}");
        }
    }

    fn sample(&mut self, family: &Family, values: &[String], sample: &Sample) {
        let Family { name, kind, labels, .. } = *family;
        let told: Vec<String> =
            labels.iter().zip(values).map(|(label, value)| format!("{label}=\"{}\"", escaped(value, true))).collect();
        let told = told.join(",");
        let braced = if told.is_empty() { String::new() } else { format!("{{{told}}}") };
        match sample {
            Sample::Number(number) => {
                let end = match kind {
                    FamilyKind::Counter => "_total",
                    FamilyKind::Info => "_info",
                    FamilyKind::Gauge | FamilyKind::Histogram => "",
                };
                let _ = writeln!(self.text, "{name}{end}{braced} {number}");
            }
            Sample::Histogram(counts, total) => {
                let mut sum = 0;
                let names = BOUNDS.iter().map(|(_, name)| *name).chain([UNBOUNDED]);
                let comma = if told.is_empty() { "" } else { "," };
                for (count, bound) in counts.iter().zip(names) {
                    sum += count;
                    let _ = writeln!(self.text, "{name}_bucket{{{told}{comma}le=\"{bound}\"}} {sum}");
                }
                let _ = writeln!(self.text, "{name}_count{braced} {sum}");
                let _ = writeln!(self.text, "{name}_sum{braced} {}.{:06}", total / 1_000_000, total % 1_000_000);
            }
        }
    }

    /// The whole text.
    pub(super) fn end(mut self) -> String {
        self.room = self.room.max(1);
        let omitted = self.omitted;
        self.family(&families::OMITTED, vec![(Vec::new(), Sample::Number(omitted))]);
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }
}

/// A text for one line. Within quotes, where a quote ends it, it is escaped, too.
fn escaped(text: &str, has_quotes: bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' => escaped.push_str("\\\\"),
            '\n' => escaped.push_str("\\n"),
            '"' if has_quotes => escaped.push_str("\\\""),
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALLS: Family =
        Family { name: "x_calls", kind: FamilyKind::Counter, help: "Calls \\ \"made\"\nso far.", labels: &["a", "b"] };
    const TOOK: Family = Family { name: "x_took_seconds", kind: FamilyKind::Histogram, help: "Time.", labels: &["a"] };
    const BUILD: Family = Family { name: "x_build", kind: FamilyKind::Info, help: "This.", labels: &["version"] };

    fn text(format: Format) -> String {
        let mut text = Exposition::new(format);
        let labels = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let odd = labels(&["a \"quoted\" \\ word", "two\nlines"]);
        text.family(&CALLS, vec![(odd.clone(), Sample::Number(3)), (odd, Sample::Number(4))]);
        let told = [("total_us", Value::Int(2_000_050)), ("buckets", Value::from_pairs([("0.001", Value::Int(2))]))];
        text.family(&TOOK, vec![(labels(&["x"]), Sample::histogram(&Value::from_pairs(told)))]);
        text.family(&BUILD, vec![(labels(&["1.2"]), Sample::Number(1))]);
        text.family(&families::OMITTED, Vec::new());
        text.end()
    }

    #[test]
    fn labels_are_escaped_and_equal_ones_are_one_series() {
        let line = "x_calls_total{a=\"a \\\"quoted\\\" \\\\ word\",b=\"two\\nlines\"} 7\n";
        for format in [Format::Classic, Format::OpenMetrics] {
            assert!(text(format).contains(line), "{}", text(format));
        }
    }

    #[test]
    fn each_format_has_its_own_heads_and_the_same_series() {
        let (classic, openmetrics) = (text(Format::Classic), text(Format::OpenMetrics));
        let samples = |text: &str| text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
        let (of_classic, of_openmetrics): (Vec<_>, Vec<_>) = (samples(&classic), samples(&openmetrics));
        assert_eq!(of_classic, of_openmetrics);
        assert!(
            classic.starts_with("# HELP x_calls_total Calls \\\\ \"made\"\\nso far.\n# TYPE x_calls_total counter\n")
        );
        assert!(openmetrics.starts_with("# HELP x_calls Calls \\\\ \\\"made\\\"\\nso far.\n# TYPE x_calls counter\n"));
        assert!(classic.contains("# TYPE x_build_info gauge\nx_build_info{version=\"1.2\"} 1\n"), "{classic}");
        assert!(openmetrics.contains("# TYPE x_build info\nx_build_info{version=\"1.2\"} 1\n"), "{openmetrics}");
        assert!(openmetrics.contains("# UNIT x_took_seconds seconds\n") && openmetrics.ends_with("\n# EOF\n"));
        assert!(!classic.contains("UNIT") && !classic.contains("EOF"));
        assert!(classic.ends_with("skitai_metrics_omitted_series 0\n"), "{classic}");
    }

    #[test]
    fn buckets_are_cumulative_and_end_with_all() {
        let text = text(Format::Classic);
        for line in [
            "x_took_seconds_bucket{a=\"x\",le=\"0.0005\"} 0\n",
            "x_took_seconds_bucket{a=\"x\",le=\"0.001\"} 2\n",
            "x_took_seconds_bucket{a=\"x\",le=\"+Inf\"} 2\n",
            "x_took_seconds_count{a=\"x\"} 2\n",
            "x_took_seconds_sum{a=\"x\"} 2.000050\n",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
    }

    #[test]
    fn what_has_no_room_is_left_out_whole_and_counted() {
        let mut text = Exposition::new(Format::Classic);
        text.room = OF_HISTOGRAM + 1;
        let histogram = Sample::histogram(&Value::Nil);
        text.family(&TOOK, (0..3).map(|nth| (vec![nth.to_string()], histogram.clone())).collect());
        text.family(&CALLS, (0..3).map(|nth| (vec![nth.to_string(), String::new()], Sample::Number(nth))).collect());
        let text = text.end();
        assert_eq!(text.matches("x_took_seconds_count").count(), 1, "{text}");
        assert_eq!(text.matches("x_calls_total{").count(), 1, "{text}");
        assert!(text.ends_with("skitai_metrics_omitted_series 4\n"), "{text}");
    }
}
