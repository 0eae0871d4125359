//! What the cluster writes by itself, its controllers and the embedding program, on its way through the webhooks.

use std::sync::{Arc, Mutex, PoisonError};

use futures_core::future::BoxFuture;
use inboard::ApiError;
use inboard::access::User;
use inboard::cluster::{Admission, Answered, Cluster};
use inboard::kernel::{Answer, Request, Warning};

use crate::place::{Notes, Place};
use crate::webhook::Webhooks;

/// Asks the webhooks of a server.
#[derive(Debug)]
pub(crate) struct OwnWrites {
    cluster: Cluster,
    webhooks: Arc<Webhooks>,
}

impl OwnWrites {
    pub(crate) fn new(cluster: &Cluster, webhooks: &Arc<Webhooks>) -> Self {
        Self { cluster: cluster.clone(), webhooks: Arc::clone(webhooks) }
    }

    async fn write_as(&self, user: &User, request: Request, notes: &Notes) -> Result<(Answer, Vec<Warning>), ApiError> {
        let moment = self.cluster.moment().await?;
        let about = request.about().map(|(kind, namespace, name)| (kind, namespace.to_owned(), name.to_owned()));
        let (kind, namespace, name) = about.ok_or_else(|| ApiError::internal("a write of no object"))?;
        let info = moment.kinds.info(kind).ok_or_else(|| ApiError::internal("a write of no known kind"))?;
        let place = Place {
            cluster: &self.cluster,
            moment: &moment,
            user,
            info,
            namespace: &namespace,
            name: &name,
            webhooks: &self.webhooks,
            is_own: true,
            notes,
        };
        let (answer, warnings) = super::ask(&place, request).await?;
        let object = if namespace.is_empty() { name.clone() } else { format!("{namespace}/{name}") };
        let warning = |text| Warning { resource: info.group_resource(), object: object.clone(), text };
        Ok((answer, warnings.into_iter().map(warning).collect()))
    }
}

impl Admission for OwnWrites {
    fn write(self: Arc<Self>, user: Arc<User>, request: Request) -> BoxFuture<'static, Answered> {
        Box::pin(async move {
            let notes = Notes::default();
            let done = self.write_as(&user, request, &notes).await;
            let annotations = Mutex::into_inner(notes).unwrap_or_else(PoisonError::into_inner);
            match done {
                Ok((answer, warnings)) => Answered { result: Ok(answer), warnings, annotations },
                Err(error) => Answered { result: Err(error), warnings: Vec::new(), annotations },
            }
        })
    }
}
