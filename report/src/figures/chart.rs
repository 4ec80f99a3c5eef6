//! Charts: the few forms that all figures have, readable without colour.
//!
//! A side that is measured ([`Side`]) looks the same in every figure: its mark and dashes where
//! there are lines, its filling where there are bars. A sample is drawn with its spread, from the
//! lower to the upper quartile.

use std::ops::Range;

use plotters::chart::MeshStyle;
use plotters::coord::Shift;
use plotters::coord::combinators::{IntoLogRange, LogCoord};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::facts::Stat;

/// Pixels across; the page shows them at two thirds of their size.
const WIDTH: u32 = 720;
/// The text's own, so that figures and text are of one kind.
const FONT: &str = "Libertinus Serif, Times New Roman, Liberation Serif, serif";
/// plotters' sizes are larger than the font's by 1.24.
const SIZE: f64 = 14.0 * 1.24;
/// Of a legend.
const LEGEND: u32 = 26;
/// Bars with their values above them.
const MOST_VALUES: usize = 16;
const GRID: RGBColor = RGBColor(0xdd, 0xdd, 0xdd);

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// What drawing into a string can fail with: nothing but a mistake of the caller's.
type Failure = Box<dyn std::error::Error>;

/// Who was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The guest, its files in the ramdisk.
    Ramdisk,
    /// Linux, files on tmpfs.
    Native,
    /// The guest, its files the host's.
    Forwarded,
    /// Linux, files on ext4.
    Ext4,
    /// Another's program on Linux.
    Other,
    /// What nothing can be faster than.
    Limit,
}

/// What marks a point.
#[derive(Clone, Copy)]
enum Mark {
    Disc,
    Square,
    Triangle,
    Diamond,
    Cross,
    None,
}

impl Side {
    fn mark(self) -> Mark {
        match self {
            Side::Ramdisk => Mark::Disc,
            Side::Native => Mark::Square,
            Side::Forwarded => Mark::Triangle,
            Side::Ext4 => Mark::Diamond,
            Side::Other => Mark::Cross,
            Side::Limit => Mark::None,
        }
    }

    /// Pixels drawn and left out in turns; none is a line without gaps.
    fn dashes(self) -> &'static [f64] {
        match self {
            Side::Ramdisk => &[],
            Side::Native => &[9.0, 4.0],
            Side::Forwarded => &[2.0, 4.0],
            Side::Ext4 => &[10.0, 3.0, 2.0, 3.0],
            Side::Other => &[4.0, 3.0],
            Side::Limit => &[1.0, 2.0],
        }
    }

    /// The filling of a bar: a colour, which [`hatched`] may replace by a pattern.
    fn filling(self) -> RGBColor {
        match self {
            // Not black, or its spread could not be seen.
            Side::Ramdisk => RGBColor(0x66, 0x66, 0x66),
            Side::Native => hatch(1),
            Side::Forwarded => RGBColor(0xbb, 0xbb, 0xbb),
            Side::Ext4 => hatch(2),
            Side::Other => WHITE,
            Side::Limit => hatch(3),
        }
    }
}

/// The colour that stands for a pattern until [`hatched`] has put it in.
const fn hatch(pattern: u8) -> RGBColor {
    RGBColor(0xfe, 0xdc, pattern)
}

/// Replaces colours that stand for patterns.
fn hatched(svg: &str) -> String {
    let line = |angle: u32, width: u32| {
        format!(
            "width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" \
             patternTransform=\"rotate({angle})\">\
             <rect width=\"6\" height=\"6\" fill=\"#FFFFFF\"/>\
             <rect width=\"{width}\" height=\"6\" fill=\"#000000\"/></pattern>"
        )
    };
    let patterns = [(1, line(45, 2)), (2, line(135, 1)), (3, line(90, 1))];
    let mut defs = String::from("<defs>");
    let mut svg = svg.to_owned();
    for (number, pattern) in &patterns {
        let colour = hatch(*number);
        let colour = format!("\"#{:02X}{:02X}{:02X}\"", colour.0, colour.1, colour.2);
        svg = svg.replace(&colour, &format!("\"url(#hatch-{number})\""));
        defs += &format!("<pattern id=\"hatch-{number}\" {pattern}");
    }
    let head = svg.find('>').map_or(0, |end| end + 1);
    svg.insert_str(head, &(defs + "</defs>"));
    svg
}

