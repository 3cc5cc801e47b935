//! The example lines of the README are records that this build reads.

use detach_results::Measurement;

#[test]
fn examples_are_records() {
    let readme = include_str!("../README.md");
    let blocks: Vec<&str> = readme
        .split("```json")
        .skip(1)
        .map(|after| after.split("```").next().unwrap())
        .collect();
    assert_eq!(blocks.len(), 4, "one example for each kind of outcome");
    for block in blocks {
        let measurement: Measurement =
            serde_json::from_str(block).unwrap_or_else(|error| panic!("{error}:\n{block}"));
        measurement.check().unwrap();
    }
}
