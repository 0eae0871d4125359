//! What is resolved before a container is made: variables, files, names, users; and who is admitted.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1 as api;

use super::fake::secs;
use super::world::{World, config};
use crate::authority::{Authority, TokenRequest};
use crate::node::{ClusterDns, NodeConfig};
use crate::runtime::{Device, DeviceAccess, DeviceSource, RuntimeEvent, VolumeSource};
use crate::store::{ContainerPhase, Draft, PodPhase, WriteOptions};

fn create<K: crate::object::kind::BuiltInKind + serde::de::DeserializeOwned>(world: &mut World, yaml: &str) {
    let object: K = serde_saphyr::from_str(yaml).expect("an object");
    world.store.create_with(Draft::of(object), WriteOptions::default(), world.now).expect("admitted");
}

#[derive(Debug)]
struct Tokens;

impl Authority for Tokens {
    fn token(&self, request: &TokenRequest<'_>) -> Result<String, String> {
        Ok(format!("token of {} for {:?}", request.service_account, request.audience))
    }
}

#[test]
fn variables_come_from_everywhere_and_are_expanded() {
    let mut world = World::new();
    create::<api::ConfigMap>(&mut world, "{metadata: {name: m}, data: {A: from-map, B: b}}");
    create::<api::ServiceAccount>(&mut world, "{metadata: {name: robot}, automountServiceAccountToken: false}");
    create::<api::Secret>(&mut world, "{metadata: {name: s}, data: {K: c2VjcmV0}}");
    create::<api::Service>(
        &mut world,
        "{metadata: {name: my-db}, spec: {clusterIP: 10.96.0.7, ports: [{name: pg-x, port: 5432}]}}",
    );
    world.pod_with(
        "web",
        "  labels: {app: shop}\n",
        "  serviceAccountName: robot
  containers:
  - name: a
    image: 'i:1'
    command: [run, '$(X)', '$$(X)', '$(UNKNOWN)']
    args: ['$(MY_DB_SERVICE_HOST)']
    resources: {limits: {cpu: 1500m}, requests: {memory: 3Mi}}
    envFrom: [{prefix: M_, configMapRef: {name: m}}, {secretRef: {name: s}}, {configMapRef: {name: none, optional: true}}]
    env:
    - {name: X, value: 'x-$(M_A)'}
    - {name: Y, value: '$(X)-$(LATER)'}
    - {name: LATER, value: l}
    - {name: KEY, valueFrom: {secretKeyRef: {name: s, key: K}}}
    - {name: GONE, valueFrom: {configMapKeyRef: {name: m, key: none, optional: true}}}
    - {name: LABEL, valueFrom: {fieldRef: {fieldPath: \"metadata.labels['app']\"}}}
    - {name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
    - {name: HOST, valueFrom: {fieldRef: {fieldPath: status.hostIP}}}
    - {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
    - {name: WHO, valueFrom: {fieldRef: {fieldPath: spec.serviceAccountName}}}
    - {name: CPU, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}
    - {name: MEM, valueFrom: {resourceFieldRef: {resource: requests.memory, divisor: 1Mi}}}\n",
    );
    world.run(1);
    let made = &world.fake.configs["a"];
    let text: Vec<String> = made.env.iter().map(|variable| format!("{}={}", variable.name, variable.value)).collect();
    assert_eq!(
        text.join("\n"),
        "M_A=from-map\nM_B=b\nK=secret\nX=x-from-map\nY=x-from-map-$(LATER)\nLATER=l\nKEY=secret\nLABEL=shop\n\
         IP=10.0.0.1\nHOST=192.168.0.1\nNODE=n1\nWHO=robot\nCPU=2\nMEM=3\nMY_DB_PORT=tcp://10.96.0.7:5432\n\
         MY_DB_PORT_5432_TCP=tcp://10.96.0.7:5432\nMY_DB_PORT_5432_TCP_ADDR=10.96.0.7\nMY_DB_PORT_5432_TCP_PORT=5432\n\
         MY_DB_PORT_5432_TCP_PROTO=tcp\nMY_DB_SERVICE_HOST=10.96.0.7\nMY_DB_SERVICE_PORT=5432\n\
         MY_DB_SERVICE_PORT_PG_X=5432"
    );
    assert_eq!(made.command, ["run", "x-from-map", "$(X)", "$(UNKNOWN)"]);
    assert_eq!(made.args, ["10.96.0.7"]);
}

#[test]
fn volumes_hold_what_they_name_and_follow_it() {
    let mut world = World::new();
    world.store.set_authority(Some(Arc::new(Tokens)));
    create::<api::ConfigMap>(&mut world, "{metadata: {name: m}, data: {a: one}, binaryData: {b: AAE=}}");
    create::<api::ServiceAccount>(&mut world, "{metadata: {name: robot}, automountServiceAccountToken: false}");
    create::<api::PersistentVolume>(
        &mut world,
        "{metadata: {name: pv}, spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], csi: {driver: d, volumeHandle: h}}}",
    );
    create::<api::PersistentVolumeClaim>(
        &mut world,
        "{metadata: {name: c}, spec: {volumeName: pv, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}",
    );
    world.pod_with(
        "web",
        "  labels: {app: shop}\n",
        "  serviceAccountName: robot
  volumes:
  - {name: tmp, emptyDir: {medium: Memory, sizeLimit: 1Ki}}
  - {name: host, hostPath: {path: /x, type: Directory}}
  - {name: map, configMap: {name: m, defaultMode: 0o400, items: [{key: a, path: d/a}]}}
  - {name: all, projected: {sources: [{configMap: {name: m}}, {downwardAPI: {items: [{path: l, fieldRef: {fieldPath: metadata.labels}}]}}, {serviceAccountToken: {path: token, audience: x}}]}}
  - {name: data, persistentVolumeClaim: {claimName: c}}
  containers: [{name: a, image: 'i:1', volumeMounts: [{name: all, mountPath: /all, readOnly: true}]}]\n",
    );
    world.run(1);
    assert!(world.story.contains("PVC is not bound"), "{}", world.story);
    // The claim is bound: the agent is told, and does not wait for its next try.
    bind(&mut world, "c");
    world.agent.inputs_changed(crate::object::kind::PERSISTENT_VOLUME_CLAIM, "default", "c");
    world.run(0);
    let files = |world: &World, name: &str| -> BTreeMap<String, (String, u32)> {
        let VolumeSource::Files(files) = &world.fake.files[name].source else { panic!("{name} is not made of files") };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        files.iter().map(|(path, file)| (path.clone(), (text(&file.content), file.mode))).collect()
    };
    let file = |path: &str, content: &str, mode: u32| (path.to_owned(), (content.to_owned(), mode));
    assert_eq!(files(&world, "map"), [file("d/a", "one", 0o400)].into());
    let wanted = [
        file("a", "one", 0o644),
        file("b", "\0\u{1}", 0o644),
        file("l", "app=\"shop\"\n", 0o644),
        file("token", "token of robot for \"x\"", 0o644),
    ];
    assert_eq!(files(&world, "all"), wanted.into());
    assert_eq!(world.fake.files["tmp"].source, VolumeSource::Empty { memory: true, size_limit: Some(1024) });
    assert_eq!(world.fake.files["host"].source, VolumeSource::Host { path: "/x".into(), check: "Directory".into() });
    assert_eq!(world.fake.files["data"].source, VolumeSource::Persistent { handle: "h".into() });
    assert!(world.fake.configs.contains_key("a"));

    world
        .store
        .edit(
            crate::object::kind::CONFIG_MAP,
            ("default", "m"),
            crate::store::Part::Main,
            WriteOptions::default(),
            world.now,
            |mut value| {
                value["data"]["a"] = "two".into();
                Ok(value)
            },
        )
        .expect("edited");
    world.agent.inputs_changed(crate::object::kind::CONFIG_MAP, "default", "m");
    world.run(0);
    assert_eq!(files(&world, "map"), [file("d/a", "two", 0o400)].into());
    assert_eq!(world.fake.containers.len(), 1, "nothing is restarted");
}

/// Says that a claim is bound.
fn bind(world: &mut World, claim: &str) {
    let bound = |mut value: serde_json::Value| {
        value["status"]["phase"] = "Bound".into();
        Ok(value)
    };
    let (kind, part) = (crate::object::kind::PERSISTENT_VOLUME_CLAIM, crate::store::Part::Status);
    world.store.edit(kind, ("default", claim), part, WriteOptions::default(), world.now, bound).expect("bound");
}

#[test]
fn a_volume_is_mounted_or_a_device_as_its_mode_says() {
    let mut world = World::new();
    for (name, mode) in [("files", "Filesystem"), ("disk", "Block")] {
        create::<api::PersistentVolume>(
            &mut world,
            &format!(
                "{{metadata: {{name: {name}}}, spec: {{capacity: {{storage: 1Gi}}, accessModes: [ReadWriteOnce],
                volumeMode: {mode}, local: {{path: /dev/{name}}}, nodeAffinity: {{required: {{nodeSelectorTerms:
                [{{matchExpressions: [{{key: disk, operator: Exists}}]}}]}}}}}}}}"
            ),
        );
        create::<api::PersistentVolumeClaim>(
            &mut world,
            &format!(
                "{{metadata: {{name: {name}}}, spec: {{volumeName: {name}, volumeMode: {mode}, accessModes:
                [ReadWriteOnce], resources: {{requests: {{storage: 1Gi}}}}}}}}"
            ),
        );
        bind(&mut world, name);
    }
    let mut pod = |name: &str, volume: &str, claim: &str, used: &str| {
        let spec = format!(
            "  volumes: [{{name: {volume}, persistentVolumeClaim: {{claimName: {claim}}}}}]
  containers: [{{name: {name}, image: 'i:1', {used}}}]\n"
        );
        world.pod_with(name, "", &spec);
        world.run(0);
    };
    pod("a", "a", "disk", "volumeMounts: [{name: a, mountPath: /a}]");
    pod("b", "b", "files", "volumeDevices: [{name: b, devicePath: /b}]");
    pod("c", "c", "disk", "volumeDevices: [{name: c, devicePath: /c}]");
    pod("d", "d", "disk", "volumeDevices: [{name: d, devicePath: d}]");
    for wrong in [
        "failed to process volumes=[a]: volume a has volumeMode Block, but is specified in volumeMounts",
        "failed to process volumes=[b]: volume b has volumeMode Filesystem, but is specified in volumeDevices",
        "error DevicePath `d` must be an absolute path",
    ] {
        assert!(world.story.contains(wrong), "{wrong}\n{}", world.story);
    }
    assert_eq!(world.fake.files["c"].source, VolumeSource::Block { handle: "/dev/disk".into() });
    let device = Device {
        source: DeviceSource::Volume("c".into()),
        container_path: "/c".to_owned(),
        access: DeviceAccess::FULL,
    };
    assert_eq!(world.fake.configs["c"].devices, [device]);
}

