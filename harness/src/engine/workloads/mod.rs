//! The workloads: how each scenario is measured. Each file says in prose what
//! its scenario asks.

mod bulk;
mod bystander;
mod churn;
mod detach;
mod disturbance;
mod fast_path;
#[cfg(test)]
mod faulty;
mod file;
mod laps;
mod late_arrivals;
mod latency;
mod many_devices;
mod stay;
mod timed;

use std::time::Duration;

use detach_strategies::DeviceRef;
use detach_strategies::registry::Visitor;

use super::case::Case;
use super::fleet::Fleet;
use super::round::RoundError;
use super::scenario::Scenario;
use super::softc::Softc;
use super::{Seen, dispatch};

pub use detach::BATCH;

use detach::Manners;
use file::{OpenFile, Reading};
use stay::{Busy, Long, Touch};

/// Runs one round of a case.
pub(super) fn measure(
    fleet: &Fleet,
    case: &Case,
    iterations: u64,
    cpus: &[usize],
) -> Result<Seen, RoundError> {
    let order = Order {
        fleet,
        case,
        iterations,
        cpus,
    };
    // However the round ends, the threads of the next one sit where they should.
    let _moved = (case.scenario == Scenario::MigratingHolders).then(|| fleet.moved());
    match case.scenario {
        Scenario::HoldFile => dispatch::<OpenFile, _>(case.strategy, &mut OfFiles(order)),
        _ => dispatch::<Softc, _>(case.strategy, &mut OfWords(order)),
    }
}

/// Memory per device, in a process in which nothing else was done before: see
/// [`many_devices`].
pub(super) fn weigh(
    fleet: &Fleet,
    strategy: &str,
    devices: usize,
) -> Result<Option<f64>, RoundError> {
    struct Weigh<'e>(&'e Fleet, usize);

    impl Visitor<Softc> for Weigh<'_> {
        type Output = Result<Option<f64>, RoundError>;

        fn visit<D: DeviceRef<Softc = Softc>>(&mut self) -> Self::Output {
            D::supported()?;
            many_devices::weigh::<D>(self.0, self.1)
        }
    }

    dispatch::<Softc, _>(strategy, &mut Weigh(fleet, devices))
}

/// One round to run, with the strategy to be filled in.
struct Order<'e> {
    fleet: &'e Fleet,
    case: &'e Case,
    iterations: u64,
    cpus: &'e [usize],
}

/// Of devices that hold a word.
struct OfWords<'e>(Order<'e>);

/// Of devices that are open files.
struct OfFiles<'e>(Order<'e>);

impl Visitor<Softc> for OfWords<'_> {
    type Output = Result<Seen, RoundError>;

    fn visit<D: DeviceRef<Softc = Softc>>(&mut self) -> Self::Output {
        D::supported()?;
        let Order {
            fleet,
            case,
            iterations: n,
            cpus,
        } = self.0;
        let level = &case.level;
        match case.scenario {
            Scenario::FastPath => fast_path::shared::<D>(fleet, n),
            Scenario::FastPathPrivate => fast_path::private::<D>(fleet, n),
            Scenario::Latency => latency::measure::<D>(fleet, n),
            Scenario::Hold => fast_path::hold::<D>(fleet, n, level.hold_ns),
            Scenario::ManyDevices => {
                many_devices::measure::<D>(fleet, n, level.devices, level.skewed)
            }
            Scenario::Disturbance => disturbance::measure::<D>(fleet, n, level.detach_rate),
            Scenario::LateArrivals => late_arrivals::measure::<D>(fleet, n),
            Scenario::Churn => churn::measure::<D>(fleet, n),
            Scenario::Detach => detach::measure::<D, _>(fleet, n, &Manners::polite(Touch)),
            Scenario::LateDrain => {
                let manners = Manners {
                    stay: Touch,
                    knock: true,
                };
                detach::measure::<D, _>(fleet, n, &manners)
            }
            Scenario::HoldDetach | Scenario::Oversubscribed => {
                let busy = Long::Busy(Busy::new(level.hold_ns));
                detach::measure::<D, _>(fleet, n, &Manners::polite(busy))
            }
            Scenario::SleepingHolders => {
                let asleep = Long::Asleep(Duration::from_nanos(level.hold_ns));
                detach::measure::<D, _>(fleet, n, &Manners::polite(asleep))
            }
            Scenario::MigratingHolders => {
                let moving = Long::Moving(moving_among(cpus, fleet));
                detach::measure::<D, _>(fleet, n, &Manners::polite(moving))
            }
            Scenario::Bystander => bystander::measure::<D>(fleet, n, level.hold_ns),
            Scenario::BulkDetach => bulk::measure::<D>(fleet, n, level.devices, level.together),
            Scenario::HoldFile => unreachable!("its devices are files"),
        }
    }
}

impl Visitor<OpenFile> for OfFiles<'_> {
    type Output = Result<Seen, RoundError>;

    fn visit<D: DeviceRef<Softc = OpenFile>>(&mut self) -> Self::Output {
        D::supported()?;
        let manners = Manners::polite(Reading);
        detach::measure::<D, _>(self.0.fleet, self.0.iterations, &manners)
    }
}

/// The CPUs among which holders move: not the detacher's, if there are others
/// enough.
fn moving_among(cpus: &[usize], fleet: &Fleet) -> Vec<usize> {
    let detacher = fleet.placement().detacher;
    let others: Vec<usize> = cpus
        .iter()
        .copied()
        .filter(|cpu| Some(*cpu) != detacher)
        .collect();
    if others.len() > 1 {
        others
    } else {
        cpus.to_vec()
    }
}
