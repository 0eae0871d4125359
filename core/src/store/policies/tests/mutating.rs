//! What mutating policies make of objects.

use super::*;

const GROUP: &str = "admissionregistration.k8s.io/v1";

impl World {
    /// With a mutating policy for Deployments and ConfigMaps, and a binding; what they say replaces what is usual.
    fn mutate(&mut self, name: &str, policy: &Value, binding: &Value) {
        let rules = [rule_of("apps", "v1", "deployments"), rule_of("", "v1", "configmaps")];
        let mut spec = json!({
            "matchConstraints": { "resourceRules": rules },
            "reinvocationPolicy": "Never",
        });
        merge(&mut spec, policy);
        self.must(&value(GROUP, "MutatingAdmissionPolicy", name, &json!({ "spec": spec })));
        let mut spec = json!({ "policyName": name });
        merge(&mut spec, binding);
        self.must(&value(GROUP, "MutatingAdmissionPolicyBinding", name, &json!({ "spec": spec })));
    }

    fn shown(&self, kind: KindId, name: &str) -> Value {
        self.store.snapshot().find(kind, "shop", name).expect("it is there").to_wire(self.store.kinds())
    }

    fn labels(&self, name: &str) -> Value {
        self.shown(kind::CONFIG_MAP, name)["metadata"]["labels"].clone()
    }
}

fn rule_of(group: &str, version: &str, resource: &str) -> Value {
    json!({
        "apiGroups": [group], "apiVersions": [version], "operations": ["CREATE", "UPDATE"], "resources": [resource],
    })
}

fn apply(expression: &str) -> Value {
    json!({ "patchType": "ApplyConfiguration", "applyConfiguration": { "expression": expression } })
}

fn patch(expression: &str) -> Value {
    json!({ "patchType": "JSONPatch", "jsonPatch": { "expression": expression } })
}

fn label(name: &str, value: &str) -> Value {
    apply(&format!("Object{{metadata: Object.metadata{{labels: {{'{name}': {value}}}}}}}"))
}

#[test]
fn what_is_applied_is_merged_and_patches_are_made() {
    let mut world = World::new();
    let sidecar = "Object{spec: Object.spec{template: Object.spec.template{spec: Object.spec.template.spec{
        initContainers: [Object.spec.template.spec.initContainers{
            name: 'mesh', image: variables.image, restartPolicy: 'Always'}]}}}}";
    let policy = json!({
        "matchConditions": [{ "name": "few", "expression": "object.spec.replicas < 9" }],
        "variables": [{ "name": "image", "expression": "'mesh:' + string(object.spec.replicas)" }],
        "mutations": [
            apply(sidecar),
            patch("[JSONPatch{op: 'test', path: '/spec/replicas', value: 3},
                    JSONPatch{op: 'replace', path: '/spec/replicas', value: object.spec.replicas + 1},
                    JSONPatch{op: 'add', path: '/metadata/annotations', value: {}},
                    JSONPatch{op: 'add', path: '/metadata/annotations/' + jsonpatch.escapeKey('example.com/by'),
                              value: request.userInfo.username}]"),
        ],
        "matchConstraints": { "resourceRules": [rule_of("apps", "v1", "deployments")] },
    });
    world.mutate("sidecar", &policy, &json!({}));
    world.must(&deployment("web", 3, &json!({})));
    let web = world.shown(DEPLOYMENT, "web");
    assert_eq!(web["spec"]["replicas"], 4);
    assert_eq!(web["metadata"]["annotations"]["example.com/by"], "system:admin");
    let pod = &web["spec"]["template"]["spec"];
    assert_eq!(pod["initContainers"][0]["image"], "mesh:3");
    assert_eq!(pod["initContainers"][0]["imagePullPolicy"], "IfNotPresent", "what was added has its defaults");
    assert_eq!(pod["containers"][0]["image"], "web:1", "what was there stays");
    // The test fails, so that nothing of that patch counts.
    world.must(&deployment("two", 2, &json!({})));
    assert_eq!(world.shown(DEPLOYMENT, "two")["spec"]["replicas"], 2);
    world.must(&deployment("many", 9, &json!({})));
    assert_eq!(world.shown(DEPLOYMENT, "many")["spec"]["template"]["spec"]["initContainers"], Value::Null);
    // Updates meet it, too, and a validating policy judges what has become of the object.
    world.bind(&json!({ "validations": [{ "expression": "object.spec.replicas != 4" }] }), &json!({}));
    let told = world.update(DEPLOYMENT, "two", |object| object["spec"]["replicas"] = 3.into());
    assert_eq!(why(&told), "failed expression: object.spec.replicas != 4");
}

