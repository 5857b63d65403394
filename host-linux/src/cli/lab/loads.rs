//! What loads have cost as panels of a plot: each over the rate, both scales logarithmic but for that of the CPU.

use anyhow::{Result, anyhow};
use plotters::{
    chart::{ChartBuilder, SeriesLabelPosition},
    coord::Shift,
    coord::combinators::IntoLogRange,
    drawing::DrawingArea,
    element::PathElement,
    prelude::SVGBackend,
    series::LineSeries,
    style::{Color, RGBColor, WHITE},
};
use towpath_replay::lab::{LoadStep, Report, Scenario};

/// A quantity over the rate.
pub(super) struct Panel {
    title: &'static str,
    /// What is plotted of a rate, if there is anything, and the least that is shown.
    value: fn(&LoadStep) -> Option<f64>,
    least: f64,
}

/// The panels of a report; none without loads.
pub(super) fn panels(report: &Report) -> Vec<Panel> {
    if report.loads.iter().all(|load| load.steps.is_empty()) {
        return Vec::new();
    }
    let panel = |title, value, least| Panel { title, value, least };
    vec![
        panel("interrupts a second", |step| Some(per_second(step, step.cpus.rounds.interrupts)), 1.0),
        panel("interrupts a packet", |step| Some(step.interrupts_per_thousand() as f64 / 1e3), 1e-3),
        panel("packets a second that go on", |step| Some(step.delivered_rate() as f64), 100.0),
        panel(
            "latency from the ring to the engine, mean (us)",
            |step| step.latency_mean().map(|mean| mean.as_nanos() as f64 / 1e3),
            0.1,
        ),
        panel("CPU time not left to processes (%)", |step| Some(step.cpu_per_thousand() as f64 / 10.0), 0.1),
    ]
}

fn per_second(step: &LoadStep, count: u64) -> f64 {
    count as f64 / step.time.as_secs_f64().max(1e-9)
}

/// Draws one.
pub(super) fn draw(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    panel: &Panel,
    (scenario, report): (&Scenario, &Report),
    colors: &[RGBColor],
) -> Result<()> {
    let steps = || report.loads.iter().flat_map(|load| &load.steps);
    let rates = || steps().map(|step| step.rate as f64);
    let (slowest, fastest) = (rates().fold(f64::MAX, f64::min), rates().fold(1.0, f64::max));
    let most = steps().filter_map(panel.value).fold(panel.least * 10.0, f64::max);
    let wrong = |error: &dyn std::fmt::Display| anyhow!("{error}");
    let mut chart = ChartBuilder::on(area)
        .margin(6)
        .caption(panel.title, ("sans-serif", 13))
        .x_label_area_size(22)
        .y_label_area_size(64)
        .build_cartesian_2d(
            (slowest..(fastest * 1.01).max(slowest * 1.1)).log_scale(),
            (panel.least..most * 1.1).log_scale(),
        )
        .map_err(|error| wrong(&error))?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .x_label_formatter(&|rate| format!("{rate} /s"))
        .draw()
        .map_err(|error| wrong(&error))?;
    for ((plan, load), color) in scenario.loads.iter().zip(&report.loads).zip(colors.iter().cycle()) {
        let color = *color;
        // A number that is 0 has no place on a logarithmic scale: it lies at the bottom. What there is not has no point.
        let value = |step| (panel.value)(step).map(|value| value.max(panel.least));
        let points = load.steps.iter().filter_map(|step| Some((step.rate as f64, value(step)?)));
        chart
            .draw_series(LineSeries::new(points, color))
            .map_err(|error| wrong(&error))?
            .label(&plan.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 14, y)], color));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.7))
        .label_font(("sans-serif", 11))
        .draw()
        .map_err(|error| wrong(&error))
}
