//! Members of a request that a model does not take, and what is sent instead.

/// What may be left out: without these an answer is still one to what was asked.
const OPTIONAL: [&str; 9] = [
    "temperature",
    "top_p",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "reasoning_effort",
    "user",
    "parallel_tool_calls",
    "stream_options",
];
/// The two names of one limit: servers take the one or the other.
pub(super) const LIMIT: [&str; 2] = ["max_tokens", "max_completion_tokens"];
/// How servers say that a limit is more than the model ever answers with.
pub(super) const TOO_MUCH: &[&str] =
    &["too large", "at most", "maximum", "exceed", "less than or equal", "valid range", "must be", "<="];
/// How they say that prompt and limit together are too long.
const OF_THE_ANSWER: [&str; 4] = ["max_tokens", "max_completion_tokens", "completion", "output"];
/// No model's limit is less.
const LEAST: u64 = 256;

/// What is known of a model's limit for its answers. Kept between calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Limit {
    /// It goes by its other name.
    renamed: bool,
    /// The model answers with no more than this.
    most: Option<u64>,
    /// It takes none that nobody asked for.
    unwanted: bool,
}

/// The limit that a request has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sent {
    pub tokens: u64,
    /// The gateway's own; else the client's.
    pub own: bool,
}

/// What one call has learnt about its members.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Members {
    dropped: Vec<&'static str>,
    pub(super) limit: Limit,
    /// The own limit is left out of this call: together with the prompt it was too long.
    unlimited: bool,
}

impl Members {
    /// Of a model whose limit is known.
    pub(super) fn of(limit: Limit) -> Self {
        Self { limit, ..Self::default() }
    }

    /// Learns from what a server complains of. Whether that changes the request.
    pub(super) fn learn(&mut self, complaint: &str, sent: Option<Sent>) -> bool {
        if LIMIT.iter().any(|limit| names(complaint, limit)) {
            return sent.is_some_and(|sent| self.learn_limit(complaint, sent));
        }
        let fresh =
            OPTIONAL.into_iter().find(|member| names(complaint, member) && !self.dropped.contains(member));
        self.dropped.extend(fresh);
        fresh.is_some()
    }

    fn learn_limit(&mut self, complaint: &str, sent: Sent) -> bool {
        let said = complaint.to_ascii_lowercase();
        let too_much = TOO_MUCH.iter().any(|word| said.contains(word));
        if too_much && self.limit.most.is_none() {
            let most = numbers(complaint).filter(|number| (LEAST..sent.tokens).contains(number)).max();
            if most.is_some() {
                self.limit.most = most;
                return true;
            }
        }
        let other = if too_much { &mut self.limit.unwanted } else { &mut self.limit.renamed };
        if (sent.own || !too_much) && !std::mem::replace(other, true) {
            return true;
        }
        sent.own && !std::mem::replace(&mut self.limit.unwanted, true)
    }

    /// Prompt and limit together were too long: the gateway's own limit was a guess. Whether leaving it out may help.
    pub(super) fn without_own_limit(&mut self, complaint: &str, sent: Option<Sent>) -> bool {
        let said = complaint.to_ascii_lowercase();
        sent.is_some_and(|sent| sent.own)
            && OF_THE_ANSWER.iter().any(|word| said.contains(word))
            && !std::mem::replace(&mut self.unlimited, true)
    }

    /// What is sent of the gateway's own limit.
    pub(super) fn own_limit(&self, tokens: u64) -> Option<u64> {
        (!self.unlimited && !self.limit.unwanted).then(|| self.at_most(tokens))
    }

    /// No more than the model answers with.
    pub(super) fn at_most(&self, tokens: u64) -> u64 {
        self.limit.most.map_or(tokens, |most| tokens.min(most))
    }

    /// The name under which a member is sent; `None`: it is not.
    pub(super) fn name<'a>(&self, member: &'a str) -> Option<&'a str> {
        if self.dropped.contains(&member) {
            return None;
        }
        if !self.limit.renamed {
            return Some(member);
        }
        let at = LIMIT.iter().position(|limit| *limit == member);
        Some(at.map_or(member, |at| LIMIT[1 - at]))
    }
}

