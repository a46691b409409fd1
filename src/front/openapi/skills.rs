//! Skills, described.

use super::{
    Access, Operation,
    schema::{Schema, always, list, named, object, one_of, text},
};
use crate::{actors::Scope, domain::Code};

const TAG: &str = "discovery";

pub fn list_all() -> Operation {
    list_at("skills", "The skills of the profile")
}

pub fn api_list() -> Operation {
    list_at("api_skills", "The same, where frontends look for it")
}

fn list_at(name: &'static str, summary: &'static str) -> Operation {
    Operation::new(TAG, name, Access::Key, summary).answers(
        200,
        object().has("object", always("list")).has("data", list(named("Skill"))),
        "What its `skills` folder and `skills.external_dirs` hold, by category and name.",
    )
}

pub fn pin() -> Operation {
    pins("skill_pin", "Pin a skill as it is now")
        .text("The agent cannot change it any more, and when its files change it is not used until it is pinned again.")
}

pub fn unpin() -> Operation {
    pins("skill_unpin", "Take the pin off a skill")
}

fn pins(name: &'static str, summary: &'static str) -> Operation {
    Operation::new(TAG, name, Access::Scope(Scope::Admin), summary)
        .answers(200, skill().has("object", always("hermes.skill")), "The skill.")
        .keeps_its_answer()
        .fails([Code::SkillNotFound])
}

fn skill() -> Schema {
    object().has("name", text()).has("description", text()).has("category", text().or_null()).has(
        "status",
        one_of(["free", "pinned", "changed"]).note("`changed`: since it was pinned; it is not used."),
    )
}

pub fn components() -> Vec<(&'static str, Schema)> {
    vec![("Skill", skill())]
}
