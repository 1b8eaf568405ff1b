//! A [`Store`] in a directory, for kiosks: one file an item (B1).
//!
//! An item is written to a file of its own beside the old one, which is synced, then renamed over the old one; then the
//! directory is synced. Until the rename is on disk, there is the old item, and from then on the new one; and a rename can only
//! be on disk when what it makes visible is. Leaving out any of these steps loses items in a power cut, which the tests
//! show with a [directory that forgets](crate::lossy_directory).
//!
//! Each file begins with what it holds and a checksum, so that damage is found rather than handed out. A file that was left over
//! by a crash is removed when the store is opened. While it is open a lock keeps other processes out.
//!
//! This needs a file system whose renames are atomic and whose directories can be synced, as Unix has them.

use std::fmt;
use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use pawl_core::store::{Item, Store, StoreError};

/// What a [`FileStore`] needs of a directory. Names are those of files directly in it.
///
/// What was done is on disk only when the file, or for names the directory, has been synced.
pub trait Directory {
    /// A file that was written and can be synced.
    type File;

    /// The names of all files.
    ///
    /// # Errors
    /// The operating system's, as for all of these.
    fn names(&mut self) -> io::Result<Vec<String>>;

    /// What is in a file; `None` when there is none of this name.
    ///
    /// # Errors
    /// The operating system's.
    fn read(&mut self, name: &str) -> io::Result<Option<Vec<u8>>>;

    /// Creates a file, or empties the one that there is, and writes to it.
    ///
    /// # Errors
    /// The operating system's. The file may then hold some of it.
    fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<Self::File>;

    /// Returns when what is in the file is on disk.
    ///
    /// # Errors
    /// The operating system's. Nothing is known then of what is on disk.
    fn sync_file(&mut self, file: Self::File) -> io::Result<()>;

    /// Gives a file another name, in the place of the file that has it.
    ///
    /// # Errors
    /// The operating system's.
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// The operating system's.
    fn remove(&mut self, name: &str) -> io::Result<()>;

    /// Returns when the names of all files are on disk.
    ///
    /// # Errors
    /// The operating system's.
    fn sync(&mut self) -> io::Result<()>;
}

impl<D: Directory + ?Sized> Directory for &mut D {
    type File = D::File;

    fn names(&mut self) -> io::Result<Vec<String>> {
        (**self).names()
    }

    fn read(&mut self, name: &str) -> io::Result<Option<Vec<u8>>> {
        (**self).read(name)
    }

    fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<D::File> {
        (**self).write(name, bytes)
    }

    fn sync_file(&mut self, file: D::File) -> io::Result<()> {
        (**self).sync_file(file)
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        (**self).rename(from, to)
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        (**self).remove(name)
    }

    fn sync(&mut self) -> io::Result<()> {
        (**self).sync()
    }
}

/// The file that is locked. It is empty, and stays.
const LOCK: &str = "lock";

/// A directory of the operating system, which is this process's alone.
#[derive(Debug)]
pub struct LockedDirectory {
    path: PathBuf,
    /// The directory itself, to sync it.
    directory: File,
    /// Locked as long as it is open.
    _lock: File,
}

impl LockedDirectory {
    /// Opens a directory, which is created where there is none, and locks it.
    ///
    /// # Errors
    /// When another process has it open, or it cannot be opened.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, OpenError> {
        let path = path.into();
        create_on_disk(&mut Disk, &path)?;
        let directory = File::open(&path)?;
        let lock = File::options().create(true).truncate(false).write(true).open(path.join(LOCK))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => OpenError::InUse(path.clone()),
            TryLockError::Error(error) => OpenError::Failed(error),
        })?;
        Ok(LockedDirectory { path, directory, _lock: lock })
    }
}

/// The directories above a store's, as far as making it takes them.
trait Folders {
    fn is_dir(&self, path: &Path) -> bool;
    fn create(&mut self, path: &Path) -> io::Result<()>;
    /// Returns when the names in it are on disk.
    fn sync(&mut self, path: &Path) -> io::Result<()>;
}

/// Those of the operating system.
struct Disk;

impl Folders for Disk {
    fn is_dir(&self, path: &Path) -> bool {
        path.is_dir()
    }

    fn create(&mut self, path: &Path) -> io::Result<()> {
        std::fs::create_dir(path)
    }

    fn sync(&mut self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }
}