/// Draws into a picture of `height` pixels.
fn picture(
    height: u32,
    draw: impl FnOnce(&Area<'_>) -> Result<(), Failure>,
) -> Result<String, String> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        draw(&root)
            .and_then(|()| Ok(root.present()?))
            .map_err(|error| format!("a figure cannot be drawn: {error}"))?;
    }
    Ok(hatched(&svg))
}

/// One line of a figure, or one bar of each group.
pub struct Series {
    /// The name in the legend.
    pub label: String,
    /// Whose it is.
    pub side: Side,
    /// From the value on the horizontal axis to what was measured.
    pub points: Vec<(f64, Stat)>,
}

/// How the numbers of an axis are written, and where the ticks are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Nanoseconds, written with the unit that suits.
    Nanoseconds,
    /// Milliseconds, likewise.
    Milliseconds,
    /// Seconds, likewise.
    Seconds,
    /// Bytes, in powers of 16.
    Bytes,
    /// Things.
    Count,
}

impl Unit {
    fn base(self) -> f64 {
        if self == Unit::Bytes { 16.0 } else { 10.0 }
    }

    /// A value, as a tick has it.
    pub fn tick(self, value: f64) -> String {
        match self {
            Unit::Nanoseconds => duration(value),
            Unit::Milliseconds => duration(value * 1e6),
            Unit::Seconds => duration(value * 1e9),
            Unit::Bytes => {
                let value = value.round();
                if value >= (1 << 30) as f64 {
                    format!("{} GiB", value / (1 << 30) as f64)
                } else if value >= (1 << 20) as f64 {
                    format!("{} MiB", value / (1 << 20) as f64)
                } else if value >= 1024.0 {
                    format!("{} KiB", value / 1024.0)
                } else {
                    format!("{value} B")
                }
            }
            Unit::Count => {
                if value >= 1e6 {
                    format!("{} M", short(value / 1e6))
                } else if value >= 1e4 {
                    format!("{} k", short(value / 1e3))
                } else if value < 100.0 {
                    short(value)
                } else {
                    grouped(value)
                }
            }
        }
    }
}

/// Nanoseconds in the largest unit that leaves at least one.
fn duration(ns: f64) -> String {
    let (value, unit) = match ns {
        ns if ns >= 0.999e9 => (ns / 1e9, "s"),
        ns if ns >= 0.999e6 => (ns / 1e6, "ms"),
        ns if ns >= 0.999e3 => (ns / 1e3, "µs"),
        ns => (ns, "ns"),
    };
    format!("{} {unit}", short(value))
}

/// At most three digits behind the point, and no zeros at the end.
fn short(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A whole number with a comma before each three digits.
fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Whole powers of `base` around all `values`.
fn powers(values: impl Iterator<Item = f64>, base: f64) -> Range<f64> {
    let (least, most) = values
        .filter(|value| *value > 0.0)
        .fold((f64::INFINITY, 0.0f64), |(least, most), value| (least.min(value), most.max(value)));
    if most == 0.0 {
        return 1.0..base;
    }
    let low = (least.log(base) + 1e-9).floor();
    let high = (most.log(base) - 1e-9).ceil().max(low + 1.0);
    // A little more, so that rounding cannot lose the ticks at both ends.
    base.powf(low) * 0.999..base.powf(high) * 1.001
}

/// How the axes of all figures look.
fn styled<'mesh, 'chart, 'format, 'svg, X: Ranged, Y: Ranged>(
    mesh: &'mesh mut MeshStyle<'chart, 'format, X, Y, SVGBackend<'svg>>,
) -> &'mesh mut MeshStyle<'chart, 'format, X, Y, SVGBackend<'svg>> {
    mesh.axis_desc_style(font(SIZE))
        .label_style(font(SIZE * 0.93))
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
}

fn font(size: f64) -> TextStyle<'static> {
    (FONT, size).into_font().color(&BLACK)
}

