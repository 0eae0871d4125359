//! The real helm, 3 and 4, with the chart that `helm create` makes, on a cluster of mocks in this process.

use std::sync::Arc;
use std::time::Duration;

use inboard::{Cluster, NodeSpec};
use inboard_apiserver::{Address, ApiServer, Server};
use inboard_runtime_mock::{MockRuntime, Script};
use inboard_tests::kubectl::{Done, Kubectl, versions};

const RESPONSE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";

/// What a user of helm sees.
struct Helm<'k> {
    kubectl: &'k Kubectl,
    which: String,
}

impl Helm<'_> {
    /// A command that must work, and what it prints.
    async fn does(&self, words: &str) -> String {
        let done = self.kubectl.run_helm(words).await;
        assert_eq!(done.code, 0, "{}: helm {words}: {done:?}", self.which);
        done.stdout
    }

    /// A command that must print this.
    async fn says(&self, words: &str, parts: &[&str]) {
        let printed = self.does(words).await;
        for part in parts {
            assert!(printed.contains(part), "{}: helm {words}: {part:?} is not in {printed}", self.which);
        }
    }

    /// A command that must fail.
    async fn fails(&self, words: &str) -> Done {
        let done = self.kubectl.run_helm(words).await;
        assert_ne!(done.code, 0, "{}: helm {words}: {done:?}", self.which);
        done
    }

    async fn kubectl(&self, words: &str) -> String {
        let done = self.kubectl.run(words).await;
        assert_eq!(done.code, 0, "{}: kubectl {words}: {done:?}", self.which);
        done.stdout
    }

    /// The cells of the lines behind the title.
    async fn rows(&self, words: &str) -> Vec<Vec<String>> {
        let printed = self.does(words).await;
        printed.lines().skip(1).map(|line| line.split('\t').map(|cell| cell.trim().to_owned()).collect()).collect()
    }

    async fn ready(&self) -> String {
        self.kubectl("get deployment web -o jsonpath={.spec.replicas},{.status.readyReplicas}").await
    }
}

