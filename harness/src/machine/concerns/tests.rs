use super::*;

/// A machine that gives no reason to worry.
fn quiet() -> (Machine, Conditions) {
    let text = |text: &str| text.to_owned();
    let machine = Machine {
        id: text("x-8cpu"),
        cpu_model: text("X"),
        architecture: text("x86_64"),
        os: text("linux"),
        kernel: text("6.1"),
        libc: text("glibc 2.36"),
        hypervisor: text("none"),
        possible_cpus: 8,
        allowed_cpus: (0..8).collect(),
        cores: 8,
        packages: 1,
        numa_nodes: 1,
        last_level_caches: 1,
        cpu_quota: None,
        memory_mib: Some(1024),
        governor: text("performance"),
        clock_source: text("tsc"),
        pinning: true,
        rseq: text("registered"),
        membarrier: text("private expedited"),
        smt: Some(false),
        cpuset: Some(text("0-7")),
        frequency: Some(Frequency {
            min_mhz: Some(800),
            max_mhz: Some(3_000),
            now_mhz: Some(2_900),
        }),
        ..Machine::default()
    };
    let now = Conditions {
        load: Some(0.0),
        pressure_percent: Some(0.0),
        boost: Some(false),
        online_cpus: Some(8),
        memory_available_percent: Some(50.0),
        core_kinds: 1,
        notes: Vec::new(),
    };
    (machine, now)
}

fn kinds(machine: &Machine, now: &Conditions) -> Vec<&'static str> {
    let all = concerns(machine, now);
    let kinds = all.iter().map(Concern::kind);
    // Whether the tests are optimized is not what is tested.
    kinds.filter(|kind| *kind != "debug-build").collect()
}

#[test]
fn a_quiet_machine_gives_no_reason_to_worry() {
    let (machine, now) = quiet();
    assert_eq!(kinds(&machine, &now), [""; 0]);
}

#[test]
fn what_nobody_knows_is_no_reason_to_worry() {
    let (mut machine, _) = quiet();
    for field in [
        &mut machine.hypervisor,
        &mut machine.governor,
        &mut machine.clock_source,
    ] {
        *field = UNKNOWN.to_owned();
    }
    let now = Conditions {
        core_kinds: 1,
        ..Conditions::default()
    };
    assert_eq!(kinds(&machine, &now), [""; 0]);
}

#[test]
fn each_trouble_is_told_by_its_name() {
    type Spoil = fn(&mut Machine, &mut Conditions);
    let cases: [(&str, Spoil); 19] = [
        ("few-cpus", |m, _| {
            m.allowed_cpus.truncate(3);
            m.cores = 3;
        }),
        ("virtual-machine", |m, _| m.hypervisor = "KVM".into()),
        ("cpu-quota", |m, _| m.cpu_quota = Some(7.5)),
        ("cpuset", |_, now| now.online_cpus = Some(64)),
        ("smt", |m, _| m.smt = Some(true)),
        ("mitigations", |m, _| {
            let text = "Mitigation: PTI".to_owned();
            m.mitigations.insert("meltdown".to_owned(), text);
        }),
        ("frequency", |m, _| {
            let frequency = m.frequency.as_mut().unwrap();
            frequency.now_mhz = Some(1_200);
        }),
        ("memory", |_, now| now.memory_available_percent = Some(1.0)),
        ("governor", |m, _| m.governor = "powersave".into()),
        ("slow-clock", |m, _| m.clock_source = "hpet".into()),
        ("no-pinning", |m, _| m.pinning = false),
        ("shared-cores", |m, _| m.cores = 4),
        ("no-rseq", |m, _| m.rseq = "switched off".into()),
        ("no-membarrier", |m, _| m.membarrier = "refused".into()),
        ("boost", |_, now| now.boost = Some(true)),
        ("load", |_, now| now.load = Some(1.5)),
        ("cpu-pressure", |_, now| now.pressure_percent = Some(20.0)),
        ("mixed-cores", |_, now| now.core_kinds = 2),
        ("guessed-topology", |_, now| {
            now.notes.push("guessed".into())
        }),
    ];
    for (kind, spoil) in cases {
        let (mut machine, mut now) = quiet();
        spoil(&mut machine, &mut now);
        assert_eq!(kinds(&machine, &now), [kind]);
        let warnings: Vec<Warning> = concerns(&machine, &now).iter().map(Warning::from).collect();
        assert!(
            warnings
                .iter()
                .all(|w| !w.message.is_empty() && !w.hint.is_empty())
        );
    }
}

#[test]
fn a_quota_that_covers_all_cpus_is_no_trouble() {
    let (mut machine, now) = quiet();
    machine.cpu_quota = Some(8.0);
    assert_eq!(kinds(&machine, &now), [""; 0]);
}

#[test]
fn hardware_threads_are_told_once() {
    // All of them may be used: that they share cores says it.
    let (mut machine, now) = quiet();
    machine.smt = Some(true);
    machine.cores = 4;
    assert_eq!(kinds(&machine, &now), ["shared-cores"]);
}

#[test]
fn only_work_arounds_that_system_calls_pay_for_are_told() {
    let (mut machine, now) = quiet();
    for (fault, text) in [
        ("spec_rstack_overflow", "Vulnerable: Safe RET, no microcode"),
        (
            "spec_store_bypass",
            "Mitigation: Speculative Store Bypass disabled via prctl",
        ),
        (
            "spectre_v2",
            "Mitigation: Enhanced / Automatic IBRS; IBPB: conditional",
        ),
    ] {
        machine
            .mitigations
            .insert(fault.to_owned(), text.to_owned());
    }
    assert_eq!(kinds(&machine, &now), [""; 0]);
    let text = "Mitigation: Clear CPU buffers; SMT vulnerable".to_owned();
    machine.mitigations.insert("mds".to_owned(), text);
    assert_eq!(
        concerns(&machine, &now).last().unwrap(),
        &Concern::TaxedSystemCalls(vec!["mds".to_owned()])
    );
}
