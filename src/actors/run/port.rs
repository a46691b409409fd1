//! What the tools of a turn ask of it while they work.
//!
//! A tool has no way into the turn's log: what it has to tell there goes to the driver, which writes it in order.

use super::{children, drive::Driver, look, nested};
use crate::{
    actors::Tenant,
    domain::{
        Asked, Declined, Event, Look, Port, Report, RunSpec, RunStatus, Task, ToolOutput, UpstreamCall, Usage,
    },
    store::{Change, LogWriter, Store},
};
use serde_json::Value;
use std::{rc::Rc, sync::Arc};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::drive::Kit;

/// What work that a tool has started needs of its turn.
pub(super) struct Bench {
    pub tenant: Arc<Tenant>,
    pub store: Store,
    pub kit: Kit,
    pub spec: Arc<RunSpec>,
    pub stop: CancellationToken,
    telling: mpsc::UnboundedSender<Told>,
}

/// Tokens, and what they cost where that is known.
type Spent = (Usage, Option<u64>);

/// Something for the turn's log.
pub(super) enum Told {
    /// A fact; its tokens and what they cost, if it has any, count as the turn's own.
    Event(Box<Event>, Option<Spent>),
    /// A model call that the turn makes beside its own.
    Call(UpstreamCall),
}

/// The turn, as one call sees it.
pub(super) struct CallPort {
    pub bench: Rc<Bench>,
    pub call_id: String,
}

impl Bench {
    /// The bench, and what is told there.
    pub fn of(driver: &Driver) -> (Rc<Self>, mpsc::UnboundedReceiver<Told>) {
        let (telling, told) = mpsc::unbounded_channel();
        let bench = Self {
            tenant: driver.tenant.clone(),
            store: driver.store.clone(),
            kit: driver.kit.clone(),
            spec: driver.spec.clone(),
            stop: driver.control.stop.clone(),
            telling,
        };
        (Rc::new(bench), told)
    }

    pub fn tell(&self, event: Event, spent: Option<Spent>) {
        // A driver that is gone has ended its turn: there is nothing left to tell.
        let _gone = self.telling.send(Told::Event(Box::new(event), spent));
    }

    /// A model call that the turn made beside its own.
    pub fn called(&self, call: UpstreamCall) {
        let _gone = self.telling.send(Told::Call(call));
    }
}

/// Writes down what was told.
pub(super) fn write(log: &mut LogWriter, changes: &mut Vec<Change>, told: Told) {
    let event = match told {
        Told::Call(call) => return log.add_call(call),
        Told::Event(event, spent) => {
            let (usage, cost) = spent.unwrap_or_default();
            log.add_usage(usage, cost);
            *event
        }
    };
    let status = log.see(|record| record.status);
    let asks = matches!(event, Event::ApprovalRequest(_));
    if asks && status != RunStatus::Running && !status.waits_for_a_person() {
        return;
    }
    // A log that refuses this one refuses the tool's end as well, which the driver hears of.
    drop(log.append(event, std::mem::take(changes)));
}

impl Port for CallPort {
    fn delegate(&self, task: Task) -> Asked<'_, Result<Report, Declined>> {
        Box::pin(children::work(&self.bench, &self.call_id, task))
    }

    fn look(&self, look: Look) -> Asked<'_, Result<String, Declined>> {
        Box::pin(look::look(&self.bench, look))
    }

    fn call<'a>(&'a self, tool: &'a str, arguments: Value) -> Asked<'a, ToolOutput> {
        Box::pin(nested::call(self, tool, arguments))
    }
}