#[test]
fn a_pod_that_does_not_fit_is_refused() {
    let amount = |text: &str| k8s_openapi::apimachinery::pkg::api::resource::Quantity(text.to_owned());
    let allocatable =
        [("cpu", "1"), ("memory", "1Gi"), ("pods", "3")].map(|(name, value)| (name.to_owned(), amount(value)));
    let mut world = World::on(NodeConfig { allocatable: Arc::new(allocatable.into()), ..config() });
    let rows = [
        (
            "first",
            "  containers: [{name: a, image: 'i:1', ports: [{containerPort: 80, hostPort: 80}], resources: {requests: {cpu: 600m}}}]\n",
            "Running ",
        ),
        (
            "cpu",
            "  containers: [{name: a, image: 'i:1', resources: {requests: {cpu: 500m}}}]\n",
            "Failed OutOfcpu Pod was rejected: Node didn't have enough resource: cpu, requested: 500, used: 600, capacity: 1000",
        ),
        (
            "port",
            "  containers: [{name: a, image: 'i:1', ports: [{containerPort: 8, hostPort: 80}]}]\n",
            "Failed NodePorts Pod was rejected: Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports",
        ),
        (
            "label",
            "  nodeSelector: {disk: ssd}\n  containers: [{name: a, image: 'i:1'}]\n",
            "Failed NodeAffinity Pod was rejected: Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
        ),
        ("second", "  containers: [{name: a, image: 'i:1'}]\n", "Running "),
        ("third", "  containers: [{name: a, image: 'i:1'}]\n", "Running "),
        (
            "full",
            "  containers: [{name: a, image: 'i:1'}]\n",
            "Failed OutOfpods Pod was rejected: Node didn't have enough resource: pods, requested: 1, used: 3, capacity: 3",
        ),
    ];
    for (name, spec, wanted) in rows {
        let uid = world.pod(name, spec);
        world.run(1);
        let state = &world.body(uid).state;
        let why = state.why.as_ref().map(|why| format!("{} {}", why.reason, why.message)).unwrap_or_default();
        assert_eq!(format!("{} {why}", state.phase.as_str()), wanted, "{name}");
    }
}

