//! What people do with admission policies, and with the resources of pods that run; and how those must be in the end.

use inboard::k8s_openapi::api::admissionregistration::v1::{
    MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding, ValidatingAdmissionPolicy,
    ValidatingAdmissionPolicyBinding,
};
use inboard::kernel::Request;
use inboard::object::kind::{self, KindId};
use inboard::object::manifest::FieldValidation;
use inboard::object::patch::Patch;
use inboard::store::{ConditionKind, DeleteOptions, Object, Part, PodPhase, WriteOptions};
use serde_json::{Value, json};

use super::History;
use super::fixpoint::Cluster;

/// The policy that refuses pods, and the one that marks what is written.
const REFUSES: &str = "refuses";
const MARKS: &str = "marks";
/// What it says of pods: none of it can be mended by whoever made the template.
const CONDITIONS: [&str; 3] = [
    "!has(object.spec.initContainers)",
    "object.spec.containers.all(c, c.image != 'stubborn:1')",
    "request.userInfo.username != 'system:serviceaccount:kube-system:replicaset-controller'",
];

impl History {
    pub(super) fn use_policies(&mut self) {
        match self.dice.roll(6) {
            0 => self.refuse_pods(),
            1 => self.mark_writes(),
            2 => self.lift_policies(),
            _ => self.resize(),
        }
    }

    fn refuse_pods(&mut self) {
        let condition = self.dice.pick(&CONDITIONS);
        let spec = json!({
            "matchConstraints": {"resourceRules": [rule(&["CREATE"], &["pods"])]},
            "validations": [{"expression": condition}],
        });
        self.note(format!("refuse pods unless {condition}"));
        let policy: ValidatingAdmissionPolicy = read(REFUSES, &spec);
        let result = self.cluster.create(policy);
        self.accept(result.map(|_| ()));
        let binding: ValidatingAdmissionPolicyBinding =
            read(REFUSES, &json!({"policyName": REFUSES, "validationActions": ["Deny"]}));
        let result = self.cluster.create(binding);
        self.accept(result.map(|_| ()));
    }

    fn mark_writes(&mut self) {
        let resources = ["pods", "replicasets", "statefulsets", "jobs", "persistentvolumeclaims"];
        let mark = "Object{metadata: Object.metadata{annotations: {'marked': 'yes'}}}";
        let spec = json!({
            "matchConstraints": {"resourceRules": [rule(&["CREATE", "UPDATE"], &resources)]},
            "reinvocationPolicy": "Never",
            "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": mark}}],
        });
        self.note("mark what is written".to_owned());
        let policy: MutatingAdmissionPolicy = read(MARKS, &spec);
        let result = self.cluster.create(policy);
        self.accept(result.map(|_| ()));
        let binding: MutatingAdmissionPolicyBinding = read(MARKS, &json!({"policyName": MARKS}));
        let result = self.cluster.create(binding);
        self.accept(result.map(|_| ()));
    }

    /// After this every pod is let in.
    pub(super) fn lift_policies(&mut self) {
        self.note("lift the policies".to_owned());
        let all: [(KindId, &str); 4] = [
            (kind::VALIDATING_ADMISSION_POLICY, REFUSES),
            (kind::VALIDATING_ADMISSION_POLICY_BINDING, REFUSES),
            (kind::MUTATING_ADMISSION_POLICY, MARKS),
            (kind::MUTATING_ADMISSION_POLICY_BINDING, MARKS),
        ];
        for (kind, name) in all {
            let (namespace, options) = (String::new(), DeleteOptions::default());
            let result = self.cluster.request(Request::Delete { kind, namespace, name: name.to_owned(), options });
            self.accept(result.map(|_| ()));
        }
    }

    /// Asks for other resources of a pod that runs and has some.
    fn resize(&mut self) {
        let snapshot = self.cluster.snapshot();
        let can_be = |object: &Object| {
            let pod = object.pod().filter(|pod| pod.state.phase == PodPhase::Running)?;
            let has_some = pod.spec.containers[0].resources.as_ref()?.requests.is_some();
            let is_on_a_node =
                pod.node.as_ref().is_some_and(|node| snapshot.find(kind::NODE, "", node.as_str()).is_some());
            (has_some && is_on_a_node && !object.meta.is_deleting()).then(|| object.meta.name.to_string())
        };
        let names: Vec<String> = snapshot.list(kind::POD).filter_map(|object| can_be(object)).collect();
        if names.is_empty() {
            return;
        }
        let (name, cpu) = (self.dice.pick(&names), self.dice.pick(&["50m", "200m", "600m"]));
        self.note(format!("resize {name} to {cpu}"));
        let container = json!({"name": "app", "resources": {"requests": {"cpu": cpu}}});
        let request = Request::Patch {
            kind: kind::POD,
            namespace: "default".to_owned(),
            name,
            part: Part::Resize,
            patch: Patch::Strategic(json!({"spec": {"containers": [container]}})),
            duplicates: Vec::new(),
            validation: FieldValidation::Strict,
            options: WriteOptions::default(),
        };
        let result = self.cluster.request(request);
        self.accept(result.map(|_| ()));
    }
}

fn rule(operations: &[&str], resources: &[&str]) -> Value {
    json!({"apiGroups": ["*"], "apiVersions": ["*"], "operations": operations, "resources": resources})
}

fn read<K: kind::Kind>(name: &str, spec: &Value) -> K {
    serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec}))
        .expect("what is written here fits its type")
}

/// A pod that its node has agreed to resize and does not, or that has something else than it asks for without a word.
pub(super) fn missing(cluster: &Cluster) -> Option<String> {
    cluster.snapshot().list(kind::POD).find_map(|object| resize_missing(object))
}

fn resize_missing(object: &Object) -> Option<String> {
    let pod = object.pod().filter(|pod| pod.state.phase == PodPhase::Running)?;
    let says = |kind: ConditionKind| pod.state.condition(&kind).is_some();
    let asked = pod.spec.containers[0].resources.as_ref().and_then(|resources| resources.requests.as_ref());
    let given = pod.state.containers.first().and_then(|container| container.given.allocated());
    let differs = given.is_some_and(|given| Some(given) != asked) && !says(ConditionKind::PodResizePending);
    let goes_on = says(ConditionKind::PodResizeInProgress);
    (differs || goes_on).then(|| format!("pod {} asks for {asked:?} and has {given:?}", object.meta.path()))
}
