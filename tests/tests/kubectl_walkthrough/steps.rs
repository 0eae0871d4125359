//! The steps, typed.

use std::time::Duration;

use inboard::prelude::*;
use inboard::{Api, Cluster, conditions};

use super::manifests::{CRON_JOB, DAEMON_SET, DEPLOYMENT, JOB, PAIR, POD, SCALER, STATEFUL_SET, TALKER};
use super::terminal::{Terminal, cells};
use super::{NODES, World};

/// For what waits on clocks of Kubernetes's own: a node that is lost, an autoscaler.
const PATIENCE: Duration = Duration::from_secs(180);
const MINUTES: &str = "180s";
/// Much more than ten pods of 100m at 50 % take, in thousandths of a core.
const LOAD: u64 = 4000;

/// All steps but those that take minutes.
pub(super) async fn walk_through(terminal: &Terminal<'_>, cluster: &Cluster) {
    one_pod(terminal, cluster).await;
    logs_and_two_containers(terminal).await;
    deployments(terminal).await;
    batch(terminal).await;
    stateful_sets(terminal, cluster).await;
    daemon_sets(terminal).await;
    names(terminal).await;
    the_end(terminal, cluster).await;
}

/// The rest of steps 12 and 13: a node goes down and comes back, and load comes and goes.
pub(super) async fn what_takes_longer(terminal: &Terminal<'_>, cluster: &Cluster, world: &impl World) {
    terminal.sees("apply -f -", DEPLOYMENT, &["deployment.apps/nginx created"]).await;
    terminal.waits("rollout status deployment/nginx").await;
    a_node_is_lost(terminal, cluster, world).await;
    load_comes_and_goes(terminal, cluster, world).await;
    terminal.feeds("delete -f -", DEPLOYMENT).await;
    nothing_is_left(terminal, cluster).await;
}

/// Steps 1 to 4, and 6.
async fn one_pod(terminal: &Terminal<'_>, cluster: &Cluster) {
    terminal.sees("apply -f -", POD, &["pod/nginx created"]).await;
    terminal.sees("wait --for=condition=Ready pod/nginx", "", &["pod/nginx condition met"]).await;
    let wide = terminal.table("get pod nginx -o wide").await;
    let titles = ["NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE", "NOMINATED NODE", "READINESS GATES"];
    assert_eq!(wide[0], titles);
    assert_eq!(wide[1][..4], ["nginx", "1/1", "Running", "0"]);
    assert_eq!(wide[1][7..], ["<none>", "<none>"]);
    let node = wide[1][6].clone();
    let held = cluster.inventory(&node).await.expect("the node answers");
    assert_eq!((held.sandboxes.len(), held.containers.len()), (1, 1));
    let described = terminal.types("describe pod nginx").await;
    let reasons = ["Scheduled", "Pulling", "Pulled", "Created", "Started"];
    let places: Vec<Option<usize>> =
        reasons.iter().map(|reason| described.rfind(&format!("Normal  {reason} "))).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{described}");
    assert!(described.contains(&format!("Successfully assigned default/nginx to {node}")), "{described}");
    terminal.glances("logs nginx").await;
    let deleted = terminal.feeds("delete -f -", POD).await;
    assert!(deleted.starts_with("pod \"nginx\" deleted"), "{deleted}");
    assert!(cluster.inventory(&node).await.expect("the node answers").containers.is_empty());
}

/// Steps 4 and 5: what a container said, also after it ended; two containers share the pod's name, each has its own files.
async fn logs_and_two_containers(terminal: &Terminal<'_>) {
    terminal.sees("apply -f -", TALKER, &["pod/talker created"]).await;
    terminal.types("wait --for=jsonpath={.status.phase}=Failed pod/talker").await;
    assert_eq!(terminal.table("get pod talker").await[1][1..4], ["0/1", "Error", "0"]);
    terminal.sees("logs talker", "", &["one", "two", "three"]).await;
    terminal.sees("logs talker --tail=1 -f", "", &["three"]).await;
    let stamped = terminal.glances("logs talker --timestamps --tail=1").await;
    assert!(stamped.starts_with("20") && stamped.ends_with("Z three\n"), "{stamped}");
    terminal.types("delete pod talker").await;

    terminal.sees("apply -f -", PAIR, &["pod/pair created"]).await;
    terminal.types("wait --for=condition=Ready pod/pair").await;
    for container in ["left", "right"] {
        terminal.sees(&format!("exec pair -c {container} -- hostname"), "", &["pair"]).await;
    }
    terminal.types_with("exec pair -c left -- sh -c", "echo here > /mark").await;
    terminal.sees("exec pair -c left -- cat /mark", "", &["here"]).await;
    terminal.fails("exec pair -c right -- cat /mark", "").await;
    terminal.types("delete pod pair").await;
}

