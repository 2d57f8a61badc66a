//! The network from its input to its output (the paper's Fig. 4), drawn from the layers that it has.

use std::path::PathBuf;

use super::canvas::{Align, Canvas, Font, Point, Stroke};
use super::style::{
    BLACK, BLUE, Colour, FRAME_WIDTH, GREEN, GREY, NUMBER_PT, ORANGE, PURPLE, SKY, SMALL_PT, VERMILION,
};
use super::ticks::count;
use super::{ReportError, Sheet};
use humboldt_schemas::card::Layer;

const FIGURE: &str = "network diagram";

/// Width of a column, and of what stands left of the first [mm].
const COLUMN: f64 = 12.5;
const LEFT: f64 = 6.0;
/// Height of the line through the middle of all blocks, and of the largest block [mm].
const MIDDLE: f64 = 30.0;
const LARGEST: f64 = 26.0;
/// Columns of a row; a deep network has several rows.
const MOST: usize = 12;
const ROW: f64 = 64.0;
/// Height of a remark below all rows [mm].
const REMARK: f64 = 4.0;

/// Column of the figure: the layers of one block, or one layer.
struct Unit {
    /// As in `stem`, `block 2`, `dense`.
    name: String,
    /// As in `stage 1`; empty outside of the stages.
    stage: String,
    /// Operations of its layers, without norms and activations.
    kinds: Vec<String>,
    /// Whether its input is added to its output, and by a convolution of its own.
    shortcut: Option<bool>,
    channels: usize,
    size: usize,
    parameters: usize,
}

/// Draws `stem.svg`, `stem.png` and `stem.csv` (one row a layer).
///
/// # Errors
/// Without layers, or when a file cannot be written.
pub fn network(sheet: &Sheet, layers: &[Layer]) -> Result<Vec<PathBuf>, ReportError> {
    let units = units(layers);
    if units.is_empty() {
        return Err(ReportError::NoData { figure: FIGURE, what: "layers" });
    }
    let columns = units.len().div_ceil(units.len().div_ceil(MOST));
    let rows: Vec<&[Unit]> = units.chunks(columns).collect();
    let largest = units.iter().map(|u| u.size).max().unwrap_or(1);
    let remarks = remarks(layers, &units, largest);
    let font = Font::new(SMALL_PT + 0.5);
    let words = remarks.iter().map(|text| font.width(text)).fold(0.0, f64::max);
    let width = 2.0 * LEFT + (COLUMN * columns.max(7) as f64).max(words);
    let size = (width, ROW * rows.len() as f64 + REMARK * (remarks.len() + 1) as f64);
    let draw = |canvas: &Canvas| {
        for (i, row) in rows.iter().enumerate() {
            let top = ROW * i as f64;
            for (k, unit) in row.iter().enumerate() {
                let centre = (LEFT + COLUMN * (k as f64 + 0.5), top + MIDDLE);
                // Where the next block's front begins, from the middle of its column.
                let next = row.get(k + 1).map(|next| next.front(largest));
                unit.draw(canvas, centre, largest, next);
            }
            stages(canvas, row, top);
        }
        for (i, text) in remarks.iter().enumerate() {
            let at = (LEFT, size.1 - REMARK * (remarks.len() - i) as f64);
            canvas.text(text, at, font, Align::Left);
        }
    };
    let rows = layers.iter().map(|l| {
        let [name, kind] = [&l.name, &l.kind].map(|text| text.replace(',', ""));
        format!("{name},{kind},{},{},{}", l.channels, l.size, l.parameters)
    });
    let header = "layer,kind,channels,cells_of_an_axis,parameters";
    sheet.write("The network, layer by layer", size, draw, (header, rows))
}

/// Explanations of what stands in the figure.
fn remarks(layers: &[Layer], units: &[Unit], largest: usize) -> Vec<String> {
    let total: usize = layers.iter().map(|layer| layer.parameters).sum();
    let below = if largest > 1 { "filters × cells of each axis" } else { "numbers that it puts out" };
    let mut remarks = vec![format!("{} weights; below each block: {below}", count(total))];
    let kinds = || units.iter().flat_map(|unit| &unit.kinds);
    if kinds().any(|kind| kind.contains('^')) {
        let size = r"conv 3^{3}: filters over 3 × 3 × 3 cells; / 2: moved by two cells";
        remarks.push(format!("{size}, which halves each axis"));
    }
    if units.iter().any(|unit| unit.shortcut.is_some()) {
        remarks.push("arcs: the input is added to the output, dashed: after a convolution".to_owned());
    }
    remarks
}