fn anchored(size: f64, horizontal: HPos, vertical: VPos) -> TextStyle<'static> {
    font(size).pos(Pos::new(horizontal, vertical))
}

/// One point's mark, around `(x, y)`.
fn mark(area: &Area<'_>, side: Side, (x, y): (i32, i32)) -> Result<(), Failure> {
    let open = |points: Vec<(i32, i32)>| -> Result<(), Failure> {
        area.draw(&Polygon::new(points.clone(), WHITE.filled()))?;
        let first = points.first().copied();
        area.draw(&PathElement::new(points.into_iter().chain(first).collect::<Vec<_>>(), BLACK))?;
        Ok(())
    };
    match side.mark() {
        Mark::Disc => area.draw(&Circle::new((x, y), 4, BLACK.filled()))?,
        Mark::Square => open(vec![(x - 4, y - 4), (x + 4, y - 4), (x + 4, y + 4), (x - 4, y + 4)])?,
        Mark::Triangle => open(vec![(x - 5, y + 4), (x + 5, y + 4), (x, y - 5)])?,
        Mark::Diamond => open(vec![(x - 5, y), (x, y - 5), (x + 5, y), (x, y + 5)])?,
        Mark::Cross => {
            area.draw(&PathElement::new(vec![(x - 4, y - 4), (x + 4, y + 4)], BLACK))?;
            area.draw(&PathElement::new(vec![(x - 4, y + 4), (x + 4, y - 4)], BLACK))?;
        }
        Mark::None => {}
    }
    Ok(())
}

/// A line through `points` with the side's dashes.
fn dashed(area: &Area<'_>, side: Side, points: &[(i32, i32)]) -> Result<(), Failure> {
    let width = if side == Side::Ramdisk { 2 } else { 1 };
    let style = BLACK.stroke_width(width);
    let dashes = side.dashes();
    if dashes.is_empty() {
        area.draw(&PathElement::new(points.to_vec(), style))?;
        return Ok(());
    }
    // What is left of the present dash, and which it is.
    let (mut left, mut index) = (dashes[0], 0);
    for pair in points.windows(2) {
        let [from, to] = [pair[0], pair[1]].map(|(x, y)| (f64::from(x), f64::from(y)));
        let length = (to.0 - from.0).hypot(to.1 - from.1);
        let at = |done: f64| {
            let part = done / length;
            let x = from.0 + (to.0 - from.0) * part;
            let y = from.1 + (to.1 - from.1) * part;
            (x.round() as i32, y.round() as i32)
        };
        let mut done = 0.0;
        while done < length {
            let step = left.min(length - done);
            if index % 2 == 0 {
                area.draw(&PathElement::new(vec![at(done), at(done + step)], style))?;
            }
            done += step;
            left -= step;
            if left <= 0.0 {
                index = (index + 1) % dashes.len();
                left = dashes[index];
            }
        }
    }
    Ok(())
}

/// A spread: from one quartile to the other, with feet.
fn whisker(
    area: &Area<'_>,
    low: (i32, i32),
    high: (i32, i32),
    foot: (i32, i32),
) -> Result<(), Failure> {
    if (low.0 - high.0).abs().max((low.1 - high.1).abs()) < 2 {
        return Ok(());
    }
    for (from, to) in [(low, high)].into_iter().chain(
        [low, high].map(|end| ((end.0 - foot.0, end.1 - foot.1), (end.0 + foot.0, end.1 + foot.1))),
    ) {
        area.draw(&PathElement::new(vec![from, to], BLACK))?;
    }
    Ok(())
}

/// How a legend shows a side.
#[derive(Clone, Copy)]
enum Key {
    Line,
    Bar,
    Mark,
}

