//! NOR flash in memory that is as strict as the real one, and whose power can be cut in the midst of a word.
//!
//! Erasing sets all bits of a page; writing clears bits, a word at a time, and each word once between two erases. What
//! real flash would do wrong silently, or report as it likes, is an error here and is [counted](EmulatedFlash::faults).
//!
//! Every word written and every page erased is a *step*. Two runs from clones of the same flash take the same steps, so a
//! test can count those of a sound run and then [cut the power](EmulatedFlash::cut_after) in each of them. What an
//! interrupted step leaves behind is random, from the seed.

use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash, check_erase, check_read, check_write,
};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Why the flash did not do what it was asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FlashError {
    /// The address or the length is not a multiple of what it has to be.
    NotAligned,
    /// There is no such address.
    OutOfBounds,
    /// A write would have had to set a bit of the word at this address, which only erasing does.
    SetsBits(u32),
    /// The word at this address has been written since it was erased.
    WrittenTwice(u32),
    /// There is no power.
    PowerCut,
}

impl std::fmt::Display for FlashError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            FlashError::NotAligned => f.write_str("the address or the length is not aligned"),
            FlashError::OutOfBounds => f.write_str("the address is not within the flash"),
            FlashError::SetsBits(address) => write!(f, "writing the word at {address:#x} would set bits"),
            FlashError::WrittenTwice(address) => write!(f, "the word at {address:#x} is written twice"),
            FlashError::PowerCut => f.write_str("the power is cut"),
        }
    }
}

impl std::error::Error for FlashError {}

impl NorFlashError for FlashError {
    fn kind(&self) -> NorFlashErrorKind {
        match self {
            FlashError::NotAligned => NorFlashErrorKind::NotAligned,
            FlashError::OutOfBounds => NorFlashErrorKind::OutOfBounds,
            _ => NorFlashErrorKind::Other,
        }
    }
}

impl From<NorFlashErrorKind> for FlashError {
    fn from(kind: NorFlashErrorKind) -> Self {
        match kind {
            NorFlashErrorKind::NotAligned => FlashError::NotAligned,
            _ => FlashError::OutOfBounds,
        }
    }
}

/// What an interrupted erase may leave of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TornErase {
    /// Bits that were clear are set, or not yet.
    SetsBits,
    /// Any of it may be zero as well: some flash programs a page before it erases it, so that it wears evenly.
    ProgramsBefore,
}

/// What has been done with a flash.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wear {
    /// How many words were written, an interrupted one included.
    pub words_written: u64,
    /// How often each page was erased, interrupted erases included.
    pub erases: Vec<u64>,
}

impl Wear {
    /// How many pages were erased.
    #[must_use]
    pub fn pages_erased(&self) -> u64 {
        self.erases.iter().sum()
    }
}

/// Flash with pages of `PAGE` bytes, written in words of `WORD` bytes and read in units of `READ`.
///
/// A clone is a snapshot: with the same power, the same randomness and the same counters.
#[derive(Clone, Debug)]
pub struct EmulatedFlash<const PAGE: usize = 4_096, const WORD: usize = 4, const READ: usize = 1> {
    bytes: Vec<u8>,
    /// For each word whether it was written since it was erased.
    written: Vec<bool>,
    multiwrite: bool,
    torn_erase: TornErase,
    wear: Wear,
    faults: u64,
    /// How many steps the power lasts for, if it is going to be cut.
    steps_left: Option<u64>,
    powered: bool,
    random: ChaCha8Rng,
}

impl<const PAGE: usize, const WORD: usize, const READ: usize> EmulatedFlash<PAGE, WORD, READ> {
    /// Blank flash of some pages. What interrupted steps leave behind comes from the seed.
    #[must_use]
    pub fn new(pages: usize, seed: u64) -> Self {
        EmulatedFlash {
            bytes: vec![0xFF; pages * PAGE],
            written: vec![false; pages * PAGE / WORD],
            multiwrite: false,
            torn_erase: TornErase::SetsBits,
            wear: Wear { words_written: 0, erases: vec![0; pages] },
            faults: 0,
            steps_left: None,
            powered: true,
            random: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    /// The same, but a word may be written again as long as that clears bits only.
    #[must_use]
    pub fn allowing_multiwrite(mut self) -> Self {
        self.multiwrite = true;
        self
    }

    /// The same with other remains of interrupted erases.
    #[must_use]
    pub fn with_torn_erase(mut self, torn_erase: TornErase) -> Self {
        self.torn_erase = torn_erase;
        self
    }

    /// The same with other randomness from here on.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.random = ChaCha8Rng::seed_from_u64(seed);
        self
    }

    /// Cuts the power after `steps` more words written or pages erased: the step after these is interrupted.
    pub fn cut_after(&mut self, steps: u64) {
        self.steps_left = Some(steps);
    }

    /// Puts the power on again. A cut that has not come about is called off.
    pub fn power_on(&mut self) {
        self.powered = true;
        self.steps_left = None;
    }

    /// Whether there is power.
    #[must_use]
    pub fn is_powered(&self) -> bool {
        self.powered
    }

    /// How many words were written and pages erased, interrupted ones included.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.wear.words_written + self.wear.pages_erased()
    }

