//! A priority level: exempt from all limits, or with a share of what the server can do and a way to wait for it.

use k8s_openapi::api::flowcontrol::v1::{
    ExemptPriorityLevelConfiguration, LimitResponse, LimitedPriorityLevelConfiguration, PriorityLevelConfigurationSpec,
    QueuingConfiguration,
};

use super::super::shared::SPEC;
use crate::object::field::{FieldErrors, Path};

const QUEUES_MAX: i32 = 10_000_000;
/// How many bits of a request's hash choose its queues.
const HASH_BITS_MAX: f64 = 60.0;
const NOT_NEGATIVE: &str = "must be a non-negative integer";

pub(super) fn spec(spec: &PriorityLevelConfigurationSpec, name: &str, errors: &mut FieldErrors) {
    let kind = spec.type_.as_str();
    if (name == "exempt") != (kind == "Exempt") {
        let detail = "type must be 'Exempt' if and only if name is 'exempt'";
        errors.invalid(&SPEC.field("type"), kind, detail);
    }
    let (limited_path, exempt_path) = (SPEC.field("limited"), SPEC.field("exempt"));
    match kind {
        "Exempt" => {
            if spec.limited.is_some() {
                errors.forbidden(&limited_path, "must be nil if the type is not Limited");
            }
            if let Some(given) = &spec.exempt {
                exempt(given, &exempt_path, errors);
            }
        }
        "Limited" => {
            if spec.exempt.is_some() {
                errors.forbidden(&exempt_path, "must be nil if the type is Limited");
            }
            match &spec.limited {
                Some(given) => limited(given, &limited_path, errors),
                None => errors.required(&limited_path, "must not be empty when type is Limited"),
            }
        }
        other => errors.not_supported(&SPEC.field("type"), other, &["Exempt", "Limited"]),
    }
}

fn exempt(exempt: &ExemptPriorityLevelConfiguration, path: &Path<'_>, errors: &mut FieldErrors) {
    shares(exempt.nominal_concurrency_shares, path, errors);
    lendable(exempt.lendable_percent, path, errors);
}

fn limited(limited: &LimitedPriorityLevelConfiguration, path: &Path<'_>, errors: &mut FieldErrors) {
    shares(limited.nominal_concurrency_shares, path, errors);
    response(&limited.limit_response, &path.field("limitResponse"), errors);
    lendable(limited.lendable_percent, path, errors);
    if let Some(limit) = limited.borrowing_limit_percent.filter(|limit| *limit < 0) {
        let detail = "if specified, must be a non-negative integer";
        errors.invalid(&path.field("borrowingLimitPercent"), limit, detail);
    }
}

fn shares(shares: Option<i32>, path: &Path<'_>, errors: &mut FieldErrors) {
    if let Some(shares) = shares.filter(|shares| *shares < 0) {
        errors.invalid(&path.field("nominalConcurrencyShares"), shares, NOT_NEGATIVE);
    }
}

fn lendable(percent: Option<i32>, path: &Path<'_>, errors: &mut FieldErrors) {
    if let Some(percent) = percent.filter(|percent| !(0..=100).contains(percent)) {
        errors.invalid(&path.field("lendablePercent"), percent, "must be between 0 and 100, inclusive");
    }
}

fn response(response: &LimitResponse, path: &Path<'_>, errors: &mut FieldErrors) {
    let queuing_path = path.field("queuing");
    match (response.type_.as_str(), &response.queuing) {
        ("Reject", Some(_)) => {
            errors.forbidden(&queuing_path, "must be nil if limited.limitResponse.type is not Limited");
        }
        ("Reject", None) => {}
        ("Queue", Some(given)) => queuing(given, &queuing_path, errors),
        ("Queue", None) => {
            errors.required(&queuing_path, "must not be empty if limited.limitResponse.type is Limited");
        }
        (other, _) => errors.not_supported(&path.field("type"), other, &["Queue", "Reject"]),
    }
}

fn queuing(queuing: &QueuingConfiguration, path: &Path<'_>, errors: &mut FieldErrors) {
    let [limit, queues, hand] =
        [queuing.queue_length_limit, queuing.queues, queuing.hand_size].map(|number| number.unwrap_or(0));
    let positive = "must be positive";
    if limit <= 0 {
        errors.invalid(&path.field("queueLengthLimit"), limit, positive);
    }
    if queues <= 0 {
        errors.invalid(&path.field("queues"), queues, positive);
    } else if queues > QUEUES_MAX {
        errors.invalid(&path.field("queues"), queues, format!("must not be greater than {QUEUES_MAX}"));
    }
    let path = path.field("handSize");
    if hand <= 0 {
        errors.invalid(&path, hand, positive);
    } else if hand > queues {
        errors.invalid(&path, hand, format!("should not be greater than queues ({queues})"));
    } else if (f64::from(queues).log2() * f64::from(hand)).ceil() > HASH_BITS_MAX {
        let detail = format!(
            "required entropy bits of deckSize {queues} and handSize {hand} should not be greater than {HASH_BITS_MAX}"
        );
        errors.invalid(&path, hand, detail);
    }
}