#[test]
fn parameters_and_users_own_versions_are_seen() {
    let mut world = World::new();
    let policy = json!({
        "paramKind": { "apiVersion": "v1", "kind": "ConfigMap" },
        "mutations": [label("tier", "params.data.tier")],
        "matchConstraints": { "resourceRules": [rule_of("apps", "v1", "deployments")] },
    });
    let binding = json!({ "paramRef": { "name": "tiers", "parameterNotFoundAction": "Deny" } });
    world.mutate("tier", &policy, &binding);
    let refused = world.create(&deployment("web", 1, &json!({})));
    assert_eq!(
        refused,
        "policy 'tier' with binding 'tier' denied request: failed to configure binding: \
         no params found for policy binding with `Deny` parameterNotFoundAction"
    );
    world.must(&map("tiers", &json!({ "tier": "gold" }), &json!({})));
    world.must(&deployment("web", 1, &json!({ "app": "web" })));
    assert_eq!(world.shown(DEPLOYMENT, "web")["metadata"]["labels"], json!({ "app": "web", "tier": "gold" }));
}

#[test]
fn what_cannot_be_worked_out_is_refused_unless_it_may_fail() {
    let rows = [
        (
            label("a", "object.data.missing"),
            "expression 'Object{metadata: Object.metadata{labels: {'a': object.data.missing}}}' resulted in error: \
             no such key: missing",
        ),
        (
            apply("Object{metadata: Object.spec{labels: {'a': 'b'}}}"),
            "type mismatch: unexpected type name \"Object.spec\", expected \"Object.metadata\", which matches field name \
             path from root Object type",
        ),
        (
            apply("Object{nothing: 'x'}"),
            "error applying patch: failed to convert patch object to typed object: .nothing: field not declared in schema",
        ),
        (
            apply(
                "Object{metadata: Object.metadata{ownerReferences: [Object.metadata.ownerReferences{uid: 'x'}],
                managedFields: [Object.metadata.managedFields{manager: 'm'}]}}",
            ),
            "error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: \
             .metadata.managedFields, .metadata.ownerReferences[0]",
        ),
        (
            patch("[JSONPatch{op: 'remove', path: '/data/none'}]"),
            "JSONPath: operation 0 (remove) at \"/data/none\": there is no such field",
        ),
        (
            apply("{'a': Object{}}[?'b'].orValue(object.data.k)"),
            "unsupported return type from ApplyConfiguration expression: string",
        ),
        (
            patch(&format!("[JSONPatch{{op: 'add', path: '/data/k', value: [[0]]{}}}]", ".map(x, [x, x])".repeat(40))),
            "the value is too large to be written",
        ),
    ];
    for (mutation, expected) in rows {
        let mut world = World::new();
        world.mutate("p", &json!({ "mutations": [mutation] }), &json!({}));
        let told = world.create(&map("m", &json!({ "k": "v" }), &json!({})));
        let told = told.strip_prefix("policy 'p' with binding 'p' denied request: ").unwrap_or(&told);
        assert_eq!(told, expected, "{mutation}");
        let mut world = World::new();
        world.mutate("p", &json!({ "mutations": [mutation], "failurePolicy": "Ignore" }), &json!({}));
        assert_eq!(world.create(&map("m", &json!({ "k": "v" }), &json!({}))), "", "{mutation}");
    }
}

