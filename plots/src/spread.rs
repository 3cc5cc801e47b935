//! How far samples of one process, and those of different processes, lie apart:
//! a table of the page.

use detach_results::show::percent;
use detach_results::{Row, Spread};

use crate::catalogue::ENTRIES;
use crate::data::Data;
use crate::setting::Setting;
use crate::setting::representative;
use crate::style;
use crate::table::Grid;

pub(crate) const MEANING: &str = "Half the range of the middle 50%, relative to the median: of the \
    samples of one process among themselves, and of the medians of the processes among themselves. \
    A process has its own layout in memory, so the second can be the larger one however long each \
    process measures. Each scenario is shown at the setting that stands for it.";

/// A row for each scenario and strategy, where anything is known.
pub(crate) fn grid(data: &Data<'_>) -> Option<Grid> {
    let mut rows = Vec::new();
    for entry in ENTRIES {
        let Some(setting) = representative(data, entry.scenario, entry.wanted) else {
            continue;
        };
        let of_setting = |row: &&Row| Setting::of(&row.key) == setting;
        let found: Vec<&Row> = data.rows(entry.scenario).filter(of_setting).collect();
        let mut strategies: Vec<String> =
            found.iter().map(|row| row.key.strategy.clone()).collect();
        style::sort_ids(&mut strategies);
        for strategy in strategies {
            let row = found.iter().find(|row| row.key.strategy == strategy);
            let Some(Spread { within, between }) = row.and_then(|row| spread(row)) else {
                continue;
            };
            if within.is_none() && between.is_none() {
                continue;
            }
            let cell = |share: Option<f64>| share.map_or("-".to_owned(), percent);
            let scenario = format!("{}, {}", entry.scenario, setting.words());
            rows.push(vec![scenario, strategy, cell(within), cell(between)]);
        }
    }
    let header = [
        "scenario",
        "strategy",
        "within a process",
        "between processes",
    ];
    (!rows.is_empty()).then(|| Grid {
        title: "Spread of samples".to_owned(),
        header: header.map(str::to_owned).to_vec(),
        rows,
    })
}

fn spread(row: &Row) -> Option<Spread> {
    let cost = row.cost.as_ref().map(|cost| cost.spread);
    cost.or_else(|| row.detach.as_ref().map(|detach| detach.spread))
}
