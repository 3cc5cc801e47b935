//! A drawing, before it is put on paper: lines, shapes and texts at places
//! that have been computed.
//!
//! Figures are laid out once into a scene and then handed to plotters twice,
//! as SVG and as pixels, so that the two agree.

use plotters::backend::{BitMapBackend, DrawingBackend, SVGBackend};
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::element::{Circle, PathElement, Polygon, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{
    Color, FontDesc, FontFamily, FontStyle, FontTransform, RGBAColor, ShapeStyle, TextStyle,
};

use crate::fonts::{self, Weight, Writing};
#[cfg(test)]
use crate::fonts::{ASCENT_EM, DESCENT_EM};
use crate::geometry::Rect;
use crate::style::{self, INK, MUTED, PAPER, Rgb, Style};

/// Pixels are drawn this many times finer and averaged, which gives plotters'
/// shapes smooth edges.
const SUPERSAMPLING: u32 = 2;

/// Where the given point of a text lies in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// One line of text.
#[derive(Clone, Debug)]
pub(crate) struct Label {
    pub(crate) text: String,
    pub(crate) x: f64,
    pub(crate) baseline: f64,
    pub(crate) anchor: Anchor,
    pub(crate) size: f64,
    pub(crate) weight: Weight,
    pub(crate) colour: Rgb,
    /// Whether it runs upwards; `baseline` is then an x and `x` a y.
    pub(crate) upwards: bool,
}

impl Label {
    /// A regular label that starts at a point.
    pub(crate) fn new(text: impl Into<String>, x: f64, baseline: f64, size: f64) -> Self {
        Label {
            text: text.into(),
            x,
            baseline,
            anchor: Anchor::Start,
            size,
            weight: Weight::Regular,
            colour: INK,
            upwards: false,
        }
    }
    pub(crate) fn anchored(mut self, anchor: Anchor) -> Self {
        self.anchor = anchor;
        self
    }
    pub(crate) fn bold(mut self) -> Self {
        self.weight = Weight::Bold;
        self
    }
    pub(crate) fn coloured(mut self, colour: Rgb) -> Self {
        self.colour = colour;
        self
    }
    /// Turns the label so that it runs upwards through the same point.
    pub(crate) fn upwards(mut self) -> Self {
        self.upwards = true;
        self
    }
    pub(crate) fn width(&self) -> f64 {
        fonts::width(&self.text, self.size, self.weight)
    }
    /// How much of it lies before its anchor.
    fn before(&self) -> f64 {
        match self.anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => self.width() / 2.0,
            Anchor::End => self.width(),
        }
    }
    /// The box that the text fills.
    #[cfg(test)]
    fn bounds(&self) -> Rect {
        let (width, before) = (self.width(), self.before());
        let (above, below) = (ASCENT_EM * self.size, DESCENT_EM * self.size);
        if self.upwards {
            Rect {
                left: self.x - above,
                right: self.x + below,
                top: self.baseline - (width - before),
                bottom: self.baseline + before,
            }
        } else {
            Rect {
                left: self.x - before,
                right: self.x - before + width,
                top: self.baseline - above,
                bottom: self.baseline + below,
            }
        }
    }
}

/// How a line is drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stroke {
    pub(crate) colour: Rgb,
    pub(crate) width: f64,
    pub(crate) opacity: f64,
    /// Lengths of dash and gap.
    pub(crate) dash: Option<(f64, f64)>,
}

impl Stroke {
    pub(crate) fn new(colour: Rgb, width: f64) -> Self {
        Stroke {
            colour,
            width,
            opacity: 1.0,
            dash: None,
        }
    }
    pub(crate) fn dashed(mut self, dash: f64, gap: f64) -> Self {
        self.dash = Some((dash, gap));
        self
    }
    pub(crate) fn opacity(mut self, opacity: f64) -> Self {
        self.opacity = opacity;
        self
    }
}

#[derive(Clone, Debug)]
enum Item {
    Path(Vec<(f64, f64)>, Stroke),
    Area(Vec<(f64, f64)>, Rgb, f64),
    Disc((f64, f64), f64, Rgb),
    Ring((f64, f64), f64, Stroke),
}

/// What is special about a measured point, and shows in its marker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    /// Drawn hollow: more workers than CPUs, or what else the figure says.
    pub(crate) hollow: bool,
    /// Drawn with a ring around it: rests on samples that were disturbed.
    pub(crate) disturbed: bool,
}

/// A drawing of fixed size on white paper.
#[derive(Clone, Debug)]
pub(crate) struct Scene {
    width: u32,
    height: u32,
    items: Vec<Item>,
    /// Drawn over everything else.
    labels: Vec<Label>,
}

impl Scene {
    pub(crate) fn new(width: u32, height: u32) -> Self {
        Scene {
            width,
            height,
            items: Vec::new(),
            labels: Vec::new(),
        }
    }

    pub(crate) fn path(&mut self, points: Vec<(f64, f64)>, stroke: Stroke) {
        match stroke.dash {
            None => self.items.push(Item::Path(points, stroke)),
            Some((dash, gap)) => {
                for piece in dashes(&points, dash, gap) {
                    self.items.push(Item::Path(piece, stroke));
                }
            }
        }
    }

