//! What is known of each scenario beside its records: what it asks, how it is
//! shown, and which of its numbers stands for it.
//!
//! A scenario that is not listed is shown all the same, by [`unknown`].

use crate::setting::{Threads, Varied, Wanted};
use crate::value::Value;

/// What figures are grouped by on the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Theme {
    Overview,
    Entering,
    Holding,
    Detaching,
    Neighbours,
    Machine,
    Other,
}

impl Theme {
    pub(crate) fn title(self) -> &'static str {
        match self {
            Theme::Overview => "At a glance",
            Theme::Entering => "Entering and leaving",
            Theme::Holding => "With work inside",
            Theme::Detaching => "Detaching",
            Theme::Neighbours => "Neighbours and schedulers",
            Theme::Machine => "The ground it stands on",
            Theme::Other => "Other scenarios",
        }
    }
}

/// Which figures show a scenario.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// Cost and throughput by number of workers.
    Workers,
    /// Percentiles by number of workers, and the phases of detach.
    Detach,
    /// Lines over what the scenario varies, a panel for each value.
    Levels {
        axis: Varied,
        panels: &'static [(Value, &'static str)],
        /// What the dashed line stands for on which value and level are equal.
        equal: Option<&'static str>,
        /// Whether bars below show the memory of a device.
        bytes: bool,
    },
    /// One row for each strategy, a panel for each setting and measure.
    Ranges(&'static [Measure]),
}

/// What a panel of ranges shows of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    /// Time of an operation, with its interval.
    Cost,
    /// Time until detach returned.
    Detach,
    /// Time until a late arrival was turned away.
    Refused,
    /// Time of single visits.
    Visits,
}

/// A scenario.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// Its name in the records.
    pub(crate) scenario: &'static str,
    pub(crate) theme: Theme,
    /// The title of its figure.
    pub(crate) title: &'static str,
    /// What it asks, in prose.
    pub(crate) question: &'static str,
    /// What its axis counts: the title of it where there is just one.
    pub(crate) value_title: &'static str,
    pub(crate) kind: Kind,
    /// The heading of its column, where each scenario has one.
    pub(crate) heading: &'static str,
    /// The number that stands for it, and the setting in which it does.
    pub(crate) number: Value,
    pub(crate) wanted: Wanted,
}

/// As many workers as have a CPU each, and nothing else.
const GOOD: Wanted = Wanted {
    threads: Threads::Good,
    hold_ns: None,
    devices: None,
    together: false,
    detach_rate: None,
};
/// A microsecond: long against every acquire, short against every system call.
const HELD: Wanted = Wanted {
    hold_ns: Some(1_000),
    ..GOOD
};
const LONGEST_HELD: Wanted = Wanted {
    hold_ns: Some(u64::MAX),
    ..GOOD
};

