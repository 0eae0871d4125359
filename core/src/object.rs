//! The object model: Kubernetes's own types (`k8s-openapi`), and what is ours on top of them.

pub mod body;
pub mod builder;
pub mod condition;
pub mod cron;
pub mod decode;
pub mod defaults;
pub mod describe;
pub mod field;
pub mod int_or_percent;
pub mod kind;
pub mod manifest;
pub mod mutate;
pub mod owner;
pub mod patch;
pub mod permit;
pub mod pod_total;
pub mod prepare;
pub mod quantity;
pub mod quota;
pub mod selector;
pub mod storage;
pub mod strategy;
pub mod table;
pub mod template_hash;
pub mod validation;
pub mod wire;
