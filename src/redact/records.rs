//! Records without secrets: whatever in them is content, told by people, models or tools. Ids, names of states and numbers
//! stay as they are, or the record could not be read again.

use super::Redactor;
use crate::domain::{
    Approval, ApprovalRequest, ApprovalScope, Aside, Clarification, Content, Event, ImageUrl, KeptAnswer,
    Message, Part, ResponseRecord, Rule, RunSpec, StandsFor, Subagent, ToolCall, ToolResult,
};
use serde_json::{Map, Value};
use std::borrow::Cow;

impl Redactor {
    /// Cleans a text where it stands.
    pub fn clean_text(&self, text: &mut String) {
        if let Cow::Owned(clean) = self.clean(text) {
            *text = clean;
        }
    }

    fn clean_some(&self, text: Option<&mut String>) {
        text.into_iter().for_each(|text| self.clean_text(text));
    }

    /// Cleans every text of a JSON value, names of members too. A number that is a secret becomes a text.
    pub fn clean_value(&self, value: &mut Value) {
        match value {
            Value::Null | Value::Bool(_) => {}
            Value::Number(number) => {
                if let Cow::Owned(clean) = self.clean(&number.to_string()) {
                    *value = Value::String(clean);
                }
            }
            Value::String(text) => self.clean_text(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.clean_value(item)),
            Value::Object(members) => self.clean_members(members),
        }
    }

    fn clean_members(&self, members: &mut Map<String, Value>) {
        members.values_mut().for_each(|value| self.clean_value(value));
        let hidden = |name: &String| matches!(self.clean(name), Cow::Owned(_));
        if members.keys().any(hidden) {
            let all = std::mem::take(members).into_iter();
            *members = all.map(|(name, value)| (self.clean(&name).into_owned(), value)).collect();
        }
    }

    /// Cleans the arguments of a call: what was JSON stays JSON.
    fn clean_arguments(&self, arguments: &mut String) {
        let Cow::Owned(clean) = self.clean(arguments) else { return };
        *arguments = match serde_json::from_str(arguments) {
            Ok(mut value) => {
                self.clean_value(&mut value);
                let text = value.to_string();
                // A secret that is itself JSON may reach over several members.
                match self.clean(&text) {
                    Cow::Borrowed(_) => text,
                    Cow::Owned(clean) => serde_json::json!({ "arguments": clean }).to_string(),
                }
            }
            Err(_no_json) => clean,
        };
    }

    fn clean_call(&self, call: &mut ToolCall) {
        let ToolCall { id, name, arguments } = call;
        self.clean_text(id);
        self.clean_text(name);
        self.clean_arguments(arguments);
    }

    /// What a run's log may hold. Texts that are made of the log itself are clean already.
    pub fn clean_event(&self, event: &mut Event) {
        match event {
            // These come in pieces; whoever writes them reads them as one text.
            Event::MessageDelta { delta: _ } | Event::ReasoningDelta { delta: _ } => {}
            Event::RunStarted { session_id: _, model: _ }
            | Event::ApprovalResponded { approval_id: _, choice: _, resolved: _, expired: _ }
            | Event::ContextCompressed(_)
            | Event::RunStopping {}
            | Event::Gap { from: _, snapshot: _ } => {}
            Event::ToolStarted { tool, preview, call_id, arguments } => {
                self.clean_text(tool);
                self.clean_some(preview.as_mut());
                self.clean_text(call_id);
                self.clean_value(arguments);
            }
            Event::ToolCompleted { tool, call_id, duration: _, error: _, result } => {
                self.clean_text(tool);
                self.clean_text(call_id);
                self.clean_text(result);
            }
            Event::ApprovalRequest(request) => self.clean_request(request),
            Event::ClarifyRequest(request) => {
                self.clean_text(&mut request.call_id);
                self.clean_text(&mut request.question);
                request.choices.iter_mut().for_each(|choice| self.clean_text(choice));
            }
            Event::ClarifyResponded { clarify_id: _, response, expired: _ } => {
                self.clean_some(response.as_mut());
            }
            Event::SubagentStart(child) => self.clean_subagent(child),
            Event::SubagentComplete(end) => {
                self.clean_subagent(&mut end.subagent);
                self.clean_text(&mut end.summary);
            }
            Event::RunRetrying(retrying) => self.clean_text(&mut retrying.error),
            Event::RunSteered { accepted: _, input } => self.clean_text(input),
            Event::RunCompleted { output: _, usage: _, finish_reason: _, tool_calls, pending_steer } => {
                tool_calls.iter_mut().for_each(|call| self.clean_call(call));
                self.clean_some(pending_steer.as_mut());
            }
            Event::RunFailed {
                error,
                error_code: _,
                retryable: _,
                retry_after: _,
                partial_output: _,
                usage: _,
                pending_steer,
            } => {
                self.clean_text(error);
                self.clean_some(pending_steer.as_mut());
            }
            Event::RunCancelled { partial_output: _, usage: _, pending_steer } => {
                self.clean_some(pending_steer.as_mut());
            }
        }
    }

