//! A `state.db` as the reference makes one, with the columns that are known of it.

use rusqlite::{Connection, params_from_iter, types::Value as Stored};
use serde_json::{Value, json};
use std::path::Path;

const TABLES: &str = "
CREATE TABLE sessions (id TEXT PRIMARY KEY, source TEXT, user_id TEXT, model TEXT, model_config TEXT, system_prompt TEXT,
  parent_session_id TEXT, started_at REAL, ended_at REAL, end_reason TEXT, message_count INTEGER, tool_call_count INTEGER,
  api_call_count INTEGER, input_tokens INTEGER, output_tokens INTEGER, cache_read_tokens INTEGER,
  cache_write_tokens INTEGER, reasoning_tokens INTEGER, estimated_cost_usd REAL, actual_cost_usd REAL, title TEXT,
  archived INTEGER);
CREATE TABLE messages (id INTEGER PRIMARY KEY AUTOINCREMENT, session_id TEXT, role TEXT, content TEXT, tool_calls TEXT,
  tool_call_id TEXT, tool_name TEXT, timestamp REAL, token_count INTEGER, finish_reason TEXT, reasoning TEXT,
  reasoning_content TEXT, active INTEGER DEFAULT 1, compacted INTEGER DEFAULT 0);
CREATE INDEX by_session ON messages(session_id, timestamp);";

/// An empty one, that keeps what is written in its log.
pub fn make(path: &Path) -> Connection {
    let db = Connection::open(path).unwrap();
    db.pragma_update(None, "journal_mode", "WAL").unwrap();
    db.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
    db.execute_batch(TABLES).unwrap();
    db
}

/// Adds a row; members of `row` are columns.
pub fn insert(db: &Connection, table: &str, row: Value) {
    let Value::Object(row) = row else { panic!("a row is an object: {row}") };
    let (columns, values): (Vec<String>, Vec<Value>) = row.into_iter().unzip();
    let values = values.into_iter().map(|value| match value {
        Value::String(text) => Stored::Text(text),
        Value::Number(number) if number.is_i64() => Stored::Integer(number.as_i64().unwrap()),
        Value::Number(number) => Stored::Real(number.as_f64().unwrap()),
        Value::Null => Stored::Null,
        list @ (Value::Bool(_) | Value::Array(_) | Value::Object(_)) => Stored::Text(list.to_string()),
    });
    let holes = vec!["?"; columns.len()].join(", ");
    let insert = format!("INSERT INTO {table} ({}) VALUES ({holes})", columns.join(", "));
    db.execute(&insert, params_from_iter(values)).unwrap();
}

/// A session that began so many seconds after a day of 2025, with what its user and its model said in turn.
pub fn conversation(db: &Connection, id: &str, after: u32, said: &[&str]) {
    let began = 1_750_000_000.0 + f64::from(after);
    insert(db, "sessions", json!({"id": id, "source": "cli", "model": "some/model", "started_at": began}));
    for (number, text) in (0_u32..).zip(said) {
        let role = if number % 2 == 0 { "user" } else { "assistant" };
        let at = began + f64::from(number) + 1.0;
        insert(db, "messages", json!({"session_id": id, "role": role, "content": text, "timestamp": at}));
    }
}
