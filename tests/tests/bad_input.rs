//! Bad input: whatever is wrong, the answer says what and where, and the cluster goes on.

use std::error::Error as _;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use inboard::k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicyBinding;
use inboard::prelude::*;
use inboard::runtime::{RuntimeError, RuntimeErrorKind};
use inboard::scheduler::{Profile, SchedulerConfig};
use inboard::{Api, Cluster, NodeSpec, StartError, conditions};
use inboard_runtime_mock::{MockRuntime, Script};

const SOON: Duration = Duration::from_secs(60);

/// A Deployment that is good as it stands.
const GOOD: &str = "apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 1
  selector:
    matchLabels: {app: web}
  template:
    metadata:
      labels: {app: web}
    spec:
      containers:
      - name: web
        image: nginx
        resources:
          requests: {cpu: 100m}
";

/// What is written instead of what, and what the answer must say.
const WRONG: [(&str, &str, &[&str]); 16] = [
    ("replicas: 1", "replica: 1", &["line 6", "Deployment \"web\"", "unknown field \"spec.replica\""]),
    ("replicas: 1", "replicas: three", &["line 6", "spec.replicas"]),
    ("replicas: 1", "replicas: -1", &["spec.replicas: Invalid value: -1", "must be greater than or equal to 0"]),
    ("name: web\nspec", "name: Web_1\nspec", &["metadata.name: Invalid value: \"Web_1\"", "RFC 1123"]),
    (
        "matchLabels: {app: web}",
        "matchLabels: {app: api}",
        &["spec.template.metadata.labels: Invalid value", "`selector` does not match template `labels`"],
    ),
    ("matchLabels: {app: web}", "matchLabels: {'a b': web}", &["spec.selector.matchLabels", "a b"]),
    ("cpu: 100m", "cpu: 100x", &["line 17", "containers[0].resources.requests.cpu", "quantities must match"]),
    ("cpu: 100m", "cpu: -1", &["spec.template.spec.containers[0].resources.requests[cpu]: Invalid value: \"-1\""]),
    ("cpu: 100m", "speed: 1", &["spec.template.spec.containers[0].resources.requests[speed]"]),
    ("kind: Deployment", "kind: Deploiment", &["no kind \"Deploiment\" in version \"apps/v1\""]),
    ("apps/v1", "v1", &["no kind \"Deployment\" in version \"v1\"", "did you mean Deployment of apps/v1?"]),
    ("kind: Deployment\n", "", &["kind is missing"]),
    ("image: nginx", "image: ''", &["spec.template.spec.containers[0].image: Required value"]),
    ("      - name: web", "      - name: web\n        name: web", &["duplicate"]),
    ("spec:\n  replicas", "spec:\n\treplicas", &["line 6"]),
    ("name: web\nspec", "name: web\n  namespace: nowhere\nspec", &["namespaces \"nowhere\" not found"]),
];

async fn cluster() -> Cluster {
    let missing = RuntimeError::new(RuntimeErrorKind::ImageNotFound, "docker.io/library/nothing:latest: not found");
    let mock = MockRuntime::builder().script(Script::image("nothing").pull_fails(missing)).build();
    let node = NodeSpec::new("host01", Arc::new(mock)).capacity("cpu", "2");
    Cluster::builder().node(node).start().await.expect("a cluster")
}

/// The cluster still does what it should.
async fn goes_on(cluster: &Cluster) {
    cluster.apply(GOOD).await.expect("a good manifest is taken");
    let deployments: Api<Deployment> = Api::default_namespaced(cluster);
    deployments.wait("web", SOON, conditions::is_deployment_rolled_out()).await.expect("rolled out");
}

