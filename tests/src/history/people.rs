//! What people do to a cluster.

use inboard::control::Propagation;
use inboard::error::{ApiError, Reason};
use inboard::k8s_openapi::api::apps::v1::{Deployment, ReplicaSet, StatefulSet};
use inboard::k8s_openapi::api::core::v1::Pod;
use inboard::object::kind::{self, KindId};
use inboard::object::patch::Patch;
use inboard::store::DeleteOptions;
use serde_json::{Value, json};

use super::History;

/// Images that come to run, sooner or later.
const GOOD: [&str; 4] = ["web:1", "web:2", "slow:1", "stubborn:1"];

impl History {
    pub(super) fn people(&mut self) {
        match self.dice.roll(26) {
            24.. => self.use_devices(),
            21.. => self.use_disks(),
            19 | 20 => self.use_batch(),
            17 | 18 => self.use_daemon_sets(),
            16 => self.use_autoscalers(),
            12..16 => self.use_storage(),
            0..=3 => self.create(),
            4 if self.dice.one_in(2) => self.use_policies(),
            5 | 6 => self.roll_out(),
            7 => self.pause(),
            8 | 9 if self.dice.one_in(2) => self.use_budgets(),
            8 | 9 => self.delete_pod(),
            10 => self.delete_workload(),
            11 if self.dice.one_in(2) => self.use_quotas(),
            11 => self.use_services(),
            _ => self.scale(),
        }
    }

