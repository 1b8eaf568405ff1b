//! A [`Store`] on NOR flash, with the crate sequential-storage as the log that spreads the wear (B1).
//!
//! Items are appended to a log of pages. When the log comes round to a page that is in use, the items on it that still
//! count are copied to the page before it, and it is erased. That is sequential-storage's [map](sequential_storage::map).
//! It is async; here it runs over the blocking traits of embedded-storage, whose HALs are the ones that firmware without
//! an executor has.
//!
//! # What is added to it
//!
//! The map expects an interrupted erase to leave a page that either counts as erased or shows that it is not. Flash
//! promises neither: the contents of such a page are undefined. What is more, a marker of which too few bits were
//! programmed counts as not written for the map, which then writes it once more, and many a flash forbids that. So
//!
//! - each page has, after what the map sees of it, a mark for "what counts of the next page has been copied to this one",
//!   written before that page is erased;
//! - before the first operation, and after one that failed, an erase that such a mark announces is done again, and so is
//!   that of every page which is not in use and not blank;
//! - the marker of a full page counts as written as soon as one of its bits is.
//!
//! After a power cut at any point every item is therefore the old one or the new one. One thing is left, on flash that
//! programs a page before it erases it: a second power cut, while the traces of the first are removed, can leave a page
//! that looks like a full one. That is found, as [`StoreError::Damaged`].
//!
//! That each item has a checksum is not enough to find one that went bad after it was stored: the map cannot tell a
//! bit that has flipped from a write that was interrupted, and would hand out the item's previous version. So each item has a
//! version number, and behind it a *note* of a few words is stored, an item of the map by itself, with that number. An item
//! that is older than its note, or missing, has gone bad: [`StoreError::Damaged`]. After a power cut between the two the note is
//! older; it is stored when the item is first loaded, so that what was loaded once is never taken back. Only where the flash is full
//! is there no place for it. What was stored is read back before it counts.
//!
//! # What it does not do
//!
//! - It does not find that an item *and* its note have gone bad, or that all of it was put back to an older copy.
//! - It keeps no index in memory. Loading reads every item on the newest page and the pages before it, until it has found
//!   the one asked for. Storing does that three times, for the note's version, for the item's, and to read back what was
//!   stored, and reads the headers of a page for each of the item and the note. Coming round to a page in use, which is once
//!   for a page of stored items, loads each of its items. Where all of them count, copying them fills a page, and the next one is
//!   come round to at once: one `store` copies and erases at most about as many pages as all that is stored takes. The first operation reads all pages that are not in use.
//! - It does not spare the flash when it is full: whoever tries in vain to store an item erases every page.
//! - It does not encrypt or wipe. What is handed to it is not secret, or is sealed, so neither is the buffer wiped.

use core::fmt;
use core::ops::Range;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use embedded_storage::nor_flash::{ErrorType, NorFlash};
use embedded_storage_async::nor_flash as asynchronous;
use sequential_storage::Error as MapError;
use sequential_storage::cache::{Cache, Uncached};
use sequential_storage::map::{MapConfig, MapConfigError, MapStorage, SerializationError, Value};

use crate::store::{Item, Store, StoreError};

/// The bytes of a key and of a version number, which precede the item in the log and in the buffer.
const PREFIX_LENGTH: usize = size_of::<u32>() + size_of::<u32>();

/// This bit of a key is set in that of an item's note.
const NOTE: u32 = 1 << 31;

/// The bytes of the header that precedes the key.
const ITEM_HEADER: usize = 8;

/// The longest word that the map can handle.
const LONGEST_WORD: usize = 32;

/// The bytes of a mark: a number that grows from mark to mark, and its complement. Each bit is there in both states, so
/// that neither half a write nor half an erase makes one mark into another.
const MARK: usize = 8;

/// Why a [`FlashStore`] cannot be made of what was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum FlashStoreError {
    /// The addresses do not begin and end at the boundaries of pages of the flash.
    NotWholePages,
    /// There are fewer than two pages.
    TooFewPages,
    /// The addresses are not within the flash.
    OutOfBounds,
    /// The flash has words of more than 32 bytes, or pages too small for the longest item.
    Unsuitable,
    /// The buffer is too short for the longest item: this many bytes are needed.
    BufferTooShort(usize),
}

impl fmt::Display for FlashStoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FlashStoreError::NotWholePages => f.write_str("the addresses are not those of whole pages"),
            FlashStoreError::TooFewPages => f.write_str("there must be at least two pages"),
            FlashStoreError::OutOfBounds => f.write_str("the addresses are not within the flash"),
            FlashStoreError::Unsuitable => {
                f.write_str("an item does not fit on a page, or the words are too long")
            }
            FlashStoreError::BufferTooShort(needed) => write!(f, "the buffer must have {needed} bytes"),
        }
    }
}

