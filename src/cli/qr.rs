//! The QR code of an enrolment: in the terminal, or as a picture in a file that only its owner may read.

use super::error::Error;
pub(super) use super::root::{ExistingFile, NewOwnedFile};
use crate::types::Secret;
use qrcode::{Color, EcLevel, QrCode};
use std::io::Write;
use std::path::Path;

/// Light modules around the code, without which scanners do not find it (ISO/IEC 18004, section 9.1).
const QUIET: usize = 4;

/// Pixels of a module in a picture.
const SCALE: usize = 8;

/// Whether escape sequences are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TerminalColours {
    /// A terminal: black on white, whatever its own colours are.
    Set,
    /// A file or a pipe: blocks for the light modules, right on a dark background.
    Plain,
}

fn code(text: &str) -> Result<QrCode, Error> {
    QrCode::with_error_correction_level(text, EcLevel::L)
        .map_err(|error| Error::usage("QR code", format!("{error}: use a shorter secret")))
}

/// Rows of modules with the quiet zone, `true` is dark.
fn modules(code: &QrCode) -> Vec<Vec<bool>> {
    let width = code.width();
    let light = vec![false; width + 2 * QUIET];
    let colours = code.to_colors();
    let mut rows = vec![light.clone(); QUIET];
    for row in colours.chunks(width) {
        let mut line = vec![false; QUIET];
        line.extend(row.iter().map(|module| *module == Color::Dark));
        line.resize(light.len(), false);
        rows.push(line);
    }
    rows.resize(width + 2 * QUIET, light);
    rows
}

/// The code in characters, two modules high each.
pub(super) fn terminal(text: &str, colours: TerminalColours) -> Result<String, Error> {
    let rows = modules(&code(text)?);
    let mut out = String::new();
    for pair in rows.chunks(2) {
        let (Some(top), bottom) = (pair.first(), pair.get(1)) else { continue };
        if colours == TerminalColours::Set {
            out.push_str("\x1b[38;5;16;48;5;231m");
        }
        for (column, top) in top.iter().enumerate() {
            let bottom = bottom.and_then(|row| row.get(column)).copied().unwrap_or(false);
            let ink = |dark: bool| dark == (colours == TerminalColours::Set);
            out.push(match (ink(*top), ink(bottom)) {
                (true, true) => '\u{2588}',
                (true, false) => '\u{2580}',
                (false, true) => '\u{2584}',
                (false, false) => ' ',
            });
        }
        out.push_str(if colours == TerminalColours::Set { "\x1b[0m\n" } else { "\n" });
    }
    Ok(out)
}

/// A picture; its kind follows from the file's ending.
pub(super) fn picture(path: &Path, text: &str) -> Result<Vec<u8>, Error> {
    let code = code(text)?;
    let ending = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    match ending.as_str() {
        "svg" => {
            let svg = code.render::<qrcode::render::svg::Color<'_>>().min_dimensions(256, 256).build();
            Ok(svg.into_bytes())
        }
        "png" => {
            png(&modules(&code)).map_err(|error| Error::Unavailable(format!("{}: {error}", path.display())))
        }
        _ => Err(Error::usage(&format!("--qr {}", path.display()), "the name must end in .png or .svg")),
    }
}

/// A picture (PNG) that stays in memory.
pub(super) fn drawn(text: &str) -> Result<Secret, Error> {
    png(&modules(&code(text)?)).map(Secret::new).map_err(|error| Error::Unavailable(error.to_string()))
}

fn png(rows: &[Vec<bool>]) -> Result<Vec<u8>, png::EncodingError> {
    let side = u32::try_from(rows.len() * SCALE).unwrap_or(u32::MAX);
    let mut pixels = Vec::new();
    for row in rows {
        let line: Vec<u8> = row.iter().flat_map(|dark| [if *dark { 0 } else { u8::MAX }; SCALE]).collect();
        for _ in 0..SCALE {
            pixels.extend_from_slice(&line);
        }
    }
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, side, side);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish()?;
    Ok(file)
}

fn exists(path: &Path) -> Error {
    Error::Exists(format!("{}: exists already, --force replaces it", path.display()))
}

/// The file of a picture, made before anything is enrolled, and before root becomes the server's user.
pub(super) fn create(path: &Path, existing: ExistingFile) -> Result<NewOwnedFile, Error> {
    picture(path, "")?;
    match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) if !folder.is_dir() => {
            return Err(Error::usage(&folder.display().to_string(), "no such folder"));
        }
        _ => {}
    }
    NewOwnedFile::create(path, existing).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => exists(path),
        _ => Error::Unavailable(format!("{}: {error}", path.display())),
    })
}

/// Writes a picture made by [`picture`].
pub(super) fn save(path: &Path, picture: &[u8], mut to: NewOwnedFile) -> Result<(), Error> {
    let failed = |error: std::io::Error| Error::Unavailable(format!("{}: {error}", path.display()));
    to.file().write_all(picture).map_err(failed)?;
    to.keep();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const URI: &str = "otpauth://totp/VPN:alice?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=VPN";

    /// The modules, read back from the characters.
    fn read_back(drawn: &str, dark_is_ink: bool) -> Vec<Vec<bool>> {
        let mut rows = Vec::new();
        for line in drawn.lines() {
            let glyphs = line.trim_start_matches("\x1b[38;5;16;48;5;231m").trim_end_matches("\x1b[0m");
            let halves = |full: char| -> Vec<bool> {
                glyphs.chars().map(|c| (c == '\u{2588}' || c == full) == dark_is_ink).collect()
            };
            rows.push(halves('\u{2580}'));
            rows.push(halves('\u{2584}'));
        }
        rows
    }

    #[test]
    fn code_in_the_terminal_has_all_modules_and_a_quiet_zone() {
        let expected = modules(&code(URI).unwrap());
        for (colours, dark_is_ink) in [(TerminalColours::Set, true), (TerminalColours::Plain, false)] {
            let mut drawn = read_back(&terminal(URI, colours).unwrap(), dark_is_ink);
            // An odd number of rows leaves half a line over, light like the quiet zone.
            drawn.truncate(expected.len());
            assert_eq!(drawn, expected);
        }
        assert!(expected.iter().take(QUIET).flatten().all(|dark| !dark));
    }

    #[test]
    fn picture_of_an_unknown_kind_is_refused() {
        assert!(picture(Path::new("alice.jpeg"), URI).is_err());
        assert!(picture(Path::new("alice.SVG"), URI).is_ok_and(|svg| svg.starts_with(b"<?xml")));
    }
}
