//! Rounds of every strategy that runs here: what must hold in each, whatever
//! the clock says.

use std::time::Duration;

use detach_results::record::Noise;
use detach_strategies::platform::{membarrier_status, topology};

use super::*;

fn engine() -> Engine {
    Engine::new(topology::allowed_cpus().unwrap_or_else(|| vec![0, 1]))
}

/// The strategies that this machine can run.
fn runnable(engine: &Engine) -> Vec<&'static str> {
    let ids = registry::all().into_iter().map(|properties| properties.id);
    let here: Vec<_> = ids.filter(|id| engine.supports(id).is_ok()).collect();
    assert!(here.contains(&"refcount"), "refcount runs everywhere");
    here
}

fn case(strategy: &'static str, scenario: Scenario, threads: usize) -> Case {
    Case::new(strategy, scenario, threads)
}

#[test]
fn fast_path_rounds_time_every_worker() {
    let mut engine = engine();
    for scenario in [Scenario::FastPath, Scenario::FastPathPrivate] {
        for threads in engine.thread_counts(scenario) {
            for strategy in runnable(&engine) {
                let case = case(strategy, scenario, threads);
                let round = engine
                    .round(&case, 1_000)
                    .unwrap_or_else(|e| panic!("{case}: {e}"));
                let Observed::Cost { elapsed, .. } = &round.observed else {
                    panic!("{case} is a cost");
                };
                assert_eq!(round.iterations, 1_000, "{case}");
                assert_eq!(elapsed.len(), threads, "{case}");
                assert_eq!(round.took, *elapsed.iter().max().unwrap(), "{case}");
                assert!(round.timed() <= round.took, "{case}");
                assert!((0.0..=1.0).contains(&round.fairness()), "{case}");
                assert!(round.ops_per_second() > 0.0, "{case}");
                assert_eq!(round.noise.samples, 1, "{case}");
                let private = scenario == Scenario::FastPathPrivate;
                let devices = if private { threads } else { 1 };
                assert_eq!(round.workload.devices, devices, "{case}");
            }
        }
    }
}

#[test]
fn every_device_of_a_round_is_detached_once_and_timed() {
    let mut engine = engine();
    for threads in engine.thread_counts(Scenario::Detach) {
        // Few where each waits for the scheduler, and over the end of a batch
        // where it does not.
        let iterations = if threads == 0 { BATCH + 3 } else { 9 };
        for strategy in runnable(&engine) {
            let case = case(strategy, Scenario::Detach, threads);
            let properties = super::strategy(strategy).unwrap();
            if !Scenario::Detach.applies_to(&properties) {
                continue;
            }
            // A detach that failed, or that handed over the softc of another
            // device, would have been an error.
            let round = engine
                .round(&case, iterations)
                .unwrap_or_else(|e| panic!("{case}: {e}"));
            let Observed::Detach(phases) = &round.observed else {
                panic!("{case} is a detach");
            };
            assert_eq!(phases.latency.len(), iterations, "{case}");
            let with_workers = if threads == 0 { 0 } else { iterations };
            assert_eq!(phases.last_entry.len(), with_workers, "{case}");
            assert_eq!(phases.last_leave.len(), with_workers, "{case}");
            assert!(phases.last_leave.max() >= phases.last_entry.max(), "{case}");
            let fenced = membarrier_status().is_ok();
            assert_eq!(phases.heavy_fence.is_empty(), !fenced, "{case}");
            assert!(round.took >= phases.total, "{case}");
            assert_eq!(round.workload.devices, 1, "{case}");
        }
    }
}

