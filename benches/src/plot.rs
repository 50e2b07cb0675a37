//! What a message costs over the number of connections: an SVG out of the raw file of `echo`.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use plotters::prelude::*;
use sandloop_testkit::statistics::median;
use serde::Deserialize;

use crate::report::exit_code;

const SIZE: (u32, u32) = (760, 460);
/// Told apart by readers who see few colours too.
const COLOURS: &[RGBColor] = &[
    RGBColor(0, 0, 0),
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];

/// A picture of CPU a message over the number of connections.
#[derive(Debug, Parser)]
#[command(name = "plot")]
struct Options {
    /// What `echo --raw` has written.
    raw: PathBuf,
    /// Where the picture goes.
    svg: PathBuf,
}

/// Of a record what the picture needs; what is no such record is passed over.
#[derive(Debug, Deserialize)]
struct Point {
    workload: String,
    connections: usize,
    subject: String,
    messages: u64,
    server_cpu_seconds: f64,
}

/// Medians of CPU microseconds a message, by the number of connections.
type Line = BTreeMap<usize, f64>;

/// Parses the arguments, draws, says what went wrong.
pub fn main() -> ExitCode {
    exit_code(draw(&Options::parse()))
}

fn draw(Options { raw, svg }: &Options) -> Result<()> {
    let text = fs::read_to_string(raw).with_context(|| format!("reading {}", raw.display()))?;
    let lines = lines(&text);
    ensure!(!lines.is_empty(), "{} has no messages of 64 bytes in it", raw.display());
    picture(&lines, svg).with_context(|| format!("drawing {}", svg.display()))
}

/// Each server's line, in the order in which they were measured first.
fn lines(text: &str) -> Vec<(String, Line)> {
    let points = text.lines().filter_map(|line| serde_json::from_str::<Point>(line).ok());
    let mut values: Vec<(String, BTreeMap<usize, Vec<f64>>)> = Vec::new();
    for point in points.filter(|point| point.workload == "small" && 0 < point.messages) {
        let place = values.iter().position(|(name, _)| *name == point.subject);
        let place = place.unwrap_or_else(|| {
            values.push((point.subject.clone(), BTreeMap::new()));
            values.len() - 1
        });
        let micros = point.server_cpu_seconds * 1e6 / point.messages as f64;
        values[place].1.entry(point.connections).or_default().push(micros);
    }
    let medians = |of: BTreeMap<usize, Vec<f64>>| {
        of.into_iter().map(|(connections, values)| (connections, median(values))).collect()
    };
    values.into_iter().map(|(name, of)| (name, medians(of))).collect()
}

fn picture(lines: &[(String, Line)], svg: &Path) -> Result<()> {
    let points = || lines.iter().flat_map(|(_, line)| line);
    let most = points().map(|(&connections, _)| connections).max().unwrap_or(1);
    let highest = points().map(|(_, &micros)| micros).fold(1.0, f64::max);
    let lowest = points().map(|(_, &micros)| micros).fold(highest, f64::min);

    let area = SVGBackend::new(svg, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption("echo, 64 B: CPU time of the server a message", ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(55)
        .build_cartesian_2d(
            (1.0..most as f64 * 1.2).log_scale(),
            (lowest * 0.8..highest * 1.2).log_scale(),
        )?;
    chart
        .configure_mesh()
        .x_desc("connections")
        .y_desc("microseconds")
        .x_label_formatter(&|connections| format!("{connections:.0}"))
        .y_label_formatter(&|micros| format!("{micros:.0}"))
        .light_line_style(WHITE)
        .draw()?;
    for ((name, line), colour) in lines.iter().zip(COLOURS.iter().cycle()) {
        let points = || line.iter().map(|(&connections, &micros)| (connections as f64, micros));
        chart
            .draw_series(LineSeries::new(points(), colour.stroke_width(2)))?
            .label(name)
            .legend(|(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
        chart.draw_series(points().map(|point| Circle::new(point, 3, colour.filled())))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperMiddle)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    area.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAW: &str = r#"{"cpu":"some","cores":2}
{"workload":"small","connections":50,"round":1,"subject":"native","messages":1000,"server_cpu_seconds":0.003}
{"workload":"small","connections":50,"round":2,"subject":"native","messages":1000,"server_cpu_seconds":0.005}
{"workload":"small","connections":1,"round":1,"subject":"native","messages":1000,"server_cpu_seconds":0.01}
{"workload":"bulk","connections":4,"round":1,"subject":"native","messages":1000,"server_cpu_seconds":0.1}
{"workload":"small","connections":50,"round":1,"subject":"plugin","messages":1000,"server_cpu_seconds":0.006}"#;

    #[test]
    fn a_line_has_the_medians_of_its_rounds() {
        let found = lines(RAW);
        let names: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["native", "plugin"]);
        assert_eq!(found[0].1.keys().collect::<Vec<_>>(), [&1, &50]);
        assert!((found[0].1[&50] - 4.0).abs() < 1e-9, "{found:?}");
    }

    #[test]
    fn the_picture_names_every_server() {
        let file = tempfile::NamedTempFile::new().unwrap();
        picture(&lines(RAW), file.path()).unwrap();
        let svg = fs::read_to_string(file.path()).unwrap();
        for word in ["<svg", "native", "plugin", "connections"] {
            assert!(svg.contains(word), "{word}");
        }
    }
}