impl core::error::Error for FlashStoreError {}

/// A [`Store`] on NOR flash. Each word is written once between two erases, so that any NOR flash will do.
///
/// # How much flash
///
/// Two pages at least. One is always kept free; what the items take together, each with another 32 bytes for its header, key,
/// version and note, rounded up to words, should be no more than half of the others: the fuller they are, the more often each is erased.
///
/// # The first time
///
/// The pages must be blank, or hold what this store has put there; [`erase`](FlashStore::erase) makes them so. The longest
/// item must not become shorter by an update of the firmware while longer ones are stored.
///
/// ```
/// use embedded_storage::nor_flash::NorFlash;
/// use pawl_core::flash::{FlashStore, FlashStoreError};
///
/// const LONGEST: usize = 200;
///
/// /// With `let mut buffer = [0; FlashStore::<Flash>::buffer_length(LONGEST)];`
/// fn in_the_last_pages<F: NorFlash>(flash: F, buffer: &mut [u8]) -> Result<FlashStore<'_, F>, FlashStoreError> {
///     FlashStore::new(flash, 0x7_8000..0x8_0000, LONGEST, buffer)
/// }
/// ```
pub struct FlashStore<'b, F: NorFlash> {
    map: MapStorage<u32, Pages<F>, Cache<Uncached, Uncached, Uncached, u32>>,
    buffer: &'b mut [u8],
    longest_item: usize,
    /// Whether the traces of the last power cut are gone.
    mended: bool,
}

impl<'b, F: NorFlash> FlashStore<'b, F> {
    /// How long the buffer must be for items of up to `longest_item` bytes: an item with its key, rounded up to words.
    #[must_use]
    pub const fn buffer_length(longest_item: usize) -> usize {
        (PREFIX_LENGTH + longest_item).next_multiple_of(Pages::<F>::WORD_LENGTH)
    }

    /// A store in the pages of `flash` at `addresses`, for items of up to `longest_item` bytes. Nothing is read or written
    /// yet.
    ///
    /// The buffer is handed to the flash; where that wants its data aligned in memory, the buffer must be. What is in it
    /// does not matter, before or after.
    ///
    /// # Errors
    /// When the pages, the flash or the buffer will not do.
    pub fn new(
        flash: F,
        addresses: Range<u32>,
        longest_item: usize,
        buffer: &'b mut [u8],
    ) -> Result<Self, FlashStoreError> {
        let page = Pages::<F>::PAGE;
        if page == 0
            || Pages::<F>::SEEN == 0
            || PREFIX_LENGTH.saturating_add(longest_item) > usize::from(u16::MAX)
        {
            return Err(FlashStoreError::Unsuitable);
        }
        if !addresses.start.is_multiple_of(page) || !addresses.end.is_multiple_of(page) {
            return Err(FlashStoreError::NotWholePages);
        }
        if usize::try_from(addresses.end).is_ok_and(|end| end > flash.capacity()) {
            return Err(FlashStoreError::OutOfBounds);
        }
        let count = addresses.end.saturating_sub(addresses.start) / page;
        let config = MapConfig::try_new(0..count * Pages::<F>::SEEN).map_err(|error| match error {
            MapConfigError::RangeTooSmall => FlashStoreError::TooFewPages,
            _ => FlashStoreError::Unsuitable,
        })?;
        let needed = Self::buffer_length(longest_item);
        if needed > Pages::<F>::LONGEST {
            return Err(FlashStoreError::Unsuitable);
        }
        if needed > buffer.len() {
            return Err(FlashStoreError::BufferTooShort(needed));
        }
        let pages = Pages { flash, start: addresses.start, count };
        let map = MapStorage::new(pages, config, Cache::new_uncached());
        Ok(FlashStore { map, buffer, longest_item, mended: false })
    }

    /// Gives the flash back.
    #[must_use]
    pub fn release(self) -> F {
        let (pages, _) = self.map.destroy();
        pages.flash
    }

    /// Erases all pages: no item has ever been stored, as at a first start.
    ///
    /// # Errors
    /// [`StoreError::Failed`]. As after a power cut, some items may then be left, and older versions of them: erase again.
    pub fn erase(&mut self) -> Result<(), StoreError> {
        self.mended = false;
        self.map.flash().erase_all().map_err(|_| StoreError::Failed)?;
        self.mended = true;
        Ok(())
    }

