//! What the rows of a scenario have in common or differ by, apart from the
//! strategy: how the round was set up.

use std::collections::BTreeSet;

use detach_results::{Key, Row, show};

use crate::data::Data;

/// How the rounds of a row were set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Setting {
    pub(crate) threads: usize,
    pub(crate) hold_ns: u64,
    pub(crate) devices: usize,
    pub(crate) skewed: bool,
    pub(crate) together: bool,
    pub(crate) detach_rate: u64,
}

/// What a setting is made of, and a scenario may vary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Varied {
    Hold,
    Devices,
    Rate,
}

impl Varied {
    /// Where a row lies on the axis. Rates are those that were reached, where
    /// that is known.
    pub(crate) fn level(self, row: &Row) -> f64 {
        match self {
            Varied::Hold => row.key.hold_ns as f64,
            Varied::Devices => row.key.devices as f64,
            Varied::Rate => {
                let asked = row.key.detach_rate as f64;
                let cost = row.cost.as_ref().filter(|_| asked > 0.0);
                cost.and_then(|cost| cost.detaches_per_second)
                    .unwrap_or(asked)
            }
        }
    }

    /// Whether the levels are whatever was reached, rather than chosen.
    pub(crate) fn is_found(self) -> bool {
        self == Varied::Rate
    }

    /// The title of the axis.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Varied::Hold => "how long a holder stays inside",
            Varied::Devices => "devices",
            Varied::Rate => "detaches of other devices per second, as many as there really were",
        }
    }

    /// A level, as the axis writes it.
    pub(crate) fn write(self, level: f64) -> String {
        match self {
            Varied::Hold if level == 0.0 => "not at all".to_owned(),
            Varied::Hold => show::nanoseconds(level),
            Varied::Rate if level == 0.0 => "none".to_owned(),
            Varied::Devices | Varied::Rate => show::magnitude(level),
        }
    }
}

/// Which setting stands for a scenario where there is room for one number. Of
/// the levels that were measured, the largest that is not above the wanted one
/// is taken; where none is wanted, the smallest.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) threads: Threads,
    pub(crate) hold_ns: Option<u64>,
    pub(crate) devices: Option<usize>,
    /// Whether they are detached in one call; there is nothing near to it.
    pub(crate) together: bool,
    pub(crate) detach_rate: Option<u64>,
}

/// The number of workers of the setting that stands for a scenario.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Threads {
    /// The largest [good](Data::good_workers) one.
    #[default]
    Good,
    /// The smallest.
    Fewest,
}

impl Setting {
    pub(crate) fn of(key: &Key) -> Setting {
        Setting {
            threads: key.threads,
            hold_ns: key.hold_ns,
            devices: key.devices,
            skewed: key.skewed,
            together: key.together,
            detach_rate: key.detach_rate,
        }
    }

    /// The setting in words, as far as it is anything but plain.
    pub(crate) fn words(&self) -> String {
        self.join(|name, _| !self.is_plain(name))
    }

    /// What the setting does not share with all of the others, in words.
    pub(crate) fn distinction(&self, others: &[Setting]) -> String {
        self.join(|name, level| differs(others, name, level))
    }

    /// What it shares with all of them and is anything but plain, in words.
    pub(crate) fn common(&self, others: &[Setting]) -> String {
        self.join(|name, level| !self.is_plain(name) && !differs(others, name, level))
    }

    /// Whether there is nothing to say of a part when it stands alone.
    fn is_plain(&self, name: &str) -> bool {
        name == "devices" && self.devices <= 1
    }

    fn join(&self, asked: impl Fn(&str, u64) -> bool) -> String {
        let parts = self.parts().into_iter();
        let asked = parts.filter(|(name, level, _)| asked(name, *level));
        let words: Vec<String> = asked.filter_map(|(_, _, words)| words).collect();
        words.join(", ")
    }

