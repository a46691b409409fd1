//! A look at a file of the workspace without a session.

use super::{JailError, Place, Roots, lexical};
use crate::sandbox::guise::as_agent;
use std::{
    io::{self, Read as _},
    path::Path,
};

impl Roots {
    /// The first `most` bytes of a file of the workspace, read with the rights of the agent; `None`: there is no file of
    /// that name, or it is none that the agent may read there. Blocking, and never waits for what lies there.
    ///
    /// # Errors
    ///
    /// The rights cannot be taken on, or the file cannot be read.
    pub fn peek(&self, name: &str, most: u64) -> io::Result<Option<Vec<u8>>> {
        let Some(relative) = lexical(Path::new(name)) else { return Ok(None) };
        let place = Place { root: &self.workspace, relative, shown: name.to_owned() };
        as_agent(self.owner, || match place.open() {
            Ok((file, _)) => {
                let mut bytes = Vec::new();
                file.take(most).read_to_end(&mut bytes)?;
                Ok(Some(bytes))
            }
            Err(JailError::Io(_, error)) => Err(error),
            Err(_) => Ok(None),
        })?
    }
}
