//! The data: what is written is read, and nothing else.

use report::data::{Data, VERSION};

/// Of a quick run.
const SMALL: &str = include_str!("small.json");

#[test]
fn what_was_written_is_read_to_the_last_bit() {
    let data = Data::parse(SMALL).expect("the data of this version");
    assert_eq!(data.text().unwrap(), SMALL);
    let place = std::env::temp_dir().join(format!("report-data-{}", std::process::id()));
    let path = place.join("new/data.json");
    data.write(&path).unwrap();
    assert_eq!(Data::read(&path).unwrap(), data);
    std::fs::remove_dir_all(&place).unwrap();
}

#[test]
fn the_small_data_have_every_part() {
    let data = Data::parse(SMALL).unwrap();
    assert!(data.quick);
    let machine = &data.machine;
    assert!(machine.kvm.is_some() && machine.kernel.starts_with("Linux "), "{machine:?}");
    let microbench = data.microbench.get().expect("microbench");
    assert!(microbench.rows.iter().all(|row| {
        row.samples.iter().all(|(way, samples)| row.spread[way].samples == samples.len())
    }));
    assert!(!microbench.hourglass.is_empty());
    assert!(data.parts.get().is_ok_and(|document| !document.parts.is_empty()));
    assert!(data.sizes.get().is_ok_and(|document| document.series.len() == 3));
    assert!(data.postmark.get().is_ok_and(|document| document.goals.len() == 3));
    assert!(data.postmark_files.get().is_ok_and(|document| document.configurations.len() > 1));
    assert!(data.growth.get().is_ok_and(|document| document.series.len() > 6));
    assert!(data.boot.get().is_ok_and(|document| document.rows.len() > 3));
    assert!(data.preload.get().is_ok_and(|document| document.beside.len() == 6));
    assert!(data.conformance.get().is_ok_and(|found| found.campaigns.len() == 3));
}

#[test]
fn what_is_no_data_or_of_another_version_is_refused_in_a_sentence() {
    let other = SMALL.replacen(&format!("\"version\":{VERSION}"), "\"version\":1000", 1);
    let part = &SMALL[..SMALL.len() / 2];
    let without = format!("{{\"version\":{VERSION}}}");
    for (text, words) in [
        (other.as_str(), "of version 1000"),
        (part, "not what was measured"),
        ("", "not what was measured"),
        ("[]", "not what was measured"),
        (without.as_str(), "broken"),
    ] {
        let error = format!("{:#}", Data::parse(text).unwrap_err());
        assert!(error.contains(words) && error.contains("measure again"), "{error}");
    }
    let error = format!("{:#}", Data::read("/no/such/file".as_ref()).unwrap_err());
    assert!(error.contains("/no/such/file"), "{error}");
}
