//! The view of level `strict`: a root of its own, in which there is only what was put there.
//!
//! Nothing is covered or taken away. Pieces of the machine's tree are taken out (a piece holds what it was taken from,
//! whatever happens to its path), a new root is made in memory, and the pieces are put into it, each at the path that
//! it has on the machine. Then the old root goes.

use super::build::HOST_NAME;
use crate::sandbox::{Network, Owner, Wall, Way, World};
use rustix::{
    fs::{CWD, FileType, Mode, OFlags, fstat, mkdirat, openat, symlinkat},
    io::Errno,
    mount::{
        FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags,
        UnmountFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen, mount_change, move_mount,
        open_tree, unmount,
    },
    process::{chdir, fchdir, pivot_root, umask},
};
use std::{
    fmt, fs,
    io::{self, Write},
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    path::{Component, Path, PathBuf},
};

/// Bound one by one: a node made in a user namespace would be dead.
const DEVICES: &[&str] = &["full", "null", "random", "tty", "urandom", "zero"];
const DEVICE_LINKS: &[(&str, &str)] = &[
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];
/// What the machine shows of itself there is made anew, or of no use, or of no concern to a command.
const NOT_TAKEN: &[&str] =
    &["/proc", "/sys", "/dev", "/etc/passwd", "/etc/group", "/etc/hosts", "/etc/hostname"];
/// Of no use without the machine's network.
const NAMES: &[&str] = &["/etc/resolv.conf", "/etc/gai.conf", "/etc/host.conf", "/etc/networks"];
/// Where the new root lies until it is the root. There on every machine that has folders for sessions.
const ATTACHED: &str = "/tmp";
const SHARED_MEMORY: &str = "64m";

/// What could not be done, and why.
#[derive(Debug)]
pub struct ViewError {
    what: String,
    errno: Errno,
}

/// For a folder that bears a name and is not what the gateway meant by it.
const ANOTHER: Errno = Errno::STALE;

impl ViewError {
    /// The machine does not let this process do such things at all.
    pub fn is_refusal(&self) -> bool {
        self.errno == Errno::PERM
    }
}

impl fmt::Display for ViewError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.errno == ANOTHER {
            return write!(f, "`{}` is not the folder any more that the gateway opened", self.what);
        }
        write!(f, "the view, {}: {}", self.what, self.errno)
    }
}

type Done<T> = Result<T, ViewError>;

fn at<T>(what: impl fmt::Display, done: Result<T, Errno>) -> Done<T> {
    done.map_err(|errno| ViewError { what: what.to_string(), errno })
}

/// A part of the machine's tree that was taken out of it.
pub struct Piece {
    target: PathBuf,
    tree: OwnedFd,
    folder: bool,
}

impl Piece {
    fn meant(self, name: &Path, world: &World) -> Result<Self, Errno> {
        if world.is_known(name, &self.tree) { Ok(self) } else { Err(ANOTHER) }
    }
}

/// Takes everything that `world` shows of the machine.
pub fn pieces(world: &World) -> Done<Vec<Piece>> {
    let plain = if world.has(Wall::Nosuid) {
        MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV
    } else {
        MountAttrFlags::empty()
    };
    let no_link = OpenTreeFlags::AT_SYMLINK_NOFOLLOW;
    let mut pieces = Vec::new();
    for path in world.readable.iter().filter(|path| is_taken(path, world)) {
        let taken = take(path, path, plain | MountAttrFlags::MOUNT_ATTR_RDONLY, OpenTreeFlags::empty());
        match taken.and_then(|piece| piece.meant(path, world)) {
            Ok(piece) => pieces.push(piece),
            // What is not there is not shown.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS) => {}
            Err(error) => return at(path.display(), Err(error)),
        }
    }
    let own = [(&world.tmp, Path::new("/tmp")), (&world.workspace, &*world.workspace)];
    for (path, target) in own.into_iter().chain(world.writable.iter().map(|path| (path, &**path))) {
        let taken = take(path, target, plain, no_link);
        pieces.push(at(path.display(), taken.and_then(|piece| piece.meant(path, world)))?);
    }
    let device = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    for name in DEVICES {
        let path = Path::new("/dev").join(name);
        match take(&path, &path, device, no_link) {
            Ok(piece) => pieces.push(piece),
            Err(Errno::NOENT) => {}
            Err(error) => return at(path.display(), Err(error)),
        }
    }
    // What contains comes before what is contained.
    pieces.sort_by_key(|piece| piece.target.components().count());
    Ok(pieces)
}

