use super::*;
use std::{fs, sync::Arc};

const MIB: u64 = 1 << 20;

fn disk(folder: &tempfile::TempDir, quota: u64) -> Arc<Disk> {
    let limits = LimitsConfig { disk_quota: quota, disk_reserve: 0, ..LimitsConfig::default() };
    Arc::new(Disk::new(vec![folder.path().to_owned()], &limits))
}

fn refused(disk: &Disk, bytes: u64) -> bool {
    disk.admit(bytes).is_err()
}

#[test]
fn writes_are_refused_from_the_quota_on_and_allowed_again_after_a_deletion() {
    let folder = tempfile::tempdir().unwrap();
    let disk = disk(&folder, 4 * MIB);
    assert!(!refused(&disk, MIB) && refused(&disk, 5 * MIB));
    let file = folder.path().join("file");
    fs::write(&file, vec![1; 5 << 20]).unwrap();
    // Not looked at yet; what is written through us is added up and leads to a look.
    let refusals = (0..4).filter(|_| refused(&disk, MIB)).count();
    assert!(refusals > 0);
    fs::remove_file(&file).unwrap();
    // How soon there is another look depends on how long the last one took.
    while refused(&disk, MIB) {
        std::thread::yield_now();
    }
}

#[test]
fn a_reserve_that_is_not_there_refuses() {
    let folder = tempfile::tempdir().unwrap();
    let limits = LimitsConfig { disk_reserve: u64::MAX, ..LimitsConfig::default() };
    assert!(refused(&Disk::new(vec![folder.path().to_owned()], &limits), 1));
}

#[test]
fn walks_are_seldom_and_never_two_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let disk = disk(&folder, 1 << 40);
    let first = disk.look().unwrap();
    fs::write(folder.path().join("file"), "x").unwrap();
    assert_eq!(disk.look().unwrap().at, first.at, "no reason to walk");
    let _walking = disk.walking.lock().unwrap();
    assert_eq!(disk.walk(0).unwrap().at, first.at, "one is under way");
}

#[test]
fn a_command_of_a_full_profile_may_stay_but_not_add() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), vec![1; 5 << 20]).unwrap();
    let disk = disk(&folder, MIB);
    let watch = Watch::new(&disk);
    let known = disk.look().unwrap();
    let with = |bytes, closed| Known { size: Size { bytes, closed, ..known.size }, ..known };
    let (free, most) = (disk.free(), disk.most(&known));
    assert_eq!(watch.judge(most, &known, free), None);
    assert_eq!(watch.judge(most, &with(MIB, 0), free), None);
    assert!(watch.judge(most, &with(6 * MIB, 0), free).unwrap().contains("terminal.disk_quota"));
    // Who hides is not killed for hiding, but for taking space while hiding.
    assert_eq!(watch.judge(most, &with(MIB, 1), free), None);
    assert!(watch.judge(most, &with(MIB, 1), Some(0)).unwrap().contains("chmod"));
}

/// A command that only met the file system's refusal at the quota is not killed for the temporary folders beside it.
#[test]
fn where_the_file_system_holds_the_quota_the_watcher_leaves_it_some_room() {
    let folder = tempfile::tempdir().unwrap();
    let disk = disk(&folder, MIB);
    let watch = Watch::new(&disk);
    let known = disk.look().unwrap();
    let with = |bytes| Known { size: Size { bytes, ..known.size }, ..known };
    let full = |bytes| watch.judge(disk.most(&known), &with(bytes), disk.free()).is_some();
    assert!(full(MIB + 4_096));
    disk.set_held(true);
    assert!(!full(MIB + 4_096) && full(3 * MIB));
}
