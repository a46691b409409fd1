//! What is acknowledged is in the journal, whatever the database's own file has.

use crate::domain::{RunId, now};
use crate::store::{
    Options, Store, StoreError,
    testing::{completed, crash, open, open_with, options, read_all, running, settled, try_open},
};
use std::{path::Path, time::Duration};

/// A store with one run that ended, all of it in the journal alone.
async fn with_a_run(state: &Path) -> (Store, RunId) {
    let store = open(state);
    let (spec, mut log) = running(&store).await;
    log.append(completed("text"), Vec::new()).unwrap().await.unwrap();
    settled(&store).await;
    (store, spec.run_id)
}

/// Whether a commit lies in the journal.
fn has_journal(state: &Path) -> bool {
    std::fs::read(state.join("journal")).unwrap().iter().take(8).any(|&byte| byte > 0)
}

/// Takes the database's own file back to what it was before the first commit.
fn forget_all(state: &Path) {
    let empty = tempfile::tempdir().unwrap();
    open(empty.path()).close().unwrap();
    std::fs::copy(empty.path().join("db/db"), state.join("db/db")).unwrap();
}

#[tokio::test]
async fn a_database_that_wrote_nothing_of_its_own_is_made_whole_from_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    let (store, run) = with_a_run(dir.path()).await;
    let events = read_all(&store, run, 0).await;
    let copy = crash(dir.path());
    assert!(has_journal(copy.path()));
    forget_all(copy.path());
    let after = open(copy.path());
    assert_eq!(read_all(&after, run, 0).await, events);
    assert!(!has_journal(copy.path()), "it is in the database now");
    after.close().unwrap();
    assert_eq!(read_all(&open(copy.path()), run, 0).await, events);
}

#[tokio::test]
async fn a_journal_that_lost_what_was_acknowledged_is_damage_and_one_that_is_cut_behind_it_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let (_store, run) = with_a_run(dir.path()).await;
    let mut bytes = std::fs::read(dir.path().join("journal")).unwrap();
    let behind = bytes.iter().rposition(|&byte| byte > 0).unwrap() + 1;
    bytes.truncate(behind);
    type Harm = fn(&[u8]) -> Vec<u8>;
    let cases: [(&str, Harm, bool); 6] = [
        ("the half of a commit behind", |bytes| [bytes, &bytes[..40]].concat(), true),
        ("zeroes behind, as a crash may leave them", |bytes| [bytes, &[0; 4096]].concat(), true),
        ("cut within the last commit", |bytes| bytes[..bytes.len() - 1].to_vec(), false),
        ("touched at its beginning", |bytes| [&[bytes[0] ^ 1], &bytes[1..]].concat(), false),
        ("gone", |_| Vec::new(), false),
        ("a length that is none", |_| vec![0xff; 64], false),
    ];
    for (case, harm, whole) in cases {
        let copy = crash(dir.path());
        forget_all(copy.path());
        std::fs::write(copy.path().join("journal"), harm(&bytes)).unwrap();
        match try_open(copy.path(), options()) {
            Ok(store) => {
                assert!(whole, "{case}: opened");
                assert_eq!(read_all(&store, run, 0).await.len(), 2, "{case}");
            }
            Err(error) => {
                assert!(!whole && matches!(error, StoreError::Damaged(_)), "{case}: {error:?}");
                assert_eq!(
                    std::fs::read(copy.path().join("journal")).unwrap(),
                    harm(&bytes),
                    "{case}: untouched"
                );
            }
        }
    }
}

#[tokio::test]
async fn the_journal_is_emptied_by_and_by_and_at_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let soon = Options { checkpoint_after: Duration::from_millis(1), ..options() };
    let store = open_with(dir.path(), soon);
    let (spec, log) = running(&store).await;
    let emptied = async {
        while has_journal(dir.path()) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), emptied).await.unwrap();
    std::mem::forget(log);
    store.close().unwrap();
    drop(store);
    let (store, run) = with_a_run(dir.path()).await;
    assert!(has_journal(dir.path()));
    store.close().unwrap();
    assert!(!has_journal(dir.path()));
    drop(store);
    let store = open(dir.path());
    assert_eq!(store.open_runs().unwrap()[0].record.run_id, spec.run_id);
    assert_eq!(read_all(&store, run, 0).await.len(), 2);
}

#[tokio::test]
async fn a_long_journal_is_emptied_at_once_and_a_copied_database_takes_over_where_it_ends() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_with(dir.path(), Options { compact_floor: 0, ..options() });
    let text = "x".repeat(900_000);
    let mut longest = 0;
    for _ in 0..6 {
        let (_, mut log) = running(&store).await;
        log.append(completed(&text), Vec::new()).unwrap().await.unwrap();
        longest = std::fs::metadata(dir.path().join("journal")).unwrap().len().max(longest);
    }
    assert!(longest < 4 << 20, "{longest} bytes");
    let kept = store.housekeep(now() + 8 * 24 * 3_600_000, &super::housekeeping::retention()).unwrap();
    assert!(kept.compacted);
    // A crash right behind the copy, and one behind commits that came after it.
    assert!(!has_journal(dir.path()));
    drop(open(crash(dir.path()).path()));
    let (last, mut log) = running(&store).await;
    log.append(completed("y"), Vec::new()).unwrap().await.unwrap();
    let after = open(crash(dir.path()).path());
    assert_eq!(read_all(&after, last.run_id, 0).await.len(), 2);
}
