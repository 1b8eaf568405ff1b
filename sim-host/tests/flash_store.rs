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

/// Cuts the power in each step of each of these stores, then once more in the midst of what comes next.
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
                if outcome % 2 == 0 {
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
fn b1_a_power_cut_at_any_word_leaves_the_old_item_or_the_new_one() {
    cut_everywhere::<1_024, 4, 1>(3, 100, 4, TornErase::SetsBits);
}

#[test]
fn b1_with_as_few_pages_as_can_be() {
    cut_everywhere::<1_024, 4, 4>(2, 100, 4, TornErase::SetsBits);
}

#[test]
fn b1_with_longer_words_and_with_bytes() {
    cut_everywhere::<1_024, 8, 1>(3, 100, 8, TornErase::SetsBits);
    cut_everywhere::<1_024, 8, 8>(4, 120, 8, TornErase::SetsBits);
    cut_everywhere::<1_024, 32, 1>(3, 100, 16, TornErase::SetsBits);
    cut_everywhere::<1_024, 1, 1>(2, 60, 1, TornErase::SetsBits);
}