fn is_taken(path: &Path, world: &World) -> bool {
    let own_names = super::build::has_own_network(world);
    let names = if own_names { NAMES } else { &[] };
    // Where the machine's network is, its names are, too.
    let skip = NOT_TAKEN.iter().filter(|name| own_names || **name != "/etc/hosts");
    !skip.chain(names).any(|name| path.starts_with(name))
}

fn take(
    source: &Path,
    target: &Path,
    attributes: MountAttrFlags,
    how: OpenTreeFlags,
) -> Result<Piece, Errno> {
    let flags =
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    let tree = open_tree(CWD, source, flags | how)?;
    if !attributes.is_empty() {
        restrict(&tree, attributes, libc::AT_RECURSIVE)?;
    }
    let kind = FileType::from_raw_mode(fstat(&tree)?.st_mode);
    Ok(Piece { target: target.to_owned(), tree, folder: kind == FileType::Directory })
}

/// Only ever adds, so that what the machine forbids stays forbidden.
fn restrict(tree: impl AsFd, attributes: MountAttrFlags, depth: libc::c_int) -> Result<(), Errno> {
    let request =
        libc::mount_attr { attr_set: attributes.bits().into(), attr_clr: 0, propagation: 0, userns_fd: 0 };
    let flags = libc::AT_EMPTY_PATH | depth;
    // SAFETY: the path is an empty C string, and the kernel reads the request in the size that is passed.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_fd().as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const request,
            size_of::<libc::mount_attr>(),
        )
    };
    if done == 0 { Ok(()) } else { Err(as_errno(&io::Error::last_os_error())) }
}

