//! Observables, processes, units and bins as records spell them.

use humboldt_physics::Observable;

/// A name without what typesetting adds: `$P_{5}^{\prime}$`, `P'5` and `P5'` are `p5p`, `$F_{\rm L}$` is `fl`.
pub(super) fn plain(name: &str) -> String {
    let mut text = name.to_lowercase();
    for (from, to) in [
        ("\\mathrm", ""),
        ("\\text", ""),
        ("\\rm", ""),
        ("\\prime", "'"),
        ("^{*}", "*"),
        ("prime", "'"),
        ("\u{2032}", "'"),
    ] {
        text = text.replace(from, to);
    }
    text.retain(|c| !"$\\{}_^ <>".contains(c));
    // A prime before the index belongs behind it.
    if let Some((letter, index)) = text.split_once('\'') {
        text = format!("{letter}{index}p");
    }
    text
}

/// The observable of a plain name; `None` for all others.
pub(super) fn observable(plain: &str) -> Option<Observable> {
    let spelled = match plain {
        "afb" => "A_FB",
        "afbcp" | "acpfb" | "aafb" => "A_FB_CP",
        "acp" => "A_CP",
        "dbf/dq2" | "dbr/dq2" | "dbrdq2" | "db/dq2" | "dbfdq2" => "dBR_dq2",
        "rk*" | "rkst" | "rkstar" | "rk*0" => "R_Kstar",
        "rk" => "R_K",
        "fh" => "F_H",
        "fl" => "F_L",
        "as1s" => "A1s",
        "as1c" => "A1c",
        "as2s" => "A2s",
        "as2c" => "A2c",
        // Some records leave out the primes; the observables of these names without one are not measured.
        "p4" => "P4p",
        "p5" => "P5p",
        "p6" => "P6p",
        "p8" => "P8p",
        _ => "",
    };
    let known = |observable: &Observable| {
        observable.name() == spelled || (spelled.is_empty() && observable.name().to_lowercase() == plain)
    };
    Observable::ALL.into_iter().find(known)
}

/// One spelling for what has no prediction: parts of the S-wave and their CP asymmetries are written in several ways.
pub(super) fn nuisance(plain: &str) -> String {
    match plain {
        "a1ac" | "as1ac" => "AS1ac".to_owned(),
        "a1bcre" | "as1bcre" => "AS1bcre".to_owned(),
        "a1bcim" | "as1bcim" => "AS1bcim".to_owned(),
        _ => plain.strip_prefix("ass").map_or_else(|| plain.to_owned(), |rest| format!("as{rest}")),
    }
}

/// Process of a reaction such as `B0 --> K*(892)0 MU+ MU-`; `None` for reactions of others.
pub(super) fn process(reaction: &str) -> Option<String> {
    let mut text = reaction.to_lowercase();
    text.retain(|c| !c.is_whitespace());
    let foreign = ["b/s", "bs0", "b_s", "lambda", "phi", "1430"];
    if foreign.iter().any(|word| text.contains(word)) {
        return None;
    }
    let leptons = if text.contains("mu+mu-") || text.contains("mu-mu+") {
        "mumu"
    } else if text.contains("e+e-") || text.contains("e-e+") {
        "ee"
    } else {
        return None;
    };
    let charged = text.contains("b+") || text.contains("b-");
    if !charged && !text.contains("b0") {
        return None;
    }
    let kstar = ["k*", "k+pi-", "k-pi+", "ks0pi+", "k0spi+"].iter().any(|word| text.contains(word));
    let mesons = match (charged, kstar) {
        (false, true) => "B0->K*0",
        (true, true) => "B+->K*+",
        (false, false) => "B0->K0",
        (true, false) => "B+->K+",
    };
    text.contains('k').then(|| format!("{mesons}{leptons}"))
}

/// The power of ten that values are in units of: `0.1`, `10^-8`, `$10^{-8}$ GeV^-2`; 0 without one, `None` for another
/// factor.
pub(super) fn power_of_ten(units: &str) -> Option<i32> {
    let mut text = units.to_lowercase();
    text.retain(|c| !"$\\{} []()".contains(c));
    for unit in ["gev^-2c^4", "c^4gev^-2", "c^4/gev^2", "gev**-2", "gev^-2", "/gev^2", "1/gev^2", "gev-2"] {
        text = text.replace(unit, "");
    }
    if text.is_empty() || text == "1" {
        return Some(0);
    }
    if let Some(power) = text.strip_prefix("10^").or_else(|| text.strip_prefix("10**")) {
        return power.parse().ok();
    }
    let factor: f64 = text.parse().ok().filter(|x: &f64| *x > 0.0)?;
    (-30..=30).find(|power| format!("1e{power}").parse() == Ok(factor))
}

/// Both ends of a bin from `1.1 - 2`, `[1.1, 2.0]`, `1.1<q2<2.0`.
pub(super) fn range(text: &str) -> Option<[f64; 2]> {
    let numbers: Vec<f64> = text
        .replace("q2", " ")
        .replace("q^2", " ")
        .split(|c: char| !(c.is_ascii_digit() || c == '.'))
        .filter_map(|word| word.parse().ok())
        .collect();
    match numbers[..] {
        [low, high] if low < high => Some([low, high]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_several_records_are_one_observable() {
        for (name, expected) in [
            ("$P_{5}^{\\prime}$", "P5p"),
            ("$P_4^\\prime$", "P4p"),
            ("P'8", "P8p"),
            ("P4", "P4p"),
            ("$F_{\\rm L}$", "F_L"),
            ("$F_\\mathrm{L}$", "F_L"),
            ("Fl", "F_L"),
            ("AFB", "A_FB"),
            ("$A_{\\rm FB}$", "A_FB"),
            ("AFB_CP", "A_FB_CP"),
            ("AS2c", "A2c"),
            ("$A_{6s}$", "A6s"),
            ("dBF/dq2", "dBR_dq2"),
            ("S1c", "S1c"),
        ] {
            assert_eq!(observable(&plain(name)).map(Observable::name), Some(expected), "{name}");
        }
        assert_eq!(observable(&plain("FS")), None);
        assert_eq!(nuisance(&plain("ASS1re")), nuisance(&plain("AS1re")));
        assert_eq!(nuisance(&plain("A1bc_re")), nuisance(&plain("AS1bcre")));
    }

    #[test]
    fn processes_units_and_bins() {
        assert_eq!(process("B0 --> K+ pi- mu+ mu-").as_deref(), Some("B0->K*0mumu"));
        assert_eq!(process("P P --> B0 < K*(892) < K+ PI- > MU+ MU- > X").as_deref(), Some("B0->K*0mumu"));
        assert_eq!(process("B+ --> K*+ < KS0 PI+ > MU+ MU-").as_deref(), Some("B+->K*+mumu"));
        assert_eq!(process("B+ --> K+ e+ e-").as_deref(), Some("B+->K+ee"));
        assert_eq!(process("B/S0 --> PHI MU+ MU-"), None);
        assert_eq!(process("P P --> B0 + X"), None);
        let powers =
            ["0.1", "10^-8", "$10^{-8}$ GeV$^{-2}$", "", "GeV^-2", "3.5", "percent"].map(power_of_ten);
        assert_eq!(powers, [Some(-1), Some(-8), Some(-8), Some(0), Some(0), None, None]);
        assert_eq!(range("1.1 - 2"), Some([1.1, 2.0]));
        assert_eq!(range("$1.1 < q^2 < 2.5$"), Some([1.1, 2.5]));
        assert_eq!(range("2012"), None);
    }
}