    /// Does what a power cut or a failure has left undone, once.
    fn mend(&mut self) -> Result<(), StoreError> {
        if !self.mended {
            self.map.flash().mend().map_err(|_| StoreError::Failed)?;
            self.mended = true;
        }
        Ok(())
    }
}

impl<F: NorFlash> Store for FlashStore<'_, F> {
    fn load(&mut self, item: Item, buffer: &mut [u8]) -> Result<Option<usize>, StoreError> {
        self.mend()?;
        let loaded = self.load_checked(item, buffer);
        self.mended = loaded.is_ok();
        loaded
    }

    fn store(&mut self, item: Item, bytes: &[u8]) -> Result<(), StoreError> {
        if bytes.len() > self.longest_item {
            return Err(StoreError::Full);
        }
        self.mend()?;
        let stored = self.store_checked(item, bytes);
        self.mended = stored.is_ok();
        stored
    }
}

impl<F: NorFlash> FlashStore<'_, F> {
    fn load_checked(&mut self, item: Item, buffer: &mut [u8]) -> Result<Option<usize>, StoreError> {
        let noted = self.noted_version(item)?;
        match self.fetch(item.key())? {
            Some(found) if noted.is_none_or(|noted| found.number >= noted) => {
                let (number, length) = (found.number, found.bytes.len());
                buffer.get_mut(..length).ok_or(StoreError::Damaged)?.copy_from_slice(found.bytes);
                if noted != Some(number) {
                    match self.note(item, number) {
                        Ok(()) | Err(StoreError::Full) => {}
                        Err(error) => return Err(error),
                    }
                }
                Ok(Some(length))
            }
            None if noted.is_none() => Ok(None),
            _ => Err(StoreError::Damaged),
        }
    }

    /// An item, then the note of its version. The number is above that of a version whose note was never stored, and of
    /// one that has gone bad.
    fn store_checked(&mut self, item: Item, bytes: &[u8]) -> Result<(), StoreError> {
        let noted = self.noted_version(item)?.unwrap_or_default();
        let found = self.fetch(item.key())?.map_or(0, |found| found.number);
        let number = noted.max(found).saturating_add(1);
        at_once(self.map.store_item(self.buffer, &item.key(), &Version { number, bytes }))?;
        if self.fetch(item.key())? != Some(Version { number, bytes }) {
            return Err(StoreError::Damaged);
        }
        self.note(item, number)
    }

    /// From now on an older version of the item is damage.
    fn note(&mut self, item: Item, number: u32) -> Result<(), StoreError> {
        at_once(self.map.store_item(self.buffer, &(item.key() | NOTE), &Version { number, bytes: &[] }))
    }

    fn noted_version(&mut self, item: Item) -> Result<Option<u32>, StoreError> {
        Ok(self.fetch(item.key() | NOTE)?.map(|note| note.number))
    }

    fn fetch(&mut self, key: u32) -> Result<Option<Version<'_>>, StoreError> {
        at_once(self.map.fetch_item(self.buffer, &key))
    }
}

/// A version of an item as the map has it: a number, then the item.
#[derive(PartialEq)]
struct Version<'a> {
    number: u32,
    bytes: &'a [u8],
}

impl<'a> Value<'a> for Version<'a> {
    fn serialize_into(&self, buffer: &mut [u8]) -> Result<usize, SerializationError> {
        let (number, rest) = buffer.split_first_chunk_mut().ok_or(SerializationError::BufferTooSmall)?;
        let place = rest.get_mut(..self.bytes.len()).ok_or(SerializationError::BufferTooSmall)?;
        *number = self.number.to_le_bytes();
        place.copy_from_slice(self.bytes);
        Ok(number.len() + self.bytes.len())
    }

    fn deserialize_from(buffer: &'a [u8]) -> Result<(Self, usize), SerializationError> {
        let (number, bytes) = buffer.split_first_chunk().ok_or(SerializationError::BufferTooSmall)?;
        Ok((Version { number: u32::from_le_bytes(*number), bytes }, buffer.len()))
    }
}

/// What comes of a future that never waits, as none does over blocking flash. [`StoreError::Slow`] if it did: it is then
/// dropped, which is no worse than a power cut.
fn at_once<T, E>(future: impl Future<Output = Result<T, MapError<E>>>) -> Result<T, StoreError> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Pending => Err(StoreError::Slow),
        Poll::Ready(result) => result.map_err(|error| match error {
            MapError::FullStorage | MapError::ItemTooBig => StoreError::Full,
            // The map has tried to repair it. Items that are longer than any, or too short for a key, or erased, are not
            // what this store puts there either.
            MapError::Corrupted { .. }
            | MapError::BufferTooSmall(_)
            | MapError::SerializationError(_)
            | MapError::LogicBug { .. } => StoreError::Damaged,
            _ => StoreError::Failed,
        }),
    }
}

