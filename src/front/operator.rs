//! What the owner of the machine asks of a profile over the control socket, or of its store while no gateway holds it. The
//! answers are the documents of the routes.

use super::{
    error::ApiError,
    sessions::{compress, resources, search},
    usage,
};
use crate::{
    actors::{Caller, ProfileError, Tenant},
    domain::{KeyId, UsageBy},
    store::{Query, SearchFilter, SearchPage, SessionFilter, SessionHeader, UsageFilter, UsageReport},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

/// Groups in one report.
const GROUPS: usize = 1_000;

/// A question that changes nothing.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "snake_case")]
pub enum Question {
    Sessions {
        limit: usize,
    },
    Search {
        words: String,
        limit: usize,
    },
    /// What model calls cost. Instants are seconds since 1970, or days such as `2026-11-22`.
    Usage {
        by: UsageBy,
        from: Option<String>,
        to: Option<String>,
    },
}

/// A question as the store is asked.
#[derive(Debug, Clone)]
pub enum Sought {
    Sessions(SessionFilter),
    Search(Box<SearchFilter>),
    Usage(UsageFilter),
}

/// What the store has of it.
#[derive(Debug)]
pub enum Found {
    Sessions(Vec<SessionHeader>),
    Search(SearchPage),
    Usage(UsageReport),
}

impl Question {
    /// # Errors
    /// It makes no sense: a sentence.
    pub fn sought(&self) -> Result<Sought, ProfileError> {
        match self {
            Self::Sessions { limit } => Ok(Sought::Sessions(SessionFilter {
                limit: limit.saturating_add(1),
                ..SessionFilter::default()
            })),
            Self::Search { words, limit } => {
                let query = Query::parse(words)
                    .map_err(|error| refused(ApiError::invalid("q", error.to_string())))?;
                Ok(Sought::Search(Box::new(SearchFilter::new(query, *limit))))
            }
            Self::Usage { by, from, to } => {
                usage::filter(*by, from.as_deref(), to.as_deref()).map(Sought::Usage).map_err(refused)
            }
        }
    }
}

impl Sought {
    /// What a profile has that never had a turn.
    #[must_use]
    pub fn nothing(&self) -> Found {
        match self {
            Self::Sessions(_) => Found::Sessions(Vec::new()),
            Self::Search(_) => {
                Found::Search(SearchPage { hits: Vec::new(), has_more: false, complete: true })
            }
            Self::Usage(_) => Found::Usage(UsageReport::default()),
        }
    }

    /// Asks the profile's actor.
    ///
    /// # Errors
    /// What the profile answered.
    pub async fn ask(&self, tenant: &Arc<Tenant>) -> Result<Found, ProfileError> {
        use super::ask::ask;
        use crate::actors::{ListSessions, ReadUsage, SearchSessions};
        let found = match self.clone() {
            Self::Sessions(filter) => ask(tenant, ListSessions(filter)).await.map(Found::Sessions),
            Self::Search(filter) => ask(tenant, SearchSessions(*filter)).await.map(Found::Search),
            Self::Usage(filter) => ask(tenant, ReadUsage(filter)).await.map(Found::Usage),
        };
        found.map_err(refused)
    }

    /// The document. `found` is what came of this.
    #[must_use]
    pub fn told(&self, found: Found) -> Value {
        match (self, found) {
            (Self::Sessions(filter), Found::Sessions(rows)) => {
                resources::told(rows, filter.limit.saturating_sub(1), 0)
            }
            (Self::Search(filter), Found::Search(page)) => search::told(&page, filter.limit, filter.offset),
            (Self::Usage(filter), Found::Usage(report)) => usage::told(&report, filter, 0, GROUPS),
            (Self::Sessions(_) | Self::Search(_) | Self::Usage(_), _) => Value::Null,
        }
    }
}

/// Has the older messages of a session give way to a summary, as `POST /api/sessions/{id}/compress` does.
///
/// # Errors
/// There is no such session, or the turn failed: with why.
pub async fn compress_session(
    tenant: &Arc<Tenant>,
    session: &str,
    focus: &str,
) -> Result<Value, ProfileError> {
    let caller = Caller::all(KeyId::cli());
    compress::of_operator(tenant, caller, session, focus).await.map_err(refused)
}

fn refused(error: ApiError) -> ProfileError {
    ProfileError {
        retry_after: error.retry_after,
        param: error.param,
        ..ProfileError::new(error.code, error.message)
    }
}
