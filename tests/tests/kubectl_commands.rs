//! What people type to kubectl besides the walk-through: every command of it that asks, and `create` in all its forms, in the versions that
//! `tests/install-kubectl` brings, against a cluster of mocks in this process. A row is what is typed and what must be in
//! the answer; rows of one story build on each other.

use std::time::Duration;

use inboard_tests::typed::{POD, WEB, with_each, write};

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_has_is_told() {
    with_each(env!("CARGO_TARGET_TMPDIR"), async |terminal| {
        terminal
            .types(&[
                ("version", "", &["Server Version: v1.36"]),
                ("cluster-info", "", &["Kubernetes control plane", "is running at"]),
                ("api-versions", "", &["apps/v1\n", "batch/v1\n", "v1\n"]),
                ("api-resources", "", &["NAME", "SHORTNAMES", "configmaps", "cm", "deployments", "deploy"]),
                ("api-resources --namespaced=false -o name", "", &["namespaces\n", "nodes\n"]),
                ("api-resources --api-group=apps -o wide", "", &["VERBS", "deployments", "create,delete"]),
                ("api-resources --verbs=list,get --categories=all", "", &["pods", "services"]),
                ("explain pod.spec.containers.image", "", &["KIND:", "Pod", "FIELD: image <string>"]),
                ("explain deployments --recursive", "", &["GROUP:", "apps", "strategy", "rollingUpdate"]),
                ("explain hpa --api-version=autoscaling/v2", "", &["autoscaling", "HorizontalPodAutoscaler"]),
                ("explain pod.nothing", "", &["!", "field \"nothing\" does not exist"]),
                ("get --raw /healthz", "", &["ok"]),
                ("get --raw /readyz?verbose", "", &["[+]ping ok"]),
                ("get --raw /api/v1/namespaces/default", "", &["{\"kind\":\"Namespace\",\"apiVersion\":\"v1\""]),
                ("get --raw /nothing", "", &["!", "NotFound"]),
                ("get --raw /metrics", "", &["# TYPE "]),
                ("auth whoami", "", &["Username", "system:"]),
                ("auth can-i list pods", "", &["yes"]),
                ("auth can-i list pods --as=nobody", "", &["!", "no"]),
                ("auth can-i --list", "", &["Resources", "*.*"]),
                ("auth can-i --list --as=nobody", "", &["selfsubjectaccessreviews.authorization.k8s.io"]),
                (
                    "get pods --as=nobody",
                    "",
                    &["!", "pods is forbidden: User \"nobody\" cannot list resource \"pods\""],
                ),
                ("get nothings", "", &["!", "the server doesn't have a resource type \"nothings\""]),
                ("get pod nobody", "", &["!", "pods \"nobody\" not found"]),
                ("get nodes", "", &["NAME", "STATUS", "ROLES", "host01", "Ready"]),
                ("describe node host01", "", &["Name:", "host01", "Capacity:", "Allocated resources:"]),
                ("describe namespace default", "", &["Name:", "default", "Status:", "Active"]),
                ("describe service kubernetes", "", &["Name:", "kubernetes", "Endpoints:"]),
            ])
            .await;
    })
    .await;
}