    /// What it is made of: a name, a level, and how it is said, where there is
    /// anything to say.
    fn parts(&self) -> [(&'static str, u64, Option<String>); 6] {
        let hold = show::nanoseconds(self.hold_ns as f64);
        let rate = show::magnitude(self.detach_rate as f64);
        [
            (
                "threads",
                self.threads as u64,
                Some(show::count(self.threads, "worker")),
            ),
            (
                "hold",
                self.hold_ns,
                (self.hold_ns > 0).then(|| format!("{hold} inside")),
            ),
            (
                "devices",
                self.devices as u64,
                Some(show::count(self.devices, "device")),
            ),
            (
                "skewed",
                u64::from(self.skewed),
                self.skewed.then(|| "skewed".to_owned()),
            ),
            (
                "together",
                u64::from(self.together),
                self.together.then(|| "together".to_owned()),
            ),
            (
                "rate",
                self.detach_rate,
                (self.detach_rate > 0).then(|| format!("{rate} detaches/s")),
            ),
        ]
    }
}

/// Whether any of the settings has another level of a part.
fn differs(settings: &[Setting], name: &str, level: u64) -> bool {
    let mut parts = settings.iter().flat_map(Setting::parts);
    parts.any(|(other, value, _)| other == name && value != level)
}

/// The different settings of rows, ascending.
pub(crate) fn settings<'r>(rows: impl IntoIterator<Item = &'r Row>) -> Vec<Setting> {
    let settings: BTreeSet<Setting> = rows.into_iter().map(|row| Setting::of(&row.key)).collect();
    settings.into_iter().collect()
}

/// The setting that stands for a scenario.
pub(crate) fn representative(data: &Data<'_>, scenario: &str, wanted: Wanted) -> Option<Setting> {
    let mut left = settings(data.rows(scenario));
    let threads = match wanted.threads {
        Threads::Good => data.good_workers(&[scenario]),
        Threads::Fewest => left.iter().map(|setting| setting.threads).min(),
    };
    left.retain(|setting| Some(setting.threads) == threads);
    left.retain(|setting| setting.together == wanted.together);
    if left.iter().any(|setting| !setting.skewed) {
        left.retain(|setting| !setting.skewed);
    }
    nearest(
        &mut left,
        wanted.devices.map(|devices| devices as u64),
        |setting| setting.devices as u64,
    );
    nearest(&mut left, wanted.hold_ns, |setting| setting.hold_ns);
    nearest(&mut left, wanted.detach_rate, |setting| setting.detach_rate);
    left.first().copied()
}

fn nearest(left: &mut Vec<Setting>, wanted: Option<u64>, part: fn(&Setting) -> u64) {
    let wanted = wanted.unwrap_or(0);
    let below = left.iter().map(part).filter(|level| *level <= wanted).max();
    let chosen = below.or_else(|| left.iter().map(part).min());
    left.retain(|setting| Some(part(setting)) == chosen);
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Setting = Setting {
        threads: 2,
        hold_ns: 0,
        devices: 1,
        skewed: false,
        together: false,
        detach_rate: 0,
    };

    #[test]
    fn a_setting_says_what_is_not_plain_and_what_distinguishes_it() {
        let held = Setting {
            hold_ns: 1_000,
            ..PLAIN
        };
        let skewed = Setting {
            devices: 100,
            skewed: true,
            ..PLAIN
        };
        assert_eq!(PLAIN.words(), "2 workers");
        assert_eq!(held.words(), "2 workers, 1 µs inside");
        assert_eq!(skewed.words(), "2 workers, 100 devices, skewed");
        assert_eq!(held.distinction(&[PLAIN, held]), "1 µs inside");
        assert_eq!(PLAIN.distinction(&[PLAIN, held]), "");
        assert_eq!(held.common(&[PLAIN, held]), "2 workers");
        assert_eq!(PLAIN.distinction(&[PLAIN, skewed]), "1 device");
        assert_eq!(PLAIN.distinction(&[PLAIN]), "");
    }

    #[test]
    fn the_largest_level_that_is_not_above_the_wanted_one_is_taken() {
        let level = |hold_ns: u64| Setting { hold_ns, ..PLAIN };
        let chosen = |wanted: Option<u64>| {
            let mut left = vec![level(10), level(100), level(1_000)];
            nearest(&mut left, wanted, |setting| setting.hold_ns);
            left
        };
        assert_eq!(chosen(Some(500)), [level(100)]);
        assert_eq!(chosen(Some(u64::MAX)), [level(1_000)]);
        assert_eq!(chosen(Some(1)), [level(10)]);
        assert_eq!(chosen(None), [level(10)]);
    }
}