/// Steps 7 to 11, and 13.
async fn deployments(terminal: &Terminal<'_>) {
    terminal.sees("apply -f -", DEPLOYMENT, &["deployment.apps/nginx created"]).await;
    terminal.sees("apply -f -", DEPLOYMENT, &["deployment.apps/nginx unchanged"]).await;
    terminal.waits("rollout status deployment/nginx").await;
    let table = terminal.table("get deployment nginx").await;
    assert_eq!(table[0], ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]);
    assert_eq!(table[1][..4], ["nginx", "3/3", "3", "3"]);
    let other = DEPLOYMENT
        .replace("matchLabels: {app: nginx}", "matchLabels: {app: other}")
        .replace("name: nginx,", "name: other,");
    let refused = terminal.fails("apply -f -", &other).await;
    assert!(refused.contains("spec.template.metadata.labels: Invalid value: {\"app\":\"nginx\"}: `selector` does not match template `labels`"), "{refused}");
    let all = terminal.types("get all -l app=nginx").await;
    assert_eq!(all.matches("pod/nginx-").count(), 3, "{all}");
    assert!(all.contains("deployment.apps/nginx ") && all.contains("replicaset.apps/nginx-"), "{all}");

    let pods = terminal.types("get pods -l app=nginx -o name").await;
    let lost = pods.lines().next().expect("a pod");
    terminal.types(&format!("delete {lost}")).await;
    terminal.types("wait --for=condition=Available deployment/nginx").await;
    terminal.waits("rollout status deployment/nginx").await;
    assert!(!terminal.types("get pods -l app=nginx -o name").await.contains(lost));

    for replicas in [4, 2] {
        terminal
            .sees(&format!("scale deployment/nginx --replicas={replicas}"), "", &["deployment.apps/nginx scaled"])
            .await;
        terminal.types(&format!("wait --for=jsonpath={{.status.readyReplicas}}={replicas} deployment/nginx")).await;
    }
    terminal.sees("set image deployment/nginx nginx=nginx:1.22", "", &["deployment.apps/nginx image updated"]).await;
    let status = terminal.waits("rollout status deployment/nginx").await;
    assert!(status.ends_with("deployment \"nginx\" successfully rolled out\n"), "{status}");
    let history = terminal.types("rollout history deployment/nginx").await;
    assert!(history.contains("1         <none>\n2         <none>\n"), "{history}");
    terminal.sees("rollout undo deployment/nginx", "", &["deployment.apps/nginx rolled back"]).await;
    terminal.waits("rollout status deployment/nginx").await;
    terminal.sees("get deployment nginx -o jsonpath={.spec.template.spec.containers[0].image}", "", &["nginx"]).await;
    terminal.sees("rollout pause deployment/nginx", "", &["deployment.apps/nginx paused"]).await;
    terminal.sees("rollout resume deployment/nginx", "", &["deployment.apps/nginx resumed"]).await;
    terminal.sees("rollout restart deployment/nginx", "", &["deployment.apps/nginx restarted"]).await;
    terminal.waits("rollout status deployment/nginx").await;

    terminal.sees("apply -f -", SCALER, &["horizontalpodautoscaler.autoscaling/nginx created"]).await;
    let printed = terminal.glances("get hpa nginx").await;
    let table: Vec<Vec<String>> = printed.lines().map(cells).collect();
    assert_eq!(table[0], ["NAME", "REFERENCE", "TARGETS", "MINPODS", "MAXPODS", "REPLICAS", "AGE"]);
    assert_eq!(table[1][..2], ["nginx", "Deployment/nginx"]);
    assert!(table[1][2].starts_with("cpu: ") && table[1][2].ends_with("/50%"), "{table:?}");
    assert_eq!(table[1][3..5], ["1", "10"]);
}

