//! A StatefulSet, told as it happens: pods with names and volumes of their own.
//!
//! ```text
//! cargo run --example stateful_set
//! ```
//! Two replicas, one after the other, each of which writes its host name into its volume; one is deleted, and its successor
//! finds the file; a third replica; a rolling update that stops at a partition, goes on, and is undone; and what is left when
//! all of it is deleted. The nodes are mocks in virtual time: their volumes hold real bytes, in memory.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use inboard::k8s_openapi::api::core::v1::Event;
use inboard::prelude::*;
use inboard::{
    Api, Cluster, DeleteParams, ExecOptions, ListParams, NodeLocal, NodeSpec, Patch, PatchParams, conditions,
};
use inboard_runtime_mock::{MockRuntime, Script};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const NODES: [&str; 3] = ["host01", "host02", "host03"];
/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(600);

const STORE: &str = "
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: store
spec:
  serviceName: store
  replicas: 2
  selector:
    matchLabels: {app: store}
  template:
    metadata:
      labels: {app: store}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: store
        image: store:1
        command: [sleep, infinity]
        volumeMounts:
        - {name: data, mountPath: /data}
  volumeClaimTemplates:
  - metadata:
      name: data
    spec:
      accessModes: [ReadWriteOnce]
      resources:
        requests: {storage: 10Mi}
";

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Outcome {
    let mock = || {
        let slow = Script::image("store*").pull_takes(Duration::from_millis(900));
        Arc::new(MockRuntime::builder().script(slow).build())
    };
    let nodes = NODES.map(|name| NodeSpec::new(name, mock()));
    let local = NodeLocal::class("local").default_class();
    let cluster = Cluster::builder().nodes(nodes).storage_class(local).start().await?;
    let story = Story {
        started: cluster.now(),
        sets: Api::default_namespaced(&cluster),
        pods: Api::default_namespaced(&cluster),
        claims: Api::default_namespaced(&cluster),
        cluster,
    };
    story.tell().await
}

struct Story {
    cluster: Cluster,
    started: inboard::time::Time,
    sets: Api<StatefulSet>,
    pods: Api<Pod>,
    claims: Api<PersistentVolumeClaim>,
}

impl Story {
    async fn tell(&self) -> Outcome {
        self.two_replicas().await?;
        self.a_file_that_stays().await?;
        self.scaling().await?;
        self.rolling().await?;
        self.the_end().await
    }

    async fn two_replicas(&self) -> Outcome {
        self.begin("Two replicas: store-1 is made once store-0 is ready");
        say(format_args!("  $ kubectl apply -f store.yaml"));
        for applied in self.cluster.apply(STORE).await? {
            say(format_args!("    {applied}"));
        }
        self.follow().await?;
        self.show("sts,pods,pvc").await?;
        self.events().await
    }

    async fn a_file_that_stays(&self) -> Outcome {
        self.begin("Each writes its host name into its volume");
        for name in ["store-0", "store-1"] {
            self.exec(name, "hostname > /data/me; cat /data/me").await?;
        }
        self.begin("store-0 is deleted; its successor has the same name, the same volume, the same file");
        let before = self.pods.get("store-0").await?.metadata.uid;
        say(format_args!("  $ kubectl delete pod store-0"));
        self.pods.delete("store-0", &DeleteParams::default()).await?;
        let is_another = |pod: Option<&Pod>| {
            pod.is_some_and(|pod| pod.metadata.uid != before && conditions::is_pod_ready()(Some(pod)))
        };
        self.pods.wait("store-0", PATIENCE, is_another).await?;
        self.exec("store-0", "cat /data/me").await
    }

    async fn scaling(&self) -> Outcome {
        self.begin("Three replicas, then two again: the claim of the third stays for the next time");
        for replicas in [3, 2] {
            say(format_args!("  $ kubectl scale sts/store --replicas={replicas}"));
            self.sets.set_scale("store", replicas).await?;
            let settled = |set: Option<&StatefulSet>| {
                let status = set.and_then(|set| set.status.as_ref());
                status.is_some_and(|status| (status.replicas, status.available_replicas) == (replicas, Some(replicas)))
            };
            self.sets.wait("store", PATIENCE, settled).await?;
        }
        self.show("pods,pvc").await
    }

