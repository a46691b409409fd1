//! sled puts what is large into files of its own, which no flush of ours covers. Nothing of ours is to be that large.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The files in folders named `blobs` below `at`.
pub fn sled_blobs(at: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(at).into_iter().flatten().flatten();
    let below = entries.flat_map(|entry| {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            sled_blobs(&entry.path())
        } else if at.ends_with("blobs") {
            vec![entry.path()]
        } else {
            Vec::new()
        }
    });
    below.collect()
}
