//! Backup and restore.

use super::housekeeping::run;
use crate::{
    domain::{KeyId, Logged, ProfileName},
    store::{
        Change, KeyRecord, ProfileLock, Restored, Revocations, RunFilter, Store, StoreError, Wake, backup,
        restore, testing::*,
    },
};
use std::{io::Cursor, path::Path};

fn profile(name: &str) -> ProfileName {
    ProfileName::parse(name).unwrap()
}

async fn everything(store: &Store) -> Vec<Vec<Logged>> {
    let mut logs = Vec::new();
    for record in store.runs(&RunFilter { limit: 100, ..RunFilter::default() }).unwrap() {
        if record.status.is_terminal() {
            logs.push(read_all(store, record.run_id, 0).await);
        }
    }
    logs
}

fn restored(state: &Path, text: &[u8]) -> Result<Restored, StoreError> {
    let lock = ProfileLock::acquire(state).unwrap();
    restore(state, &profile("alice"), &lock, &mut Cursor::new(text))
}

fn backed_up(store: &Store) -> (u64, Vec<u8>) {
    let mut text = Vec::new();
    let count = backup(store, &profile("alice"), &mut text).unwrap();
    (count, text)
}

#[tokio::test]
async fn a_damaged_store_is_restored_from_a_backup_and_nothing_less_than_a_whole_one() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    run(&store, &["one ", "two"], "one two").await;
    run(&store, &[], &"large ".repeat(400_000)).await;
    let (parked, mut log) = running(&store).await;
    log.delta(delta("half")).unwrap();
    let before = everything(&store).await;
    let (count, text) = backed_up(&store);
    assert!(count > 10);
    drop(log);

    // Nothing is left in the journal that could make it whole.
    store.0.bench().checkpoint(&store.0).unwrap();
    let copy = crash(dir.path());
    std::fs::write(copy.path().join("db/db"), b"").unwrap();
    let lines = text.iter().filter(|&&byte| byte == b'\n').count();
    let cut: Vec<u8> =
        text.split_inclusive(|&byte| byte == b'\n').take(lines - 1).flatten().copied().collect();
    let mut altered = text.clone();
    let at = altered.windows(3).position(|three| three == b"one").unwrap();
    altered[at] = b'O';
    let cases = [
        ("empty", Vec::new()),
        ("not a backup", b"{}\n".to_vec()),
        ("without its last line", cut),
        ("cut in a line", text[..text.len() / 2].to_vec()),
        ("altered", altered),
        ("twice", text.repeat(2)),
        ("not text", vec![0xff; 100]),
    ];
    for (case, bytes) in cases {
        let refused = restored(copy.path(), &bytes).unwrap_err();
        assert!(matches!(refused, StoreError::BadBackup(_) | StoreError::Io(_)), "{case}: {refused:?}");
        assert!(!copy.path().join("db.restore").exists(), "{case}");
        assert_eq!(std::fs::metadata(copy.path().join("db/db")).unwrap().len(), 0, "{case}: untouched");
    }
    let done = restored(copy.path(), &text).unwrap();
    assert_eq!(done.records, count);
    assert!(matches!(done.revocations, Revocations::Lost(StoreError::Damaged(_))), "{done:?}");

    let after = open(copy.path());
    assert_eq!(everything(&after).await, before);
    let found = after.open_runs().unwrap().remove(0);
    assert_eq!((found.spec, found.record.text.as_str()), ((*parked).clone(), "half"));
    let kept = std::fs::read_dir(copy.path()).unwrap().filter(|entry| {
        entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("db.before-restore-")
    });
    assert_eq!(kept.count(), 1);
    // The restored store goes on like any other, and its backup is the same but for what is new.
    run(&after, &["x"], "x").await;
    assert_eq!(everything(&after).await.len(), before.len() + 1);
}

