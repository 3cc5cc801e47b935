//! One number for each scenario and strategy: what the overview and the short
//! table show of all scenarios at once.

use detach_results::{Row, sleeps_differ};

use crate::catalogue::{ENTRIES, Entry, Theme};
use crate::data::Data;
use crate::setting::{Setting, Threads, Wanted, representative};
use crate::table::{sign, slept};
use crate::value::{FLOOR, Reading, Value};

/// A strategy whose numbers are shown, but do not compete.
struct Exception {
    strategy: &'static str,
    /// Whether that holds for a value.
    holds: fn(Value) -> bool,
    reason: &'static str,
}

/// The records do not tell this, so it is told here, for the strategies that it
/// is true of.
const EXCEPTIONS: [Exception; 2] = [
    Exception {
        strategy: FLOOR,
        holds: |_| true,
        reason: "unprotected protects nothing, and never reclaims",
    },
    Exception {
        strategy: "seqlock",
        holds: Value::is_of_detach,
        reason: "seqlock detaches without waiting, because its holders have copies",
    },
];

/// A scenario at the setting that stands for it.
pub(crate) struct Column<'a> {
    pub(crate) entry: &'static Entry,
    pub(crate) heading: &'static str,
    pub(crate) value: Value,
    pub(crate) setting: Setting,
    pub(crate) cells: Vec<Cell<'a>>,
    /// Strategies that could not run in it.
    pub(crate) unsupported: Vec<String>,
}

/// What stands for one strategy in it.
pub(crate) struct Cell<'a> {
    pub(crate) row: &'a Row,
    pub(crate) reading: Reading,
    /// Whether it competes with those of other strategies.
    pub(crate) competes: bool,
}

impl<'a> Column<'a> {
    pub(crate) fn cell(&self, strategy: &str) -> Option<&Cell<'a>> {
        self.cells
            .iter()
            .find(|cell| cell.row.key.strategy == strategy)
    }

    pub(crate) fn theme(&self) -> Theme {
        self.entry.theme
    }

    /// A cell's number with its unit, and the signs of those that rest on
    /// disturbed samples, and of those whose workers slept.
    pub(crate) fn write(&self, cell: &Cell<'_>) -> String {
        let sign = sign(cell.reading.rests_on_disturbed);
        let slept = slept(cell.row, self.sleeps_differ());
        format!("{}{sign}{slept}", (self.value.format())(cell.reading.value))
    }

    /// Whether the sleep of workers sets some of the cells apart.
    pub(crate) fn sleeps_differ(&self) -> bool {
        sleeps_differ(self.cells.iter().map(|cell| cell.row))
    }

    /// How many times as bad as the best a cell is, by numbers that were pooled
    /// apart; `None` where it does not compete.
    pub(crate) fn to_best(&self, cell: &Cell<'_>) -> Option<f64> {
        let more = self.value.more_is_better();
        let rank = |cell: &Cell<'_>| {
            let value = cell.reading.value;
            if more { 1.0 / value } else { value }
        };
        let competing = self.cells.iter().filter(|cell| cell.competes);
        let best = competing
            .map(rank)
            .filter(|rank| *rank > 0.0)
            .reduce(f64::min)?;
        (cell.competes && rank(cell).is_finite()).then(|| (rank(cell) / best).max(1.0))
    }
}

/// The columns of all scenarios that were measured and are in the catalogue,
/// in its order.
pub(crate) fn columns<'a>(data: &'a Data<'_>) -> Vec<Column<'a>> {
    let of = |entry: &'static Entry| {
        let Entry {
            heading,
            number,
            wanted,
            ..
        } = *entry;
        let memory = column(data, entry, ("memory", Value::Bytes), MOST_DEVICES);
        let own = column(data, entry, (heading, number), wanted);
        let together = column(data, entry, ("detach 100 at once", Value::Each), TOGETHER);
        own.into_iter().chain(together).chain(memory)
    };
    ENTRIES.iter().flat_map(of).collect()
}

/// Why some of the cells do not compete.
pub(crate) fn reasons(columns: &[Column<'_>]) -> Vec<&'static str> {
    let shown = |exception: &&Exception| {
        let mut cells = columns.iter().flat_map(|column| &column.cells);
        cells.any(|cell| !cell.competes && cell.row.key.strategy == exception.strategy)
    };
    let exceptions = EXCEPTIONS.iter().filter(shown);
    exceptions.map(|exception| exception.reason).collect()
}

/// Memory is counted best where it is taken most often.
const MOST_DEVICES: Wanted = Wanted {
    threads: Threads::Good,
    hold_ns: None,
    devices: Some(usize::MAX),
    together: false,
    detach_rate: None,
};

/// As many devices as stand for detaches one by one.
const TOGETHER: Wanted = Wanted {
    devices: Some(100),
    together: true,
    ..MOST_DEVICES
};

fn column<'a>(
    data: &'a Data<'_>,
    entry: &'static Entry,
    (heading, value): (&'static str, Value),
    wanted: Wanted,
) -> Option<Column<'a>> {
    let setting = representative(data, entry.scenario, wanted)?;
    let rows = data.rows(entry.scenario);
    let cells: Vec<Cell<'a>> = rows
        .filter(|row| Setting::of(&row.key) == setting)
        .filter_map(|row| {
            let reading = value.of(data, row)?;
            let excepted = |exception: &Exception| {
                exception.strategy == row.key.strategy && (exception.holds)(value)
            };
            let competes = !EXCEPTIONS.iter().any(excepted);
            Some(Cell {
                row,
                reading,
                competes,
            })
        })
        .collect();
    let unsupported = data.unsupported_in(entry.scenario).into_iter();
    (!cells.is_empty()).then(|| Column {
        entry,
        heading,
        value,
        setting,
        cells,
        unsupported: unsupported.map(|(strategy, _)| strategy).collect(),
    })
}
