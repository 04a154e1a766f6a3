//! An error in a template: its place, the text around it, and a suggestion.

use crate::app::error::excerpt::Excerpt;
use crate::config::spelling::nearest;

/// A template could not be loaded or rendered. Its text is one line: template, line and column if known, the problem,
/// and a suggestion if a known word is close.
#[derive(Clone, Debug)]
pub struct TemplateError {
    message: String,
    place: Option<Box<Excerpt>>,
    suggestion: Option<String>,
}

impl std::fmt::Display for TemplateError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(Excerpt { file, line, column, .. }) = self.place() {
            write!(f, "{file}:{line}:{column}: ")?;
        }
        f.write_str(&self.message)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, "; did you mean `{suggestion}`?"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for TemplateError {}

impl TemplateError {
    pub(crate) fn new(message: impl Into<String>) -> TemplateError {
        TemplateError { message: message.into(), place: None, suggestion: None }
    }

    /// Converts an error of the engine. `text_of` returns the displayed name and the text of a template; `names` are
    /// the names of all templates.
    pub(crate) fn of(
        error: &tera::Error,
        text_of: impl Fn(&str) -> Option<(String, String)>,
        names: &[String],
    ) -> TemplateError {
        let mut text = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        // The engine gives the place only in its report: `error: MESSAGE`, then `--> TEMPLATE:LINE:COLUMN`.
        let report = text.find("error: ").map_or("", |at| &text[at + "error: ".len()..]);
        let located = report.split_once("\n").and_then(|(message, rest)| {
            let place = rest.trim_start().strip_prefix("--> ")?.lines().next()?;
            let (place, column) = place.rsplit_once(':')?;
            let (template, line) = place.rsplit_once(':')?;
            Some((message.to_owned(), template, line.parse().ok()?, column.parse().ok()?))
        });
        let (message, place) = match located {
            Some((message, template, line, column)) => {
                let (shown, text) = text_of(template).unwrap_or_else(|| (template.to_owned(), String::new()));
                (message, Some(Box::new(Excerpt::of(&shown, &text, line, column))))
            }
            None => (text.lines().next().unwrap_or("").to_owned(), None),
        };
        let word = |text: &Excerpt| text.lines.iter().find(|line| line.0 == text.line).map(|line| line.1.clone());
        let line = place.as_deref().and_then(word);
        let suggestion = suggestion(&message, line.as_deref(), names);
        TemplateError { message, place, suggestion }
    }

    /// The place of the error, with the text around it.
    pub(crate) fn place(&self) -> Option<&Excerpt> {
        self.place.as_deref()
    }
}

/// The tags and filters of the template language; its engine offers no list of them.
const TAGS: &str = "if elif else endif for endfor block endblock extends include set set_global endset raw endraw filter \
                    endfilter component endcomponent break continue";
const FILTERS: &str = "safe default upper lower wordcount escape_html escape_xml newlines_to_br pluralize trim trim_start \
                       trim_end replace capitalize title truncate indent str int float length reverse split abs round \
                       first last nth join sort unique get values keys pairs group_by";
const TESTS: &str = "string number map bool array integer float none iterable defined undefined odd even divisible_by \
                     starting_with ending_with containing";

/// The known word nearest to the word that a message complains about.
fn suggestion(message: &str, line: Option<&str>, names: &[String]) -> Option<String> {
    let wrong = message.split(['`', '\'']).nth(1);
    let listed = |what: &str| message.split_once(what).map(|(_, list)| list.split(", ").collect::<Vec<_>>());
    let found = if message.starts_with("Unknown tag") {
        let tag = line?.split("{%").nth(1)?.trim_start_matches('-').split_whitespace().next()?;
        nearest(tag, TAGS.split_whitespace())
    } else if message.starts_with("Unknown filter") {
        nearest(wrong?, FILTERS.split_whitespace())
    } else if message.starts_with("Unknown test") {
        nearest(wrong?, TESTS.split_whitespace())
    } else if let Some(known) = listed("Available variables: ").or_else(|| listed("Available fields: ")) {
        nearest(wrong?, known)
    } else if message.starts_with("Template ") || message.starts_with("Unknown template") {
        let wrong = message.split("inheriting from '").nth(1).and_then(|rest| rest.split('\'').next()).or(wrong)?;
        nearest(wrong, names.iter().map(String::as_str).filter(|name| *name != wrong))
    } else {
        None
    };
    found.map(str::to_owned)
}