#[tokio::test]
async fn a_backup_names_its_profile_and_no_other_takes_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    run(&store, &[], "alice's").await;
    let (count, text) = backed_up(&store);
    let first = text.split(|&byte| byte == b'\n').next().unwrap();
    assert_eq!(String::from_utf8_lossy(first), r#"{"hermes_backup":1,"profile":"alice"}"#);

    let other = tempfile::tempdir().unwrap();
    let lock = ProfileLock::acquire(other.path()).unwrap();
    let restore_as = |name| restore(other.path(), &profile(name), &lock, &mut Cursor::new(&text));
    let refused = restore_as("bob").unwrap_err().to_string();
    assert_eq!(refused, "this is a backup of `alice`, and `bob` is another profile; nothing was changed");
    assert!(!other.path().join("db").exists());
    // On another machine there is no store before: nothing was revoked there.
    let done = Restored { records: count, revocations: Revocations::Kept(0) };
    assert_eq!(restore_as("alice"), Ok(done));
}

fn key(id: &str, revoked_at: Option<i64>) -> KeyRecord {
    KeyRecord {
        id: KeyId::parse(id).unwrap(),
        name: id.to_owned(),
        phc: String::new(),
        fast_hash: String::new(),
        scopes: Vec::new(),
        tools: None,
        created_at: 1,
        expires_at: None,
        rotated_at: None,
        former: None,
        revoked_at,
    }
}

#[tokio::test]
async fn what_was_revoked_after_the_backup_stays_revoked() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let [kept, early, late, new] = ["aaaaaaaa", "bbbbbbbb", "cccccccc", "dddddddd"];
    let keys = [key(kept, None), key(early, Some(5)), key(late, None)];
    store.commit(keys.into_iter().map(Change::Key).collect()).await.unwrap();
    let (_, text) = backed_up(&store);
    let since = [key(late, Some(9)), key(new, Some(9))];
    store.commit(since.into_iter().map(Change::Key).collect()).await.unwrap();

    let copy = crash(dir.path());
    assert_eq!(restored(copy.path(), &text).unwrap().revocations, Revocations::Kept(1));
    assert_eq!(Wake::read(copy.path()).unwrap().keys, 1);
    let expected = [key(kept, None), key(early, Some(5)), key(late, Some(9))];
    assert_eq!(open(copy.path()).keys().unwrap(), expected);
}

#[tokio::test]
async fn a_key_is_restored_with_the_secret_and_the_rights_that_it_has_now() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let before = KeyRecord { fast_hash: "old".to_owned(), ..key("aaaaaaaa", None) };
    store.commit(vec![Change::Key(before.clone())]).await.unwrap();
    let (_, text) = backed_up(&store);
    let since =
        KeyRecord { fast_hash: "new".to_owned(), tools: Some(Vec::new()), expires_at: Some(9), ..before };
    store.commit(vec![Change::Key(since.clone())]).await.unwrap();

    let copy = crash(dir.path());
    assert_eq!(restored(copy.path(), &text).unwrap().revocations, Revocations::Kept(0));
    assert_eq!(open(copy.path()).keys().unwrap(), [since]);
}

#[tokio::test]
async fn a_key_of_an_earlier_version_is_read() {
    let json = r#"{"id":"aaaaaaaa","name":"x","phc":"p","fast_hash":"f","scopes":["chat"],"created_at":1,"revoked_at":null}"#;
    let expected = KeyRecord {
        name: "x".to_owned(),
        phc: "p".to_owned(),
        fast_hash: "f".to_owned(),
        scopes: vec!["chat".to_owned()],
        ..key("aaaaaaaa", None)
    };
    assert_eq!(serde_json::from_str::<KeyRecord>(json).unwrap(), expected);
}

#[tokio::test]
async fn a_full_disk_of_the_backup_is_not_said_to_be_the_stores() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    run(&store, &["x"], "x").await;
    let mut full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let refused = backup(&store, &profile("alice"), &mut full).unwrap_err();
    assert!(refused.to_string().contains("the backup cannot be written: No space left"), "{refused}");
}