#[test]
fn a_policy_has_a_second_turn_when_it_wants_one_and_something_changed() {
    let count = "[JSONPatch{op: 'replace', path: '/data/turns', value: string(int(object.data.turns) + 1)}]";
    for (reinvocation, others_change, turns) in
        [("Never", true, "1"), ("IfNeeded", true, "2"), ("IfNeeded", false, "1")]
    {
        let mut world = World::new();
        let policy = json!({ "mutations": [patch(count)], "reinvocationPolicy": reinvocation });
        world.mutate("first", &policy, &json!({}));
        let value = if others_change { "'new'" } else { "'old'" };
        world.mutate("second", &json!({ "mutations": [label("a", value)] }), &json!({}));
        world.must(&map("m", &json!({ "turns": "0" }), &json!({ "a": "old" })));
        assert_eq!(world.shown(kind::CONFIG_MAP, "m")["data"]["turns"], turns, "{reinvocation} {others_change}");
        assert_eq!(world.labels("m")["a"], value.trim_matches('\''));
    }
}

#[test]
fn the_cluster_itself_is_not_changed_and_controllers_are() {
    let mut world = World::new();
    world.mutate("p", &json!({ "mutations": [label("seen", "'yes'")] }), &json!({}));
    for (author, expected) in
        [(Author::Inside, Value::Null), (Author::Controller("some-controller"), json!({ "seen": "yes" }))]
    {
        let name = format!("by-{}", expected.is_null());
        world.author = author;
        world.must(&map(&name, &json!({}), &json!({})));
        assert_eq!(world.labels(&name), expected);
    }
}

/// What is asked for beside an object is changed before it is done, and so is what controllers write of what is there.
#[test]
fn scales_evictions_bindings_and_what_controllers_write_are_changed() {
    let rule = |resource: &str| json!({ "apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": [resource] });
    let about = |resource: &str, mutation: Value| json!({ "matchConstraints": { "resourceRules": [rule(resource)] }, "mutations": [mutation] });
    let mut world = World::new();
    world.must(&deployment("web", 3, &json!({})));
    let pod = json!({ "namespace": "shop", "spec": { "containers": [{ "name": "c", "image": "c:1" }] } });
    world.must(&value("v1", "Pod", "p", &pod));
    let scaled = apply("Object{spec: Object.spec{replicas: object.spec.replicas > 5 ? 5 : object.spec.replicas}}");
    world.mutate("scale", &about("deployments/scale", scaled), &json!({}));
    let annotate = "Object{metadata: Object.metadata{annotations: {'by': request.userInfo.username}}}";
    world.mutate("bind", &about("pods/binding", apply(annotate)), &json!({}));
    let grace = "[JSONPatch{op: 'add', path: '/deleteOptions', value: Object.deleteOptions{gracePeriodSeconds: 7}}]";
    world.mutate("evict", &about("pods/eviction", patch(grace)), &json!({}));

    let more = ScaleEdit::Patch(Patch::Merge(json!({ "spec": { "replicas": 9 } })));
    let told = world.act(|store| store.edit_scale(DEPLOYMENT, ("shop", "web"), &more, &WriteOptions::default(), NOW));
    assert_eq!((told.as_str(), &world.shown(DEPLOYMENT, "web")["spec"]["replicas"]), ("", &json!(5)));
    let commit = |world: &mut World, author, action| {
        let done = world.store.by(author, Value::Null, |store| store.commit(vec![action], NOW)).0;
        assert_eq!(done, Ok(()));
    };
    let target = |world: &World, kind, name: &str| {
        Target::any_version(world.store.snapshot().find(kind, "shop", name).expect("it is there").meta.uid)
    };
    let scaler = Author::Controller("horizontal-pod-autoscaler");
    let action = Action::Scale { target: target(&world, DEPLOYMENT, "web"), replicas: 8 };
    commit(&mut world, scaler, action);
    assert_eq!(world.shown(DEPLOYMENT, "web")["spec"]["replicas"], 5);

    let action = Action::Bind { target: target(&world, kind::POD, "p"), node: "n".into() };
    commit(&mut world, Author::Scheduler, action);
    assert_eq!(world.shown(kind::POD, "p")["metadata"]["annotations"]["by"], "system:kube-scheduler");
    assert_eq!(world.act(|store| store.evict("shop", "p", DeleteOptions::default(), NOW)), "");
    assert_eq!(world.shown(kind::POD, "p")["metadata"]["deletionGracePeriodSeconds"], 7);

    world.must(&map("m", &json!({ "k": "v" }), &json!({})));
    world.mutate("maps", &about("configmaps", label("seen", "object.metadata.annotations['by']")), &json!({}));
    let edit = MetaEdit { annotations: vec![("by".to_owned(), Some("me".to_owned()))], ..MetaEdit::default() };
    let action = Action::EditMeta { target: target(&world, kind::CONFIG_MAP, "m"), edit };
    commit(&mut world, Author::Controller("some-controller"), action);
    let map = world.shown(kind::CONFIG_MAP, "m");
    assert_eq!(
        (&map["metadata"]["annotations"]["by"], &map["metadata"]["labels"]["seen"]),
        (&json!("me"), &json!("me"))
    );
    let web = world.store.snapshot().find(DEPLOYMENT, "shop", "web").expect("it is there").clone();
    let status =
        about("deployments/status", apply("Object{status: Object.status{replicas: object.status.replicas + 2}}"));
    world.mutate("status", &status, &json!({}));
    let mut typed = web.typed::<k8s_openapi::api::apps::v1::Deployment>().expect("a deployment").clone();
    typed.status.get_or_insert_default().replicas = Some(2);
    let action = Action::UpdateStatus { target: target(&world, DEPLOYMENT, "web"), object: Arc::new(typed) };
    commit(&mut world, Author::Controller("deployment-controller"), action);
    assert_eq!(world.shown(DEPLOYMENT, "web")["status"]["replicas"], 4);
    world.store.snapshot().check_indexes().expect("indexes agree");
}

