//! `detach-bench`: measures what it costs to protect an object against its own
//! removal. The command itself is in [`cli`]; `detach-bench --help` explains
//! it.

mod cli;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match cli::Cli::parse().execute() {
        Ok(code) => code,
        Err(error) => match error.downcast::<clap::Error>() {
            // Wrong usage, told in the same way and with the same exit code
            // whether it was found while parsing or later.
            Ok(usage) => usage.exit(),
            Err(error) => {
                eprintln!("error: {}", explain(&error));
                ExitCode::FAILURE
            }
        },
    }
}

/// An error with its causes, leaving out those that the text before has named.
fn explain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_named_once() {
        let error = anyhow::anyhow!("disk full").context("cannot write x: disk full");
        assert_eq!(explain(&error), "cannot write x: disk full");
        let error = anyhow::anyhow!("disk full").context("cannot write x");
        assert_eq!(explain(&error), "cannot write x: disk full");
    }
}