    pub(crate) fn line(&mut self, from: (f64, f64), to: (f64, f64), stroke: Stroke) {
        self.path(vec![from, to], stroke);
    }

    pub(crate) fn rect(&mut self, rect: Rect, colour: Rgb, opacity: f64) {
        let corners = vec![
            (rect.left, rect.top),
            (rect.right, rect.top),
            (rect.right, rect.bottom),
            (rect.left, rect.bottom),
        ];
        self.items.push(Item::Area(corners, colour, opacity));
    }

    pub(crate) fn label(&mut self, label: Label) {
        self.labels.push(label);
    }

    /// A strategy's marker.
    pub(crate) fn marker(&mut self, at: (f64, f64), radius: f64, style: Style, marks: Marks) {
        const RIM: f64 = 2.6;
        let moved = |corners: Vec<(f64, f64)>| -> Vec<(f64, f64)> {
            corners.iter().map(|(x, y)| (at.0 + x, at.1 + y)).collect()
        };
        // A hollow marker is a smaller white one on a full one: outlines of
        // sharp corners do not come out well in pixels.
        match style.shape.corners(radius) {
            None => {
                self.items.push(Item::Disc(at, radius, style.colour));
                if marks.hollow {
                    self.items.push(Item::Disc(at, radius - RIM, PAPER));
                }
            }
            Some(corners) => {
                let inner = marks.hollow.then(|| style::inset(&corners, RIM));
                self.items
                    .push(Item::Area(moved(corners), style.colour, 1.0));
                if let Some(inner) = inner {
                    self.items.push(Item::Area(moved(inner), PAPER, 1.0));
                }
            }
        }
        if marks.disturbed {
            let ring = Stroke::new(MUTED, 1.0);
            self.items.push(Item::Ring(at, ring_radius(radius), ring));
        }
    }

    /// The drawing as an SVG document, or what the backend said.
    pub(crate) fn svg(&self) -> Result<String, String> {
        let mut document = String::new();
        {
            let backend = SVGBackend::with_string(&mut document, (self.width, self.height));
            let area = backend.into_drawing_area();
            self.paint(&area, 1.0)
                .and_then(|()| self.write(&area))
                .and_then(|()| area.present())
                .map_err(|error| error.to_string())?;
        }
        Ok(document)
    }

    /// The drawing as pixels, or what the backend said.
    pub(crate) fn pixels(&self) -> Result<image::RgbImage, String> {
        let (width, height) = (self.width * SUPERSAMPLING, self.height * SUPERSAMPLING);
        let scale = f64::from(SUPERSAMPLING);
        let mut large = image::RgbImage::new(width, height);
        {
            let backend = BitMapBackend::with_buffer(&mut large, (width, height));
            let area = backend.into_drawing_area();
            self.paint(&area, scale)
                .and_then(|()| area.present())
                .map_err(|error| error.to_string())?;
        }
        for label in &self.labels {
            let before = label.before();
            let (x, y) = if label.upwards {
                (label.x, label.baseline + before)
            } else {
                (label.x - before, label.baseline)
            };
            let writing = Writing {
                text: &label.text,
                start: (x * scale, y * scale),
                size: label.size * scale,
                weight: label.weight,
                colour: label.colour,
                upwards: label.upwards,
            };
            fonts::paint(&mut large, &writing);
        }
        Ok(image::imageops::thumbnail(&large, self.width, self.height))
    }

    /// Everything but the labels.
    fn paint<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
        scale: f64,
    ) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
        let at = |(x, y): (f64, f64)| ((x * scale).round() as i32, (y * scale).round() as i32);
        let length = |length: f64| ((length * scale).round() as u32).max(1);
        let line = |stroke: &Stroke| ShapeStyle {
            color: colour(stroke.colour, stroke.opacity),
            filled: false,
            stroke_width: length(stroke.width),
        };
        area.fill(&colour(PAPER, 1.0))?;
        for item in &self.items {
            match item {
                Item::Path(points, stroke) => {
                    let points: Vec<_> = points.iter().copied().map(at).collect();
                    area.draw(&PathElement::new(points, line(stroke)))?;
                }
                Item::Area(corners, rgb, opacity) => {
                    let corners: Vec<_> = corners.iter().copied().map(at).collect();
                    area.draw(&Polygon::new(corners, colour(*rgb, *opacity).filled()))?;
                }
                Item::Disc(centre, radius, rgb) => {
                    let style = colour(*rgb, 1.0).filled();
                    area.draw(&Circle::new(at(*centre), length(*radius), style))?;
                }
                Item::Ring(centre, radius, stroke) => {
                    area.draw(&Circle::new(at(*centre), length(*radius), line(stroke)))?;
                }
            }
        }
        Ok(())
    }

    /// The labels, for a backend that leaves fonts to whoever shows the
    /// drawing.
    fn write<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
    ) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
        // plotters divides a size by 1.24 before it writes it as `font-size`,
        // and shifts a text anchored at its top down by 0.76 em.
        const SIZE: f64 = 1.24;
        const RISE: f64 = 0.76;
        for label in &self.labels {
            let style = match label.weight {
                Weight::Regular => FontStyle::Normal,
                Weight::Bold => FontStyle::Bold,
            };
            let font = FontDesc::new(FontFamily::Name(fonts::FAMILY), label.size * SIZE, style);
            let rise = RISE * label.size;
            let (font, (x, y)) = if label.upwards {
                // Turned left, "above the baseline" is to the left.
                let font = font.transform(FontTransform::Rotate270);
                (font, (label.x - rise, label.baseline))
            } else {
                (font, (label.x, label.baseline - rise))
            };
            let horizontal = match label.anchor {
                Anchor::Start => HPos::Left,
                Anchor::Middle => HPos::Center,
                Anchor::End => HPos::Right,
            };
            let ink = colour(label.colour, 1.0);
            let style = TextStyle::from(font)
                .color(&ink)
                .pos(Pos::new(horizontal, VPos::Top));
            let place = (x.round() as i32, y.round() as i32);
            area.draw(&Text::new(label.text.as_str(), place, style))?;
        }
        Ok(())
    }
}