/// `create` of each kind that it has words for, in protobuf most of the time.
#[tokio::test(flavor = "multi_thread")]
async fn objects_are_created_by_words() {
    with_each(env!("CARGO_TARGET_TMPDIR"), async |terminal| {
        write(terminal, "file.txt", "content\n");
        terminal
            .types(&[
                ("create namespace n", "", &["namespace/n created"]),
                ("create configmap m --from-literal=a=b --from-file=HOME/file.txt", "", &["configmap/m created"]),
                ("get configmap m -o jsonpath={.data.file\\.txt}", "", &["content"]),
                ("create secret generic s --from-literal=a=b", "", &["secret/s created"]),
                ("get secret s -o jsonpath={.data.a}", "", &["Yg=="]),
                (
                    "create secret docker-registry r --docker-username=u --docker-password=p --docker-email=e",
                    "",
                    &["secret/r created"],
                ),
                ("create deployment d --image=nginx --replicas=2 --port=80", "", &["deployment.apps/d created"]),
                ("rollout status deployment/d", "", &["successfully rolled out"]),
                ("create job j --image=busybox -- true", "", &["job.batch/j created"]),
                ("create cronjob c --image=busybox --schedule=0~0~*~*~*", "", &["cronjob.batch/c created"]),
                ("create job j2 --from=cronjob/c", "", &["job.batch/j2 created"]),
                ("create service clusterip s1 --tcp=80:8080", "", &["service/s1 created"]),
                ("create service nodeport s2 --tcp=80", "", &["service/s2 created"]),
                ("create service loadbalancer s3 --tcp=80", "", &["service/s3 created"]),
                ("create service externalname s4 --external-name=example.com", "", &["service/s4 created"]),
                ("create serviceaccount a", "", &["serviceaccount/a created"]),
                ("create token a", "", &["."]),
                ("create role r --verb=get,list --resource=pods", "", &["role.rbac.authorization.k8s.io/r created"]),
                ("create rolebinding b --role=r --serviceaccount=default:a", "", &["rolebinding", "/b created"]),
                ("auth can-i list pods --as=system:serviceaccount:default:a", "", &["yes"]),
                ("auth can-i delete pods --as=system:serviceaccount:default:a", "", &["!", "no"]),
                ("set subject rolebinding b --user=eve", "", &["subjects updated"]),
                ("auth can-i list pods --as=eve", "", &["yes"]),
                ("create clusterrole cr --verb=get --resource=nodes", "", &["clusterrole", "/cr created"]),
                (
                    "create clusterrolebinding cb --clusterrole=cr --user=eve",
                    "",
                    &["clusterrolebinding", "/cb created"],
                ),
                ("auth can-i get nodes --as=eve", "", &["yes"]),
                ("create quota q --hard=pods=20", "", &["resourcequota/q created"]),
                ("describe quota q", "", &["Name:", "q", "pods", "20"]),
                ("create pdb pd --selector=app=d --min-available=1", "", &["poddisruptionbudget.policy/pd created"]),
                ("create priorityclass pc --value=7", "", &["priorityclass.scheduling.k8s.io/pc created"]),
                ("create ingress i --rule=example.com/*=s1:80", "", &["ingress.networking.k8s.io/i created"]),
                ("describe ingress i", "", &["example.com", "s1:80"]),
                ("expose deployment d --port=80 --name=e", "", &["service/e exposed"]),
                ("get endpointslices -l kubernetes.io/service-name=e", "", &["e-"]),
                ("autoscale deployment d --min=1 --max=5 --cpu-percent=50", "", &["/d autoscaled"]),
                ("get hpa d", "", &["d", "Deployment/d"]),
                ("describe hpa d", "", &["Min replicas:", "1", "Max replicas:", "5"]),
                ("run r1 --image=nginx --labels=run=r1 --env=A=b", "", &["pod/r1 created"]),
                ("run r2 --image=nginx --dry-run=server", "", &["pod/r2 created (server dry run)"]),
                ("get pod r2", "", &["!", "NotFound"]),
                ("create deployment x --image=nginx --dry-run=client -o yaml", "", &["kind: Deployment"]),
                ("create configmap m", "", &["!", "configmaps \"m\" already exists"]),
                ("create namespace Bad", "", &["!", "The Namespace \"Bad\" is invalid"]),
                (
                    "create -f - --validate=strict",
                    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: z}\ndta: {}\n",
                    &["!", "unknown field \"dta\""],
                ),
                (
                    "create -f -",
                    "apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: g-}\n",
                    &["configmap/g-", " created"],
                ),
            ])
            .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_shown_in_many_ways() {
    with_each(env!("CARGO_TARGET_TMPDIR"), async |terminal| {
        terminal
            .types(&[
                ("apply -f -", WEB, &["deployment.apps/web created"]),
                ("apply -f -", POD, &["pod/p created"]),
                ("wait --for=condition=Ready pod/p --timeout=30s", "", &["pod/p condition met"]),
                ("wait --for=create pod/p --timeout=30s", "", &["pod/p condition met"]),
                ("wait --for=condition=Available=true deployment/web --timeout=30s", "", &["condition met"]),
                ("wait --for=jsonpath={.status.phase}=Running pod/p --timeout=30s", "", &["condition met"]),
                ("wait --for=jsonpath={.status.podIP} pod/p --timeout=30s", "", &["condition met"]),
                ("wait --for=condition=Ready pod -l app=web --timeout=30s", "", &["pod/web-", "pod/web-"]),
                ("wait --for=condition=Nothing pod/p --timeout=1s", "", &["!", "timed out waiting"]),
                ("get pods", "", &["NAME", "READY", "STATUS", "p ", "1/1", "Running", "web-"]),
                ("get pods -o wide", "", &["IP", "NODE", "host0"]),
                ("get pods -A --chunk-size=1", "", &["NAMESPACE", "default", "p ", "default", "web-"]),
                ("get pods --show-labels -L app", "", &["APP", "LABELS", "app=p"]),
                ("get pods --sort-by=.metadata.name -o name", "", &["pod/p\n", "pod/web-"]),
                ("get pods --field-selector=status.phase=Running,metadata.name!=p -o name", "", &["pod/web-"]),
                ("get pods -l app!=web -o name", "", &["pod/p\n"]),
                ("get pods -l app~in~(p,q) -o name", "", &["pod/p\n"]),
                ("get pods --no-headers", "", &["p "]),
                ("get pod p -o json", "", &["\"kind\": \"Pod\"", "\"spec\": {"]),
                ("get pod p -o yaml --show-managed-fields", "", &["kind: Pod"]),
                ("get pods -o jsonpath={range~.items[*]}{.metadata.name}{\"\\n\"}{end}", "", &["p\n", "web-"]),
                (
                    "get pods -o custom-columns=N:.metadata.name,I:.spec.containers[*].image",
                    "",
                    &["N ", "I\n", "p ", "busybox"],
                ),
                ("get pods -o go-template={{range~.items}}{{.metadata.name}}~{{end}}", "", &["p ", "web-"]),
                ("get deployment,pods", "", &["deployment.apps/web", "pod/p"]),
                ("get deployment/web pod/p -o name", "", &["deployment.apps/web\n", "pod/p\n"]),
                ("get all", "", &["pod/p", "service/kubernetes", "deployment.apps/web", "replicaset.apps/web-"]),
                ("get deployment web --subresource=status", "", &["web", "2/2"]),
                ("get pods p nobody --ignore-not-found -o name", "", &["pod/p"]),
                ("get pods --watch --output-watch-events --request-timeout=1s", "", &["EVENT", "ADDED", "p "]),
                ("get pods -l app=none", "", &["No resources found in default namespace."]),
                ("describe pod p", "", &["Name:", "p\n", "Events:", "Started"]),
                ("describe deployment web", "", &["Replicas:", "2 desired", "NewReplicaSet:"]),
                ("describe rs", "", &["Controlled By:  Deployment/web"]),
                ("events --for pod/p", "", &["Scheduled", "Pod/p"]),
                ("events --types=Normal", "", &["Normal"]),
                ("get events --field-selector=involvedObject.name=p,reason=Started", "", &["Started"]),
                ("logs p --tail=1 --timestamps", "", &["T", "Z tick"]),
                ("logs p --since=1h --limit-bytes=5", "", &["tick"]),
                ("logs p --since-time=2020-01-01T00:00:00Z", "", &["tick"]),
                ("logs deploy/web", "", &[]),
                ("logs -l app=p --prefix --all-containers", "", &["[pod/p/c] tick"]),
                ("logs p -c nothing", "", &["!", "container nothing is not valid for pod p"]),
                ("logs p --previous", "", &["!", "previous terminated container \"c\" in pod \"p\" not found"]),
                ("exec deploy/web -- echo hi", "", &["hi\n"]),
            ])
            .await;
        // What is used is measured once somebody asks.
        let measured = async {
            while terminal.kubectl.run("top pod p").await.code != 0 {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), measured).await.expect("it is measured");
        terminal
            .types(&[
                ("top nodes", "", &["NAME", "CPU(cores)", "host01"]),
                ("top pods", "", &["NAME", "CPU(cores)", "p ", "100m", "50Mi"]),
                ("top pod p --containers", "", &["POD", "NAME", "p ", "c "]),
                ("top pods -l app=web --sum", "", &["200m"]),
            ])
            .await;
    })
    .await;
}

/// What goes on shows itself while it goes on.
#[tokio::test(flavor = "multi_thread")]
async fn changes_are_watched() {
    with_each(env!("CARGO_TARGET_TMPDIR"), async |terminal| {
        let mut watching = terminal.kubectl.start("get configmaps -w --output-watch-events -o name");
        let mut lines =
            tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(watching.stdout.take().expect("an output")));
        let mut next = async |part: &str| {
            let seen = async {
                loop {
                    let line = lines.next_line().await.expect("an output").expect("it goes on");
                    if line.contains(part) {
                        return;
                    }
                }
            };
            tokio::time::timeout(Duration::from_secs(60), seen).await.unwrap_or_else(|_| panic!("no line with {part}"));
        };
        terminal.types(&[("create configmap w", "", &["created"])]).await;
        next("configmap/w").await;
        terminal.types(&[("label configmap w a=b", "", &["labeled"])]).await;
        next("configmap/w").await;
        terminal.types(&[("delete configmap w", "", &["deleted"])]).await;
        next("configmap/w").await;
        watching.kill().await.expect("it is killed");
    })
    .await;
}
