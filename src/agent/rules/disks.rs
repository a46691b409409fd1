//! Whole disks.

use super::{
    Category, Rule,
    Severity::{Ask, Block},
    paths::is_raw_disk,
};

const CATEGORY: Category = Category::Disk;

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "format-disk",
        category: CATEGORY,
        severity: Block,
        description: "formats, wipes or partitions a disk",
        finds: &[
            "mkfs.ext4 /dev/sda1",
            "mkfs /dev/sdb",
            "wipefs -a /dev/sda",
            "sudo fdisk /dev/sda",
            "mkswap /dev/sda2",
        ],
        leaves: &["man mkfs", "lsblk", "fdisk -l"],
        test: |c| {
            let lists = c.has(&["-l", "--list", "print"]) && c.is(&["fdisk", "sfdisk", "parted", "sgdisk"]);
            (c.program().starts_with("mkfs")
                || c.is(&[
                    "wipefs",
                    "blkdiscard",
                    "fdisk",
                    "sfdisk",
                    "cfdisk",
                    "parted",
                    "sgdisk",
                    "gdisk",
                    "mkswap",
                ]))
                && !lists
        },
    },
    Rule {
        id: "write-disk",
        category: CATEGORY,
        severity: Block,
        description: "writes to a raw disk",
        finds: &[
            "dd if=x of=/dev/nvme0n1",
            "echo x > /dev/sda",
            "cat x | tee /dev/sdb",
            "cp x /dev/vda",
            "shred /dev/sda",
        ],
        leaves: &["echo x > /dev/null", "dd if=/dev/sda of=backup.img", "ls /dev/sda"],
        test: |c| {
            c.targets().iter().any(|path| is_raw_disk(path))
                || c.is(&["shred"]) && c.paths().any(|path| is_raw_disk(&path))
        },
    },
    Rule {
        id: "disk-copy",
        category: CATEGORY,
        severity: Ask,
        description: "copies raw data",
        finds: &["dd if=a.img of=b.img"],
        leaves: &["echo dd"],
        test: |c| c.is(&["dd"]),
    },
];
