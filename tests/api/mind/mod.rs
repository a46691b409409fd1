//! How the agent thinks with its model.

mod reasoning;
