//! What a real Kubernetes 1.36 returned for a manifest, case by case: defaults, admission and the status that an
//! object starts with.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use inboard::object::defaults;
use inboard::object::kind::{Kinds, TypedObject};
use inboard::object::manifest::{FieldValidation, Manifest};
use inboard::object::mutate::{self, Suffix};
use inboard::object::prepare::{self, Allocation, Request};
use inboard::object::wire;
use inboard::time::Time;
use inboard_tests::oracle::{Tally, cases, differences, folder};
use k8s_openapi::api::core::v1::{Service, ServiceAccount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};

const UID: &str = "0f0f0f0f-0f0f-4f0f-8f0f-0f0f0f0f0f0f";
const SUFFIX: &str = "x7x7x";
const CLUSTER_IP: &str = "10.96.77.77";
const NODE_PORT: i32 = 31_777;
const HEALTH_CHECK_PORT: i32 = 31_778;
/// 2020-01-01T00:00:00Z, a time that no case has.
const NOW: Time = Time::from_secs(1_577_836_800);

/// Cases that need what the project does not have yet.
fn not_yet(name: &str) -> Option<&'static str> {
    let custom = name.starts_with("cr-") || name.ends_with(".example.com");
    custom.then_some("structural schemas: definitions of users' kinds and what they default and prune")
}

#[test]
fn objects_come_back_as_kubernetes_returns_them() {
    let folder = folder("defaults");
    let mut tally = Tally::default();
    for name in cases(&folder, ".yaml").expect("the folder of the recordings") {
        match not_yet(&name) {
            Some(reason) => tally.skip(&name, reason),
            None => tally.count(&name, judge(&folder, &name)),
        }
    }
    let report = tally.report("defaults");
    assert!(tally.is_green(), "{report}");
    // Shown with `--nocapture`.
    #[expect(clippy::print_stdout, reason = "the figures are what the run is for")]
    {
        print!("{report}");
    }
}

fn judge(folder: &Path, name: &str) -> Result<(), String> {
    let yaml = fs::read_to_string(folder.join(format!("{name}.yaml"))).map_err(|error| error.to_string())?;
    let json = fs::read_to_string(folder.join(format!("{name}.json"))).map_err(|error| error.to_string())?;
    let expected: Value = serde_json::from_str(&json).map_err(|error| error.to_string())?;
    let found = create(&yaml)?;
    let lines = differences(&expected, &found);
    if lines.is_empty() { Ok(()) } else { Err(lines.join("\n    ")) }
}

/// What the server does with a new object, up to the store.
fn create(yaml: &str) -> Result<Value, String> {
    let mut around: Vec<Arc<dyn TypedObject>> = vec![Arc::new(default_account())];
    for line in yaml.lines().filter_map(|line| line.strip_prefix("# setup: ")) {
        around.push(read(line)?);
    }
    let mut object = read(yaml)?;
    let object = Arc::get_mut(&mut object).ok_or("the manifest keeps the object")?;
    defaults::apply(object.as_any_mut());
    mutate::on_create(object, &*around, Suffix(SUFFIX)).map_err(|refusal| refusal.to_string())?;
    prepare::for_create(object, &Request::internal(NOW));
    if let Some(service) = object.as_any_mut().downcast_mut::<Service>() {
        allocate(service);
    }
    let once = wire::encode(&*encoded(object))?;
    defaults::apply(object.as_any_mut());
    let twice = wire::encode(&*encoded(object))?;
    if once != twice {
        return Err(format!("defaults are not idempotent: {}", differences(&once, &twice).join(", ")));
    }
    Ok(with_placeholders(once))
}