/// Creates a directory, and those above it, such that it is still there after a power cut.
fn create_on_disk(folders: &mut impl Folders, path: &Path) -> io::Result<()> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let existed = folders.is_dir(path);
    if !existed {
        create_on_disk(folders, parent)?;
        match folders.create(path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    // Though it was there: a process that created it may have ended before this.
    match folders.sync(parent) {
        // What somebody else made above it is theirs to look after.
        Err(error) if existed && error.kind() == ErrorKind::PermissionDenied => Ok(()),
        synced => synced,
    }
}

impl Directory for LockedDirectory {
    type File = File;

    fn names(&mut self) -> io::Result<Vec<String>> {
        // A name that is not Unicode is none of the store's.
        let names = std::fs::read_dir(&self.path)?
            .map(|entry| entry.map(|entry| entry.file_name().into_string().ok()))
            .collect::<io::Result<Vec<_>>>()?;
        Ok(names.into_iter().flatten().collect())
    }

    fn read(&mut self, name: &str) -> io::Result<Option<Vec<u8>>> {
        match std::fs::read(self.path.join(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<File> {
        let mut options = File::options();
        options.create(true).truncate(true).write(true);
        // What is stored is nobody else's business.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(self.path.join(name))?;
        file.write_all(bytes)?;
        Ok(file)
    }

    fn sync_file(&mut self, file: File) -> io::Result<()> {
        // By the handle it was written with: another one need not be told of an error.
        file.sync_all()
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.path.join(name))
    }

    fn sync(&mut self) -> io::Result<()> {
        self.directory.sync_all()
    }
}

/// Why a [`FileStore`] was not opened.
#[derive(Debug)]
pub enum OpenError {
    /// Another process has this directory open.
    InUse(PathBuf),
    /// The operating system's error.
    Failed(io::Error),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::InUse(path) => write!(f, "{} is in use by another process", path.display()),
            OpenError::Failed(error) => write!(f, "the store could not be opened: {error}"),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            OpenError::InUse(_) => None,
            OpenError::Failed(error) => Some(error),
        }
    }
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        OpenError::Failed(error)
    }
}

/// A [`Store`] in a directory.
#[derive(Debug)]
pub struct FileStore<D = LockedDirectory> {
    directory: D,
    last_error: Option<io::Error>,
}

impl FileStore {
    /// Opens the store in the directory at `path`, which is created where there is none.
    ///
    /// # Errors
    /// When another process has it open, or the directory does not work.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, OpenError> {
        Ok(FileStore::over(LockedDirectory::open(path)?)?)
    }
}

impl<D: Directory> FileStore<D> {
    /// Opens the store in a directory that nobody else uses.
    ///
    /// # Errors
    /// The directory's.
    pub fn over(mut directory: D) -> io::Result<Self> {
        for name in directory.names()? {
            if is_leftover(&name) {
                directory.remove(&name)?;
            }
        }
        // An item that is read must not turn into the old one again, though a process ended before it was synced.
        directory.sync()?;
        Ok(FileStore { directory, last_error: None })
    }

    /// The error behind the last [`StoreError`] that a directory caused, for people to read.
    #[must_use]
    pub fn last_error(&self) -> Option<&io::Error> {
        self.last_error.as_ref()
    }

    /// Gives the directory back.
    #[must_use]
    pub fn release(self) -> D {
        self.directory
    }

    fn keep(&mut self, error: io::Error) -> StoreError {
        let reported = match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => StoreError::Full,
            _ => StoreError::Failed,
        };
        self.last_error = Some(error);
        reported
    }

    fn replace(&mut self, name: &str, content: &[u8]) -> io::Result<()> {
        let new = format!("{name}{NEW}");
        let result = self.directory.write(&new, content).and_then(|file| {
            self.directory.sync_file(file)?;
            self.directory.rename(&new, name)
        });
        if result.is_err() {
            // It would be removed later; but it may be what fills the disk.
            let _ = self.directory.remove(&new);
            return result;
        }
        self.directory.sync()
    }
}

impl<D: Directory> Store for FileStore<D> {
    fn load(&mut self, item: Item, buffer: &mut [u8]) -> Result<Option<usize>, StoreError> {
        let Some(content) = self.directory.read(&name(item)).map_err(|error| self.keep(error))? else {
            return Ok(None);
        };
        let bytes = decode(item, &content).ok_or(StoreError::Damaged)?;
        buffer.get_mut(..bytes.len()).ok_or(StoreError::Damaged)?.copy_from_slice(bytes);
        Ok(Some(bytes.len()))
    }

    fn store(&mut self, item: Item, bytes: &[u8]) -> Result<(), StoreError> {
        self.replace(&name(item), &encode(item, bytes)).map_err(|error| self.keep(error))
    }
}

