//! Which of the columns that are known here the database has, and the statements that read them.

use super::{LONGEST, MOST_MESSAGES, MOST_SESSIONS, StateDbError, message, session};
use crate::domain::{ImportMessage, ImportSession};
use rusqlite::{Connection, OpenFlags, config::DbConfig, limits::Limit};
use std::{collections::BTreeSet, path::PathBuf};

/// Longest value or row that SQLite may make, whatever the file says.
const LONGEST_ROW: i32 = 256 << 20;

/// The statements for one database.
pub(super) struct Tables {
    sessions: String,
    session: String,
    /// Ids of messages: those that were compacted, if it is known which, then the others. The flag goes with all of them.
    messages: Vec<(bool, String)>,
    message: String,
    rewound: Option<String>,
}

/// Opens a copy that is ours, and takes in what is in its log.
pub(super) fn connect(path: PathBuf) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    for (setting, on) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
    ] {
        connection.set_db_config(setting, on)?;
    }
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, LONGEST_ROW)?;
    let nothing = |_: &rusqlite::Row<'_>| Ok(());
    connection.pragma(None, "cell_size_check", "ON", nothing)?;
    connection.pragma(None, "journal_mode", "DELETE", nothing)?;
    connection.pragma(None, "journal_mode", "MEMORY", nothing)?;
    Ok(connection)
}

impl Tables {
    pub(super) fn find(connection: &Connection) -> Result<Self, StateDbError> {
        let (sessions, messages) = (columns(connection, "sessions")?, columns(connection, "messages")?);
        for (table, columns, needed) in [
            ("sessions", &sessions, &["id"][..]),
            ("messages", &messages, &["session_id", "role", "content"]),
        ] {
            let missing = needed.iter().find(|column| !columns.contains(**column));
            if let Some(column) = missing {
                return Err(StateDbError(format!(
                    "this is no state.db of the reference: looked for a table `{table}` with a column `{column}`"
                )));
            }
        }
        index(connection, &messages)?;
        let order = if sessions.contains("started_at") { "started_at, rowid" } else { "rowid" };
        let of = "FROM messages WHERE session_id = (SELECT id FROM sessions WHERE rowid = ?1)";
        let of = |condition: &str| {
            format!("SELECT rowid {of} {condition} ORDER BY rowid LIMIT {}", MOST_MESSAGES + 1)
        };
        let (shown, compacted) =
            ("coalesce(active, 1) <> 0", "coalesce(active, 1) = 0 AND coalesce(compacted, 0)");
        let by_state = messages.contains("active") && messages.contains("compacted");
        let hidden = messages.contains("active").then_some(match by_state {
            true => "AND coalesce(active, 1) = 0 AND NOT coalesce(compacted, 0)",
            false => "AND coalesce(active, 1) = 0",
        });
        Ok(Self {
            sessions: format!("SELECT rowid FROM sessions ORDER BY {order} LIMIT {}", MOST_SESSIONS + 1),
            session: format!("SELECT {} FROM sessions WHERE rowid = ?1", list(session::COLUMNS, &sessions)),
            messages: match (by_state, hidden) {
                (true, _) => {
                    vec![(true, of(&format!("AND {compacted}"))), (false, of(&format!("AND {shown}")))]
                }
                (false, Some(_)) => vec![(false, of(&format!("AND {shown}")))],
                (false, None) => vec![(false, of(""))],
            },
            message: format!("SELECT {} FROM messages WHERE rowid = ?1", list(message::COLUMNS, &messages)),
            rewound: hidden.map(of),
        })
    }

    /// Rows of all sessions, one more than may be read at most.
    pub(super) fn sessions(&self, connection: &Connection) -> rusqlite::Result<Vec<i64>> {
        rows(connection, &self.sessions, [])
    }

    pub(super) fn session(&self, connection: &Connection, row: i64) -> rusqlite::Result<ImportSession> {
        connection.prepare(&self.session)?.query_row([row], session::read)
    }

    /// The messages of a session, or why one is not taken over, for as long as `visit` says `true`.
    pub(super) fn messages(
        &self,
        connection: &Connection,
        row: i64,
        visit: &mut dyn FnMut(Result<ImportMessage, &'static str>) -> bool,
    ) -> rusqlite::Result<()> {
        let mut one = connection.prepare(&self.message)?;
        for (compacted, statement) in &self.messages {
            for (number, id) in rows(connection, statement, [row])?.into_iter().enumerate() {
                if number == MOST_MESSAGES {
                    visit(Err("more than a session may have"));
                    break;
                }
                let read = one.query_row([id], message::read)?;
                if !visit(read.map(|message| ImportMessage { compacted: *compacted, ..message })) {
                    return Ok(());
                }
            }
        }
        if let Some(rewound) = &self.rewound {
            for _ in rows(connection, rewound, [row])? {
                visit(Err("taken back by a rewind"));
            }
        }
        Ok(())
    }
}

fn rows<P: rusqlite::Params>(connection: &Connection, statement: &str, of: P) -> rusqlite::Result<Vec<i64>> {
    connection.prepare(statement)?.query_map(of, |row| row.get(0))?.collect()
}

/// Columns of a real table; none where there is no such table. Virtual ones and views are none.
fn columns(connection: &Connection, table: &str) -> rusqlite::Result<BTreeSet<String>> {
    let real = "SELECT count(*) FROM sqlite_schema WHERE name = ?1 AND type = 'table' AND rootpage > 0";
    let mut found = BTreeSet::new();
    if connection.query_row(real, [table], |row| row.get::<_, i64>(0))? > 0 {
        connection.pragma(None, "table_info", table, |row| {
            found.insert(row.get("name")?);
            Ok(())
        })?;
    }
    Ok(found)
}

/// Known columns in their order; one that is missing is NULL. What is too long is an empty blob in those that may be long.
fn list(known: &[(&str, bool)], have: &BTreeSet<String>) -> String {
    let column = |&(name, long): &(&str, bool)| match (have.contains(name), long) {
        (false, _) => "NULL".to_owned(),
        (true, false) => format!("CASE WHEN octet_length({name}) <= 4096 THEN {name} END"),
        (true, true) => format!(
            "CASE WHEN octet_length({name}) > {LONGEST} THEN zeroblob(0) WHEN octet_length({name}) > 0 THEN {name} END"
        ),
    };
    known.iter().map(column).collect::<Vec<_>>().join(", ")
}

/// Without an index by session each one would cost a look at every message. The copy is ours to change.
fn index(connection: &Connection, messages: &BTreeSet<String>) -> rusqlite::Result<()> {
    let found = "SELECT count(*) FROM pragma_index_list('messages') AS list, pragma_index_info(list.name) AS part \
                 WHERE list.partial = 0 AND part.seqno = 0 AND part.name = 'session_id'";
    let known: i64 = connection.query_row(found, [], |row| row.get(0))?;
    if known == 0 && messages.contains("session_id") {
        connection.execute("CREATE INDEX temporary_of_import ON messages(session_id)", [])?;
    }
    Ok(())
}
