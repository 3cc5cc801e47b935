//! A comparison as people and programs read it.

use std::fmt::Write;

use serde::Serialize;

use crate::show::{self, Look, NOTHING};
use crate::summary::WHY_SLEEPS_MATTER;

use super::{Candidate, ComparedFigure, ComparedRow, Comparison, LackedBy, Missing, Verdict};

impl Comparison {
    /// For a terminal.
    pub fn text(&self) -> String {
        self.report(Look::Terminal)
    }

    /// For a document.
    pub fn markdown(&self) -> String {
        self.report(Look::Markdown)
    }

    /// For a program, with everything that is known.
    pub fn json(&self) -> String {
        let text = serde_json::to_string_pretty(self);
        text.expect("a comparison holds text and numbers only") + "\n"
    }

    /// For a spreadsheet: one line for each row of each run, and for each that
    /// one side lacks.
    pub fn csv(&self) -> String {
        show::csv(self.candidates.iter().flat_map(|candidate| {
            let run = candidate.run.name.as_str();
            let rows = candidate.rows.iter().map(move |row| Line::of(run, row));
            let missing = candidate
                .missing
                .iter()
                .map(move |one| Line::lacking(run, one));
            rows.chain(missing)
        }))
    }

    fn report(&self, look: Look) -> String {
        let mut text = String::new();
        let mostly = self.candidates.iter().map(|one| &one.run);
        let mostly = std::iter::once(&self.reference).chain(mostly);
        // Writing to a String cannot fail.
        for run in mostly.filter(|run| run.disturbance.is_mostly()) {
            let _ = writeln!(text, "{} ({})\n", run.disturbance, run.name);
        }
        for (position, candidate) in self.candidates.iter().enumerate() {
            if position > 0 {
                text.push('\n');
            }
            self.report_one(&mut text, candidate, look);
        }
        text
    }

    fn report_one(&self, text: &mut String, candidate: &Candidate, look: Look) {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{} compared with {}\n",
            candidate.run.name, self.reference.name
        );
        for warning in &candidate.warnings {
            let bullet = if look == Look::Markdown { "- " } else { "" };
            let _ = writeln!(text, "{bullet}warning: {warning}; hint: {}", warning.hint());
        }
        if !candidate.warnings.is_empty() {
            text.push('\n');
        }
        if !candidate.rows.is_empty() {
            let mut table = look.table(&[
                "scenario",
                "setting",
                "strategy",
                "reference",
                "run",
                "ratio [95%]",
                "verdict",
            ]);
            for row in &candidate.rows {
                table.add_row([
                    row.key.scenario.clone(),
                    row.key.setting(),
                    row.key.strategy.clone(),
                    figure(&row.reference),
                    figure(&row.candidate),
                    row.ratio.map_or_else(|| NOTHING.to_owned(), show::ratio),
                    verdict(row),
                ]);
            }
            let _ = writeln!(text, "{table}\n");
        }
        if !candidate.missing.is_empty() {
            let mut table = look.table(&["scenario", "setting", "strategy", "missing in", "why"]);
            for missing in &candidate.missing {
                table.add_row([
                    missing.key.scenario.as_str(),
                    &missing.key.setting(),
                    &missing.key.strategy,
                    match missing.lacked_by {
                        LackedBy::Reference => "the reference",
                        LackedBy::Candidate => "the run",
                        LackedBy::Both => "both",
                    },
                    missing.why.as_deref().unwrap_or("not measured"),
                ]);
            }
            let _ = writeln!(text, "{table}\n");
        }
        self.conclude(text, candidate);
    }

    fn conclude(&self, text: &mut String, candidate: &Candidate) {
        let count = |verdict| {
            candidate
                .rows
                .iter()
                .filter(|row| row.verdict == verdict)
                .count()
        };
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{}: {} faster, {} slower, {} cannot be told apart. Of rows that did not change, \
             one in twenty differs by chance.",
            show::count(candidate.rows.len(), "row"),
            count(Verdict::Faster),
            count(Verdict::Slower),
            count(Verdict::CannotTell),
        );
        if candidate.rows.iter().any(|row| row.too_few_processes) {
            text.push_str(
                "* too few processes to tell anything apart at 95%; five on both sides are \
                 enough.\n",
            );
        }
        let disturbed = |row: &ComparedRow| {
            row.reference.rests_on_disturbed || row.candidate.rests_on_disturbed
        };
        if candidate.rows.iter().any(disturbed) {
            text.push_str("! made of disturbed measurements, for want of others.\n");
        }
        if candidate.rows.iter().any(|row| row.sleeps_differ) {
            let _ = writeln!(
                text,
                "~ workers slept in most detaches of one run, and not of the other: \
                 {WHY_SLEEPS_MATTER}."
            );
        }
        if let Some(threshold) = self.threshold {
            let regressed = candidate.rows.iter().filter(|row| row.regressed).count();
            let _ = writeln!(
                text,
                "{} slower by more than {}.",
                show::count(regressed, "row"),
                show::percent(threshold)
            );
        }
    }
}

