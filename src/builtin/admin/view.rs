//! What a reader wants to see, as the address says it: so that a view can be sent to somebody else.
//!
//! `?filter=cluster:mysearch` picks a part, as for programs; `?sort=routes:p95` orders a table, with `:ascending` or
//! `:descending` behind it the other way; `?q=word` leaves the rows that have a word; `?refresh=5` loads the page anew.

use percent_encoding::utf8_percent_encode;

use super::sections::TABLES;
use super::table::ColumnSpec;
use crate::app::routing::pattern::UNRESERVED_ALONE;
use crate::prelude::*;

/// The longest word of an address, in characters.
const LONGEST: usize = 200;
/// The most tables that one address sorts.
const SORTS: usize = 8;
/// The longest time after which a page is loaded anew, in seconds.
const LONGEST_REFRESH: u64 = 3_600;

/// A view of the status.
#[derive(Clone, Debug, Default)]
pub(super) struct PageView {
    pub(super) filter: Option<String>,
    sorts: Vec<TableSort>,
    /// As it was written, and in small letters.
    search: Option<(String, String)>,
    pub(super) refresh: Option<u64>,
}

/// A table, and the column by which it is sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct TableSort {
    table: &'static str,
    column: &'static str,
    order: SortOrder,
    /// How the column is sorted if nothing is said: of numbers the largest first.
    usual: SortOrder,
}

/// Which way a table is sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SortOrder {
    Ascending,
    Descending,
}

impl SortOrder {
    /// The order of a column if nothing is said: what is most matters of numbers, and of names the first.
    pub(super) fn usual(is_number: bool) -> SortOrder {
        if is_number { SortOrder::Descending } else { SortOrder::Ascending }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            SortOrder::Ascending => "ascending",
            SortOrder::Descending => "descending",
        }
    }

    pub(super) fn other(self) -> SortOrder {
        match self {
            SortOrder::Ascending => SortOrder::Descending,
            SortOrder::Descending => SortOrder::Ascending,
        }
    }
}

impl PageView {
    /// Reads the words of an address.
    ///
    /// # Errors
    /// A 400 that says which word means nothing, and what there is.
    pub(super) fn read(
        filter: Option<String>,
        sort: &[String],
        q: Option<String>,
        refresh: Option<&str>,
    ) -> Result<PageView> {
        let search = q.map(|word| (word.trim().to_lowercase(), word)).filter(|(small, _)| !small.is_empty());
        let filter = filter.filter(|filter| !filter.trim().is_empty());
        for (name, word) in [("filter", filter.as_ref()), ("q", search.as_ref().map(|(_, word)| word))] {
            if word.is_some_and(|word| word.chars().count() > LONGEST) {
                return Err(Error::new(400, format!("`{name}` has more than {LONGEST} characters")));
            }
        }
        let sorts = sort.iter().flat_map(|sorts| sorts.split(',')).map(str::trim).filter(|sort| !sort.is_empty());
        let sorts = sorts.map(TableSort::read).collect::<Result<Vec<_>>>()?;
        if sorts.len() > SORTS {
            return Err(Error::new(400, format!("`sort` names more than {SORTS} tables")));
        }
        let refresh = match refresh.map(str::trim).filter(|text| !text.is_empty()) {
            None => None,
            Some(text) => {
                Some(text.parse().ok().filter(|every| (1..=LONGEST_REFRESH).contains(every)).ok_or_else(|| {
                    Error::new(400, format!("`refresh` is a number of seconds from 1 to {LONGEST_REFRESH}"))
                })?)
            }
        };
        Ok(PageView { filter, sorts, search: search.map(|(small, word)| (word, small)), refresh })
    }

    #[cfg(test)]
    pub(super) fn of(query: &[(&str, &str)]) -> PageView {
        let one = |name: &str| query.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        let sorts: Vec<String> = one("sort").into_iter().collect();
        PageView::read(one("filter"), &sorts, one("q"), one("refresh").as_deref()).expect("a view")
    }

    /// The searched word, in small letters.
    pub(super) fn word(&self) -> Option<&str> {
        self.search.as_ref().map(|(_, small)| small.as_str())
    }

    /// The same as it was written.
    pub(super) fn search(&self) -> Option<&str> {
        self.search.as_ref().map(|(word, _)| word.as_str())
    }

    /// By which column a table is sorted, and how.
    pub(super) fn sort_of(&self, table: &str) -> Option<(&'static str, SortOrder)> {
        self.sorts.iter().find(|sort| sort.table == table).map(|sort| (sort.column, sort.order))
    }

    /// The words of `sort`, if there are any.
    pub(super) fn sorts(&self) -> Option<String> {
        let words: Vec<String> = self.sorts.iter().map(|sort| sort.words()).collect();
        (!words.is_empty()).then(|| words.join(","))
    }

    /// Where the page shows this part instead, with all else as it is.
    pub(super) fn filtered_address(&self, filter: &str) -> String {
        let view = PageView { filter: Some(filter.to_owned()), search: None, ..self.clone() };
        view.address()
    }

    /// Where the whole page is.
    pub(super) fn whole_address(&self) -> String {
        PageView { filter: None, search: None, ..self.clone() }.address()
    }