#[test]
fn a_policy_that_cannot_work_is_not_let_in() {
    let rows = [
        (json!({ "mutations": [] }), "spec.mutations: Required value: mutations must contain at least one item"),
        (
            json!({ "mutations": [{ "patchType": "JSONPatch", "applyConfiguration": { "expression": "Object{}" } }] }),
            "spec.mutations[0].applyConfiguration: Invalid value: \"{applyConfiguration}\": \
             must not be specified when patchType is JSONPatch",
        ),
        (
            json!({ "mutations": [apply("{'a': 1}")] }),
            "spec.mutations[0].applyConfiguration.expression: Invalid value: \"{'a': 1}\": \
             must evaluate to Object but got map(string, int)",
        ),
        (
            json!({ "mutations": [patch("[JSONPatch{op: 1}]")] }),
            "expected type of field 'op' is 'string' but provided type is 'int'",
        ),
        (json!({ "mutations": [apply("Thing{}")] }), "undeclared reference to 'Thing' (in container '')"),
        (json!({ "reinvocationPolicy": "Often" }), "spec.reinvocationPolicy: Unsupported value: \"Often\""),
        (
            json!({ "matchConstraints": { "resourceRules": [
                { "apiGroups": [""], "apiVersions": ["v1"], "operations": ["DELETE"], "resources": ["pods"] }
            ] } }),
            "spec.matchConstraints.resourceRules.operations: Unsupported value: \"DELETE\": \
             supported values: \"*\", \"CONNECT\", \"CREATE\", \"UPDATE\"",
        ),
    ];
    for (more, expected) in rows {
        let mut spec = json!({
            "matchConstraints": { "resourceRules": [rule_of("", "v1", "pods")] },
            "reinvocationPolicy": "Never",
            "mutations": [apply("Object{}")],
        });
        merge(&mut spec, &more);
        let told = World::new().create(&value(GROUP, "MutatingAdmissionPolicy", "p", &json!({ "spec": spec })));
        assert!(told.contains(expected), "{more}: {told}");
    }
    let made = World::new().create(&value(
        GROUP,
        "ValidatingAdmissionPolicy",
        "p",
        &json!({ "spec": {
            "matchConstraints": { "resourceRules": [rule("", "v1", "pods")] },
            "validations": [{ "expression": "Object{} == object" }],
        } }),
    ));
    assert!(made.contains("undeclared reference to 'Object'"), "{made}");
}
