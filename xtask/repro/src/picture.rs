//! Pictures of a trial: panels side by side, each a state of the system, as SVG or PNG.
//!
//! Text in a PNG is set in DejaVu Sans, which is built in: no font of the machine is needed.

use plotters::coord::Shift;
use plotters::prelude::*;
use std::error::Error;
use std::path::{Path, PathBuf};

/// What an experiment draws: panels from left to right.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Picture {
    /// The panels.
    pub panels: Vec<Panel>,
}

/// One state of a system. Coordinates run from 0 to 1, to the right and downwards.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Panel {
    /// What stands above.
    pub title: String,
    /// Lines, drawn in this order.
    pub lines: Vec<Line>,
    /// Dots, drawn over them.
    pub dots: Vec<Dot>,
}

/// A straight line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// One end.
    pub from: (f64, f64),
    /// The other.
    pub to: (f64, f64),
    /// Its colour.
    pub ink: Ink,
}

/// A small disc.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dot {
    /// Its centre.
    pub at: (f64, f64),
    /// Its colour.
    pub ink: Ink,
}

/// A colour, by what it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    /// As it should be.
    Right,
    /// Not as it should be.
    Wrong,
}

impl Ink {
    /// Blue and orange, which everybody can tell apart; what is wrong is faint, as there is a lot
    /// of it at first.
    const fn colour(self) -> RGBAColor {
        match self {
            Self::Right => RGBAColor(31, 90, 160, 0.9),
            Self::Wrong => RGBAColor(230, 120, 20, 0.3),
        }
    }
}

/// Pixels of a panel, around it, and for the title above it; twice as many in a PNG.
const PANEL: u32 = 320;
const MARGIN: u32 = 20;
const TITLE: u32 = 30;

/// Pixels per pixel in a PNG, which cannot be enlarged later.
const FINE: u32 = 2;

/// The files that `--plot` asks for: an SVG or a PNG by its ending, else one of each.
pub fn files(asked: &Path) -> Vec<PathBuf> {
    match asked.extension().and_then(|ending| ending.to_str()) {
        Some("svg" | "png") => vec![asked.to_owned()],
        _ => ["svg", "png"].map(|ending| named(asked, ending)).to_vec(),
    }
}

/// `path` with an ending more: what looks like one may be a part of its name.
fn named(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

impl Picture {
    /// Writes it to `path`, which ends in `.svg` or else is a PNG.
    pub fn write(&self, path: &Path) -> Result<(), Box<dyn Error>> {
        // The same font every time, so that it does not matter who was first.
        plotters::style::register_font(FONT, FontStyle::Normal, dejavu::sans::regular())
            .map_err(|_| "the font that is built in cannot be read")?;
        let panels = self.panels.len() as u32;
        let size = (panels * (PANEL + MARGIN) + MARGIN, TITLE + PANEL + MARGIN);
        if path.extension().is_some_and(|ending| ending == "svg") {
            self.draw(&SVGBackend::new(path, size).into_drawing_area(), 1)
        } else {
            let size = (size.0 * FINE, size.1 * FINE);
            self.draw(&BitMapBackend::new(path, size).into_drawing_area(), FINE)
        }
    }

    fn draw<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
        scale: u32,
    ) -> Result<(), Box<dyn Error>>
    where
        B::ErrorType: 'static,
    {
        area.fill(&WHITE)?;
        let style = (FONT, f64::from(15 * scale)).into_font().color(&BLACK);
        for (number, panel) in (0..).zip(&self.panels) {
            let left = (MARGIN + number * (PANEL + MARGIN)) * scale;
            let (left, top) = (left as i32, (TITLE * scale) as i32);
            let wide = f64::from(PANEL * scale);
            let at = |(x, y): (f64, f64)| (left + (x * wide) as i32, top + (y * wide) as i32);
            area.draw_text(&panel.title, &style, (left, (9 * scale) as i32))?;
            area.draw(&Rectangle::new([at((0.0, 0.0)), at((1.0, 1.0))], RGBColor(170, 170, 170)))?;
            for line in &panel.lines {
                let ends = [at(line.from), at(line.to)];
                area.draw(&PathElement::new(ends, line.ink.colour().stroke_width(scale)))?;
            }
            for dot in &panel.dots {
                area.draw(&Circle::new(at(dot.at), scale as i32, dot.ink.colour().filled()))?;
            }
        }
        area.present()?;
        Ok(())
    }
}

/// What text is set in: a name that browsers know, too.
const FONT: &str = "sans-serif";
