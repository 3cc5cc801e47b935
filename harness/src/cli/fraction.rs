//! Parts of a whole as people write them.

/// A fraction, as such or in percent.
pub(super) fn parse(text: &str) -> Result<f64, String> {
    let (digits, scale) = match text.strip_suffix('%') {
        Some(percent) => (percent, 0.01),
        None => (text, 1.0),
    };
    let nonsense = || "not a fraction such as 5% or 0.05".to_owned();
    let value: f64 = digits.trim().parse().map_err(|_| nonsense())?;
    if !value.is_finite() || value < 0.0 {
        return Err(nonsense());
    }
    if scale == 1.0 && value >= 1.0 {
        return Err(format!("the unit is missing; write {text}% for percent"));
    }
    Ok(value * scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_have_two_spellings() {
        for (text, value) in [("5%", 0.05), ("0.05", 0.05), ("0", 0.0), ("150 %", 1.5)] {
            assert_eq!(parse(text), Ok(value), "{text}");
        }
        for text in ["", "%", "five", "-1%", "inf", "nan%"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse("5").unwrap_err().contains("5%"));
    }
}