    /// Where all rows of this view are.
    pub(super) fn unsearched_address(&self) -> String {
        PageView { search: None, ..self.clone() }.address()
    }

    /// Where a table is sorted by this column instead.
    pub(super) fn sorted_address(
        &self,
        table: &'static str,
        column: &'static str,
        order: SortOrder,
        usual: SortOrder,
    ) -> String {
        let mut sorts: Vec<TableSort> = self.sorts.iter().filter(|sort| sort.table != table).copied().collect();
        sorts.push(TableSort { table, column, order, usual });
        sorts.drain(..sorts.len().saturating_sub(SORTS));
        PageView { sorts, ..self.clone() }.address()
    }

    /// This view's own address.
    pub(super) fn address(&self) -> String {
        let refresh = self.refresh.map(|every| every.to_string());
        let words = [
            ("filter", self.filter.clone()),
            ("q", self.search().map(str::to_owned)),
            ("sort", self.sorts()),
            ("refresh", refresh),
        ];
        let mut address = "/status".to_owned();
        for (at, (name, word)) in words.into_iter().filter_map(|(name, word)| Some((name, word?))).enumerate() {
            address.push(if at == 0 { '?' } else { '&' });
            address.push_str(name);
            address.push('=');
            address.extend(utf8_percent_encode(&word, UNRESERVED_ALONE));
        }
        address
    }
}

impl TableSort {
    /// Reads `routes:p95` or `routes:p95:ascending`.
    fn read(text: &str) -> Result<TableSort> {
        let mut words = text.split(':').map(str::trim);
        let (table, column, order) = (words.next().unwrap_or_default(), words.next().unwrap_or_default(), words.next());
        let spec = TABLES.iter().find(|spec| spec.id == table).ok_or_else(|| {
            let known: Vec<&str> = TABLES.iter().map(|spec| spec.id).collect();
            Error::new(400, format!("`sort`: there is no table {table:?}; there are {}", known.join(", ")))
        })?;
        let found = spec.columns.iter().find(|ColumnSpec(word, ..)| *word == column).ok_or_else(|| {
            let known: Vec<&str> = spec.columns.iter().map(|ColumnSpec(word, ..)| *word).collect();
            Error::new(400, format!("`sort`: {table} has no column {column:?}; it has {}", known.join(", ")))
        })?;
        let ColumnSpec(column, _, is_number) = *found;
        let usual = SortOrder::usual(is_number);
        let order = match (order, words.next()) {
            (None, None) => usual,
            (Some("ascending"), None) => SortOrder::Ascending,
            (Some("descending"), None) => SortOrder::Descending,
            _ => return Err(Error::new(400, "`sort` is `TABLE:COLUMN`, with `:ascending` or `:descending` behind it")),
        };
        Ok(TableSort { table: spec.id, column, order, usual })
    }

    fn words(&self) -> String {
        let TableSort { table, column, order, usual } = self;
        if order == usual { format!("{table}:{column}") } else { format!("{table}:{column}:{}", order.word()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_leads_back_to_its_view() {
        let view =
            PageView::of(&[("filter", "cluster:a b"), ("q", "Ä&"), ("sort", "routes:p95,actors:name:descending")]);
        let address = "/status?filter=cluster%3Aa%20b&q=%C3%84%26&sort=routes%3Ap95%2Cactors%3Aname%3Adescending";
        assert_eq!(view.address(), address);
        assert_eq!((view.word(), view.sort_of("routes")), (Some("ä&"), Some(("p95", SortOrder::Descending))));
        let other = view.sorted_address("routes", "route", SortOrder::Ascending, SortOrder::Ascending);
        assert!(other.ends_with("&sort=actors%3Aname%3Adescending%2Croutes%3Aroute"), "{other}");
        assert_eq!(PageView::of(&[("filter", " "), ("q", "")]).address(), "/status");
        assert_eq!(view.whole_address(), "/status?sort=routes%3Ap95%2Cactors%3Aname%3Adescending");
    }

    #[test]
    fn what_means_nothing_is_said_with_what_there_is() {
        let read = |sort: &str, refresh: &str, q: &str| {
            let refused = PageView::read(None, &[sort.to_owned()], Some(q.to_owned()), Some(refresh));
            refused.map(|view| view.address()).map_err(|error| (error.status(), error.to_string()))
        };
        assert_eq!(read("", "5", ""), Ok("/status?refresh=5".to_owned()));
        let long = "x".repeat(LONGEST + 1);
        let many = ["routes:p95"; SORTS + 1].join(",");
        for (sort, refresh, q, said) in [
            ("doors:p95", "", "", "there are processes, refused, routes, "),
            ("routes:weight", "", "", "it has route, "),
            ("routes", "", "", "no column \"\""),
            ("routes:p95:up", "", "", "`:ascending`"),
            ("routes:p95:ascending:x", "", "", "`:ascending`"),
            (&many, "", "", "more than 8"),
            ("", "0", "", "from 1 to 3600"),
            ("", "soon", "", "from 1 to 3600"),
            ("", "", &long, "`q` has more than 200"),
        ] {
            let (status, text) = read(sort, refresh, q).expect_err(said);
            assert!(status == 400 && text.contains(said), "{text}");
        }
    }
}
