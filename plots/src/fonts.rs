//! The one font family of every figure, bundled so that a drawing looks the
//! same on a machine without fonts, and its metrics.

use std::sync::LazyLock;

use ab_glyph::{Font, FontRef, Glyph, PxScale, ScaleFont, point};

use crate::style::Rgb;

/// The family, as SVG files name it. The first is bundled; the next three have
/// the same widths, so that a machine with any of them lays text out alike.
pub const FAMILY: &str = "Arimo, Liberation Sans, Arial, Helvetica, sans-serif";

/// Above the baseline, capitals and figures reach this far, in em.
#[cfg(test)]
pub(crate) const ASCENT_EM: f64 = 0.74;

/// Below the baseline, descenders reach this far, in em.
#[cfg(test)]
pub(crate) const DESCENT_EM: f64 = 0.22;

static REGULAR: LazyLock<FontRef<'static>> =
    LazyLock::new(|| bundled(include_bytes!("../fonts/Arimo-Regular-latin.ttf")));
static BOLD: LazyLock<FontRef<'static>> =
    LazyLock::new(|| bundled(include_bytes!("../fonts/Arimo-Bold-latin.ttf")));

fn bundled(bytes: &'static [u8]) -> FontRef<'static> {
    FontRef::try_from_slice(bytes).expect("the bundled font is a font")
}

/// Regular or bold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    Regular,
    Bold,
}

impl Weight {
    fn font(self) -> &'static FontRef<'static> {
        match self {
            Weight::Regular => &REGULAR,
            Weight::Bold => &BOLD,
        }
    }
}

/// The glyphs of a text that starts at the origin and stands on a baseline at
/// height 0, and how wide it is, in pixels when an em has `size` of them.
fn layout(text: &str, size: f64, weight: Weight) -> (Vec<Glyph>, f64) {
    let font = weight.font();
    // A scale is the height from the deepest descender to the highest ascender.
    let lines_per_em = font
        .units_per_em()
        .map_or(1.0, |em| font.height_unscaled() / em);
    let scale = PxScale::from(size as f32 * lines_per_em);
    let scaled = font.as_scaled(scale);
    let mut glyphs: Vec<Glyph> = Vec::with_capacity(text.len());
    let mut x = 0.0;
    for letter in text.chars() {
        let id = scaled.glyph_id(letter);
        if let Some(before) = glyphs.last() {
            x += scaled.kern(before.id, id);
        }
        glyphs.push(id.with_scale_and_position(scale, point(x, 0.0)));
        x += scaled.h_advance(id);
    }
    (glyphs, f64::from(x))
}

/// How wide a text is, in the unit of `size`, at that em size.
pub(crate) fn width(text: &str, size: f64, weight: Weight) -> f64 {
    layout(text, size, weight).1
}

/// A text to be painted: where its start lies on the baseline, in pixels.
pub(crate) struct Writing<'a> {
    pub(crate) text: &'a str,
    pub(crate) start: (f64, f64),
    pub(crate) size: f64,
    pub(crate) weight: Weight,
    pub(crate) colour: Rgb,
    /// Whether it runs upwards instead of to the right.
    pub(crate) upwards: bool,
}

/// Paints a text over a picture. What lies outside the picture is left out.
pub(crate) fn paint(picture: &mut image::RgbImage, writing: &Writing<'_>) {
    let Rgb(red, green, blue) = writing.colour;
    let start = (
        writing.start.0.round() as i64,
        writing.start.1.round() as i64,
    );
    let font = writing.weight.font();
    for glyph in layout(writing.text, writing.size, writing.weight).0 {
        let Some(outline) = font.outline_glyph(glyph) else {
            continue;
        };
        let corner = outline.px_bounds().min;
        outline.draw(|x, y, coverage| {
            let along = i64::from(x) + corner.x as i64;
            let down = i64::from(y) + corner.y as i64;
            let (x, y) = if writing.upwards {
                (start.0 + down, start.1 - along)
            } else {
                (start.0 + along, start.1 + down)
            };
            let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y)) else {
                return;
            };
            let Some(pixel) = picture.get_pixel_mut_checked(x, y) else {
                return;
            };
            for (channel, ink) in pixel.0.iter_mut().zip([red, green, blue]) {
                let (under, ink) = (f32::from(*channel), f32::from(ink));
                *channel = (under + (ink - under) * coverage.clamp(0.0, 1.0)).round() as u8;
            }
        });
    }
}

/// Breaks a text into lines no wider than `limit`, at spaces. A single word
/// that is wider is broken between letters.
pub(crate) fn wrap(text: &str, size: f64, limit: f64) -> Vec<String> {
    let fits = |line: &str| width(line, size, Weight::Regular) <= limit;
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let longer = if line.is_empty() {
            word.to_owned()
        } else {
            format!("{line} {word}")
        };
        if fits(&longer) {
            line = longer;
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        for letter in word.chars() {
            line.push(letter);
            if !fits(&line) && line.chars().count() > 1 {
                line.pop();
                lines.push(std::mem::take(&mut line));
                line.push(letter);
            }
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_those_of_arial() {
        // Arial's advance widths, in 2048ths of an em: 0 is 1139, W is 1933.
        assert!((width("0000000000", 2048.0, Weight::Regular) - 11390.0).abs() < 25.0);
        assert!((width("W", 2048.0, Weight::Regular) - 1933.0).abs() < 5.0);
        assert!(width("turnstile", 20.0, Weight::Bold) > width("turnstile", 20.0, Weight::Regular));
    }

    #[test]
    fn wrapping_keeps_every_word_and_the_limit() {
        let text = "one two three four five six seven eight nine ten";
        let lines = wrap(text, 10.0, 60.0);
        assert!(lines.len() > 2);
        assert!(
            lines
                .iter()
                .all(|line| width(line, 10.0, Weight::Regular) <= 60.0)
        );
        assert_eq!(lines.join(" "), text);
    }

    #[test]
    fn a_word_wider_than_the_line_is_broken() {
        let word = "x".repeat(100);
        let lines = wrap(&word, 10.0, 60.0);
        assert!(lines.len() > 1);
        assert_eq!(lines.concat(), word);
    }
}
