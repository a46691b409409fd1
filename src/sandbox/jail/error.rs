//! Why a path cannot be used.

use std::{fmt, io};

/// Why a path cannot be used. `Display` names the path as the caller wrote it.
#[derive(Debug)]
pub enum JailError {
    /// Named outside the roots.
    Outside(String),
    /// A link on the way leads outside (or is absolute, which the kernel does not look into).
    Link(String),
    /// Links on the way lead to each other.
    Loop(String),
    Missing(String),
    /// In a folder that is given for reading only.
    ReadOnly(String),
    Folder(String),
    NotFolder(String),
    /// A device, a pipe, a socket.
    Special(String),
    Io(String, io::Error),
}

impl fmt::Display for JailError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Outside(path) => write!(f, "`{path}` is outside of the folders that you may use"),
            Self::Link(path) => write!(f, "`{path}` passes a link that leads out of its folder"),
            Self::Loop(path) => write!(f, "`{path}` passes links that lead in a loop"),
            Self::Missing(path) => write!(f, "`{path}` does not exist"),
            Self::ReadOnly(path) => write!(f, "`{path}` may only be read"),
            Self::Folder(path) => write!(f, "`{path}` is a folder"),
            Self::NotFolder(path) => write!(f, "a part of `{path}` is not a folder"),
            Self::Special(path) => write!(f, "`{path}` is not a regular file"),
            Self::Io(path, error) => write!(f, "`{path}`: {error}"),
        }
    }
}

impl std::error::Error for JailError {}