    /// What was done with the flash.
    #[must_use]
    pub fn wear(&self) -> &Wear {
        &self.wear
    }

    /// How many operations were refused because flash does not do such a thing, whether or not anyone heeded the error.
    #[must_use]
    pub fn faults(&self) -> u64 {
        self.faults
    }

    /// What is in the flash, without reading it.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Makes a bit go bad. Neither a step nor a write.
    ///
    /// # Panics
    /// When there is no such bit.
    pub fn flip_bit(&mut self, address: u32, bit: u32) {
        self.bytes[address as usize] ^= 1 << bit;
    }

    fn check_power(&self) -> Result<(), FlashError> {
        if self.powered { Ok(()) } else { Err(FlashError::PowerCut) }
    }

    fn fault<T>(&mut self, error: FlashError) -> Result<T, FlashError> {
        self.faults += 1;
        Err(error)
    }

    fn write_word(&mut self, address: usize, new: &[u8]) -> Result<(), FlashError> {
        let reported = u32::try_from(address).unwrap_or(u32::MAX);
        let word = address / WORD;
        let old = &self.bytes[address..address + WORD];
        if self.written[word] && !self.multiwrite {
            return self.fault(FlashError::WrittenTwice(reported));
        }
        if old.iter().zip(new).any(|(old, new)| new & !old != 0) {
            return self.fault(FlashError::SetsBits(reported));
        }
        self.wear.words_written += 1;
        if lasts(&mut self.steps_left) {
            self.bytes[address..address + WORD].copy_from_slice(new);
            self.written[word] = true;
            return Ok(());
        }
        self.powered = false;
        // Of the bits to be cleared none, all or some are.
        let outcome = self.random.random_range(0..8);
        for (old, new) in self.bytes[address..address + WORD].iter_mut().zip(new) {
            let kept = match outcome {
                0 => 0xFF,
                1 => 0,
                // Hardly any and nearly all are the ones to look for.
                2 => self.random.random::<u8>() | self.random.random::<u8>() | self.random.random::<u8>(),
                3 => self.random.random::<u8>() & self.random.random::<u8>() & self.random.random::<u8>(),
                _ => self.random.random::<u8>(),
            };
            *old &= new | kept;
        }
        // A word that is blank still may be written: nobody could tell.
        self.written[word] |= self.bytes[address..address + WORD].iter().any(|byte| *byte != 0xFF);
        Err(FlashError::PowerCut)
    }

    fn erase_page(&mut self, page: usize) -> Result<(), FlashError> {
        self.wear.erases[page] += 1;
        let bytes = &mut self.bytes[page * PAGE..(page + 1) * PAGE];
        let written = &mut self.written[page * PAGE / WORD..(page + 1) * PAGE / WORD];
        if lasts(&mut self.steps_left) {
            bytes.fill(0xFF);
            written.fill(false);
            return Ok(());
        }
        self.powered = false;
        let random = &mut self.random;
        if self.torn_erase == TornErase::ProgramsBefore {
            match random.random_range(0..3) {
                0 => {}
                1 => bytes.fill(0),
                _ => words_at_random::<WORD>(bytes, random, 0),
            }
        }
        match random.random_range(0..6) {
            0 => {}
            1 => bytes.fill(0xFF),
            2 => {
                let words = random.random_range(0..=PAGE / WORD);
                bytes[..words * WORD].fill(0xFF);
            }
            3 => {
                let words = random.random_range(0..=PAGE / WORD);
                bytes[words * WORD..].fill(0xFF);
            }
            4 => words_at_random::<WORD>(bytes, random, 0xFF),
            _ => {
                let mut set = vec![0; bytes.len()];
                random.fill_bytes(&mut set);
                bytes.iter_mut().zip(&set).for_each(|(byte, set)| *byte |= set);
            }
        }
        for (written, word) in written.iter_mut().zip(bytes.chunks(WORD)) {
            *written = word.iter().any(|byte| *byte != 0xFF);
        }
        Err(FlashError::PowerCut)
    }
}

/// Whether the power lasts for one more step.
fn lasts(steps_left: &mut Option<u64>) -> bool {
    match steps_left {
        None => true,
        Some(0) => false,
        Some(steps) => {
            *steps -= 1;
            true
        }
    }
}

