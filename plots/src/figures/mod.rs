//! The figures, one file for each kind.

mod cost;
mod detach;
mod lines;
mod phases;
mod throughput;
mod tradeoff;

use crate::data::{Data, PRIVATE, SHARED};
use crate::scene::{Marks, Scene};
use detach_results::Row;

/// A figure that has been laid out.
pub(crate) struct Figure {
    /// Name of its files, without ending.
    pub(crate) name: &'static str,
    /// What it shows, in a sentence for those who cannot see it.
    pub(crate) caption: String,
    pub(crate) scene: Scene,
}

/// Every figure that the run has measurements for, in the order of the report.
pub(crate) fn all(data: &Data<'_>) -> Vec<Figure> {
    [
        tradeoff::draw(data),
        cost::draw(data, SHARED),
        throughput::draw(data, SHARED),
        detach::draw(data),
        phases::draw(data),
        cost::draw(data, PRIVATE),
        throughput::draw(data, PRIVATE),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn marks(row: &Row) -> Marks {
    Marks {
        oversubscribed: row.oversubscribed,
        disturbed: row.disturbed_records > 0,
    }
}
