//! `detach-bench schema`: the JSON Schema of the records.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use detach_results::schema;
use serde_json::json;

use super::print;

pub(super) const EXAMPLES: &str = "\
Examples:
  detach-bench schema run > run.schema.json
  detach-bench schema measurement > measurement.schema.json";

#[derive(Debug, Args)]
pub(super) struct SchemaArgs {
    /// Document to print the schema of [default: both, by name]
    #[arg(value_enum)]
    document: Option<Document>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Document {
    /// run.json
    Run,
    /// A line of measurements.jsonl
    Measurement,
}

pub(super) fn execute(arguments: &SchemaArgs) -> anyhow::Result<ExitCode> {
    let schema = match arguments.document {
        Some(Document::Run) => schema::run().to_value(),
        Some(Document::Measurement) => schema::measurement().to_value(),
        None => json!({ "run": schema::run(), "measurement": schema::measurement() }),
    };
    print(&(serde_json::to_string_pretty(&schema)? + "\n"))?;
    Ok(ExitCode::SUCCESS)
}
