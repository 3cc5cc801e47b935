//! The tables of README and gallery and the gallery's figures are generated, and belong to
//! what they are generated from.
//!
//! With `BLESS=1` in the environment they are made anew instead of compared;
//! `ci/readme` does that.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use detach_harness::engine::Scenario;
use detach_plots::readme;
use detach_results::Recorded;

/// The run whose table and figures the gallery holds:
/// the newest of those that this machine's folder was given.
const RUN: &str = "results/recorded/shown";

const README: &str = "README.md";
const GALLERY: &str = "plots/gallery/README.md";

const BEGIN: &str = "<!-- strategies: begin -->\n";
const END: &str = "<!-- strategies: end -->";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn blessing() -> bool {
    env::var_os("BLESS").is_some()
}

fn shown_run() -> (String, Recorded) {
    let name = fs::read_to_string(root().join(RUN)).expect("the name of the run that is shown");
    let folder = format!("results/recorded/{}", name.trim());
    let recorded = Recorded::read(&root().join(&folder)).expect("a committed run");
    assert!(recorded.problems.is_empty(), "{:?}", recorded.problems);
    (folder, recorded)
}

/// How they work is in the README, what each can do in the gallery.
#[test]
fn the_tables_of_strategies_are_what_the_command_prints() {
    let output = Command::new(env!("CARGO_BIN_EXE_detach-bench"))
        .args(["list", "--markdown"])
        .output()
        .expect("the command runs");
    assert!(output.status.success());
    let printed = String::from_utf8(output.stdout).expect("text");
    let (how, what) = printed.split_once("\n\n").expect("two tables");

    for (document, table) in [(README, format!("{how}\n")), (GALLERY, what.to_owned())] {
        let path = root().join(document);
        let document = fs::read_to_string(&path).expect("a document");
        let begin = document.find(BEGIN).expect(BEGIN) + BEGIN.len();
        let end = document.find(END).expect(END);
        if blessing() {
            let blessed = format!("{}{table}{}", &document[..begin], &document[end..]);
            fs::write(&path, blessed).expect("the document can be written");
        } else {
            assert_eq!(&document[begin..end], table, "run ci/readme");
        }
    }
}

#[test]
fn the_table_of_results_belongs_to_the_committed_run() {
    let (folder, recorded) = shown_run();
    let path = root().join(GALLERY);
    let document = fs::read_to_string(&path).expect("the gallery's README");
    if blessing() {
        let command = format!("cargo run --release -- plot {folder}");
        let block = readme::block(&recorded, &command).expect("the run has a table");
        let blessed = readme::replace(&document, &block).expect("it has the markers");
        fs::write(&path, blessed).expect("it can be written");
    } else {
        readme::belongs(&document, &recorded).expect("run ci/readme");
    }
}

/// Name and content of every SVG in a folder. They are text, and the same on
/// every machine; the PNGs are drawn from the same scene.
fn figures(folder: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(folder).expect("a folder of figures");
    entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "svg"))
        .map(|path| {
            let name = path.file_name().expect("a name").to_string_lossy();
            let content = fs::read_to_string(&path).expect("text");
            (name.into_owned(), content)
        })
        .collect()
}

/// Every scenario has a figure in the gallery, and every figure its sentence.
#[test]
fn every_scenario_and_every_figure_is_in_the_gallery() {
    let gallery = root().join("plots/gallery");
    let text = fs::read_to_string(root().join(GALLERY)).expect("the gallery's README");
    for name in figures(&gallery).keys() {
        let link = format!("({name})");
        assert!(
            text.contains(&link),
            "{name} is not in the gallery's README"
        );
    }
    for scenario in Scenario::ALL {
        let name = format!("`{scenario}`");
        assert!(
            text.contains(&name),
            "{scenario} is not in the gallery's README"
        );
    }
}

#[test]
fn the_gallery_holds_the_figures_of_the_committed_run() {
    let (_, recorded) = shown_run();
    let gallery = root().join("plots/gallery");
    if blessing() {
        detach_plots::draw(&recorded, &gallery).expect("the run has figures");
        // The page names where the records lie, on the machine that drew it.
        fs::remove_file(gallery.join("index.html")).expect("the page can be removed");
        return;
    }
    let drawn = tempfile::tempdir().expect("a temporary folder");
    detach_plots::draw(&recorded, drawn.path()).expect("the run has figures");
    let (drawn, kept) = (figures(drawn.path()), figures(&gallery));
    assert!(drawn.keys().eq(kept.keys()), "run ci/readme");
    for (name, content) in drawn {
        assert!(kept[&name] == content, "{name} differs: run ci/readme");
    }
}