/// A row of samples with their names.
fn legend(area: &Area<'_>, entries: &[(&str, Side)], key: Key) -> Result<(), Failure> {
    // SVG has no measure of text: half of an em for each character suffices.
    let widths: Vec<i32> =
        entries.iter().map(|(label, _)| 44 + (label.chars().count() as f64 * 6.9) as i32).collect();
    let mut x = (WIDTH as i32 - widths.iter().sum::<i32>()).max(0) / 2;
    let y = LEGEND as i32 / 2;
    for ((label, side), width) in entries.iter().zip(widths) {
        match key {
            Key::Line => {
                dashed(area, *side, &[(x, y), (x + 30, y)])?;
                mark(area, *side, (x + 15, y))?;
            }
            Key::Mark => mark(area, *side, (x + 18, y))?,
            Key::Bar => bar(area, *side, (x + 6, y - 6), (x + 28, y + 6))?,
        }
        area.draw_text(label, &anchored(SIZE, HPos::Left, VPos::Center), (x + 35, y))?;
        x += width;
    }
    Ok(())
}

fn bar(area: &Area<'_>, side: Side, from: (i32, i32), to: (i32, i32)) -> Result<(), Failure> {
    area.draw(&Rectangle::new([from, to], side.filling().filled()))?;
    area.draw(&Rectangle::new([from, to], BLACK))?;
    Ok(())
}

/// An axis: what is along it, in which unit.
pub struct Axis<'a> {
    /// What it says.
    pub label: &'a str,
    /// In what.
    pub unit: Unit,
}

/// One of the pictures side by side in a figure of lines.
pub struct Panel<'a> {
    /// What is above it.
    pub title: &'a str,
    /// What it shows.
    pub series: Vec<Series>,
}

/// Lines over two logarithmic axes, in panels side by side that share both.
pub fn lines(x: &Axis<'_>, y: &Axis<'_>, panels: &[Panel<'_>]) -> Result<String, String> {
    let all = || panels.iter().flat_map(|panel| &panel.series).flat_map(|series| &series.points);
    let across = powers(all().map(|(x, _)| *x), x.unit.base());
    let up = powers(all().flat_map(|(_, y)| [y.q1, y.median, y.q3]), y.unit.base());
    let mut entries: Vec<(&str, Side)> = Vec::new();
    for series in panels.iter().flat_map(|panel| &panel.series) {
        if !entries.iter().any(|(label, _)| *label == series.label) {
            entries.push((&series.label, series.side));
        }
    }
    picture(330, |root| {
        let (top, below) = root.split_vertically(LEGEND);
        legend(&top, &entries, Key::Line)?;
        for (index, (panel, area)) in
            panels.iter().zip(below.split_evenly((1, panels.len()))).enumerate()
        {
            let mut builder = ChartBuilder::on(&area);
            // Half of the last number under the axis is right of it.
            builder.margin_right(28).margin_top(4).x_label_area_size(46).y_label_area_size(74);
            if panels.len() > 1 {
                builder.caption(panel.title, font(SIZE));
            }
            let mut chart = builder.build_cartesian_2d(
                across.clone().log_scale().base(x.unit.base()),
                up.clone().log_scale().base(y.unit.base()),
            )?;
            styled(&mut chart.configure_mesh())
                .x_labels(if panels.len() > 2 { 4 } else { 7 })
                .y_labels(10)
                .x_label_formatter(&|value| x.unit.tick(*value))
                .y_label_formatter(&|value| y.unit.tick(*value))
                .x_desc(x.label)
                .y_desc(if index == 0 { y.label } else { "" })
                .draw()?;
            let plot = chart.plotting_area();
            for series in &panel.series {
                let at = |x: f64, y: f64| local(&area, plot.map_coordinate(&(x, y)));
                let points: Vec<(i32, i32)> =
                    series.points.iter().map(|(x, y)| at(*x, y.median)).collect();
                dashed(&area, series.side, &points)?;
                for ((x, y), point) in series.points.iter().zip(&points) {
                    if series.side != Side::Limit {
                        whisker(&area, at(*x, y.q1), at(*x, y.q3), (3, 0))?;
                    }
                    mark(&area, series.side, *point)?;
                }
            }
        }
        Ok(())
    })
}

/// A point of the whole picture as one of `area`.
fn local(area: &Area<'_>, (x, y): (i32, i32)) -> (i32, i32) {
    let (left, top) = area.get_base_pixel();
    (x - left, y - top)
}

/// Bars in groups, upright; on a logarithmic axis, or from zero, with a line at `reference`.
pub fn bars(
    y: &Axis<'_>,
    scale: Scale,
    groups: &[String],
    sides: &Sides<'_>,
) -> Result<String, String> {
    let values = || sides.iter().flat_map(|(_, _, stats)| stats.iter().flatten());
    let entries: Vec<(&str, Side)> = sides.iter().map(|(label, side, _)| (*label, *side)).collect();
    let across = 0.0..groups.len() as f64;
    picture(320, |root| {
        let (top, area) = root.split_vertically(LEGEND);
        legend(&top, &entries, Key::Bar)?;
        let mut builder = ChartBuilder::on(&area);
        // Room above for the values that stand on the bars.
        builder.margin_right(10).margin_top(14).x_label_area_size(44).y_label_area_size(74);
        match scale {
            Scale::Log => {
                let up = powers(values().flat_map(|y| [y.q1, y.median, y.q3]), y.unit.base());
                let floor = up.start;
                let chart = builder.build_cartesian_2d(across, up.log_scale())?;
                upright(&area, chart, y, floor, None, groups, sides)
            }
            Scale::FromZero { reference } => {
                let most =
                    values().map(|y| y.q3.max(y.median)).chain(reference).fold(0.0, f64::max);
                let up = 0.0..if most > 0.0 { most * 1.1 } else { 1.0 };
                let chart = builder.build_cartesian_2d(across, up)?;
                upright(&area, chart, y, 0.0, reference, groups, sides)
            }
        }
    })
}

/// The upright axis of a figure of bars.
#[derive(Clone, Copy)]
pub enum Scale {
    /// Logarithmic.
    Log,
    /// From zero, with a line across at a value.
    FromZero {
        /// Where.
        reference: Option<f64>,
    },
}

/// Each side's name, and what was measured on it for each group or row.
type Sides<'a> = [(&'a str, Side, Vec<Option<Stat>>)];

