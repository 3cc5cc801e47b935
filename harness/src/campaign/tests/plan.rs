//! How long rounds, blocks and campaigns are.

use super::script::{plan_of, smoke};
use crate::campaign::*;
use crate::engine::cases_of;

#[test]
fn rounds_are_neither_too_short_nor_too_long() {
    for (milliseconds, cases) in [(1, 12), (2_400, 12), (600_000, 12), (240_000, 500)] {
        let many = std::iter::repeat_n(Case::new("refcount", Scenario::Detach, 1), cases);
        let time = Some(Duration::from_millis(milliseconds));
        let plan = Plan::new(many.collect(), vec![0, 1], time, 1);
        assert!(plan.round >= Duration::from_millis(10), "{plan:?}");
        assert!(plan.round <= Duration::from_millis(50), "{plan:?}");
    }
}

#[test]
fn a_long_campaign_has_many_blocks_and_a_short_one_enough() {
    for (seconds, least) in [(10, 8), (60, 20), (180, 30)] {
        let plan = plan_of(Duration::from_secs(seconds));
        assert!(
            plan.blocks() >= least,
            "{seconds} s: {} blocks",
            plan.blocks()
        );
    }
}

#[test]
fn a_campaign_with_a_time_of_its_own_ends_in_time() {
    for (cpus, minutes) in [(1, 5), (2, 5), (8, 10), (256, 20)] {
        let all = Scenario::ALL.into_iter();
        let cases: Vec<Case> = all
            .flat_map(|scenario| cases_of(scenario, &[], cpus))
            .collect();
        let plan = Plan::new(cases, (0..cpus).collect(), None, 1);
        let expected = plan.expected();
        assert!(
            expected <= Duration::from_secs(60 * minutes - 30),
            "{cpus}: {expected:?}"
        );
        assert!(plan.blocks() >= 8, "{cpus} CPUs: {} blocks", plan.blocks());
    }
}

#[test]
fn progress_follows_the_clock_once_the_first_block_is_done() {
    let seconds = Duration::from_secs;
    let timed = plan_of(seconds(60));
    let done = |block, rounds, elapsed| timed.done(block, rounds, elapsed);
    assert_eq!(done(0, 0.5, seconds(3)), 0.05);
    assert_eq!(done(0, 0.5, seconds(90)), 0.5);
    assert_eq!(done(3, 0.5, seconds(30)), 0.5);
    assert_eq!(done(3, 0.5, seconds(90)), 1.0);
    let smoke = smoke();
    assert_eq!(smoke.done(0, 0.5, seconds(90)), 0.25);
    assert_eq!(smoke.done(1, 0.5, seconds(90)), 0.75);
}
