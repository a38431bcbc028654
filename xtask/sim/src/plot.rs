//! A chart of what the observers saw: one panel each, over cycles; the mean of the replicas as a
//! line, from the least to the largest as a band.

use super::output::{Curve, Results, curves};
use super::scenario::Point;
use plotters::coord::ranged1d::{Ranged, ValueFormatter};
use plotters::prelude::*;
use std::error::Error;
use std::ops::Range;

/// Pixels of a panel.
const PANEL: (u32, u32) = (520, 330);
/// Pixels for the title above, and a line of the legend.
const TITLE: u32 = 44;
const LINE: u32 = 18;

/// The most points that a chart shows: colours beyond cannot be told apart.
pub(super) const SHOWN: usize = 10;

/// Tableau's ten colours, which most people can tell apart.
const COLOURS: [RGBColor; SHOWN] = [
    RGBColor(31, 119, 180),
    RGBColor(255, 127, 14),
    RGBColor(44, 160, 44),
    RGBColor(214, 39, 40),
    RGBColor(148, 103, 189),
    RGBColor(140, 86, 75),
    RGBColor(227, 119, 194),
    RGBColor(127, 127, 127),
    RGBColor(188, 189, 34),
    RGBColor(23, 190, 207),
];

type Plane<'a, X, Y> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<X, Y>>;
type Failed = Box<dyn Error>;

/// The chart as SVG: of the first [`SHOWN`] points.
pub(super) fn svg(results: &Results<'_>) -> Result<String, Failed> {
    let points: Vec<_> = results.points().take(SHOWN).collect();
    let all: Vec<(&Point, Vec<Curve>)> =
        points.into_iter().map(|(point, series)| (point, curves(series))).collect();
    let names = results.names();
    let columns = if names.len() > 1 { 2 } else { 1 };
    let rows = names.len().div_ceil(columns).max(1);
    let legend = if all.len() > 1 { LINE * all.len() as u32 + 8 } else { 0 };
    let size = (PANEL.0 * columns as u32, PANEL.1 * rows as u32 + TITLE + legend);
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, size).into_drawing_area();
        root.fill(&WHITE)?;
        let (head, body) = root.split_vertically(TITLE + legend);
        let style = ("sans-serif", 17).into_font().color(&BLACK);
        let scenario = results.scenario;
        let title = match scenario.description() {
            "" => scenario.name.clone(),
            what => format!("{}: {what}", scenario.name),
        };
        head.draw_text(&title, &style, (14, 14))?;
        if legend > 0 {
            for (at, (point, _)) in all.iter().enumerate() {
                let y = (TITLE + LINE * at as u32) as i32;
                let line =
                    PathElement::new([(14, y + 7), (44, y + 7)], COLOURS[at].stroke_width(3));
                head.draw(&line)?;
                let small = ("sans-serif", 13).into_font().color(&BLACK);
                head.draw_text(&label(point), &small, (52, y))?;
            }
        }
        for (area, name) in body.split_evenly((rows, columns)).iter().zip(&names) {
            let found: Vec<_> = all
                .iter()
                .enumerate()
                .filter_map(|(at, (_, curves))| {
                    let curve = curves.iter().find(|curve| curve.name == *name)?;
                    (!curve.dots.is_empty()).then_some((COLOURS[at], curve))
                })
                .collect();
            panel(area, name, &found)?;
        }
        root.present()?;
    }
    Ok(text)
}

/// What makes a point differ, for the legend.
fn label(point: &Point) -> String {
    let swept: Vec<_> = point.swept.iter().map(|(key, value)| format!("{key} = {value}")).collect();
    swept.join(", ")
}

fn panel(
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    name: &str,
    curves: &[(RGBColor, &Curve)],
) -> Result<(), Failed> {
    let dots = || curves.iter().flat_map(|(_, curve)| &curve.dots);
    let last = dots().map(|dot| dot.cycle).max().unwrap_or(1).max(1);
    let low = dots().map(|dot| dot.spread.min).fold(f64::INFINITY, f64::min);
    let high = dots().map(|dot| dot.spread.max).fold(f64::NEG_INFINITY, f64::max);
    if !low.is_finite() || !high.is_finite() {
        let style = ("sans-serif", 14).into_font().color(&BLACK);
        area.draw_text(&format!("{name}: nothing was seen"), &style, (20, 20))?;
        return Ok(());
    }
    let least = dots().map(|dot| dot.spread.min).filter(|low| *low > 0.0);
    let least = least.fold(f64::INFINITY, f64::min);
    // What spans three orders of magnitude is told apart by logarithms only; zeros are left out.
    let is_log = least.is_finite() && low >= 0.0 && high / least >= 1e3;
    let mut chart = ChartBuilder::on(area);
    let chart = chart
        .caption(name, ("sans-serif", 15))
        .margin(10)
        .margin_right(22)
        .x_label_area_size(34)
        .y_label_area_size(66);
    let across = 0.0..f64::from(last);
    if is_log {
        draw(
            chart.build_cartesian_2d(across, (least / 1.5..high * 1.5).log_scale())?,
            curves,
            least,
        )
    } else {
        draw(chart.build_cartesian_2d(across, widened(low, high))?, curves, f64::NEG_INFINITY)
    }
}

/// Room above and below; a range that is no point. It begins at 0 when that is near.
fn widened(low: f64, high: f64) -> Range<f64> {
    let room = if high > low { 0.06 * (high - low) } else { 0.1 * high.abs().max(1.0) };
    let bottom = if low >= 0.0 && low < 0.5 * high { 0.0 } else { low - room };
    bottom..high + room
}

fn draw<X, Y>(
    mut chart: Plane<'_, X, Y>,
    curves: &[(RGBColor, &Curve)],
    floor: f64,
) -> Result<(), Failed>
where
    X: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .bold_line_style(RGBColor(225, 225, 225))
        .x_desc("cycle")
        .x_labels(8)
        .y_labels(7)
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_label_formatter(&|y| tick(*y))
        .draw()?;
    for (colour, curve) in curves {
        let at = |value: f64| value.max(floor);
        let dots = || curve.dots.iter().filter(|dot| dot.spread.max >= floor);
        if dots().any(|dot| dot.spread.max > dot.spread.min) {
            let upper = dots().map(|dot| (f64::from(dot.cycle), at(dot.spread.max)));
            let lower = dots().map(|dot| (f64::from(dot.cycle), at(dot.spread.min)));
            let mut outline: Vec<_> = upper.collect();
            outline.extend(lower.rev());
            chart.draw_series([Polygon::new(outline, colour.mix(0.18).filled())])?;
        }
        let means = dots().map(|dot| (f64::from(dot.cycle), at(dot.spread.mean)));
        chart.draw_series(LineSeries::new(means, colour.stroke_width(2)))?;
    }
    Ok(())
}

/// A number on an axis, in few characters.
fn tick(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 {
        "0".to_owned()
    } else if !(1e-3..1e5).contains(&size) {
        format!("{value:.0e}")
    } else {
        let text = format!("{value:.4}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_short_and_ranges_have_room() {
        assert_eq!([0.0, 0.5, 1e-7, 25e5, 1000.0].map(tick), ["0", "0.5", "1e-7", "2e6", "1000"]);
        assert_eq!(widened(0.0, 0.0), -0.1..0.1);
        assert_eq!(widened(1.0, 10.0).start, 0.0);
        assert!(widened(9.0, 10.0).start > 8.0);
    }
}