/// The radius of the ring around a disturbed marker.
pub(crate) fn ring_radius(radius: f64) -> f64 {
    radius * 1.45 + 2.0
}

fn colour(Rgb(red, green, blue): Rgb, opacity: f64) -> RGBAColor {
    RGBAColor(red, green, blue, opacity)
}

/// Cuts a line into dashes, going on with the pattern around its corners.
fn dashes(points: &[(f64, f64)], dash: f64, gap: f64) -> Vec<Vec<(f64, f64)>> {
    let mut pieces = Vec::new();
    let mut piece: Vec<(f64, f64)> = points.first().copied().into_iter().collect();
    let (mut drawing, mut left) = (true, dash);
    for pair in points.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        let length = (to.0 - from.0).hypot(to.1 - from.1);
        let mut done = 0.0;
        while length - done > left {
            done += left;
            let share = done / length;
            let point = (
                from.0 + share * (to.0 - from.0),
                from.1 + share * (to.1 - from.1),
            );
            if drawing {
                piece.push(point);
                pieces.push(std::mem::take(&mut piece));
            } else {
                piece = vec![point];
            }
            drawing = !drawing;
            left = if drawing { dash } else { gap };
        }
        left -= length - done;
        if drawing {
            piece.push(to);
        }
    }
    if drawing && piece.len() > 1 {
        pieces.push(piece);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_follow_the_line_and_leave_gaps() {
        let pieces = dashes(&[(0.0, 0.0), (10.0, 0.0), (10.0, 10.0)], 6.0, 3.0);
        assert_eq!(
            pieces,
            vec![
                vec![(0.0, 0.0), (6.0, 0.0)],
                vec![(9.0, 0.0), (10.0, 0.0), (10.0, 5.0)],
                vec![(10.0, 8.0), (10.0, 10.0)],
            ]
        );
    }

    #[test]
    fn a_label_that_runs_upwards_ends_above_where_it_starts() {
        let label = Label::new("microseconds", 50.0, 400.0, 20.0).upwards();
        let bounds = label.bounds();
        assert!(bounds.height() > bounds.width());
        assert!((bounds.bottom - 400.0).abs() < 1e-9);
    }

    #[test]
    fn both_backends_draw_the_same_text_in_the_same_box() {
        let mut scene = Scene::new(400, 100);
        let label = Label::new("Hxg", 100.0, 60.0, 40.0);
        let expected = label.bounds();
        scene.label(label);
        let pixels = scene.pixels().expect("pixels");
        let inked: Vec<(u32, u32)> = pixels
            .enumerate_pixels()
            .filter(|(_, _, pixel)| pixel.0[0] < 128)
            .map(|(x, y, _)| (x, y))
            .collect();
        let left = inked.iter().map(|(x, _)| *x).min().expect("ink");
        let right = inked.iter().map(|(x, _)| *x).max().expect("ink");
        let top = inked.iter().map(|(_, y)| *y).min().expect("ink");
        let bottom = inked.iter().map(|(_, y)| *y).max().expect("ink");
        let near = |a: u32, b: f64| (f64::from(a) - b).abs() <= 5.0;
        assert!(near(left, expected.left), "{left} {expected:?}");
        assert!(near(right, expected.right), "{right} {expected:?}");
        assert!(near(top, expected.top), "{top} {expected:?}");
        assert!(near(bottom, expected.bottom), "{bottom} {expected:?}");

        // In the SVG, the baseline is y + 0.76 em.
        let svg = scene.svg().expect("svg");
        let document = roxmltree::Document::parse(&svg).expect("xml");
        let text = document
            .descendants()
            .find(|node| node.has_tag_name("text"))
            .expect("text");
        let number = |name: &str| -> f64 { text.attribute(name).expect(name).parse().expect(name) };
        assert!((number("font-size") - 40.0).abs() < 1e-6);
        assert!((number("y") + 0.76 * 40.0 - 60.0).abs() <= 1.0);
        assert_eq!(text.attribute("font-family"), Some(fonts::FAMILY));
    }
}
