//! Measured observables and predictions as figures want them.

use humboldt_physics::Observable;
use humboldt_schemas::global::{Contribution, LeftOut};

use crate::report::{ObservableBin, ObservablePanel, PullRow, count, literal};

/// Small print of the figures of a global fit: model, measurements, errors.
pub fn small_print(
    model: &str,
    sets: &[String],
    measurements: Option<usize>,
    errors: [bool; 2],
) -> Vec<String> {
    let [theory, correlated] = errors;
    let words = match (theory, correlated) {
        (true, true) => "theory errors, correlations",
        (true, false) => "theory errors, no correlations",
        (false, true) => "no theory errors, correlations of the measurements",
        (false, false) => "no theory errors, no correlations",
    };
    let number = measurements.map_or_else(String::new, |n| format!("{} ", count(n)));
    let sets = literal(&sets.join(" + "));
    vec![format!("model {model}"), format!("{number}measurements of {sets}"), words.to_owned()]
}

/// A panel for each observable of the same measurements at up to two points; what does not count stands there without
/// predictions.
pub fn observable_panels(points: &[&[Contribution]], left_out: &[LeftOut]) -> Vec<ObservablePanel> {
    let mut panels: Vec<ObservablePanel> = Vec::new();
    for (i, measurement) in points.first().copied().unwrap_or_default().iter().enumerate() {
        let (scale, title) = title(&measurement.observable, &measurement.process);
        let name = label(&measurement.observable, &measurement.process);
        let bin = ObservableBin {
            q2_min: measurement.q2_min,
            q2_max: measurement.q2_max,
            measured: scale * measurement.measured,
            error_plus: scale * measurement.error_plus,
            error_minus: scale * measurement.error_minus,
            predictions: points
                .iter()
                .filter_map(|point| point.get(i))
                .map(|at| (scale * at.prediction, scale * at.theory_error))
                .collect(),
        };
        match panels.last_mut().filter(|panel| panel.name == name) {
            Some(panel) => panel.bins.push(bin),
            None => panels.push(ObservablePanel { title, name, bins: vec![bin] }),
        }
    }
    for one in left_out {
        let (scale, _) = title(&one.observable, &one.process);
        let name = label(&one.observable, &one.process);
        if let Some(panel) = panels.iter_mut().find(|panel| panel.name == name) {
            panel.bins.push(ObservableBin {
                q2_min: one.q2_min,
                q2_max: one.q2_max,
                measured: scale * one.measured,
                error_plus: scale * one.error_plus,
                error_minus: scale * one.error_minus,
                predictions: Vec::new(),
            });
        }
    }
    panels
}

/// The pulls of the same measurements at some points.
pub fn pull_rows(points: &[&[Contribution]]) -> Vec<PullRow> {
    let measurements = points.first().copied().unwrap_or_default().iter().enumerate();
    measurements
        .map(|(i, m)| PullRow {
            title: title(&m.observable, &m.process).1.replace("10^{8} ", "").replace(" [GeV^{−2}]", ""),
            name: label(&m.observable, &m.process),
            q2: [m.q2_min, m.q2_max],
            pulls: points.iter().filter_map(|point| point.get(i)).map(|at| at.pull).collect(),
        })
        .collect()
}

/// Observable and, for rates and all but B0 -> K*0 mu mu, process.
fn label(observable: &str, process: &str) -> String {
    let usual = process == "B0->K*0mumu" || observable.starts_with("R_") || observable.starts_with('Q');
    if observable.starts_with('d') || !usual {
        format!("{observable}({process})")
    } else {
        observable.to_owned()
    }
}

/// The factor by which an observable is shown, and its title in markup.
fn title(name: &str, process: &str) -> (f64, String) {
    match name.parse() {
        Ok(Observable::DBrDq2) => {
            let hadron = match (process.contains("K*"), process.starts_with("B+")) {
                (true, false) => r"*K*^{\*}",
                (true, true) => r"*K*^{\*+}",
                (false, false) => "*K*",
                (false, true) => "*K*^{+}",
            };
            (1e8, format!("10^{{8}} d*B*/d*q*^{{2}} ({hadron}) [GeV^{{−2}}]"))
        }
        Ok(Observable::DGammaDq2) => (1.0, "d*Γ*/d*q*^{2} [GeV^{−1}]".to_owned()),
        Ok(Observable::RK) => (1.0, "*R*_{*K*}".to_owned()),
        Ok(Observable::RKstar) => (1.0, r"*R*_{*K*\*}".to_owned()),
        _ => {
            let (name, prime) = name.strip_suffix('p').map_or((name, ""), |name| (name, "′"));
            let (letter, index) = name.split_at(name.len().min(1));
            let charged = if process.starts_with("B+") { " (*B*^{+})" } else { "" };
            (
                1.0,
                format!("*{letter}*_{{{}}}{prime}{charged}", index.trim_start_matches('_').replace('_', ",")),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_are_those_of_the_literature() {
        assert_eq!(title("P5p", "B0->K*0mumu").1, "*P*_{5}′");
        assert_eq!(title("F_L", "B0->K*0mumu").1, "*F*_{L}");
        assert_eq!(title("dBR_dq2", "B0->K0mumu").1, "10^{8} d*B*/d*q*^{2} (*K*) [GeV^{−2}]");
    }

    #[test]
    fn bins_of_one_observable_share_a_panel() {
        let contribution = |observable: &str, q2_min: f64| Contribution {
            process: "B0->K*0mumu".to_owned(),
            observable: observable.to_owned(),
            q2_min,
            q2_max: q2_min + 1.0,
            measured: 1.0,
            error_plus: 0.1,
            error_minus: 0.2,
            prediction: 1.1,
            theory_error: 0.05,
            pull: -1.0,
            contribution: 1.0,
            source: "a paper".to_owned(),
        };
        let point = [contribution("P1", 1.0), contribution("P1", 2.0), contribution("dBR_dq2", 1.0)];
        let panels = observable_panels(&[&point, &point], &[]);
        assert_eq!(panels.iter().map(|p| p.bins.len()).collect::<Vec<_>>(), [2, 1]);
        assert!((panels[1].bins[0].measured - 1e8).abs() < 1e-6 && panels[0].bins[1].predictions.len() == 2);
        let rows = pull_rows(&[&point]);
        assert_eq!(rows[2].title, r"d*B*/d*q*^{2} (*K*^{\*})");
        assert_eq!(rows[1].pulls, [-1.0]);
    }
}
