//! The roles and bindings that every cluster has from the start (`plugin/pkg/auth/authorizer/rbac/bootstrappolicy`): those
//! for people and clients. Upstream's roles of its own components have nobody here to use them.

use inboard::k8s_openapi::api::rbac::v1::{
    AggregationRule, ClusterRole, ClusterRoleBinding, PolicyRule, RoleRef, Subject,
};
use inboard::k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};

use crate::identity::{AUTHENTICATED, MASTERS, UNAUTHENTICATED};

const GROUP: &str = "rbac.authorization.k8s.io";
const READ: &[&str] = &["get", "list", "watch"];
const WRITE: &[&str] = &["create", "delete", "deletecollection", "patch", "update"];
/// What a role that gathers others is found by.
const AGGREGATE: &str = "rbac.authorization.k8s.io/aggregate-to-";

/// Kinds that `view` may read, by their group; `edit` may write those that are marked.
const WORKLOADS: &[(&str, &[&str])] = &[
    (
        "apps",
        &[
            "daemonsets",
            "deployments",
            "deployments/scale",
            "replicasets",
            "replicasets/scale",
            "statefulsets",
            "statefulsets/scale",
        ],
    ),
    ("autoscaling", &["horizontalpodautoscalers"]),
    ("batch", &["cronjobs", "jobs"]),
    ("policy", &["poddisruptionbudgets"]),
    ("networking.k8s.io", &["ingresses", "networkpolicies"]),
];

/// The cluster roles.
pub(crate) fn roles() -> Vec<ClusterRole> {
    let mut roles = vec![
        role("cluster-admin", vec![rule(&["*"], &["*"], &["*"]), pages(&["*"], &["*"])]),
        gathering("admin", "admin"),
        gathering("edit", "edit"),
        gathering("view", "view"),
        aggregated("system:aggregate-to-admin", "admin", admin_rules()),
        aggregated("system:aggregate-to-edit", "edit", edit_rules()),
        aggregated("system:aggregate-to-view", "view", view_rules()),
        aggregated(
            "system:aggregated-metrics-reader",
            "view",
            vec![rule(READ, &["metrics.k8s.io"], &["pods", "nodes"])],
        ),
        role(
            "system:basic-user",
            vec![
                rule(&["create"], &["authorization.k8s.io"], &["selfsubjectaccessreviews", "selfsubjectrulesreviews"]),
                rule(&["create"], &["authentication.k8s.io"], &["selfsubjectreviews"]),
            ],
        ),
        role(
            "system:discovery",
            vec![pages(
                &["get"],
                &[
                    "/api",
                    "/api/*",
                    "/apis",
                    "/apis/*",
                    "/healthz",
                    "/livez",
                    "/openapi",
                    "/openapi/*",
                    "/readyz",
                    "/version",
                    "/version/",
                ],
            )],
        ),
        role(
            "system:public-info-viewer",
            vec![pages(&["get"], &["/healthz", "/livez", "/readyz", "/version", "/version/"])],
        ),
        role(
            "system:monitoring",
            vec![pages(
                &["get"],
                &["/healthz", "/healthz/*", "/livez", "/livez/*", "/metrics", "/metrics/slis", "/readyz", "/readyz/*"],
            )],
        ),
        role(
            "system:auth-delegator",
            vec![
                rule(&["create"], &["authentication.k8s.io"], &["tokenreviews"]),
                rule(&["create"], &["authorization.k8s.io"], &["subjectaccessreviews"]),
            ],
        ),
    ];
    // What aggregated roles gather stands in them from the start, so that it holds without their controller.
    for (name, from) in
        [("admin", ["admin", "edit", "view"].as_slice()), ("edit", &["edit", "view"]), ("view", &["view"])]
    {
        let rules: Vec<PolicyRule> = from
            .iter()
            .flat_map(|from| roles.iter().find(|role| is_named(role, &format!("system:aggregate-to-{from}"))))
            .flat_map(|role| role.rules.clone().unwrap_or_default())
            .collect();
        if let Some(role) = roles.iter_mut().find(|role| is_named(role, name)) {
            role.rules = Some(rules);
        }
    }
    roles
}

fn is_named(role: &ClusterRole, name: &str) -> bool {
    role.metadata.name.as_deref() == Some(name)
}

/// The bindings of the whole cluster.
pub(crate) fn bindings() -> Vec<ClusterRoleBinding> {
    [
        ("cluster-admin", [MASTERS].as_slice()),
        ("system:basic-user", &[AUTHENTICATED]),
        ("system:discovery", &[AUTHENTICATED]),
        ("system:public-info-viewer", &[AUTHENTICATED, UNAUTHENTICATED]),
        ("system:monitoring", &["system:monitoring"]),
    ]
    .into_iter()
    .map(|(name, groups)| ClusterRoleBinding {
        metadata: metadata(name, None),
        role_ref: RoleRef { api_group: Some(GROUP.to_owned()), kind: "ClusterRole".to_owned(), name: name.to_owned() },
        subjects: Some(groups.iter().map(|group| group_subject(group)).collect()),
    })
    .collect()
}

