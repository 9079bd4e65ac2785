//! Copies of sections: what they weigh, and how a `$template` fills a section.

use super::tree::{Section, SectionItem};

/// Items and octets of a section, all levels.
pub(super) fn placeholder_weight(section: &Section) -> usize {
    let items = section.items.iter().map(|item| match item {
        SectionItem::Pair(pair) => pair.name.len() + pair.value.as_ref().map_or(0, String::len) + 1,
        SectionItem::Section(section) => placeholder_weight(section),
    });
    items.sum::<usize>() + 1
}

/// Takes from `template` what `section` lacks.
pub(super) fn merge_files(section: &mut Section, template: Section) {
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
                    Some(own) => merge_files(own, inner),
                    None => section.items.push(SectionItem::Section(inner)),
                }
            }
            pair => section.items.push(pair),
        }
    }
}
