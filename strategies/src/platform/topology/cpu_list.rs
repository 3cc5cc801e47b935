//! Lists of CPUs as Linux writes them: `0-3,8,10-11`.

use std::error::Error;
use std::fmt;

/// No machine numbers its CPUs beyond this. The bound keeps a mistyped range
/// from filling the memory.
const HIGHEST_CPU: usize = 65_535;

/// Parses a list such as `0-3,8,10-11`. The result is ascending and free of
/// duplicates, whatever the order of the text.
///
/// # Errors
///
/// [`CpuListError`] names the part of the text that makes no sense. An empty
/// text is an error, too.
///
/// ```
/// use detach_strategies::platform::topology::parse_cpu_list;
///
/// assert_eq!(parse_cpu_list("8,0-2")?, [0, 1, 2, 8]);
/// assert!(parse_cpu_list("3-1").is_err());
/// # Ok::<(), detach_strategies::platform::topology::CpuListError>(())
/// ```
pub fn parse_cpu_list(text: &str) -> Result<Vec<usize>, CpuListError> {
    if text.trim().is_empty() {
        return Err(CpuListError::Empty);
    }
    let mut cpus = Vec::new();
    for part in text.split(',') {
        let part = part.trim();
        let (first, last) = match part.split_once('-') {
            Some((first, last)) => (number(first, part)?, number(last, part)?),
            None => {
                let cpu = number(part, part)?;
                (cpu, cpu)
            }
        };
        if first > last {
            return Err(CpuListError::Backwards(part.to_owned()));
        }
        cpus.extend(first..=last);
    }
    cpus.sort_unstable();
    cpus.dedup();
    Ok(cpus)
}

fn number(text: &str, part: &str) -> Result<usize, CpuListError> {
    let text = text.trim();
    // `str::parse` would accept a leading plus sign.
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(CpuListError::NotANumber(part.to_owned()));
    }
    match text.parse() {
        Ok(cpu) if cpu <= HIGHEST_CPU => Ok(cpu),
        _ => Err(CpuListError::TooLarge(part.to_owned())),
    }
}

/// Prints CPUs as a list that [`parse_cpu_list`] reads: `0-3,8,10-11`.
///
/// The order and the duplicates of the argument are not kept. No CPUs give an
/// empty text.
pub fn format_cpu_list(cpus: &[usize]) -> String {
    let mut sorted = cpus.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    sorted
        .chunk_by(|a, b| a + 1 == *b)
        .map(|run| match run {
            [one] => one.to_string(),
            // `chunk_by` yields no empty runs.
            [first, .., last] => format!("{first}-{last}"),
            [] => String::new(),
        })
        .collect::<Vec<_>>()
        .join(",")
}

/// Why a text is not a list of CPUs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CpuListError {
    /// The text is empty.
    Empty,
    /// The part is neither a number nor a range of numbers.
    NotANumber(String),
    /// The range ends before it begins.
    Backwards(String),
    /// The part names a CPU that no machine has.
    TooLarge(String),
}

impl fmt::Display for CpuListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CpuListError::Empty => f.write_str("the list of CPUs is empty"),
            CpuListError::NotANumber(part) if part.is_empty() => {
                f.write_str("nothing stands between two commas of the list of CPUs")
            }
            CpuListError::NotANumber(part) => write!(
                f,
                "`{part}` is neither a CPU number nor a range such as 0-3"
            ),
            CpuListError::Backwards(part) => {
                write!(f, "the range `{part}` ends before it begins")
            }
            CpuListError::TooLarge(part) => {
                write!(f, "`{part}` exceeds the highest CPU number, {HIGHEST_CPU}")
            }
        }
    }
}

impl Error for CpuListError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_numbers_and_ranges_in_any_order() {
        assert_eq!(parse_cpu_list("0").unwrap(), [0]);
        assert_eq!(
            parse_cpu_list(" 10-11 , 0-3,8\n").unwrap(),
            [0, 1, 2, 3, 8, 10, 11]
        );
        assert_eq!(parse_cpu_list("2,1-3,2").unwrap(), [1, 2, 3]);
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, words) in [
            ("", "empty"),
            (" \n", "empty"),
            ("0,,1", "between two commas"),
            ("0,x", "`x` is neither"),
            ("-1", "`-1` is neither"),
            ("+1", "`+1` is neither"),
            ("1-2-3", "`1-2-3` is neither"),
            ("0-3:1/2", "`0-3:1/2` is neither"),
            ("5-3", "`5-3` ends before"),
            ("0-4294967295", "exceeds the highest"),
            ("99999999999999999999999", "exceeds the highest"),
        ] {
            let error = parse_cpu_list(text).unwrap_err().to_string();
            assert!(error.contains(words), "{text:?}: {error}");
        }
    }

    #[test]
    fn prints_what_it_reads() {
        for text in ["0", "0-1", "0-3,8,10-11", "1,3,5", "5-7"] {
            assert_eq!(format_cpu_list(&parse_cpu_list(text).unwrap()), text);
        }
        assert_eq!(format_cpu_list(&[]), "");
        assert_eq!(format_cpu_list(&[3, 1, 2, 2]), "1-3");
    }
}
