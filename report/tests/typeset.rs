//! The report, typeset of a small set of data: that it is whole, that it says what the data say, and
//! that it says nothing else.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use report::data::{Data, Section};
use report::facts::Facts;
use report::figures;
use report::typeset::{CALLS, PUBLISHED, Report, typeset, typeset_page};

/// Of a quick run.
static SMALL: LazyLock<Data> =
    LazyLock::new(|| Data::parse(include_str!("small.json")).expect("the data of this version"));
static REPORT: LazyLock<Report> =
    LazyLock::new(|| typeset(&Facts::of(&SMALL)).unwrap_or_else(|error| panic!("{error}")));

/// The page of other data.
fn page(data: &Data) -> String {
    typeset_page(&Facts::of(data)).unwrap_or_else(|error| panic!("{error}"))
}

/// What a reader sees of a page of HTML: no tags, and white space as one space.
fn words(html: &str) -> String {
    let mut text = String::new();
    let mut rest = html;
    while let Some((before, after)) = rest.split_once('<') {
        text.push_str(before);
        // A tag may end a word; one inside of a word is rare enough here.
        rest = after.split_once('>').map_or("", |(_, after)| after);
    }
    text.push_str(rest);
    let text = text.replace("&nbsp;", " ").replace("&#xa0;", " ").replace('\u{a0}', " ");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_report_has_pages_figures_and_captions() {
    assert!(REPORT.pages >= 7, "{} pages", REPORT.pages);
    assert!(REPORT.pdf.starts_with(b"%PDF-"));
    let html = &REPORT.html;
    assert!(html.starts_with("<!DOCTYPE html>"));
    let drawn: BTreeSet<&str> =
        figures::all(&Facts::of(&SMALL)).unwrap().iter().map(|figure| figure.name).collect();
    for (name, _) in figures::names() {
        assert!(drawn.contains(name), "the small data have enough for the figure {name}");
        let place = format!("data-plot=\"{name}\"><svg class=\"figure\"");
        assert_eq!(html.matches(&place).count(), 1, "the figure {name}, drawn");
        let after = html.split(&place).nth(1).unwrap();
        let figure = after.split("</figure>").next().unwrap();
        assert!(figure.contains("<figcaption>"), "the figure {name} has a caption");
    }
    // One file: nothing is fetched, neither style nor picture.
    for (attribute, value) in ["src=\"", "href=\""].into_iter().flat_map(|attribute| {
        html.split(attribute).skip(1).map(move |rest| (attribute, rest.split('"').next().unwrap()))
    }) {
        let is_link =
            attribute == "href=\"" && (value.starts_with('#') || value.starts_with("http"));
        assert!(is_link || value.starts_with("data:"), "{attribute}{value}");
    }
    assert!(html.contains("<style>"));
}

/// Three digits that mean something, as the text writes numbers below a thousand.
fn three_digits(value: f64) -> String {
    let digits = if value >= 99.95 {
        0
    } else if value >= 9.995 {
        1
    } else {
        2
    };
    assert!((0.9995..999.5).contains(&value), "{value} is written in another way");
    format!("{value:.digits$}")
}

/// The median of a call's samples, reckoned here and not by the report.
fn median(data: &Data, row: &str, side: &str) -> f64 {
    let rows = &data.microbench.document.as_ref().unwrap().rows;
    let row = rows.iter().find(|one| one.name == row).unwrap();
    let samples = row.samples.iter().find(|(way, _)| format!("{way:?}").to_lowercase() == side);
    let mut samples = samples.unwrap().1.clone();
    samples.sort_by(f64::total_cmp);
    let half = samples.len() / 2;
    if samples.len() % 2 == 1 { samples[half] } else { (samples[half - 1] + samples[half]) / 2.0 }
}

#[test]
fn numbers_in_the_text_are_those_of_the_data() {
    let text = words(&REPORT.html);
    let (ours, linux) = (median(&SMALL, "getpid", "ramdisk"), median(&SMALL, "getpid", "native"));
    let sentence = format!(
        "takes {} ns in the unikernel and {} ns on Linux",
        three_digits(ours),
        three_digits(linux)
    );
    assert!(text.contains(&sentence), "{sentence}");
    let pages = median(&SMALL, "memory of an empty file", "ramdisk");
    let sentence = format!("An empty file takes {} bytes", three_digits(pages));
    assert!(text.contains(&sentence), "{sentence}");

    let machine = &SMALL.machine;
    for fact in [&machine.kernel, &machine.date, &machine.uhyve, &machine.cpu] {
        assert!(text.contains(fact.as_str()), "{fact}");
    }
}

#[test]
fn another_measurement_makes_another_text() {
    let mut data = SMALL.clone();
    let rows = &mut data.microbench.document.as_mut().unwrap().rows;
    let row = rows.iter_mut().find(|row| row.name == "getpid").unwrap();
    row.samples.values_mut().flatten().for_each(|sample| *sample = 123.4);
    let text = words(&page(&data));
    assert!(text.contains("takes 123 ns in the unikernel and 123 ns on Linux"), "{text}");
    assert!(!words(&REPORT.html).contains("takes 123 ns in the unikernel"));
}

#[test]
fn words_follow_the_numbers() {
    let mut data = SMALL.clone();
    let document = data.postmark.document.as_mut().unwrap();
    let ways = &mut document.configurations[0].ways;
    ways.iter_mut().for_each(|way| {
        way.seconds = if format!("{:?}", way.way) == "Ramdisk" { vec![9.0] } else { vec![3.0] };
    });
    let text = words(&page(&data));
    assert!(text.contains("the ramdisk is 3.00 times slower than tmpfs"), "{text}");
    assert!(words(&REPORT.html).contains("times faster than tmpfs"));
}

/// A part's name, and how it is taken away.
type Taken = (&'static str, fn(&mut Data));

/// Takes a part away.
fn without<T>(section: &mut Section<T>) {
    section.document = None;
    section.absent = Some("there was no time for it.".to_owned());
}

#[test]
fn what_is_absent_is_told_in_a_sentence() {
    let parts: [Taken; 9] = [
        ("microbench", |data| without(&mut data.microbench)),
        ("parts", |data| without(&mut data.parts)),
        ("sizes", |data| without(&mut data.sizes)),
        ("postmark", |data| without(&mut data.postmark)),
        ("postmark_files", |data| without(&mut data.postmark_files)),
        ("growth", |data| without(&mut data.growth)),
        ("boot", |data| without(&mut data.boot)),
        ("preload", |data| without(&mut data.preload)),
        ("conformance", |data| without(&mut data.conformance)),
    ];
    let sentence = "Not measured in this run: there was no time for it.";
    // A page takes seconds where typst is not optimised: every other part, and the rest.
    for kept in 0..2 {
        let mut data = SMALL.clone();
        let taken = || parts.iter().enumerate().filter(move |(index, _)| index % 2 != kept);
        taken().for_each(|(_, (_, take))| take(&mut data));
        let html = page(&data);
        assert!(words(&html).contains(sentence), "{html}");
        for (figure, part) in figures::names() {
            let is_there = html.contains(&format!("data-plot=\"{figure}\""));
            let is_taken = taken().any(|(_, (name, _))| *name == part);
            assert_eq!(is_there, !is_taken, "the figure {figure}");
        }
    }
    // Of nothing at all: without KVM, too.
    let mut nothing = SMALL.clone();
    parts.iter().for_each(|(_, take)| take(&mut nothing));
    nothing.machine.kvm = None;
    nothing.machine.commit = None;
    nothing.qemu = None;
    nothing.memory_bytes = None;
    assert!(words(&page(&nothing)).contains(sentence));
}

/// Rows and sides that a run left out are no mistakes.
#[test]
fn rows_may_be_missing() {
    let mut data = SMALL.clone();
    let rows = &mut data.microbench.document.as_mut().unwrap().rows;
    rows.retain(|row| row.name != "getpid" && !row.name.starts_with("hourglass"));
    rows.iter_mut().for_each(|row| {
        row.samples.retain(|way, _| format!("{way:?}") != "Forwarded");
    });
    data.postmark.document.as_mut().unwrap().configurations.clear();
    data.preload.document.as_mut().unwrap().beside.clear();
    let text = words(&page(&data));
    assert!(text.contains("Not measured in this run: getpid (ramdisk)"), "{text}");
}

#[test]
fn a_claim_that_the_data_contradict_fails_with_its_words() {
    let mut data = SMALL.clone();
    let rows = &mut data.boot.document.as_mut().unwrap().rows;
    let kernel = rows.iter_mut().find(|row| row.name == "the kernel's part").unwrap();
    kernel.samples = vec![1e6];
    let error = typeset_page(&Facts::of(&data)).expect_err("the start is longer than a part of it");
    assert!(error.contains("and the rest is the hypervisor’s process"), "{error}");
    assert!(error.contains("report/text/results.typ, line "), "{error}");
}

/// No row of what is dispatched is missing in the table of calls, and it has no other.
#[test]
fn each_call_that_there_is_is_in_the_table() {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../syscalls/src/dispatch.rs");
    let source = std::fs::read_to_string(source).unwrap();
    let is_of_a_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let there: BTreeSet<&str> = source
        .split("libc::SYS_")
        .skip(1)
        .map(|rest| rest.split(|c| !is_of_a_name(c)).next().unwrap())
        .collect();
    let table: toml::Table = CALLS.parse().unwrap();
    let told: Vec<&str> = table["family"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|family| family["calls"].as_str().unwrap().split(' '))
        .collect();
    assert_eq!(told.iter().copied().collect::<BTreeSet<_>>(), there);
    assert_eq!(told.len(), there.len(), "each once");
    let text = words(&REPORT.html);
    assert!(text.contains(&format!("{} calls can be made by number", there.len())), "{text}");
}

/// Whoever is quoted is in the list of references, and each number of theirs is in the text.
#[test]
fn published_figures_have_their_source() {
    let references = include_str!("../text/references.bib");
    let published: toml::Table = PUBLISHED.parse().unwrap();
    assert!(published.len() >= 5);
    let text = words(&REPORT.html);
    for (name, figures) in &published {
        let source = figures["source"].as_str().unwrap();
        assert!(references.contains(&format!("{{{source},")), "{name}: {source}");
        assert!(!figures["where"].as_str().unwrap().is_empty(), "{name}");
        for row in figures["rows"].as_array().unwrap() {
            let what = row[0].as_str().unwrap();
            if name != "hourglass" {
                assert!(text.contains(what), "{name}: {what}");
            }
        }
    }
}
