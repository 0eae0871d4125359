//! The APIServices of the groups that this server serves itself: clients list them to see what there is.

use inboard::k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time as ApiTime};
use inboard::k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::{
    APIService, APIServiceCondition, APIServiceSpec, APIServiceStatus,
};
use inboard::time::Time;

/// Group, version, where the group stands among the others, and the version in its group.
const SERVED: [(&str, &str, i32, i32); 22] = [
    ("", "v1", 18_000, 1),
    ("apps", "v1", 17_800, 15),
    ("events.k8s.io", "v1", 17_750, 15),
    ("authentication.k8s.io", "v1", 17_700, 15),
    ("authorization.k8s.io", "v1", 17_600, 15),
    ("autoscaling", "v1", 17_500, 15),
    ("autoscaling", "v2", 17_500, 30),
    ("batch", "v1", 17_400, 15),
    ("certificates.k8s.io", "v1", 17_300, 15),
    ("networking.k8s.io", "v1", 17_200, 15),
    ("policy", "v1", 17_100, 15),
    ("rbac.authorization.k8s.io", "v1", 17_000, 15),
    ("storage.k8s.io", "v1", 16_800, 15),
    ("storagemigration.k8s.io", "v1", 16_800, 9),
    ("admissionregistration.k8s.io", "v1", 16_700, 15),
    ("apiextensions.k8s.io", "v1", 16_700, 15),
    ("scheduling.k8s.io", "v1", 16_600, 15),
    ("coordination.k8s.io", "v1", 16_500, 15),
    ("node.k8s.io", "v1", 16_300, 15),
    ("discovery.k8s.io", "v1", 16_200, 15),
    ("resource.k8s.io", "v1", 16_200, 15),
    ("flowcontrol.apiserver.k8s.io", "v1", 16_100, 21),
];

/// One for each, and that it is there.
pub(crate) fn local(now: Time) -> impl Iterator<Item = APIService> {
    SERVED.into_iter().map(move |(group, version, group_priority, version_priority)| APIService {
        metadata: ObjectMeta {
            name: Some(format!("{version}.{group}")),
            labels: Some([("kube-aggregator.kubernetes.io/automanaged".to_owned(), "onstart".to_owned())].into()),
            ..ObjectMeta::default()
        },
        spec: Some(APIServiceSpec {
            group: (!group.is_empty()).then(|| group.to_owned()),
            version: Some(version.to_owned()),
            group_priority_minimum: group_priority,
            version_priority,
            ..APIServiceSpec::default()
        }),
        status: Some(APIServiceStatus { conditions: Some(vec![available(now.whole_second().to_api())]) }),
    })
}

fn available(since: ApiTime) -> APIServiceCondition {
    APIServiceCondition {
        type_: "Available".to_owned(),
        status: "True".to_owned(),
        last_transition_time: Some(since),
        reason: Some("Local".to_owned()),
        message: Some("Local APIServices are always available".to_owned()),
    }
}