/// Layers by what they belong to.
fn units(layers: &[Layer]) -> Vec<Unit> {
    let mut units: Vec<(String, Unit)> = Vec::new();
    for layer in layers {
        let mut parts = layer.name.split(", ");
        let (first, second) = (parts.next().unwrap_or_default(), parts.next());
        let pools = layer.kind.contains("pool") || layer.kind == "mean";
        let key = match second {
            Some(block) => format!("{first}, {block}"),
            None if pools => layer.kind.clone(),
            None => first.to_owned(),
        };
        if units.last().is_none_or(|(last, _)| *last != key) {
            // An activation or a dropout belongs to what stands before it.
            if layer.parameters == 0 && !pools && second.is_none() && layer.name != "input" {
                continue;
            }
            let name = second
                .map_or_else(|| if pools { "pool".to_owned() } else { first.to_owned() }, str::to_owned);
            let stage = second.map_or_else(String::new, |_| first.to_owned());
            let (channels, size) = (layer.channels, layer.size);
            let unit = Unit { name, stage, kinds: Vec::new(), shortcut: None, channels, size, parameters: 0 };
            units.push((key, unit));
        }
        let Some((_, unit)) = units.last_mut() else { continue };
        unit.parameters += layer.parameters;
        unit.channels = layer.channels;
        unit.size = layer.size;
        let own_shortcut = layer.name.ends_with("shortcut");
        if layer.kind.starts_with("add") {
            unit.shortcut = Some(unit.shortcut.unwrap_or(false));
        } else if own_shortcut {
            unit.shortcut = Some(true);
        } else if layer.kind.starts_with("conv") || pools || layer.kind == "dense" {
            unit.kinds.push(layer.kind.clone());
        }
    }
    units.into_iter().map(|(_, unit)| unit).collect()
}

/// Side of a block of so many cells an axis [mm].
fn side(size: usize, largest: usize) -> f64 {
    3.5 + (LARGEST - 3.5) * (size as f64).ln() / (largest.max(2) as f64).ln()
}

impl Unit {
    /// Height, width and depth of the box [mm].
    fn extent(&self, largest: usize) -> [f64; 3] {
        let height = side(self.size, largest);
        [height, (1.2 + 0.55 * (self.channels as f64).log2()).min(6.0), 0.16 * height]
    }

    /// From the left edge of the front to the middle of the column [mm].
    fn front(&self, largest: usize) -> f64 {
        let [_, width, depth] = self.extent(largest);
        0.5 * (width + depth)
    }

    fn colour(&self) -> Colour {
        match self.name.as_str() {
            "input" => GREY,
            "stem" => ORANGE,
            "pool" => GREEN,
            "dense" => PURPLE,
            "output" => VERMILION,
            _ if self.stage.ends_with('2') || self.stage.ends_with('4') => SKY,
            _ => BLUE,
        }
    }

    /// A box seen a little from the side: higher with more cells, deeper with more filters.
    fn draw(&self, canvas: &Canvas, (x, y): Point, largest: usize, next: Option<f64>) {
        let [height, width, depth] = self.extent(largest);
        let (left, right, top, bottom) = (
            x - width / 2.0 - depth / 2.0,
            x + width / 2.0 - depth / 2.0,
            y - height / 2.0,
            y + height / 2.0,
        );
        let colour = self.colour();
        let roof = [(left, top), (left + depth, top - depth), (right + depth, top - depth), (right, top)];
        let flank =
            [(right, top), (right + depth, top - depth), (right + depth, bottom - depth), (right, bottom)];
        let front = [(left, top), (right, top), (right, bottom), (left, bottom)];
        let outline = Stroke { colour: BLACK, width: 0.6 * FRAME_WIDTH, dash: None };
        for (face, alpha) in [(&roof, 0.35), (&flank, 0.75), (&front, 0.55)] {
            canvas.polygon(face, colour, alpha);
            canvas.outline(face, outline);
        }
        if let Some(next) = next {
            let from = right + depth + 0.6;
            let to = x + COLUMN - next - 0.5 - 1.2;
            let arrow = Stroke::frame(GREY);
            if to > from {
                canvas.line(&[(from, y), (to, y)], arrow);
                canvas.polygon(&[(to, y - 0.7), (to + 1.2, y), (to, y + 0.7)], GREY, 1.0);
            }
        }
        self.words(canvas, (x, y));
        if let Some(own) = self.shortcut {
            arc(canvas, (x, y - height / 2.0 - depth - 1.0), own);
        }
    }

