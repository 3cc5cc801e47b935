//! `detach-bench submit`: packs a recorded run for others.

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use detach_results::submit::{Private, Submission};

use super::{print, recorded};

pub(super) const EXAMPLES: &str = "\
Examples:
  detach-bench submit latest
  detach-bench submit latest --to /tmp/packed
  detach-bench submit results/local/amd-epyc-2cpu/2026-11-23T20-15-00Z --anyway

Only run.json and the measurements are packed, into <machine>/<UTC time>. Options that hold paths
are left out; the names of the user, the machine and the home directory are taken out of the rest,
and a run that still holds one is refused. The run itself is not changed, nor is anything that was
packed before.";

#[derive(Debug, Args)]
pub(super) struct SubmitArgs {
    /// Folder of the run, or `latest` for the newest under results/local
    #[arg(value_name = "RUN")]
    run: PathBuf,

    /// Folder under which the folder of the machine is
    #[arg(long, value_name = "DIR", default_value = "results/recorded")]
    to: PathBuf,

    /// Pack even a run that was not completed, or whose source was not committed; it will say so
    #[arg(long)]
    anyway: bool,
}

pub(super) fn execute(arguments: &SubmitArgs) -> anyhow::Result<ExitCode> {
    let recorded = recorded::read(&arguments.run)?;
    let submission = Submission::prepare(&recorded, &private(), arguments.anyway)?;
    let dir = submission.write(&arguments.to)?;

    let disturbance = recorded.disturbance();
    if disturbance.is_mostly() {
        eprintln!("warning: {disturbance}; a run on a quiet machine would be worth more");
    }
    let mut text = String::new();
    for what in &submission.removed {
        text += &format!("taken out: {what}\n");
    }
    for warning in &submission.run.warnings {
        text += &format!("readers will see: {}\n", warning.message);
    }
    let dir = dir.display();
    text += &format!(
        "packed into {dir}

What to do next:
  1. Look through {dir}/run.json; it is what everybody will read.
  2. In your fork of the repository:
       git switch -c record-{machine}
       git add {dir}
       git commit -m \"Record a run on {machine}\"
       git push -u origin record-{machine}
  3. Open a pull request, and say what kind of machine it is and what else ran
     on it. results/README.md says what is looked at.
",
        machine = submission.run.machine.id,
    );
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Who is at this machine, as far as it tells.
fn private() -> Private {
    let home = env::home_dir().map(|home| home.to_string_lossy().into_owned());
    let host = gethostname::gethostname().to_string_lossy().into_owned();
    let mut names = vec![host];
    names.extend(
        [
            "USER",
            "LOGNAME",
            "USERNAME",
            // Who became root in order to measure.
            "SUDO_USER",
            "DOAS_USER",
        ]
        .into_iter()
        .flat_map(env::var),
    );
    Private::new(home.as_deref(), names.iter().map(String::as_str))
}
