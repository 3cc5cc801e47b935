//! Showing how far a run has come: a bar on a terminal, a line now and then
//! elsewhere.

use std::io::{IsTerminal, stderr};
use std::time::Duration;

use detach_harness::campaign::Progress;
use detach_harness::engine::Case;
use indicatif::{ProgressBar, ProgressStyle};

use super::duration;

/// Steps of the bar.
const STEPS: u64 = 1_000;

/// Between two lines where there is no terminal.
const PAUSE: Duration = Duration::from_secs(10);

/// Shows progress on standard error.
pub(super) enum Display {
    /// A bar that is drawn over and over.
    Bar(ProgressBar),
    /// Lines; holds when the next one is due.
    Lines {
        /// Since the run began.
        due: Duration,
    },
}

impl Display {
    /// A bar where standard error is a terminal.
    pub(super) fn new() -> Self {
        if !stderr().is_terminal() {
            return Display::Lines {
                due: Duration::ZERO,
            };
        }
        let bar = ProgressBar::new(STEPS);
        let template = "{elapsed} [{wide_bar}] {percent}% {msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        Display::Bar(bar)
    }

    /// A round of `case` begins.
    pub(super) fn show(&mut self, case: &Case, progress: &Progress) {
        match self {
            Display::Bar(bar) => {
                bar.set_position((progress.done * STEPS as f64) as u64);
                let left = progress.left().map(duration::show).unwrap_or_default();
                bar.set_message(format!("{left} left, block {}: {case}", progress.block + 1));
            }
            Display::Lines { due } => {
                if progress.elapsed >= *due {
                    eprintln!("{}", line(case, progress));
                    *due = progress.elapsed + PAUSE;
                }
            }
        }
    }

    /// Nothing more will be shown.
    pub(super) fn end(&self) {
        if let Display::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }

    /// Prints a line without spoiling the bar.
    pub(super) fn say(&self, text: &str) {
        match self {
            Display::Bar(bar) => bar.suspend(|| eprintln!("{text}")),
            Display::Lines { .. } => eprintln!("{text}"),
        }
    }
}

fn line(case: &Case, progress: &Progress) -> String {
    let left = match progress.left() {
        Some(left) => format!(", about {} left", duration::show(left)),
        None => String::new(),
    };
    format!(
        "{:.0}% done after {}{left}: block {}, {case}",
        progress.done * 100.0,
        duration::show(progress.elapsed),
        progress.block + 1,
    )
}

#[cfg(test)]
mod tests {
    use detach_harness::engine::Scenario;

    use super::*;

    #[test]
    fn a_line_says_where_the_run_is() {
        let case = Case::new("turnstile", Scenario::Detach, 2);
        let progress = Progress {
            block: 1,
            elapsed: Duration::from_secs(12),
            done: 0.2,
        };
        assert_eq!(
            line(&case, &progress),
            "20% done after 12 s, about 48 s left: block 2, detach/turnstile/2"
        );
    }
}
