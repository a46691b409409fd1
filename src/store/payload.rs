//! Values that are too large for the database: one file each, named by its content.

use super::{StoreError, files, values::Values};
use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
};

/// Values above this are kept as files.
pub(super) const LARGE: usize = 1 << 20;

/// The folder `state/payloads`, made when the first file comes. The folder of [value files](super::values) is in it.
#[derive(Debug, Clone)]
pub(super) struct Payloads {
    folder: PathBuf,
    values: Values,
}

impl Payloads {
    pub(super) fn new(folder: PathBuf) -> Self {
        let values = Values::new(folder.join("values"));
        Self { folder, values }
    }

    pub(super) const fn values(&self) -> &Values {
        &self.values
    }

    /// Writes a file and its name to disk; the commit that names it comes after.
    pub(super) fn put(&self, value: &[u8]) -> Result<[u8; 32], StoreError> {
        let hash = blake3::hash(value);
        let path = self.path(hash.as_bytes());
        if !path.exists() {
            files::create_dir(&self.folder)?;
            files::sync_parent(&self.folder)?;
            files::replace(&path, value)?;
        }
        Ok(*hash.as_bytes())
    }

    pub(super) fn get(&self, hash: &[u8]) -> Result<Vec<u8>, StoreError> {
        let hash: [u8; 32] =
            hash.try_into().map_err(|_short| StoreError::Damaged("a payload's name is cut".to_owned()))?;
        let value = match fs::read(self.path(&hash)) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                return Err(StoreError::Damaged("a payload file is missing".to_owned()));
            }
            read => files::named(&self.folder, read)?,
        };
        if *blake3::hash(&value).as_bytes() == hash {
            Ok(value)
        } else {
            Err(StoreError::Damaged("a payload file is not what was written".to_owned()))
        }
    }

    /// Whether it has no files of its own.
    pub(super) fn is_empty(&self) -> bool {
        let is_file = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_file());
        fs::read_dir(&self.folder).map_or(true, |entries| !entries.flatten().any(|entry| is_file(&entry)))
    }

    /// Removes the files that no record names.
    pub(super) fn keep_only(&self, named: &HashSet<String>) -> Result<(), StoreError> {
        for entry in files::named(&self.folder, fs::read_dir(&self.folder))? {
            let entry = files::named(&self.folder, entry)?;
            let is_file = files::named(&self.folder, entry.file_type())?.is_file();
            if is_file && entry.file_name().to_str().is_none_or(|name| !named.contains(name)) {
                files::named(&self.folder, fs::remove_file(entry.path()))?;
            }
        }
        Ok(())
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    fn path(&self, hash: &[u8; 32]) -> PathBuf {
        self.folder.join(Self::name(hash))
    }

    pub(super) fn name(hash: &[u8; 32]) -> String {
        blake3::Hash::from_bytes(*hash).to_hex().to_string()
    }
}
