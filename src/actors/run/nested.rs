//! Calls that a script of the turn makes. They are judged as the model's own, and nobody is asked: what would need an
//! approval is refused, since the script waits and its approval was for the script.

use super::{
    audit,
    port::CallPort,
    refusal::{blocked, refused},
    tools::{clean, permitted},
};
use crate::{
    agent::Verdict,
    domain::{ToolCall, ToolOutput},
    tools::{Behalf, CallContext},
};
use serde_json::Value;
use std::time::Instant;

const DENIED: &str = "do not try it in another form; tell the user";

pub(super) async fn call(port: &CallPort, tool: &str, arguments: Value) -> ToolOutput {
    let bench = &port.bench;
    let (tenant, kit, spec) = (&bench.tenant, &bench.kit, &bench.spec);
    if let Err(refused) = permitted(tenant, &kit.toolbox.toolset(), spec, tool) {
        return refused;
    }
    match kit.policy.judge(tool, &arguments) {
        Verdict::Run => {}
        Verdict::Refuse(why) => return blocked(&format!("BLOCKED: {why}. Nobody can allow this."), DENIED),
        Verdict::Ask(mut ask) => {
            clean(tenant.redactor(), &mut ask);
            if !tenant.permissions().allow(spec.asks_in(), &ask.scopes) {
                let why = format!(
                    "this needs a person's approval ({}), which a script cannot ask for; nothing was run",
                    ask.description
                );
                return refused("approval_needed", &why, "make the call outside of the script");
            }
        }
    }
    let begun = Instant::now();
    let context = CallContext {
        session: &spec.session.id,
        run: spec.run_id,
        stop: &bench.stop,
        // The script's own start is on the disk.
        cleared: Box::pin(std::future::ready(true)),
        behalf: Some(Behalf {
            store: &bench.store,
            key: &spec.key_id,
            session_key: spec.session_key.as_deref(),
            // Who knows what the script has read before.
            untrusted: true,
            port,
        }),
    };
    // Boxed: a tool that calls tools would have no size.
    let output = Box::pin(kit.toolbox.call(context, tool, &arguments)).await;
    if !kit.toolbox.toolset().only_reads(tool) {
        let call =
            ToolCall { id: port.call_id.clone(), name: tool.to_owned(), arguments: arguments.to_string() };
        audit::effect(tenant, spec, &call, &output, begun.elapsed());
    }
    output
}
