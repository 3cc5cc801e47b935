//! What a run says at its end that its reader should know before believing it.

use detach_results::record::Warning;
use detach_results::{Disturbance, Probe};

/// Kinds of warnings that whoever goes on with a run will find out anew.
pub(super) const ANEW: [&str; 6] = [
    MOSTLY_DISTURBED,
    DISTURBED,
    MOVED,
    NOT_MEASURED,
    NO_CALIBRATION,
    NO_FIFO,
];
pub(super) const NO_CALIBRATION: &str = "no-calibration";
pub(super) const NO_FIFO: &str = "no-fifo";
const MOSTLY_DISTURBED: &str = "mostly-disturbed";
const DISTURBED: &str = "disturbed";
const MOVED: &str = "cpus-moved";

/// A cache line's way between two CPUs that stay where they are varies by less.
const FARTHER: f64 = 2.0;

/// Whether the CPUs were now close together and now far apart.
pub(super) fn moved(probes: &[Probe]) -> Option<Warning> {
    let ways = probes.iter().filter_map(|probe| probe.ping_pong_ns);
    let (least, most) = (
        ways.clone().fold(f64::INFINITY, f64::min),
        ways.fold(0.0, f64::max),
    );
    (most > FARTHER * least).then(|| Warning {
        kind: MOVED.to_owned(),
        message: format!(
            "a cache line took from {least:.0} to {most:.0} ns between the first two CPUs: \
             a hypervisor moved them"
        ),
        hint: "contended figures are a mixture; compare ratios, and look at the probes".to_owned(),
    })
}

/// The share of disturbed samples that is worth a warning.
const MANY: u64 = 10;

/// What a reader must know about the machine during the run, if anything.
pub(super) fn disturbed(disturbance: &Disturbance) -> Option<Warning> {
    let kind = match disturbance {
        mostly if mostly.is_mostly() => MOSTLY_DISTURBED,
        much if much.disturbed > much.samples / MANY => DISTURBED,
        _ => return None,
    };
    Some(Warning {
        kind: kind.to_owned(),
        message: disturbance.to_string(),
        hint: "stop other programs and measure again; ratios within the run suffer less than \
               times"
            .to_owned(),
    })
}

/// The kind of a warning about a case that is not in the record.
pub(super) const NOT_MEASURED: &str = "not-measured";

pub(super) fn not_measured(message: String) -> Warning {
    Warning {
        kind: NOT_MEASURED.to_owned(),
        message,
        hint: "the other cases are not affected; please report it".to_owned(),
    }
}
