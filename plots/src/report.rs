//! All figures of a run, and the page that shows them.

use std::fs;
use std::path::{Path, PathBuf};

use detach_results::Recorded;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ColorType, ImageEncoder};

use crate::data::Data;
use crate::error::PlotError;
use crate::figures::{self, Figure};
use crate::page;

/// Draws every figure that the run has measurements for into a folder, each as
/// SVG and as PNG, and a page `index.html` that shows them with the machine,
/// the warnings and the tables. The folder is made if it is missing; files of
/// the same names are replaced.
///
/// Returns what was written, the page first.
///
/// # Errors
///
/// [`PlotError::Empty`] when the run holds no measurement (nothing is written
/// then), [`PlotError::Summary`] when its measurements contradict themselves,
/// [`PlotError::Write`] with the path when the system refuses,
/// [`PlotError::Backend`] when drawing fails.
pub fn draw(recorded: &Recorded, out: &Path) -> Result<Vec<PathBuf>, PlotError> {
    let data = Data::checked(recorded)?;
    let figures = figures::all(&data);
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| PlotError::Write { path, source }
    };
    fs::create_dir_all(out).map_err(failed(out))?;

    let page = out.join("index.html");
    let mut written = vec![page.clone()];
    for figure in &figures {
        for (ending, bytes) in [("svg", svg(figure)?.into_bytes()), ("png", png(figure)?)] {
            let path = out.join(format!("{}.{ending}", figure.name));
            fs::write(&path, bytes).map_err(failed(&path))?;
            written.push(path);
        }
    }
    // The page comes last: once it is there, so is all that it shows.
    fs::write(&page, page::html(&data, &figures)).map_err(failed(&page))?;
    Ok(written)
}

/// A figure as an SVG document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drawing {
    /// The name of its files, without ending: `cost`, `tradeoff`, ...
    pub name: String,
    /// What it shows, in a sentence for those who cannot see it.
    pub caption: String,
    /// The document.
    pub svg: String,
}

/// Every figure that the run has measurements for, as [`draw`] draws them, for
/// a program that has its own place to put them.
///
/// # Errors
///
/// As [`draw`], but nothing is written.
pub fn drawings(recorded: &Recorded) -> Result<Vec<Drawing>, PlotError> {
    let data = Data::checked(recorded)?;
    let figures = figures::all(&data).into_iter();
    let drawing = |figure: Figure| {
        Ok(Drawing {
            svg: svg(&figure)?,
            name: figure.name,
            caption: figure.caption,
        })
    };
    figures.map(drawing).collect()
}

fn svg(figure: &Figure) -> Result<String, PlotError> {
    figure.scene.svg().map_err(|reason| backend(figure, reason))
}

fn png(figure: &Figure) -> Result<Vec<u8>, PlotError> {
    let pixels = figure.scene.pixels();
    let pixels = pixels.map_err(|reason| backend(figure, reason))?;
    let mut bytes = Vec::new();
    // Large areas of one colour compress best unfiltered.
    PngEncoder::new_with_quality(&mut bytes, CompressionType::Best, FilterType::NoFilter)
        .write_image(&pixels, pixels.width(), pixels.height(), ColorType::Rgb8)
        .map_err(|error| backend(figure, error.to_string()))?;
    Ok(bytes)
}

fn backend(figure: &Figure, reason: String) -> PlotError {
    PlotError::Backend {
        figure: figure.name.clone(),
        reason,
    }
}
