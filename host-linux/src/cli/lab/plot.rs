//! What was seen as an SVG: windows, round trips, throughput and queues below each other, over the same time; and what loads have cost.

use anyhow::{Result, anyhow};
use plotters::{
    chart::{ChartBuilder, SeriesLabelPosition},
    drawing::{DrawingArea, IntoDrawingArea},
    element::PathElement,
    series::LineSeries,
    style::{Color, IntoFont, RGBColor, WHITE},
};
use plotters::{coord::Shift, prelude::SVGBackend};
use towpath_replay::lab::{End, Point, Report, Scenario};

use super::loads;

/// A line in a panel.
struct Line {
    name: String,
    color: RGBColor,
    /// Seconds, and what is there.
    points: Vec<(f64, f64)>,
}

/// Lines over the same time, and what they show.
struct Panel {
    title: &'static str,
    lines: Vec<Line>,
}

/// Draws a report.
pub(super) fn svg(scenario: &Scenario, report: &Report) -> Result<String> {
    let (panels, of_loads) = (panels(scenario, report), loads::panels(report));
    let count = panels.len() + of_loads.len();
    let seconds = report.ended.as_secs_f64().max(1e-6);
    let mut out = String::new();
    {
        let height = TITLE_PIXELS + PANEL_PIXELS * count as u32;
        let root = SVGBackend::with_string(&mut out, (WIDTH_PIXELS, height)).into_drawing_area();
        root.fill(&WHITE).map_err(|error| anyhow!("{error}"))?;
        let body = root.titled(&scenario.title, ("sans-serif", 16).into_font()).map_err(|error| anyhow!("{error}"))?;
        let areas = body.split_evenly((count, 1));
        for (area, panel) in areas.iter().zip(&panels) {
            draw(area, panel, seconds)?;
        }
        for (area, panel) in areas.iter().skip(panels.len()).zip(&of_loads) {
            loads::draw(area, panel, (scenario, report), &COLORS)?;
        }
        root.present().map_err(|error| anyhow!("{error}"))?;
    }
    Ok(out)
}