fn upright<Y>(
    area: &Area<'_>,
    mut chart: ChartContext<'_, SVGBackend<'_>, Cartesian2d<RangedCoordf64, Y>>,
    y: &Axis<'_>,
    floor: f64,
    reference: Option<f64>,
    groups: &[String],
    sides: &Sides<'_>,
) -> Result<(), Failure>
where
    Y: Ranged<ValueType = f64> + plotters::coord::ranged1d::ValueFormatter<f64>,
{
    styled(&mut chart.configure_mesh())
        .disable_x_mesh()
        .x_labels(0)
        .y_labels(8)
        .y_label_formatter(&|value| y.unit.tick(*value))
        .y_desc(y.label)
        .draw()?;
    let plot = chart.plotting_area();
    let at = |x: f64, y: f64| local(area, plot.map_coordinate(&(x, y)));
    if let Some(reference) = reference {
        dashed(area, Side::Limit, &[at(0.0, reference), at(groups.len() as f64, reference)])?;
    }
    let width = 0.8 / sides.len() as f64;
    for (group, title) in groups.iter().enumerate() {
        for (index, (_, side, stats)) in sides.iter().enumerate() {
            let left = group as f64 + 0.1 + index as f64 * width;
            let Some(stat) = stats.get(group).and_then(Option::as_ref) else { continue };
            let (low, high) = (at(left, floor), at(left + width * 0.92, stat.median));
            bar(area, *side, (low.0, high.1), (high.0, low.1))?;
            let middle = left + width * 0.46;
            whisker(area, at(middle, stat.q1.max(floor)), at(middle, stat.q3), (3, 0))?;
            let (x, y_top) = at(middle, stat.q3.max(stat.median));
            // Where bars are narrow, their values would lie over each other: a table has them.
            if groups.len() * sides.len() <= MOST_VALUES {
                let text = y.unit.tick(three_digits(stat.median));
                let style = anchored(SIZE * 0.8, HPos::Center, VPos::Bottom);
                area.draw_text(&text, &style, (x, y_top - 2))?;
            }
        }
        let (x, y) = at(group as f64 + 0.5, floor);
        for (line, text) in title.lines().enumerate() {
            let below = y + 6 + line as i32 * 17;
            area.draw_text(text, &anchored(SIZE, HPos::Center, VPos::Top), (x, below))?;
        }
    }
    Ok(())
}

