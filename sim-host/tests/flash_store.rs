//! The store on flash, with the power cut at every word that is written and every page that is erased (B1).

use std::collections::BTreeMap;

use pawl_core::flash::FlashStore;
use pawl_core::store::{Item, Store, StoreError};
use pawl_sim_host::nor_flash::{EmulatedFlash, TornErase};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The longest item that these tests store.
const LONGEST: usize = 90;

const ITEMS: [Item; 5] =
    [Item::Device, Item::Room(0), Item::Session(0), Item::Room(u16::MAX), Item::Session(u16::MAX)];

/// What must be in the store.
type Expected = BTreeMap<Item, Vec<u8>>;

/// Does something with a store that is opened on the flash, as after a start.
fn with_store<const PAGE: usize, const WORD: usize, const READ: usize, T>(
    flash: &mut EmulatedFlash<PAGE, WORD, READ>,
    act: impl FnOnce(&mut FlashStore<'_, &mut EmulatedFlash<PAGE, WORD, READ>>) -> T,
) -> T {
    let mut buffer = [0; 128];
    let end = u32::try_from(flash.bytes().len()).unwrap();
    act(&mut FlashStore::new(flash, 0..end, LONGEST, &mut buffer).unwrap())
}

fn load(store: &mut impl Store, item: Item) -> Option<Vec<u8>> {
    let mut bytes = vec![0; LONGEST];
    let length = store.load(item, &mut bytes).unwrap()?;
    bytes.truncate(length);
    Some(bytes)
}

#[track_caller]
fn assert_holds(store: &mut impl Store, expected: &Expected) {
    for item in ITEMS {
        assert_eq!(load(store, item), expected.get(&item).cloned(), "{item:?}");
    }
}

/// The items that are stored one after the other, each in one of its versions.
fn stores(count: usize, random: &mut ChaCha8Rng) -> Vec<(Item, Vec<u8>)> {
    (0..count)
        .map(|_| {
            let item = ITEMS[random.random_range(0..ITEMS.len())];
            let length = random.random_range(1..=LONGEST);
            // Bytes that are blank or zero are the ones that could be mistaken for something else.
            let bytes =
                (0..length).map(|_| [0, 0xFF, random.random(), random.random()][random.random_range(0..4)]);
            (item, bytes.collect())
        })
        .collect()
}

/// After a power cut in the midst of storing an item: it is the old one or the new one, which then is what is expected.
#[track_caller]
fn settle<S: Store>(store: &mut S, expected: &mut Expected, item: Item, new: &[u8]) {
    let found = load(store, item);
    if found.as_deref() == Some(new) {
        expected.insert(item, new.to_vec());
    }
    assert_holds(store, expected);
}

/// Cuts the power in each step of each of these stores, then, for half of the outcomes, once more in the midst of what
/// comes next. Flash that programs before it erases is spared the second cut.
fn cut_everywhere<const PAGE: usize, const WORD: usize, const READ: usize>(
    pages: usize,
    count: usize,
    outcomes: u64,
    torn_erase: TornErase,
) {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let stores = stores(count + 6, &mut random);
    let mut sound = EmulatedFlash::<PAGE, WORD, READ>::new(pages, 0).with_torn_erase(torn_erase);
    let mut expected = Expected::new();
    let mut cuts = 0;
    for (index, (item, bytes)) in stores.iter().enumerate().take(count) {
        let mut next = sound.clone();
        with_store(&mut next, |store| store.store(*item, bytes)).unwrap();
        for step in 0..next.steps() - sound.steps() {
            for outcome in 0..outcomes {
                let seed = (cuts << 8) | outcome;
                let mut flash = sound.clone().with_seed(seed);
                flash.cut_after(step);
                let result = with_store(&mut flash, |store| store.store(*item, bytes));
                assert_eq!(result, Err(StoreError::Failed));
                flash.power_on();

                let mut expected = expected.clone();
                let (again, new) = &stores[index + 1];
                // Half of the time there is no second cut, as it might hide what the first one did.
                if outcome % 2 == 0 && torn_erase == TornErase::SetsBits {
                    flash.cut_after(random.random_range(0..40));
                    let results =
                        with_store(&mut flash, |store| [store.store(*item, bytes), store.store(*again, new)]);
                    flash.power_on();
                    with_store(&mut flash, |store| {
                        // What of the first is in doubt is not after the second was begun.
                        if results[0].is_ok() {
                            expected.insert(*item, bytes.clone());
                            settle(store, &mut expected, *again, new);
                        } else {
                            settle(store, &mut expected, *item, bytes);
                        }
                    });
                }
                with_store(&mut flash, |store| {
                    settle(store, &mut expected, *item, bytes);
                    for (item, bytes) in &stores[index + 1..index + 6] {
                        store.store(*item, bytes).unwrap();
                        expected.insert(*item, bytes.clone());
                        assert_holds(store, &expected);
                    }
                });
                assert_eq!(flash.faults(), 0, "no word is written twice");
            }
            cuts += 1;
        }
        sound = next;
        expected.insert(*item, bytes.clone());
        with_store(&mut sound, |store| assert_holds(store, &expected));
    }
    assert!(sound.wear().erases.iter().all(|erases| *erases > 0), "every page was in use more than once");
    println!("{cuts} steps, each cut in {outcomes} ways");
}

#[test]
fn a_power_cut_at_any_word_leaves_the_old_item_or_the_new_one() {
    // B1, B6
    cut_everywhere::<1_024, 4, 1>(3, 100, 4, TornErase::SetsBits);
}

#[test]
fn with_as_few_pages_as_can_be() {
    // B1, B6
    cut_everywhere::<1_024, 4, 4>(2, 60, 4, TornErase::SetsBits);
}

#[test]
fn with_longer_words_and_with_bytes() {
    // B1, B6
    cut_everywhere::<1_024, 8, 1>(3, 70, 4, TornErase::SetsBits);
    cut_everywhere::<1_024, 8, 8>(4, 120, 2, TornErase::SetsBits);
    cut_everywhere::<1_024, 32, 1>(3, 70, 4, TornErase::SetsBits);
    cut_everywhere::<1_024, 1, 1>(2, 40, 1, TornErase::SetsBits);
}

#[test]
fn with_flash_that_programs_before_it_erases() {
    // B1, B6
    cut_everywhere::<1_024, 4, 1>(3, 70, 4, TornErase::ProgramsBefore);
    cut_everywhere::<1_024, 8, 1>(2, 50, 4, TornErase::ProgramsBefore);
}

/// Stores so much that every page has been erased, with a power cut in every store: the worst that flash can do twice.
#[test]
fn a_cut_while_the_traces_of_another_are_removed_is_found_at_worst() {
    // B1, B6
    let mut damaged = 0;
    for seed in 0..150 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut flash = EmulatedFlash::<1_024, 4>::new(3, seed).with_torn_erase(TornErase::ProgramsBefore);
        let mut expected = Expected::new();
        'stores: for (item, bytes) in stores(150, &mut random) {
            loop {
                flash.cut_after(random.random_range(0..120));
                let stored = with_store(&mut flash, |store| store.store(item, &bytes));
                flash.power_on();
                match stored {
                    Ok(()) => break,
                    Err(StoreError::Failed) => {}
                    Err(error) => {
                        assert_eq!(error, StoreError::Damaged);
                        damaged += 1;
                        break 'stores;
                    }
                }
                let found = with_store(&mut flash, |store| store.load(item, &mut [0; LONGEST]));
                if found == Err(StoreError::Damaged) {
                    damaged += 1;
                    break 'stores;
                }
                with_store(&mut flash, |store| settle(store, &mut expected, item, &bytes));
            }
            expected.insert(item, bytes);
        }
        assert_eq!(flash.faults(), 0);
    }
    println!("{damaged} of 150 found to be damaged");
}

