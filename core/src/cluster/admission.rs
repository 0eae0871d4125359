//! Webhooks are asked outside of the kernel, by whoever serves the cluster's API.

use std::fmt;
use std::sync::{Arc, Weak};

use futures_core::future::BoxFuture;

use super::Cluster;
use super::serving::Answered;
use crate::access::User;
use crate::error::ApiError;
use crate::kernel::{Answer, Referral, Request};

/// Who takes writes of this process, by controllers and by the typed handle, through the webhooks that want to see them.
pub trait Admission: fmt::Debug + Send + Sync {
    /// Makes a write in the name of `user`, by way of the webhooks, with [`Cluster::request`] and [`Request::By`].
    fn write(self: Arc<Self>, user: Arc<User>, request: Request) -> BoxFuture<'static, Answered>;
}

impl Cluster {
    /// Lets somebody ask webhooks about what this process writes by itself, as long as `admission` is there. Of several it is
    /// the last one; one that is no `replacement` leaves another in its place.
    pub fn set_admission(&self, admission: Weak<dyn Admission>, replacement: bool) {
        self.inner.shared.set_admission(admission, replacement);
    }
}

/// Makes the writes of a controller until one fails.
pub(super) async fn carried_out(
    admission: Option<Arc<dyn Admission>>,
    referral: Referral,
) -> Vec<Result<Answer, ApiError>> {
    let mut answers = Vec::new();
    for request in referral.requests {
        let answer = answered(admission.clone(), Arc::clone(&referral.user), request).await.result;
        let has_failed = answer.is_err();
        answers.push(answer);
        if has_failed {
            break;
        }
    }
    answers
}

/// What becomes of a write by way of the webhooks.
pub(super) async fn answered(admission: Option<Arc<dyn Admission>>, user: Arc<User>, request: Request) -> Answered {
    match admission {
        Some(admission) => admission.write(user, request).await,
        None => {
            let gone = ApiError::failed("the server that asks webhooks has gone");
            Answered { result: Err(gone), warnings: Vec::new(), annotations: Vec::new() }
        }
    }
}
