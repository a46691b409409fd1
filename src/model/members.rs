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
const LIMIT: [&str; 2] = ["max_tokens", "max_completion_tokens"];

/// What one call has learnt about its members.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Members {
    dropped: Vec<&'static str>,
    /// The limit goes by its other name.
    renamed: bool,
}

impl Members {
    /// Learns from what a server complains of. Whether that changes the request.
    pub(super) fn learn(&mut self, complaint: &str) -> bool {
        let names = |member: &str| {
            let end =
                |letter: Option<char>| letter.is_none_or(|letter| !letter.is_alphanumeric() && letter != '_');
            complaint.match_indices(member).any(|(at, _)| {
                end(complaint[..at].chars().next_back()) && end(complaint[at + member.len()..].chars().next())
            })
        };
        if !self.renamed && LIMIT.iter().any(|limit| names(limit)) {
            self.renamed = true;
            return true;
        }
        let fresh = OPTIONAL.into_iter().find(|member| names(member) && !self.dropped.contains(member));
        self.dropped.extend(fresh);
        fresh.is_some()
    }

    /// The name under which a member is sent; `None`: it is not.
    pub(super) fn name<'a>(&self, member: &'a str) -> Option<&'a str> {
        if self.dropped.contains(&member) {
            return None;
        }
        if !self.renamed {
            return Some(member);
        }
        let at = LIMIT.iter().position(|limit| *limit == member);
        Some(at.map_or(member, |at| LIMIT[1 - at]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_complained_of_is_left_out_once_and_nothing_that_matters() {
        let mut members = Members::default();
        let complaint = "Unsupported parameter: 'max_tokens' is not supported with this model. Use \
                         'max_completion_tokens' instead.";
        assert!(members.learn(complaint));
        assert_eq!(members.name("max_tokens"), Some("max_completion_tokens"));
        assert!(!members.learn(complaint), "once");
        assert!(members.learn("Unsupported value: 'temperature' does not support 0.2"));
        assert_eq!((members.name("temperature"), members.name("top_p")), (None, Some("top_p")));
        for complaint in
            ["Unsupported parameter: 'response_format'", "superuser", "unknown parameter: messages"]
        {
            assert!(!members.learn(complaint), "{complaint}");
        }
    }
}