/// Rounded to three significant digits; whole where there are more.
fn three_digits(value: f64) -> f64 {
    if value == 0.0 || value >= 1000.0 {
        return value.round();
    }
    let digits = 10f64.powf(2.0 - value.abs().log10().floor());
    (value * digits).round() / digits
}

/// A row for each name, and on it a mark for each side, over a logarithmic axis.
pub fn dots(x: &Axis<'_>, rows: &[String], sides: &Sides<'_>) -> Result<String, String> {
    const ROW: u32 = 21;
    let values = sides.iter().flat_map(|(_, _, stats)| stats.iter().flatten());
    let across = powers(values.flat_map(|x| [x.q1, x.median, x.q3]), x.unit.base());
    let entries: Vec<(&str, Side)> = sides.iter().map(|(label, side, _)| (*label, *side)).collect();
    picture(LEGEND + 56 + ROW * rows.len() as u32, |root| {
        let (top, area) = root.split_vertically(LEGEND);
        legend(&top, &entries, Key::Mark)?;
        let mut builder = ChartBuilder::on(&area);
        builder.margin_right(24).margin_top(4).x_label_area_size(46).y_label_area_size(250);
        let chart =
            builder.build_cartesian_2d(across.clone().log_scale(), (rows.len() as f64)..0.0)?;
        lying(&area, chart, x, across.start, rows, sides)
    })
}

fn lying(
    area: &Area<'_>,
    mut chart: ChartContext<'_, SVGBackend<'_>, Cartesian2d<LogCoord<f64>, RangedCoordf64>>,
    x: &Axis<'_>,
    floor: f64,
    rows: &[String],
    sides: &Sides<'_>,
) -> Result<(), Failure> {
    styled(&mut chart.configure_mesh())
        .disable_y_mesh()
        .y_labels(0)
        .x_labels(9)
        .x_label_formatter(&|value| x.unit.tick(*value))
        .x_desc(x.label)
        .draw()?;
    let plot = chart.plotting_area();
    let at = |x: f64, y: f64| local(area, plot.map_coordinate(&(x, y)));
    for (row, name) in rows.iter().enumerate() {
        let y = row as f64 + 0.5;
        let (left, middle) = at(floor, y);
        area.draw_text(name, &anchored(SIZE, HPos::Right, VPos::Center), (left - 8, middle))?;
        let found: Vec<(Side, &Stat)> = sides
            .iter()
            .filter_map(|(_, side, stats)| Some((*side, stats.get(row)?.as_ref()?)))
            .collect();
        let ends = found.iter().map(|(_, stat)| at(stat.median, y).0);
        if let (Some(from), Some(to)) = (ends.clone().min(), ends.max()) {
            area.draw(&PathElement::new(
                vec![(from, middle), (to, middle)],
                RGBColor(0x99, 0x99, 0x99),
            ))?;
        }
        for (side, stat) in found {
            whisker(area, at(stat.q1, y), at(stat.q3, y), (0, 4))?;
            mark(area, side, at(stat.median, y))?;
        }
    }
    Ok(())
}

