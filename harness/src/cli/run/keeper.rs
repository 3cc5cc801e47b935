//! Whoever follows a campaign: what it hears goes into the record at once.

use std::time::Duration;

use detach_harness::campaign::{Lack, Observer, Progress};
use detach_harness::engine::Case;
use detach_results::record::{Measurement, Warning};
use detach_results::{Calibration, Probe, Recorder, StoreError};

use super::super::progress::Display;
use super::warnings::{NO_CALIBRATION, NO_FIFO, not_measured};

/// Stores each measurement the moment it is made, and shows how far the run is.
pub(super) struct Keeper {
    pub(super) recorder: Recorder,
    display: Display,
    /// Probes that are not in the record yet.
    probes: Vec<Probe>,
    /// What cannot be in the record, for the record's warnings.
    pub(super) lost: Vec<Warning>,
}

impl Keeper {
    /// A keeper that writes to `recorder`.
    pub(super) fn new(recorder: Recorder) -> Self {
        Keeper {
            recorder,
            display: Display::new(),
            probes: Vec::new(),
            lost: Vec::new(),
        }
    }

    /// Nothing more will be shown.
    pub(super) fn end(&self) {
        self.display.end();
    }
}

impl Observer for Keeper {
    type Error = StoreError;

    fn round_begins(&mut self, case: &Case, progress: &Progress) {
        self.display.show(case, progress);
    }

    fn measured(&mut self, measurement: &Measurement) -> Result<(), StoreError> {
        match self.recorder.append(measurement) {
            // One figure that cannot be true says nothing against the others.
            Err(error @ StoreError::Implausible { .. }) => {
                self.display.say(&format!("warning: {error}"));
                self.lost.push(not_measured(error.to_string()));
                Ok(())
            }
            result => result,
        }
    }

    fn calibrated(&mut self, calibration: Calibration) -> Result<(), StoreError> {
        self.recorder
            .update(|run| run.calibration = Some(calibration))
    }

    fn probed(&mut self, probe: Probe) -> Result<(), StoreError> {
        self.probes.push(probe);
        Ok(())
    }

    fn rests(&mut self, elapsed: Duration) -> Result<(), StoreError> {
        let probes = std::mem::take(&mut self.probes);
        self.recorder.update(|run| {
            run.probes.extend(probes);
            run.elapsed_ms = u64::try_from(elapsed.as_millis()).ok();
        })
    }

    fn lacks(&mut self, what: Lack, reason: &str) {
        let (kind, what, hint) = match what {
            Lack::Calibration => (
                NO_CALIBRATION,
                "the machine was not calibrated",
                "figures of this run cannot be held against those of others",
            ),
            Lack::Weight => (
                "no-weight",
                "a device was not weighed",
                "the bytes per device are missing for that strategy",
            ),
            Lack::Fifo => (
                NO_FIFO,
                "SCHED_FIFO was refused",
                "it takes a privilege (CAP_SYS_NICE); the rounds were measured without",
            ),
        };
        let message = format!("{what}: {reason}");
        if self.lost.iter().any(|warning| warning.message == message) {
            return;
        }
        self.display.say(&format!("warning: {message}"));
        self.lost.push(Warning {
            kind: kind.to_owned(),
            message,
            hint: hint.to_owned(),
        });
    }
}
