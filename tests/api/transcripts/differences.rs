//! What is wanted to differ from the recordings, and by which rule.

use super::replay::Pending;

/// Differences that one rule wants.
pub struct Wanted {
    /// Where the rule stands, and what it says in short.
    pub rule: &'static str,
    pub why: &'static str,
    /// `NUMBER METHOD ROUTE: place: recorded -> ours`; `*` stands for anything.
    pub seen: &'static [&'static str],
}

impl Wanted {
    pub fn explains(&self, difference: &str) -> bool {
        self.seen.iter().any(|pattern| matches(pattern, difference))
    }

    /// The patterns that match none of these differences, each with its rule.
    pub fn unused(&self, found: &[String]) -> Vec<String> {
        let unused = |pattern: &&&str| !found.iter().any(|difference| matches(pattern, difference));
        let named = |pattern: &&str| format!("{pattern} ({}: {})", self.rule, self.why);
        self.seen.iter().filter(unused).map(named).collect()
    }
}

fn matches(pattern: &str, text: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else { return pattern == text };
    let Some(rest) = text.strip_prefix(before) else { return false };
    (0..=rest.len()).filter(|at| rest.is_char_boundary(*at)).any(|at| matches(after, &rest[at..]))
}

/// Recordings that cannot be sent again.
pub const NOT_REPLAYED: &[(u32, &str)] = &[];

/// Routes that are not there yet, by the beginning of their path.
pub const PENDING: &Pending =
    &[("/api/jobs", "jobs"), ("/api/cron", "jobs"), ("/api/platforms", "platforms")];

