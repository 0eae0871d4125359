//! Whether an object may be stored: the rules of upstream's `pkg/apis/*/validation`, with its paths, texts and order.
//!
//! A check takes the (already defaulted) value, the path at which it stands and the list to which it adds what is wrong.
//! Paths live on the stack and texts are made only for errors, so that a valid object costs no allocation.

pub mod meta;
pub mod names;
pub mod selector;