/// Bytes that are aligned as some flash wants them.
#[repr(align(4))]
struct Aligned<const LENGTH: usize>([u8; LENGTH]);

/// The map's view of the flash: pages from address 0 on, each without its mark.
struct Pages<F> {
    flash: F,
    /// The address of the first page.
    start: u32,
    count: u32,
}

impl<F: NorFlash> Pages<F> {
    /// The longer of the words for reading and for writing: all that is stored begins at a multiple of it.
    const WORD_LENGTH: usize = if F::WRITE_SIZE > F::READ_SIZE { F::WRITE_SIZE } else { F::READ_SIZE };

    /// A mark, rounded up to words.
    const MARK_LENGTH: usize = MARK.next_multiple_of(Self::WORD_LENGTH);

    /// What the map sees of a page.
    const SEEN_LENGTH: usize = F::ERASE_SIZE.saturating_sub(Self::MARK_LENGTH);

    /// The longest item with its key, rounded up to words, that fits on a page with its header and the page's two markers.
    const LONGEST: usize = Self::SEEN_LENGTH
        .saturating_sub(2 * Self::WORD_LENGTH + ITEM_HEADER.next_multiple_of(Self::WORD_LENGTH));

    const PAGE: u32 = as_address(F::ERASE_SIZE);
    const SEEN: u32 = as_address(Self::SEEN_LENGTH);
    const WORD: u32 = as_address(Self::WORD_LENGTH);

    /// The address in the flash of what the map takes to be at `address`.
    fn physical(&self, address: u32) -> u32 {
        self.address(address / Self::SEEN) + address % Self::SEEN
    }

    /// Where a page begins.
    fn address(&self, page: u32) -> u32 {
        self.start + page * Self::PAGE
    }

    fn before(&self, page: u32) -> u32 {
        page.checked_sub(1).unwrap_or(self.count - 1)
    }

    fn after(&self, page: u32) -> u32 {
        (page + 1) % self.count
    }

    /// Whether there is nothing but erased words in this part of a page.
    fn is_blank(&mut self, page: u32, part: Range<u32>) -> Result<bool, F::Error> {
        let mut bytes = Aligned([0; LONGEST_WORD]);
        let step = LONGEST_WORD / Self::WORD_LENGTH * Self::WORD_LENGTH;
        let mut address = self.address(page) + part.start;
        let end = self.address(page) + part.end;
        while address < end {
            let length = step.min((end - address) as usize);
            self.flash.read(address, &mut bytes.0[..length])?;
            if bytes.0[..length].iter().any(|byte| *byte != 0xFF) {
                return Ok(false);
            }
            address += as_address(length);
        }
        Ok(true)
    }

    /// Whether a page is in use: whether its first marker counts as written for the map, of which a few bits may flip.
    fn is_begun(&mut self, page: u32) -> Result<bool, F::Error> {
        let mut bytes = Aligned([0; LONGEST_WORD]);
        let marker = &mut bytes.0[..F::READ_SIZE];
        self.flash.read(self.start + page * Self::PAGE, marker)?;
        Ok(marker.iter().map(|byte| byte.count_zeros()).sum::<u32>() >= 4)
    }

    /// Whether a page is full: whether anything was programmed of its last marker.
    fn is_ended(&mut self, page: u32) -> Result<bool, F::Error> {
        Ok(!self.is_blank(page, Self::SEEN - Self::WORD..Self::SEEN)?)
    }

    /// Whether a page is the one that items are written to.
    fn is_current(&mut self, page: u32) -> Result<bool, F::Error> {
        Ok(self.is_begun(page)? && !self.is_ended(page)?)
    }

    /// The number in a page's mark, if it is whole.
    fn mark(&mut self, page: u32) -> Result<Option<u32>, F::Error> {
        let mut bytes = Aligned([0; LONGEST_WORD]);
        self.flash.read(self.address(page) + Self::SEEN, &mut bytes.0[..Self::MARK_LENGTH])?;
        let [a, b, c, d, e, f, g, h, ..] = bytes.0;
        let number = u32::from_le_bytes([a, b, c, d]);
        // These would be a word of zeros and a blank one, which flash may hold that programs before it erases.
        let possible = number != 0 && number != u32::MAX;
        Ok((possible && number == !u32::from_le_bytes([e, f, g, h])).then_some(number))
    }