pub const WANTED: &[Wanted] = &[
    Wanted {
        rule: "AGENT 1, do better",
        why: "calls of one answer that only read run beside each other, commands among them",
        seen: &[
            "039 POST /v1/chat/completions: event hermes.tool.progress(running): there -> elsewhere",
            "148 GET /v1/runs/{id}/events: event tool.started: there -> elsewhere",
        ],
    },
    Wanted {
        rule: "WIRE 1",
        why: "one shape of error everywhere, with a code; 404 and 405 too",
        seen: &[
            "*: body.error.code: null -> string",
            "*: body.error.param: null -> string",
            "007 GET /v1/models/hermes-agent: body: text -> json",
            "007 GET /v1/models/hermes-agent: header content-type: text/plain -> application/json",
            "017 *: body: text -> json",
            "017 *: header content-type: text/plain -> application/json",
            "018 *: body: text -> json",
            "018 *: header content-type: text/plain -> application/json",
            "019 *: body: text -> json",
            "019 *: header content-type: text/plain -> application/json",
            "206 GET /nope: body: text -> json",
            "206 GET /nope: header content-type: text/plain -> application/json",
        ],
    },
    Wanted {
        rule: "WIRE 8",
        why: "a check says what is known: of a model, how the last call of it ended",
        seen: &[
            "004 GET /health/detailed: body.readiness.checks.model.status: \"ok\" -> \"unknown\"",
            "141 GET /health/detailed: body.readiness.checks.model.status: \"ok\" -> \"degraded\"",
        ],
    },
    Wanted {
        rule: "WIRE 1",
        why: "what has the wrong type is 400 and names its place; nothing that a client sends is 500",
        seen: &[
            "028 *: status: 200 -> 400",
            "032 *: status: 200 -> 400",
            "046 *: status: 500 -> 400",
            "051 *: status: 500 -> 400",
            "054 *: status: 200 -> 400",
            "106 *: status: 500 -> 400",
            "107 *: status: 500 -> 400",
            "170 *: status: 500 -> 400",
        ],
    },
    Wanted {
        rule: "WIRE 1",
        why: "nothing is cut in silence: over the limit of parts is 400, over that of the body 413, chunked or not",
        seen: &["064 *: status: 200 -> 400", "067 *: status: 400 -> 413"],
    },
    Wanted {
        rule: "WIRE 1",
        why: "the only limits are those that it names; a long header is none of them",
        seen: &["073 *: status: 400 -> 200"],
    },
    Wanted {
        rule: "WIRE 1",
        why: "`HEAD` works where `GET` does, `bearer` in any case",
        seen: &["003 HEAD /health: status: 405 -> 200", "014 *: status: 401 -> 200"],
    },
    Wanted {
        rule: "WIRE 2",
        why: "a failed turn is an error, never an answer; an empty answer and one that was cut are failed turns",
        seen: &[
            "042 *: status: 200 -> 502",
            "043 *: status: 200 -> 502",
            "191 *: status: 200 -> 502",
            "194 *: status: 200 -> 502",
            "212 *: status: 200 -> 502",
            "216 POST /v1/chat/completions: status: 200 -> 502",
            "* POST /v1/chat/completions: finish(error):.error.type: \"agent_error\" -> \"server_error\"",
            "211 *: event finish(stop): there -> missing",
            "216 POST /v1/chat/completions: event finish(stop): there -> missing",
            "214 GET /v1/runs/{id}/events: event run.completed: there -> missing",
            "214 GET /v1/runs/{id}/events: last event: run.completed -> run.failed",
            "214 GET /v1/runs/{id}: body.output: string -> missing",
            "214 GET /v1/runs/{id}: body.status: \"completed\" -> \"failed\"",
        ],
    },
    Wanted {
        rule: "WIRE 2",
        why: "a turn that began and failed is a failed response, with what there was of it",
        seen: &[
            "114 GET /v1/responses/{id}: body.output[]: some -> none",
            "114 GET /v1/responses/{id}: body.status: \"completed\" -> \"failed\"",
            "115 POST /v1/responses: body.output[]: some -> none",
            "115 POST /v1/responses: body.status: \"completed\" -> \"failed\"",
            "195 POST /v1/responses: body.output[]: some -> none",
            "195 POST /v1/responses: body.status: \"completed\" -> \"failed\"",
            "114 POST /v1/responses: event response.completed: there -> missing",
            "114 POST /v1/responses: last event: response.completed -> response.failed",
            "196 POST /v1/responses: event response.completed: there -> missing",
            "196 POST /v1/responses: last event: response.completed -> response.failed",
            "197 POST /v1/responses: event response.completed: there -> missing",
            "197 POST /v1/responses: last event: response.completed -> response.failed",
            "213 POST /v1/responses: event response.completed: there -> missing",
            "213 POST /v1/responses: last event: response.completed -> response.failed",
            "114 POST /v1/responses: event response.output_*: there -> missing",
            "196 POST /v1/responses: event response.output_*: there -> missing",
            "197 POST /v1/responses: response.output_item.done:.item.status: \"completed\" -> \"incomplete\"",
            "213 POST /v1/responses: response.output_item.done:.item.status: \"completed\" -> \"incomplete\"",
            "216 POST /v1/responses: body.output[]: some -> none",
            "216 POST /v1/responses: body.status: \"completed\" -> \"failed\"",
            "216 GET /v1/runs/{id}/events: event run.completed: there -> missing",
            "216 GET /v1/runs/{id}/events: last event: run.completed -> run.failed",
            "216 GET /v1/runs/{id}: body.output: string -> missing",
            "216 GET /v1/runs/{id}: body.status: \"completed\" -> \"failed\"",
        ],
    },
    Wanted {
        rule: "WIRE 4",
        why: "a response shows its own turn alone, as far as it is, and the same objects everywhere; a conversation may be an object",
        seen: &[
            "086 POST /v1/responses: body.output[]*",
            "116 GET /v1/responses/{id}: body.output[]: none -> some",
            "088 POST /v1/responses: status: 500 -> 200",
            "112 POST /v1/responses: response.completed:.response.output[].output: list -> string",
        ],
    },
    Wanted {
        rule: "DESIGN 5",
        why: "the cap on turns counts those of every surface",
        seen: &[
            "179 POST /api/sessions/{id}/chat: status: 200 -> 429",
            "217 POST /api/sessions/{id}/chat: status: 200 -> 429",
        ],
    },
    Wanted {
        rule: "WIRE 5",
        why: "a key that was used for another request is refused",
        seen: &["118 POST /v1/responses: status: 200 -> 409"],
    },
    Wanted {
        rule: "WIRE 2",
        why: "`length` is said of an answer that the model itself broke off, and of no other",
        seen: &[
            "215 POST /v1/chat/completions: body.choices[].finish_reason: \"stop\" -> \"length\"",
            "215 POST /v1/responses: body.status: \"completed\" -> \"incomplete\"",
            "215 POST /v1/chat/completions: event finish(stop): there -> missing",
            "081 *: body.choices[].finish_reason: \"length\" -> \"stop\"",
            "081 *: body.hermes: object -> missing",
            "081 *: header x-hermes-completed: there -> missing",
            "081 *: header x-hermes-error: there -> missing",
            "081 *: header x-hermes-partial: there -> missing",
        ],
    },
    Wanted {
        rule: "WIRE 3",
        why: "reasoning is sent only when `show_reasoning` is on; the recorded event repeats the answer's text",
        seen: &["* GET /v1/runs/{id}/events: event reasoning.available: there -> missing"],
    },
    Wanted {
        rule: "WIRE 5",
        why: "a key that comes again with another body is refused",
        seen: &["074 *: status: 200 -> 409"],
    },
    Wanted {
        rule: "WIRE 5",
        why: "any number of readers of a run, each of all events, at any time",
        seen: &[
            "151 GET /v1/runs/{id}/events: status: 404 -> 200",
            "152 GET /v1/runs/{id}/events: event run.completed: there -> missing",
            "152 GET /v1/runs/{id}/events: last event: reasoning.available -> run.completed",
            "153 GET /v1/runs/{id}/events: status: 404 -> 200",
            // The second reader reads to the end.
            "153 GET /v1/runs/{id}: body.status: \"running\" -> \"completed\"",
        ],
    },
    Wanted {
        rule: "WIRE 5",
        why: "an unknown `previous_response_id` is 404",
        seen: &[
            "176 POST /v1/runs: status: 202 -> 404",
            "176 GET /v1/runs/{id}/events: status: 200 -> 404",
            "176 GET /v1/runs/{id}: status: 200 -> 404",
        ],
    },
    Wanted {
        rule: "WIRE 5",
        why: "a stop of a run that is over answers with its status",
        seen: &[
            "154 POST /v1/runs/{id}/stop: status: 404 -> 200",
            "179 POST /v1/runs/{id}/stop: status: 404 -> 200",
        ],
    },
    Wanted {
        rule: "DESIGN 5",
        why: "all questions of a batch are settled before a tool starts, so that a waiting run can be put aside",
        seen: &[
            "* GET /v1/runs/{id}/events: event approval.request: there -> elsewhere",
            "162 GET /v1/runs/{id}/events: event tool.started: there -> missing",
            "162 GET /v1/runs/{id}/events: event tool.completed: there -> missing",
        ],
    },
    Wanted {
        rule: "WIRE 5",
        why: "an answer without an id is refused when several questions wait, unless it says `all`",
        seen: &[
            "160 POST /v1/runs/{id}/approval: status: 200 -> 409",
            "161 POST /v1/runs/{id}/approval: status: 200 -> 409",
            "16* POST /v1/runs/{id}/approval: body.resolved: 1 -> 2",
        ],
    },
    Wanted {
        rule: "WIRE 5",
        why: "`session` means the session: its next run is not asked again",
        seen: &[
            "160 GET /v1/runs/{id}/events: event approval.request: there -> missing",
            "160 GET /v1/runs/{id}/events: event approval.responded: there -> missing",
        ],
    },
    Wanted {
        rule: "WIRE 5",
        why: "a status says what is: after an approval timed out the run runs",
        seen: &["219 GET /v1/runs/{id}: body.status: \"waiting_for_approval\" -> \"running\""],
    },
    Wanted {
        rule: "WIRE 5",
        why: "a person is asked, no helper model; `always` is a rule of the profile, so nobody is asked again",
        seen: &[
            "221 *: approval.request:.choices: [\"once\",\"deny\"] -> [\"once\",\"session\",\"always\",\"deny\"]",
            "221 *: approval.request:.smart_denied: bool -> missing",
            "221 *: event approval.request: there -> missing",
            "221 *: event approval.responded: there -> missing",
            "221 *: status: 200 -> 409",
        ],
    },
    Wanted {
        rule: "WIRE 9",
        why: "below a prefix the profile's own key counts, what it has is seen with that key alone, and an unknown profile is told like a wrong key",
        seen: &[
            "024 GET /p/nosuch/v1/models: status: 200 -> 401",
            "208 * /p/coder/*: status: 200 -> 401",
            // A response of another profile, which was not made here.
            "208 GET /v1/responses/{id}: status: 200 -> 404",
            "208 GET /p/nosuch/v1/models: status: 404 -> 401",
        ],
    },
    Wanted {
        rule: "WIRE 7",
        why: "a refused origin is told so in JSON; without an origin `OPTIONS` is a method like others",
        seen: &[
            "020 *: status: 403 -> 405",
            "021 *: body: text -> json",
            "022 *: body: text -> json",
            "206 GET /v1/models: body: text -> json",
        ],
    },
    Wanted {
        rule: "WIRE 7",
        why: "what only a preflight asks is answered to a preflight",
        seen: &[
            "* *: header access-control-allow-headers: there -> missing",
            "* *: header access-control-allow-methods: there -> missing",
            "* *: header access-control-max-age: there -> missing",
        ],
    },
    Wanted {
        rule: "WIRE 6",
        why: "titles, ids and prompts are refused by name before anything is made; the stream's run is a run",
        seen: &["130 POST /api/sessions: status: 500 -> 400", "142 GET /v1/runs/{id}: status: 404 -> 200"],
    },
    Wanted {
        rule: "WIRE 2",
        why: "a failed turn of a session is told as chat completions tell it, in a stream by `error` and `done`",
        seen: &[
            "137 POST /api/sessions/{id}/chat: status: 200 -> 502",
            "140 POST /api/sessions/{id}/chat/stream: event assistant.completed: there -> missing",
            "140 POST /api/sessions/{id}/chat/stream: event run.completed: there -> missing",
            "200 POST /api/sessions/{id}/chat/stream: event assistant.completed: there -> missing",
            "200 POST /api/sessions/{id}/chat/stream: event run.completed: there -> missing",
        ],
    },
    Wanted {
        rule: "WIRE 3",
        why: "the answer's text is not told a second time as thoughts; thoughts are told when the profile shows them",
        seen: &[
            "* POST /api/sessions/{id}/chat/stream: event tool.progress: there -> missing",
            "139 POST /api/sessions/{id}/chat/stream: run.completed:.messages[].reasoning: string -> null",
            "139 POST /api/sessions/{id}/chat/stream: run.completed:.messages[].reasoning_content: string -> null",
        ],
    },
    Wanted {
        rule: "WIRE 6",
        why: "what is not known is not made up: costs, and ids of items that no response has",
        seen: &[
            "* GET /api/sessions*: body.*estimated_cost_usd: number -> null",
            "135 GET /api/sessions/{id}/messages: body.data[].tool_calls[].response_item_id: string -> null",
            "138 POST /api/sessions/{id}/chat/stream: run.completed:.messages[].tool_calls[].response_item_id: string -> null",
        ],
    },
    Wanted {
        rule: "WIRE 6",
        why: "the client left before the first text and asked while the turn was at work, which no lost client ends",
        seen: &["141 GET /api/sessions/{id}/messages: body.data[]: some -> none"],
    },
    Wanted {
        rule: "API.md 15",
        why: "the recorded version had no steering",
        seen: &[
            "165 POST /v1/runs/{id}/steer: body: text -> json",
            "165 POST /v1/runs/{id}/steer: header content-type: text/plain -> application/json",
        ],
    },
];
