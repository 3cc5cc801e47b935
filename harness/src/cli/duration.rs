//! Durations as people write them.

use std::time::Duration;

use jiff::SignedDuration;

/// Parses `500ms`, `30s`, `2m`, `1h 30m`.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    if text.trim().parse::<f64>().is_ok() {
        return Err(format!("the unit is missing; write {text}s for seconds"));
    }
    let duration: SignedDuration = text
        .parse()
        .map_err(|_| "not a duration such as 500ms, 30s or 2m".to_owned())?;
    match Duration::try_from(duration) {
        // The record tells it in milliseconds.
        Ok(duration) if duration.as_millis() > 0 => Ok(duration),
        _ => Err("a run needs some time".to_owned()),
    }
}

/// Prints a duration as a person would say it.
pub(super) fn show(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        return format!("{} ms", duration.as_millis());
    }
    if duration < Duration::from_secs(10) {
        return format!("{:.1} s", duration.as_secs_f64());
    }
    let seconds = duration.as_secs();
    match (seconds / 60, seconds % 60) {
        (0, seconds) => format!("{seconds} s"),
        (minutes, 0) => format!("{minutes} min"),
        (minutes, seconds) => format!("{minutes} min {seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_usual_forms() {
        assert_eq!(parse("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(parse("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(parse("1h 30m"), Ok(Duration::from_secs(5400)));
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, words) in [
            ("30", "write 30s"),
            ("", "not a duration"),
            ("soon", "not a duration"),
            ("3 parsecs", "not a duration"),
            ("0s", "some time"),
            ("-3s", "some time"),
            ("500us", "some time"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(words), "{text:?}: {error}");
        }
    }

    #[test]
    fn shows_what_a_person_would_say() {
        assert_eq!(show(Duration::from_millis(20)), "20 ms");
        assert_eq!(show(Duration::from_millis(2500)), "2.5 s");
        assert_eq!(show(Duration::from_secs(30)), "30 s");
        assert_eq!(show(Duration::from_secs(120)), "2 min");
        assert_eq!(show(Duration::from_secs(125)), "2 min 5 s");
    }
}
