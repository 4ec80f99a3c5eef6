//! [`typeset`]: from what was measured to the report, as a PDF and as one HTML page.
//!
//! Both are made by typst of the same text, `report/text`, which is given the facts
//! ([`Facts`]) as a JSON file of its own and the figures ([`figures`]) as SVG: a number that is
//! in the text is looked up there when it is typeset. What the text claims it asks `claim` to
//! check (`facts.typ`); a claim that the data contradict is an error that names it.

use typst::diag::SourceDiagnostic;
use typst::foundations::Output;
use typst::syntax::DiagSpan;
use typst::{World, WorldExt};
use typst_as_lib::TypstEngine;
use typst_as_lib::typst_kit_options::TypstKitFontOptions;
use typst_html::{HtmlDocument, HtmlOptions};
use typst_layout::PagedDocument;

use crate::facts::Facts;
use crate::figures::{self, Figure};

/// The text, by file.
const TEXTS: [(&str, &str); 12] = [
    ("report.typ", include_str!("../text/report.typ")),
    ("style.typ", include_str!("../text/style.typ")),
    ("facts.typ", include_str!("../text/facts.typ")),
    ("drawings.typ", include_str!("../text/drawings.typ")),
    ("question.typ", include_str!("../text/question.typ")),
    ("background.typ", include_str!("../text/background.typ")),
    ("design.typ", include_str!("../text/design.typ")),
    ("calls.typ", include_str!("../text/calls.typ")),
    ("method.typ", include_str!("../text/method.typ")),
    ("results.typ", include_str!("../text/results.typ")),
    ("learned.typ", include_str!("../text/learned.typ")),
    ("references.typ", include_str!("../text/references.typ")),
];

/// The figures of others, each with its source.
pub const PUBLISHED: &str = include_str!("../text/published.toml");
/// The system calls, and what each does underneath.
pub const CALLS: &str = include_str!("../text/calls.toml");
const REFERENCES: &str = include_str!("../text/references.bib");
const STYLE: &str = include_str!("../text/report.css");

/// The report.
pub struct Report {
    /// The PDF.
    pub pdf: Vec<u8>,
    /// Its pages.
    pub pages: usize,
    /// The same as one HTML page that refers to no other file.
    pub html: String,
}

/// Typesets the report.
///
/// # Errors
/// A sentence: a claim of the text that the facts contradict, or a mistake in the text.
pub fn typeset(facts: &Facts) -> Result<Report, String> {
    let figures = figures::all(facts)?;
    let engine = engine(facts, &figures)?;
    let paged: PagedDocument = compile(&engine)?;
    let pdf = typst_pdf::pdf(&paged, &typst_pdf::PdfOptions::default())
        .map_err(|errors| first(&errors))?;
    Ok(Report { pdf, pages: paged.pages().len(), html: page(&engine, &figures)? })
}

/// The HTML page alone.
///
/// # Errors
/// As [`typeset`].
pub fn typeset_page(facts: &Facts) -> Result<String, String> {
    let figures = figures::all(facts)?;
    page(&engine(facts, &figures)?, &figures)
}

fn page(engine: &TypstEngine, figures: &[Figure]) -> Result<String, String> {
    let page: HtmlDocument = compile(engine)?;
    let html = typst_html::html(&page, &HtmlOptions::default()).map_err(|errors| first(&errors))?;
    Ok(finished(&html, figures))
}

fn engine(facts: &Facts, figures: &[Figure]) -> Result<TypstEngine, String> {
    let facts = facts
        .text(figures)
        .map_err(|error| format!("the facts cannot be handed to the text: {error}"))?;
    let files = [("facts.json".to_owned(), facts)]
        .into_iter()
        .chain(
            [("published.toml", PUBLISHED), ("calls.toml", CALLS), ("references.bib", REFERENCES)]
                .map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec())),
        )
        .chain(figures.iter().map(|figure| {
            (format!("figures/{}.svg", figure.name), figure.svg.clone().into_bytes())
        }))
        .collect::<Vec<_>>();
    let files = files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()));
    Ok(TypstEngine::builder()
        .search_fonts_with(TypstKitFontOptions::default().include_system_fonts(false))
        .with_static_source_file_resolver(TEXTS)
        .with_static_file_resolver(files)
        .build())
}

fn compile<Document: Output>(engine: &TypstEngine) -> Result<Document, String> {
    let compiled = engine.with_world(TEXTS[0].0, |world| {
        typst::compile::<Document>(world).output.map_err(|errors| sentence(&errors, world))
    });
    compiled.map_err(|error| format!("the report cannot be typeset: {error}"))?
}

/// The first error, and where in the text it is: where the text calls what fails.
fn sentence(errors: &[SourceDiagnostic], world: &dyn World) -> String {
    let Some(error) = errors.first() else { return "the report cannot be typeset".to_owned() };
    let calls = error.trace.iter().map(|call| DiagSpan::from(call.span));
    let place = |span: DiagSpan| {
        let file = world.source(span.id()?).ok()?;
        let line = file.lines().byte_to_line(world.range(span)?.start)? + 1;
        Some(format!(" (report/text/{}, line {line})", file.id().vpath().get_without_slash()))
    };
    let places: Vec<String> = std::iter::once(error.span).chain(calls).filter_map(place).collect();
    // The innermost is in `facts.typ`, where there is one outside of it.
    let place = places.iter().find(|place| !place.contains("/facts.typ")).or(places.first());
    format!(
        "the report cannot be typeset: {}{}",
        error.message,
        place.map(String::as_str).unwrap_or_default()
    )
}

/// The first error, of what is typeset already.
fn first(errors: &[SourceDiagnostic]) -> String {
    let message = errors.first().map_or("", |error| &error.message);
    format!("the report cannot be written: {message}")
}

/// Puts the figures and the style where typst's HTML has room for them, so that their text
/// is text.
fn finished(html: &str, figures: &[Figure]) -> String {
    let mut html = html.replacen("</head>", &format!("<style>\n{STYLE}</style></head>"), 1);
    for figure in figures {
        let place = format!("<div class=\"plot\" data-plot=\"{}\">", figure.name);
        // Pixels across would not follow the page's width.
        let svg = figure.svg.replacen("<svg ", "<svg class=\"figure\" ", 1);
        html = html.replacen(&place, &format!("{place}{svg}"), 1);
    }
    html
}
