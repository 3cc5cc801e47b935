//! The table in a document: generated from a run, between two markers, so that
//! it can be replaced and checked.
//!
//! ```text
//! <!-- table: begin run="machine/time" command="what made it" -->
//! ...
//! <!-- table: end -->
//! ```

use std::ops::Range;

use detach_results::Recorded;

use crate::data::Data;
use crate::error::PlotError;
use crate::table;

const BEGIN: &str = "<!-- table: begin";
const END: &str = "<!-- table: end -->";

/// Why a document's table could not be replaced, or does not belong to a run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadmeError {
    /// A marker is missing, or stands where it does not belong.
    #[error(
        "the table needs the markers `{BEGIN} ... -->` and `{END}`, each once and in this order: \
         {found}"
    )]
    Markers {
        /// What was found instead.
        found: &'static str,
    },
    /// The table was made from another run.
    #[error("the table was made from run {found}, not from {expected}")]
    OtherRun {
        /// The run that the table names.
        found: String,
        /// The run that it should name.
        expected: String,
    },
    /// The table names the run, but is not what the run gives.
    #[error("the table names run {run}, but is not what that run gives; generate it again")]
    Changed {
        /// The run.
        run: String,
    },
    /// The run has no table.
    #[error(transparent)]
    Plot(#[from] PlotError),
}

/// The table of a run with its markers, without a line end. `command` is what
/// a reader can type to make the same table.
///
/// # Errors
///
/// As [`table::markdown`].
pub fn block(recorded: &Recorded, command: &str) -> Result<String, PlotError> {
    let data = Data::checked(recorded)?;
    let run = recorded.run.name();
    let code = if command.contains('`') {
        format!("`` {command} ``")
    } else {
        format!("`{command}`")
    };
    Ok(format!(
        "{BEGIN} run=\"{}\" command=\"{}\" -->\n{}. Run `{run}`; this table is made by {code}.\n\n{}{END}",
        attribute(&run),
        attribute(command),
        table::escape(&data.provenance()),
        table::in_markdown(&data),
    ))
}

/// The document with its table replaced by `block`, and nothing else changed.
///
/// # Errors
///
/// [`ReadmeError::Markers`] when the document has not exactly one table.
pub fn replace(document: &str, block: &str) -> Result<String, ReadmeError> {
    let place = find(document)?;
    let block = if document.contains("\r\n") {
        block.replace('\n', "\r\n")
    } else {
        block.to_owned()
    };
    let (before, after) = (&document[..place.start], &document[place.end..]);
    Ok(format!("{before}{block}{after}"))
}

/// Checks that the table of a document is the one that this run gives.
///
/// # Errors
///
/// [`ReadmeError::Markers`] when the document has not exactly one table,
/// [`ReadmeError::OtherRun`] when the table names another run,
/// [`ReadmeError::Changed`] when its text differs, [`ReadmeError::Plot`] when
/// the run gives no table.
pub fn belongs(document: &str, recorded: &Recorded) -> Result<(), ReadmeError> {
    let document = document.replace("\r\n", "\n");
    let text = &document[find(&document)?];
    let marker = text.lines().next().unwrap_or_default();
    let expected = recorded.run.name();
    let found = value(marker, "run").unwrap_or_else(|| "none".to_owned());
    if found != expected {
        return Err(ReadmeError::OtherRun { found, expected });
    }
    let command = value(marker, "command").unwrap_or_default();
    if text == block(recorded, &command)? {
        Ok(())
    } else {
        Err(ReadmeError::Changed { run: expected })
    }
}

/// Where the table lies in a document, markers included.
fn find(document: &str) -> Result<Range<usize>, ReadmeError> {
    let wrong = |found| Err(ReadmeError::Markers { found });
    let Some(begin) = document.find(BEGIN) else {
        return wrong("the first is missing");
    };
    let Some(end) = document.find(END) else {
        return wrong("the second is missing");
    };
    if end < begin {
        return wrong("the second comes first");
    }
    let end = end + END.len();
    if document[begin + BEGIN.len()..].contains(BEGIN) || document[end..].contains(END) {
        return wrong("one is there twice");
    }
    Ok(begin..end)
}

/// Writes a value so that it can end neither its quotes nor the comment.
fn attribute(value: &str) -> String {
    value
        .replace('&', "&amp;")
        .replace('"', "&quot;")
        .replace('>', "&gt;")
        .replace('\n', "&#10;")
}

/// Reads a value back.
fn value(marker: &str, name: &str) -> Option<String> {
    let (_, rest) = marker.split_once(&format!(" {name}=\""))?;
    let (value, _) = rest.split_once('"')?;
    let value = value
        .replace("&#10;", "\n")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&amp;", "&");
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_block_changes() {
        let document = "# A\n\n<!-- table: begin run=\"x\" -->\nold\n<!-- table: end -->\n\nB\n";
        let replaced = replace(document, "NEW").expect("markers");
        assert_eq!(replaced, "# A\n\nNEW\n\nB\n");
    }

    #[test]
    fn missing_or_stray_markers_are_refused() {
        for (document, word) in [
            ("nothing", "first is missing"),
            ("<!-- table: begin -->", "second is missing"),
            ("<!-- table: end --><!-- table: begin -->", "comes first"),
            (
                "<!-- table: begin --><!-- table: begin --><!-- table: end -->",
                "twice",
            ),
            (
                "<!-- table: begin --><!-- table: end --><!-- table: end -->",
                "twice",
            ),
        ] {
            let error = replace(document, "x").expect_err(document).to_string();
            assert!(error.contains(word), "{document}: {error}");
        }
    }

    #[test]
    fn values_survive_the_comment() {
        for command in ["plain", "a \"b\" --> c & d", "&quot;\nx"] {
            let marker = format!("{BEGIN} run=\"r\" command=\"{}\" -->", attribute(command));
            assert_eq!(marker.matches("-->").count(), 1);
            assert_eq!(value(&marker, "command").as_deref(), Some(command));
            assert_eq!(value(&marker, "run").as_deref(), Some("r"));
        }
    }
}