/// Steps 14 and 15.
async fn batch(terminal: &Terminal<'_>) {
    terminal.sees("apply -f -", JOB, &["job.batch/sleep created"]).await;
    let table = terminal.table("get job sleep").await;
    assert_eq!(table[0], ["NAME", "STATUS", "COMPLETIONS", "DURATION", "AGE"]);
    assert_eq!(table[1][..3], ["sleep", "Running", "0/1"]);
    terminal.sees("wait --for=condition=complete job/sleep", "", &["job.batch/sleep condition met"]).await;
    assert_eq!(terminal.table("get job sleep").await[1][..3], ["sleep", "Complete", "1/1"]);
    let pod = terminal.table("get pods -l job-name=sleep").await;
    assert_eq!(pod[1][1..4], ["0/1", "Completed", "0"]);
    terminal.sees("apply -f -", CRON_JOB, &["cronjob.batch/sleep created"]).await;
    let table = terminal.table("get cronjob sleep").await;
    assert_eq!(table[0], ["NAME", "SCHEDULE", "TIMEZONE", "SUSPEND", "ACTIVE", "LAST SCHEDULE", "AGE"]);
    assert_eq!(table[1][..6], ["sleep", "0 3 * * *", "<none>", "False", "0", "<none>"]);
    terminal.sees("create job now --from=cronjob/sleep", "", &["job.batch/now created"]).await;
    terminal.types("wait --for=condition=complete job/now").await;
}

/// Steps 16 to 18.
async fn stateful_sets(terminal: &Terminal<'_>, cluster: &Cluster) {
    terminal.sees("apply -f -", STATEFUL_SET, &["service/sleep created", "statefulset.apps/sleep created"]).await;
    terminal.waits("rollout status statefulset/sleep").await;
    assert_eq!(terminal.table("get statefulset sleep").await[1][..2], ["sleep", "2/2"]);
    for pod in ["sleep-0", "sleep-1"] {
        let claim = terminal.table(&format!("get pvc sleep-volume-{pod}")).await;
        assert_eq!(claim[1][1], "Bound");
        terminal.types_with(&format!("exec {pod} -- /bin/sh -c"), "hostname > /storagedir/myhost").await;
        terminal.sees(&format!("exec {pod} -- cat /storagedir/myhost"), "", &[pod]).await;
    }
    let before = terminal.glances("get pod sleep-0 -o jsonpath={.metadata.uid}").await;
    // kubectl takes the next pod of this name for the one whose end it waits for, where that one is there too soon.
    terminal.types("delete pod sleep-0 --wait=false").await;
    let pods: Api<Pod> = Api::default_namespaced(cluster);
    let is_another = |pod: Option<&Pod>| pod.is_some_and(|pod| pod.metadata.uid.as_deref() != Some(&*before));
    pods.wait("sleep-0", PATIENCE, is_another).await.expect("there is another");
    terminal.waits("rollout status statefulset/sleep").await;
    terminal.types("wait --for=condition=Ready pod/sleep-0").await;
    assert_ne!(terminal.glances("get pod sleep-0 -o jsonpath={.metadata.uid}").await, before);
    terminal.sees("exec sleep-0 -- cat /storagedir/myhost", "", &["sleep-0"]).await;
}

/// Step 19.
async fn daemon_sets(terminal: &Terminal<'_>) {
    let lines = ["namespace/calico-system created", "daemonset.apps/calico-node created"];
    terminal.sees("apply -f -", DAEMON_SET, &lines).await;
    terminal.waits("rollout status daemonset/calico-node -n calico-system").await;
    let table = terminal.table("get daemonset calico-node -n calico-system").await;
    assert_eq!(table[1][..6], ["calico-node", "3", "3", "3", "3", "3"]);
    let pods = terminal.table("get pods -n calico-system -l k8s-app=calico-node -o wide").await;
    let mut nodes: Vec<&str> = pods[1..].iter().map(|row| row[6].as_str()).collect();
    nodes.sort_unstable();
    assert_eq!(nodes, ["host01", "host02", "host03"]);
    assert!(terminal.types("get daemonset -n calico-system -o yaml").await.contains("k8s-app: calico-node"));
}

/// Step 20.
async fn names(terminal: &Terminal<'_>) {
    for names in ["deploy", "rs", "hpa", "sts", "cj", "svc", "ns", "pvc", "services", "no"] {
        assert!(!terminal.types(&format!("get {names} -o name")).await.is_empty(), "{names}");
    }
    // How many pods there are is up to the autoscaler by now.
    for names in ["po", "pod"] {
        assert!(!terminal.glances(&format!("get {names} -o name")).await.is_empty(), "{names}");
    }
}

