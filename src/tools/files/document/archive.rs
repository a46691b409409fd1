//! The parts of an office document: a zip archive, read through the open file.

use super::{
    Trouble,
    relations::Relations,
    xml::{self, Visitor},
};
use flate2::read::DeflateDecoder;
use rawzip::{CompressionMethod, FileReader, RECOMMENDED_BUFFER_SIZE, ZipArchive, ZipArchiveEntryWayfinder};
use std::{
    cell::Cell,
    collections::HashMap,
    fs::File,
    io::{self, BufReader, Read},
};

/// Bytes that all parts of a document together may unpack to.
pub const MOST_BYTES: u64 = 64 << 20;
/// And one piece of XML, such as a text.
const MOST_OF_PIECE: u64 = 16 << 20;
/// Office documents have some dozens.
const MOST_PARTS: usize = 10_000;

pub struct Archive {
    zip: ZipArchive<FileReader>,
    parts: HashMap<String, Part>,
    /// Bytes that may still be unpacked.
    left: Cell<u64>,
    /// Bytes of the present piece of XML.
    piece: Cell<u64>,
}

#[derive(Clone, Copy)]
struct Part {
    way: ZipArchiveEntryWayfinder,
    method: CompressionMethod,
}

/// Counts what is unpacked of all parts.
struct Counted<'a, R> {
    inner: R,
    left: &'a Cell<u64>,
    piece: &'a Cell<u64>,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        let left = self.left.get().checked_sub(read as u64).ok_or(io::ErrorKind::FileTooLarge)?;
        self.left.set(left);
        self.piece.set(self.piece.get() + read as u64);
        if self.piece.get() > MOST_OF_PIECE { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(read) }
    }
}

impl Archive {
    /// # Errors
    ///
    /// It is no archive, it has too many parts, or it cannot be read.
    pub fn open(file: File) -> Result<Self, Trouble> {
        let mut buffer = vec![0; RECOMMENDED_BUFFER_SIZE];
        let zip = ZipArchive::from_file(file, &mut buffer)?;
        let mut parts = HashMap::new();
        let mut entries = zip.entries(&mut buffer);
        while let Some(entry) = entries.next_entry()? {
            if parts.len() == MOST_PARTS {
                return Err(Trouble::Bulky);
            }
            let name = String::from_utf8_lossy(entry.file_path().as_ref()).into_owned();
            let part = Part { way: entry.wayfinder(), method: entry.compression_method() };
            // Of two parts of one name, programs take the first.
            parts.entry(name).or_insert(part);
        }
        Ok(Self { zip, parts, left: Cell::new(MOST_BYTES), piece: Cell::new(0) })
    }

    /// Shows a part to a visitor; `false`: there is none of that name.
    ///
    /// # Errors
    ///
    /// The part is damaged, or all that was read unpacks to too much.
    pub fn visit(&self, name: &str, visitor: &mut impl Visitor) -> Result<bool, Trouble> {
        let Some(Part { way, method }) = self.parts.get(name).copied() else { return Ok(false) };
        let entry = self.zip.get_entry(way)?;
        let packed = entry.reader();
        match method {
            CompressionMethod::STORE => self.walk(entry.verifying_reader(packed), visitor),
            CompressionMethod::DEFLATE => {
                self.walk(entry.verifying_reader(DeflateDecoder::new(packed)), visitor)
            }
            _ => Err(Trouble::Damaged(format!(
                "its part `{name}` is packed in a way that no office program uses"
            ))),
        }?;
        Ok(true)
    }

    fn walk(&self, unpacked: impl Read, visitor: &mut impl Visitor) -> Result<(), Trouble> {
        let counted = Counted { inner: unpacked, left: &self.left, piece: &self.piece };
        xml::walk(BufReader::new(counted), &self.piece, visitor)
    }

    /// As [`Archive::visit`], for a part that must be there.
    ///
    /// # Errors
    ///
    /// It is not; and as there.
    pub fn visit_main(&self, name: &str, visitor: &mut impl Visitor) -> Result<(), Trouble> {
        let there = self.visit(name, visitor)?;
        if there { Ok(()) } else { Err(Trouble::Damaged(format!("it has no part `{name}`"))) }
    }

    /// What a part refers to; `""`: the document itself.
    ///
    /// # Errors
    ///
    /// As [`Archive::visit`].
    pub fn relations(&self, of: &str) -> Result<Relations, Trouble> {
        let (folder, name) = of.rsplit_once('/').map_or(("", of), |(folder, name)| (folder, name));
        let slash = if folder.is_empty() { "" } else { "/" };
        let mut relations = Relations::of(folder);
        self.visit(&format!("{folder}{slash}_rels/{name}.rels"), &mut relations)?;
        Ok(relations)
    }

    /// The part that the document is about, and what it refers to.
    ///
    /// # Errors
    ///
    /// There is none; and as [`Archive::visit`].
    pub fn main(&self) -> Result<(String, Relations), Trouble> {
        let main = self.relations("")?.of_kind("officeDocument").map(str::to_owned);
        let main =
            main.ok_or_else(|| Trouble::Damaged("it is an archive, but no office document".to_owned()))?;
        let relations = self.relations(&main)?;
        Ok((main, relations))
    }
}

impl From<rawzip::Error> for Trouble {
    fn from(error: rawzip::Error) -> Self {
        Self::Damaged(format!("its archive is damaged ({error})"))
    }
}
