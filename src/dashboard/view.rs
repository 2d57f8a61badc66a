//! A frame of the dashboard.

use std::time::Instant;

use humboldt_schemas::results::EpochMetrics;
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect, Size};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Row, Table, Widget};

use super::history::{History, Step};
use super::plot::{Curve, Kind, Plot};
use crate::progress::{number, seconds};
use crate::report::Scale;

/// The smallest terminal that gets a dashboard.
pub(super) const SMALLEST: Size = Size::new(64, 16);
/// From this width on, the last epochs stand in a table beside the curves.
const WIDE: u16 = 110;
/// From this height on, the learning rate has a curve too.
const HIGH: u16 = 30;
/// Epochs have signs as long as each has so many columns.
const COLUMNS_OF_SIGN: usize = 3;

const BATCHES: Color = Color::DarkGray;
const TRAINING: Color = Color::Cyan;
const VALIDATION: Color = Color::Magenta;
const BEST: Color = Color::Green;

/// Draws what is known of the training.
pub(super) fn draw(frame: &mut Frame, history: &History, now: Instant) {
    let (area, buffer) = (frame.area(), frame.buffer_mut());
    if area.width < SMALLEST.width || area.height < SMALLEST.height {
        // The window was made smaller meanwhile.
        progress_line(history, now).render(area, buffer);
        return;
    }
    let rows = [Constraint::Length(2), Constraint::Min(8), Constraint::Length(6)];
    let [head, middle, status] = Layout::vertical(rows).areas(area);
    header(history, head, buffer);
    let beside = if area.width >= WIDE { 46 } else { 0 };
    let [curves, table] = Layout::horizontal([Constraint::Min(1), Constraint::Length(beside)]).areas(middle);
    let below = if area.height >= HIGH { 8 } else { 0 };
    let [losses, rates] = Layout::vertical([Constraint::Min(8), Constraint::Length(below)]).areas(curves);
    loss_curves(history, losses.width).render(losses, buffer);
    if below > 0 {
        rate_curve(history).render(rates, buffer);
    }
    if beside > 0 {
        last_epochs(history, table, buffer);
    }
    below_curves(history, now, status, buffer);
}

fn header(history: &History, area: Rect, buffer: &mut Buffer) {
    let left = Line::from(vec![" humboldt train  ".bold(), Span::from(history.name.as_str())]);
    let right = format!("{} images an epoch, on {} ", history.images, history.device);
    buffer.set_style(Rect { height: 1, ..area }, Style::new().reversed());
    buffer.set_line(area.x, area.y, &left, area.width);
    let (taken, width) = (left.width() as u16 + 2, right.chars().count() as u16);
    if taken + width <= area.width {
        buffer.set_stringn(area.right() - width, area.y, right, usize::from(width), Style::new().reversed());
    }
}

/// The horizontal axis: epochs from the first to now.
fn epochs(history: &History) -> Scale {
    Scale::linear(0.0, history.epochs_done().max(1e-6))
}

fn loss_curves(history: &History, width: u16) -> Plot<'static> {
    let of_epochs = |at: f64, of: fn(&EpochMetrics) -> f64| -> Vec<(f64, f64)> {
        history.epochs.iter().map(|m| (m.epoch as f64 + at, of(m))).filter(|p| p.1.is_finite()).collect()
    };
    // A mean over the epoch, and a value at its end.
    let training = of_epochs(-0.5, |m| m.train_loss);
    let validation = of_epochs(0.0, |m| m.validation_loss);
    let smoothed = history.smoothed.points().to_vec();
    let values = || smoothed.iter().chain(&training).chain(&validation).map(|p| p.1);
    let positive = values().all(|y| y > 0.0);
    let logarithmic = positive && !history.linear;
    let y = match values().count() {
        0 => Scale::linear(0.0, 1.0),
        _ if logarithmic => Scale::log_around(values(), 0.05, 0.05),
        _ => Scale::around(values(), 0.05, 0.05),
    };
    let few = history.epochs.len() * COLUMNS_OF_SIGN <= usize::from(width);
    let mut title = vec!["loss".bold()];
    if logarithmic {
        title.push(" (log)".into());
    }
    let mut entry = |sign: &'static str, colour, name: &'static str| {
        title.extend(["   ".into(), Span::styled(sign, Style::new().fg(colour)), " ".into(), name.into()]);
    };
    let mut curves = Vec::new();
    if !smoothed.is_empty() {
        entry("⣀⡠⠤", TRAINING, "batches");
        curves.push(Curve { points: history.losses.points().to_vec(), colour: BATCHES, kind: Kind::Dots });
        curves.push(Curve { points: smoothed, colour: TRAINING, kind: Kind::Line });
    }
    if !training.is_empty() {
        entry(if few { "○" } else { "⠤⠤⠤" }, TRAINING, "training");
        entry(if few { "●" } else { "⠤⠤⠤" }, VALIDATION, "validation");
    }
    let (mean, value) = if few { (Kind::Sign('○'), Kind::Sign('●')) } else { (Kind::Line, Kind::Line) };
    curves.push(Curve { points: training, colour: TRAINING, kind: mean });
    curves.push(Curve { points: validation.clone(), colour: VALIDATION, kind: Kind::Line });
    curves.push(Curve { points: validation, colour: VALIDATION, kind: value });
    if let Some(best) = history.best() {
        entry("★", BEST, "best");
        let points = vec![(best.epoch as f64, best.validation_loss)];
        curves.push(Curve { points, colour: BEST, kind: Kind::Sign('★') });
    }
    Plot { title: Line::from(title), x: epochs(history), x_title: "epochs", y, curves }
}

