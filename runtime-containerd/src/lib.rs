//! Real containers on containerd's native API.
#![allow(dead_code)]

mod spec;