fn as_errno(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

/// Makes the new root of `pieces` and enters it. `owner` is the command's user, seen from inside.
pub fn build(world: &World, way: Way, pieces: Vec<Piece>, owner: Owner) -> Done<()> {
    let before = umask(Mode::WGRP | Mode::WOTH);
    // What happens here stays here.
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    at("private mounts", mount_change("/", private))?;
    let plain = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    let root = at("the root", file_system("tmpfs", &[("size", "1m"), ("mode", "755")], plain))?;
    at("the root", attach_to(&root, CWD, ATTACHED))?;

    for piece in pieces {
        let place = place(root.as_fd(), &piece.target, piece.folder);
        at(piece.target.display(), place.and_then(|place| attach(&piece.tree, &place)))?;
    }
    let shm = file_system("tmpfs", &[("size", SHARED_MEMORY), ("mode", "1777")], plain);
    at("/dev/shm", shm.and_then(|shm| attach(&shm, &place(root.as_fd(), Path::new("/dev/shm"), true)?)))?;
    let no_programs = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let pts = file_system("devpts", &[("mode", "620"), ("ptmxmode", "666")], no_programs);
    at("/dev/pts", pts.and_then(|pts| attach(&pts, &place(root.as_fd(), Path::new("/dev/pts"), true)?)))?;
    if way.proc {
        at("/proc", processes(root.as_fd(), world))?;
    }
    at("links", links(root.as_fd(), world))?;
    at("/etc", names(root.as_fd(), world, owner))?;

    let entered = fchdir(&root).and_then(|()| pivot_root(".", "."));
    at("the new root", entered.and_then(|()| unmount(".", UnmountFlags::DETACH)).and_then(|()| chdir("/")))?;
    at("the new root", restrict(&root, plain | MountAttrFlags::MOUNT_ATTR_RDONLY, 0))?;
    umask(before);
    Ok(())
}

fn file_system(kind: &str, options: &[(&str, &str)], attributes: MountAttrFlags) -> Result<OwnedFd, Errno> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (name, value) in options {
        fsconfig_set_string(context.as_fd(), *name, *value)?;
    }
    fsconfig_create(context.as_fd())?;
    fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

/// The processes of this sandbox that a command may look into: not process 1. (The older way to hide the others makes an
/// exception for group 0, which root's commands may have.) Read-only: some files there belong to the machine, and with
/// root's own rights they could be written.
fn processes(root: BorrowedFd<'_>, world: &World) -> Result<(), Errno> {
    let target = place(root, Path::new("/proc"), true)?;
    if !world.has(Wall::PidNamespace) {
        let all =
            OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
        return attach(&open_tree(CWD, "/proc", all)?, &target);
    }
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC
        | MountAttrFlags::MOUNT_ATTR_RDONLY;
    attach(&file_system("proc", &[("hidepid", "ptraceable")], attributes)?, &target)
}

fn links(root: BorrowedFd<'_>, world: &World) -> Result<(), Errno> {
    let devices = DEVICE_LINKS.iter().map(|(name, to)| (Path::new("/dev").join(name), Path::new(to)));
    let ours = [
        (PathBuf::from("/var/tmp"), Path::new("/tmp")),
        (PathBuf::from("/etc/mtab"), Path::new("/proc/mounts")),
    ];
    let machine = world.links.iter().map(|(name, to)| (name.clone(), to.as_path()));
    for (name, to) in devices.chain(ours).chain(machine.filter(|(name, _)| is_taken(name, world))) {
        let (Some(above), Some(last)) = (name.parent(), name.file_name()) else { continue };
        match symlinkat(to, place(root, above, true)?, last) {
            // Part of a piece.
            Ok(()) | Err(Errno::EXIST | Errno::ROFS) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Who is who inside. Nothing of the machine's own lists.
fn names(root: BorrowedFd<'_>, world: &World, owner: Owner) -> Result<(), Errno> {
    let Owner { uid, gid } = owner;
    let user = world.user.replace([':', '\n'], "_");
    let home = world.workspace.display().to_string();
    let home = if home.contains([':', '\n']) { "/" } else { &home };
    // First: where it is the machine's root, that is what it is called.
    let user_line = format!("{user}:x:{uid}:{gid}::{home}:/bin/sh\n");
    let passwd = user_line + "root:x:0:0::/:/bin/false\nnobody:x:65534:65534::/:/bin/false\n";
    write(root, "passwd", &passwd)?;
    write(root, "group", &format!("{user}:x:{gid}:\nroot:x:0:\nnogroup:x:65534:\n"))?;
    write(root, "hostname", &format!("{HOST_NAME}\n"))?;
    if world.network == Network::Full {
        return Ok(());
    }
    write(root, "hosts", &format!("127.0.0.1 localhost {HOST_NAME}\n::1 localhost\n"))
}

fn write(root: BorrowedFd<'_>, name: &str, text: &str) -> Result<(), Errno> {
    let etc = place(root, Path::new("/etc"), true)?;
    let new = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    match openat(etc, name, new, Mode::from_raw_mode(0o644)) {
        Ok(file) => fs::File::from(file).write_all(text.as_bytes()).map_err(|error| as_errno(&error)),
        // The operator shows all of the machine's `/etc`.
        Err(Errno::EXIST | Errno::ROFS) => Ok(()),
        Err(error) => Err(error),
    }
}

fn attach(tree: &OwnedFd, place: &OwnedFd) -> Result<(), Errno> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(tree, "", place, "", flags)
}

fn attach_to(tree: &OwnedFd, dir: BorrowedFd<'_>, path: &str) -> Result<(), Errno> {
    move_mount(tree, "", dir, path, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
}

/// Opens `path` below `root` and makes what is missing. Never follows a link: some of these folders are the agent's,
/// and until the end the old root is still there.
fn place(root: BorrowedFd<'_>, path: &Path, folder: bool) -> Result<OwnedFd, Errno> {
    let walk = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut here = openat(root, ".", walk | OFlags::DIRECTORY, Mode::empty())?;
    let mut parts = path
        .components()
        .filter_map(|part| if let Component::Normal(name) = part { Some(name) } else { None })
        .peekable();
    while let Some(name) = parts.next() {
        let is_folder = folder || parts.peek().is_some();
        let kind = if is_folder { OFlags::DIRECTORY } else { OFlags::empty() };
        here = match openat(&here, name, walk | kind, Mode::empty()) {
            Err(Errno::NOENT) => {
                let made = if is_folder {
                    mkdirat(&here, name, Mode::from_raw_mode(0o755))
                } else {
                    let new =
                        OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                    openat(&here, name, new, Mode::from_raw_mode(0o644)).map(drop)
                };
                match made {
                    // A command beside this one makes the same places in its session's folder. What it is, is seen now.
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(error) => return Err(error),
                }
                openat(&here, name, walk | kind, Mode::empty())?
            }
            other => other?,
        };
    }
    Ok(here)
}