/// Every scenario at every level, with every strategy: what is measured is of
/// the kind that the scenario is about, and nothing that must not be asked is.
#[test]
fn every_scenario_runs_with_every_strategy() {
    let mut engine = engine();
    let here = runnable(&engine);
    for scenario in Scenario::ALL {
        for case in engine.cases(&[scenario]) {
            let properties = super::strategy(case.strategy).unwrap();
            if !here.contains(&case.strategy) {
                continue;
            }
            let result = engine.round(&case, 3);
            if scenario.forbidden(&properties).is_some() {
                assert!(matches!(result, Err(RoundError::Unsupported(_))), "{case}");
                continue;
            }
            let round = result.unwrap_or_else(|error| panic!("{case}: {error}"));
            match &round.observed {
                Observed::Detach(phases) => {
                    assert!(scenario.times_detaches(), "{case}");
                    assert_eq!(phases.latency.len(), 3, "{case}");
                    let asked = scenario == Scenario::Bystander;
                    assert_eq!(phases.overtook.is_some(), asked, "{case}");
                    assert!(round.took >= phases.total, "{case}");
                }
                Observed::Cost {
                    elapsed,
                    detaches_per_second,
                } => {
                    assert!(!scenario.times_detaches(), "{case}");
                    assert_eq!(elapsed.len(), case.threads, "{case}");
                    let asked = scenario == Scenario::Disturbance;
                    assert_eq!(detaches_per_second.is_some(), asked, "{case}");
                }
                Observed::Visits(times) => {
                    assert_eq!(scenario, Scenario::Latency, "{case}");
                    assert!(!times.visits.is_empty(), "{case}");
                    assert_eq!(times.visits.len(), times.clock.len(), "{case}");
                }
            }
            assert_eq!(round.workload, engine.workload(&case), "{case}");
        }
    }
}

#[test]
fn rounds_say_where_their_threads_sat() {
    let mut engine = engine();
    let cpus = engine.cpus().to_vec();
    let over = cpus.len() + 1;
    for (scenario, threads) in [
        (Scenario::FastPath, 1),
        (Scenario::FastPath, over),
        (Scenario::Detach, 0),
        (Scenario::Detach, cpus.len()),
    ] {
        let case = case("refcount", scenario, threads);
        let before = engine.workload(&case);
        let round = engine.round(&case, 3).unwrap();
        let all = threads + usize::from(scenario.has_detacher());
        assert_eq!(round.workload.oversubscribed, all > cpus.len(), "{case}");
        assert_eq!(
            round.workload.detacher_shares_cpu,
            scenario.has_detacher() && threads >= cpus.len(),
            "{case}"
        );
        if cfg!(target_os = "linux") {
            assert_eq!(round.workload, before, "{case}");
            assert_eq!(round.workload.worker_cpus.len(), threads, "{case}");
            assert_eq!(
                round.workload.detacher_cpu.is_some(),
                scenario.has_detacher()
            );
        }
    }
}

#[test]
fn a_loop_that_the_compiler_removed_is_an_error() {
    let fake = |iterations, ns| Round {
        iterations,
        took: Duration::from_nanos(ns),
        workload: Placement::new(2, false, &[0, 1]).workload(true),
        observed: Observed::Cost {
            elapsed: vec![Duration::from_secs(1), Duration::from_nanos(ns)],
            detaches_per_second: None,
        },
        mechanisms: BTreeMap::new(),
        worker_sleeps: None,
        noise: Noise::default(),
    };
    // 0.09 ns and 0.11 ns a lap of the faster worker.
    let error = fake(1_000_000, 90_000).judge().unwrap_err();
    assert!(matches!(error, RoundError::TooThin { .. }));
    assert!(error.to_string().contains("compiler removed"), "{error}");
    assert!(fake(1_000_000, 110_000).judge().is_ok());
    // Too few laps for a coarse clock to judge.
    assert!(fake(10, 0).judge().is_ok());
}

#[test]
fn senseless_cases_are_refused() {
    let mut engine = engine();
    let error = engine
        .round(&case("refcount", Scenario::FastPath, 0), 1)
        .unwrap_err();
    assert_eq!(error.to_string(), "fast_path needs at least one worker");
    let error = engine
        .round(&case("refcount", Scenario::Detach, 0), 0)
        .unwrap_err();
    assert!(matches!(error, RoundError::NoIterations));
    let error = engine
        .round(&case("mutex", Scenario::Detach, 0), 1)
        .unwrap_err();
    assert!(error.to_string().contains("refcount"), "{error}");
    for properties in registry::all() {
        if !Scenario::Detach.applies_to(&properties) {
            let case = case(properties.id, Scenario::Detach, 0);
            assert!(matches!(
                engine.round(&case, 1),
                Err(RoundError::Pointless(_))
            ));
        }
    }
}
