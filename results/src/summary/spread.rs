//! How far samples lie apart.

use serde::{Deserialize, Serialize};

use crate::stats::{self, StatsError};

/// With fewer samples than this, quartiles are guesses.
const FEWEST: usize = 4;

/// How far samples lie apart, relative to their median: half the range of the
/// middle 50%. `None` where there are fewer than four of a kind, or where their
/// median is zero.
///
/// Where `between` is much larger than `within`, more rounds would not have
/// made the figure better, but more blocks would.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Samples of one process among themselves: median over the processes.
    pub within: Option<f64>,
    /// The medians of the processes among themselves.
    pub between: Option<f64>,
}

impl Spread {
    /// The spread of samples, given apart for each process.
    pub(super) fn of(processes: &[Vec<f64>]) -> Result<Spread, StatsError> {
        let medians = processes.iter().map(|samples| stats::median(samples));
        Spread::new(processes, &medians.collect::<Result<Vec<_>, _>>()?)
    }

    /// The same where the medians of the processes are known otherwise.
    pub(super) fn new(processes: &[Vec<f64>], medians: &[f64]) -> Result<Spread, StatsError> {
        let mut within = Vec::new();
        for samples in processes {
            within.extend(relative(samples)?);
        }
        Ok(Spread {
            within: match within.as_slice() {
                [] => None,
                within => Some(stats::median(within)?),
            },
            between: relative(medians)?,
        })
    }
}

/// Half the range of the middle 50% over the median.
fn relative(samples: &[f64]) -> Result<Option<f64>, StatsError> {
    if samples.len() < FEWEST {
        return Ok(None);
    }
    let [lower, median, upper] = stats::quartiles(samples)?;
    Ok((median > 0.0).then(|| (upper - lower) / 2.0 / median))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads_by_hand() {
        // Quartiles 2, 3, 4: a third. Of 10, 20, 30, 40: 17.5, 25, 32.5: 0.3.
        let processes = [
            vec![5.0, 1.0, 3.0, 2.0, 4.0],
            vec![10.0, 40.0, 20.0, 30.0],
            vec![7.0, 7.0, 7.0, 7.0],
        ];
        let spread = Spread::of(&processes).unwrap();
        assert_eq!(spread.within, Some(0.3));
        // Three processes are too few to say how processes differ.
        assert_eq!(spread.between, None);

        let spread = Spread::new(&[vec![1.0, 2.0, 3.0]], &[10.0, 20.0, 30.0, 40.0]).unwrap();
        assert_eq!((spread.within, spread.between), (None, Some(0.3)));
        assert_eq!(Spread::of(&[]), Ok(Spread::default()));
        assert_eq!(Spread::new(&[], &[0.0; 5]), Ok(Spread::default()));
    }
}
