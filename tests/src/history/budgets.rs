//! What people do with disruption budgets, and how those must be in the end.

use inboard::control::pods::is_ready;
use inboard::k8s_openapi::api::policy::v1::PodDisruptionBudget;
use inboard::k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use inboard::kernel::Request;
use inboard::object::kind;
use inboard::object::patch::Patch;
use inboard::store::{DeleteOptions, Object};
use serde_json::{Value, json};

use super::History;
use super::fixpoint::Cluster;

/// Budgets are named for the pods that they are for; a pod may be in two.
const BUDGETS: [(&str, &str); 4] = [("b-d0", "d0"), ("b-s0", "s0"), ("b-q0", "q0"), ("b-more", "d0")];

impl History {
    pub(super) fn use_budgets(&mut self) {
        let (name, app) = self.dice.pick(&BUDGETS);
        let is_there = self.cluster.snapshot().list(kind::POD_DISRUPTION_BUDGET).next().is_some();
        match self.dice.roll(8) {
            0 | 1 => self.create_budget(name, app),
            2..=5 if !is_there => self.create_budget(name, app),
            2 => {
                let mut spec = self.demand();
                for field in ["minAvailable", "maxUnavailable", "unhealthyPodEvictionPolicy"] {
                    let said = spec.get(field).cloned().unwrap_or(Value::Null);
                    spec[field] = said;
                }
                self.note(format!("patch budget {name}: {spec}"));
                let patch = Patch::Merge(json!({"spec": spec}));
                let result = self.cluster.patch(kind::POD_DISRUPTION_BUDGET, name, patch);
                self.accept(result.map(|_| ()));
            }
            3 => {
                self.note(format!("delete budget {name}"));
                let result = self.cluster.delete(kind::POD_DISRUPTION_BUDGET, name, DeleteOptions::default());
                self.accept(result);
            }
            _ => self.evict(),
        }
    }

    fn create_budget(&mut self, name: &str, app: &str) {
        let mut spec = self.demand();
        spec["selector"] = json!({"matchLabels": {"app": app}});
        let budget = json!({"metadata": {"name": name, "namespace": "default"}, "spec": spec});
        self.note(format!("create budget {budget}"));
        let budget: PodDisruptionBudget = serde_json::from_value(budget).expect("a budget");
        let result = self.cluster.create(budget);
        self.accept(result.map(|_| ()));
    }

    fn demand(&mut self) -> Value {
        let share = self.dice.pick(&[json!(0), json!(1), json!(2), json!("34%"), json!("100%")]);
        let field = self.dice.pick(&["minAvailable", "maxUnavailable"]);
        let mut spec = json!({ field: share });
        if self.dice.one_in(3) {
            spec["unhealthyPodEvictionPolicy"] = "AlwaysAllow".into();
        }
        spec
    }

    /// Evicts several pods at once, as one who empties a node: rather those that a budget is for.
    fn evict(&mut self) {
        let snapshot = self.cluster.snapshot();
        let is_guarded = |pod: &Object| {
            BUDGETS.iter().any(|(name, app)| {
                pod.meta.labels.get("app").is_some_and(|label| label == app)
                    && snapshot.find(kind::POD_DISRUPTION_BUDGET, "default", name).is_some()
            })
        };
        let (guarded, free): (Vec<_>, Vec<_>) = snapshot.list(kind::POD).partition(|pod| is_guarded(pod));
        let chosen = if guarded.is_empty() { free } else { guarded };
        let names: Vec<String> = chosen.into_iter().map(|object| object.meta.name.to_string()).collect();
        for _ in 0..3 {
            if names.is_empty() {
                return;
            }
            let name = self.dice.pick(&names);
            let options = DeleteOptions { dry_run: self.dice.one_in(6), ..DeleteOptions::default() };
            self.note(format!("evict pod {name}, dry run: {}", options.dry_run));
            let request = Request::Evict { namespace: "default".to_owned(), name, options };
            let result = self.cluster.request(request);
            self.accept(result.map(|_| ()));
        }
    }
}

/// A budget whose status does not say what is there.
pub(super) fn missing(cluster: &Cluster) -> Option<String> {
    cluster.snapshot().list(kind::POD_DISRUPTION_BUDGET).find_map(|budget| budget_missing(cluster, budget))
}

fn budget_missing(cluster: &Cluster, object: &Object) -> Option<String> {
    let budget: &PodDisruptionBudget = object.typed()?;
    let (spec, status) = (budget.spec.clone()?, budget.status.clone().unwrap_or_default());
    let labels = spec.selector.and_then(|selector| selector.match_labels).unwrap_or_default();
    let app = labels.get("app");
    let pods: Vec<_> = cluster
        .snapshot()
        .list_in(kind::POD, &object.meta.namespace)
        .filter(|pod| pod.meta.labels.get("app") == app)
        .collect();
    let healthy = pods.iter().filter(|pod| is_ready(pod) && !pod.meta.is_deleting()).count();
    let healthy = i32::try_from(healthy).unwrap_or(i32::MAX);
    let spare = healthy - status.desired_healthy.unwrap_or(0);
    let allowed = if status.expected_pods == Some(0) { 0 } else { spare.max(0) };
    let right = status.current_healthy == Some(healthy)
        && status.disruptions_allowed == Some(allowed)
        && status.disrupted_pods.is_none_or(|evicted| evicted.is_empty())
        && status.observed_generation == Some(object.meta.generation)
        && match &spec.min_available {
            Some(IntOrString::Int(needed)) => {
                status.desired_healthy == Some(*needed) && status.expected_pods == i32::try_from(pods.len()).ok()
            }
            Some(IntOrString::String(_)) | None => true,
        };
    (!right).then(|| format!("budget {} has {:?}, and {healthy} pods are well", object.meta.path(), budget.status))
}