/// Fills some of the words with a byte.
fn words_at_random<const WORD: usize>(bytes: &mut [u8], random: &mut ChaCha8Rng, byte: u8) {
    for word in bytes.chunks_mut(WORD) {
        if random.random() {
            word.fill(byte);
        }
    }
}

impl<const PAGE: usize, const WORD: usize, const READ: usize> ErrorType for EmulatedFlash<PAGE, WORD, READ> {
    type Error = FlashError;
}

impl<const PAGE: usize, const WORD: usize, const READ: usize> ReadNorFlash
    for EmulatedFlash<PAGE, WORD, READ>
{
    const READ_SIZE: usize = READ;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), FlashError> {
        self.check_power()?;
        if let Err(kind) = check_read(self, offset, bytes.len()) {
            return self.fault(kind.into());
        }
        let start = offset as usize;
        bytes.copy_from_slice(&self.bytes[start..start + bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.bytes.len()
    }
}

impl<const PAGE: usize, const WORD: usize, const READ: usize> NorFlash for EmulatedFlash<PAGE, WORD, READ> {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = PAGE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), FlashError> {
        self.check_power()?;
        if let Err(kind) = check_erase(self, from, to) {
            return self.fault(kind.into());
        }
        (from as usize / PAGE..to as usize / PAGE).try_for_each(|page| self.erase_page(page))
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FlashError> {
        self.check_power()?;
        if let Err(kind) = check_write(self, offset, bytes.len()) {
            return self.fault(kind.into());
        }
        bytes
            .chunks(WORD)
            .zip((offset as usize..).step_by(WORD))
            .try_for_each(|(word, address)| self.write_word(address, word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    type Flash = EmulatedFlash<64, 4>;

    fn blank() -> Flash {
        Flash::new(3, 1)
    }

    fn read(flash: &mut Flash, offset: u32, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        flash.read(offset, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn erased_flash_is_all_ones_and_what_is_written_is_read() {
        let mut flash = blank();
        assert_eq!(read(&mut flash, 0, 192), [0xFF; 192]);
        flash.write(60, &[1, 2, 3, 4, 5, 6, 7, 8]).unwrap();
        assert_eq!(read(&mut flash, 59, 10), [0xFF, 1, 2, 3, 4, 5, 6, 7, 8, 0xFF]);
        flash.erase(0, 64).unwrap();
        assert_eq!(read(&mut flash, 59, 10), [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 5, 6, 7, 8, 0xFF]);
    }

    #[test]
    fn a_word_is_written_once_between_two_erases() {
        let mut flash = blank();
        flash.write(4, &[0xFF; 4]).unwrap();
        assert_eq!(flash.write(4, &[0; 4]), Err(FlashError::WrittenTwice(4)));
        assert_eq!(flash.write(0, &[0; 8]), Err(FlashError::WrittenTwice(4)));
        assert_eq!(read(&mut flash, 0, 8), [0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]);
        assert_eq!(flash.faults(), 2);
        flash.erase(0, 64).unwrap();
        flash.write(4, &[0; 4]).unwrap();
    }

    #[test]
    fn with_multiwrite_a_word_is_written_again_but_no_bit_is_set() {
        let mut flash = blank().allowing_multiwrite();
        flash.write(4, &[0xF0; 4]).unwrap();
        flash.write(4, &[0x30; 4]).unwrap();
        assert_eq!(flash.write(4, &[0x31, 0x30, 0x30, 0x30]), Err(FlashError::SetsBits(4)));
        assert_eq!(read(&mut flash, 4, 4), [0x30; 4]);
        assert_eq!(flash.faults(), 1);
    }

    #[test]
    fn a_bit_that_went_bad_is_not_set_by_writing() {
        let mut flash = blank();
        flash.flip_bit(9, 7);
        assert_eq!(read(&mut flash, 8, 4), [0xFF, 0x7F, 0xFF, 0xFF]);
        assert_eq!(flash.steps(), 0);
        assert_eq!(flash.write(8, &[0xFF; 4]), Err(FlashError::SetsBits(8)));
        flash.write(8, &[0, 0x7F, 0, 0]).unwrap();
    }

    #[test]
    fn alignment_and_bounds_are_checked() {
        let mut flash = blank();
        assert_eq!(flash.write(2, &[0; 4]), Err(FlashError::NotAligned));
        assert_eq!(flash.write(0, &[0; 3]), Err(FlashError::NotAligned));
        assert_eq!(flash.write(192, &[0; 4]), Err(FlashError::OutOfBounds));
        assert_eq!(flash.erase(0, 32), Err(FlashError::NotAligned));
        assert_eq!(flash.erase(0, 256), Err(FlashError::OutOfBounds));
        assert_eq!(flash.erase(128, 64), Err(FlashError::OutOfBounds));
        assert_eq!(flash.read(190, &mut [0; 3]), Err(FlashError::OutOfBounds));
        assert_eq!(EmulatedFlash::<64, 8, 4>::new(1, 0).read(2, &mut [0; 4]), Err(FlashError::NotAligned));
        assert_eq!((flash.faults(), flash.steps()), (7, 0));
    }

    #[test]
    fn words_and_erases_are_counted() {
        let mut flash = blank();
        flash.write(0, &[0; 12]).unwrap();
        flash.erase(64, 192).unwrap();
        flash.erase(64, 128).unwrap();
        assert_eq!(flash.wear(), &Wear { words_written: 3, erases: vec![0, 2, 1] });
        assert_eq!((flash.wear().pages_erased(), flash.steps()), (3, 6));
    }

    #[test]
    fn a_cut_comes_within_a_write_and_nothing_is_done_until_the_power_is_back() {
        let mut flash = blank();
        flash.cut_after(2);
        assert_eq!(flash.write(0, &[0; 16]), Err(FlashError::PowerCut));
        assert!(!flash.is_powered());
        assert_eq!(flash.read(0, &mut [0; 4]), Err(FlashError::PowerCut));
        assert_eq!(flash.write(32, &[0; 4]), Err(FlashError::PowerCut));
        assert_eq!(flash.erase(0, 64), Err(FlashError::PowerCut));
        flash.power_on();
        assert_eq!(read(&mut flash, 0, 8), [0; 8]);
        assert_eq!(read(&mut flash, 12, 4), [0xFF; 4]);
        assert_eq!((flash.steps(), flash.faults()), (3, 0));
        flash.write(12, &[0; 4]).unwrap();
    }

    #[test]
    fn an_interrupted_word_has_none_all_or_some_of_its_bits_cleared() {
        let new = [0x0F, 0xF0, 0x55, 0x00];
        let mut seen = HashSet::new();
        for seed in 0..300 {
            let mut flash = blank().with_seed(seed);
            flash.cut_after(0);
            flash.write(0, &new).unwrap_err();
            flash.power_on();
            let word = read(&mut flash, 0, 4);
            assert!(word.iter().zip(new).all(|(byte, new)| byte & new == new), "only bits to be cleared are");
            // What is not blank counts as written.
            assert_eq!(flash.write(0, &[0; 4]).is_err(), word != [0xFF; 4]);
            seen.insert(word);
        }
        assert!(seen.contains([0xFF; 4].as_slice()) && seen.contains(new.as_slice()) && seen.len() > 100);
    }

    #[test]
    fn an_interrupted_erase_sets_some_bits_of_that_page_alone() {
        let mut full = blank();
        full.write(0, &[0x5A; 192]).unwrap();
        let mut seen = HashSet::new();
        for seed in 0..300 {
            let mut flash = full.clone().with_seed(seed);
            flash.cut_after(1);
            flash.erase(0, 192).unwrap_err();
            flash.power_on();
            let bytes = read(&mut flash, 0, 192);
            assert_eq!((&bytes[..64], &bytes[128..]), ([0xFF; 64].as_slice(), [0x5A; 64].as_slice()));
            assert!(bytes[64..128].iter().all(|byte| byte & 0x5A == 0x5A));
            seen.insert(bytes[64..128].to_vec());
        }
        assert!(
            seen.contains([0xFF; 64].as_slice()) && seen.contains([0x5A; 64].as_slice()) && seen.len() > 50
        );
    }

    #[test]
    fn flash_that_programs_before_it_erases_may_leave_zeros() {
        let outcomes = |torn_erase| {
            (0..100).any(|seed| {
                let mut flash = blank().with_seed(seed).with_torn_erase(torn_erase);
                flash.cut_after(0);
                flash.erase(0, 64).unwrap_err();
                flash.bytes()[..64].iter().any(|byte| *byte == 0)
            })
        };
        assert!(outcomes(TornErase::ProgramsBefore));
        assert!(!outcomes(TornErase::SetsBits));
    }

    #[test]
    fn clones_take_the_same_steps_and_cuts_called_off_do_not_come() {
        let mut flash = blank();
        flash.cut_after(1);
        let mut clone = flash.clone();
        flash.write(0, &[0x12; 8]).unwrap_err();
        clone.write(0, &[0x12; 8]).unwrap_err();
        assert_eq!(flash.bytes(), clone.bytes());

        let mut flash = blank();
        flash.cut_after(0);
        flash.power_on();
        flash.write(0, &[0; 64]).unwrap();
    }
}
