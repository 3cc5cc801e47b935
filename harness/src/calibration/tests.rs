//! What a calibration and a probe consist of. What they find depends on who
//! else is on the machine, so no test asks for that.

use detach_strategies::platform::topology::Topology;
use detach_strategies::platform::{AsymmetricFence, Membarrier};

use super::*;

fn cpus() -> Vec<usize> {
    let mut cpus = Topology::detect().placement();
    cpus.truncate(2);
    cpus
}

#[test]
fn a_calibration_has_whatever_can_be_had() {
    let cpus = cpus();
    let several = cpus.len() > 1;
    let found = calibrate(&cpus);
    for estimate in [
        &found.clock_ns,
        &found.empty_loop_ns,
        &found.plain_increment_ns,
        &found.locked_increment_ns,
    ] {
        assert_eq!(estimate.samples.len(), 20);
        assert!(estimate.median > 0.0 && estimate.median.is_finite());
        assert!(estimate.ci_low <= estimate.median && estimate.median <= estimate.ci_high);
    }
    assert!(found.clock_step_ns > 0);
    let (sleep, budget) = (found.sleep_ns.unwrap(), found.waiting_budget_ns.unwrap());
    assert!(sleep > 0.0 && sleep.is_finite());
    let fence = found.heavy_fence_busy_ns.as_ref().map_or(0, |one| one.p50);
    let derived = (sleep.max(fence as f64) as u64).clamp(1_000, 1_000_000);
    assert!(!several || budget == derived as f64);
    let fences = Membarrier::supported().is_ok();
    assert_eq!(found.heavy_fence_idle_ns.is_some(), fences);
    assert_eq!(found.heavy_fence_busy_ns.is_some(), fences && several);
    assert_eq!(
        found.transfers.is_some(),
        several && Topology::detect().pinning()
    );
    if let Some(transfers) = &found.transfers {
        assert_eq!(transfers.cpus, cpus);
        assert_eq!(transfers.one_way_ns[0][0], None);
        assert_eq!(transfers.one_way_ns[0][1], transfers.one_way_ns[1][0]);
        assert!(transfers.pairs().all(|time| time > 0.0));
    }
    assert_eq!(found.parallelism.is_some(), several);
    assert!(found.parallelism.is_none_or(|part| part > 0.0));
}

#[test]
fn one_cpu_has_nothing_between_cpus() {
    let found = calibrate(&cpus()[..1]);
    assert_eq!(found.heavy_fence_busy_ns, None);
    assert_eq!(found.transfers, None);
    assert_eq!(found.parallelism, None);
}

#[test]
fn a_probe_says_when_and_what() {
    let cpus = cpus();
    let several = cpus.len() > 1;
    let pinned = Topology::detect().pinning();
    let prober = Prober::new(&cpus, None);
    let probe = prober.probe(Duration::from_millis(1_234), Some(7));
    assert_eq!((probe.at_ms, probe.after_block), (1_234, Some(7)));
    assert_eq!(probe.parallelism.is_some(), several);
    assert_eq!(probe.ping_pong_ns.is_some(), several && pinned);
    assert!(probe.parallelism.is_none_or(|part| part > 0.0));

    let alone = Prober::new(&cpus[..1], None).probe(Duration::ZERO, None);
    assert_eq!((alone.parallelism, alone.ping_pong_ns), (None, None));
}

#[cfg(target_os = "linux")]
#[test]
fn cpus_that_are_not_there_still_give_what_one_thread_can() {
    // No machine has that many CPUs, so nothing can be pinned.
    let found = calibrate(&[60_000, 60_001]);
    assert_eq!(found.transfers, None);
    assert!(found.parallelism.is_some());
    assert!(found.locked_increment_ns.median > 0.0);
}
