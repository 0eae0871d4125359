//! Pulling by the daemon itself, where it has a Transfer service: it fetches the blobs, so that they do not go through
//! this process, unpacks them, and asks those whom it is configured to ask (image verifiers).
//!
//! What an image is, where it is had and with which credentials has been found out before, by [`super::resolve`]; the
//! daemon is told just that. What has become of it is checked afterwards, by us: what is missing of a blob is asked for
//! once more, to say why the daemon did not get it.

use std::path::Path;
use std::time::Duration;

use containerd_client::services::v1::{AbortRequest, InfoRequest, TransferOptions, TransferRequest};
use containerd_client::to_any;
use containerd_client::types::Platform;
use containerd_client::types::transfer::{
    AuthRequest, AuthResponse, AuthType, ImageStore, OciRegistry, Progress, RegistryResolver, UnpackConfiguration,
};
use inboard::runtime::{ImageCredentials, RuntimeError, RuntimeErrorKind};
use oci_spec::image::{Descriptor, ImageManifest};
use tonic::{Code, Status};

use super::import::{self, Origin};
use super::progress::Tally;
use super::reference::is_digest;
use super::resolve::Found;
use super::store::Images;
use super::stream::DaemonStream;
use crate::client::{Daemon, Lease, call, gone, optional};
use crate::lock::guard;
use crate::registry::{Endpoint, Failure, Session};
use crate::{error, state};

/// How long nothing may come before the registry is asked whether it is there, while there is something to come.
const SILENCE: Duration = Duration::from_secs(60);
/// How often: other pulls may be in front of this one.
const SILENCES_MAX: u32 = 10;

/// What the daemon can do of a pull.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    /// Nothing.
    Absent,
    /// It reaches registries of whom nothing particular is said.
    Ordinary,
    /// It takes directions how a registry is reached.
    Directed,
}

impl Service {
    /// Asks a daemon.
    pub(crate) async fn ask(daemon: &Daemon) -> Result<Self, RuntimeError> {
        let plugins = daemon.plugins("io.containerd.transfer.v1").await?;
        let present = plugins.iter().any(|plugin| plugin.init_err.is_none());
        Ok(Self::of(&daemon.info().await?.version, present))
    }

    fn of(version: &str, present: bool) -> Self {
        let major: u32 = version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or_default();
        match (present, major) {
            (false, _) => Self::Absent,
            (true, ..2) => Self::Ordinary,
            (true, _) => Self::Directed,
        }
    }

    /// Whether it can be told how to reach this registry.
    pub(super) fn can(self, endpoint: &Endpoint) -> bool {
        match self {
            Self::Absent => false,
            Self::Ordinary => endpoint.is_ordinary(),
            Self::Directed => true,
        }
    }
}

/// What the daemon is to bring.
#[derive(Debug)]
pub(super) struct Order<'a> {
    /// The name that the image gets.
    pub(super) name: &'a str,
    pub(super) found: &'a Found,
    pub(super) platform: Platform,
    pub(super) document: &'a ImageManifest,
    pub(super) lease: &'a Lease,
}

/// What has become of an order.
#[derive(Debug)]
struct Outcome {
    answer: Result<(), Status>,
    /// Whether anything of the image was asked for.
    begun: bool,
}

impl Images {
    /// What the daemon can do; asked again when it has been away, for it may be another then.
    pub(super) async fn service(&self) -> Result<Service, RuntimeError> {
        let losses = self.daemon.losses();
        if let Some((asked, service)) = *guard(&self.service)
            && asked == losses
        {
            return Ok(service);
        }
        let service = Service::ask(&self.daemon).await?;
        *guard(&self.service) = Some((losses, service));
        Ok(service)
    }

    /// Lets the daemon bring the blobs of an image whose manifest is here; `false` when it does not know how.
    pub(super) async fn transfer(&self, order: &Order<'_>, tally: &Tally) -> Result<bool, RuntimeError> {
        let directions = self.hosts_dir.join(super::pull::lease_name(order.name));
        direct(&directions, order.found.session.endpoint())?;
        let outcome = self.transfer_directed(order, &directions, tally).await;
        state::remove_dir(&directions)?;
        let outcome = outcome?;
        match &outcome.answer {
            Ok(()) => {
                blobs(order.document).for_each(|blob| tally.has(blob.digest().as_ref(), blob.size()));
                Ok(true)
            }
            Err(status) if status.code() == Code::Unimplemented => Ok(false),
            Err(status) => Err(self.explain(order, status, outcome.begun).await?),
        }
    }

