//! Copies of sections: their size, and how a `$template` completes a section.

use super::tree::{Section, SectionItem};

/// The size of a section for the bound on work: octets and items, at all levels.
pub(super) fn section_weight(section: &Section) -> usize {
    let items = section.items.iter().map(|item| match item {
        SectionItem::Pair(pair) => pair.name.len() + pair.value.as_ref().map_or(0, String::len) + 1,
        SectionItem::Section(section) => section_weight(section),
    });
    items.sum::<usize>() + 1
}

/// Adds the items of `template` that `section` lacks.
pub(super) fn merge_into(section: &mut Section, template: Section) {
    for item in template.items {
        match item {
            SectionItem::Pair(pair) if section.pair_named(&pair.name).is_some() => {}
            SectionItem::Section(inner) => {
                let same = section.items.iter_mut().find_map(|item| match item {
                    SectionItem::Section(own) if own.name == inner.name && own.instance == inner.instance => {
                        Some(own)
                    }
                    _ => None,
                });
                match same {
                    Some(own) => merge_into(own, inner),
                    None => section.items.push(SectionItem::Section(inner)),
                }
            }
            pair => section.items.push(pair),
        }
    }
}
