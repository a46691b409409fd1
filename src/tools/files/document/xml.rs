//! XML of office documents, piece by piece: nothing is kept, nothing is expanded.

use super::Trouble;
use quick_xml::{
    Error, Reader, XmlVersion,
    escape::resolve_predefined_entity,
    events::{BytesRef, BytesStart, Event},
};
use std::{
    cell::Cell,
    io::{self, BufRead},
};

/// Elements within each other; a table in a table in a text box has some fifty.
const DEEPEST: u32 = 400;

/// Somebody who is shown a part. Names come without their prefix.
pub trait Visitor {
    fn open(&mut self, name: &str, tag: &Tag<'_>);

    fn close(&mut self, _name: &str) {}

    /// A piece of a text: one text may come in several.
    fn text(&mut self, _text: &str) {}

    /// Nothing more is wanted.
    fn has_enough(&self) -> bool {
        false
    }
}

/// The beginning of an element.
pub struct Tag<'a>(&'a BytesStart<'a>);

impl Tag<'_> {
    /// The attribute of this name, whatever its prefix.
    pub fn get(&self, name: &str) -> Option<String> {
        // A check for names that come twice would cost more than the attributes.
        let mut all = self.0.attributes();
        all.with_checks(false);
        let found = all.flatten().find(|attribute| attribute.key.local_name().as_ref() == name)?;
        found.normalized_value(XmlVersion::Implicit1_0).ok().map(std::borrow::Cow::into_owned)
    }
}

/// `piece` counts what was read since the last piece of XML began, which is kept until it ends.
///
/// # Errors
///
/// What comes is no XML, or none of an office document.
pub fn walk(source: impl BufRead, piece: &Cell<u64>, visitor: &mut impl Visitor) -> Result<(), Trouble> {
    let mut reader = Reader::from_reader(source);
    reader.config_mut().expand_empty_elements = true;
    let mut buffer = Vec::new();
    let mut depth = 0_u32;
    while !visitor.has_enough() {
        buffer.clear();
        piece.set(0);
        match reader.read_event_into(&mut buffer)? {
            Event::Start(tag) | Event::Empty(tag) => {
                depth += 1;
                if depth > DEEPEST {
                    return Err(Trouble::Damaged("its elements are nested too deep".to_owned()));
                }
                visitor.open(tag.local_name().as_ref(), &Tag(&tag));
            }
            Event::End(tag) => {
                depth = depth.saturating_sub(1);
                visitor.close(tag.local_name().as_ref());
            }
            Event::Text(text) => visitor.text(&text),
            Event::CData(text) => visitor.text(&text),
            Event::GeneralRef(name) => refer(&name, visitor)?,
            Event::DocType(_) => {
                return Err(Trouble::Damaged("it declares entities, as no office program does".to_owned()));
            }
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
            Event::Eof if depth == 0 => return Ok(()),
            Event::Eof => return Err(Trouble::Damaged("a part of it ends too early".to_owned())),
        }
    }
    Ok(())
}

fn refer(name: &BytesRef<'_>, visitor: &mut impl Visitor) -> Result<(), Trouble> {
    if let Some(letter) = name.resolve_char_ref()? {
        visitor.text(letter.encode_utf8(&mut [0; 4]));
    } else if let Some(text) = resolve_predefined_entity(name) {
        visitor.text(text);
    }
    // There is nobody who could have said what any other one stands for.
    Ok(())
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        if let Error::Io(error) = &error
            && error.kind() == io::ErrorKind::FileTooLarge
        {
            return Self::Bulky;
        }
        Self::Damaged(format!("a part of it is damaged ({error})"))
    }
}