    async fn transfer_directed(
        &self,
        order: &Order<'_>,
        directions: &Path,
        tally: &Tally,
    ) -> Result<Outcome, RuntimeError> {
        let session = &order.found.session;
        let mut progress = DaemonStream::open(&self.daemon, order.lease, "progress").await?;
        let mut questions = match session.credentials() {
            Some(ImageCredentials::Basic { .. } | ImageCredentials::IdentityToken(_)) => {
                Some(DaemonStream::open(&self.daemon, order.lease, "credentials").await?)
            }
            Some(ImageCredentials::Bearer(_)) | None => None,
        };
        let request = TransferRequest {
            source: Some(to_any(&source(order, directions, questions.as_ref()))),
            destination: Some(to_any(&self.destination(order))),
            options: Some(TransferOptions { progress_stream: progress.name.clone() }),
        };
        let mut client = self.daemon.services().transfer();
        let mut done = std::pin::pin!(client.transfer(self.daemon.leased(request, order.lease)));
        let (mut begun, mut silences) = (false, 0);
        let answer = loop {
            tokio::select! {
                answer = &mut done => break answer.map(drop),
                step = progress.next::<Progress>() => {
                    begun |= tell(tally, order.document, &step);
                    silences = 0;
                }
                asked = question(&mut questions) => {
                    if let Some(questions) = &questions {
                        questions.send(&answer(session, &asked)).await;
                    }
                }
                // Unpacking what has come may take any time.
                () = tokio::time::sleep(SILENCE), if tally.missing() > 0 => {
                    silences += 1;
                    if silences > SILENCES_MAX || self.ask_for_missing(order).await?.is_some_and(|asked| asked.is_err()) {
                        let text = format!("nothing came within {} s", u64::from(silences) * SILENCE.as_secs());
                        break Err(Status::deadline_exceeded(text));
                    }
                }
            }
        };
        Ok(Outcome { answer, begun })
    }

    fn destination(&self, order: &Order<'_>) -> ImageStore {
        let platform = || order.platform.clone();
        let unpack = UnpackConfiguration { platform: Some(platform()), snapshotter: self.snapshotter.clone() };
        ImageStore {
            name: order.name.to_owned(),
            labels: import::record_labels(Origin::Registry).into_iter().collect(),
            platforms: vec![platform()],
            manifest_limit: 1,
            unpacks: vec![unpack],
            ..ImageStore::default()
        }
    }

    /// Why the daemon did not bring an image.
    async fn explain(&self, order: &Order<'_>, status: &Status, begun: bool) -> Result<RuntimeError, RuntimeError> {
        let said = error::daemon(format!("pull image {:?}", order.name), status);
        if error::is_transport(status) || said.kind() == RuntimeErrorKind::ResourceExhausted {
            return Ok(said);
        }
        let text = status.message().to_owned();
        if status.code() == Code::FailedPrecondition {
            // With what it has of a damaged blob the daemon would go on for ever.
            self.give_up_ingests(order.document).await?;
            return Ok(Failure::Wrong(format!("a part of it is damaged: {text}")).into_error(order.name));
        }
        let failure = match self.ask_for_missing(order).await? {
            None => return Ok(said),
            Some(Err(failure)) => failure,
            // The registry would give it: either the daemon broke off, or it does not want the image at all.
            Some(Ok(())) if begun => Failure::Unavailable(text),
            Some(Ok(())) => Failure::Wrong(text),
        };
        Ok(failure.into_error(order.name))
    }

    /// Asks the registry for the first blob that is not here; `None` when all are.
    async fn ask_for_missing(&self, order: &Order<'_>) -> Result<Option<Result<(), Failure>>, RuntimeError> {
        let Some(blob) = self.first_missing(order.document).await? else { return Ok(None) };
        Ok(Some(order.found.session.get(&format!("blobs/{blob}"), "*/*", 0).await.map(drop)))
    }