fn rate_curve(history: &History) -> Plot<'static> {
    let points = history.rates.points().to_vec();
    let largest = points.iter().map(|p| p.1).fold(0.0, f64::max);
    let y = Scale::linear(0.0, if largest > 0.0 { 1.1 * largest } else { 1.0 });
    let curves = vec![Curve { points, colour: Color::Yellow, kind: Kind::Line }];
    Plot { title: Line::from("learning rate".bold()), x: epochs(history), x_title: "epochs", y, curves }
}

/// The table of the last epochs, the newest at the bottom.
fn last_epochs(history: &History, area: Rect, buffer: &mut Buffer) {
    let area = Rect { x: area.x + 2, width: area.width.saturating_sub(2), ..area };
    let room = usize::from(area.height.saturating_sub(1));
    let skip = history.epochs.len().saturating_sub(room);
    let best = history.best().map(|m| m.epoch);
    let rows = history.epochs.iter().skip(skip).map(|m| {
        let is_best = Some(m.epoch) == best;
        let row = Row::new([
            right(&m.epoch.to_string(), 5),
            right(&short(m.train_loss), 10),
            right(&short(m.validation_loss), 10),
            right(&short(m.validation_mae), 10),
            if is_best { "★" } else { "" }.to_owned(),
        ]);
        if is_best { row.fg(BEST) } else { row }
    });
    let names = [("epoch", 5), ("training", 10), ("validation", 10), ("MAE", 10)];
    let header = Row::new(names.map(|(name, width)| right(name, width))).bold();
    Widget::render(Table::new(rows, [5, 10, 10, 10, 1]).header(header), area, buffer);
}

fn below_curves(history: &History, now: Instant, area: Rect, buffer: &mut Buffer) {
    let [_, epoch, all, numbers, best, keys] = Layout::vertical([Constraint::Length(1); 6]).areas(area);
    let elapsed = seconds(now.saturating_duration_since(history.start).as_secs_f64());
    if let Some(batch) = history.batch {
        let whole = history.epochs.last().is_some_and(|m| m.epoch == batch.epoch);
        let doing = if batch.batch == batch.batches && !whole {
            "validation".to_owned()
        } else {
            format!("batch {} of {}", batch.batch, batch.batches)
        };
        bar(&format!("epoch {} of {}", batch.epoch, batch.epochs), batch.of_epoch(), &doing, epoch, buffer);
        let done = batch.epochs_done() / batch.epochs.max(1) as f64;
        let times = format!("{elapsed}, {} left", left(&batch, now));
        bar(&format!("all {:>3.0} %", 100.0 * done), done, &times, all, buffer);
    } else {
        let (done, total) = history.loaded.unwrap_or_default();
        let doing = if total > 0 { format!("{done} of {total} images") } else { String::new() };
        bar("reading", done as f64 / total.max(1) as f64, &doing, epoch, buffer);
        bar("all   0 %", 0.0, &elapsed, all, buffer);
    }
    progress_numbers(history).render(numbers, buffer);
    best_epoch(history).render(best, buffer);
    keys_line(history).render(keys, buffer);
}

