//! `terminal` with `background: true`.

use super::job::{Job, Work};
use crate::{
    domain::{ProcessRecord, ToolOutput, now},
    store::{Change, Store},
    tools::{
        failure::Failure,
        ground::Ground,
        terminal::{self, Errand, Ready, Running},
        toolbox::CallContext,
    },
};
use rustix::pipe::{PipeFlags, pipe_with};
use serde_json::json;
use std::{io, os::fd::AsFd, sync::Arc};
use tokio::{net::unix::pipe, time::Instant};

/// Starts a command and leaves it to go on.
pub async fn start(
    ground: &Arc<Ground>,
    mut context: CallContext<'_>,
    command: String,
    errand: Errand,
) -> Result<ToolOutput, Failure> {
    let pty = errand.pty;
    let ready = terminal::ready(ground, &mut context, errand).await?;
    let record = ProcessRecord {
        id: new_id()?,
        session: context.session.clone(),
        run: context.run,
        command,
        pid: ready.helper.pid(),
        pty,
        started_at: now(),
        end: None,
    };
    let store = context.behalf.as_ref().map(|behalf| behalf.store.clone());
    let job = ground.jobs.enter(record)?;
    if let Err(failure) = set_going(ground, &context, &job, ready, store.clone()).await {
        ground.jobs.leave(&job);
        if let Some(store) = store {
            // What cannot be taken back is told as lost, which is not far from the truth.
            let _kept = store.commit(vec![Change::ProcessRemoved(job.record.clone())]).await;
        }
        return Err(failure);
    }
    let told = json!({
        "session_id": job.record.id,
        "pid": job.record.pid,
        "status": "running",
        "hint": "it goes on; `process` with this session_id shows its output, waits for it, types into it or ends it",
    });
    Ok(ToolOutput { text: told.to_string(), failed: false })
}

async fn set_going(
    ground: &Arc<Ground>,
    context: &CallContext<'_>,
    job: &Arc<Job>,
    ready: Ready,
    store: Option<Store>,
) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::new("sandbox_failed", error.to_string());
    let Ready { mut helper, order, seat, way_out, disk, .. } = ready;
    if let Some(store) = &store {
        // Before it runs: whoever starts after a crash must know that it did.
        let written = store.commit(vec![Change::Process(job.record.clone())]).await;
        written.map_err(|error| Failure::new("store_error", format!("it could not be recorded: {error}")))?;
    }
    let (theirs, ours) = pipe_with(PipeFlags::CLOEXEC).map_err(|error| failed(error.into()))?;
    helper.send_with(&order, theirs.as_fd()).await.map_err(failed)?;
    drop(theirs);
    terminal::prepare(ground);
    way_out.open(&mut helper, context.stop).await.map_err(failed)?;
    let input = if job.record.pty { helper.terminal().await } else { pipe::Sender::from_owned_fd(ours) };
    job.set_input(input.map_err(failed)?).await;
    let longest = ground.config.terminal.background_max;
    let running = Running { helper, seat, disk, most: ground.config.terminal.limits.output };
    let work = Work {
        running,
        way_out,
        stop: context.stop.clone(),
        deadline: (Instant::now() + longest, longest),
        store,
    };
    // On the profile's own thread, whatever becomes of the run.
    drop(tokio::spawn(job.clone().follow(work)));
    Ok(())
}

fn new_id() -> Result<String, Failure> {
    let mut random = [0; 6];
    getrandom::fill(&mut random).map_err(|error| Failure::internal(format!("no random numbers: {error}")))?;
    Ok(random.iter().fold("proc_".to_owned(), |id, byte| format!("{id}{byte:02x}")))
}
