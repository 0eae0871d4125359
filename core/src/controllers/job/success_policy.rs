//! `spec.successPolicy`: an Indexed Job has succeeded once a rule's indexes have, or enough of them.

use k8s_openapi::api::batch::v1::SuccessPolicy;

use super::indexes::Indexes;

/// Why a Job has succeeded before all its indexes have; `None` when it has not. Without any that has, no rule is met, nor is
/// one ever that lists none.
pub(super) fn met(policy: Option<&SuccessPolicy>, completions: usize, succeeded: &Indexes) -> Option<String> {
    let rules = policy.iter().filter(|_| succeeded.len() > 0).flat_map(|policy| &policy.rules);
    let place = rules.into_iter().position(|rule| {
        let listed = rule.succeeded_indexes.as_deref().map(|text| Indexes::parse(text, completions));
        let have = listed.as_ref().map_or(succeeded.len(), |listed| listed.common(succeeded));
        match (rule.succeeded_count, &listed) {
            (_, Some(listed)) if listed.len() == 0 => false,
            (Some(count), _) => usize::try_from(count).is_ok_and(|count| have >= count),
            (None, Some(listed)) => have == listed.len(),
            (None, None) => false,
        }
    })?;
    Some(format!("Matched rules at index {place}"))
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::batch::v1::SuccessPolicyRule;

    use super::*;

    #[test]
    fn the_first_rule_that_is_met_is_named() {
        let rule = |indexes: Option<&str>, count: Option<i32>| SuccessPolicyRule {
            succeeded_indexes: indexes.map(str::to_owned),
            succeeded_count: count,
        };
        let cases = [
            (vec![rule(Some("0"), None)], "0", Some(0)),
            (vec![rule(Some("0,2"), None)], "0", None),
            (vec![rule(Some("0-4"), Some(2))], "0,4,7", Some(0)),
            (vec![rule(Some("0-4"), Some(2))], "0,7,8", None),
            (vec![rule(None, Some(3))], "1,5,7", Some(0)),
            (vec![rule(Some("9"), None), rule(None, Some(1))], "3", Some(1)),
            (vec![rule(Some("0,1"), None), rule(Some("5"), None)], "0-2,4-7", Some(0)),
            (vec![rule(Some("2-4,6-8"), None)], "1-9", Some(0)),
            (vec![rule(Some("1-3,5-7"), None)], "2-4,6-8", None),
            (vec![rule(Some("1-3,5-7"), Some(4))], "2-4,6-8", Some(0)),
            (vec![rule(Some("0-6,8-9"), Some(7))], "1-3,5-9", Some(0)),
            (vec![rule(Some("0-6,8-9"), Some(9))], "1-3,5-9", None),
            (vec![rule(None, Some(4))], "0-2", None),
            (vec![], "0", None),
            // Nothing is no success.
            (vec![rule(Some(""), None)], "1-3", None),
            (vec![rule(Some(""), Some(0))], "1-3", None),
            (vec![rule(Some(""), None)], "", None),
            (vec![rule(None, Some(0))], "", None),
            (vec![rule(None, Some(0))], "4", Some(0)),
        ];
        for (rules, succeeded, expected) in cases {
            let found = met(Some(&SuccessPolicy { rules: rules.clone() }), 10, &Indexes::parse(succeeded, 10));
            assert_eq!(found, expected.map(|place| format!("Matched rules at index {place}")), "{rules:?} {succeeded}");
        }
        assert_eq!(met(None, 10, &Indexes::parse("0-9", 10)), None);
    }
}
