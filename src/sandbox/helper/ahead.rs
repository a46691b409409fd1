//! A shell that is through its start when the order comes, which takes longer than most commands.
//!
//! It is the command's process: it has entered all that holds a command, was started with the program's ordinary means,
//! and reads a line from its helper. What it does then is written in the script that the gateway gave it.

use crate::sandbox::{Order, Shell};
use rustix::{
    fs::{FileType, MemfdFlags, fstat, major, memfd_create, minor},
    io::{Errno, FdFlags, fcntl_setfd},
    net::SendFlags,
};
use std::{
    fs::File,
    io::{self, Seek},
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::{fs::FileExt, net::UnixStream, process::CommandExt},
    },
    process::Command,
};

/// `/dev/null`, which it was started with.
const NULL: (u32, u32) = (1, 3);

pub struct Ahead {
    shell: Shell,
    /// What it reads the order from: a shell reads pipes byte by byte, and this in blocks.
    words: File,
}

impl Ahead {
    pub fn new(shell: Shell) -> io::Result<Self> {
        let flags = MemfdFlags::CLOEXEC;
        let words = match memfd_create("order", flags | MemfdFlags::NOEXEC_SEAL) {
            // Before Linux 6.3.
            Err(Errno::INVAL) => memfd_create("order", flags),
            other => other,
        };
        Ok(Self { shell, words: words?.into() })
    }

    /// In the child, on its end of the link. Comes back only when that fails.
    pub fn become_shell(&self, link: &UnixStream) -> io::Error {
        for end in [link.as_fd(), self.words.as_fd()] {
            if let Err(error) = fcntl_setfd(end, FdFlags::empty()) {
                return error.into();
            }
        }
        let ends = [link.as_raw_fd(), self.words.as_raw_fd()].map(|end| end.to_string());
        let Shell { program, args, env, dir, stands_for: _, open: _, stays: _ } = &self.shell;
        let mut command = Command::new(program);
        command.args(args).args(ends).current_dir(dir);
        command.env_clear().envs(env.iter().map(|(name, value)| (name, value)));
        command.exec()
    }

    /// What it is to be told of this order; nothing when the order is for another process.
    pub fn words(&self, order: &Order, stdin: &OwnedFd) -> Option<Vec<u8>> {
        let Order { program, args, env, dir, terminal } = order;
        let shell = &self.shell;
        if *program != shell.program || terminal.is_some() || !dir.is_absolute() || !is_null(stdin) {
            return None;
        }
        let rest = args.strip_prefix(shell.stands_for.as_slice())?;
        let has_all = shell.env.iter().all(|(name, _)| env.iter().any(|(other, _)| other == name));
        let new: Vec<_> = env.iter().filter(|variable| !shell.env.contains(variable)).collect();
        if !has_all || !new.iter().all(|(name, _)| shell.open.contains(name)) {
            return None;
        }
        let new = new.into_iter().map(|(name, value)| format!("{name}={value}"));
        let words = [dir.to_str()?.to_owned()].into_iter().chain(new).chain([String::new()]);
        let mut bytes = Vec::new();
        for word in words.chain(rest.iter().cloned()) {
            if word.contains('\0') {
                return None;
            }
            bytes.extend_from_slice(word.as_bytes());
            bytes.push(0);
        }
        Some(bytes)
    }

    /// It is for more than one command.
    pub const fn stays(&self) -> bool {
        self.shell.stays
    }

    /// Lets it go on; `link` is the helper's end.
    pub fn hand(&self, link: &UnixStream, words: &[u8]) -> io::Result<()> {
        self.words.set_len(0)?;
        self.words.write_all_at(words, 0)?;
        // The place from which it reads is that of this descriptor.
        (&self.words).rewind()?;
        rustix::net::send(link, b"\n", SendFlags::NOSIGNAL)?;
        Ok(())
    }
}

fn is_null(stdin: &OwnedFd) -> bool {
    fstat(stdin).is_ok_and(|stat| {
        FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice
            && (major(stat.st_rdev), minor(stat.st_rdev)) == NULL
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::Window;

    fn of(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn ahead() -> Ahead {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Ahead::new(Shell {
            program: "/bin/bash".into(),
            args: texts(&["-c", "PRELUDE WRAPPER", "bash"]),
            stands_for: texts(&["-c", "WRAPPER", "bash"]),
            env: of(&[("HOME", "/w"), ("TOKEN", "t"), ("no_proxy", "a")]),
            open: texts(&["http_proxy", "no_proxy"]),
            dir: "/w".into(),
            stays: false,
        })
        .unwrap()
    }

    fn order() -> Order {
        Order {
            program: "/bin/bash".into(),
            args: ["-c", "WRAPPER", "bash", "echo 'ü\n'", ""].map(str::to_owned).to_vec(),
            env: of(&[("HOME", "/w"), ("TOKEN", "t"), ("no_proxy", "b"), ("http_proxy", "http://x")]),
            dir: "/w/d".into(),
            terminal: None,
        }
    }

    fn null() -> OwnedFd {
        File::open("/dev/null").unwrap().into()
    }

    #[test]
    fn an_order_becomes_its_folder_its_new_variables_and_its_arguments() {
        let words = ahead().words(&order(), &null()).unwrap();
        assert_eq!(words, "/w/d\0no_proxy=b\0http_proxy=http://x\0\0echo 'ü\n'\0\0".as_bytes());
    }

    #[test]
    fn what_the_shell_is_not_for_is_not_taken_by_it() {
        type Other = (&'static str, fn(&mut Order));
        let others: [Other; 9] = [
            ("another program", |order| order.program = "/bin/sh".into()),
            ("another script", |order| order.args[1].push(' ')),
            ("too few arguments", |order| order.args.truncate(2)),
            ("a terminal", |order| order.terminal = Some(Window { rows: 1, columns: 1 })),
            ("a relative folder", |order| order.dir = "d".into()),
            ("a variable less", |order| drop(order.env.remove(1))),
            ("another value", |order| order.env[1].1.push('x')),
            ("a variable more", |order| order.env.push(("BASH_ENV".into(), "/w/x".into()))),
            ("a zero byte", |order| order.args[3].push('\0')),
        ];
        for (what, change) in others {
            let mut order = order();
            change(&mut order);
            assert_eq!(ahead().words(&order, &null()), None, "{what}");
        }
        for stdin in ["/dev/zero", "/etc/passwd"] {
            assert_eq!(ahead().words(&order(), &File::open(stdin).unwrap().into()), None, "{stdin}");
        }
    }
}