/// What a file's name ends in until it is complete.
const NEW: &str = ".new";

/// The name of an item's file.
fn name(item: Item) -> String {
    match item {
        Item::Device => "device".to_owned(),
        Item::Room(place) => format!("room-{place:05}"),
        Item::Session(place) => format!("session-{place:05}"),
    }
}

/// Whether this is the name of an item's file that was never completed. Files that are not the store's stay.
fn is_leftover(file: &str) -> bool {
    let Some(item) = file.strip_suffix(NEW) else { return false };
    let place = |prefix| {
        let digits: &str = item.strip_prefix(prefix)?;
        digits.parse().ok()
    };
    item == name(Item::Device)
        || place("room-").is_some_and(|place| item == name(Item::Room(place)))
        || place("session-").is_some_and(|place| item == name(Item::Session(place)))
}

/// What every file begins with: the format, in its first version.
const FORMAT: [u8; 8] = *b"pawl/1\r\n";

/// The bytes before the item: the format, the item's key, and the checksum of the key and the item.
const HEADER: usize = FORMAT.len() + 4 + 4;

/// The content of an item's file.
fn encode(item: Item, bytes: &[u8]) -> Vec<u8> {
    let key = item.key().to_le_bytes();
    let checksum = checksum(key.iter().chain(bytes)).to_le_bytes();
    [&FORMAT, key.as_slice(), &checksum, bytes].concat()
}

/// The item in its file, if all of it is there and unchanged.
fn decode(item: Item, content: &[u8]) -> Option<&[u8]> {
    let (header, bytes) = content.split_at_checked(HEADER)?;
    let key = item.key().to_le_bytes();
    let checksum = checksum(key.iter().chain(bytes)).to_le_bytes();
    (header == [&FORMAT, key.as_slice(), &checksum].concat()).then_some(bytes)
}

