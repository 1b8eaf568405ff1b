//! A directory in memory that forgets in a power cut what an operating system may forget.
//!
//! What was not synced may or may not be on disk, in any combination: of a file nothing, a part, blocks of zeros or all
//! that was written, and of the names each creation, renaming and removal. Only of names' changes that are both on disk
//! the later one comes later. A power cut can come within any operation. So a program that runs right over all
//! [outcomes](LossyDirectory::outcomes) of all cuts relies on nothing but its syncs.

use std::collections::BTreeMap;
use std::io::{self, Error, ErrorKind};

use crate::file_store::Directory;

/// A file's number.
pub type FileNumber = usize;

/// What is in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Content {
    /// As programs read it.
    now: Vec<u8>,
    /// As it is on disk for certain, unless it was written to since.
    on_disk: Vec<u8>,
    synced: bool,
}

/// A change of the names that is not known to be on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Change {
    Created { name: String, file: FileNumber },
    Renamed { from: String, to: String, file: FileNumber },
    Removed { name: String },
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<String, FileNumber>) {
        match self {
            Change::Created { name, file } => {
                names.insert(name.clone(), *file);
            }
            Change::Renamed { from, to, file } => {
                names.remove(from);
                names.insert(to.clone(), *file);
            }
            Change::Removed { name } => {
                names.remove(name);
            }
        }
    }
}

/// A directory in memory. A clone is a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LossyDirectory {
    files: Vec<Content>,
    names: BTreeMap<String, FileNumber>,
    names_on_disk: BTreeMap<String, FileNumber>,
    /// What has changed from `names_on_disk` to `names`.
    changes: Vec<Change>,
    operations: u64,
    /// How many operations the power lasts for, if it is going to be cut.
    operations_left: Option<u64>,
    is_cut: bool,
    /// How many bytes there is space for.
    space: Option<usize>,
}

impl LossyDirectory {
    /// An empty directory.
    #[must_use]
    pub fn new() -> Self {
        LossyDirectory::default()
    }

    /// How many operations were asked for, reading not included.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.operations
    }

    /// Cuts the power after `operations` more operations, reading not included: in the midst of the next one.
    pub fn cut_after(&mut self, operations: u64) {
        self.operations_left = Some(operations);
    }

    /// Lets all files together have no more than so many bytes.
    pub fn limit_space(&mut self, bytes: usize) {
        self.space = Some(bytes);
    }

    /// Changes a bit of what is in a file, as a failing disk does.
    ///
    /// # Panics
    /// When there is no such file or byte.
    pub fn flip_bit(&mut self, name: &str, byte: usize, bit: u32) {
        let content = &mut self.files[self.names[name]];
        content.now[byte] ^= 1 << bit;
        content.on_disk.clone_from(&content.now);
    }

    /// Everything that may be on disk if the power is cut now: directories in which all is synced. What is read from
    /// more than one of them is there more than once.
    #[must_use]
    pub fn outcomes(&self) -> Vec<LossyDirectory> {
        let mut outcomes = Vec::new();
        for kept in 0..1_u64 << self.changes.len() {
            let mut names = self.names_on_disk.clone();
            for (index, change) in self.changes.iter().enumerate() {
                if kept & (1 << index) != 0 {
                    change.apply(&mut names);
                }
            }
            outcomes.extend(self.contents(names));
        }
        outcomes
    }

    /// What may be in the files of these names.
    fn contents(&self, names: BTreeMap<String, FileNumber>) -> Vec<LossyDirectory> {
        let mut outcomes = vec![LossyDirectory { space: self.space, ..LossyDirectory::default() }];
        for (name, file) in names {
            let content = &self.files[file];
            let mut possible = vec![content.now.clone()];
            if !content.synced {
                let half = content.now.len() / 2;
                possible.extend([
                    content.on_disk.clone(),
                    Vec::new(),
                    content.now[..half].to_vec(),
                    vec![0; content.now.len()],
                    content
                        .now
                        .iter()
                        .enumerate()
                        .map(|(at, byte)| if at < half { 0 } else { *byte })
                        .collect(),
                ]);
            }
            outcomes = outcomes
                .iter()
                .flat_map(|outcome| possible.iter().map(|content| outcome.with_file(&name, content)))
                .collect();
        }
        outcomes
    }

    fn with_file(&self, name: &str, content: &[u8]) -> LossyDirectory {
        let mut directory = self.clone();
        directory.names.insert(name.to_owned(), directory.files.len());
        directory.names_on_disk.clone_from(&directory.names);
        directory.files.push(Content { now: content.to_vec(), on_disk: content.to_vec(), synced: true });
        directory
    }

    fn check_power(&self) -> io::Result<()> {
        if self.is_cut { Err(Error::other("the power is cut")) } else { Ok(()) }
    }

    /// Counts an operation. Whether the power lasts for it: in the midst of it its effect is one of those that
    /// are not synced.
    fn begin(&mut self) -> io::Result<bool> {
        self.check_power()?;
        self.operations += 1;
        match &mut self.operations_left {
            None => {}
            Some(0) => self.is_cut = true,
            Some(operations) => *operations -= 1,
        }
        Ok(!self.is_cut)
    }

    fn change(&mut self, change: Change) -> io::Result<()> {
        change.apply(&mut self.names);
        self.changes.push(change);
        self.check_power()
    }

    fn file(&self, name: &str) -> io::Result<FileNumber> {
        self.names.get(name).copied().ok_or_else(|| ErrorKind::NotFound.into())
    }
}

