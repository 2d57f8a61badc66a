//! The embedded fonts, and SVG to PNG with them: the same pixels on every machine.

use std::sync::{Arc, OnceLock};

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree, fontdb};

use super::ReportError;
use super::style::PNG_DPI;

const REGULAR: &[u8] = include_bytes!("fonts/DejaVuSans.ttf");
const BOLD: &[u8] = include_bytes!("fonts/DejaVuSans-Bold.ttf");
const OBLIQUE: &[u8] = include_bytes!("fonts/DejaVuSans-Oblique.ttf");

/// Pixels of an inch in SVG and CSS.
const CSS_DPI: f32 = 96.0;

/// The SVG as usvg sees it, with the embedded fonts only.
pub(super) fn parse(svg: &str, title: &str) -> Result<Tree, ReportError> {
    static FONTS: OnceLock<Arc<fontdb::Database>> = OnceLock::new();
    let fonts = FONTS.get_or_init(|| {
        let mut fonts = fontdb::Database::new();
        for font in [REGULAR, BOLD, OBLIQUE] {
            fonts.load_font_data(font.to_vec());
        }
        Arc::new(fonts)
    });
    let options = Options { fontdb: Arc::clone(fonts), ..Options::default() };
    Tree::from_str(svg, &options).map_err(|e| drawing(title, &e))
}

/// PNG at [`PNG_DPI`].
pub(super) fn png(svg: &str, title: &str) -> Result<Vec<u8>, ReportError> {
    let tree = parse(svg, title)?;
    let scale = PNG_DPI / CSS_DPI;
    let size = tree.size().to_int_size().scale_by(scale);
    let mut pixels = size
        .and_then(|size| Pixmap::new(size.width(), size.height()))
        .ok_or_else(|| drawing(title, &"a size that no image can have"))?;
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixels.as_mut());
    pixels.encode_png().map_err(|e| drawing(title, &e))
}

fn drawing(title: &str, message: &dyn std::fmt::Display) -> ReportError {
    ReportError::Drawing { figure: title.to_owned(), message: message.to_string() }
}
