//! The walk-through typed by a user: the real kubectl, in the versions that `tests/install-kubectl` brings, against three
//! nodes of mocks on a socket.

use std::sync::Arc;
use std::time::Duration;

use inboard::{Cluster, NodeLocal, NodeSpec};
use inboard_apiserver::{Address, ApiServer, Server, Tokens};
use inboard_runtime_mock::MockRuntime;
use inboard_tests::kubectl::{Kubectl, versions};

const POD: &str = "
apiVersion: v1
kind: Pod
metadata: {name: nginx}
spec: {containers: [{name: nginx, image: nginx}]}
";

const DEPLOYMENT: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: nginx, labels: {app: nginx}}
spec:
  replicas: 3
  selector: {matchLabels: {app: nginx}}
  template:
    metadata: {labels: {app: nginx}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: nginx, image: nginx, resources: {requests: {cpu: 100m}}}]
";

const SCALER: &str = "
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: nginx, labels: {app: nginx}}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: nginx}
  minReplicas: 1
  maxReplicas: 10
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}}]
";

const JOB: &str = "
apiVersion: batch/v1
kind: Job
metadata: {name: sleep}
spec:
  template:
    spec:
      restartPolicy: OnFailure
      containers: [{name: sleep, image: busybox, command: [/bin/sleep, '2']}]
";

const CRON_JOB: &str = "
apiVersion: batch/v1
kind: CronJob
metadata: {name: sleep}
spec:
  schedule: '0 3 * * *'
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: OnFailure
          containers: [{name: sleep, image: busybox, command: [/bin/sleep, '1']}]
";

const STATEFUL_SET: &str = "
apiVersion: v1
kind: Service
metadata: {name: sleep}
spec: {clusterIP: None, selector: {app: sleep}, ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: sleep}
spec:
  serviceName: sleep
  replicas: 2
  selector: {matchLabels: {app: sleep}}
  template:
    metadata: {labels: {app: sleep}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: sleep
        image: busybox
        command: [/bin/sleep, '3600']
        volumeMounts: [{name: sleep-volume, mountPath: /storagedir}]
  volumeClaimTemplates:
  - metadata: {name: sleep-volume}
    spec: {accessModes: [ReadWriteOnce], storageClassName: longhorn, resources: {requests: {storage: 1Gi}}}
";

const DAEMON_SET: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: calico-system}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: calico-node, namespace: calico-system}
spec:
  selector: {matchLabels: {k8s-app: calico-node}}
  template:
    metadata: {labels: {k8s-app: calico-node}}
    spec: {terminationGracePeriodSeconds: 1, containers: [{name: calico-node, image: calico, command: [sleep, '3600']}]}
";

/// What a user sees at the terminal.
struct Terminal<'k> {
    kubectl: &'k Kubectl,
    which: String,
}

impl Terminal<'_> {
    /// Types a command that must work, and returns what it prints.
    async fn types(&self, words: &str) -> String {
        self.feeds(words, "").await
    }

    /// Types a command that reads a manifest.
    async fn feeds(&self, words: &str, manifest: &str) -> String {
        let done = self.kubectl.run_with(words, &[] as &[&str], manifest).await;
        assert_eq!(done.code, 0, "{}: kubectl {words}: {done:?}", self.which);
        done.stdout
    }

    /// Types a command that must print these lines.
    async fn sees(&self, words: &str, manifest: &str, lines: &[&str]) {
        let printed = self.feeds(words, manifest).await;
        assert_eq!(printed.lines().collect::<Vec<_>>(), lines, "{}: kubectl {words}", self.which);
    }

    /// Types a `get`, and returns the cells of its lines, the title first.
    async fn table(&self, words: &str) -> Vec<Vec<String>> {
        let printed = self.types(words).await;
        printed.lines().map(cells).collect()
    }

    /// Types a command that must fail, and returns what it complains of.
    async fn fails(&self, words: &str, manifest: &str) -> String {
        let done = self.kubectl.run_with(words, &[] as &[&str], manifest).await;
        assert_ne!(done.code, 0, "{}: kubectl {words}: {done:?}", self.which);
        done.stderr
    }
}