/// A name, a bar and what is behind it.
fn bar(name: &str, fraction: f64, text: &str, area: Rect, buffer: &mut Buffer) {
    let columns = [Constraint::Length(18), Constraint::Min(1), Constraint::Length(34)];
    let [before, middle, behind] = Layout::horizontal(columns).areas(area);
    Line::from(format!(" {name}")).render(before, buffer);
    let width = usize::from(middle.width);
    let full = ((fraction.clamp(0.0, 1.0) * width as f64).round() as usize).min(width);
    let parts = [
        Span::styled("━".repeat(full), Style::new().fg(TRAINING)),
        Span::styled("─".repeat(width - full), Style::new().fg(BATCHES)),
    ];
    Line::from(parts.to_vec()).render(middle, buffer);
    Line::from(format!("  {text}")).render(behind, buffer);
}

fn progress_numbers(history: &History) -> Line<'static> {
    let (Some(batch), Some(loss)) = (history.batch, history.loss()) else { return Line::default() };
    Line::from(format!(
        " loss {}   learning rate {}{}",
        short(loss),
        short(batch.learning_rate),
        batch.images_per_second.map_or(String::new(), |speed| format!("   {} images/s", number(speed)))
    ))
}

fn best_epoch(history: &History) -> Line<'static> {
    let Some(m) = history.best() else { return Line::from(" no epoch yet") };
    let text = format!(
        " best epoch {}: validation loss {}, MAE {}",
        m.epoch,
        short(m.validation_loss),
        short(m.validation_mae)
    );
    Line::from(text.fg(BEST))
}

fn keys_line(history: &History) -> Line<'static> {
    if history.stopping {
        let text = " stops after this batch with a checkpoint, from which a rerun goes on   q do not stop";
        return Line::from(text.fg(Color::Yellow));
    }
    let scale = if history.linear { " log loss" } else { " linear loss" };
    Line::from(vec![
        " q".bold(),
        " checkpoint and stop".into(),
        "   l".bold(),
        scale.into(),
        "   Ctrl-C".bold(),
        " end at once".into(),
    ])
}

/// All in one line, for a terminal without room.
fn progress_line(history: &History, now: Instant) -> Line<'static> {
    let Some(batch) = history.batch else { return Line::from("reading images") };
    let loss = history.loss().map(short).unwrap_or_default();
    Line::from(format!("epoch {} of {}, loss {loss}, {} left", batch.epoch, batch.epochs, left(&batch, now)))
}

fn left(batch: &Step, now: Instant) -> String {
    seconds(batch.remaining(now).unwrap_or(f64::INFINITY))
}

/// Four digits behind the point, or two of a number that is too small or too large for them.
fn short(value: f64) -> String {
    match value.abs() {
        a if a == 0.0 || (1e-3..1e4).contains(&a) => format!("{value:.4}"),
        _ => format!("{value:.2e}"),
    }
}

