//! Keys of a file that mean nothing, and the nearest one that does.

use super::{
    ConfigError,
    environment::SETTING_NAMES,
    error::Place,
    keys::{HOME_ONLY, KNOWN, Role, role},
    node::{Kind, Member, Node},
    provider,
    yaml::YamlFile,
};

/// Whose file is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    Home,
    Profile,
}

/// Walks a file: unknown keys and keys in the wrong file become warnings.
///
/// # Errors
///
/// A section that is no map: everything meant to be below it would be lost in silence.
pub(super) fn check(file: &YamlFile, owner: Owner) -> Result<Vec<String>, ConfigError> {
    let mut warnings = Vec::new();
    walk(file, owner, "", &file.root, &mut warnings)?;
    Ok(warnings)
}

fn walk(
    file: &YamlFile,
    owner: Owner,
    above: &str,
    node: &Node,
    warnings: &mut Vec<String>,
) -> Result<(), ConfigError> {
    for Member { key, line, value } in node.members() {
        let path = if above.is_empty() { key.clone() } else { format!("{above}.{key}") };
        let place = Place { file: file.path.clone(), line: Some(*line), key: path.clone() };
        match role(&path) {
            Role::Setting if owner == Owner::Profile && HOME_ONLY.contains(&path.as_str()) => {
                warnings.push(
                    place.warning("has no effect here: it counts in the home's own `config.yaml` only"),
                );
            }
            Role::Setting => {}
            Role::Section => match value.kind {
                Kind::Map(_) => walk(file, owner, &path, value, warnings)?,
                // `model: NAME` is the reference's short form of `model.default`.
                Kind::Scalar { .. } if value.is_null() || path == "model" => {}
                Kind::Scalar { .. } | Kind::List(_) => {
                    let message = format!("is {}, but settings belong below it", value.kind_name());
                    return Err(place.error(message));
                }
            },
            Role::Unknown => warnings.push(place.warning(match nearest(above, key) {
                Some(near) => format!("is not known and has no effect: did you mean `{near}`?"),
                None => "is not known and has no effect".to_owned(),
            })),
        }
    }
    Ok(())
}

/// The known key that was most likely meant: a like one in the same section, else the same name in another section.
fn nearest(above: &str, key: &str) -> Option<String> {
    let siblings = KNOWN.iter().filter_map(|known| {
        let rest = if above.is_empty() { known } else { known.strip_prefix(above)?.strip_prefix('.')? };
        let name = rest.split('.').next()?;
        (!name.ends_with('*')).then_some(name)
    });
    if let Some(name) = nearest_of(key, siblings) {
        return Some(if above.is_empty() { name.to_owned() } else { format!("{above}.{name}") });
    }
    let namesakes = KNOWN.iter().filter(|known| known.rsplit('.').next() == Some(key));
    namesakes.min_by_key(|known| known.len()).map(|known| (*known).to_owned())
}

