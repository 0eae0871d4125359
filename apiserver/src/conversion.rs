//! Objects of users' own kinds in versions that only a webhook can make (`spec.conversion.strategy: Webhook`).
//!
//! The store knows the version that is marked for storage. What a client reads in another one is asked for, as many objects at
//! once as are shown; what it writes is checked by the schema of its version and made into the stored one first. Only labels
//! and annotations of the metadata are the webhook's to change.

use std::sync::Arc;
use std::time::Duration;

use inboard::cluster::Moment;
use inboard::k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::WebhookConversion;
use inboard::object::apply::{Converted, Wanted};
use inboard::object::definition::admitted;
use inboard::object::kind::KindInfo;
use inboard::store::{Body as Content, Draft, Meta, Object, Part};
use inboard::{ApiError, Reason};
use serde_json::{Value, json};

use crate::place::Place;
use crate::webhook::{Place as Whereabouts, Target, Webhooks};

/// How long a webhook may take, as upstream has it.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Who makes objects of one version.
#[derive(Clone, Debug)]
pub(crate) struct Conversion {
    target: Target,
    review_version: String,
    /// The version that clients of it see, and the one that is stored.
    shown: KindInfo,
    stored: KindInfo,
}

impl Conversion {
    /// Of a kind in this version; nothing where nobody has to be asked.
    pub(crate) fn of(moment: &Moment, info: &KindInfo) -> Option<Self> {
        let webhook = info.defined.as_ref()?.conversion.as_ref()?;
        let stored = moment.kinds.info(info.stored_as)?.clone();
        let review_version = review_version(webhook);
        Some(Self { target: target(webhook), review_version, shown: info.clone(), stored })
    }

    /// Of a kind in whatever version it is made.
    fn of_any_version(place: &Place<'_>) -> Option<Self> {
        let versions = place.moment.kinds.iter().filter(|info| info.stored_as == place.info.stored_as);
        versions.into_iter().find_map(|info| Self::of(place.moment, info))
    }

    /// Whether an object that is applied has to be seen in versions that a webhook makes: in its own, or in that of an owner.
    pub(crate) fn concerns_apply(place: &Place<'_>) -> bool {
        if Self::of(place.moment, place.info).is_some() {
            return true;
        }
        if Self::of_any_version(place).is_none() {
            return false;
        }
        let own = place.info.api_version();
        let current = place.moment.snapshot.find(place.info.stored_as, place.namespace, place.name);
        let entries = current.and_then(|object| object.meta.managed_fields.as_deref());
        entries.is_some_and(|entries| entries.iter().any(|entry| entry.api_version.as_ref() != Some(&own)))
    }

    /// Objects as clients of this version see them.
    ///
    /// # Errors
    /// `InternalError`, in upstream's words.
    pub(crate) async fn show(
        &self,
        webhooks: &Webhooks,
        moment: &Moment,
        objects: Vec<Arc<Object>>,
    ) -> Result<Vec<Arc<Object>>, ApiError> {
        let values = objects.iter().map(|object| object.to_wire(&moment.kinds)).collect();
        let converted = self.ask(webhooks, moment, &self.stored, &self.shown, values).await?;
        let shown = objects.iter().zip(converted).map(|(object, value)| {
            let draft = Draft::custom(self.shown.id, value).map_err(ApiError::internal)?;
            let Meta { labels, annotations, .. } = draft.meta;
            let meta = Meta { kind: self.shown.id, labels, annotations, ..object.meta.clone() };
            Ok(Arc::new(Object { meta, body: draft.body }))
        });
        shown.collect()
    }

    /// One object, as [`Conversion::show`].
    async fn show_one(
        &self,
        webhooks: &Webhooks,
        moment: &Moment,
        object: Arc<Object>,
    ) -> Result<Arc<Object>, ApiError> {
        let shown = self.show(webhooks, moment, vec![object]).await?;
        shown.into_iter().next().ok_or_else(|| ApiError::internal("a conversion without its object"))
    }

    /// What a client wants to write, in the version that is stored.
    async fn store(&self, place: &Place<'_>, draft: Draft, part: Part) -> Result<Draft, ApiError> {
        let Content::Custom(value) = &draft.body else { return Ok(draft) };
        let api = draft.meta.to_api();
        let mut value = match part {
            Part::Status => (**value).clone(),
            _ => admitted(&self.shown, &api, value)?,
        };
        value["metadata"] = serde_json::to_value(&api).unwrap_or_default();
        let made = self.ask(place.webhooks, place.moment, &self.shown, &self.stored, vec![value]).await?;
        let made = made.into_iter().next().unwrap_or_default();
        let made = Draft::custom(self.stored.id, made).map_err(ApiError::internal)?;
        let Meta { labels, annotations, .. } = made.meta;
        Ok(Draft { meta: Meta { labels, annotations, ..draft.meta }, body: made.body, ..draft })
    }

    /// That something is not done in this version.
    pub(crate) fn refuses(&self, what: &str) -> ApiError {
        let (shown, stored) = (self.shown.api_version(), self.stored.api_version());
        let message = format!("{what} is not supported in {shown}, which a webhook makes: use {stored}");
        ApiError::new(Reason::BadRequest, message)
    }