#[tokio::test(start_paused = true)]
async fn a_wrong_manifest_is_refused_with_what_is_wrong() {
    let cluster = cluster().await;
    let mut faults = String::new();
    for (right, wrong, wanted) in WRONG {
        assert!(GOOD.contains(right), "the case says what to replace: {right}");
        match cluster.apply(&GOOD.replacen(right, wrong, 1)).await {
            Ok(_) => writeln!(faults, "{wrong:?} was taken").expect("a text takes text"),
            Err(error) => {
                let said = error.to_string();
                for text in wanted.iter().filter(|text| !said.contains(**text)) {
                    writeln!(faults, "{wrong:?}: {text:?} is missing in: {said}").expect("a text takes text");
                }
            }
        }
    }
    assert!(faults.is_empty(), "{faults}");
    let deployments: Api<Deployment> = Api::default_namespaced(&cluster);
    assert_eq!(deployments.get_opt("web").await.expect("an answer"), None, "nothing of it was kept");
    goes_on(&cluster).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_good_in_a_text_is_taken_and_what_is_not_is_named() {
    let cluster = cluster().await;
    let second = GOOD.replace("name: web\nspec", "name: Other_1\nspec");
    let error = cluster.apply(&format!("{second}---\n{GOOD}")).await.expect_err("one is wrong");
    assert!(error.to_string().starts_with("deployment.apps/Other_1: "), "{error}");
    match error {
        inboard::ApplyError::Refused { done, refused } => {
            assert_eq!(done.iter().map(ToString::to_string).collect::<Vec<_>>(), ["deployment.apps/web created"]);
            assert_eq!(refused.len(), 1);
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_yaml_bomb_is_refused_at_once() {
    let cluster = cluster().await;
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let below = format!("*a{}", level - 1);
        writeln!(bomb, "a{level}: &a{level} [{}]", [&*below; 10].join(", ")).expect("a text takes text");
    }
    let deep = "[".repeat(100_000);
    for text in [bomb, deep] {
        let said = cluster.apply(&text).await.expect_err("a bomb").to_string();
        assert!(said.len() < 1000, "{} bytes of error", said.len());
    }
    goes_on(&cluster).await;
}

/// Waits until an object has an event of this reason, and gives its message.
async fn event<K: inboard::object::kind::Kind>(api: &Api<K>, cluster: &Cluster, name: &str, reason: &str) -> String {
    let wanted = |snapshot: &inboard::store::Snapshot| {
        snapshot.events().find_map(|event| match &event.body {
            inboard::store::Body::Event(record)
                if &*record.draft.involved.name == name && record.draft.reason == reason =>
            {
                Some(record.draft.message.to_string())
            }
            _ => None,
        })
    };
    let message = cluster.wait_until(&format!("{reason} of {name}"), SOON, wanted).await.expect("an event");
    let events = api.events(name).await.expect("events");
    assert!(events.iter().any(|event| event.message.as_deref() == Some(&message)));
    message
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_cannot_run_says_why_in_its_events() {
    let cluster = cluster().await;
    let pods: Api<Pod> = Api::default_namespaced(&cluster);
    let image = Pod::builder("image").container(Container::builder("c", "nothing")).build().expect("a pod");
    let large = Pod::builder("large").container(Container::builder("c", "nginx").request("cpu", "3")).build();
    for pod in [image, large.expect("a pod")] {
        cluster.apply_object(&pod).await.expect("taken");
    }
    let message = event(&pods, &cluster, "image", "Failed").await;
    assert!(message.contains("nothing") && message.contains("not found"), "{message}");
    let message = event(&pods, &cluster, "large", "FailedScheduling").await;
    assert!(message.starts_with("0/1 nodes are available: 1 Insufficient cpu."), "{message}");

    let table = cluster.table("pods", Some("default"), false).await.expect("a table");
    let word = |name: &str| {
        let line = table.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_whitespace().nth(2).unwrap_or_default().to_owned()
    };
    assert!(["ErrImagePull", "ImagePullBackOff"].contains(&&*word("image")), "{table}");
    assert_eq!(word("large"), "Pending", "{table}");
    let error = pods.logs("image", &inboard::LogRequest::default()).await.expect_err("no log");
    assert!(error.to_string().starts_with("container \"c\" in pod \"image\" is waiting to start: "), "{error}");
    goes_on(&cluster).await;
}

#[tokio::test(start_paused = true)]
async fn a_runtime_that_is_not_there_is_named() {
    let absent = MockRuntime::new();
    absent.down();
    let error =
        Cluster::builder().node(NodeSpec::new("host01", Arc::new(absent))).start().await.expect_err("no runtime");
    assert_eq!(error.to_string(), "the runtime of node `host01` does not answer");
    assert!(error.source().is_some(), "and why not");
    for (spec, wanted) in [
        (NodeSpec::new("Host 1", Arc::new(MockRuntime::new())), "node name `Host 1`"),
        (NodeSpec::new("host01", Arc::new(MockRuntime::new())).capacity("cpu", "many"), "`many` is not a quantity"),
    ] {
        let error: StartError = Cluster::builder().node(spec).start().await.expect_err("a bad node");
        assert!(error.to_string().contains(wanted), "{error}");
    }
    let twice = SchedulerConfig { profiles: vec![Profile::default().into(); 2], ..SchedulerConfig::default() };
    let error: StartError = Cluster::builder().scheduler(Some(twice)).start().await.expect_err("one name twice");
    assert!(error.source().is_some_and(|why| why.to_string().starts_with("profiles[1].schedulerName: ")), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_container_is_asked_for_in_vain() {
    let cluster = cluster().await;
    let pods: Api<Pod> = Api::default_namespaced(&cluster);
    let options = inboard::ExecOptions::default();
    let error = pods.exec("nobody", ["true"], &options).await.expect_err("no pod");
    assert_eq!(error.to_string(), "pods \"nobody\" not found");
    let pod = Pod::builder("web").container(Container::builder("c", "nginx")).build().expect("a pod");
    cluster.apply_object(&pod).await.expect("taken");
    pods.wait("web", SOON, conditions::is_pod_ready()).await.expect("ready");
    let error = pods.exec("web", Vec::<String>::new(), &options).await.expect_err("no command");
    assert_eq!(error.to_string(), "you must specify at least one command for the container");
    let other = inboard::ExecOptions { container: Some("x".to_owned()), ..options };
    let error = pods.exec("web", ["true"], &other).await.expect_err("no such container");
    assert_eq!(error.to_string(), "container x is not valid for pod web");
    let previous = inboard::LogRequest { previous: true, ..inboard::LogRequest::default() };
    let error = pods.logs("web", &previous).await.expect_err("no previous instance");
    assert_eq!(error.to_string(), "previous terminated container \"c\" in pod \"web\" not found");
}

/// Nobody gives a pod its node.
const NO_BINDINGS: &str = "apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: no-bindings}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules:
    - {apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods/binding]}
  validations:
  - {expression: 'false', message: not today}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: no-bindings}
spec: {policyName: no-bindings, validationActions: [Deny]}
";

#[tokio::test(start_paused = true)]
async fn a_binding_that_is_refused_is_said_and_tried_again_after_a_while() {
    let cluster = cluster().await;
    cluster.apply(NO_BINDINGS).await.expect("good policies");
    let pod = Pod::builder("web").container(Container::builder("c", "nginx")).build().expect("a pod");
    cluster.apply_object(&pod).await.expect("taken");
    let pods: Api<Pod> = Api::default_namespaced(&cluster);
    let reason = |pod: Option<&Pod>| {
        let conditions = pod.and_then(|pod| pod.status.as_ref()?.conditions.as_ref());
        let mut conditions = conditions.into_iter().flatten();
        conditions
            .any(|condition| condition.type_ == "PodScheduled" && condition.reason.as_deref() == Some("SchedulerError"))
    };
    let refused = pods.wait("web", SOON, reason).await.expect("it is said");
    let conditions = refused.and_then(|pod| pod.status?.conditions).unwrap_or_default();
    let said = conditions.into_iter().find_map(|condition| condition.message).unwrap_or_default();
    let wanted = "binding rejected: running Bind plugin \"DefaultBinder\": ";
    assert!(said.starts_with(wanted) && said.ends_with("not today"), "{said}");
    let policies: Api<ValidatingAdmissionPolicyBinding> = Api::all(&cluster);
    policies.delete("no-bindings", &inboard::DeleteParams::default()).await.expect("deleted");
    pods.wait("web", SOON, conditions::is_pod_ready()).await.expect("it has its node");
}