/// Whether a text has this member's name in it, and not only as a part of a word.
fn names(complaint: &str, member: &str) -> bool {
    let end = |letter: Option<char>| letter.is_none_or(|letter| !letter.is_alphanumeric() && letter != '_');
    complaint.match_indices(member).any(|(at, _)| {
        end(complaint[..at].chars().next_back()) && end(complaint[at + member.len()..].chars().next())
    })
}

/// The numbers in a text, those with commas in them too.
fn numbers(text: &str) -> impl Iterator<Item = u64> {
    let words = text.split(|letter: char| !letter.is_alphanumeric() && letter != ',' && letter != '_');
    words.filter_map(|word| word.trim_matches(',').replace(',', "").parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Option<Sent> = Some(Sent { tokens: 65_536, own: true });
    const CLIENTS: Option<Sent> = Some(Sent { tokens: 65_536, own: false });

    #[test]
    fn what_is_complained_of_is_left_out_once_and_nothing_that_matters() {
        let mut members = Members::default();
        let complaint = "Unsupported parameter: 'max_tokens' is not supported with this model. Use \
                         'max_completion_tokens' instead.";
        assert!(members.learn(complaint, CLIENTS));
        assert_eq!(members.name("max_tokens"), Some("max_completion_tokens"));
        assert!(!members.learn(complaint, CLIENTS), "once");
        assert!(members.learn("Unsupported value: 'temperature' does not support 0.2", None));
        assert_eq!((members.name("temperature"), members.name("top_p")), (None, Some("top_p")));
        for complaint in
            ["Unsupported parameter: 'response_format'", "superuser", "unknown parameter: messages"]
        {
            assert!(!members.learn(complaint, OWN), "{complaint}");
        }
    }

    #[test]
    fn a_limit_that_is_too_much_becomes_what_the_server_says() {
        let says = [
            (
                "max_tokens is too large: 65536. This model supports at most 16384 completion tokens, whereas you \
              provided 65536.",
                16_384,
            ),
            ("max_tokens: 65536 > 8192, which is the maximum allowed number of output tokens for it", 8_192),
            ("Invalid max_tokens value, the valid range of max_tokens is [1, 8192]", 8_192),
            ("`max_completion_tokens` must be less than or equal to `32,768`", 32_768),
        ];
        for (complaint, most) in says {
            for sent in [OWN, CLIENTS] {
                let mut members = Members::default();
                assert!(members.learn(complaint, sent), "{complaint}");
                assert_eq!(
                    (members.at_most(65_536), members.own_limit(300)),
                    (most, Some(300)),
                    "{complaint}"
                );
                assert_eq!(
                    members.learn(complaint, sent),
                    sent == OWN,
                    "without one of our own: {complaint}"
                );
                assert_eq!(members.own_limit(300).is_none(), sent == OWN);
            }
        }
        let mut members = Members::default();
        assert!(members.learn("max_tokens must be small", OWN) && members.own_limit(300).is_none());
        assert!(!Members::default().learn("max_tokens must be small", CLIENTS), "the client's stays");
        assert!(!Members::default().learn("max_tokens is too large: at most 8192", None), "there was none");
    }

    #[test]
    fn only_what_a_server_says_counts_as_a_limit() {
        let status = crate::model::ModelError::Status {
            status: 400,
            message: "max_tokens must be a small number".to_owned(),
            code: None,
            retry_after: None,
        };
        let mut members = Members::default();
        assert!(members.learn(status.said(), OWN), "{status}");
        assert_eq!(
            (members.own_limit(300), members.at_most(5_000)),
            (None, 5_000),
            "not the 400 of the status"
        );
    }

    #[test]
    fn an_own_limit_that_does_not_fit_beside_the_prompt_is_left_out_of_that_call() {
        let complaint = "This model's maximum context length is 40000 tokens. However, you requested 41500 tokens \
                         (13000 in the messages, 28500 in the completion).";
        let mut members = Members::default();
        assert!(!members.without_own_limit(complaint, CLIENTS));
        assert!(!members.without_own_limit("prompt is too long", OWN));
        assert!(members.without_own_limit(complaint, OWN) && members.own_limit(300).is_none());
        assert!(!members.without_own_limit(complaint, OWN), "once");
        assert_eq!(Members::of(members.limit).own_limit(300), Some(300), "the next call has one again");
    }
}