    fn words(&self, canvas: &Canvas, (x, y): Point) {
        let font = Font::new(SMALL_PT);
        let below = y + LARGEST / 2.0 + 4.5;
        canvas.text(&self.name, (x, below), font.bold(), Align::Centre);
        let shape = if self.size > 1 {
            format!("{} × {}^{{3}}", self.channels, self.size)
        } else {
            self.channels.to_string()
        };
        canvas.text(&shape, (x, below + 3.4), font, Align::Centre);
        for (i, kind) in self.kinds.iter().enumerate() {
            let kind = match kind.split_once("^3") {
                Some((before, after)) => format!("{before}^{{3}}{after}"),
                None => kind.replace("global average pool", "average"),
            };
            let kind = kind.replace("max pool", "max").replace(" / 1", "");
            canvas.text(&kind, (x, below + 6.8 + 3.1 * i as f64), Font::new(SMALL_PT - 1.0), Align::Centre);
        }
    }
}

/// Over one block, from its input to its output.
fn arc(canvas: &Canvas, (x, y): Point, dashed: bool) {
    let half = 0.42 * COLUMN;
    let at = |k: u32| {
        let angle = std::f64::consts::PI * f64::from(k) / 16.0;
        (x - half * angle.cos(), y - 3.2 * angle.sin())
    };
    let points: Vec<Point> = (0..=16).map(at).collect();
    let stroke = Stroke::frame(BLACK);
    canvas.line(&points, if dashed { stroke.dashed() } else { stroke });
}

/// A bracket with a name over the blocks of each stage.
fn stages(canvas: &Canvas, row: &[Unit], top: f64) {
    let mut start = 0;
    while start < row.len() {
        let stage = &row[start].stage;
        let end = start + row[start..].iter().take_while(|unit| unit.stage == *stage).count();
        if !stage.is_empty() {
            let (left, right) = (LEFT + COLUMN * start as f64 + 0.8, LEFT + COLUMN * end as f64 - 0.8);
            let y = top + 7.5;
            let stroke = Stroke::frame(GREY);
            canvas.line(&[(left, y + 1.2), (left, y), (right, y), (right, y + 1.2)], stroke);
            let font = Font::new(NUMBER_PT);
            canvas.text(stage, (0.5 * (left + right), y - 1.4), font, Align::Centre);
        }
        start = end;
    }
}

#[cfg(test)]
mod tests {
    use humboldt_schemas::card::{NetworkCard, Preset};

    use super::*;
    use crate::checks;

    #[test]
    fn the_papers_network_is_drawn_with_its_blocks() {
        let list = NetworkCard::default().architecture().layers(50, 1);
        let units = units(&list);
        let names: Vec<&str> = units.iter().map(|u| u.name.as_str()).collect();
        assert_eq!(names[..4], ["input", "stem", "pool", "block 1"]);
        assert_eq!(names[names.len() - 3..], ["pool", "dense", "output"]);
        assert_eq!(units.iter().filter(|u| u.shortcut.is_some()).count(), 16);
        assert_eq!(units.iter().filter(|u| u.shortcut == Some(true)).count(), 3);
        let parameters: usize = units.iter().map(|u| u.parameters).sum();
        assert_eq!(parameters, list.iter().map(|l| l.parameters).sum::<usize>());
        let svg = checks::figure("network", |sheet| network(sheet, &list));
        assert!(svg.contains("stage 4") && svg.contains("63,"));
        // Issue 13: what "/ 2" means is said.
        assert!(svg.contains("/ 2: moved by two cells") && !svg.contains("/ 1<"));
        let small = NetworkCard { preset: Preset::Resnet10, ..NetworkCard::default() }.architecture();
        checks::figure("small", |sheet| network(sheet, &small.layers(10, 1)));
        assert!(matches!(network(&Sheet::new("never", &[]), &[]), Err(ReportError::NoData { .. })));
    }
}