#[test]
fn a_pod_may_ask_for_the_labels_that_its_node_has_now() {
    let mut world = World::on(config());
    let mut node = config().to_node(world.now);
    node.metadata.labels.get_or_insert_default().insert("disk".to_owned(), "ssd".to_owned());
    world.store.create_with(Draft::of(node), WriteOptions::default(), world.now).expect("a node");
    for (name, selector) in [("host", "kubernetes.io/hostname: n1"), ("disk", "disk: ssd")] {
        let uid =
            world.pod(name, &format!("  nodeSelector: {{{selector}}}\n  containers: [{{name: a, image: 'i:1'}}]\n"));
        world.run(1);
        assert_eq!(world.body(uid).state.phase, PodPhase::Running, "{name}");
    }
}

#[test]
fn names_and_resolver_follow_the_spec() {
    let dns = ClusterDns { servers: vec![[10, 96, 0, 10].into()], domain: "cluster.local".to_owned() };
    let mut world = World::on(NodeConfig { dns: Some(Arc::new(dns)), ..config() });
    let uid = world.pod(
        "web-0",
        "  subdomain: db
  setHostnameAsFQDN: true
  dnsConfig: {nameservers: [1.1.1.1], options: [{name: ndots, value: '2'}]}
  containers: [{name: a, image: 'i:1', ports: [{containerPort: 80, hostPort: 8080}]}]\n",
    );
    let object = world.store.snapshot().get(uid).expect("a pod").clone();
    let made = super::super::sandbox::config(&object, world.body(uid), world.agent.config(), 0);
    assert_eq!(&*made.hostname, "web-0.db.default.svc.cluster.local");
    let dns = made.dns.expect("the cluster's");
    assert_eq!(dns.servers, ["10.96.0.10", "1.1.1.1"]);
    assert_eq!(dns.searches, ["default.svc.cluster.local", "svc.cluster.local", "cluster.local"]);
    assert_eq!(dns.options, ["ndots:2"]);
    assert_eq!(made.ports.iter().map(|port| (port.host_port, port.container_port)).collect::<Vec<_>>(), [(8080, 80)]);
}