async fn cluster() -> (Cluster, Server) {
    let runtime = MockRuntime::builder()
        .script(Script::image("nginx*").serves(80, RESPONSE))
        .script(Script::image("busybox").exits_after(Duration::from_millis(100), 0))
        .script(Script::image("broken*").exits_after(Duration::ZERO, 1))
        .build();
    let cluster = Cluster::builder().node(NodeSpec::new("host01", Arc::new(runtime))).start().await.expect("it starts");
    let server = Server::insecure(ApiServer::new(&cluster), ([127, 0, 0, 1], 0).into()).await.expect("it listens");
    (cluster, server)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chart_is_installed_changed_tested_and_removed() {
    let programs = versions(env!("CARGO_TARGET_TMPDIR"));
    if programs.is_empty() {
        eprintln!("left out: there is no helm; tests/install-kubectl brings it");
    }
    for program in programs {
        let (cluster, server) = cluster().await;
        let Address::Tcp(address) = *server.address() else { panic!("it is TCP") };
        let kubectl = Kubectl::new(&program, address);
        std::fs::create_dir_all(kubectl.home()).expect("a folder");
        let helm = Helm { kubectl: &kubectl, which: program.display().to_string() };
        let chart = kubectl.home().join("web").display().to_string();
        helm.does(&format!("create {chart}")).await;
        life(&helm, &chart).await;
        failures(&helm, &chart).await;
        let left = helm.kubectl("get all,secrets,ingresses,serviceaccounts -o name").await;
        assert_eq!(left.trim(), "serviceaccount/default", "{}", helm.which);
        server.stop().await;
        drop(cluster);
    }
}

/// From the installation of a release to its end.
async fn life(helm: &Helm<'_>, chart: &str) {
    helm.says(&format!("install web {chart} --dry-run=server"), &["STATUS: pending-install", "kind: Deployment"]).await;
    helm.says(&format!("install web {chart} --wait --timeout 50s"), &["NAME: web", "STATUS: deployed", "REVISION: 1"])
        .await;
    assert_eq!(helm.ready().await, "1,1");
    let [row] = helm.rows("list").await.try_into().expect("one release");
    assert_eq!((&*row[0], &*row[1], &*row[2], &*row[4]), ("web", "default", "1", "deployed"), "{row:?}");
    helm.says("status web", &["STATUS: deployed"]).await;
    helm.says("get manifest web", &["kind: Service\n", "kind: ServiceAccount\n", "kind: Deployment\n"]).await;
    helm.says("test web --timeout 50s", &["TEST SUITE:     web-test-connection", "Phase:          Succeeded"]).await;

    let more = "--set autoscaling.enabled=true --set autoscaling.minReplicas=2 --set ingress.enabled=true";
    helm.says(&format!("upgrade web {chart} {more} --wait --timeout 50s"), &["REVISION: 2", "STATUS: deployed"]).await;
    helm.kubectl("wait --for=jsonpath={.status.readyReplicas}=2 deployment/web --timeout=50s").await;
    let kinds = helm.kubectl("get hpa,ingress,service,serviceaccount -l app.kubernetes.io/instance=web -o name").await;
    let kinds: Vec<&str> = kinds.lines().collect();
    let wanted = [
        "horizontalpodautoscaler.autoscaling/web",
        "ingress.networking.k8s.io/web",
        "service/web",
        "serviceaccount/web",
    ];
    assert_eq!(kinds, wanted, "{}", helm.which);
    helm.says("get values web", &["minReplicas: 2"]).await;
    helm.says(&format!("upgrade web {chart} --set replicaCount=3 --wait --timeout 50s"), &["REVISION: 3"]).await;
    assert_eq!(helm.ready().await, "3,3");
    assert_eq!(helm.kubectl("get hpa,ingress -o name").await, "", "what the chart no longer has goes");

    helm.says("rollback web 1 --wait --timeout 50s", &["Rollback was a success"]).await;
    assert_eq!(helm.ready().await, "1,1");
    let statuses: Vec<String> = helm.rows("history web").await.into_iter().map(|row| row[2].clone()).collect();
    assert_eq!(statuses, ["superseded", "superseded", "superseded", "deployed"], "{}", helm.which);
    let [row] = helm.rows("list -o table").await.try_into().expect("one release");
    assert_eq!(row[2], "4");
    helm.says("uninstall web --wait --timeout 50s", &["release \"web\" uninstalled"]).await;
    assert!(helm.rows("list").await.is_empty());
    // What a test leaves behind is not of the release.
    helm.kubectl("delete pod web-test-connection --ignore-not-found").await;
}

/// What goes wrong is told, and does no harm.
async fn failures(helm: &Helm<'_>, chart: &str) {
    let broken = "--set image.repository=broken --wait --timeout 3s";
    let failed = helm.fails(&format!("install bad {chart} {broken}")).await;
    assert!(failed.stderr.contains("INSTALLATION FAILED"), "{}: {failed:?}", helm.which);
    helm.says("status bad", &["STATUS: failed"]).await;
    let again = helm.fails(&format!("install bad {chart}")).await;
    assert!(again.stderr.contains("a name that is still in use"), "{}: {again:?}", helm.which);
    helm.does("uninstall bad --wait --timeout 50s").await;

    let refused = helm.fails(&format!("install bad {chart} --set service.port=99999")).await;
    assert!(refused.stderr.contains("Invalid value: 99999"), "{}: {refused:?}", helm.which);
    helm.does("uninstall bad").await;

    // Somebody else's object is not taken over.
    helm.kubectl("create serviceaccount web").await;
    let refused = helm.fails(&format!("install web {chart}")).await;
    assert!(refused.stderr.contains("invalid ownership metadata"), "{}: {refused:?}", helm.which);
    helm.kubectl("delete serviceaccount web").await;

    // An upgrade that fails is taken back when that is asked for.
    helm.does(&format!("install web {chart} --wait --timeout 50s")).await;
    let version = helm.does("version --short").await;
    let takes_back = if version.starts_with("v3") { "--atomic" } else { "--rollback-on-failure" };
    let failed = helm.fails(&format!("upgrade web {chart} {broken} {takes_back}")).await;
    assert!(failed.stderr.contains("UPGRADE FAILED"), "{}: {failed:?}", helm.which);
    let statuses: Vec<String> = helm.rows("history web").await.into_iter().map(|row| row[2].clone()).collect();
    assert_eq!(statuses, ["superseded", "failed", "deployed"], "{}", helm.which);
    helm.kubectl("rollout status deployment/web --timeout=50s").await;
    assert_eq!(helm.ready().await, "1,1");
    helm.does("uninstall web --wait --timeout 50s").await;
}
