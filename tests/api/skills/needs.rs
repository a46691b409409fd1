//! What a skill needs beside its text, and where the name of a deleted one leads.

use super::{call, folder, put, skill};
use crate::support::{House, Plan};
use serde_json::{Value, json};
use std::fs;

fn with_head(name: &str, head: &str) -> String {
    format!("---\nname: {name}\ndescription: Does it.\n{head}---\nDo it well.\n")
}

#[actix_web::test]
async fn a_skill_says_what_it_needs_and_what_of_that_commands_do_not_have() {
    let env = "MAIL_TOKEN=tok-4711-abcdef\nKEPT_BACK=tok-4712-abcdef\n".to_owned();
    let config = "terminal:\n  env_passthrough: [MAIL_TOKEN, NOT_SET]\n";
    let house = House::with(Plan { alice_env: env, ..Plan::config(config) }).await;
    put(&house, "plain/SKILL.md", &skill("plain", "Needs nothing."));
    let head = "required_environment_variables:\n- name: MAIL_TOKEN\n  prompt: x\n- KEPT_BACK\n- NOT_SET\n\
                required_commands: [sh, no-such-program]\nprerequisites:\n  env_vars: [HOME]\n  commands: [/bin/sh]\n\
                metadata:\n  hermes:\n    tags: [mail, Post]\n    related_skills: [plain]\n";
    put(&house, "mail/SKILL.md", &with_head("mail", head));
    put(&house, "mac/SKILL.md", &with_head("mac", "platforms: [macos]\nrequired_commands: [sh]\n"));
    let met =
        "platforms: [linux, macos]\nrequired_commands: sh\nrequired_environment_variables: [MAIL_TOKEN]\n";
    put(&house, "met/SKILL.md", &with_head("met", met));
    let odd = "required_commands: {a: b}\nrequired_environment_variables: [[x], {y: z}, ~]\nplatforms: ''\n";
    put(&house, "odd/SKILL.md", &with_head("odd", odd));
    let alice = house.alice().await;
    let view = async |name: &str| call(&house, &alice, "skill_view", json!({"name": name})).await;

    let seen = view("mail").await;
    let expected = [
        ("readiness_status", json!("setup_needed")),
        ("required_environment_variables", json!(["MAIL_TOKEN", "KEPT_BACK", "NOT_SET", "HOME"])),
        ("missing_required_environment_variables", json!(["KEPT_BACK", "NOT_SET"])),
        ("required_commands", json!(["sh", "no-such-program", "/bin/sh"])),
        // Whether a path exists is not told.
        ("missing_required_commands", json!(["no-such-program", "/bin/sh"])),
        ("tags", json!(["mail", "Post"])),
        ("related_skills", json!(["plain"])),
    ];
    for (member, value) in expected {
        assert_eq!(seen[member], value, "{member}: {seen}");
    }
    let note = seen["setup_note"].as_str().unwrap();
    assert!(
        note.contains("KEPT_BACK (it is in the profile's .env") && !seen.to_string().contains("tok-47"),
        "{note}"
    );

    for (name, status, required) in
        [("plain", "available", None), ("met", "available", Some(json!(["sh"]))), ("odd", "available", None)]
    {
        let seen = view(name).await;
        assert_eq!(seen["readiness_status"], json!(status), "{seen}");
        assert_eq!(seen.get("required_commands"), required.as_ref(), "{seen}");
        assert_eq!((seen.get("missing_required_commands"), seen.get("setup_note")), (None, None), "{seen}");
    }
    assert_eq!(view("mac").await["readiness_status"], json!("unsupported"));
    let listed = call(&house, &alice, "skills_list", json!({"query": "mac"})).await;
    assert_eq!(
        listed["skills"],
        json!([{"name": "mac", "description": "Does it.", "category": null}]),
        "short"
    );
    house.close().await;
}

#[actix_web::test]
async fn the_name_of_a_deleted_skill_leads_to_the_one_that_took_it_over() {
    let mut house = House::open().await;
    for name in ["brew", "kettle", "drinks", "other"] {
        put(&house, &format!("{name}/SKILL.md"), &skill(name, "Does it."));
    }
    let alice = house.alice().await;
    let manage = async |arguments: Value| call(&house, &alice, "skill_manage", arguments).await;
    let delete = |name: &str, into: &str| json!({"action": "delete", "name": name, "absorbed_into": into});
    for (into, code) in
        [("nope", "skill_not_found"), ("brew", "invalid_arguments"), ("../x", "skill_not_found")]
    {
        assert_eq!(manage(delete("brew", into)).await["code"], json!(code), "{into}");
    }
    assert!(folder(&house).join("brew/SKILL.md").exists(), "what names no successor deletes nothing");

    let done = manage(delete("brew", "kettle")).await;
    assert_eq!(done["message"], json!("Skill deleted; its name leads to `kettle`."), "{done}");
    assert_eq!(manage(delete("kettle", "drinks")).await["success"], json!(true));
    drop(alice);
    house.stop(std::time::Duration::ZERO).await;
    house.start().await;
    let alice = house.alice().await;
    let manage = async |arguments: Value| call(&house, &alice, "skill_manage", arguments).await;
    let gone = call(&house, &alice, "skill_view", json!({"name": "kitchen/brew"})).await;
    assert_eq!(
        (&gone["code"], &gone["absorbed_into"]),
        (&json!("skill_absorbed"), &json!("drinks")),
        "{gone}"
    );
    let patch = json!({"action": "patch", "name": "brew", "old_string": "Do", "new_string": "Don't"});
    assert_eq!(manage(patch).await["code"], json!("skill_absorbed"));
    let bob = house.bob().await;
    let foreign = call(&house, &bob, "skill_view", json!({"name": "brew"})).await;
    assert_eq!(foreign["code"], json!("skill_not_found"), "another's: {foreign}");

    // A name that is in use again leads nowhere else; one whose successor is gone is gone.
    let again = json!({"action": "create", "name": "brew", "content": skill("brew", "Is new.")});
    assert_eq!(manage(again).await["success"], json!(true));
    assert_eq!(call(&house, &alice, "skill_view", json!({"name": "brew"})).await["success"], json!(true));
    for name in ["brew", "drinks"] {
        assert_eq!(manage(json!({"action": "delete", "name": name})).await["success"], json!(true));
    }
    for name in ["brew", "kettle", "drinks"] {
        let gone = call(&house, &alice, "skill_view", json!({"name": name})).await;
        assert_eq!(
            (&gone["code"], &gone["available_skills"]),
            (&json!("skill_not_found"), &json!(["other"])),
            "{gone}"
        );
    }
    let kept = fs::read_to_string(folder(&house).join(".successors")).unwrap();
    assert_eq!(kept, "kettle drinks\n");
    house.close().await;
}