fn draw(area: &DrawingArea<SVGBackend<'_>, Shift>, panel: &Panel, seconds: f64) -> Result<()> {
    let most = panel.lines.iter().flat_map(|line| &line.points).map(|(_, value)| *value).fold(0.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .margin(6)
        .caption(panel.title, ("sans-serif", 13))
        .x_label_area_size(22)
        .y_label_area_size(64)
        // What the lines are stands to their right, where there are none.
        .build_cartesian_2d(0.0..seconds * WITH_LEGEND, 0.0..(most * 1.05).max(1.0))
        .map_err(|error| anyhow!("{error}"))?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .x_label_formatter(&|at| if *at > seconds { String::new() } else { format!("{} s", micros_exact(*at)) })
        .draw()
        .map_err(|error| anyhow!("{error}"))?;
    let unnamed = panel.lines.len().saturating_sub(NAMED_MAX);
    for (number, line) in panel.lines.iter().enumerate() {
        let color = line.color;
        let drawn = chart
            .draw_series(LineSeries::new(line.points.iter().copied(), color))
            .map_err(|error| anyhow!("{error}"))?;
        let name = match number {
            number if number < NAMED_MAX => line.name.clone(),
            NAMED_MAX => format!("and {unnamed} more"),
            _ => continue,
        };
        drawn.label(name).legend(move |(x, y)| PathElement::new([(x, y), (x + 14, y)], color));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE.mix(0.7))
        .label_font(("sans-serif", 11))
        .draw()
        .map_err(|error| anyhow!("{error}"))
}

/// The panels: of each end that has sent something, and of each queue that something has waited in.
fn panels(scenario: &Scenario, report: &Report) -> Vec<Panel> {
    let mut panels = [
        "congestion window, threshold, in flight (segments)",
        "smoothed round-trip time and its deviation (ms)",
        "throughput, acknowledged (Mbit/s)",
        "window that the other end tells (KiB)",
        "waiting at links (frames)",
    ]
    .map(|title| Panel { title, lines: Vec::new() });
    let mut colors = COLORS.into_iter().cycle();
    for (plan, found) in scenario.connections.iter().zip(&report.connections) {
        for end in End::BOTH {
            let points = &found.ends[end as usize].points;
            if found.read[end as usize] == 0 || points.len() < 2 {
                continue;
            }
            let from = &scenario.hosts[plan.ends[end as usize]].name;
            let name = format!("{} from {from}", plan.name);
            let Some(color) = colors.next() else { continue };
            lines_of(&mut panels, &name, color, points);
        }
    }
    let queues = report.lanes.iter().enumerate().filter(|(_, lane)| lane.tally.queued_bytes_max > 0);
    for ((number, lane), color) in queues.zip(COLORS.into_iter().cycle()) {
        let link = &scenario.links[number / 2];
        let name = format!("{} from {}", link.name, scenario.name_of(link.ends[number % 2]));
        let points = lane.waits.iter().map(|wait| (seconds(wait.ts), f64::from(wait.packets))).collect();
        panels[4].lines.push(Line { name, color, points });
    }
    panels.into_iter().filter(|panel| !panel.lines.is_empty()).collect()
}

fn lines_of(panels: &mut [Panel; 5], name: &str, color: RGBColor, points: &[Point]) {
    let mut add = |panel: usize, what: &str, part: f64, points: Vec<(f64, f64)>| {
        let RGBColor(red, green, blue) = color;
        // A fainter colour for what stands beside the line itself.
        let fade = |channel: u8| (255.0 - (255.0 - f64::from(channel)) * part) as u8;
        let color = RGBColor(fade(red), fade(green), fade(blue));
        panels[panel].lines.push(Line { name: format!("{name}{what}"), color, points });
    };
    let over = |value: &dyn Fn(&Point) -> Option<f64>| {
        points.iter().filter_map(|point| Some((seconds(point.ts), value(point)?))).collect::<Vec<_>>()
    };
    add(0, ": in flight", 0.35, over(&|point| Some(point.in_flight.into())));
    add(0, ": ssthresh", 0.6, over(&|point| point.snd_ssthresh.map(f64::from)));
    add(0, ": cwnd", 1.0, over(&|point| Some(point.snd_cwnd.into())));
    // There is none before something has been acknowledged.
    add(1, ": rttvar", 0.4, over(&|point| (point.rtt > 0).then_some(f64::from(point.rttvar) / 1e3)));
    add(1, ": srtt", 1.0, over(&|point| (point.rtt > 0).then_some(f64::from(point.rtt) / 1e3)));
    let rates = points.windows(2).filter(|pair| pair[1].ts > pair[0].ts).map(|pair| {
        let bits = pair[1].bytes_acked.saturating_sub(pair[0].bytes_acked) as f64 * 8.0;
        (seconds(pair[1].ts), bits / (seconds(pair[1].ts) - seconds(pair[0].ts)) / 1e6)
    });
    add(2, "", 1.0, rates.collect());
    add(3, "", 1.0, over(&|point| Some(f64::from(point.snd_wnd) / 1024.0)));
}

fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

/// A number of seconds to the microsecond: what an axis counts in steps is off by less.
fn micros_exact(seconds: f64) -> f64 {
    (seconds * 1e6).round() / 1e6
}

const WIDTH_PIXELS: u32 = 1200;
/// How much wider than the lines a panel is.
const WITH_LEGEND: f64 = 1.35;
/// As many lines of a panel are named: more names than that do not fit.
const NAMED_MAX: usize = 9;
const PANEL_PIXELS: u32 = 190;
const TITLE_PIXELS: u32 = 30;
const COLORS: [RGBColor; 6] = [
    RGBColor(31, 119, 180),
    RGBColor(214, 39, 40),
    RGBColor(44, 160, 44),
    RGBColor(148, 103, 189),
    RGBColor(255, 127, 14),
    RGBColor(23, 190, 207),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_has_a_line_for_each_thing_that_was_seen() {
        let text = include_str!("../../../../captures/lab/lossy-link.toml");
        let scenario = Scenario::read("lossy-link.toml", text).unwrap_or_else(|error| panic!("{error}"));
        let report = towpath_replay::lab::run(&scenario, None).expect("a run");
        let svg = svg(&scenario, &report).expect("a plot");
        assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"));
        for shown in ["download from server: cwnd", "download from server: srtt", "server-client from server", "Mbit/s"]
        {
            assert!(svg.contains(shown), "{shown} is not there");
        }
        assert!(svg.matches("<polyline").count() >= 8, "too few lines");
        assert!(!svg.contains("00000000"), "an axis tells a number that is no round one");
    }

    #[test]
    fn a_plot_of_loads_has_a_panel_for_what_they_cost_and_a_line_for_each() {
        let text = include_str!("../../../../captures/lab/interrupts.toml");
        let scenario = Scenario::read("interrupts.toml", text).unwrap_or_else(|error| panic!("{error}"));
        let report = towpath_replay::lab::run(&scenario, None).expect("a run");
        let svg = svg(&scenario, &report).expect("a plot");
        for shown in ["interrupts a second", "interrupts a packet", "go on", "latency", "CPU time"] {
            assert!(svg.contains(shown), "{shown} is not there");
        }
        for load in &scenario.loads {
            assert!(svg.matches(&format!(">\n{}", load.name)).count() >= 5, "{} is not in each panel", load.name);
        }
    }
}