fn group_subject(name: &str) -> Subject {
    Subject { api_group: Some(GROUP.to_owned()), kind: "Group".to_owned(), name: name.to_owned(), ..Subject::default() }
}

fn metadata(name: &str, aggregates_to: Option<&str>) -> ObjectMeta {
    let mut labels = vec![("kubernetes.io/bootstrapping".to_owned(), "rbac-defaults".to_owned())];
    labels.extend(aggregates_to.map(|to| (format!("{AGGREGATE}{to}"), "true".to_owned())));
    let annotations = [("rbac.authorization.kubernetes.io/autoupdate".to_owned(), "true".to_owned())];
    ObjectMeta {
        name: Some(name.to_owned()),
        labels: Some(labels.into_iter().collect()),
        annotations: Some(annotations.into_iter().collect()),
        ..ObjectMeta::default()
    }
}

fn role(name: &str, rules: Vec<PolicyRule>) -> ClusterRole {
    ClusterRole { metadata: metadata(name, None), rules: Some(rules), aggregation_rule: None }
}

fn aggregated(name: &str, to: &str, rules: Vec<PolicyRule>) -> ClusterRole {
    ClusterRole { metadata: metadata(name, Some(to)), rules: Some(rules), aggregation_rule: None }
}

/// A role that has the rules of those that are marked for it; what is marked for a lesser one is in the greater one, too.
fn gathering(name: &str, to: &str) -> ClusterRole {
    let own = |to: &str| LabelSelector {
        match_labels: Some([(format!("{AGGREGATE}{to}"), "true".to_owned())].into_iter().collect()),
        match_expressions: None,
    };
    let into = match name {
        "edit" => Some("admin"),
        "view" => Some("edit"),
        _ => None,
    };
    ClusterRole {
        metadata: metadata(name, into),
        rules: None,
        aggregation_rule: Some(AggregationRule { cluster_role_selectors: Some(vec![own(to)]) }),
    }
}

fn rule(verbs: &[&str], groups: &[&str], resources: &[&str]) -> PolicyRule {
    let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<String>>();
    PolicyRule {
        verbs: own(verbs),
        api_groups: Some(own(groups)),
        resources: Some(own(resources)),
        ..PolicyRule::default()
    }
}

fn pages(verbs: &[&str], urls: &[&str]) -> PolicyRule {
    let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<String>>();
    PolicyRule { verbs: own(verbs), non_resource_urls: Some(own(urls)), ..PolicyRule::default() }
}

fn admin_rules() -> Vec<PolicyRule> {
    let all: Vec<&str> = WRITE.iter().chain(READ).copied().collect();
    vec![
        rule(&["create"], &["authorization.k8s.io"], &["localsubjectaccessreviews"]),
        rule(&all, &[GROUP], &["rolebindings", "roles"]),
    ]
}

fn edit_rules() -> Vec<PolicyRule> {
    let mut rules = vec![
        rule(READ, &[""], &["pods/attach", "pods/exec", "pods/portforward", "pods/proxy", "secrets", "services/proxy"]),
        rule(&["impersonate"], &[""], &["serviceaccounts"]),
        rule(WRITE, &[""], &["pods", "pods/attach", "pods/exec", "pods/portforward", "pods/proxy"]),
        rule(&["create"], &[""], &["pods/eviction", "serviceaccounts/token"]),
        rule(
            WRITE,
            &[""],
            &[
                "configmaps",
                "events",
                "persistentvolumeclaims",
                "replicationcontrollers",
                "replicationcontrollers/scale",
                "secrets",
                "serviceaccounts",
                "services",
                "services/proxy",
            ],
        ),
        rule(WRITE, &["coordination.k8s.io"], &["leases"]),
        rule(READ, &["coordination.k8s.io"], &["leases"]),
    ];
    rules.extend(WORKLOADS.iter().map(|(group, resources)| rule(WRITE, &[group], resources)));
    rules
}

fn view_rules() -> Vec<PolicyRule> {
    let mut rules = vec![
        rule(
            READ,
            &[""],
            &[
                "configmaps",
                "endpoints",
                "persistentvolumeclaims",
                "persistentvolumeclaims/status",
                "pods",
                "replicationcontrollers",
                "replicationcontrollers/scale",
                "serviceaccounts",
                "services",
                "services/status",
            ],
        ),
        rule(
            READ,
            &[""],
            &[
                "bindings",
                "events",
                "limitranges",
                "namespaces",
                "namespaces/status",
                "pods/log",
                "pods/status",
                "replicationcontrollers/status",
                "resourcequotas",
                "resourcequotas/status",
            ],
        ),
        rule(READ, &["apps"], &["controllerrevisions"]),
        rule(READ, &["discovery.k8s.io"], &["endpointslices"]),
    ];
    for (group, resources) in WORKLOADS {
        let plain = resources.iter().filter(|name| !name.contains('/'));
        let statuses: Vec<String> =
            plain.filter(|name| **name != "networkpolicies").map(|name| format!("{name}/status")).collect();
        let mut all: Vec<&str> = resources.to_vec();
        all.extend(statuses.iter().map(String::as_str));
        all.sort_unstable();
        rules.push(rule(READ, &[group], &all));
    }
    rules
}