fn right(text: &str, width: usize) -> String {
    format!("{text:>width$}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::learn::Event;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use ratatui::buffer::Cell;

    const BATCHES: usize = 40;
    const EPOCHS: usize = 12;

    const ELAPSED: Duration = Duration::from_secs(185);

    /// A training amid its eighth epoch, the sixth being the best so far.
    fn history() -> History {
        let mut history = History::new("quickstart", "cpu", 640);
        let (start, steps) = (history.start, 7 * BATCHES + 25);
        let loss = |x: f64| 0.08 + 0.9 * (-0.6 * x).exp();
        let mut best = f64::INFINITY;
        for step in 0..steps {
            let now = start + ELAPSED.mul_f64((step + 1) as f64 / steps as f64);
            let (epoch, batch) = (step / BATCHES + 1, step % BATCHES + 1);
            let noise = 1.0 + 0.25 * (12.9 * step as f64).sin() * (7.7 * step as f64).cos();
            let event = Event::Batch {
                epoch,
                epochs: EPOCHS,
                batch,
                batches: BATCHES,
                loss: noise * loss(step as f64 / BATCHES as f64),
                learning_rate: 0.01 * 0.5 * (1.0 + (3.0 * step as f64 / (EPOCHS * BATCHES) as f64).cos()),
            };
            history.record(&event, now);
            if batch == BATCHES {
                let validation_loss = 1.1 * loss(epoch as f64) + if epoch == 7 { 0.1 } else { 0.0 };
                let m = EpochMetrics {
                    epoch,
                    learning_rate: 0.01,
                    train_loss: loss(epoch as f64 - 0.5),
                    validation_mae: 0.9 * validation_loss,
                    validation_loss,
                    images_seen: 640 * epoch as u64,
                    best: validation_loss < best,
                };
                best = best.min(validation_loss);
                history.record(&Event::Epoch(&m), now);
            }
        }
        history
    }

    fn frame(history: &History, width: u16, height: u16) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        let now = history.start + ELAPSED;
        terminal.draw(|frame| draw(frame, history, now)).unwrap();
        let cells: Vec<&str> = terminal.backend().buffer().content.iter().map(Cell::symbol).collect();
        cells.chunks(usize::from(width)).map(|row| row.concat().trim_end().to_owned()).collect()
    }

    fn dots(rows: &[String]) -> usize {
        rows.iter().flat_map(|r| r.chars()).filter(|c| ('\u{2801}'..='\u{28ff}').contains(c)).count()
    }

    #[test]
    fn a_frame_says_where_the_training_is() {
        let rows = frame(&history(), 80, 24);
        let text = rows.join("\n");
        for expected in [
            "humboldt train  quickstart",
            "640 images an epoch, on cpu",
            "loss (log)",
            "● validation",
            "epoch 8 of 12",
            "batch 25 of 40",
            "all  64 %",
            "3 min 05 s, 1 min 46 s left",
            "learning rate 0.00",
            "26.4 images/s",
            "best epoch 6: validation loss 0.11",
            "q checkpoint and stop",
        ] {
            assert!(text.contains(expected), "{expected} is not in\n{text}");
        }
        assert_eq!(text.matches('★').count(), 2, "in the legend and in the plot");
        assert!(dots(&rows[3..]) > 80, "{text}");
        // Beyond the right end of the curves nothing is drawn, up to it there is.
        assert!(rows[3..17].iter().any(|r| r.chars().count() >= 79), "{text}");
    }

    #[test]
    fn the_curve_falls() {
        let mut history = history();
        history.linear = true;
        let rows = frame(&history, 80, 24);
        assert!(!rows.join("\n").contains("(log)"));
        let highest = |columns: std::ops::Range<usize>| {
            rows[3..17].iter().position(|r| {
                let cells = r.chars().skip(columns.start).take(columns.len());
                cells.clone().any(|c| c != ' ' && c != '│' && c != '┤')
            })
        };
        assert!(highest(9..14) < highest(60..79), "{rows:#?}");
    }

    #[test]
    fn a_large_terminal_shows_the_rate_and_a_table() {
        let rows = frame(&history(), 140, 40);
        let text = rows.join("\n");
        assert!(text.contains("\nlearning rate"));
        let head = rows.iter().position(|r| r.contains("training validation")).unwrap();
        assert!(rows[head + 6].ends_with('★') && rows[head + 6].contains("    6 "), "{text}");
        assert!(rows[head + 7].contains("    7 "));
    }

    #[test]
    fn no_size_and_no_state_panics() {
        let (empty, full) = (History::new("a name longer than any terminal is wide", "cpu", 2), history());
        let mut stopping = history();
        stopping.stopping = true;
        for history in [&empty, &full, &stopping] {
            for width in [1, 2, 7, 20, 63, 64, 65, 109, 110, 111, 300] {
                for height in [1, 2, 5, 15, 16, 17, 29, 30, 31, 90] {
                    frame(history, width, height);
                }
            }
        }
        let line = &frame(&full, 60, 10)[0];
        assert!(line.starts_with("epoch 8 of 12, loss 0.0") && line.ends_with(", 1 min 46 s left"), "{line}");
        assert!(frame(&stopping, 80, 24)[23].contains("stops after this batch"));
    }

    #[test]
    fn negative_and_constant_losses_have_a_scale() {
        let mut history = history();
        for m in &mut history.epochs {
            m.validation_loss = -1.0;
        }
        let text = frame(&history, 80, 24).join("\n");
        assert!(!text.contains("(log)") && text.contains("−1.0"), "{text}");
        let mut one = History::new("one", "cpu", 2);
        let m = EpochMetrics { epoch: 1, ..history.epochs[0].clone() };
        one.record(&Event::Resumed { epoch: 1, batch: 0, history: &[m] }, one.start);
        assert!(frame(&one, 80, 24).join("\n").contains('★'));
    }
}