    async fn first_missing(&self, document: &ImageManifest) -> Result<Option<String>, RuntimeError> {
        for blob in blobs(document) {
            let request = self.daemon.request(InfoRequest { digest: blob.digest().to_string() });
            let info = call("look for content", self.daemon.services().content().info(request)).await;
            if optional(info)?.is_none() {
                return Ok(Some(blob.digest().to_string()));
            }
        }
        Ok(None)
    }

    /// Throws away what the daemon has of blobs that are not whole.
    async fn give_up_ingests(&self, document: &ImageManifest) -> Result<(), RuntimeError> {
        for blob in blobs(document) {
            for kind in ["config", "layer"] {
                let request = self.daemon.request(AbortRequest { r#ref: format!("{kind}-{}", blob.digest()) });
                let aborted = call("abort content", self.daemon.services().content().abort(request)).await;
                aborted.map(drop).or_else(gone)?;
            }
        }
        Ok(())
    }
}

/// The parts of an image beside its manifest.
pub(super) fn blobs(document: &ImageManifest) -> impl Iterator<Item = &Descriptor> {
    std::iter::once(document.config()).chain(document.layers())
}

/// Writes down how a registry is reached, for the daemon to read.
fn direct(dir: &Path, endpoint: &Endpoint) -> Result<(), RuntimeError> {
    // Nothing else is asked for with it, so that what holds for all hosts will do.
    let dir = dir.join("_default");
    std::fs::create_dir_all(&dir).map_err(|e| error::io("create directory", &dir, &e))?;
    let (hosts, certificates) = endpoint.for_daemon();
    state::write_whole(&dir.join("ca.pem"), &certificates)?;
    state::write_whole(&dir.join("hosts.toml"), hosts.as_bytes())
}

/// Tag and digest: the image is the one that was found, and whoever judges it sees its name.
fn source(order: &Order<'_>, directions: &Path, questions: Option<&DaemonStream>) -> OciRegistry {
    let name = order.name.split('@').next().unwrap_or_default();
    // The daemon asks for what it gets a token with; one that is there already goes with each request.
    let headers = match order.found.session.credentials() {
        Some(ImageCredentials::Bearer(token)) => [("Authorization".to_owned(), format!("Bearer {token}"))].into(),
        Some(ImageCredentials::Basic { .. } | ImageCredentials::IdentityToken(_)) | None => Default::default(),
    };
    let resolver = RegistryResolver {
        auth_stream: questions.map(|stream| stream.name.clone()).unwrap_or_default(),
        host_dir: directions.display().to_string(),
        headers,
        ..RegistryResolver::default()
    };
    OciRegistry { reference: format!("{name}@{}", order.found.top.digest), resolver: Some(resolver) }
}

async fn question(questions: &mut Option<DaemonStream>) -> AuthRequest {
    match questions {
        Some(questions) => questions.next().await,
        None => std::future::pending().await,
    }
}

/// The credentials for the host that they are for, and none for any other.
fn answer(session: &Session, asked: &AuthRequest) -> AuthResponse {
    let given = session.credentials().filter(|_| asked.host == session.endpoint().host);
    let (kind, username, secret) = match given {
        Some(ImageCredentials::Basic { username, password }) => {
            (AuthType::Credentials, username.clone(), password.clone())
        }
        Some(ImageCredentials::IdentityToken(token)) => (AuthType::Refresh, String::new(), token.clone()),
        Some(ImageCredentials::Bearer(_)) | None => (AuthType::None, String::new(), String::new()),
    };
    AuthResponse { auth_type: kind.into(), secret, username, expire_at: None }
}

/// Counts what has come; whether the report is of a part of the image.
fn tell(tally: &Tally, document: &ImageManifest, step: &Progress) -> bool {
    // `layer-sha256:...`
    let Some((_, digest)) = step.name.split_once('-').filter(|(_, digest)| is_digest(digest)) else { return false };
    if step.progress > 0 && blobs(document).any(|blob| blob.digest().as_ref() == digest) {
        tally.has(digest, u64::try_from(step.progress).unwrap_or(0));
    }
    true
}

#[cfg(test)]
mod tests;
