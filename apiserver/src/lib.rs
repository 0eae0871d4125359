//! The Kubernetes API of an [Inboard](inboard) cluster: an HTTP service for kubectl, kube-rs and helm.
//!
//! [`ApiServer`] is a [`tower_service::Service`]: hand it to a client in the same process, or let [`Server`] serve it on a
//! socket.
//!
//! ```text
//!   request ─► handle ─► dispatch ─► verb ─► kernel ─► represent ─► respond
//!              who, may   by path    read, write,    whole, metadata,   JSON, YAML,
//!              they       and verb   watch, ...      lines of a table   protobuf
//! ```
//!
//! | module | what it is |
//! |---|---|
//! | `service`, `handle`, `dispatch` | the service; the stages of a request; who answers it |
//! | `route`, `query`, `negotiate` | what a request asks for, as values |
//! | `read`, `watch`, `write`, `subresource` | the verbs |
//! | `authenticate`, `access`, `rbac`, `review`, `audit` | who asks, what they may do, and what is told of it |
//! | `admission`, `webhook`, `conversion` | who is asked before something is written, or shown in another version |
//! | `discovery`, `openapi`, `health`, `telemetry` | what describes the server itself |
//! | `usage` | `metrics.k8s.io` |
//! | `represent`, `respond`, `protobuf`, `compress` | from objects to bytes |
//! | `proxy` | requests passed on to ports of pods |
//! | `stream` | connections that leave HTTP: exec, attach, port-forward |
//! | `websocket`, `spdy` | the frames of two protocols, without input and output |
//! | `serve`, `certificates`, `kubeconfig`, `kept` | the listener, and how clients find it and believe it |

mod access;
mod admission;
mod api_services;
mod apply;
mod audit;
mod authenticate;
mod body;
#[cfg(feature = "tls")]
mod certificates;
mod compress;
mod conversion;
mod defaults;
mod discovery;
mod dispatch;
#[doc(hidden)]
pub mod frames;
mod handle;
mod health;
mod identity;
mod kept;
mod kubeconfig;
mod negotiate;
mod openapi;
mod place;
pub mod protobuf;
mod proxy;
mod query;
mod rbac;
mod read;
mod represent;
mod respond;
mod review;
mod route;
mod sent;
mod serve;
mod service;
mod spdy;
mod stream;
mod subresource;
mod telemetry;
mod tokens;
mod usage;
mod watch;
mod webhook;
mod websocket;
mod write;

pub use audit::{AuditLevel, AuditPolicy};
pub use body::Body;
#[cfg(feature = "tls")]
pub use certificates::{CertificateError, Certificates, ClientCertificate, Signer};
pub use identity::User;
pub use kubeconfig::Kubeconfig;
pub use serve::{Address, Reach, ServeError, Server};
pub use service::{ApiServer, ApiServerBuilder};
pub use tokens::{Claims, NoRandomness, Tokens, kept_token, random_token};
