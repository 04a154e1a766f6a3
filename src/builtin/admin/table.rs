//! What the page is made of: sections with facts and tables, whose cells are texts. Templates draw them, and know
//! nothing of the status.

use std::cmp::Ordering;

use serde::Serialize;

use super::acts::ActLink;
use super::view::{PageView, SortOrder};
use super::words;

/// A part of the page with a heading.
#[derive(Debug, Default, Serialize)]
pub(super) struct PageSection {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    /// What stands below the heading.
    pub(super) lead: Option<String>,
    pub(super) facts: Vec<PageFact>,
    pub(super) tables: Vec<PageTable>,
}

/// One figure with its name.
#[derive(Debug, Serialize)]
pub(super) struct PageFact {
    label: &'static str,
    cell: PageCell,
}

/// A table whose rows may be sorted and searched.
#[derive(Debug, Serialize)]
pub(super) struct PageTable {
    id: String,
    caption: String,
    columns: Vec<PageColumn>,
    rows: Vec<PageRow>,
    /// What stands below, with where it leads.
    pub(super) more: Option<PageCell>,
}

/// What a table shows, in the order of its columns: known beforehand, so that an address can name them.
#[derive(Debug)]
pub(super) struct TableSpec {
    pub(super) id: &'static str,
    pub(super) columns: &'static [ColumnSpec],
}

/// A column's word in an address, its heading, and whether numbers stand in it.
#[derive(Debug)]
pub(super) struct ColumnSpec(pub(super) &'static str, pub(super) &'static str, pub(super) bool);

#[derive(Debug, Serialize)]
struct PageColumn {
    label: &'static str,
    is_number: bool,
    /// Where the page is sorted by this column.
    link: String,
    /// `ascending` or `descending`, if the table is.
    sorted: Option<&'static str>,
}

/// A row, by a name of its own: live updates find it again.
#[derive(Debug, Serialize)]
pub(super) struct PageRow {
    id: String,
    cells: Vec<PageCell>,
}

/// A text and how it is shown.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct PageCell {
    /// The heading of its column, for narrow pages, and whether numbers stand in it.
    label: &'static str,
    is_number: bool,
    text: String,
    /// More of it, smaller.
    note: Option<String>,
    link: Option<String>,
    /// What an operator may do about it.
    acts: Vec<ActLink>,
    /// `good`, `bad`, `warn` or `idle`: each has a sign beside its colour.
    mark: Option<&'static str>,
    is_code: bool,
    /// A share of 100, as a bar.
    bar: Option<u8>,
    spark: Option<Sparkline>,
    #[serde(skip)]
    key: SortKey,
}

/// What a cell is sorted by.
#[derive(Clone, Debug, Default, PartialEq)]
enum SortKey {
    #[default]
    Text,
    Number(f64),
    /// Nothing is known; it stands behind the others.
    Unknown,
}

/// The last minutes as a line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Sparkline {
    /// Of an SVG of [`SPARK`] units.
    points: String,
    /// What it shows, for who does not see it.
    label: String,
}

/// Width and height of the drawing.
const SPARK: (f64, f64) = (120.0, 28.0);
/// The longest text of a cell: what is longer is in the JSON.
const LONGEST: usize = 160;
/// The same of a line of the log.
const LONGEST_LINE: usize = 1_000;

impl PageFact {
    pub(super) fn new(label: &'static str, cell: PageCell) -> PageFact {
        PageFact { label, cell }
    }
}

impl PageCell {
    pub(super) fn text(text: impl AsRef<str>) -> PageCell {
        PageCell { text: words::shortened(text.as_ref(), LONGEST), ..PageCell::default() }
    }

    pub(super) fn code(text: impl AsRef<str>) -> PageCell {
        PageCell { is_code: true, ..PageCell::text(text) }
    }

    /// A line of the log.
    pub(super) fn line(text: impl AsRef<str>) -> PageCell {
        PageCell { text: words::shortened(text.as_ref(), LONGEST_LINE), ..PageCell::default() }
    }

    /// A number in its own words.
    pub(super) fn of_number(number: f64, text: String) -> PageCell {
        PageCell { text, key: SortKey::Number(number), ..PageCell::default() }
    }

    pub(super) fn count(number: i64) -> PageCell {
        PageCell::of_number(number as f64, words::count(number))
    }

    /// Milliseconds, or nothing.
    pub(super) fn millis(millis: Option<f64>) -> PageCell {
        match millis {
            Some(millis) => PageCell::of_number(millis, words::millis(millis)),
            None => PageCell::unknown(),
        }
    }

    pub(super) fn bytes(number: i64) -> PageCell {
        PageCell::of_number(number as f64, words::bytes(number))
    }