/// The cells of a line: columns are three blanks apart, and a cell may have single blanks in it.
fn cells(line: &str) -> Vec<String> {
    line.split("   ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect()
}

async fn cluster() -> (Cluster, Server) {
    let tokens = Tokens::generate().expect("the machine gives random numbers");
    let node = |name: &str| NodeSpec::new(name, Arc::new(MockRuntime::new()));
    let cluster = Cluster::builder()
        .nodes(["host01", "host02", "host03"].map(node))
        .authority(tokens.clone())
        .storage_class(NodeLocal::class("longhorn"))
        .start()
        .await
        .expect("it starts");
    let api = ApiServer::builder(&cluster).tokens(tokens).build();
    api.create_defaults().await.expect("an empty cluster takes them");
    let server = Server::insecure(api, ([127, 0, 0, 1], 0).into()).await.expect("it listens");
    (cluster, server)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_types_the_walk_through() {
    let programs = versions(env!("CARGO_TARGET_TMPDIR"));
    if programs.is_empty() {
        eprintln!("left out: there is no kubectl; tests/install-kubectl brings it");
    }
    for program in programs {
        let (cluster, server) = cluster().await;
        let Address::Tcp(address) = *server.address() else { panic!("it is TCP") };
        let kubectl = Kubectl::new(&program, address);
        let terminal = Terminal { kubectl: &kubectl, which: program.display().to_string() };
        pods(&terminal, &cluster).await;
        deployments(&terminal).await;
        batch(&terminal).await;
        stateful_sets(&terminal).await;
        daemon_sets(&terminal).await;
        names_and_the_end(&terminal, &cluster).await;
        server.stop().await;
    }
}

/// Steps 1 to 6.
async fn pods(terminal: &Terminal<'_>, cluster: &Cluster) {
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
    assert!(terminal.types("logs nginx").await.is_empty());
    let deleted = terminal.feeds("delete -f -", POD).await;
    assert!(deleted.starts_with("pod \"nginx\" deleted"), "{deleted}");
    assert!(cluster.inventory(&node).await.expect("the node answers").containers.is_empty());
}

/// Steps 7 to 11, and 13.
async fn deployments(terminal: &Terminal<'_>) {
    terminal.sees("apply -f -", DEPLOYMENT, &["deployment.apps/nginx created"]).await;
    terminal.sees("apply -f -", DEPLOYMENT, &["deployment.apps/nginx unchanged"]).await;
    terminal.types("rollout status deployment/nginx").await;
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
    terminal.types("rollout status deployment/nginx").await;
    assert!(!terminal.types("get pods -l app=nginx -o name").await.contains(lost));

    for replicas in [4, 2] {
        terminal
            .sees(&format!("scale deployment/nginx --replicas={replicas}"), "", &["deployment.apps/nginx scaled"])
            .await;
        terminal.types(&format!("wait --for=jsonpath={{.status.readyReplicas}}={replicas} deployment/nginx")).await;
    }
    terminal.sees("set image deployment/nginx nginx=nginx:2", "", &["deployment.apps/nginx image updated"]).await;
    let status = terminal.types("rollout status deployment/nginx").await;
    assert!(status.ends_with("deployment \"nginx\" successfully rolled out\n"), "{status}");
    let history = terminal.types("rollout history deployment/nginx").await;
    assert!(history.contains("1         <none>\n2         <none>\n"), "{history}");
    terminal.sees("rollout undo deployment/nginx", "", &["deployment.apps/nginx rolled back"]).await;
    terminal.types("rollout status deployment/nginx").await;
    terminal.sees("get deployment nginx -o jsonpath={.spec.template.spec.containers[0].image}", "", &["nginx"]).await;
    terminal.sees("rollout pause deployment/nginx", "", &["deployment.apps/nginx paused"]).await;
    terminal.sees("rollout resume deployment/nginx", "", &["deployment.apps/nginx resumed"]).await;
    terminal.sees("rollout restart deployment/nginx", "", &["deployment.apps/nginx restarted"]).await;
    terminal.types("rollout status deployment/nginx").await;

    terminal.sees("apply -f -", SCALER, &["horizontalpodautoscaler.autoscaling/nginx created"]).await;
    let table = terminal.table("get hpa nginx").await;
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
async fn stateful_sets(terminal: &Terminal<'_>) {
    terminal.sees("apply -f -", STATEFUL_SET, &["service/sleep created", "statefulset.apps/sleep created"]).await;
    terminal.types("rollout status statefulset/sleep").await;
    assert_eq!(terminal.table("get statefulset sleep").await[1][..2], ["sleep", "2/2"]);
    for pod in ["sleep-0", "sleep-1"] {
        let claim = terminal.table(&format!("get pvc sleep-volume-{pod}")).await;
        assert_eq!(claim[1][1], "Bound");
        let words = format!("exec {pod} -- /bin/sh -c");
        let done = terminal.kubectl.run_with(&words, &["hostname > /storagedir/myhost"], "").await;
        assert_eq!(done.code, 0, "{done:?}");
        terminal.sees(&format!("exec {pod} -- cat /storagedir/myhost"), "", &[pod]).await;
    }
    let before = terminal.types("get pod sleep-0 -o jsonpath={.metadata.uid}").await;
    terminal.types("delete pod sleep-0").await;
    terminal.types("rollout status statefulset/sleep").await;
    terminal.types("wait --for=condition=Ready pod/sleep-0").await;
    assert_ne!(terminal.types("get pod sleep-0 -o jsonpath={.metadata.uid}").await, before);
    terminal.sees("exec sleep-0 -- cat /storagedir/myhost", "", &["sleep-0"]).await;
}

/// Step 19.
async fn daemon_sets(terminal: &Terminal<'_>) {
    let lines = ["namespace/calico-system created", "daemonset.apps/calico-node created"];
    terminal.sees("apply -f -", DAEMON_SET, &lines).await;
    terminal.types("rollout status daemonset/calico-node -n calico-system").await;
    let table = terminal.table("get daemonset calico-node -n calico-system").await;
    assert_eq!(table[1][..6], ["calico-node", "3", "3", "3", "3", "3"]);
    let pods = terminal.table("get pods -n calico-system -l k8s-app=calico-node -o wide").await;
    let mut nodes: Vec<&str> = pods[1..].iter().map(|row| row[6].as_str()).collect();
    nodes.sort_unstable();
    assert_eq!(nodes, ["host01", "host02", "host03"]);
    assert!(terminal.types("get daemonset -n calico-system -o yaml").await.contains("k8s-app: calico-node"));
}

/// Steps 20 and 21.
async fn names_and_the_end(terminal: &Terminal<'_>, cluster: &Cluster) {
    for names in ["deploy", "po", "rs", "hpa", "sts", "cj", "svc", "ns", "pvc", "pod", "services", "no"] {
        assert!(!terminal.types(&format!("get {names} -o name")).await.is_empty(), "{names}");
    }
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
    terminal.types("wait --for=delete pod --all --timeout=30s").await;
    let settled = tokio::time::timeout(Duration::from_secs(30), cluster.settle()).await;
    settled.expect("it comes to rest").expect("it is there");
    for node in ["host01", "host02", "host03"] {
        let held = cluster.inventory(node).await.expect("the node answers");
        assert!(held.sandboxes.is_empty() && held.containers.is_empty(), "{node}: {held:?}");
    }
}