    fn clean_subagent(&self, child: &mut Subagent) {
        self.clean_text(&mut child.delegation_id);
        self.clean_text(&mut child.goal);
    }

    fn clean_request(&self, request: &mut ApprovalRequest) {
        let ApprovalRequest {
            approval_id: _,
            call_id,
            tool,
            command,
            arguments_digest: _,
            pattern_key: _,
            pattern_keys: _,
            description,
            allow_permanent: _,
            choices: _,
            expires_at: _,
        } = request;
        [call_id, tool, command, description].into_iter().for_each(|text| self.clean_text(text));
    }

    pub fn clean_approval(&self, approval: &mut Approval) {
        let Approval { call_id, tool, command, findings, scopes, description, reason, question, .. } =
            approval;
        if let Some(Clarification { question, choices }) = question {
            self.clean_text(question);
            choices.iter_mut().for_each(|choice| self.clean_text(choice));
        }
        [call_id, tool, command, description].into_iter().for_each(|text| self.clean_text(text));
        findings.iter_mut().for_each(|finding| self.clean_text(&mut finding.description));
        scopes.iter_mut().for_each(|scope| self.clean_scope(scope));
        self.clean_some(reason.as_mut());
    }

    pub fn clean_scope(&self, scope: &mut ApprovalScope) {
        self.clean_text(&mut scope.shape);
    }

    pub fn clean_rule(&self, rule: &mut Rule) {
        self.clean_scope(&mut rule.scope);
        self.clean_text(&mut rule.description);
    }

    pub fn clean_message(&self, message: &mut Message) {
        match message {
            Message::System { content } => self.clean_text(content),
            Message::User { content } => self.clean_content(content),
            Message::Assistant { content, tool_calls, reasoning } => {
                self.clean_text(content);
                self.clean_some(reasoning.as_mut());
                tool_calls.iter_mut().for_each(|call| self.clean_call(call));
            }
            Message::Tool { tool_call_id, name, content } => {
                self.clean_text(tool_call_id);
                self.clean_some(name.as_mut());
                self.clean_text(content);
            }
        }
    }

    pub fn clean_content(&self, content: &mut Content) {
        match content {
            Content::Text(text) => self.clean_text(text),
            Content::Parts(parts) => parts.iter_mut().for_each(|part| match part {
                Part::Text { text } => self.clean_text(text),
                // The bytes of an image are no text, and many.
                Part::ImageUrl { image_url: ImageUrl { url, detail: _ } } if url.starts_with("data:") => {}
                Part::ImageUrl { image_url: ImageUrl { url, detail: _ } } => self.clean_text(url),
            }),
        }
    }

    /// A turn as it is kept. Its model was asked in the words of the client.
    pub fn clean_spec(&self, spec: &mut RunSpec) {
        self.clean_some(spec.system.as_mut());
        spec.history.iter_mut().for_each(|message| self.clean_message(message));
        for ToolResult { call_id, content } in &mut spec.results {
            self.clean_text(call_id);
            self.clean_text(content);
        }
        self.clean_content(&mut spec.input);
        spec.client_tools.definitions.iter_mut().for_each(|tool| self.clean_value(tool));
        self.clean_members(&mut spec.sampling.0);
    }

    pub fn clean_response(&self, response: &mut ResponseRecord) {
        self.clean_some(response.system.as_mut());
        let request = &mut response.request;
        self.clean_some(request.instructions.as_mut());
        for Aside { at: _, role: _, text } in &mut request.asides {
            self.clean_text(text);
        }
        self.clean_members(&mut request.echo);
    }

    /// An answer that is kept for retries: a secret in it was shown once.
    pub fn clean_answer(&self, answer: &mut StandsFor) {
        match answer {
            StandsFor::Run(_) | StandsFor::Session(_) => {}
            StandsFor::Answer(KeptAnswer { status: _, headers: _, body }) => self.clean_arguments(body),
        }
    }
}
