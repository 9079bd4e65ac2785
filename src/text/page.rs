//! Lines of text as values of Reply-Message: as the client shows them, as much as it shows, and never half a character.

use super::ascii;
use crate::config::profile::{ATTRIBUTE, ClientProfile, PromptFormat};
use unicode_segmentation::UnicodeSegmentation;

/// Octets beyond which one grapheme is cut: text from outside may pile up accents.
const LONGEST_GRAPHEME: usize = 64;

/// Limits of what a client shows.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClientPage {
    pub(super) format: PromptFormat,
    /// In all attributes together.
    pub(super) octets: usize,
    pub(super) attributes: usize,
}

impl ClientPage {
    pub(super) fn for_profile(profile: &ClientProfile, format: PromptFormat) -> Self {
        Self { format, octets: profile.octets, attributes: profile.attributes }
    }

    /// The lines as attributes, if all of them fit.
    pub(super) fn fit_lines(self, lines: &[String]) -> Option<Vec<String>> {
        let mut sheet = PageBuilder::new(self);
        lines.iter().enumerate().all(|(n, line)| sheet.try_push_line(n, line)).then(|| sheet.finish_page())
    }

    /// The lines as attributes, cut where there is no more room.
    pub(super) fn cut_lines(self, lines: &[String]) -> Vec<String> {
        let mut sheet = PageBuilder::new(self);
        let _ = lines.iter().enumerate().all(|(n, line)| sheet.try_push_line(n, line));
        sheet.finish_page()
    }

    fn line_separator(self) -> &'static str {
        match self.format {
            PromptFormat::Console | PromptFormat::Ascii => "\n",
            PromptFormat::Html => "<br>",
            PromptFormat::Short => " ",
        }
    }

    /// A line in pieces that are not to be cut.
    fn unbreakable_pieces(self, line: &str) -> Vec<String> {
        let text = if self.format == PromptFormat::Ascii { ascii::to_ascii(line) } else { line.to_owned() };
        let mut pieces = Vec::new();
        for grapheme in text.graphemes(true) {
            if grapheme.len() <= LONGEST_GRAPHEME {
                pieces.push(self.write_piece(grapheme));
            } else {
                pieces.extend(grapheme.chars().map(|c| self.write_piece(c.encode_utf8(&mut [0; 4]))));
            }
        }
        pieces
    }

    fn write_piece(self, piece: &str) -> String {
        if self.format != PromptFormat::Html {
            return piece.to_owned();
        }
        let mut escaped = String::with_capacity(piece.len());
        for character in piece.chars() {
            match character {
                '&' => escaped.push_str("&amp;"),
                '<' => escaped.push_str("&lt;"),
                '>' => escaped.push_str("&gt;"),
                '"' => escaped.push_str("&quot;"),
                '\'' => escaped.push_str("&#39;"),
                c => escaped.push(c),
            }
        }
        escaped
    }
}

/// Attributes being filled.
struct PageBuilder {
    page: ClientPage,
    full: Vec<String>,
    last: String,
    left: usize,
}

impl PageBuilder {
    fn new(page: ClientPage) -> Self {
        Self { page, full: Vec::new(), last: String::new(), left: page.octets }
    }

    /// Adds a line, the first without a separator before it; whether there was room for all of it. One that does not fit into
    /// what is left of an attribute begins the next.
    fn try_push_line(&mut self, number: usize, line: &str) -> bool {
        let pieces = self.page.unbreakable_pieces(line);
        let length: usize = pieces.iter().map(String::len).sum();
        if number > 0 && !self.add(self.page.line_separator()) {
            return false;
        }
        if self.last.len() + length > ATTRIBUTE
            && length <= ATTRIBUTE
            && self.full.len() + 1 < self.page.attributes
        {
            self.full.push(std::mem::take(&mut self.last));
        }
        pieces.iter().all(|piece| self.add(piece))
    }

    fn add(&mut self, piece: &str) -> bool {
        let Some(left) = self.left.checked_sub(piece.len()) else { return false };
        if self.last.len() + piece.len() > ATTRIBUTE {
            if self.full.len() + 1 >= self.page.attributes {
                return false;
            }
            self.full.push(std::mem::take(&mut self.last));
        }
        self.left = left;
        self.last.push_str(piece);
        true
    }

    fn finish_page(mut self) -> Vec<String> {
        self.full.push(self.last);
        self.full.retain(|attribute| !attribute.is_empty());
        self.full
    }
}