    /// The page with the highest mark, and the mark. Its writing was the last, so that page is intact.
    fn newest_mark(&mut self) -> Result<Option<(u32, u32)>, F::Error> {
        let mut newest = None;
        for page in 0..self.count {
            if let Some(number) = self.mark(page)?
                && newest.is_none_or(|(_, highest)| number > highest)
            {
                newest = Some((page, number));
            }
        }
        Ok(newest)
    }

    /// Notes that what counts of the page after this one has been copied to it.
    fn write_mark(&mut self, page: u32) -> Result<(), F::Error> {
        let number = self.newest_mark()?.map_or(1, |(_, highest)| highest.saturating_add(1));
        let mut bytes = Aligned([0xFF; LONGEST_WORD]);
        bytes.0[..4].copy_from_slice(&number.to_le_bytes());
        bytes.0[4..MARK].copy_from_slice(&(!number).to_le_bytes());
        self.flash.write(self.address(page) + Self::SEEN, &bytes.0[..Self::MARK_LENGTH])
    }

    fn erase_page(&mut self, page: u32) -> Result<(), F::Error> {
        let address = self.address(page);
        self.flash.erase(address, address + Self::PAGE)
    }

    /// Erases a page for the map.
    ///
    /// The map erases the page after the current one when it has copied what counts, which is noted before. The other page
    /// that it ever erases is the current one, to begin copying anew: until that is done, the next page has everything.
    fn erase_for_map(&mut self, page: u32) -> Result<(), F::Error> {
        let before = self.before(page);
        if !self.is_current(page)?
            && self.is_current(before)?
            && self.is_blank(before, Self::SEEN..Self::PAGE)?
        {
            self.write_mark(before)?;
        }
        self.erase_page(page)
    }

    /// Erases again what may have been half erased, and blanks what the map will take to be blank.
    fn mend(&mut self) -> Result<(), F::Error> {
        let copied = match self.newest_mark()? {
            // From when the page is full, the next one is in use.
            Some((page, _)) if !self.is_ended(page)? => Some(self.after(page)),
            _ => None,
        };
        for page in 0..self.count {
            if (copied == Some(page) || !self.is_begun(page)?) && !self.is_blank(page, 0..Self::PAGE)? {
                self.erase_page(page)?;
            }
        }
        Ok(())
    }

    /// Erases all pages, the one with the oldest items first, so that if not all goes well, newer versions of an item
    /// outlive older ones but for those on one page.
    fn erase_all(&mut self) -> Result<(), F::Error> {
        let mut current = 0;
        for page in 0..self.count {
            let after = self.after(page);
            if self.is_begun(page)? && (!self.is_ended(page)? || !self.is_begun(after)?) {
                current = page;
            }
        }
        for _ in 0..self.count {
            current = self.after(current);
            self.erase_page(current)?;
        }
        Ok(())
    }
}

impl<F: NorFlash> ErrorType for Pages<F> {
    type Error = F::Error;
}

impl<F: NorFlash> asynchronous::ReadNorFlash for Pages<F> {
    const READ_SIZE: usize = F::READ_SIZE;

    async fn read(&mut self, address: u32, bytes: &mut [u8]) -> Result<(), F::Error> {
        // The map would count the last marker as written from four bits on. Fewer can be there after a power cut; the map
        // would write it once more, which not all flash allows.
        if address % Self::SEEN >= Self::SEEN - Self::WORD {
            let ended = self.is_ended(address / Self::SEEN)?;
            bytes.fill(if ended { 0 } else { 0xFF });
            return Ok(());
        }
        self.flash.read(self.physical(address), bytes)
    }

    fn capacity(&self) -> usize {
        (self.count * Self::SEEN) as usize
    }
}

impl<F: NorFlash> asynchronous::NorFlash for Pages<F> {
    const WRITE_SIZE: usize = F::WRITE_SIZE;
    const ERASE_SIZE: usize = Self::SEEN_LENGTH;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), F::Error> {
        (from / Self::SEEN..to / Self::SEEN).try_for_each(|page| self.erase_for_map(page))
    }

    async fn write(&mut self, address: u32, bytes: &[u8]) -> Result<(), F::Error> {
        self.flash.write(self.physical(address), bytes)
    }
}

/// A length as part of an address, which in flash has 32 bits.
#[expect(clippy::cast_possible_truncation, reason = "addresses of flash have 32 bits")]
const fn as_address(length: usize) -> u32 {
    length as u32
}
