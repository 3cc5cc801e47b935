//! Figures and tables of detach-bench, drawn from records alone.
//!
//! This crate knows no strategy and measures nothing: a run that somebody else
//! recorded on another machine draws as well as one's own.
//!
//! - [`draw`] writes every figure of a run as SVG and PNG, and a page that
//!   shows them.
//! - [`table`] holds the summary as text and as Markdown, [`readme`] keeps it
//!   in a document.
//! - [`style_of`] says what a strategy looks like: the same in every figure.
//!
//! What each scenario asks and how it is shown stands in one table
//! (`catalogue.rs`). A scenario that is not in it has a figure all the same,
//! of whatever its records hold.
//!
//! A figure is laid out once, into lines, shapes and texts at places that have
//! been computed, and then handed to plotters twice. Names are placed by the
//! widths of the bundled font, which are those of Arial, so that they do not
//! overlap on a machine that shows the SVG in another font of these widths.
//!
//! ```no_run
//! use std::path::Path;
//!
//! use detach_plots::{draw, table};
//! use detach_results::Recorded;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let run = Recorded::read(Path::new("results/local/latest"))?;
//! for path in draw(&run, Path::new("report"))? {
//!     println!("{}", path.display());
//! }
//! print!("{}", table::text(&run)?);
//! # Ok(())
//! # }
//! ```

mod about;
mod axes;
mod callouts;
mod catalogue;
mod data;
mod error;
mod figures;
mod fonts;
mod frame;
mod geometry;
mod page;
pub mod readme;
mod report;
mod scale;
mod scene;
mod setting;
mod spread;
mod standing;
mod style;
pub mod table;
mod value;

pub use error::PlotError;
pub use fonts::FAMILY;
pub use report::{Drawing, draw, drawings};
pub use style::{Rgb, Shape, Style, known_ids, style_of};