/// CRC-32 as in Ethernet. Against accidents: who can write to the directory can write anything.
fn checksum<'a>(bytes: impl Iterator<Item = &'a u8>) -> u32 {
    !bytes.fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0xEDB8_8320 * (sum & 1)))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::lossy_directory::LossyDirectory;

    /// Several items one after the other, short ones after long ones and the other way round.
    const STORES: [(Item, &[u8]); 8] = [
        (Item::Device, b"device 1"),
        (Item::Room(0), b"room 1"),
        (Item::Session(0), b"session 1"),
        (Item::Device, b"device 2"),
        (Item::Room(0), b"room 2, which is longer"),
        (Item::Device, b"d3"),
        (Item::Session(0), b"\0\0\0\0\0\0\0\0"),
        (Item::Device, b"device 4, the last"),
    ];

    const ITEMS: [Item; 4] = [Item::Device, Item::Room(0), Item::Session(0), Item::Session(7)];

    /// What an implementation of the store may get wrong.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Mistake {
        None,
        FileNotSynced,
        FileSyncedAfterRename,
        DirectoryNotSynced,
        /// The item is written to its own file.
        NotRenamed,
        LeftoverRenamed,
    }

    /// A directory that makes a store over it make a mistake.
    struct Mistaken<'d> {
        directory: &'d mut LossyDirectory,
        mistake: Mistake,
        to_be_synced: Option<usize>,
    }

    impl Directory for Mistaken<'_> {
        type File = usize;

        fn names(&mut self) -> io::Result<Vec<String>> {
            self.directory.names()
        }

        fn read(&mut self, name: &str) -> io::Result<Option<Vec<u8>>> {
            self.directory.read(name)
        }

        fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<usize> {
            let in_place = self.mistake == Mistake::NotRenamed;
            self.directory.write(if in_place { name.trim_end_matches(NEW) } else { name }, bytes)
        }

        fn sync_file(&mut self, file: usize) -> io::Result<()> {
            match self.mistake {
                Mistake::FileNotSynced => Ok(()),
                Mistake::FileSyncedAfterRename => {
                    self.to_be_synced = Some(file);
                    Ok(())
                }
                _ => self.directory.sync_file(file),
            }
        }

        fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
            if self.mistake != Mistake::NotRenamed {
                self.directory.rename(from, to)?;
            }
            self.to_be_synced.take().map_or(Ok(()), |file| self.directory.sync_file(file))
        }

        fn remove(&mut self, name: &str) -> io::Result<()> {
            if self.mistake == Mistake::LeftoverRenamed {
                return self.directory.rename(name, name.trim_end_matches(NEW));
            }
            self.directory.remove(name)
        }

        fn sync(&mut self) -> io::Result<()> {
            if self.mistake == Mistake::DirectoryNotSynced { Ok(()) } else { self.directory.sync() }
        }
    }

    type Expected = BTreeMap<Item, &'static [u8]>;

    /// Stores the items, which fails when the power is cut. What is there for certain, and what may be there instead.
    fn run(
        directory: &mut LossyDirectory,
        mistake: Mistake,
        mut expected: Expected,
        stores: &[(Item, &'static [u8])],
    ) -> (Expected, Option<(Item, &'static [u8])>) {
        let Ok(mut store) = FileStore::over(Mistaken { directory, mistake, to_be_synced: None }) else {
            return (expected, None);
        };
        for (item, bytes) in stores {
            if store.store(*item, bytes).is_err() {
                return (expected, Some((*item, *bytes)));
            }
            expected.insert(*item, bytes);
        }
        (expected, None)
    }

    /// What is in the store, where nothing is missing, torn or older than it may be.
    fn found(
        directory: &mut LossyDirectory,
        mistake: Mistake,
        expected: &Expected,
        in_doubt: Option<(Item, &'static [u8])>,
    ) -> Option<Expected> {
        let mut store = FileStore::over(Mistaken { directory, mistake, to_be_synced: None }).unwrap();
        let mut found = expected.clone();
        for item in ITEMS {
            let mut buffer = [0; 64];
            let bytes = store.load(item, &mut buffer).ok()?.map(|length| &buffer[..length]);
            match in_doubt {
                Some((doubted, new)) if doubted == item && bytes == Some(new) => {
                    found.insert(item, new);
                }
                _ if bytes == expected.get(&item).copied() => {}
                _ => return None,
            }
        }
        Some(found)
    }

    /// Cuts the power in every operation, with all that may come of it, and then again in every operation of the next
    /// stores. How many outcomes were looked at; as an error, how many it took until something was wrong.
    fn cut_everywhere(mistake: Mistake) -> Result<u64, u64> {
        let mut looked_at = 0;
        for cut in 0.. {
            let mut directory = LossyDirectory::new();
            directory.cut_after(cut);
            let (expected, in_doubt) = run(&mut directory, mistake, Expected::new(), &STORES);
            if directory.operations() == cut {
                break;
            }
            for outcome in directory.outcomes() {
                looked_at += 1;
                let expected = found(&mut outcome.clone(), mistake, &expected, in_doubt).ok_or(looked_at)?;
                for second_cut in 0.. {
                    let mut directory = outcome.clone();
                    directory.cut_after(second_cut);
                    let next = [in_doubt.unwrap_or(STORES[0]), (Item::Room(0), b"room 3".as_slice())];
                    let (expected, in_doubt) = run(&mut directory, mistake, expected.clone(), &next);
                    for mut outcome in directory.outcomes() {
                        looked_at += 1;
                        found(&mut outcome, mistake, &expected, in_doubt).ok_or(looked_at)?;
                    }
                    if directory.operations() == second_cut {
                        break;
                    }
                }
            }
        }
        Ok(looked_at)
    }

    #[test]
    fn b1_a_power_cut_in_any_operation_leaves_the_old_item_or_the_new_one() {
        let looked_at = cut_everywhere(Mistake::None).unwrap();
        assert!(looked_at > 5_000, "{looked_at}");
    }

    #[test]
    fn b1_nothing_that_is_done_can_be_left_out() {
        for mistake in [
            Mistake::FileNotSynced,
            Mistake::FileSyncedAfterRename,
            Mistake::DirectoryNotSynced,
            Mistake::NotRenamed,
            Mistake::LeftoverRenamed,
        ] {
            let found = cut_everywhere(mistake);
            assert!(found.is_err(), "{mistake:?} is not found in {found:?} outcomes");
        }
    }

    #[test]
    fn b1_what_is_read_once_is_not_gone_after_a_power_cut() {
        // The process ended before it could sync the directory, and the power is still on.
        let mut directory = LossyDirectory::new();
        let file = directory.write("device", &encode(Item::Device, b"state")).unwrap();
        directory.sync_file(file).unwrap();
        let mut store = FileStore::over(directory).unwrap();
        assert_eq!(store.load(Item::Device, &mut [0; 9]), Ok(Some(5)));
        for outcome in store.release().outcomes() {
            assert_eq!(FileStore::over(outcome).unwrap().load(Item::Device, &mut [0; 9]), Ok(Some(5)));
        }
    }

    /// Directories of which those are on disk that were synced. The process ends after so many operations.
    #[derive(Clone)]
    struct LossyFolders {
        now: BTreeSet<PathBuf>,
        on_disk: BTreeSet<PathBuf>,
        operations_left: usize,
    }

    impl LossyFolders {
        fn begin(&mut self) -> io::Result<()> {
            self.operations_left =
                self.operations_left.checked_sub(1).ok_or_else(|| io::Error::other("ended"))?;
            Ok(())
        }
    }

    impl Folders for LossyFolders {
        fn is_dir(&self, path: &Path) -> bool {
            self.now.contains(path)
        }

        fn create(&mut self, path: &Path) -> io::Result<()> {
            self.begin()?;
            self.now.insert(path.to_owned());
            Ok(())
        }

        fn sync(&mut self, path: &Path) -> io::Result<()> {
            self.begin()?;
            self.on_disk.extend(self.now.iter().filter(|made| made.parent() == Some(path)).cloned());
            Ok(())
        }
    }

    #[test]
    fn b1_a_store_that_was_opened_has_its_directory_on_disk() {
        let path = Path::new("/var/lib/pawl");
        let there: BTreeSet<_> = ["/", "/var"].map(PathBuf::from).into();
        let begun = LossyFolders { now: there.clone(), on_disk: there, operations_left: 0 };
        for end in 0..5 {
            let mut folders = LossyFolders { operations_left: end, ..begun.clone() };
            assert!(create_on_disk(&mut folders, path).is_err(), "{end}");
            folders.operations_left = usize::MAX;
            create_on_disk(&mut folders, path).unwrap();
            assert!(path.ancestors().all(|above| folders.on_disk.contains(above)), "{end}");
        }
    }

    fn a_store() -> FileStore<LossyDirectory> {
        FileStore::over(LossyDirectory::new()).unwrap()
    }

    #[test]
    fn b1_any_flipped_bit_and_any_missing_byte_is_damage() {
        let mut store = a_store();
        store.store(Item::Room(9), b"state").unwrap();
        let length = store.directory.read("room-00009").unwrap().unwrap().len();
        for byte in 0..length {
            for bit in 0..8 {
                store.directory.flip_bit("room-00009", byte, bit);
                assert_eq!(store.load(Item::Room(9), &mut [0; 9]), Err(StoreError::Damaged), "{byte}, {bit}");
                store.directory.flip_bit("room-00009", byte, bit);
            }
            let content = store.directory.read("room-00009").unwrap().unwrap();
            store.directory.write("room-00008", &content[..byte]).unwrap();
            assert_eq!(store.load(Item::Room(8), &mut [0; 9]), Err(StoreError::Damaged), "{byte}");
        }
        assert_eq!(store.load(Item::Room(9), &mut [0; 9]), Ok(Some(5)));
        assert_eq!(store.load(Item::Room(9), &mut [0; 4]), Err(StoreError::Damaged));
    }

    #[test]
    fn the_file_of_another_item_is_damage() {
        let mut store = a_store();
        store.store(Item::Room(9), b"state").unwrap();
        store.directory.rename("room-00009", "room-00008").unwrap();
        assert_eq!(store.load(Item::Room(8), &mut [0; 9]), Err(StoreError::Damaged));
        assert_eq!(store.load(Item::Room(9), &mut [0; 9]), Ok(None));
        store.store(Item::Room(8), b"anew").unwrap();
        assert_eq!(store.load(Item::Room(8), &mut [0; 9]), Ok(Some(4)));
    }

    #[test]
    fn b1_a_full_disk_keeps_the_old_item_and_no_more() {
        let mut store = a_store();
        store.store(Item::Device, b"old").unwrap();
        store.directory.limit_space(30);
        assert_eq!(store.store(Item::Device, b"new"), Err(StoreError::Full));
        assert_eq!(store.last_error().unwrap().kind(), ErrorKind::StorageFull);
        assert_eq!(store.load(Item::Device, &mut [0; 9]), Ok(Some(3)));
        assert_eq!(store.directory.names().unwrap(), ["device"]);
    }

    #[test]
    fn leftovers_are_removed_and_other_peoples_files_are_not() {
        let mut directory = LossyDirectory::new();
        for name in
            ["device", "device.new", "room-00001.new", "room-1.new", "session-65535.new", "notes.new", "x"]
        {
            directory.write(name, &[]).unwrap();
        }
        let mut store = FileStore::over(directory).unwrap();
        assert_eq!(store.directory.names().unwrap(), ["device", "notes.new", "room-1.new", "x"]);
    }

    #[test]
    fn the_checksum_is_the_one_that_everyone_has() {
        assert_eq!(checksum(b"123456789".iter()), 0xCBF4_3926);
    }
}
