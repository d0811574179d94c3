//! What holds whatever the bytes are: one property for each fuzz target.
//!
//! Owns the properties as plain functions that panic when they do not hold. The targets in
//! `fuzz_targets/` give them the fuzzer's bytes; `tests/fuzz_corpus.rs` of the program gives them the
//! kept ones of `corpus/`, with the usual compiler. Does not know the fuzzer.

pub mod checkpoint;
pub mod configuration;
pub mod decode;
pub mod fold;
pub mod mapping;
pub mod script;