#[test]
fn root_is_refused_where_it_must_not_be() {
    let mut world = World::new();
    let uid = world.pod("web", "  securityContext: {runAsNonRoot: true}\n  containers: [{name: a, image: 'i:1'}, {name: b, image: 'i:1', securityContext: {runAsUser: 7}}]\n");
    world.run(1);
    let containers = &world.body(uid).state.containers;
    let ContainerPhase::Waiting(Some(why)) = &containers[0].phase else { panic!("a waits") };
    assert_eq!(
        format!("{}: {}", why.reason, why.message),
        format!(
            "CreateContainerConfigError: container has runAsNonRoot and image will run as root (pod: \"web_default({uid})\", container: a)"
        )
    );
    assert!(matches!(containers[1].phase, ContainerPhase::Running(_)));
}

#[test]
fn images_are_pulled_one_after_another() {
    let mut world = World::new();
    world.fake.takes.insert("PullImage x:1".to_owned(), secs(3));
    world.fake.takes.insert("PullImage y:1".to_owned(), secs(3));
    world.pod("one", "  containers: [{name: a, image: 'x:1'}]\n");
    world.pod("two", "  containers: [{name: a, image: 'y:1'}]\n");
    world.run(10);
    let pulled: Vec<&str> = world.story.lines().filter(|line| line.contains("Successfully")).collect();
    assert!(pulled.len() == 2 && pulled[1].contains("in 3s (6s including waiting)"), "{pulled:?}");
}