#[test]
fn random_cuts_in_every_store_lose_nothing() {
    // B1, B6
    for seed in 0..100 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut flash = EmulatedFlash::<1_024, 4>::new(3, seed);
        let mut expected = Expected::new();
        for (item, bytes) in stores(150, &mut random) {
            loop {
                flash.cut_after(random.random_range(0..120));
                let stored = with_store(&mut flash, |store| store.store(item, &bytes));
                flash.power_on();
                if stored.is_ok() {
                    break;
                }
                with_store(&mut flash, |store| settle(store, &mut expected, item, &bytes));
            }
            expected.insert(item, bytes);
        }
        assert_eq!(flash.faults(), 0);
    }
}

#[test]
fn wear_is_spread_over_the_pages() {
    let mut flash = EmulatedFlash::<4_096, 4>::new(8, 0);
    with_store(&mut flash, |store| {
        for (item, bytes) in stores(10_000, &mut ChaCha8Rng::seed_from_u64(1)) {
            store.store(item, &bytes).unwrap();
        }
    });
    let erases = &flash.wear().erases;
    assert!(erases.iter().max().unwrap() - erases.iter().min().unwrap() <= 1, "{erases:?}");
    assert!(*erases.iter().max().unwrap() < 30, "{erases:?}");
}

/// Where in the flash these bytes are last.
fn last_address_of(flash: &[u8], bytes: &[u8]) -> u32 {
    let last = flash.windows(bytes.len()).rposition(|window| window == bytes).unwrap();
    u32::try_from(last).unwrap()
}