    /// A moment in seconds since 1970.
    pub(super) fn moment(at: Option<i64>, now: i64) -> PageCell {
        match at {
            Some(at) => PageCell::of_number(at as f64, words::moment(at, now)),
            None => PageCell::unknown(),
        }
    }

    /// Nothing is known.
    pub(super) fn unknown() -> PageCell {
        PageCell { key: SortKey::Unknown, ..PageCell::default() }
    }

    #[must_use]
    pub(super) fn note(mut self, note: impl AsRef<str>) -> PageCell {
        self.note = Some(words::shortened(note.as_ref(), LONGEST)).filter(|note| !note.is_empty());
        self
    }

    #[must_use]
    pub(super) fn link(mut self, link: String) -> PageCell {
        self.link = Some(link);
        self
    }

    #[must_use]
    pub(super) fn acts(mut self, acts: Vec<ActLink>) -> PageCell {
        self.acts = acts;
        self
    }

    #[must_use]
    pub(super) fn mark(mut self, mark: &'static str) -> PageCell {
        self.mark = Some(mark);
        self
    }

    /// Marks what should be nothing, if it is something.
    #[must_use]
    pub(super) fn mark_if(self, mark: &'static str, is_so: bool) -> PageCell {
        if is_so { self.mark(mark) } else { self }
    }

    /// A bar of how much of a bound is used; none without a bound.
    #[must_use]
    pub(super) fn bar(mut self, part: i64, whole: i64) -> PageCell {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is from 0 to 100")]
        let share = |part: i64, whole: i64| (part as f64 / whole as f64 * 100.0).clamp(0.0, 100.0) as u8;
        self.bar = (whole > 0).then(|| share(part, whole));
        self
    }

    #[must_use]
    pub(super) fn spark(mut self, spark: Option<Sparkline>) -> PageCell {
        self.spark = spark;
        self
    }

    /// Whether nothing stands in it.
    fn is_empty(&self) -> bool {
        self.text.is_empty() && self.note.is_none()
    }

    /// Whether a searched word, in small letters, stands in it.
    fn has(&self, word: &str) -> bool {
        let mut texts = [Some(&self.text), self.note.as_ref()].into_iter().flatten();
        texts.any(|text| text.to_lowercase().contains(word))
    }

    fn order(&self, other: &PageCell) -> Ordering {
        match (&self.key, &other.key) {
            (SortKey::Number(one), SortKey::Number(other)) => one.total_cmp(other),
            _ => self.text.cmp(&other.text),
        }
    }
}

impl Sparkline {
    /// Draws figures from the oldest to the newest. `say` writes one in words.
    pub(super) fn of(what: &str, figures: &[f64], say: impl Fn(f64) -> String) -> Option<Sparkline> {
        let (last, most) = (*figures.last()?, figures.iter().copied().fold(0.0, f64::max));
        if figures.len() < 2 {
            return None;
        }
        let step = SPARK.0 / (figures.len() - 1) as f64;
        // Half a line's width is left free above and below.
        let height = |figure: f64| SPARK.1 - 1.5 - if most > 0.0 { figure / most * (SPARK.1 - 3.0) } else { 0.0 };
        let points =
            figures.iter().enumerate().map(|(at, figure)| format!("{:.0},{:.1}", at as f64 * step, height(*figure)));
        let label = format!("{what}, the last minutes: {} now, {} at most", say(last), say(most));
        Some(Sparkline { points: points.collect::<Vec<_>>().join(" "), label })
    }
}

impl PageRow {
    pub(super) fn new(id: impl Into<String>, cells: Vec<PageCell>) -> PageRow {
        PageRow { id: id.into(), cells }
    }
}

impl PageTable {
    /// A table with those of its rows that the reader searches, in the order that he wants.
    pub(super) fn new(
        spec: &'static TableSpec,
        caption: impl Into<String>,
        rows: Vec<PageRow>,
        view: &PageView,
    ) -> PageTable {
        PageTable::named(spec, spec.id.to_owned(), caption, rows, view)
    }