    /// Asks the webhook.
    async fn ask(
        &self,
        webhooks: &Webhooks,
        moment: &Moment,
        from: &KindInfo,
        to: &KindInfo,
        objects: Vec<Value>,
    ) -> Result<Vec<Value>, ApiError> {
        if objects.is_empty() {
            return Ok(objects);
        }
        let failed = |why: String| {
            let named = format!("{}, Kind={}", from.api_version(), from.kind);
            ApiError::internal(format_args!("conversion webhook for {named} {why}"))
        };
        // A question is known by what it is about, so that the same question is the same.
        let uid = objects.first().and_then(|object| object["metadata"]["uid"].as_str()).unwrap_or("new").to_owned();
        let question = json!({
            "apiVersion": format!("apiextensions.k8s.io/{}", self.review_version),
            "kind": "ConversionReview",
            "request": { "uid": uid, "desiredAPIVersion": to.api_version(), "objects": objects },
        });
        let answer = webhooks.ask(&moment.snapshot, &self.target, &question, TIMEOUT).await;
        let answer = answer.map_err(|why| failed(format!("failed: {why}")))?;
        let response = &answer["response"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        if text(&response["uid"]) != uid {
            let found = text(&response["uid"]);
            return Err(failed(format!("failed: expected response.uid={uid:?}, got {found:?}")));
        }
        let (status, message) = (text(&response["result"]["status"]), text(&response["result"]["message"]));
        if status != "Success" {
            let told = match message.is_empty() {
                true => format!("response.result.status was '{status}', not 'Success'"),
                false => message,
            };
            return Err(failed(format!("failed: {told}")));
        }
        let converted = response["convertedObjects"].as_array().cloned().unwrap_or_default();
        if converted.len() != objects.len() {
            let (found, expected) = (converted.len(), objects.len());
            return Err(failed(format!("returned {found} objects, expected {expected}")));
        }
        for (index, (before, after)) in objects.iter().zip(&converted).enumerate() {
            check(before, after, to)
                .map_err(|why| failed(format!("returned invalid converted object at index {index}: {why}")))?;
        }
        Ok(converted)
    }
}

/// What a conversion must leave as it is.
fn check(before: &Value, after: &Value, to: &KindInfo) -> Result<(), String> {
    if after["apiVersion"] != to.api_version().as_str() {
        return Err(format!("must be of version {}, not {}", to.api_version(), after["apiVersion"]));
    }
    if after["kind"] != before["kind"] {
        return Err(format!("must have the same kind: {} != {}", after["kind"], before["kind"]));
    }
    for field in ["name", "namespace", "uid"] {
        let (was, is) = (&before["metadata"][field], &after["metadata"][field]);
        let shown = if field == "uid" { "UID" } else { field };
        if was != is {
            return Err(format!("must have the same {shown}: {is} != {was}"));
        }
    }
    Ok(())
}

fn target(webhook: &WebhookConversion) -> Target {
    let client = webhook.client_config.clone().unwrap_or_default();
    let place = match (&client.service, &client.url) {
        (Some(service), _) => {
            Whereabouts::service(&service.namespace, &service.name, service.port, service.path.as_deref())
        }
        (None, url) => Whereabouts::Url(url.clone().unwrap_or_default()),
    };
    Target { place, authority: client.ca_bundle.map(|bundle| bundle.0).unwrap_or_default() }
}

/// The first version that this server knows, too.
fn review_version(webhook: &WebhookConversion) -> String {
    let mut versions = webhook.conversion_review_versions.iter();
    versions.find(|version| matches!(version.as_str(), "v1" | "v1beta1")).cloned().unwrap_or_else(|| "v1".to_owned())
}

/// An object as a client of the version that it named sees it.
pub(crate) async fn shown(place: &Place<'_>, object: Arc<Object>) -> Result<Arc<Object>, ApiError> {
    match Conversion::of(place.moment, place.info) {
        None => Ok(object),
        Some(conversion) => conversion.show_one(place.webhooks, place.moment, object).await,
    }
}

/// What a client wants to write, in the version that is stored.
pub(crate) async fn stored(place: &Place<'_>, draft: Draft, part: Part) -> Result<Draft, ApiError> {
    match Conversion::of(place.moment, place.info) {
        None => Ok(draft),
        Some(conversion) => conversion.store(place, draft, part).await,
    }
}

/// Makes objects that an apply wants to see in other versions.
pub(crate) async fn make(place: &Place<'_>, wanted: Vec<Wanted>, converted: &mut Converted) -> Result<(), ApiError> {
    let conversion = Conversion::of_any_version(place).ok_or_else(|| ApiError::internal("nobody makes versions"))?;
    let kinds = &place.moment.kinds;
    let kind = |api_version: &str| kinds.in_any_version(api_version, &conversion.shown.kind);
    for (object, api_version) in wanted {
        let from = kind(object["apiVersion"].as_str().unwrap_or_default());
        let (Some(from), Some(to)) = (from, kind(&api_version)) else {
            return Err(ApiError::internal(format_args!("an object in a version that is not known: {api_version}")));
        };
        let made = conversion.ask(place.webhooks, place.moment, from, to, vec![object.clone()]).await?;
        converted.add((object, api_version), made.into_iter().next().unwrap_or_default());
    }
    Ok(())
}
