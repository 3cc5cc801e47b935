//! The devices of a batch.
//!
//! A batch is a row of cells. At any time a *window* of them holds attached
//! devices; whoever detaches one attaches the one that enters the window, with
//! the body that was just reclaimed. The cells before the window hold devices
//! that are gone, for late arrivals to knock at. When the row is used up, all
//! threads have been joined, and no guard can be left, the handles are dropped
//! and the next batch begins.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use detach_strategies::{DeviceRef, LateArrival, Reclaim};

use super::Run;
use super::disturb::Hints;
use super::softc::{Sight, Softc};
use super::tally::Tally;

/// One device and its fate.
pub(super) struct Cell<D> {
    pub(super) device: OnceLock<D>,
    /// The softc that was attached.
    softc: OnceLock<Softc>,
    /// Detaches that got a softc from it.
    wins: AtomicU64,
    /// Whether it is gone for sure.
    gone: AtomicBool,
}

/// The devices of a batch.
pub(super) struct Board<D> {
    cells: Box<[Cell<D>]>,
    window: usize,
    /// What the threads at this board let each other know.
    pub(super) hints: Arc<Hints>,
    /// Detaches won.
    detached: AtomicUsize,
    /// Whether softcs are exchanged while their device is closed, so that a
    /// device may show another one than it was attached with.
    pub(super) exchanged: bool,
}

impl<D: DeviceRef<Softc = Softc>> Board<D> {
    /// A row of that many devices, of which a window is attached at a time.
    pub(super) fn new(run: &Run<'_>, devices: usize, window: usize, exchanged: bool) -> Self {
        let cell = || Cell {
            device: OnceLock::new(),
            softc: OnceLock::new(),
            wins: AtomicU64::new(0),
            gone: AtomicBool::new(false),
        };
        let board = Board {
            cells: std::iter::repeat_with(cell).take(devices).collect(),
            window: window.min(devices),
            hints: Arc::default(),
            detached: AtomicUsize::new(0),
            exchanged,
        };
        let mut tally = Tally::default();
        for number in 0..board.window {
            board.attach(number, &mut tally);
        }
        run.add(tally);
        board
    }

    fn attach(&self, number: usize, tally: &mut Tally) {
        let cell = &self.cells[number];
        let softc = Softc::new();
        let device = D::attach(softc).expect("the strategy is supported here");
        cell.softc
            .set(softc)
            .expect("each cell is dealt one device");
        assert!(
            cell.device.set(device).is_ok(),
            "each cell is dealt one device"
        );
        tally.attaches += 1;
    }

    /// Devices in the row.
    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }

    /// The device of that number, once it is attached.
    pub(super) fn device(&self, number: usize) -> Option<&D> {
        self.cells[number].device.get()
    }

    /// The device of that number, if there is one and it is attached.
    pub(super) fn attached(&self, number: usize) -> Option<&D> {
        self.cells.get(number)?.device.get()
    }

    /// Whether that device is gone, as far as this thread knows.
    pub(super) fn gone(&self, number: usize) -> bool {
        // Ordering: Acquire pairs with the Release in `won`.
        self.cells[number].gone.load(Ordering::Acquire)
    }

    /// How many detaches got their softc: about where the window begins.
    pub(super) fn detached(&self) -> usize {
        // Ordering: Relaxed; a hint.
        self.detached.load(Ordering::Relaxed)
    }

    /// Whether every device is gone.
    pub(super) fn finished(&self) -> bool {
        self.detached() >= self.cells.len()
    }

    /// What a holder may expect to see of that device.
    pub(super) fn expected(&self, number: usize) -> Option<u64> {
        if self.exchanged {
            return None;
        }
        self.cells[number].softc.get().map(Softc::generation)
    }

    /// A detach of that device returned `softc`: reclaims it, and attaches the
    /// next device.
    pub(super) fn won(&self, run: &Run<'_>, number: usize, softc: Softc, tally: &mut Tally) {
        let cell = &self.cells[number];
        if let Err(sight) = reclaim::<D>(softc) {
            run.report(&format!("{sight}; device {number}"));
        }
        tally.detaches += 1;
        // Ordering: Relaxed; counted up, and read when all threads are joined.
        if cell.wins.fetch_add(1, Ordering::Relaxed) != 0 {
            run.report(&format!("two detaches got the softc of device {number}"));
        }
        if self
            .expected(number)
            .is_some_and(|attached| attached != softc.generation())
        {
            run.report(&format!(
                "detach of device {number} returned the softc of another"
            ));
        }
        // Ordering: Release pairs with the Acquire in `gone`.
        cell.gone.store(true, Ordering::Release);
        // Ordering: Relaxed; a hint.
        self.detached.fetch_add(1, Ordering::Relaxed);
        let next = number + self.window;
        if next < self.cells.len() && !run.over() {
            self.attach(next, tally);
        }
    }

    /// Looks at the row when all threads are joined: as many detaches won as
    /// devices gone, none twice. The softcs that nobody took are retired.
    pub(super) fn close(self, run: &Run<'_>) {
        for (number, cell) in self.cells.into_iter().enumerate() {
            let Some(softc) = cell.softc.into_inner() else {
                continue;
            };
            let (wins, gone) = (cell.wins.into_inner(), cell.gone.into_inner());
            if wins != u64::from(gone) {
                run.report(&format!(
                    "{wins} detaches got the softc of device {number}, which is {}",
                    if gone { "gone" } else { "still attached" }
                ));
            }
            // An exchanged softc lies in the device; it stays behind as a body
            // that nobody uses.
            let left_behind = !gone && !self.exchanged;
            if left_behind || D::PROPERTIES.reclaim == Reclaim::Never {
                softc.retire();
            }
        }
    }
}

/// Reclaims a softc that detach returned, as far as the strategy allows it: a
/// holder's copy may outlive it, and what is never reclaimed must stay whole.
pub(super) fn reclaim<D: DeviceRef<Softc = Softc>>(softc: Softc) -> Result<(), Sight> {
    softc.whole()?;
    match D::PROPERTIES.reclaim {
        Reclaim::AfterHolders => softc.reclaim(),
        Reclaim::Snapshots => {
            softc.alive()?;
            softc.retire();
            Ok(())
        }
        Reclaim::Never => softc.alive(),
    }
}

/// Whether a device that is gone refuses whoever arrives.
pub(super) fn refuses<D: DeviceRef<Softc = Softc>>() -> bool {
    D::PROPERTIES.late_arrival != LateArrival::Admitted
}
