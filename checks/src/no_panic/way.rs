//! The way from an entry to a panic, for the message when there is one.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

use object::read::archive::ArchiveFile;
use object::{Object, ObjectSection, ObjectSymbol, RelocationTarget, SectionIndex, SymbolSection};

use super::image::PANIC;

/// What is in an archive, and what refers to what.
pub(super) struct References {
    names: Vec<String>,
    /// By the number of a part, the numbers of those that it refers to.
    to: Vec<Vec<usize>>,
}

impl References {
    /// Reads an archive.
    pub(super) fn read(archive: &Path) -> Result<Self, String> {
        let bytes = std::fs::read(archive).map_err(|error| format!("{}: {error}", archive.display()))?;
        let unreadable = |error: object::Error| format!("{}: {error}", archive.display());
        let file = ArchiveFile::parse(&*bytes).map_err(unreadable)?;
        let mut sections = Vec::new();
        let mut defined = BTreeMap::new();
        for member in file.members() {
            let data = member.map_err(unreadable)?.data(&*bytes).map_err(unreadable)?;
            if let Ok(object) = object::File::parse(data) {
                read_sections(&object, &mut sections, &mut defined);
            }
        }
        let panic = sections.len();
        defined.insert(PANIC.to_owned(), panic);
        let to = sections
            .iter()
            .map(|section| section.to.iter().filter_map(|target| target.part(&defined)).collect());
        let to = to.chain([Vec::new()]).collect();
        let names = sections.into_iter().map(|section| section.name).chain([PANIC.to_owned()]).collect();
        Ok(References { names, to })
    }

    /// The shortest way from an entry to the panic handler, in names of functions.
    pub(super) fn way_to_panic(&self, entry: &str) -> Vec<String> {
        let Some(begin) = self.names.iter().position(|name| name == entry) else { return Vec::new() };
        let panic = self.names.len() - 1;
        let mut from = BTreeMap::from([(begin, begin)]);
        let mut queue = VecDeque::from([begin]);
        while let Some(part) = queue.pop_front() {
            for &next in &self.to[part] {
                from.entry(next).or_insert_with(|| {
                    queue.push_back(next);
                    part
                });
            }
        }
        let mut way = Vec::new();
        let mut part = panic;
        while let Some(&before) = from.get(&part).filter(|before| **before != part) {
            way.push(format!("{:#}", rustc_demangle::demangle(&self.names[before])));
            part = before;
        }
        way.reverse();
        way
    }
}

/// A section of code or data: a function has one of its own.
struct Section {
    name: String,
    to: Vec<Target>,
}

enum Target {
    Part(usize),
    Symbol(String),
}

impl Target {
    fn part(&self, defined: &BTreeMap<String, usize>) -> Option<usize> {
        match self {
            Target::Part(part) => Some(*part),
            Target::Symbol(name) => defined.get(name).copied(),
        }
    }
}

fn read_sections(
    object: &object::File<'_>,
    sections: &mut Vec<Section>,
    defined: &mut BTreeMap<String, usize>,
) {
    let first = sections.len();
    let part = |index: SectionIndex| first + index.0;
    let count = object.sections().map(|section| section.index().0 + 1).max().unwrap_or_default();
    sections.extend((0..count).map(|_| Section { name: String::new(), to: Vec::new() }));
    for section in object.sections() {
        let name = section.name().unwrap_or_default();
        let short = name.strip_prefix(".text.").unwrap_or(name);
        sections[part(section.index())].name = short.to_owned();
        for (_, relocation) in section.relocations() {
            let RelocationTarget::Symbol(symbol) = relocation.target() else { continue };
            let Ok(symbol) = object.symbol_by_index(symbol) else { continue };
            sections[part(section.index())].to.push(match symbol.section() {
                SymbolSection::Section(index) => Target::Part(part(index)),
                _ => Target::Symbol(symbol.name().unwrap_or_default().to_owned()),
            });
        }
    }
    for symbol in object.symbols().filter(|symbol| symbol.is_global()) {
        if let (SymbolSection::Section(index), Ok(name)) = (symbol.section(), symbol.name()) {
            defined.insert(name.to_owned(), part(index));
        }
    }
}