/// The candidate within a few slips of the pen; longer words may have more of them.
pub(super) fn nearest_of<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let most = (word.chars().count() / 3).clamp(1, 3);
    candidates
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Whether a name of `.env` was most likely meant to be one of ours, and which. What is only somewhat like ours is the
/// user's own: a second key beside `OPENAI_API_KEY`, a key for another server.
pub(super) fn misspelt(name: &str) -> Option<Option<&'static str>> {
    const SLIPS: usize = 2;
    let ours = || SETTING_NAMES.into_iter().chain(provider::key_names());
    if ours().any(|known| known == name) {
        return None;
    }
    let upper = name.to_ascii_uppercase();
    if upper.starts_with("API_SERVER_") {
        return Some(nearest_of(&upper, SETTING_NAMES.into_iter()));
    }
    if upper.ends_with("_API_KEY") || ours().any(|known| upper.starts_with(known) && upper != known) {
        return None;
    }
    ours().find(|known| strsim::damerau_levenshtein(&upper, known) <= SLIPS).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::yaml;
    use std::path::Path;

    fn check_text(text: &str, owner: Owner) -> Result<Vec<String>, String> {
        let path = Path::new("c.yaml");
        let root = yaml::parse(path, text).map_err(|error| error.to_string())?;
        check(&YamlFile { path: path.to_owned(), root }, owner).map_err(|error| error.to_string())
    }

    #[test]
    fn unknown_keys_are_told_with_the_nearest_known_one() {
        let cases = [
            ("a slip", "agent:\n  max_turn: 3\n", "c.yaml:2: `agent.max_turn`", Some("agent.max_turns")),
            ("swapped letters", "modle:\n  default: x\n", "c.yaml:1: `modle`", Some("model")),
            ("wrong section", "max_turns: 3\n", "c.yaml:1: `max_turns`", Some("agent.max_turns")),
            (
                "deep",
                "gateway:\n  api_server:\n    prot: 1\n",
                "c.yaml:3: `gateway.api_server.prot`",
                Some("gateway.api_server.port"),
            ),
            ("nothing like it", "zebra: 1\n", "c.yaml:1: `zebra`", None),
        ];
        for (case, text, start, near) in cases {
            let warnings = check_text(text, Owner::Profile).unwrap();
            let end = near.map_or("has no effect".to_owned(), |near| format!("did you mean `{near}`?"));
            assert_eq!(warnings.len(), 1, "{case}: {warnings:?}");
            assert!(warnings[0].starts_with(start) && warnings[0].ends_with(&end), "{case}: {warnings:?}");
        }
    }

    #[test]
    fn entries_that_are_almost_ours_are_told_and_the_users_own_are_not() {
        let cases = [
            ("API_SERVER_PORT", None),
            ("OPENAI_API_KEY", None),
            ("API_SERVER_PROT", Some(Some("API_SERVER_PORT"))),
            ("API_SERVER_COLOUR_OF_THE_SKY", Some(None)),
            ("API_SERVR_HOST", Some(Some("API_SERVER_HOST"))),
            ("APISERVER_PORT", Some(Some("API_SERVER_PORT"))),
            ("api_server_port", Some(Some("API_SERVER_PORT"))),
            ("HERMES_MODLE", Some(Some("HERMES_MODEL"))),
            ("OPENAI_APIKEY", Some(Some("OPENAI_API_KEY"))),
            ("OPENAI_API_KEY_2", None),
            ("LLM_API_KEY", None),
            ("MY_API_KEY", None),
            ("HERMES_KEY", None),
            ("SERVER_PORT_OF_MINE", None),
            ("GITHUB_TOKEN", None),
        ];
        for (name, told) in cases {
            assert_eq!(misspelt(name), told, "{name}");
        }
    }

    #[test]
    fn keys_of_the_reference_are_accepted_in_silence() {
        let text = "compression: {enabled: true, threshold: .5}\ndelegation:\n  max_iterations: 50\ncron:\n  wrap_response: true\n\
                    display: {platforms: {api_server: {show_reasoning: true}}}\ntimezone: Europe/Berlin\nfallback_providers: []\n\
                    terminal: {docker_image: x, docker_volumes: []}\nmodel: some-model\nplatforms: {telegram: {token: x}, api_server: {extra: {enabled: true}}}\nmemory:\n";
        assert_eq!(check_text(text, Owner::Profile), Ok(vec![]));
    }

    #[test]
    fn a_section_that_is_no_map_is_an_error() {
        for (text, start) in [
            ("agent: 5\n", "c.yaml:1: `agent`: is a single value"),
            ("gateway:\n  api_server: [a]\n", "c.yaml:2: `gateway.api_server`: is a list"),
        ] {
            assert!(check_text(text, Owner::Home).unwrap_err().starts_with(start), "{text}");
        }
    }

    #[test]
    fn machine_settings_have_no_effect_in_a_profile() {
        let text = "server:\n  workers: 2\n";
        assert!(check_text(text, Owner::Profile).unwrap()[0].contains("home's own"));
        assert_eq!(check_text(text, Owner::Home), Ok(vec![]));
    }
}