fn figure(figure: &ComparedFigure) -> String {
    let mark = if figure.rests_on_disturbed { " !" } else { "" };
    format!("{}{mark}", show::nanoseconds(figure.median))
}

fn verdict(row: &ComparedRow) -> String {
    let word = match row.verdict {
        _ if row.regressed => "REGRESSED",
        Verdict::Faster => "faster",
        Verdict::Slower => "slower",
        Verdict::CannotTell if row.too_few_processes => "cannot tell *",
        Verdict::CannotTell => "cannot tell",
    };
    let mark = if row.sleeps_differ { " ~" } else { "" };
    format!("{word}{mark}")
}

/// One line of the export. What does not apply is empty.
#[derive(Default, Serialize)]
struct Line<'a> {
    run: &'a str,
    scenario: &'a str,
    threads: usize,
    devices: usize,
    hold_ns: u64,
    skewed: bool,
    together: bool,
    detach_rate: u64,
    strategy: &'a str,
    quantity: Option<&'a str>,
    reference: Option<f64>,
    reference_ci_low: Option<f64>,
    reference_ci_high: Option<f64>,
    reference_processes: Option<usize>,
    candidate: Option<f64>,
    candidate_ci_low: Option<f64>,
    candidate_ci_high: Option<f64>,
    candidate_processes: Option<usize>,
    ratio: Option<f64>,
    ratio_ci_low: Option<f64>,
    ratio_ci_high: Option<f64>,
    verdict: &'a str,
    regressed: bool,
    rests_on_disturbed: bool,
    sleeps_differ: bool,
    why: Option<&'a str>,
}

impl<'a> Line<'a> {
    fn about(run: &'a str, key: &'a super::Key) -> Self {
        Line {
            run,
            scenario: &key.scenario,
            threads: key.threads,
            devices: key.devices,
            hold_ns: key.hold_ns,
            skewed: key.skewed,
            together: key.together,
            detach_rate: key.detach_rate,
            strategy: &key.strategy,
            ..Line::default()
        }
    }

    fn of(run: &'a str, row: &'a ComparedRow) -> Self {
        let (reference, candidate) = (&row.reference, &row.candidate);
        Line {
            quantity: Some(row.quantity.name()),
            reference: Some(reference.median),
            reference_ci_low: Some(reference.ci_low),
            reference_ci_high: Some(reference.ci_high),
            reference_processes: Some(reference.processes),
            candidate: Some(candidate.median),
            candidate_ci_low: Some(candidate.ci_low),
            candidate_ci_high: Some(candidate.ci_high),
            candidate_processes: Some(candidate.processes),
            ratio: row.ratio.map(|ratio| ratio.ratio),
            ratio_ci_low: row.ratio.map(|ratio| ratio.ci_low),
            ratio_ci_high: row.ratio.map(|ratio| ratio.ci_high),
            verdict: match row.verdict {
                Verdict::Faster => "faster",
                Verdict::Slower => "slower",
                Verdict::CannotTell => "cannot_tell",
            },
            regressed: row.regressed,
            rests_on_disturbed: reference.rests_on_disturbed || candidate.rests_on_disturbed,
            sleeps_differ: row.sleeps_differ,
            why: row.too_few_processes.then_some("too few processes"),
            ..Line::about(run, &row.key)
        }
    }

    fn lacking(run: &'a str, missing: &'a Missing) -> Self {
        Line {
            quantity: missing.quantity.map(super::Quantity::name),
            verdict: match missing.lacked_by {
                LackedBy::Reference => "only_in_run",
                LackedBy::Candidate => "only_in_reference",
                LackedBy::Both => "in_neither",
            },
            why: missing.why.as_deref(),
            ..Line::about(run, &missing.key)
        }
    }
}
