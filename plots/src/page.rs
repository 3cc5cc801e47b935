//! The page of a report: one HTML file that needs nothing but the figures
//! beside it.

use std::fmt::Write as _;

use crate::about;
use crate::data::Data;
use crate::figures::Figure;
use crate::spread;
use crate::table::{self, Grid};

const STYLE: &str = "\
body{font-family:Arimo,'Liberation Sans',Arial,Helvetica,sans-serif;color:#1f1f1f;background:#fff;\
max-width:1100px;margin:2em auto;padding:0 1em;line-height:1.45}\
figure{margin:2.5em 0}figure img{width:100%;height:auto;border:1px solid #e3e3e3}\
figcaption{color:#555}h2{margin-top:2.5em}.question{max-width:46em}\
table{border-collapse:collapse;margin:1em 0}th,td{padding:.25em .8em;border-bottom:1px solid #e3e3e3;\
text-align:right;font-variant-numeric:tabular-nums}th:first-child,td:first-child{text-align:left}\
.scroll{overflow-x:auto}dl{display:grid;grid-template-columns:max-content 1fr;gap:.15em 1.2em}\
dt{color:#555}dd{margin:0;overflow-wrap:anywhere}\
.warning{border-left:4px solid #d55e00;padding:.2em 1em;margin:.6em 0;background:#fbf4ee}";

/// The page as HTML.
pub(crate) fn html(data: &Data<'_>, figures: &[Figure]) -> String {
    let mut page = String::new();
    let title = format!("detach-bench: {}", data.run().name());
    let _ = write!(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <h1>What detaching costs, and entering</h1>\n<p>{}</p>\n",
        escape(&title),
        escape(&data.provenance()),
    );
    warnings(&mut page, data);
    show(&mut page, figures);
    tables(&mut page, data);
    spreads(&mut page, data);
    for section in about::sections(data) {
        let _ = write!(page, "<h2>{}</h2>\n<dl>\n", escape(section.title));
        for (term, value) in &section.entries {
            let value = if value.is_empty() { "none" } else { value };
            let _ = writeln!(page, "<dt>{}</dt><dd>{}</dd>", escape(term), escape(value));
        }
        page.push_str("</dl>\n");
    }
    page.push_str("</body>\n</html>\n");
    page
}

/// The figures, under the headings of their themes, each question once.
fn show(page: &mut String, figures: &[Figure]) {
    let (mut theme, mut question) = (None, "");
    for figure in figures {
        if theme != Some(figure.theme) {
            theme = Some(figure.theme);
            let _ = writeln!(page, "<h2>{}</h2>", escape(figure.theme.title()));
        }
        if question != figure.question {
            question = &figure.question;
            let _ = writeln!(page, "<p class=\"question\">{}</p>", escape(question));
        }
        let (name, caption) = (escape(&figure.name), escape(&figure.caption));
        let _ = write!(
            page,
            "<figure id=\"{name}\">\n<a href=\"{name}.svg\"><img src=\"{name}.svg\" \
             alt=\"{caption}\"></a>\n<figcaption>{caption} <a href=\"{name}.svg\">SVG</a>, \
             <a href=\"{name}.png\">PNG</a></figcaption>\n</figure>\n",
        );
    }
}

fn warnings(page: &mut String, data: &Data<'_>) {
    let mut boxes = Vec::new();
    let disturbance = data.recorded.disturbance();
    if disturbance.is_mostly() {
        boxes.push(format!(
            "<b>mostly disturbed</b> {}. Ratios between strategies may still hold, the times \
             themselves hardly.",
            escape(&disturbance.facts())
        ));
    }
    if !data.run().complete {
        boxes.push(
            "<b>incomplete</b> The run did not measure all that it set out to measure.".to_owned(),
        );
    }
    for warning in &data.run().warnings {
        boxes.push(format!(
            "<b>{}</b> {} <i>{}</i>",
            escape(&warning.kind),
            escape(&warning.message),
            escape(&warning.hint)
        ));
    }
    for problem in &data.recorded.problems {
        boxes.push(format!(
            "<b>unreadable</b> {}",
            escape(&problem.to_string())
        ));
    }
    if boxes.is_empty() {
        return;
    }
    page.push_str("<h2>Before believing it</h2>\n");
    for text in boxes {
        let _ = writeln!(page, "<p class=\"warning\">{text}</p>");
    }
}

fn tables(page: &mut String, data: &Data<'_>) {
    let tables = table::tables(data);
    page.push_str("<h2>In numbers</h2>\n");
    for grid in &tables.grids {
        write_grid(page, grid);
    }
    page.push_str("<ul>\n");
    for note in &tables.notes {
        let _ = writeln!(page, "<li>{}</li>", escape(note));
    }
    page.push_str("</ul>\n");
}

/// How far samples lie apart, which says what may be concluded from one number.
fn spreads(page: &mut String, data: &Data<'_>) {
    let Some(grid) = spread::grid(data) else {
        return;
    };
    page.push_str("<h2>How far samples lie apart</h2>\n");
    let _ = writeln!(
        page,
        "<p class=\"question\">{}</p>",
        escape(spread::MEANING)
    );
    write_grid(page, &grid);
}

fn write_grid(page: &mut String, grid: &Grid) {
    let cells = |cells: &[String], tag: &str| -> String {
        let cell = |cell: &String| {
            let lines: Vec<String> = cell.lines().map(escape).collect();
            format!("<{tag}>{}</{tag}>", lines.join("<br>"))
        };
        cells.iter().map(cell).collect()
    };
    let _ = write!(
        page,
        "<h3>{}</h3>\n<div class=\"scroll\"><table>\n<thead><tr>{}</tr></thead>\n<tbody>\n",
        escape(&grid.title),
        cells(&grid.header, "th"),
    );
    for row in &grid.rows {
        let _ = writeln!(page, "<tr>{}</tr>", cells(row, "td"));
    }
    page.push_str("</tbody>\n</table></div>\n");
}

/// Keeps text from being taken for HTML, in content and in quoted attributes.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            letter => escaped.push(letter),
        }
    }
    escaped
}
