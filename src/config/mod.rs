//! Settings: layers (default < home < profile < `.env` < command line), typed, complete, checked.
//!
//! [`Home::read`] is the way in. It reads `config.yaml` and `.env` of the home and of each profile and gives complete
//! values; nothing after it looks at a file or at the environment again. One profile's mistakes are that profile's
//! result and no other's.
//!
//! ```text
//! yaml ─► node ─┐
//!               ├─► settings (layers, inheritance, ${VAR}) ─► typed ─► listen, model, selection, limits, profile, server ─► home
//! env_file ─────┘
//! ```

mod choice;
mod compression;
mod env_file;
mod env_write;
mod environment;
mod error;
mod expand;
mod fallback;
mod front_matter;
mod helper;
mod home;
mod home_files;
mod keys;
mod known;
mod limits;
mod listen;
mod mcp;
mod memory;
mod model;
mod network;
mod node;
mod profile;
mod prompt;
mod provider;
mod roots;
mod secret;
mod selection;
mod server;
mod settings;
mod text_file;
mod tls;
mod tools;
mod typed;
mod types;
mod upstream;
mod web;
mod workspace;
mod yaml;

#[cfg(test)]
mod tests;

pub use choice::{ChoiceError, Chosen, Wanted};
pub use compression::CompressionConfig;
pub use env_write::write_env_value;
pub use environment::{ProcessEnv, find_home};
pub use error::ConfigError;
pub use front_matter::FrontMatter;
pub use helper::HelperConfig;
pub use home::{FoundProfile, Home, Select};
pub use limits::LimitsConfig;
pub use listen::DEFAULT_PORT;
pub use mcp::{McpCommand, McpServer, McpTransport};
pub use memory::{MemoryConfig, MemoryScoping};
pub use network::{AllowedHost, AllowedPlace, NetworkConfig, NetworkMode};
pub use prompt::{Personality, PromptConfig, SkillsConfig};
pub use secret::Secret;
pub use server::ServerConfig;
pub use tls::{TlsConfig, TlsFile};
pub use tools::DelegationConfig;
pub use typed::parse_duration;
pub use types::{
    AccessConfig, AgentConfig, ApiConfig, ApprovalMode, ApprovalsConfig, ExtraRoot, LoopGuard, ModelConfig,
    ModelRoute, PoolStrategy, Prices, ProfileConfig, Provider, ResponsesConfig, RetentionConfig,
    SandboxLevel, SelectionConfig, TerminalConfig, Vision,
};
pub use web::{SearchConfig, SearchEngine, WebConfig};