#[test]
fn an_item_that_goes_bad_is_damage_and_never_an_older_one() {
    // B5
    let mut flash = EmulatedFlash::<4_096, 4>::new(2, 0);
    with_store(&mut flash, |store| {
        store.store(Item::Device, b"the first version").unwrap();
        store.store(Item::Room(0), b"once and for all").unwrap();
        store.store(Item::Device, b"the second version").unwrap();
        store.store(Item::Room(1), b"what was stored afterwards").unwrap();
    });
    // The header is 16 bytes before the item: its checksum, its length twice, the key, and the version.
    for offset in [0, 3, -1, -4, -8, -10, -12, -16] {
        let mut flash = flash.clone();
        let second = last_address_of(flash.bytes(), b"the second version");
        flash.flip_bit(second.checked_add_signed(offset).unwrap(), 3);
        let only = last_address_of(flash.bytes(), b"once and for all");
        flash.flip_bit(only.checked_add_signed(offset).unwrap(), 3);
        with_store(&mut flash, |store| {
            let mut bytes = [0; LONGEST];
            assert_eq!(store.load(Item::Device, &mut bytes), Err(StoreError::Damaged), "{offset}");
            assert_eq!(store.load(Item::Room(0), &mut bytes), Err(StoreError::Damaged), "{offset}");
            assert_eq!(load(store, Item::Room(1)).as_deref(), Some(b"what was stored afterwards".as_slice()));
            store.store(Item::Device, b"the third version").unwrap();
            assert_eq!(load(store, Item::Device).as_deref(), Some(b"the third version".as_slice()));
        });
    }
}

#[test]
fn an_item_whose_storing_was_cut_off_is_not_taken_back_once_it_was_loaded() {
    // B5
    let mut before = EmulatedFlash::<512, 4>::new(4, 0);
    with_store(&mut before, |store| store.store(Item::Device, b"the first version")).unwrap();
    let second = b"the second version";
    let mut whole = before.clone();
    with_store(&mut whole, |store| store.store(Item::Device, second)).unwrap();
    let mut cut_before_the_note = 0;
    for step in 0..whole.steps() - before.steps() {
        let mut flash = before.clone();
        flash.cut_after(step);
        with_store(&mut flash, |store| store.store(Item::Device, second)).unwrap_err();
        flash.power_on();
        if with_store(&mut flash, |store| load(store, Item::Device)).as_deref() == Some(second) {
            cut_before_the_note += 1;
            let address = last_address_of(flash.bytes(), second);
            flash.flip_bit(address, 3);
            let loaded = with_store(&mut flash, |store| store.load(Item::Device, &mut [0; LONGEST]));
            assert_eq!(loaded, Err(StoreError::Damaged), "cut after {step}");
        }
    }
    assert!(cut_before_the_note > 1);
}

