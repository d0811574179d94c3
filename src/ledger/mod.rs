//! The state: what is known of each customer.
pub mod settings;