/// Step 21.
async fn the_end(terminal: &Terminal<'_>, cluster: &Cluster) {
    for (words, manifest) in [
        ("delete --cascade=foreground -f -", DEPLOYMENT),
        ("delete -f -", SCALER),
        ("delete -f -", JOB),
        ("delete -f -", CRON_JOB),
        ("delete -f -", STATEFUL_SET),
        ("delete -f -", DAEMON_SET),
    ] {
        terminal.feeds(words, manifest).await;
    }
    terminal.types("delete job now --ignore-not-found").await;
    terminal.types("delete pvc --all").await;
    nothing_is_left(terminal, cluster).await;
}

async fn nothing_is_left(terminal: &Terminal<'_>, cluster: &Cluster) {
    terminal.glances("wait --for=delete pod --all --timeout=30s").await;
    let settled = tokio::time::timeout(Duration::from_secs(30), cluster.settle()).await;
    settled.expect("it comes to rest").expect("it is there");
    for node in NODES {
        let held = cluster.inventory(node).await.expect("the node answers");
        assert!(held.sandboxes.is_empty() && held.containers.is_empty(), "{node}: {held:?}");
    }
}

/// Step 12: the pods of a node that is lost are replaced elsewhere; when it returns the surplus goes.
async fn a_node_is_lost(terminal: &Terminal<'_>, cluster: &Cluster, world: &impl World) {
    let places = terminal.glances("get pods -l app=nginx -o jsonpath={.items[*].spec.nodeName}").await;
    let lost = places.split(' ').next().expect("a node").to_owned();
    world.power_off(cluster, &lost).await;
    let down = terminal.types(&format!("wait --for=condition=Ready=Unknown node/{lost} --timeout={MINUTES}")).await;
    assert_eq!(down, format!("node/{lost} condition met\n"));
    assert_eq!(terminal.table(&format!("get node {lost}")).await[1][1], "NotReady");
    let elsewhere = |snapshot: &inboard::store::Snapshot| {
        let pods = snapshot.list(inboard::object::kind::POD).filter_map(|object| object.to_pod());
        let serves = |pod: &Pod| {
            let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref());
            conditions::is_pod_ready()(Some(pod)) && node != Some(&*lost)
        };
        (pods.filter(serves).count() == 3).then_some(())
    };
    cluster.wait_until("three ready pods elsewhere", PATIENCE, elsewhere).await.expect("they are replaced");
    world.power_on(cluster, &lost).await;
    terminal.types(&format!("wait --for=condition=Ready node/{lost} --timeout={MINUTES}")).await;
    terminal.waits("rollout status deployment/nginx").await;
    let three =
        |snapshot: &inboard::store::Snapshot| (snapshot.list(inboard::object::kind::POD).count() == 3).then_some(());
    cluster.wait_until("three pods", PATIENCE, three).await.expect("the surplus goes");
    let ready = terminal.table("get pods -l app=nginx").await;
    assert!(ready.len() == 4 && ready[1..].iter().all(|row| row[1..3] == ["1/1", "Running"]), "{ready:?}");
}

/// Step 13: up under load, and down to the least without it.
async fn load_comes_and_goes(terminal: &Terminal<'_>, cluster: &Cluster, world: &impl World) {
    // A machine that is busy with other things gives pods little more than what they request.
    let scaler = SCALER.replace("averageUtilization: 50", "averageUtilization: 10");
    terminal.sees("apply -f -", &scaler, &["horizontalpodautoscaler.autoscaling/nginx created"]).await;
    world.load(cluster, LOAD).await;
    let replicas = |wanted: fn(i32) -> bool| {
        move |deployment: Option<&Deployment>| {
            deployment.and_then(|deployment| deployment.spec.replicas).is_some_and(wanted)
        }
    };
    let deployments: Api<Deployment> = Api::default_namespaced(cluster);
    // How many there are in the end depends on what a busy machine can give to so much work.
    deployments.wait("nginx", PATIENCE, replicas(|count| count > 3)).await.expect("scaled up");
    terminal.waits("rollout status deployment/nginx").await;
    let described = terminal.glances("describe hpa nginx").await;
    let up = "; reason: cpu resource utilization (percentage of request) above target";
    assert!(described.contains(up), "{described}");
    assert!(terminal.glances("top pods").await.starts_with("NAME"));
    world.load(cluster, 0).await;
    deployments.wait("nginx", PATIENCE, replicas(|count| count == 1)).await.expect("scaled down");
    terminal.waits("rollout status deployment/nginx").await;
    terminal
        .sees("delete hpa nginx", "", &["horizontalpodautoscaler.autoscaling \"nginx\" deleted from default namespace"])
        .await;
}
