//! The figures, one file for each kind.

mod bars;
mod cost;
mod detach;
mod distribution;
mod levels;
mod lines;
mod machine;
mod overview;
mod phases;
mod ranges;
mod throughput;
mod tradeoff;

use detach_results::Row;

use crate::catalogue::{self, ENTRIES, Entry, Kind, Theme};
use crate::data::Data;
use crate::scene::{Marks, Scene};

/// A figure that has been laid out.
pub(crate) struct Figure {
    /// Name of its files, without ending.
    pub(crate) name: String,
    pub(crate) theme: Theme,
    /// What it is meant to answer.
    pub(crate) question: String,
    /// What it shows, in a sentence for those who cannot see it.
    pub(crate) caption: String,
    pub(crate) scene: Scene,
}

impl Figure {
    /// The figure of a scenario.
    fn of(entry: &Entry, name: &str, caption: String, scene: Scene) -> Figure {
        Figure {
            name: name.to_owned(),
            theme: entry.theme,
            question: entry.question.to_owned(),
            caption,
            scene,
        }
    }
}

/// Every figure that the run has measurements for, in the order of the report.
pub(crate) fn all(data: &Data<'_>) -> Vec<Figure> {
    let mut figures: Vec<Figure> = Vec::new();
    figures.extend(overview::draw(data));
    figures.extend(tradeoff::draw(data));
    for entry in ENTRIES {
        match entry.kind {
            Kind::Workers => {
                figures.extend(cost::draw(data, entry));
                figures.extend(throughput::draw(data, entry));
            }
            Kind::Detach => {
                figures.extend(detach::draw(data, entry));
                figures.extend(phases::draw(data, entry));
            }
            Kind::Levels { .. } => figures.extend(levels::draw(data, entry)),
            Kind::Ranges(measures) => figures.extend(ranges::draw(data, entry, measures)),
        }
    }
    let unknown = data.summary.scenarios().into_iter();
    for scenario in unknown.filter(|name| catalogue::entry(name).is_none()) {
        figures.extend(ranges::draw_unknown(data, scenario));
    }
    figures.extend(machine::draw(data));
    figures
}

fn marks(row: &Row) -> Marks {
    Marks {
        hollow: row.oversubscribed,
        disturbed: row.rests_on_disturbed,
    }
}

/// The name of a scenario, as files are named.
fn file_name(scenario: &str) -> String {
    let tame = |letter: char| {
        if letter.is_ascii_alphanumeric() {
            letter.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    scenario.chars().map(tame).collect()
}
