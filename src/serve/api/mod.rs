//! The API: any instant of the kept history as JSON, and the customer's own view.
pub mod archive;
pub mod refusal;