impl Directory for LossyDirectory {
    type File = FileNumber;

    fn names(&mut self) -> io::Result<Vec<String>> {
        self.check_power()?;
        Ok(self.names.keys().cloned().collect())
    }

    fn read(&mut self, name: &str) -> io::Result<Option<Vec<u8>>> {
        self.check_power()?;
        Ok(self.names.get(name).map(|file| self.files[*file].now.clone()))
    }

    fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<FileNumber> {
        self.begin()?;
        let file = if let Some(file) = self.names.get(name) {
            *file
        } else {
            self.files.push(Content { synced: true, ..Content::default() });
            let file = self.files.len() - 1;
            let created = Change::Created { name: name.to_owned(), file };
            created.apply(&mut self.names);
            self.changes.push(created);
            file
        };
        self.files[file].now.clear();
        self.files[file].synced = false;
        let used: usize = self.names.values().map(|file| self.files[*file].now.len()).sum();
        let length = self.space.map_or(bytes.len(), |space| bytes.len().min(space.saturating_sub(used)));
        self.files[file].now.extend_from_slice(&bytes[..length]);
        if length < bytes.len() {
            return Err(ErrorKind::StorageFull.into());
        }
        self.check_power()?;
        Ok(file)
    }

    fn sync_file(&mut self, file: FileNumber) -> io::Result<()> {
        if self.begin()? {
            let content = &mut self.files[file];
            content.on_disk.clone_from(&content.now);
            content.synced = true;
        }
        self.check_power()
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.begin()?;
        let file = self.file(from)?;
        self.change(Change::Renamed { from: from.to_owned(), to: to.to_owned(), file })
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.begin()?;
        self.file(name)?;
        self.change(Change::Removed { name: name.to_owned() })
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.begin()? {
            self.names_on_disk.clone_from(&self.names);
            self.changes.clear();
        }
        self.check_power()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a file is after each of the outcomes.
    fn after_cut(directory: &LossyDirectory, name: &str) -> Vec<Option<Vec<u8>>> {
        let mut contents: Vec<_> =
            directory.outcomes().into_iter().map(|mut outcome| outcome.read(name).unwrap()).collect();
        contents.sort();
        contents.dedup();
        contents
    }

    fn some(bytes: &[u8]) -> Option<Vec<u8>> {
        Some(bytes.to_vec())
    }

    #[test]
    fn what_is_synced_is_there_and_what_is_not_may_be() {
        let mut directory = LossyDirectory::new();
        let file = directory.write("a", b"12").unwrap();
        assert_eq!(directory.read("a").unwrap(), some(b"12"));
        let any = [None, some(b""), some(b"\0\0"), some(b"\x002"), some(b"1"), some(b"12")];
        assert_eq!(after_cut(&directory, "a"), any);
        directory.sync_file(file).unwrap();
        assert_eq!(after_cut(&directory, "a"), [None, some(b"12")]);
        directory.sync().unwrap();
        assert_eq!(after_cut(&directory, "a"), [some(b"12")]);
    }

    #[test]
    fn a_file_that_is_written_anew_may_be_the_old_one() {
        let mut directory = LossyDirectory::new();
        let file = directory.write("a", b"old").unwrap();
        directory.sync_file(file).unwrap();
        directory.sync().unwrap();
        directory.write("a", b"").unwrap();
        assert_eq!(after_cut(&directory, "a"), [some(b""), some(b"old")]);
    }

    #[test]
    fn names_change_in_any_combination() {
        let mut directory = LossyDirectory::new();
        for name in ["a", "b"] {
            let file = directory.write(name, name.as_bytes()).unwrap();
            directory.sync_file(file).unwrap();
        }
        directory.sync().unwrap();
        directory.rename("a", "c").unwrap();
        directory.remove("b").unwrap();
        let names = |mut outcome: LossyDirectory| outcome.names().unwrap().concat();
        assert_eq!(directory.outcomes().into_iter().map(names).collect::<Vec<_>>(), ["ab", "bc", "a", "c"]);
        directory.sync().unwrap();
        assert_eq!(directory.outcomes().into_iter().map(names).collect::<Vec<_>>(), ["c"]);
        assert_eq!(directory.rename("a", "d").unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[test]
    fn a_cut_operation_is_not_synced_and_none_comes_after_it() {
        let mut directory = LossyDirectory::new();
        directory.cut_after(1);
        let file = directory.write("a", b"").unwrap();
        directory.sync().unwrap_err();
        assert_eq!(directory.operations(), 2);
        assert_eq!(after_cut(&directory, "a"), [None, some(b"")]);
        directory.sync_file(file).unwrap_err();
        directory.write("b", b"").unwrap_err();
        directory.read("a").unwrap_err();
        directory.names().unwrap_err();
        assert_eq!(directory.operations(), 2);
    }

    #[test]
    fn space_runs_out() {
        let mut directory = LossyDirectory::new();
        directory.limit_space(5);
        directory.write("a", b"123").unwrap();
        assert_eq!(directory.write("b", b"123").unwrap_err().kind(), ErrorKind::StorageFull);
        assert_eq!(directory.read("b").unwrap(), some(b"12"));
        directory.remove("a").unwrap();
        directory.write("b", b"12345").unwrap();
    }
}
