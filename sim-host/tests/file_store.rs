//! The store in a directory of the operating system. What a power cut does to it is tested in its module.

use std::fs;

use pawl_core::store::{Item, Store, StoreError};
use pawl_sim_host::file_store::{FileStore, OpenError};

#[test]
fn items_are_read_back_and_outlive_the_store() {
    // B1
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("does/not/exist/yet");
    let mut store = FileStore::open(&path).unwrap();
    let mut buffer = [0; 9];
    assert_eq!(store.load(Item::Device, &mut buffer), Ok(None));
    store.store(Item::Device, b"old").unwrap();
    store.store(Item::Session(1), b"session").unwrap();
    store.store(Item::Device, b"device").unwrap();
    drop(store);

    // A crash may leave this.
    fs::write(path.join("session-00001.new"), b"torn").unwrap();
    let mut store = FileStore::open(&path).unwrap();
    assert_eq!(store.load(Item::Device, &mut buffer), Ok(Some(6)));
    assert_eq!(&buffer[..6], b"device");
    assert_eq!(store.load(Item::Session(1), &mut buffer), Ok(Some(7)));
    assert_eq!(&buffer[..7], b"session");
    let mut names: Vec<_> = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["device", "lock", "session-00001"]);

    fs::write(path.join("device"), b"something else").unwrap();
    assert_eq!(store.load(Item::Device, &mut buffer), Err(StoreError::Damaged));
}

#[test]
fn a_store_that_is_open_is_not_opened_again() {
    let place = tempfile::tempdir().unwrap();
    let store = FileStore::open(place.path()).unwrap();
    let error = FileStore::open(place.path()).unwrap_err();
    assert!(matches!(&error, OpenError::InUse(path) if path == place.path()));
    assert_eq!(error.to_string(), format!("{} is in use by another process", place.path().display()));
    drop(store);
    FileStore::open(place.path()).unwrap();
}

#[test]
fn what_went_wrong_can_be_told() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("file");
    fs::write(&file, b"").unwrap();
    assert!(matches!(FileStore::open(&file), Err(OpenError::Failed(_))));

    let path = place.path().join("store");
    let mut store = FileStore::open(&path).unwrap();
    assert!(store.last_error().is_none());
    fs::remove_dir_all(&path).unwrap();
    assert_eq!(store.store(Item::Device, b"device"), Err(StoreError::Failed));
    assert_eq!(store.last_error().unwrap().kind(), std::io::ErrorKind::NotFound);
}

#[cfg(unix)]
#[test]
fn what_is_stored_is_nobody_elses_business() {
    use std::os::unix::fs::PermissionsExt;

    let place = tempfile::tempdir().unwrap();
    FileStore::open(place.path()).unwrap().store(Item::Device, b"device").unwrap();
    let mode = fs::metadata(place.path().join("device")).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0);
}
