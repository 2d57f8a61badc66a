//! Words of a generator's settings for small print and titles, typeset.

use humboldt_schemas::card::{GeneratorCard, Q2Range};

use super::style::shift_symbol;

/// The decay of a generator in markup, as in B⁰ → K*⁰ μ⁺μ⁻ with its bars and scripts.
pub fn process_title(generator: &GeneratorCard) -> String {
    let (meson, kaon) = match generator.flavour.name() {
        "B0bar" => ("*B\u{304}*^{0}", "*K\u{304}*^{\\*0}"),
        "B0" => ("*B*^{0}", r"*K*^{\*0}"),
        "B-" => ("*B*^{−}", r"*K*^{\*−}"),
        "B+" => ("*B*^{+}", r"*K*^{\*+}"),
        other => (other, r"*K*^{\*}"),
    };
    let lepton = if generator.lepton.name() == "mu" { "*μ*" } else { "*e*" };
    format!("{meson} → {kaon} {lepton}^{{+}}{lepton}^{{−}}")
}

/// Decay, model, windows in q2, line shape and common shifts, in markup, each a part of [`Sheet`](super::Sheet)'s print.
pub fn small_print(generator: &GeneratorCard) -> Vec<String> {
    let mut parts = vec![process_title(generator), format!("model {}", generator.model)];
    parts.push(window(generator));
    if generator.line_shape.name() == "narrow" {
        parts.push(r"narrow *K*^{\*}".to_owned());
    }
    let shifts = generator
        .wilson
        .iter()
        .map(|(name, value)| format!("{} = {}", shift_symbol(name), value.to_string().replace('-', "−")));
    parts.extend(shifts);
    if !generator.inputs.is_empty() {
        parts.push(format!("{} inputs of its own", generator.inputs.len()));
    }
    if generator.charmonium.is_some() {
        parts.push("charmonium resonances".to_owned());
    }
    parts
}

/// The windows in q2 in markup, and what is left out of them.
pub fn window(generator: &GeneratorCard) -> String {
    let ends = |w: &Q2Range| match (w.min, w.max) {
        (Some(low), Some(high)) => format!("[{low}, {high}]"),
        (Some(low), None) => format!("above {low}"),
        (None, Some(high)) => format!("below {high}"),
        (None, None) => "all".to_owned(),
    };
    let all = |windows: &[Q2Range]| windows.iter().map(ends).collect::<Vec<_>>().join(" and ");
    let inside =
        if generator.q2.is_empty() { "all".to_owned() } else { format!("in {}", all(&generator.q2)) };
    let veto = &generator.veto;
    let outside = if veto.is_empty() { String::new() } else { format!(" without {}", all(veto)) };
    match (generator.q2.is_empty(), veto.is_empty()) {
        (true, true) => "all *q*^{2}".to_owned(),
        _ => format!("*q*^{{2}} {inside}{outside} GeV^{{2}}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::markup::html;

    #[test]
    fn issue_13_decay_and_window_are_typeset() {
        let mut generator = GeneratorCard::default();
        assert_eq!(
            html(&process_title(&generator)),
            "<i>B\u{304}</i><sup>0</sup> → <i>K\u{304}</i><sup>*0</sup> <i>μ</i><sup>+</sup><i>μ</i><sup>−</sup>"
        );
        assert_eq!(html(&window(&generator)), "all <i>q</i><sup>2</sup>");
        generator.q2 = vec!["0.1:8".parse().unwrap(), "11:".parse().unwrap()];
        generator.veto = vec!["1:1.1".parse().unwrap()];
        generator.wilson.insert("c10".to_owned(), "0.5-0.1i".parse().unwrap());
        let parts: Vec<String> = small_print(&generator).iter().map(|part| html(part)).collect();
        assert_eq!(
            parts[2],
            "<i>q</i><sup>2</sup> in [0.1, 8] and above 11 without [1, 1.1] GeV<sup>2</sup>"
        );
        assert_eq!(parts.last().unwrap(), "δ<i>C</i><sub>10</sub> = 0.5−0.1i");
    }
}
