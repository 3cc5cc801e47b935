use super::*;

const STAT: &str = "cpu  10 0 20 300 4 0 1 12 0 0\n\
                    cpu0 5 0 10 150 2 0 1 9 0 0\n\
                    cpu1 5 0 10 150 2 0 0 3 0 0\n\
                    intr 12345 0 0\nctxt 99\n";

#[test]
fn times_are_those_of_the_cpus_in_use() {
    let times = |count, busy, steal| Some(CpuTimes { count, busy, steal });
    assert_eq!(parse_stat(STAT, &[1]), times(1, 18, 3));
    assert_eq!(parse_stat(STAT, &[0, 1]), times(2, 43, 12));
    assert_eq!(parse_stat(STAT, &[7]), times(2, 43, 12));
    assert_eq!(parse_stat("intr 1 2 3\n", &[0]), None);
    assert_eq!(parse_stat("cpu0 1 2 3\n", &[0]), None);
}

#[test]
fn waiting_is_the_second_number_where_statistics_are_kept() {
    assert_eq!(parse_schedstat("1234 567 8\n"), Some(567));
    assert_eq!(parse_schedstat("0 0 0\n"), None);
    assert_eq!(parse_schedstat("12"), None);
}

/// A moment so many milliseconds after the start, when two CPUs had been busy
/// for so many ticks of 10 ms, and this process for so many milliseconds.
fn moment(start: Instant, at_ms: u64, busy: u64, own_ms: u64) -> Machine {
    Machine {
        at: start + Duration::from_millis(at_ms),
        cpus: Some(CpuTimes {
            count: 2,
            busy,
            steal: 5,
        }),
        own: Some(Duration::from_millis(own_ms)),
        pressure_us: Some(100),
        tick: Some(Duration::from_millis(10)),
    }
}

/// Two threads that had such a round for themselves.
const TIMED: Option<Duration> = Some(Duration::from_millis(200));

fn threads(switches: u64, waited_us: u64) -> ThreadNoise {
    ThreadNoise {
        switches: Some(switches),
        waited_ns: Some(waited_us * 1_000),
        slept: Some(0),
    }
}

/// A round of 100 ms that used all of both CPUs itself.
fn round() -> (Machine, Machine) {
    let start = Instant::now();
    (moment(start, 0, 40, 7), moment(start, 100, 60, 207))
}

#[test]
fn a_switch_disturbs_where_nobody_knows_how_long_it_was() {
    let (before, after) = round();
    let noise = before.until(after, threads(2, 30), TIMED);
    assert_eq!(noise.disturbed_samples, 0);
    assert_eq!(noise.involuntary_switches, Some(2));
    let disturbed = |switches, cpu_time| {
        let threads = ThreadNoise {
            switches: Some(switches),
            waited_ns: None,
            slept: None,
        };
        let noise = before.until(after, threads, cpu_time);
        noise.disturbed_samples
    };
    assert_eq!(disturbed(2, TIMED), 1);
    assert_eq!(disturbed(2, None), 0);
    assert_eq!(disturbed(0, TIMED), 0);
}

#[test]
fn waiting_disturbs_beyond_a_two_hundredth_of_the_time() {
    let (before, after) = round();
    let noise = |waited_us, cpu_time| {
        let threads = threads(0, waited_us);
        before.until(after, threads, cpu_time)
    };
    assert_eq!(noise(1_000, TIMED).disturbed_samples, 0);
    assert_eq!(noise(1_001, TIMED).disturbed_samples, 1);
    assert_eq!(noise(1_001, TIMED).waited_us, Some(1_001));
    assert_eq!(noise(50_000, None).disturbed_samples, 0);
}

#[test]
fn others_disturb_beyond_rounding_and_a_twentieth_of_the_round() {
    let start = Instant::now();
    let before = moment(start, 0, 0, 0);
    // Two CPUs, so 40 ms are rounding.
    let noise = |at_ms, busy, own_ms| {
        let after = moment(start, at_ms, busy, own_ms);
        before.until(after, ThreadNoise::NONE, None)
    };
    let rounding = noise(100, 20, 160);
    assert_eq!(rounding.foreign_ms, Some(0));
    assert_eq!(rounding.disturbed_samples, 0);
    let stranger = noise(100, 20, 150);
    assert_eq!(stranger.foreign_ms, Some(50));
    assert_eq!(stranger.disturbed_samples, 1);
    let long = noise(10_000, 2_000, 19_600);
    assert_eq!(long.foreign_ms, Some(400));
    assert_eq!(long.disturbed_samples, 0);
    // Ticks may also have missed time that the process did use.
    assert_eq!(noise(100, 10, 150).foreign_ms, Some(0));
}

#[test]
fn steal_disturbs_always() {
    let (before, mut after) = round();
    after.cpus.as_mut().unwrap().steal = 6;
    let noise = before.until(after, ThreadNoise::NONE, None);
    assert_eq!(noise.steal_ms, Some(10));
    assert_eq!(noise.disturbed_samples, 1);
}

#[test]
fn pressure_alone_does_not_disturb() {
    let (before, mut after) = round();
    after.pressure_us = Some(9_999);
    let noise = before.until(after, ThreadNoise::NONE, TIMED);
    assert_eq!(noise.pressure_us, Some(9_899));
    assert_eq!(noise.disturbed_samples, 0);
}

#[test]
fn what_is_not_told_stays_unknown() {
    let (_, after) = round();
    let silent = Machine {
        at: after.at,
        cpus: None,
        own: None,
        pressure_us: None,
        tick: None,
    };
    let unknown = ThreadNoise {
        switches: None,
        waited_ns: None,
        slept: None,
    };
    let noise = silent.until(after, unknown, TIMED);
    let nothing = Noise {
        samples: 1,
        ..Noise::default()
    };
    assert_eq!(noise, nothing);
}

#[test]
fn threads_add_up_unless_one_is_unknown() {
    let sum: ThreadNoise = [threads(1, 5), threads(2, 7)].into_iter().sum();
    assert_eq!(sum, threads(3, 12));
    let silent = ThreadNoise {
        switches: None,
        ..threads(0, 1)
    };
    let sum: ThreadNoise = [threads(1, 5), silent].into_iter().sum();
    assert_eq!((sum.switches, sum.waited_ns), (None, Some(6_000)));
}

#[cfg(target_os = "linux")]
#[test]
fn this_system_counts_switches_by_thread() {
    let before = ThreadNoise::now();
    assert!(before.switches.is_some());
    // Waiting is counted where the kernel keeps statistics, and then always.
    let since = before.until_now();
    assert_eq!(since.waited_ns.is_some(), before.waited_ns.is_some());
    let before = ThreadNoise::now();
    std::thread::sleep(Duration::from_micros(10));
    let since = before.until_now();
    assert!(since.slept.is_some_and(|slept| slept > 0), "{since:?}");
    assert_eq!(since.of_detacher().slept, Some(0));
    assert_eq!(since.of_detacher().switches, since.switches);
}