#[test]
fn a_new_image_replaces_the_container_whatever_the_policy() {
    let mut world = World::new();
    let uid = world.pod("web", "  restartPolicy: Never\n  containers: [{name: a, image: 'i:1'}]\n");
    world.run(1);
    let edit = |world: &mut World, edit: fn(&mut serde_json::Value)| {
        let part = crate::store::Part::Main;
        world
            .store
            .edit(
                crate::object::kind::POD,
                ("default", "web"),
                part,
                WriteOptions::default(),
                world.now,
                |mut value| {
                    edit(&mut value);
                    Ok(value)
                },
            )
            .expect("edited");
        world.agent.pod_changed(uid);
        world.run(1);
    };
    edit(&mut world, |pod| pod["spec"]["containers"][0]["image"] = "j:1".into());
    assert!(world.story.contains("Container a definition changed, will be restarted"), "{}", world.story);
    let record = world.body(uid).state.containers[0].clone();
    assert_eq!((&*record.image, record.restart_count, record.ready), ("j:1", 1, true));
    assert_eq!(world.body(uid).state.phase, PodPhase::Running);
}

#[test]
fn a_runtime_that_is_away_makes_the_node_unready_until_it_is_back() {
    let mut world = World::new();
    world.pod("web", "  containers: [{name: a, image: 'i:1'}]\n");
    world.run(1);
    world.event(RuntimeEvent::Unavailable("gone".to_owned()));
    assert!(world.story.contains("node Err(\"container runtime is down: gone\")"), "{}", world.story);
    world.story.clear();
    world.event(RuntimeEvent::Relist);
    assert!(world.story.contains("node Ok(())") && world.story.contains("call Inventory"), "{}", world.story);
    assert!(!world.story.contains("Create"), "what still runs is kept: {}", world.story);
    let status = &mut world.agent.config().to_node(world.now).status.expect("a status");
    crate::node::apply_report(
        status,
        &crate::node::NodeReport {
            at: world.now,
            ready: Err("away".to_owned()),
            pressures: Default::default(),
            amounts: None,
        },
    );
    let ready = status.conditions.iter().flatten().find(|condition| condition.type_ == "Ready").expect("a condition");
    assert_eq!((ready.status.as_str(), ready.message.as_deref()), ("False", Some("away")));
}

#[test]
fn what_is_remembered_is_small() {
    use crate::node::work::{PodWork, Slot};
    assert!(size_of::<crate::node::NodeAgent>() <= 432, "{}", size_of::<crate::node::NodeAgent>());
    assert!(size_of::<PodWork>() <= 304, "{} with {}", size_of::<PodWork>(), size_of::<Slot>());
}