#[test]
fn no_bit_of_the_flash_brings_back_an_older_item() {
    // B5
    let mut flash = EmulatedFlash::<512, 4>::new(4, 0);
    let mut expected = Expected::new();
    let mut random = ChaCha8Rng::seed_from_u64(3);
    with_store(&mut flash, |store| {
        for (item, bytes) in stores(25, &mut random) {
            store.store(item, &bytes).unwrap();
            expected.insert(item, bytes);
        }
    });
    for address in 0..flash.bytes().len() {
        for bit in [0, 5] {
            let mut flash = flash.clone();
            flash.flip_bit(u32::try_from(address).unwrap(), bit);
            with_store(&mut flash, |store| {
                for item in ITEMS {
                    let mut bytes = [0; LONGEST];
                    match store.load(item, &mut bytes) {
                        Ok(length) => {
                            let found = length.map(|length| &bytes[..length]);
                            assert_eq!(found, expected.get(&item).map(Vec::as_slice), "{address} {item:?}");
                        }
                        Err(error) => assert_eq!(error, StoreError::Damaged),
                    }
                }
            });
        }
    }
}

#[test]
fn erasing_is_a_first_start_and_an_interrupted_one_is_done_again() {
    let mut full = EmulatedFlash::<1_024, 4>::new(3, 0);
    with_store(&mut full, |store| {
        for (item, bytes) in stores(100, &mut ChaCha8Rng::seed_from_u64(1)) {
            store.store(item, &bytes).unwrap();
        }
    });
    for step in 0..=3 {
        let mut flash = full.clone();
        flash.cut_after(step);
        assert_eq!(with_store(&mut flash, |store| store.erase()).is_ok(), step == 3);
        flash.power_on();
        with_store(&mut flash, |store| {
            store.erase().unwrap();
            assert_holds(store, &Expected::new());
            store.store(Item::Device, &[1]).unwrap();
            assert_eq!(load(store, Item::Device), Some(vec![1]));
        });
    }
}

#[test]
fn flash_that_held_something_else_can_be_erased() {
    let mut flash = EmulatedFlash::<1_024, 4>::new(3, 0);
    embedded_storage::nor_flash::NorFlash::write(&mut flash, 0, &[0; 3 * 1_024]).unwrap();
    with_store(&mut flash, |store| {
        assert_eq!(store.load(Item::Device, &mut [0; LONGEST]), Err(StoreError::Damaged));
        assert_eq!(store.store(Item::Device, &[1]), Err(StoreError::Damaged));
        store.erase().unwrap();
        assert_eq!(load(store, Item::Device), None);
        store.store(Item::Device, &[1]).unwrap();
    });
    assert_eq!(flash.faults(), 0);
}

/// The most words that one `store` writes, and the most pages that one erases, from the first item on: of random ones,
/// or with `one_changes` of a single session, while all others lie where they are until the log comes round to them.
fn dearest_store(pages: usize, rooms: u16, one_changes: bool) -> Result<(u64, u64), StoreError> {
    const SESSION: usize = 1_109;
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut flash = EmulatedFlash::<4_096, 4>::new(pages, 0);
    let mut buffer = vec![0; SESSION + 16];
    let end = u32::try_from(flash.bytes().len()).unwrap();
    let mut items = vec![(Item::Device, 24)];
    items.extend((0..rooms).flat_map(|room| [(Item::Room(room), 284), (Item::Session(room), SESSION)]));
    let mut dearest = (0, 0);
    for number in 0..items.len() + 1_500 {
        let (item, length) = match items.get(number) {
            Some(first) => *first,
            None if one_changes => items[2],
            None => items[random.random_range(0..items.len())],
        };
        let before = (flash.steps(), flash.wear().pages_erased());
        let mut store = FlashStore::new(&mut flash, 0..end, SESSION, &mut buffer).unwrap();
        store.store(item, &vec![7; length])?;
        let erases = flash.wear().pages_erased() - before.1;
        let words = flash.steps() - before.0 - erases;
        dearest = (dearest.0.max(words), dearest.1.max(erases));
    }
    Ok(dearest)
}

#[test]
fn what_one_store_costs_at_most_is_as_the_documentation_says() {
    let measured = [(32, 16), (12, 16), (8, 16), (5, 8)].map(|(pages, rooms)| {
        (pages, rooms, dearest_store(pages, rooms, false), dearest_store(pages, rooms, true))
    });
    // docs/storage.md has these figures.
    let documented = [
        (32, 16, Ok((576, 1)), Ok((5_341, 6))),
        (12, 16, Ok((1_389, 2)), Ok((5_341, 6))),
        (8, 16, Err(StoreError::Full), Ok((5_341, 6))),
        (5, 8, Ok((3_236, 4)), Ok((2_409, 3))),
    ];
    assert_eq!(measured, documented);
}
