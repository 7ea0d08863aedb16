//! What survives, and what a damaged file does.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::event::{PasserRecord, Posture, Source};
use crate::net::Addr;

fn known(n: u8) -> Knowledge {
    let addr = Addr::v4([10, 0, 0, n]);
    let last = Timestamp::new(u64::from(n), 0);
    Knowledge {
        since: Some(Timestamp::new(1, 5)),
        hosts: vec![HostRecord {
            addr,
            shown: vec![("srv".to_owned(), Source::Kerberos, true, false)],
            services: 9,
            guid: Some((1, u64::MAX)),
            client: Some(7),
            last,
        }],
        names: vec![NameRecord {
            addr,
            name: "srv".to_owned(),
            source: Source::Kerberos,
            last,
            ..NameRecord::default()
        }],
        habits: vec![HabitRecord {
            client: addr,
            server: addr,
            ..HabitRecord::default()
        }],
        passers: vec![PasserRecord {
            listener: addr,
            target: addr,
            users: vec!["LAB\\alice".to_owned()],
            ..PasserRecord::default()
        }],
        posture: vec![Posture {
            kind: "smb_unsigned".to_owned(),
            host: addr,
            ..Posture::default()
        }],
    }
}

#[test]
fn what_is_put_is_there_after_a_restart_and_what_is_gone_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("a/b");
    let (store, said) = Store::open(&state).unwrap();
    assert_eq!((store.get().unwrap(), said), (Knowledge::default(), None));
    store.put(&known(1)).unwrap();
    store.put(&known(2)).unwrap();
    drop(store);
    let (store, said) = Store::open(&state).unwrap();
    assert_eq!((store.get().unwrap(), said), (known(2), None));
    let path = state.join("identity.redb");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(&state)), (0o600, 0o700));
}

/// The process dies between two copies: the file is as the last commit left it.
#[test]
fn a_crash_leaves_the_last_copy() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(dir.path()).unwrap();
    store.put(&known(1)).unwrap();
    // What a dying process leaves: never closed, and a transaction that was not committed.
    let tx = store.db.begin_write().unwrap();
    tx.open_table(HOSTS)
        .unwrap()
        .insert("x", b"half".as_slice())
        .unwrap();
    let copy = tempfile::tempdir().unwrap();
    let name = "identity.redb";
    std::fs::copy(dir.path().join(name), copy.path().join(name)).unwrap();
    let (again, said) = Store::open(copy.path()).unwrap();
    assert_eq!((again.get().unwrap(), said), (known(1), None));
}

#[test]
fn a_file_that_cannot_be_read_is_set_aside() {
    let whole = {
        let dir = tempfile::tempdir().unwrap();
        Store::open(dir.path()).unwrap().0.put(&known(1)).unwrap();
        std::fs::read(dir.path().join("identity.redb")).unwrap()
    };
    let mut torn = whole.clone();
    torn.truncate(whole.len() / 3);
    let mut scrambled = whole;
    scrambled.iter_mut().for_each(|b| *b ^= 0x5a);
    for bytes in [b"no database".to_vec(), torn, scrambled] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("identity.redb");
        std::fs::write(&path, &bytes).unwrap();
        let (store, said) = Store::open(dir.path()).unwrap();
        assert!(said.unwrap().contains("learning begins anew"));
        assert_eq!(store.get().unwrap(), Knowledge::default());
        let aside = dir.path().join("identity.redb.corrupt");
        assert!(std::fs::metadata(aside).is_ok());
        store.put(&known(3)).unwrap();
        assert_eq!(store.get().unwrap(), known(3));
    }
}

#[test]
fn two_at_once_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let _one = Store::open(dir.path()).unwrap();
    let e = Store::open(dir.path()).unwrap_err().to_string();
    assert!(e.contains("another relaywatch uses it"), "{e}");
}
