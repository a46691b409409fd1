//! What a profile can tell of its runs, and the commands that need nothing but to find one.

use super::ProfileActor;
use crate::{
    actors::{
        GetLoad, GetRun, ListRuns, ProfileError, ProfileLoad, RunView, SteerRun, StopRun, TailRun,
        not_accepting_steer,
        run::{Entered, Manner, RunActor, Steer, Stop, StopReason},
    },
    domain::{Code, Event, RunId, RunRecord, RunStatus},
    store::{EventCursor, Store, StoreError},
};
use actix::{Addr, Handler, ResponseFuture};
use std::time::Duration;
use tokio::time::timeout;

/// Longest wait for a stop to be on disk before it is answered.
const NOTED: Duration = Duration::from_secs(1);

impl ProfileActor {
    pub(super) fn record(&self, run: RunId) -> Result<RunRecord, ProfileError> {
        self.store.run(run)?.ok_or_else(|| not_found(run))
    }
}

/// Waits until the status of a run says that it works, if it does.
pub(super) async fn settled(store: Store, live: Option<Addr<RunActor>>, run: RunId) {
    if let Some(actor) = live {
        // A run that ends at this very moment is settled.
        let _gone = actor.send(Entered).await;
    }
    store.begun(run).await;
}

fn view(store: &Store, run: RunId) -> Result<RunView, ProfileError> {
    let record = store.run(run)?.ok_or_else(|| not_found(run))?;
    let mut approvals = Vec::new();
    for id in record.waiting.iter().chain(&record.asking) {
        approvals.extend(store.approval(*id)?);
    }
    Ok(RunView { record, approvals })
}

pub(super) fn not_found(run: RunId) -> ProfileError {
    ProfileError::new(Code::RunNotFound, format!("Run not found: {run}"))
}

impl Handler<GetRun> for ProfileActor {
    type Result = ResponseFuture<Result<RunView, ProfileError>>;

    fn handle(&mut self, GetRun(run): GetRun, _ctx: &mut Self::Context) -> Self::Result {
        let store = self.store.clone();
        let seen = view(&store, run);
        if !matches!(&seen, Ok(seen) if seen.record.status == RunStatus::Queued) {
            return Box::pin(async { seen });
        }
        let live = self.tenant.board().live(run);
        Box::pin(async move {
            settled(store.clone(), live, run).await;
            view(&store, run)
        })
    }
}

impl Handler<ListRuns> for ProfileActor {
    type Result = Result<Vec<RunRecord>, ProfileError>;

    fn handle(&mut self, ListRuns(filter): ListRuns, _ctx: &mut Self::Context) -> Self::Result {
        Ok(self.store.runs(&filter)?)
    }
}

impl Handler<TailRun> for ProfileActor {
    type Result = Result<EventCursor, ProfileError>;

    fn handle(&mut self, TailRun { run_id, after }: TailRun, _ctx: &mut Self::Context) -> Self::Result {
        self.store.tail(run_id, after)?.ok_or_else(|| not_found(run_id))
    }
}

impl Handler<StopRun> for ProfileActor {
    type Result = ResponseFuture<Result<RunStatus, ProfileError>>;

    fn handle(&mut self, StopRun(run): StopRun, _ctx: &mut Self::Context) -> Self::Result {
        let record = match self.record(run) {
            Ok(record) => record,
            Err(error) => return Box::pin(async { Err(error) }),
        };
        let live = self.tenant.board().live(run);
        let events = self.store.tail(run, record.last_seq);
        Box::pin(async move {
            let (Some(actor), false) = (live, record.status.is_terminal()) else {
                return Ok(record.status);
            };
            // A run that ends at this very moment does not mind.
            let _gone = actor.send(Stop(StopReason::Asked)).await;
            if record.status == RunStatus::Stopping {
                return Ok(RunStatus::Stopping);
            }
            let events = events?.ok_or_else(|| not_found(run))?;
            match timeout(NOTED, noted(events)).await {
                Ok(status) => Ok(status?),
                Err(_elapsed) => Ok(RunStatus::Stopping),
            }
        })
    }
}

/// How the run stands once its log tells of the stop: whoever looks then is told no less than whoever asked for it.
async fn noted(mut events: EventCursor) -> Result<RunStatus, StoreError> {
    while let Some(batch) = events.next().await {
        if batch?.iter().any(|logged| matches!(logged.event, Event::RunStopping {})) {
            return Ok(RunStatus::Stopping);
        }
    }
    // It had come to its end by itself.
    Ok(events.record()?.status)
}

impl Handler<SteerRun> for ProfileActor {
    type Result = ResponseFuture<Result<(), ProfileError>>;

    fn handle(&mut self, steer: SteerRun, _ctx: &mut Self::Context) -> Self::Result {
        let SteerRun { run_id, input, rights } = steer;
        let record = self.record(run_id);
        if record.as_ref().is_ok_and(|record| !self.tenant.may_speak_to(&rights, &record.key_id)) {
            let text = "This key may use fewer tools than the run that it speaks to.";
            return Box::pin(async move { Err(ProfileError::new(Code::InsufficientScope, text)) });
        }
        let status = record.map(|record| record.status);
        let live = self.tenant.board().live(run_id);
        Box::pin(async move {
            match (status?, live) {
                (RunStatus::Running, Some(actor)) => {
                    match actor.send(Steer { input, manner: Manner::Aside }).await {
                        Ok(Ok(true)) => Ok(()),
                        Ok(Err(error)) => Err(error.into()),
                        Ok(Ok(false)) | Err(_) => {
                            let text = format!(
                                "Run {run_id} did not take the words: it has just ended, or another gateway carries it out."
                            );
                            Err(ProfileError::new(Code::RunNotAcceptingSteer, text))
                        }
                    }
                }
                (status, _) => Err(not_accepting_steer(run_id, status)),
            }
        })
    }
}

impl Handler<GetLoad> for ProfileActor {
    type Result = actix::MessageResult<GetLoad>;

    fn handle(&mut self, _: GetLoad, _ctx: &mut Self::Context) -> Self::Result {
        let mut load = ProfileLoad::default();
        for (run, _) in self.tenant.board().all_live() {
            let Ok(Some(record)) = self.store.run(run) else {
                continue;
            };
            load.active_runs += 1;
            let (queued, waits) = (record.status == RunStatus::Queued, record.status.waits_for_a_person());
            load.queued += usize::from(queued);
            load.waiting_for_approval += usize::from(waits);
            load.running += usize::from(!queued && !waits);
        }
        // A chat has no record before it has its slot; a run that waits for one of the machine's has nothing else.
        load.queued = load.queued.max(self.tenant.board().queued());
        actix::MessageResult(load)
    }
}
