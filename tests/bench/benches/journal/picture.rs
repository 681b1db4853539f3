//! The table as a picture: one row a thing and batch, a bar for its interval and a mark at its median. Readable in light and in dark.

use crate::{BATCHES, Line, names, of};
use std::fmt::Write as _;

const LEFT: f64 = 150.0;
const WIDTH: f64 = 720.0;
const ROW: f64 = 16.0;
const STYLE: &str = "text{font:12px system-ui,sans-serif;fill:#24292f}.g{stroke:#d0d7de}.l{stroke:#0969da;stroke-width:3}\
.m{fill:#0969da}.o .l{stroke:#bc4c00}.o .m{fill:#bc4c00}.b{stroke:#cf222e;stroke-dasharray:4 3}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.g{stroke:#3d444d}.l{stroke:#58a6ff}.m{fill:#58a6ff}\
.o .l{stroke:#f0883e}.o .m{fill:#f0883e}.b{stroke:#ff7b72}}";

/// Draws it. The scale is logarithmic: twice is as far from once as four times from twice.
pub(crate) fn draw(lines: &[Line]) -> String {
    let rows: Vec<_> = names(lines).into_iter().filter(|(name, floor)| name != floor).collect();
    let most = lines.iter().map(|line| line.ratio.high).fold(2.0, f64::max);
    let x = |ratio: f64| LEFT + (WIDTH - LEFT - 20.0) * (ratio / 0.8).max(1.0).ln() / (most / 0.8).ln();
    let block = ROW * (rows.len() as f64 + 1.5);
    let height = 40.0 + block * BATCHES.len() as f64;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\">\n\
         <title>One durable batch, as a multiple of write and fdatasync of the same bytes</title>\n<style>{STYLE}</style>\n"
    );
    for tick in [1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0].into_iter().filter(|tick| *tick <= most) {
        let at = x(tick);
        let _ = writeln!(
            out,
            "<path class=\"g\" d=\"M{at:.1} 24V{height:.0}\"/><text x=\"{at:.1}\" y=\"16\" text-anchor=\"middle\">{tick}×</text>"
        );
    }
    let _ = writeln!(out, "<path class=\"b\" d=\"M{0:.1} 24V{height:.0}\"/>", x(crate::APPEND_MAX));
    for (group, (records, _)) in BATCHES.iter().enumerate() {
        let top = 40.0 + block * group as f64;
        let _ = writeln!(out, "<text x=\"4\" y=\"{top:.1}\" font-weight=\"bold\">batches of {records}</text>");
        for (row, (name, _)) in rows.iter().enumerate() {
            let Some(line) = of(lines, name).into_iter().find(|line| line.records == *records) else {
                continue;
            };
            let y = top + ROW * (row as f64 + 1.0);
            let class = if *name == crate::ours::NAME { " class=\"o\"" } else { "" };
            let (low, high, middle) = (x(line.ratio.low), x(line.ratio.high), x(line.ratio.median));
            let _ = writeln!(
                out,
                "<g{class}><text x=\"12\" y=\"{y:.1}\">{name}</text><path class=\"l\" d=\"M{low:.1} {0:.1}H{high:.1}\"/>\
                 <circle class=\"m\" cx=\"{middle:.1}\" cy=\"{0:.1}\" r=\"4\"/></g>",
                y - 4.0
            );
        }
    }
    out + "</svg>\n"
}