    async fn rolling(&self) -> Outcome {
        self.begin("A new image, from the top down to the partition: store-1 tries it first");
        self.partition(1).await?;
        say(format_args!("  $ kubectl set image sts/store store=store:2"));
        self.sets.set_image("store", "store", "store:2").await?;
        self.follow().await?;
        self.images().await?;
        self.begin("It does well: the partition goes down, and store-0 follows");
        self.partition(0).await?;
        self.follow().await?;
        self.images().await?;
        self.exec("store-0", "cat /data/me").await?;
        self.begin("And back again");
        say(format_args!("  $ kubectl rollout undo sts/store"));
        self.sets.rollout_undo("store", None).await?;
        self.follow().await?;
        for revision in self.sets.rollout_history("store").await? {
            say(format_args!("    revision {}: {}", revision.number, revision.images.join(", ")));
        }
        Ok(())
    }

    async fn the_end(&self) -> Outcome {
        self.begin("The set is deleted: its pods go, its claims stay until somebody deletes them");
        say(format_args!("  $ kubectl delete sts/store"));
        self.sets.delete("store", &DeleteParams::default()).await?;
        for name in ["store-0", "store-1"] {
            self.pods.wait(name, PATIENCE, conditions::is_deleted()).await?;
        }
        self.show("pvc").await?;
        say(format_args!("  $ kubectl delete pvc --all"));
        for claim in self.claims.list(&ListParams::default()).await?.items {
            let name = claim.metadata.name.unwrap_or_default();
            self.claims.delete(&name, &DeleteParams::default()).await?;
            self.claims.wait(&name, PATIENCE, conditions::is_deleted()).await?;
        }
        self.show("pvc,pv").await
    }

    async fn partition(&self, partition: i32) -> Outcome {
        say(format_args!("  $ kubectl patch sts/store: partition {partition}"));
        let rolling = serde_json::json!({ "rollingUpdate": { "partition": partition } });
        let patch = Patch::Merge(serde_json::json!({ "spec": { "updateStrategy": rolling } }));
        self.sets.patch("store", &PatchParams::default(), &patch).await?;
        Ok(())
    }

    async fn follow(&self) -> Outcome {
        say(format_args!("  $ kubectl rollout status sts/store"));
        self.sets.wait_rolled_out("store", PATIENCE, |status| say(format_args!("    {}", status.message))).await?;
        Ok(())
    }

    async fn exec(&self, pod: &str, line: &str) -> Outcome {
        say(format_args!("  $ kubectl exec {pod} -- sh -c '{line}'"));
        let output = self.pods.exec(pod, ["/bin/sh", "-c", line], &ExecOptions::default()).await?;
        if output.code != 0 {
            return Err(format!("it ended with {}: {output:?}", output.code).into());
        }
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            say(format_args!("    {line}"));
        }
        Ok(())
    }

    async fn images(&self) -> Outcome {
        for pod in self.pods.list(&ListParams::default()).await?.items {
            let image = pod.spec.iter().flat_map(|spec| &spec.containers).find_map(|each| each.image.clone());
            say(format_args!("    {} {}", pod.metadata.name.unwrap_or_default(), image.unwrap_or_default()));
        }
        Ok(())
    }

    async fn events(&self) -> Outcome {
        say(format_args!("  $ kubectl events --for sts/store"));
        let events: Api<Event> = Api::default_namespaced(&self.cluster);
        for event in events.list(&ListParams::default()).await?.items {
            if event.involved_object.kind.as_deref() == Some("StatefulSet") {
                say(format_args!("    {} {}", event.reason.unwrap_or_default(), event.message.unwrap_or_default()));
            }
        }
        Ok(())
    }

    async fn show(&self, kinds: &str) -> Outcome {
        say(format_args!("  $ kubectl get {kinds}"));
        for line in self.cluster.table(kinds, Some("default"), false).await?.lines() {
            say(format_args!("    {line}"));
        }
        Ok(())
    }

    fn begin(&self, title: &str) {
        let passed = self.cluster.now() - self.started;
        say(format_args!("\n[{:>6.1}s] {title}", passed.as_secs_f64()));
    }
}

#[expect(clippy::print_stdout, reason = "the tale is told on the terminal")]
fn say(line: std::fmt::Arguments<'_>) {
    println!("{line}");
}
