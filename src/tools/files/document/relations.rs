//! Where the parts of an office document are, by what they are for.

use super::xml::{Tag, Visitor};

/// A workbook refers to each of its sheets.
const MOST: usize = 10_000;

/// What one part refers to.
pub struct Relations {
    /// The folder of that part.
    folder: String,
    all: Vec<Relation>,
}

struct Relation {
    id: String,
    /// The last word of its type.
    kind: String,
    part: String,
}

impl Relations {
    pub fn of(folder: &str) -> Self {
        Self { folder: folder.to_owned(), all: Vec::new() }
    }

    /// The first part that is for this.
    pub fn of_kind(&self, kind: &str) -> Option<&str> {
        self.all.iter().find(|relation| relation.kind == kind).map(|relation| relation.part.as_str())
    }

    /// The part of this id, if it is for this.
    pub fn of_id(&self, id: &str, kind: &str) -> Option<&str> {
        let of_id = |relation: &&Relation| relation.id == id && relation.kind == kind;
        self.all.iter().find(of_id).map(|relation| relation.part.as_str())
    }

    /// The name of a part, as the archive has it.
    fn resolved(&self, target: &str) -> String {
        let (folder, target) = match target.strip_prefix('/') {
            Some(target) => ("", target),
            None => (self.folder.as_str(), target),
        };
        let mut names: Vec<&str> = Vec::new();
        for name in folder.split('/').chain(target.split('/')) {
            match name {
                "" | "." => {}
                ".." => drop(names.pop()),
                name => names.push(name),
            }
        }
        names.join("/")
    }
}

impl Visitor for Relations {
    fn has_enough(&self) -> bool {
        self.all.len() == MOST
    }

    fn open(&mut self, name: &str, tag: &Tag<'_>) {
        if name != "Relationship" || tag.get("TargetMode").is_some_and(|mode| mode == "External") {
            return;
        }
        if let (Some(id), Some(kind), Some(target)) = (tag.get("Id"), tag.get("Type"), tag.get("Target")) {
            let kind = kind.rsplit('/').next().unwrap_or_default().to_owned();
            let part = self.resolved(&target);
            self.all.push(Relation { id, kind, part });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_named_from_the_root_or_from_the_folder_of_who_refers() {
        let relations = Relations::of("xl");
        let cases = [
            ("worksheets/sheet1.xml", "xl/worksheets/sheet1.xml"),
            ("/xl/styles.xml", "xl/styles.xml"),
            ("../docProps/app.xml", "docProps/app.xml"),
            ("../../../../etc/passwd", "etc/passwd"),
        ];
        for (target, part) in cases {
            assert_eq!(relations.resolved(target), part);
        }
    }
}
