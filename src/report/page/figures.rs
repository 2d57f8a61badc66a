//! Figures as they are, inside the page.

use super::data::base64;
use super::{Figure, Page, Place};
use crate::markup::{escaped, html, plain};

/// The figures of one place; scripts draw what they show as well, but for a training without epochs.
pub(super) fn placed(content: &Page, place: Place) -> String {
    let here = content.figures.iter().filter(|figure| figure.place == place);
    let drawn = place != Place::Training || !content.metrics.is_empty();
    here.map(|own| figure(own, drawn)).collect::<Vec<_>>().join("\n")
}

fn figure(figure: &Figure, drawn: bool) -> String {
    let (words, alt, svg) = (html(figure.words), escaped(&plain(figure.words)), base64(&figure.svg));
    let image = format!("<img alt=\"{alt}\" decoding=\"sync\" src=\"data:image/svg+xml;base64,{svg}\">");
    match figure.place {
        Place::Linearity | Place::Width | Place::Training if drawn => {
            format!("<figure class=\"paper\">{image}</figure>")
        }
        Place::Linearity | Place::Width | Place::Training => {
            format!("<figure class=\"shown\">{image}</figure>")
        }
        Place::Predictions => format!(
            "<section id=\"predictions\">\n<h2>Predictions</h2>\n<p>{words}</p>\n<figure class=\"shown\">{image}\
             </figure>\n</section>"
        ),
        Place::Figures => {
            format!("<figure class=\"shown\"><figcaption>{words}</figcaption>{image}</figure>")
        }
    }
}
