//! A cluster in a file: what was acknowledged is there for the next process, kinds of users included.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use inboard::k8s_openapi::api::core::v1::ConfigMap;
use inboard::prelude::*;
use inboard::{Api, Cluster, NodeSpec, PostParams, Shutdown, StartError, conditions};
use inboard_apiserver::ApiServer;
use inboard_durability_file::FileStore;
use inboard_runtime_mock::MockRuntime;

const MINUTE: Duration = Duration::from_secs(60);

const WIDGETS: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget, listKind: WidgetList}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {type: object, properties: {size: {type: integer, default: 3}}}
";
const WIDGET: &str = "{apiVersion: example.com/v1, kind: Widget, metadata: {name: round}, spec: {}}";

/// A directory of this test's own, removed at the end.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("data").join("cluster.redb")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn start(file: &Path, machine: &MockRuntime) -> Result<Cluster, StartError> {
    let node = NodeSpec::new("host01", Arc::new(machine.clone()));
    Cluster::builder().durability(FileStore::at(file)).node(node).start().await
}

/// What an API server makes in every cluster, made where it is not there.
async fn serve(cluster: &Cluster) {
    ApiServer::builder(cluster).build().create_defaults().await.expect("roles and the service of the API");
}

fn web(replicas: i32) -> Deployment {
    let container = Container::builder("nginx", "nginx");
    Deployment::builder("web").replicas(replicas).container(container).build().expect("a deployment")
}

#[tokio::test]
async fn objects_kinds_of_users_and_revisions_are_there_for_the_next_process_and_containers_run_on() {
    let (directory, machine) = (Directory::new("durable-file"), MockRuntime::new());
    let first = start(&directory.file(), &machine).await.expect("a cluster");
    serve(&first).await;
    first.apply(WIDGETS).await.expect("a definition");
    first.apply(WIDGET).await.expect("a widget");
    let deployments: Api<Deployment> = Api::default_namespaced(&first);
    deployments.create(&PostParams::default(), &web(2)).await.expect("created");
    deployments.wait("web", MINUTE, conditions::is_deployment_rolled_out()).await.expect("rolled out");
    first.apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: gone}}").await.expect("a map");
    let maps: Api<ConfigMap> = Api::default_namespaced(&first);
    maps.delete("gone", &inboard::DeleteParams::default()).await.expect("deleted");
    let containers = container_ids(&machine).await;
    let before = first.snapshot().await.expect("a snapshot");
    first.shutdown(Shutdown::LeaveRunning).await.expect("stopped");

    let second = start(&directory.file(), &machine).await.expect("the next cluster");
    serve(&second).await;
    let after = second.snapshot().await.expect("a snapshot");
    assert!(after.revision() >= before.revision(), "revisions go on");
    let applied = second.apply(WIDGET).await.expect("the kind is known");
    assert_eq!(format!("{:?}", applied[0].action), "Unchanged", "and the widget, with its default");
    let maps: Api<ConfigMap> = Api::default_namespaced(&second);
    assert!(maps.get("gone").await.is_err(), "what was deleted stays so");
    let deployments: Api<Deployment> = Api::default_namespaced(&second);
    deployments.wait("web", MINUTE, conditions::is_deployment_rolled_out()).await.expect("still rolled out");
    assert_eq!(container_ids(&machine).await, containers, "no container was started again");
    second.shutdown(Shutdown::Stop { grace: Duration::ZERO }).await.expect("stopped");
}

#[tokio::test]
async fn what_was_answered_survives_a_process_that_is_gone_without_a_word() {
    let (directory, machine) = (Directory::new("durable-killed"), MockRuntime::new());
    for round in 0..3 {
        let cluster = start(&directory.file(), &machine).await.expect("a cluster");
        let maps: Api<ConfigMap> = Api::default_namespaced(&cluster);
        for earlier in 0..round {
            maps.get(&format!("map-{earlier}")).await.expect("it was answered");
        }
        let map = format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: map-{round}}}}}");
        cluster.apply(&map).await.expect("answered");
        // No shutdown: the last handle goes, and with it the driver, wherever it is.
        drop((maps, cluster));
        let closed = async {
            while is_held(&directory.file()).await {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(MINUTE, closed).await.expect("the driver ends");
    }
}

/// Whether a cluster of this process still has the file open.
async fn is_held(file: &Path) -> bool {
    use inboard::store::Durability;
    FileStore::at(file).open().await.is_err()
}

#[tokio::test]
async fn a_file_that_is_in_use_or_is_something_else_is_refused_by_name_and_left_as_it_is() {
    let (directory, machine) = (Directory::new("durable-refused"), MockRuntime::new());
    let cluster = start(&directory.file(), &machine).await.expect("a cluster");
    let refusal = start(&directory.file(), &machine).await.expect_err("it is in use");
    let told = told(&refusal);
    assert!(told.contains("cluster.redb: another process has it open"), "{told}");
    cluster.shutdown(Shutdown::LeaveRunning).await.expect("stopped");

    let other = directory.0.join("notes.txt");
    std::fs::write(&other, "not a database, but dear to somebody\n").expect("written");
    let refusal = start(&other, &machine).await.expect_err("no database");
    assert!(self::told(&refusal).contains("notes.txt"), "{}", self::told(&refusal));
    assert_eq!(std::fs::read_to_string(&other).expect("read"), "not a database, but dear to somebody\n");

    let mut bytes = std::fs::read(directory.file()).expect("read");
    bytes[6..400].fill(0xa5);
    std::fs::write(directory.file(), &bytes).expect("written");
    let refusal = start(&directory.file(), &machine).await.expect_err("damaged");
    assert!(self::told(&refusal).contains("the storage is damaged"), "{}", self::told(&refusal));
    assert_eq!(std::fs::read(directory.file()).expect("read"), bytes, "it is left to whoever can mend it");

    let nowhere = start(Path::new("/proc/nowhere/cluster.redb"), &machine).await.expect_err("no directory");
    assert!(self::told(&nowhere).contains("/proc/nowhere"), "{}", self::told(&nowhere));
}

/// An error with all its causes.
fn told(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

async fn container_ids(machine: &MockRuntime) -> Vec<String> {
    use inboard::runtime::Runtime;
    let held = machine.inventory().await.expect("an inventory");
    held.containers.iter().map(|container| container.id.to_string()).collect()
}