/// Bars that lie, each cut into parts of a whole, with a name above each part.
pub fn parts(label: &str, rows: &[(String, Vec<(String, f64)>)]) -> Result<String, String> {
    const ROW: u32 = 54;
    let most = rows
        .iter()
        .map(|(_, parts)| parts.iter().map(|(_, value)| value).sum::<f64>())
        .fold(0.0, f64::max);
    picture(60 + ROW * rows.len() as u32, |area| {
        let mut builder = ChartBuilder::on(area);
        builder.margin_right(20).margin_top(8).x_label_area_size(46).y_label_area_size(120);
        let mut chart =
            builder.build_cartesian_2d(0.0..(most * 1.02).max(1e-9), (rows.len() as f64)..0.0)?;
        styled(&mut chart.configure_mesh())
            .disable_y_mesh()
            .y_labels(0)
            .x_labels(10)
            .x_label_formatter(&|value| short(*value))
            .x_desc(label)
            .draw()?;
        let plot = chart.plotting_area();
        let at = |x: f64, y: f64| plot.map_coordinate(&(x, y));
        let fillings =
            [RGBColor(0xcc, 0xcc, 0xcc), WHITE, hatch(1), RGBColor(0xee, 0xee, 0xee), hatch(2)];
        for (row, (name, parts)) in rows.iter().enumerate() {
            let (top, bottom) = (row as f64 + 0.38, row as f64 + 0.86);
            let (left, middle) = at(0.0, (top + bottom) / 2.0);
            area.draw_text(name, &anchored(SIZE, HPos::Right, VPos::Center), (left - 8, middle))?;
            let mut from = 0.0;
            for (index, (part, value)) in parts.iter().enumerate() {
                let (start, end) = (at(from, top), at(from + value, bottom));
                let filling = fillings[index % fillings.len()];
                area.draw(&Rectangle::new([start, end], filling.filled()))?;
                area.draw(&Rectangle::new([start, end], BLACK))?;
                // Where a part is narrower than its name, names would lie over each other.
                if end.0 - start.0 > 8 {
                    let style = anchored(SIZE * 0.85, HPos::Center, VPos::Bottom);
                    area.draw_text(part, &style, ((start.0 + end.0) / 2, start.1 - 3))?;
                }
                from += value;
            }
        }
        Ok(())
    })
}

/// Each side's name, and its bins: from where, how many.
type Bins<'a> = [(&'a str, Side, Vec<(f64, f64)>)];

/// Two histograms over each other: how many events there were of each power of two.
pub fn histogram(x_label: &str, y_label: &str, sides: &Bins<'_>) -> Result<String, String> {
    let values = || sides.iter().flat_map(|(_, _, bins)| bins);
    let across = powers(values().flat_map(|(x, _)| [*x, x * 2.0]), 10.0);
    let up = powers(values().map(|(_, count)| *count).chain([0.9]), 10.0);
    let entries: Vec<(&str, Side)> = sides.iter().map(|(label, side, _)| (*label, *side)).collect();
    picture(300, |root| {
        let (top, area) = root.split_vertically(LEGEND);
        legend(&top, &entries, Key::Line)?;
        let mut builder = ChartBuilder::on(&area);
        builder.margin_right(20).margin_top(6).x_label_area_size(46).y_label_area_size(84);
        let floor = up.start;
        let mut chart = builder.build_cartesian_2d(across.log_scale(), up.log_scale())?;
        styled(&mut chart.configure_mesh())
            .x_labels(8)
            .y_labels(8)
            .x_label_formatter(&|value| Unit::Count.tick(*value))
            // A count below one is none.
            .y_label_formatter(&|value| Unit::Count.tick(if *value < 0.5 { 0.0 } else { *value }))
            .x_desc(x_label)
            .y_desc(y_label)
            .draw()?;
        let plot = chart.plotting_area();
        let at = |x: f64, y: f64| local(&area, plot.map_coordinate(&(x, y.max(floor))));
        for (_, side, bins) in sides {
            let mut outline = Vec::new();
            for (x, count) in bins {
                outline.extend([at(*x, *count), at(x * 2.0, *count)]);
            }
            dashed(&area, *side, &outline)?;
            for (x, count) in bins.iter().filter(|(_, count)| *count > 0.0) {
                mark(&area, *side, at(x * 2f64.sqrt(), *count))?;
            }
        }
        Ok(())
    })
}
