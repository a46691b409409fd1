//! The log on a real disk: what is changed is found, and what a crash leaves is not.

use super::{
    Act, Actor, AuditLog, Broken, Verified,
    chain::{self, End},
    file::Paths,
    verify,
};
use crate::{
    domain::{KeyId, Millis},
    redact::Redactor,
};
use std::{fs, path::PathBuf};

fn act(number: u64) -> Act {
    Act::KeyFailures { failures: number, seconds: 60 }
}

/// A folder with a log of `entries` entries, closed.
async fn written(entries: u64) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let log = AuditLog::new(dir.path(), Redactor::default());
    for number in 1..entries {
        log.note(Actor::Operator, act(number));
    }
    log.record(Actor::Gateway, act(entries)).await.unwrap();
    tokio::task::spawn_blocking(move || log.close()).await.unwrap();
    dir
}

fn file(dir: &tempfile::TempDir) -> PathBuf {
    dir.path().join("audit/00000001.jsonl")
}

fn lines(dir: &tempfile::TempDir) -> Vec<String> {
    fs::read_to_string(file(dir)).unwrap().lines().map(str::to_owned).collect()
}

fn rewrite(dir: &tempfile::TempDir, lines: &[String]) -> Result<Verified, Broken> {
    fs::write(file(dir), lines.join("\n") + "\n").unwrap();
    verify(dir.path())
}

#[tokio::test]
async fn a_log_that_nobody_touched_hangs_together() {
    let dir = written(5).await;
    let verified = verify(dir.path()).unwrap();
    assert_eq!(
        (verified.entries, verified.first, verified.last),
        (6, Some(1), Some(6)),
        "one opens the file"
    );
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(file(&dir)).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn every_change_is_found() {
    let dir = written(5).await;
    let whole = lines(&dir);
    let mut changed = whole.clone();
    changed[2] = changed[2].replace("\"failures\":2", "\"failures\":3");
    let without = [&whole[..2], &whole[3..]].concat();
    let mut moved = whole.clone();
    moved.swap(2, 3);
    let cut = whole[..4].to_vec();
    let none = whole[..1].to_vec();
    for (case, lines) in
        [("changed", changed), ("taken out", without), ("moved", moved), ("cut", cut), ("emptied", none)]
    {
        assert!(rewrite(&dir, &lines).is_err(), "{case}");
    }
    rewrite(&dir, &whole).unwrap();
    // Whoever can hash can also write the rest anew, but not with the end that was noted.
    let mut end = End::genesis();
    let forged: Vec<String> = (0..whole.len())
        .map(|at| {
            let act = if at == 0 { Act::LogOpened { prev: end.hash.clone() } } else { act(7) };
            chain::link(&mut end, 0, &Actor::Gateway, &act, &Redactor::default())
                .unwrap()
                .trim_end()
                .to_owned()
        })
        .collect();
    assert!(matches!(rewrite(&dir, &forged), Err(Broken::Files(_))));
    fs::remove_file(dir.path().join("audit.head")).unwrap();
    assert!(rewrite(&dir, &whole).is_err(), "without the note there is no proof of the end");
}

#[tokio::test]
async fn a_log_that_was_cut_says_so_when_it_goes_on() {
    let dir = written(5).await;
    let whole = lines(&dir);
    assert!(rewrite(&dir, &whole[..4]).is_err());
    let log = AuditLog::new(dir.path(), Redactor::default());
    log.record(Actor::Operator, act(9)).await.unwrap();
    assert!(matches!(verify(dir.path()), Err(Broken::Damaged { seq: 5 })), "{:?}", lines(&dir));
}

#[tokio::test]
async fn half_a_line_of_a_crash_is_no_damage() {
    let dir = written(3).await;
    let half = fs::read_to_string(file(&dir)).unwrap() + "{\"seq\":5,\"at\":";
    fs::write(file(&dir), half).unwrap();
    assert_eq!(verify(dir.path()).unwrap().unfinished, 14);
    let log = AuditLog::new(dir.path(), Redactor::default());
    log.record(Actor::Operator, act(9)).await.unwrap();
    let verified = verify(dir.path()).unwrap();
    assert_eq!((verified.last, verified.unfinished), (Some(5), 0));
}

#[tokio::test]
async fn the_chain_goes_on_over_files_and_old_ones_expire() {
    let dir = tempfile::tempdir().unwrap();
    let log = AuditLog::new(dir.path(), Redactor::default());
    let long = Act::KeyChanged { key: KeyId::env(), what: "x".repeat(3 << 20) };
    for _ in 0..8 {
        log.record(Actor::Operator, long.clone()).await.unwrap();
    }
    let numbers = || Paths::below(dir.path()).numbers().unwrap();
    assert_eq!(numbers(), [1, 2, 3]);
    assert_eq!(verify(dir.path()).unwrap().entries, 8 + 3);
    log.expire(0).unwrap();
    assert_eq!(numbers().len(), 3, "nothing is that old");
    log.expire(Millis::MAX).unwrap();
    assert_eq!(numbers(), [3]);
    assert_eq!(verify(dir.path()).unwrap().first, Some(9), "the chain begins with the file that is left");
    // Files that went without a word are another matter.
    log.record(Actor::Operator, long.clone()).await.unwrap();
    for _ in 0..3 {
        log.record(Actor::Operator, long.clone()).await.unwrap();
    }
    assert_eq!(numbers(), [3, 4]);
    fs::remove_file(Paths::below(dir.path()).file(3)).unwrap();
    assert!(verify(dir.path()).is_err());
}

#[tokio::test]
async fn what_cannot_be_written_is_refused_or_kept_for_later() {
    let dir = tempfile::tempdir().unwrap();
    // A file where the folder should be.
    fs::write(dir.path().join("audit"), "").unwrap();
    let log = AuditLog::new(dir.path(), Redactor::default());
    log.note(Actor::Operator, act(1));
    assert!(log.record(Actor::Operator, act(2)).await.is_err(), "the act is not to be done");
    fs::remove_file(dir.path().join("audit")).unwrap();
    log.record(Actor::Operator, act(3)).await.unwrap();
    let text = lines(&dir).join("\n");
    let has = |number: u64| text.contains(&format!("\"failures\":{number},"));
    assert!(has(1) && !has(2) && has(3), "{text}");
    verify(dir.path()).unwrap();
}

#[tokio::test]
async fn a_profile_that_nobody_used_leaves_no_log() {
    let dir = tempfile::tempdir().unwrap();
    let log = AuditLog::new(dir.path(), Redactor::default());
    log.note_with_next(Actor::Gateway, act(1));
    tokio::task::spawn_blocking(move || log.close()).await.unwrap();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}
