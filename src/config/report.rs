//! All problems of a conf, in the form an operator reads: file, line, column, the line itself with a caret, and a help
//! text.
//!
//! A report contains no secret: it keeps the masked text, never that of the file.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};

use super::certification::TlsSettings;
use super::source::ConfText;

/// Whether a conf can be served despite a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The conf is refused.
    Error,
    /// The conf is served; the operator should know.
    Warning,
}

/// One problem of a conf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The bytes of the file it refers to; `None` for the whole file.
    pub span: Option<Range<usize>>,
    /// Whether it prevents the start.
    pub severity: Severity,
    /// The problem, with the name of the thing.
    pub message: String,
    /// The text at the caret; may be empty.
    pub label: String,
    /// How to fix it.
    pub help: Option<String>,
}

impl Problem {
    /// A problem that prevents the start.
    pub(crate) fn error(span: Range<usize>, message: impl Into<String>) -> Problem {
        let message = message.into();
        Problem { span: Some(span), severity: Severity::Error, message, label: String::new(), help: None }
    }

    /// A problem that does not prevent the start.
    pub(crate) fn warning(span: Range<usize>, message: impl Into<String>) -> Problem {
        Problem { severity: Severity::Warning, ..Problem::error(span, message) }
    }

    pub(crate) fn whole_file(self) -> Problem {
        Problem { span: None, ..self }
    }

    pub(crate) fn label(self, label: impl Into<String>) -> Problem {
        Problem { label: label.into(), ..self }
    }

    pub(crate) fn help(self, help: impl Into<String>) -> Problem {
        Problem { help: Some(help.into()), ..self }
    }

    /// Adds a help text if there is one.
    pub(crate) fn maybe_help(self, help: Option<String>) -> Problem {
        Problem { help: help.or(self.help), ..self }
    }
}

/// All problems of one conf, in the order of the file.
#[derive(Clone, PartialEq, Eq)]
pub struct Report {
    source: Arc<ConfText>,
    problems: Vec<Problem>,
    certificates: CertificateFiles,
}

/// The files of certificates that a conf names, though it may have errors, each with its place. What is in them is not
/// judged here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CertificateFiles {
    pub(super) settings: Option<TlsSettings>,
    pub(super) places: Vec<(&'static str, PathBuf, Range<usize>)>,
}

impl Report {
    pub(crate) fn new(source: Arc<ConfText>, mut problems: Vec<Problem>) -> Report {
        problems.sort_by_key(|problem| problem.span.as_ref().map(|span| (span.start, span.end)));
        // Two readers may report the same problem of a line.
        problems.dedup();
        Report { source, problems, certificates: CertificateFiles::default() }
    }

    pub(super) fn with_certificates(self, certificates: CertificateFiles) -> Report {
        Report { certificates, ..self }
    }

    /// What the conf says of TLS, as far as it can be read.
    pub(crate) fn tls(&self) -> Option<&TlsSettings> {
        self.certificates.settings.as_ref()
    }

    /// The same with an error for each of these files: the key that names it, its path, and the text.
    pub(crate) fn with_files(mut self, problems: impl IntoIterator<Item = (&'static str, PathBuf, String)>) -> Report {
        for (key, path, message) in problems {
            let places = || self.certificates.places.iter().filter(|(_, known, _)| *known == path);
            // A key may be in `certfile`, and a certificate's chain in `cafile`.
            let place = places().find(|(of, ..)| *of == key).or_else(|| places().next());
            let problem = Problem::error(place.map_or(0..0, |(.., span)| span.clone()), message);
            self.problems.push(if place.is_some() { problem } else { problem.whole_file() });
        }
        Report::new(self.source, self.problems).with_certificates(self.certificates)
    }

    /// Whether there are no problems.
    pub fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// The problems that prevent the start.
    pub fn errors(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().filter(|problem| problem.severity == Severity::Error)
    }

    /// The problems that do not prevent the start.
    pub fn warnings(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().filter(|problem| problem.severity == Severity::Warning)
    }

    /// Whether any problem prevents the start.
    pub fn has_errors(&self) -> bool {
        self.errors().next().is_some()
    }

    /// The report as text, in colour for a terminal.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let mut text = String::new();
        for problem in &self.problems {
            text.push_str(self.render_one(problem, &renderer).trim_end());
            text.push_str("\n\n");
        }
        if !self.is_empty() {
            text.push_str(&self.count());
        }
        text
    }

    fn render_one(&self, problem: &Problem, renderer: &Renderer) -> String {
        let level = match problem.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(problem.message.as_str());
        let place = problem.span.as_ref().map(|span| self.source.place(span));
        let mut group = match &place {
            Some(place) => {
                let caret = AnnotationKind::Primary.span(place.caret.clone());
                let caret = if problem.label.is_empty() { caret } else { caret.label(problem.label.as_str()) };
                let snippet = Snippet::source(place.excerpt).path(self.source.name()).line_start(place.line);
                title.element(snippet.fold(false).annotation(caret))
            }
            None => title.element(Origin::path(self.source.name())),
        };
        if let Some(help) = &problem.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        let text = renderer.render(&[group]);
        match &place {
            // The renderer counts columns in the masked text; an editor counts them in the file.
            Some(place) if place.shown_column != place.column => {
                let at = |column| format!("{}:{}:{column}", self.source.name(), place.line);
                text.replacen(&at(place.shown_column), &at(place.column), 1)
            }
            _ => text,
        }
    }

    /// `2 errors and 1 warning in site.conf`.
    fn count(&self) -> String {
        let (errors, warnings) = (self.errors().count(), self.warnings().count());
        let some = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
        let found = match (errors, warnings) {
            (0, _) => some(warnings, "warning"),
            (_, 0) => some(errors, "error"),
            _ => format!("{} and {}", some(errors, "error"), some(warnings, "warning")),
        };
        format!("{found} in {}\n", self.source.name())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Report").field("file", &self.source.name()).field("problems", &self.problems).finish()
    }
}

impl std::error::Error for Report {}