    fn create(&mut self) {
        let number = self.dice.roll(2);
        match self.dice.roll(6) {
            0..3 => {
                let name = format!("d{number}");
                let deployment = self.deployment(&name);
                self.note(format!("create deployment {deployment}"));
                let object: Deployment = serde_json::from_value(deployment).expect("a deployment");
                let result = self.cluster.create(object);
                self.accept(result.map(|_| ()));
            }
            3 => {
                let name = format!("s{number}");
                let replicas = self.dice.roll(4);
                let template = self.template(&name, false);
                let spec =
                    json!({"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template});
                let set = json!({"metadata": {"name": name, "namespace": "default"}, "spec": spec});
                self.note(format!("create set {set}"));
                let object: ReplicaSet = serde_json::from_value(set).expect("a set");
                let result = self.cluster.create(object);
                self.accept(result.map(|_| ()));
            }
            4 => {
                let name = format!("q{number}");
                let set = self.stateful_set(&name);
                self.note(format!("create stateful set {set}"));
                let object: StatefulSet = serde_json::from_value(set).expect("a set");
                let result = self.cluster.create(object);
                self.accept(result.map(|_| ()));
            }
            _ => {
                let name = format!("p{number}");
                let mut template = self.template(&name, false);
                if self.dice.one_in(2) {
                    template["spec"]["restartPolicy"] = self.dice.pick(&["Never", "OnFailure"]).into();
                    template["spec"]["containers"][0]["command"] = json!(["sleep", "7"]);
                }
                let pod = json!({"metadata": {"name": name, "namespace": "default"}, "spec": template["spec"]});
                self.note(format!("create pod {pod}"));
                let object: Pod = serde_json::from_value(pod).expect("a pod");
                let result = self.cluster.create(object);
                self.accept(result.map(|_| ()));
            }
        }
    }

    fn deployment(&mut self, name: &str) -> Value {
        let shares = [json!(0), json!(1), json!(2), json!("25%"), json!("50%"), json!("100%")];
        let strategy = if self.dice.one_in(4) {
            json!({"type": "Recreate"})
        } else {
            let (surge, mut unavailable) = (self.dice.pick(&shares), self.dice.pick(&shares));
            if surge == json!(0) && unavailable == json!(0) {
                unavailable = json!(1);
            }
            json!({"rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}})
        };
        let spec = json!({
            "replicas": self.dice.roll(5),
            "minReadySeconds": self.dice.pick(&[0, 0, 3]),
            "progressDeadlineSeconds": self.dice.pick(&[30, 600]),
            "revisionHistoryLimit": self.dice.pick(&[0, 1, 10]),
            "selector": {"matchLabels": {"app": name}},
            "strategy": strategy,
            "template": self.template(name, true),
        });
        json!({"metadata": {"name": name, "namespace": "default"}, "spec": spec})
    }

    /// Its images all come to run: an ordered set waits for ever for one that does not, as upstream's.
    fn stateful_set(&mut self, name: &str) -> Value {
        let strategy = if self.dice.one_in(4) {
            json!({"type": "OnDelete"})
        } else {
            let unavailable = self.dice.pick(&[json!(null), json!(1), json!(2), json!("50%")]);
            json!({"rollingUpdate": {"partition": self.dice.pick(&[0, 0, 1]), "maxUnavailable": unavailable}})
        };
        let spec = json!({
            "replicas": self.dice.roll(4),
            "serviceName": name,
            "podManagementPolicy": self.dice.pick(&["OrderedReady", "Parallel"]),
            "minReadySeconds": self.dice.pick(&[0, 0, 3]),
            "revisionHistoryLimit": self.dice.pick(&[0, 1, 10]),
            "selector": {"matchLabels": {"app": name}},
            "updateStrategy": strategy,
            "template": self.template(name, false),
        });
        json!({"metadata": {"name": name, "namespace": "default"}, "spec": spec})
    }

    fn template(&mut self, app: &str, any_image: bool) -> Value {
        let image = if any_image && self.dice.one_in(4) { "crash:1" } else { self.dice.pick(&GOOD) };
        let mut container = json!({"name": "app", "image": image, "ports": [{"name": "web", "containerPort": 80}]});
        if self.dice.one_in(2) {
            container["resources"] = json!({"requests": {"cpu": self.dice.pick(&["100m", "500m"])}});
        }
        if any_image && self.dice.one_in(8) {
            container["resources"] = json!({"requests": {"cpu": "9"}});
        }
        if self.dice.one_in(3) {
            container["readinessProbe"] = json!({"tcpSocket": {"port": 80}, "periodSeconds": 5});
        }
        let grace = self.dice.pick(&[0, 1, 5, 30]);
        let mut spec = json!({"terminationGracePeriodSeconds": grace, "containers": [container]});
        if self.dice.one_in(5) {
            spec["initContainers"] = json!([{"name": "init", "image": "web:1", "command": ["sleep", "2"]}]);
        }
        if self.dice.one_in(6) {
            let sidecar = json!({"name": "side", "image": "web:1", "restartPolicy": "Always"});
            spec["initContainers"] = json!([sidecar]);
        }
        json!({"metadata": {"labels": {"app": app}}, "spec": spec})
    }

    fn scale(&mut self) {
        let replicas = self.dice.roll(6);
        let (kind, name) = self.dice.pick(&WORKLOADS[..6]);
        self.patch(kind, name, json!({"spec": {"replicas": replicas}}));
    }

    fn roll_out(&mut self) {
        if self.dice.one_in(4) {
            let (kind, name) = self.dice.pick(&WORKLOADS[4..6]);
            let template = self.template(name, false);
            return self.patch(kind, name, json!({"spec": {"template": template}}));
        }
        let (_, name) = self.dice.pick(&WORKLOADS[..2]);
        let template = self.template(name, true);
        self.patch(kind::DEPLOYMENT, name, json!({"spec": {"template": template}}));
    }

    fn pause(&mut self) {
        let (_, name) = self.dice.pick(&WORKLOADS[..2]);
        let paused = self.dice.one_in(2);
        self.patch(kind::DEPLOYMENT, name, json!({"spec": {"paused": paused}}));
    }

    fn patch(&mut self, kind: KindId, name: &str, patch: Value) {
        self.note(format!("patch {name}: {patch}"));
        let result = self.cluster.patch(kind, name, Patch::Strategic(patch));
        self.accept(result.map(|_| ()));
    }

    fn delete_pod(&mut self) {
        let names: Vec<String> =
            self.cluster.snapshot().list(kind::POD).map(|object| object.meta.name.to_string()).collect();
        if names.is_empty() {
            return;
        }
        let name = self.dice.pick(&names);
        let grace_seconds = self.dice.pick(&[None, None, Some(0), Some(2)]);
        self.note(format!("delete pod {name}, grace {grace_seconds:?}"));
        let options = DeleteOptions { grace_seconds, ..DeleteOptions::default() };
        let result = self.cluster.delete(kind::POD, &name, options);
        self.accept(result);
    }

    fn delete_workload(&mut self) {
        let (kind, name) = self.dice.pick(&WORKLOADS);
        let propagations = [Propagation::Background, Propagation::Foreground, Propagation::Orphan];
        let propagation = Some(self.dice.pick(&propagations));
        self.note(format!("delete {name}, {propagation:?}"));
        let options = DeleteOptions { propagation, ..DeleteOptions::default() };
        let result = self.cluster.delete(kind, name, options);
        self.accept(result);
    }

    /// After this everything can be rolled out.
    pub(super) fn mend_specs(&mut self) {
        for (kind, name) in &WORKLOADS[..2] {
            let container = json!({"name": "app", "image": "web:9", "resources": {"requests": {"cpu": "100m"}}});
            let template = json!({"spec": {"containers": [container]}});
            self.patch(*kind, name, json!({"spec": {"paused": false, "template": template}}));
        }
        for (kind, name) in &WORKLOADS[4..6] {
            let strategy = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 0}});
            self.patch(*kind, name, json!({"spec": {"updateStrategy": strategy}}));
        }
        self.let_daemons_roll();
        self.let_jobs_end();
        self.lift_quotas();
        self.lift_policies();
        self.fill_queue();
    }

    /// A request may find nothing, or something in its way; nothing that is asked here is wrong.
    pub(super) fn accept(&mut self, result: Result<(), ApiError>) {
        let Err(error) = result else { return };
        let fine = [
            Reason::NotFound,
            Reason::AlreadyExists,
            Reason::Conflict,
            Reason::ServiceUnavailable,
            // A budget does not allow an eviction, or there are two.
            Reason::TooManyRequests,
            Reason::Unknown,
        ];
        let no_room = error.reason() == Reason::Forbidden && error.to_string().contains("exceeded quota");
        // A container asks for more than its namespace's limit range lets it have.
        let out_of_bounds = ["usage per Container", "must be less than or equal to cpu limit"];
        let out_of_bounds = out_of_bounds.iter().any(|words| error.to_string().contains(words));
        let by_policy = error.to_string().contains("ValidatingAdmissionPolicy 'refuses'");
        assert!(
            no_room || out_of_bounds || by_policy || fine.contains(&error.reason()),
            "a right request was refused: {error}\n{}",
            self.story()
        );
        self.note(format!("  it answered: {error}"));
    }
}

/// The first six have replicas.
const WORKLOADS: [(KindId, &str); 12] = [
    (kind::DEPLOYMENT, "d0"),
    (kind::DEPLOYMENT, "d1"),
    (kind::REPLICA_SET, "s0"),
    (kind::REPLICA_SET, "s1"),
    (kind::STATEFUL_SET, "q0"),
    (kind::STATEFUL_SET, "q1"),
    (kind::DAEMON_SET, "a0"),
    (kind::DAEMON_SET, "a1"),
    (kind::JOB, "j0"),
    (kind::JOB, "j1"),
    (kind::CRON_JOB, "c0"),
    (kind::CRON_JOB, "c1"),
];
