//! An SVG document as a reader sees it: where each text lies.

use ab_glyph::{Font, FontRef, PxScale, ScaleFont};
use roxmltree::{Document, Node};

/// The box of a text, measured here and not by the code under test.
#[derive(Clone, Debug)]
pub struct Text {
    pub words: String,
    pub left: f64,
    pub right: f64,
    pub top: f64,
    pub bottom: f64,
}

impl Text {
    pub fn overlaps(&self, other: &Text) -> bool {
        self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }
}

/// An SVG document, read.
pub struct Page {
    pub width: f64,
    pub height: f64,
    pub texts: Vec<Text>,
}

impl Page {
    /// # Panics
    ///
    /// When the document is not well-formed SVG.
    pub fn read(svg: &str) -> Page {
        let document = Document::parse(svg).expect("well-formed XML");
        let root = document.root_element();
        let texts = document
            .descendants()
            .filter(|node| node.has_tag_name("text"))
            .map(text)
            .collect();
        Page {
            width: number(&root, "width"),
            height: number(&root, "height"),
            texts,
        }
    }

    pub fn has(&self, words: &str) -> bool {
        self.texts.iter().any(|text| text.words == words)
    }

    /// All texts from the top to the bottom, joined.
    pub fn all_words(&self) -> String {
        let mut texts: Vec<&Text> = self.texts.iter().collect();
        texts.sort_by(|a, b| a.top.total_cmp(&b.top));
        let words: Vec<&str> = texts.iter().map(|text| text.words.as_str()).collect();
        words.join(" ")
    }
}

fn text(node: Node<'_, '_>) -> Text {
    let words = node.text().unwrap_or_default().trim().to_owned();
    let size = number(&node, "font-size");
    let bold = node.attribute("font-weight") == Some("bold");
    let width = width(&words, size, bold);
    let (x, y) = (number(&node, "x"), number(&node, "y"));
    let before = match node.attribute("text-anchor") {
        Some("start") => 0.0,
        Some("middle") => width / 2.0,
        Some("end") => width,
        other => panic!("text-anchor {other:?}"),
    };
    let shift: f64 = node
        .attribute("dy")
        .and_then(|dy| dy.strip_suffix("em"))
        .and_then(|dy| dy.parse().ok())
        .expect("dy in em");
    // From the top of capitals to the depth of descenders.
    let (above, below) = (shift * size - 0.74 * size, shift * size + 0.22 * size);
    let upwards = node.attribute("transform").is_some_and(|transform| {
        assert!(transform.starts_with("rotate(270"), "{transform}");
        true
    });
    let (left, right, top, bottom) = if upwards {
        (x + above, x + below, y + before - width, y + before)
    } else {
        (x - before, x - before + width, y + above, y + below)
    };
    Text {
        words,
        left,
        right,
        top,
        bottom,
    }
}

fn number(node: &Node<'_, '_>, name: &str) -> f64 {
    let value = node.attribute(name).unwrap_or_else(|| panic!("no {name}"));
    value.parse().unwrap_or_else(|_| panic!("{name}={value}"))
}

fn width(words: &str, size: f64, bold: bool) -> f64 {
    let bytes: &[u8] = if bold {
        include_bytes!("../../fonts/Arimo-Bold-latin.ttf")
    } else {
        include_bytes!("../../fonts/Arimo-Regular-latin.ttf")
    };
    let font = FontRef::try_from_slice(bytes).expect("font");
    let lines_per_em = font.height_unscaled() / font.units_per_em().expect("em");
    let scaled = font.as_scaled(PxScale::from(size as f32 * lines_per_em));
    let advance = |letter| f64::from(scaled.h_advance(scaled.glyph_id(letter)));
    words.chars().map(advance).sum()
}
