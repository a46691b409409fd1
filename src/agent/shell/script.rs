//! From a text to the programs that it would run, scripts within scripts included.

use super::{
    Command, Simple, Unreadable,
    reader::{DEEPEST, Reader, Shared},
    unwrap,
    word::Word,
};

/// Characters of all scripts of one text together.
const MOST_TEXT: usize = 1 << 20;

/// All that a text would run.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// In the order of the text; what is inside of a substitution stands before what uses it.
    pub commands: Vec<Command>,
    /// Names of functions that it defines.
    pub functions: Vec<String>,
}

/// Reads a text as bash would.
///
/// # Errors
///
/// It cannot be followed: a quote or a parenthesis is open, or it is nested or repeated beyond all measure.
pub fn read(text: &str) -> Result<Script, Unreadable> {
    let mut reading = Reading { script: Script::default(), left: MOST_TEXT };
    reading.text(text, 0, None)?;
    Ok(reading.script)
}

struct Reading {
    script: Script,
    left: usize,
}

impl Reading {
    fn text(&mut self, text: &str, depth: usize, dir: Option<&str>) -> Result<(), Unreadable> {
        self.left = self.left.checked_sub(text.len()).ok_or(Unreadable("it has too much text in it"))?;
        if depth > DEEPEST {
            return Err(Unreadable("it is nested too deeply"));
        }
        let chars: Vec<char> = text.chars().collect();
        let mut shared = Shared::default();
        Reader::new(&chars, depth, dir.map(str::to_owned), &mut shared)?.list(None)?;
        self.script.functions.append(&mut shared.functions);
        for simple in shared.found {
            let here = simple.here.iter().map(|number| shared.bodies[*number].as_str()).collect::<String>();
            let here = (!simple.here.is_empty()).then_some(here);
            let Simple { words, assigned, writes, reads, piped, dir, here: _ } = simple;
            self.command(
                Command { words, assigned, writes, reads, piped, dir, here, ..Command::default() },
                depth,
            )?;
        }
        Ok(())
    }

    /// Takes a command in, and what it would start.
    fn command(&mut self, mut command: Command, depth: usize) -> Result<(), Unreadable> {
        (command.core, command.wrappers) = unwrap::core(&command.words);
        let (scripts, programs) = (unwrap::scripts(&command), unwrap::programs(&command.core));
        let dir = command.dir.clone();
        self.script.commands.push(command);
        for script in scripts {
            self.text(&script, depth + 1, dir.as_deref())?;
        }
        for words in programs {
            self.program(words, depth + 1, dir.clone())?;
        }
        Ok(())
    }

    fn program(&mut self, words: Vec<Word>, depth: usize, dir: Option<String>) -> Result<(), Unreadable> {
        if depth > DEEPEST {
            return Err(Unreadable("it is nested too deeply"));
        }
        self.command(Command { words, dir, ..Command::default() }, depth)
    }
}
