//! What people type to kubectl besides the walk-through: every command of it that changes what is there, in the versions that
//! `tests/install-kubectl` brings, against a cluster of mocks in this process. A row is what is typed and what must be in
//! the answer; rows of one story build on each other.

use inboard_tests::typed::{POD, WEB, with_each, write};

const KUSTOMIZATION: &str = "
resources: [map.yaml]
namePrefix: my-
commonLabels: {by: kustomize}
";

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_changed_in_many_ways() {
    with_each(env!("CARGO_TARGET_TMPDIR"), async |terminal| {
        terminal
            .types(&[
                ("apply -f -", WEB, &["created"]),
                ("apply -f -", POD, &["created"]),
                ("label pod p a=b", "", &["pod/p labeled"]),
                ("label pod p a=c", "", &["!", "'a' already has a value (b), and --overwrite is false"]),
                ("label pod p a=c --overwrite", "", &["pod/p labeled"]),
                ("label pod p a-", "", &["pod/p unlabeled"]),
                ("label pods --all t=u --resource-version=1", "", &["!"]),
                ("annotate pod p a=b~c", "", &["pod/p annotated"]),
                ("annotate pod p a-", "", &["pod/p annotated"]),
                ("patch deployment web -p {\"spec\":{\"replicas\":1}}", "", &["deployment.apps/web patched"]),
                ("patch deployment web --type=merge -p {\"spec\":{\"replicas\":1}}", "", &["patched (no change)"]),
                (
                    "patch deployment web --type=json -p [{\"op\":\"test\",\"path\":\"/spec/replicas\",\"value\":1}]",
                    "",
                    &["no change"],
                ),
                (
                    "patch deployment web --type=json -p [{\"op\":\"test\",\"path\":\"/spec/replicas\",\"value\":9}]",
                    "",
                    &["!", "the server rejected our request due to an error in our request"],
                ),
                (
                    "patch deployment web --subresource=scale --type=merge -p {\"spec\":{\"replicas\":2}}",
                    "",
                    &["patched"],
                ),
                (
                    "patch pod p -p {\"spec\":{\"nodeName\":\"x\"}}",
                    "",
                    &["!", "pod updates may not change fields other than"],
                ),
                (
                    "scale deployment web --current-replicas=7 --replicas=3",
                    "",
                    &["!", "Expected replicas to be 7, was 2"],
                ),
                ("scale deployment web --current-replicas=2 --replicas=3", "", &["deployment.apps/web scaled"]),
                ("set image deployment/web c=nginx:2", "", &["deployment.apps/web image updated"]),
                ("rollout status deployment/web", "", &["successfully rolled out"]),
                ("set env deployment/web A=b C=d", "", &["deployment.apps/web env updated"]),
                ("set env deployment/web --list", "", &["A=b", "C=d"]),
                ("set env deployment/web A-", "", &["env updated"]),
                (
                    "set resources deployment/web --limits=cpu=1 --requests=cpu=100m",
                    "",
                    &["resource requirements updated"],
                ),
                ("create serviceaccount a", "", &["created"]),
                ("set serviceaccount deployment/web a", "", &["serviceaccount updated"]),
                ("rollout status deployment/web", "", &["successfully rolled out"]),
                ("rollout history deployment/web --revision=1", "", &["Image:", "nginx:1"]),
                ("rollout undo deployment/web --to-revision=1", "", &["deployment.apps/web rolled back"]),
                ("rollout status deployment/web", "", &["successfully rolled out"]),
                ("get deployment web -o jsonpath={.spec.template.spec.containers[0].image}", "", &["nginx:1"]),
                ("rollout undo deployment/web --to-revision=99", "", &["!", "unable to find specified revision 99"]),
                ("create service clusterip s --tcp=80", "", &["created"]),
                ("set selector service s app=web", "", &["service/s selector updated"]),
                ("get endpointslices -l kubernetes.io/service-name=s", "", &["IPv4"]),
                ("taint node host01 a=b:NoSchedule", "", &["node/host01 tainted"]),
                ("taint node host01 a=b:NoSchedule", "", &["!", "already has a taint"]),
                ("taint node host01 a:NoSchedule-", "", &["node/host01 untainted"]),
                ("cordon host01", "", &["node/host01 cordoned"]),
                ("get node host01", "", &["Ready,SchedulingDisabled"]),
                ("drain host01 --ignore-daemonsets --force --timeout=30s", "", &["node/host01 drained"]),
                ("uncordon host01", "", &["node/host01 uncordoned"]),
                (
                    "replace -f -",
                    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: none}\n",
                    &["!", "configmaps \"none\" not found"],
                ),
                ("delete pod p --ignore-not-found --grace-period=0 --force", "", &[]),
                ("apply -f -", POD, &["pod/p created"]),
                ("replace --force --grace-period=0 -f -", POD, &["pod \"p\"", "pod/p replaced"]),
                ("wait --for=condition=Ready pod/p --timeout=30s", "", &["condition met"]),
                ("debug p --image=busybox -c dbg --profile=general --attach=false -- sleep 9", "", &[]),
                (
                    "wait --for=jsonpath={.status.ephemeralContainerStatuses[0].state.running} pod/p --timeout=30s",
                    "",
                    &["condition met"],
                ),
                ("debug p --image=busybox --copy-to=p2 --attach=false --profile=general -- sleep 9", "", &[]),
                ("wait --for=condition=Ready pod/p2 --timeout=30s", "", &["condition met"]),
                (
                    "debug node/host01 --image=busybox --attach=false --profile=general",
                    "",
                    &["Creating debugging pod node-debugger-host01-"],
                ),
                ("delete pod p2 --now", "", &["pod \"p2\""]),
                ("delete pods -l app=web --wait=false", "", &["pod \"web-"]),
                ("delete deployment web --cascade=orphan", "", &["deployment.apps \"web\" deleted"]),
                ("get rs -l app=web -o name", "", &["replicaset.apps/web-"]),
                ("delete rs -l app=web --cascade=foreground", "", &["replicaset.apps \"web-"]),
                ("delete pods --all --force --grace-period=0", "", &["pod \"p\" force deleted"]),
                ("delete pod p --ignore-not-found", "", &[]),
                ("delete pod p", "", &["!", "pods \"p\" not found"]),
                ("create namespace gone", "", &["created"]),
                ("create configmap m -n gone", "", &["created"]),
                ("delete namespace gone", "", &["namespace \"gone\" deleted"]),
                ("get namespace gone", "", &["!", "NotFound"]),
            ])
            .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn manifests_are_applied_compared_and_edited() {
    with_each(env!("CARGO_TARGET_TMPDIR"), async |terminal| {
        let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m, labels: {set: s}}\ndata:\n  k: v\n";
        write(terminal, "kust/map.yaml", map);
        write(terminal, "kust/kustomization.yaml", KUSTOMIZATION);
        write(terminal, "map.yaml", map);
        write(terminal, "edit.sh", "#!/bin/sh\nsed -i 's/k: v$/k: w/' \"$1\"\n");
        terminal
            .types(&[
                ("apply -f HOME/map.yaml", "", &["configmap/m created"]),
                ("apply -f HOME/map.yaml", "", &["configmap/m unchanged"]),
                ("apply view-last-applied configmap m", "", &["k: v"]),
                ("diff -f HOME/map.yaml", "", &[]),
            ])
            .await;
        write(terminal, "map.yaml", &map.replace("k: v", "k: x"));
        terminal
            .types(&[
                ("diff -f HOME/map.yaml", "", &["!", "-  k: v", "+  k: x"]),
                ("diff --server-side -f HOME/map.yaml", "", &["!", "-  k: v", "+  k: x"]),
                ("diff --server-side --force-conflicts -f HOME/map.yaml", "", &["!", "-  k: v", "+  k: x"]),
                ("apply --dry-run=server -f HOME/map.yaml", "", &["configmap/m configured (server dry run)"]),
                ("get configmap m -o jsonpath={.data.k}", "", &["v"]),
                ("apply --server-side --field-manager=other -f HOME/map.yaml", "", &["!", "conflict with \"kubectl"]),
                ("apply --server-side --field-manager=other --force-conflicts -f HOME/map.yaml", "", &["configmap/m serverside-applied"]),
                ("get configmap m -o jsonpath={.data.k}", "", &["x"]),
                ("apply set-last-applied --create-annotation -f HOME/map.yaml", "", &["configmap/m configured"]),
                ("apply -k HOME/kust", "", &["configmap/my-m created"]),
                ("get configmap my-m -o jsonpath={.metadata.labels.by}", "", &["kustomize"]),
                ("kustomize HOME/kust", "", &["name: my-m"]),
                ("delete -k HOME/kust", "", &["configmap \"my-m\" deleted"]),
                ("apply -f HOME/kust/map.yaml --force", "", &["configmap/m "]),
                ("create configmap extra", "", &["created"]),
                ("label configmap extra set=s", "", &["labeled"]),
                ("apply --prune -l set=s --prune-allowlist=core/v1/ConfigMap -f HOME/kust/map.yaml", "", &["configmap/m "]),
                ("get configmap extra -o name", "", &["configmap/extra"]),
                ("auth reconcile -f -", "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: r, namespace: default}\nrules: [{apiGroups: [''], resources: [pods], verbs: [get]}]\n", &["reconciled"]),
                ("get role r -o jsonpath={.rules[0].verbs[0]}", "", &["get"]),
            ])
            .await;
        let editor = format!("/bin/sh {}", terminal.kubectl.home().join("edit.sh").display());
        let mut edit = terminal.kubectl.command("edit configmap m");
        let edited = edit.env("KUBE_EDITOR", &editor).output().await.expect("it runs");
        let printed = String::from_utf8_lossy(&edited.stdout).into_owned();
        assert!(printed.contains("configmap/m edited"), "{}: {edited:?}", terminal.which);
        let mut edit = terminal.kubectl.command("edit configmap m");
        let edited = edit.env("KUBE_EDITOR", "/bin/true").output().await.expect("it runs");
        let printed = String::from_utf8_lossy(&edited.stdout).into_owned() + &String::from_utf8_lossy(&edited.stderr);
        assert!(printed.contains("Edit cancelled, no changes made."), "{}: {edited:?}", terminal.which);
        terminal.types(&[("get configmap m -o jsonpath={.data.k}", "", &["w"])]).await;
    })
    .await;
}

/// A request for a certificate, as `openssl req -new -key ... -subj /CN=eve` makes one.
const REQUEST: &str = "
apiVersion: certificates.k8s.io/v1
kind: CertificateSigningRequest
metadata: {name: NAME}
spec:
  signerName: example.com/signer
  usages: [client auth]
  request: REQUEST
";

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_approved_and_denied() {
    with_each(env!("CARGO_TARGET_TMPDIR"), async |terminal| {
        let home = terminal.kubectl.home().to_owned();
        let made = tokio::process::Command::new("openssl")
            .args(["req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=eve", "-keyout", "/dev/null"])
            .args(["-out".as_ref(), home.join("eve.csr").as_os_str()])
            .output()
            .await;
        let Ok(true) = made.map(|made| made.status.success()) else {
            // Without the program that makes requests there is nothing to approve.
            return;
        };
        let encoded = tokio::process::Command::new("base64").arg("-w0").arg(home.join("eve.csr")).output().await;
        let encoded = String::from_utf8(encoded.expect("it runs").stdout).expect("letters");
        for name in ["good", "bad"] {
            let request = REQUEST.replace("NAME", name).replace("REQUEST", &encoded);
            let done = terminal.kubectl.run_with("create -f -", &[] as &[&str], &request).await;
            assert_eq!(done.code, 0, "{done:?}");
        }
        terminal
            .types(&[
                ("get csr", "", &["bad", "Pending", "good", "Pending"]),
                ("certificate approve good", "", &["certificatesigningrequest.certificates.k8s.io/good approved"]),
                ("certificate deny bad", "", &["certificatesigningrequest.certificates.k8s.io/bad denied"]),
                ("get csr", "", &["bad", "Denied", "good", "Approved"]),
                ("describe csr good", "", &["Name:", "good", "Status:", "Approved"]),
            ])
            .await;
    })
    .await;
}

const SIZED: &str = "
apiVersion: v1
kind: Pod
metadata: {name: sized}
spec:
  containers:
  - {name: c, image: nginx, resources: {requests: {cpu: 100m, memory: 64Mi}}}
";

const MORE: &str = "patch pod sized --subresource resize \
                    -p {\"spec\":{\"containers\":[{\"name\":\"c\",\"resources\":{\"requests\":{\"cpu\":\"200m\"}}}]}}";
const ENDLESS: &str = "patch pod sized --subresource resize \
                       -p {\"spec\":{\"containers\":[{\"name\":\"c\",\"resources\":{\"requests\":{\"cpu\":\"1M\"}}}]}}";

#[tokio::test(flavor = "multi_thread")]
async fn running_pods_get_other_resources() {
    with_each(env!("CARGO_TARGET_TMPDIR"), async |terminal| {
        let has = "get pod sized -o jsonpath={.status.containerStatuses[0].resources.requests.cpu}/{.status.containerStatuses[0].restartCount}";
        terminal
            .types(&[
                ("apply -f -", SIZED, &["created"]),
                ("wait --for=condition=Ready pod/sized", "", &["condition met"]),
                (has, "", &["100m/0"]),
                (MORE, "", &["pod/sized patched"]),
                ("wait --for=jsonpath={.status.containerStatuses[0].resources.requests.cpu}=200m pod/sized", "", &["met"]),
                (has, "", &["200m/0"]),
                ("get events --field-selector reason=ResizeCompleted", "", &["Pod resize completed"]),
                (ENDLESS, "", &["pod/sized patched"]),
                ("wait --for=condition=PodResizePending pod/sized", "", &["condition met"]),
                ("describe pod sized", "", &["PodResizePending", "ResizeInfeasible", "didn't have enough capacity: cpu"]),
                (has, "", &["200m/0"]),
                (
                    "patch pod sized --type=merge -p {\"spec\":{\"containers\":[]}} --subresource resize",
                    "",
                    &["!", "invalid"],
                ),
            ])
            .await;
    })
    .await;
}
