//! The page of a report: one HTML file that needs nothing but the figures
//! beside it.

use std::fmt::Write as _;

use crate::data::{Data, counted, run_id};
use crate::figures::Figure;
use crate::table;

const STYLE: &str = "\
body{font-family:Arimo,'Liberation Sans',Arial,Helvetica,sans-serif;color:#1f1f1f;background:#fff;\
max-width:1100px;margin:2em auto;padding:0 1em;line-height:1.45}\
figure{margin:2.5em 0}figure img{width:100%;height:auto;border:1px solid #e3e3e3}\
figcaption{color:#555}\
table{border-collapse:collapse;margin:1em 0}th,td{padding:.25em .8em;border-bottom:1px solid #e3e3e3;\
text-align:right;font-variant-numeric:tabular-nums}th:first-child,td:first-child{text-align:left}\
.scroll{overflow-x:auto}dl{display:grid;grid-template-columns:max-content 1fr;gap:.15em 1.2em}\
dt{color:#555}dd{margin:0;overflow-wrap:anywhere}\
.warning{border-left:4px solid #d55e00;padding:.2em 1em;margin:.6em 0;background:#fbf4ee}";

/// The page as HTML.
pub(crate) fn html(data: &Data<'_>, figures: &[Figure]) -> String {
    let mut page = String::new();
    let title = format!("detach-bench: {}", run_id(data.run()));
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
    for figure in figures {
        let (name, caption) = (escape(figure.name), escape(&figure.caption));
        let _ = write!(
            page,
            "<figure id=\"{name}\">\n<a href=\"{name}.svg\"><img src=\"{name}.svg\" \
             alt=\"{caption}\"></a>\n<figcaption>{caption} <a href=\"{name}.svg\">SVG</a>, \
             <a href=\"{name}.png\">PNG</a></figcaption>\n</figure>\n",
        );
    }
    tables(&mut page, data);
    about(&mut page, data);
    page.push_str("</body>\n</html>\n");
    page
}

fn warnings(page: &mut String, data: &Data<'_>) {
    let mut boxes = Vec::new();
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
        let cells = |cells: &[String], tag: &str| -> String {
            let cell = |cell: &String| format!("<{tag}>{}</{tag}>", escape(cell));
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
    page.push_str("<ul>\n");
    for note in &tables.notes {
        let _ = writeln!(page, "<li>{}</li>", escape(note));
    }
    page.push_str("</ul>\n");
}

fn about(page: &mut String, data: &Data<'_>) {
    let run = data.run();
    let (machine, build) = (&run.machine, &run.build);
    let options: Vec<String> = run
        .options
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let crates: Vec<String> = build
        .crates
        .iter()
        .map(|(name, version)| format!("{name} {version}"))
        .collect();
    let revision = match build.dirty {
        Some(true) => format!("{}, with changes that are not committed", build.revision),
        Some(false) => build.revision.clone(),
        None => format!("{}, perhaps with changes", build.revision),
    };
    let topology = [
        counted(machine.allowed_cpus.len(), "CPU"),
        counted(machine.cores, "core"),
        counted(machine.packages, "package"),
        counted(machine.numa_nodes, "NUMA node"),
        counted(machine.last_level_caches, "last-level cache"),
    ];
    section(
        page,
        "The machine",
        &[
            ("CPU model", machine.cpu_model.clone()),
            ("architecture", machine.architecture.clone()),
            ("allowed", topology.join(", ")),
            ("possible CPUs", machine.possible_cpus.to_string()),
            (
                "CPU quota",
                machine
                    .cpu_quota
                    .map_or("none".to_owned(), |quota| format!("{quota} CPUs")),
            ),
            (
                "memory",
                machine
                    .memory_mib
                    .map_or("unknown".to_owned(), |memory| format!("{memory} MiB")),
            ),
            (
                "system",
                format!("{}, kernel {}", machine.os, machine.kernel),
            ),
            ("C library", machine.libc.clone()),
            ("hypervisor", machine.hypervisor.clone()),
            ("governor", machine.governor.clone()),
            ("clock source", machine.clock_source.clone()),
            (
                "pinning",
                if machine.pinning {
                    "possible"
                } else {
                    "impossible"
                }
                .to_owned(),
            ),
            ("rseq", machine.rseq.clone()),
            ("membarrier", machine.membarrier.clone()),
        ],
    );
    section(
        page,
        "The run",
        &[
            ("id", run_id(run)),
            ("records", data.recorded.dir.display().to_string()),
            ("scheduler", run.scheduler.clone()),
            ("options", options.join(" ")),
            ("seed", run.seed.to_string()),
            ("revision", revision),
            ("compiler", build.rustc.clone()),
            ("target", build.target.clone()),
            ("profile", build.profile.clone()),
            ("flags", build.flags.clone()),
            ("crates", crates.join(", ")),
        ],
    );
}

fn section(page: &mut String, title: &str, entries: &[(&str, String)]) {
    let _ = write!(page, "<h2>{}</h2>\n<dl>\n", escape(title));
    for (term, value) in entries {
        let value = if value.is_empty() { "none" } else { value };
        let _ = writeln!(page, "<dt>{}</dt><dd>{}</dd>", escape(term), escape(value));
    }
    page.push_str("</dl>\n");
}

/// Keeps text from being taken for HTML, in content and in quoted attributes.
fn escape(text: &str) -> String {
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