/// All scenarios, in the order of the report.
pub(crate) const ENTRIES: &[Entry] = &[
    Entry {
        scenario: "fast_path",
        theme: Theme::Entering,
        title: "Cost of one acquire and release, all workers on one device",
        question: "What does entering cost when everybody enters the same device, and does that \
                   grow with the number of CPUs?",
        value_title: "time per acquire + release",
        kind: Kind::Workers,
        heading: "enter, shared",
        number: Value::Time,
        wanted: GOOD,
    },
    Entry {
        scenario: "fast_path_private",
        theme: Theme::Entering,
        title: "Cost of one acquire and release, each worker on its own device",
        question: "And when each worker has a device of its own, so that no two have anything to \
                   share?",
        value_title: "time per acquire + release",
        kind: Kind::Workers,
        heading: "enter, private",
        number: Value::Time,
        wanted: GOOD,
    },
    Entry {
        scenario: "latency",
        theme: Theme::Entering,
        title: "Single visits, one by one",
        question: "A mean hides the visits that took long. How long do single ones take, an \
                   acquire and its release, each between two readings of the clock?",
        value_title: "time of one acquire + release",
        kind: Kind::Ranges(&[Measure::Visits]),
        heading: "visit, p99",
        number: Value::VisitTail,
        wanted: GOOD,
    },
    Entry {
        scenario: "late_arrivals",
        theme: Theme::Entering,
        title: "Cost of being refused",
        question: "The device is gone, and threads still knock. What does it cost them to be \
                   told so?",
        value_title: "time per refused acquire",
        kind: Kind::Ranges(&[Measure::Cost]),
        heading: "be refused",
        number: Value::Time,
        wanted: GOOD,
    },
    Entry {
        scenario: "many_devices",
        theme: Theme::Entering,
        title: "Cost of one acquire and release among many devices",
        question: "What a strategy keeps for each device competes for the caches. What does \
                   entering cost when there are many devices, and what memory does each take?",
        value_title: "time per acquire + release",
        kind: Kind::Levels {
            axis: Varied::Devices,
            panels: &[(Value::Time, "time per acquire + release")],
            equal: None,
            bytes: true,
        },
        heading: "many devices",
        number: Value::Time,
        wanted: Wanted {
            devices: Some(1_000),
            ..GOOD
        },
    },
    Entry {
        scenario: "churn",
        theme: Theme::Entering,
        title: "Cost of a thread that enters once",
        question: "Where threads are short-lived, what one must do before its first acquire and \
                   after its last counts as well. What does a whole life cost: spawn, register, \
                   acquire, release, exit?",
        value_title: "time per thread",
        kind: Kind::Ranges(&[Measure::Cost]),
        heading: "short life",
        number: Value::Time,
        wanted: GOOD,
    },
    Entry {
        scenario: "hold",
        theme: Theme::Holding,
        title: "Cost of a visit by the work done inside",
        question: "Does protection still show when there is work to do inside? Left the whole \
                   visit, right what protecting it adds to that work.",
        value_title: "time per visit",
        kind: Kind::Levels {
            axis: Varied::Hold,
            panels: &[
                (Value::Time, "time per visit"),
                (Value::Overhead, "time added to that of unprotected"),
            ],
            equal: None,
            bytes: false,
        },
        heading: "visit, work inside",
        number: Value::Time,
        wanted: HELD,
    },
    Entry {
        scenario: "hold_detach",
        theme: Theme::Holding,
        title: "Detach latency by how long holders stay",
        question: "Detach waits for those inside. Does it wait for longer than they stay?",
        value_title: "time until detach returned",
        kind: Kind::Levels {
            axis: Varied::Hold,
            panels: &[
                (Value::Median, "time until detach returned, median"),
                (Value::Tail, "99th percentile"),
            ],
            equal: Some("latency = stay"),
            bytes: false,
        },
        heading: "detach, work inside",
        number: Value::Median,
        wanted: HELD,
    },
    Entry {
        scenario: "hold_file",
        theme: Theme::Holding,
        title: "Detach latency of an open file that holders read",
        question: "A device as real as it gets: an open file. Holders read from it, detach waits \
                   for them and closes it. How long does that take?",
        value_title: "time until detach returned",
        kind: Kind::Ranges(&[Measure::Detach]),
        heading: "detach a file",
        number: Value::Median,
        wanted: GOOD,
    },
    Entry {
        scenario: "detach",
        theme: Theme::Detaching,
        title: "Detach latency by number of workers",
        question: "How long does a detach take while workers keep entering, and what does it \
                   wait for?",
        value_title: "time until detach returned",
        kind: Kind::Detach,
        heading: "detach",
        number: Value::Median,
        wanted: GOOD,
    },
    Entry {
        scenario: "bulk_detach",
        theme: Theme::Detaching,
        title: "Detaching many devices, one by one and together",
        question: "A bus goes, and all that hangs on it. Do many devices take as many times \
                   what one takes, and does it help to say so in one call?",
        value_title: "time until all were detached",
        kind: Kind::Levels {
            axis: Varied::Devices,
            panels: &[
                (Value::Median, "time until all were detached, median"),
                (Value::Each, "the same, for each device"),
            ],
            equal: None,
            bytes: false,
        },
        heading: "detach 100, each",
        number: Value::Each,
        wanted: Wanted {
            devices: Some(100),
            ..GOOD
        },
    },
    Entry {
        scenario: "late_drain",
        theme: Theme::Detaching,
        title: "Draining while refused threads keep knocking",
        question: "How long does the drain last while those who were refused try again and \
                   again, and how long does it take to refuse them?",
        value_title: "time",
        kind: Kind::Ranges(&[Measure::Detach, Measure::Refused]),
        heading: "drain, knocking",
        number: Value::Median,
        wanted: GOOD,
    },
    Entry {
        scenario: "bystander",
        theme: Theme::Neighbours,
        title: "Detach latency while a stranger holds another device",
        question: "Who waits for strangers? Somebody is inside another device, and stays. Does a \
                   detach wait for one who never entered what is detached?",
        value_title: "time until detach returned",
        kind: Kind::Ranges(&[Measure::Detach]),
        heading: "detach, stranger",
        number: Value::Median,
        wanted: LONGEST_HELD,
    },
    Entry {
        scenario: "disturbance",
        theme: Theme::Neighbours,
        title: "What detaching others costs everybody",
        question: "Other devices come and go. How much of the workers' throughput is left, by \
                   how often one is detached?",
        value_title: "throughput, relative to that without detaches",
        kind: Kind::Levels {
            axis: Varied::Rate,
            panels: &[(Value::Kept, "throughput, relative to that without detaches")],
            equal: None,
            bytes: false,
        },
        heading: "throughput kept",
        number: Value::Kept,
        wanted: Wanted {
            detach_rate: Some(10_000),
            ..GOOD
        },
    },
    Entry {
        scenario: "oversubscribed",
        theme: Theme::Neighbours,
        title: "Detach latency with more threads than CPUs",
        question: "Holders are preempted inside. How long does a detach take when who it waits \
                   for is waiting for a CPU?",
        value_title: "time until detach returned",
        kind: Kind::Ranges(&[Measure::Detach]),
        heading: "oversubscribed, p99",
        number: Value::Tail,
        wanted: Wanted {
            threads: Threads::Fewest,
            ..GOOD
        },
    },
    Entry {
        scenario: "sleeping_holders",
        theme: Theme::Neighbours,
        title: "Detach latency while holders sleep",
        question: "Holders block inside, as drivers do. How long does a detach take then?",
        value_title: "time until detach returned",
        kind: Kind::Ranges(&[Measure::Detach]),
        heading: "holders sleep",
        number: Value::Median,
        wanted: GOOD,
    },
    Entry {
        scenario: "migrating_holders",
        theme: Theme::Neighbours,
        title: "Detach latency while holders migrate",
        question: "Holders leave on another CPU than they entered on. Does the detach notice?",
        value_title: "time until detach returned",
        kind: Kind::Ranges(&[Measure::Detach]),
        heading: "holders migrate",
        number: Value::Median,
        wanted: GOOD,
    },
];

/// The entry of a scenario, if it has one.
pub(crate) fn entry(scenario: &str) -> Option<&'static Entry> {
    ENTRIES.iter().find(|entry| entry.scenario == scenario)
}