    /// The same of one of several tables of a kind.
    pub(super) fn named(
        spec: &'static TableSpec,
        id: String,
        caption: impl Into<String>,
        mut rows: Vec<PageRow>,
        view: &PageView,
    ) -> PageTable {
        debug_assert!(
            rows.iter().all(|row| row.cells.len() == spec.columns.len()),
            "{}: a cell for each column",
            spec.id
        );
        if let Some(word) = view.word() {
            rows.retain(|row| row.cells.iter().any(|cell| cell.has(word)));
        }
        let sort = view.sort_of(spec.id);
        if let Some((column, order)) = &sort
            && let Some(at) = spec.columns.iter().position(|ColumnSpec(word, ..)| word == column)
        {
            sort_rows(&mut rows, at, *order);
        }
        for (cell, ColumnSpec(_, label, is_number)) in
            rows.iter_mut().flat_map(|row| row.cells.iter_mut().zip(spec.columns))
        {
            (cell.label, cell.is_number) = (label, *is_number);
        }
        // A column of which nothing is known says nothing, unless it is what the reader asked for.
        let is_shown: Vec<bool> = (0..spec.columns.len())
            .map(|at| {
                let is_sorted = sort.as_ref().is_some_and(|(column, _)| *column == spec.columns[at].0);
                is_sorted || rows.is_empty() || rows.iter().any(|row| !row.cells[at].is_empty())
            })
            .collect();
        for row in &mut rows {
            let mut shown = is_shown.iter();
            row.cells.retain(|_| shown.next() == Some(&true));
        }
        let shown = spec.columns.iter().zip(&is_shown).filter(|(_, is_shown)| **is_shown).map(|(column, _)| column);
        let columns = shown.map(|ColumnSpec(word, label, is_number)| {
            let sorted = sort.as_ref().filter(|(column, _)| column == word).map(|(_, order)| *order);
            let usual = SortOrder::usual(*is_number);
            let next = sorted.map_or(usual, SortOrder::other);
            let link = view.sorted_address(spec.id, word, next, usual);
            PageColumn { label, is_number: *is_number, link, sorted: sorted.map(SortOrder::word) }
        });
        PageTable { id, caption: caption.into(), columns: columns.collect(), rows, more: None }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

fn sort_rows(rows: &mut [PageRow], at: usize, order: SortOrder) {
    rows.sort_by(|one, other| {
        let (one, other) = (&one.cells[at], &other.cells[at]);
        let is_unknown = |cell: &PageCell| cell.key == SortKey::Unknown;
        let ordered = match order {
            SortOrder::Ascending => one.order(other),
            SortOrder::Descending => other.order(one),
        };
        is_unknown(one).cmp(&is_unknown(other)).then(ordered)
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: TableSpec =
        TableSpec { id: "routes", columns: &[ColumnSpec("route", "Route", false), ColumnSpec("p95", "p95", true)] };

    fn names(query: &[(&str, &str)]) -> Vec<String> {
        let view = PageView::of(query);
        let row = |name: &str, p95| PageRow::new(name, vec![PageCell::code(name), PageCell::millis(p95)]);
        let rows = vec![row("/b", Some(9.0)), row("/C", None), row("/a", Some(10.0))];
        static SHOWN: TableSpec = SPEC;
        PageTable::new(&SHOWN, "", rows, &view).rows.into_iter().map(|row| row.id).collect()
    }

    #[test]
    fn rows_come_in_the_order_and_choice_of_the_address() {
        assert_eq!(names(&[]), ["/b", "/C", "/a"]);
        assert_eq!(names(&[("sort", "routes:p95")]), ["/a", "/b", "/C"], "numbers, the largest first");
        assert_eq!(names(&[("sort", "routes:p95:ascending")]), ["/b", "/a", "/C"], "what is unknown stays last");
        assert_eq!(names(&[("sort", "routes:route")]), ["/C", "/a", "/b"]);
        assert_eq!(names(&[("q", " c ")]), ["/C"], "in capitals or not");
        assert!(names(&[("q", "nothing like it")]).is_empty());
    }

    #[test]
    fn a_column_of_which_nothing_is_known_is_left_out() {
        static SHOWN: TableSpec = SPEC;
        let labels = |p95, sort| {
            let rows = vec![PageRow::new("/a", vec![PageCell::code("/a"), PageCell::millis(p95)])];
            let table = PageTable::new(&SHOWN, "", rows, &PageView::of(&[("sort", sort)]));
            (table.columns.iter().map(|column| column.label).collect::<Vec<_>>(), table.rows[0].cells.len())
        };
        assert_eq!(labels(Some(1.0), ""), (vec!["Route", "p95"], 2));
        assert_eq!(labels(None, ""), (vec!["Route"], 1));
        assert_eq!(labels(None, "routes:p95"), (vec!["Route", "p95"], 2), "it was asked for");
    }

    #[test]
    fn a_line_of_the_last_minutes_has_its_words() {
        let line = Sparkline::of("Requests a second", &[0.0, 4.0, 2.0], words::rate).expect("three figures");
        assert_eq!(line.points, "0,26.5 60,1.5 120,14.0");
        assert_eq!(line.label, "Requests a second, the last minutes: 2.0 now, 4.0 at most");
        assert!(Sparkline::of("x", &[1.0], words::rate).is_none(), "a point is no line");
        assert_eq!(Sparkline::of("x", &[0.0, 0.0], words::rate).expect("two").points, "0,26.5 120,26.5");
    }
}
