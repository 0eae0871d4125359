//! What a real API server forbade, case by case: writes that are right in themselves and may not be, in its words.
//!
//! A kernel without controllers takes what a case sets up, and then the write that is judged.

use std::collections::BTreeMap;
use std::fs;

use inboard::control::ControllerMode;
use inboard::error::{ApiError, Reason};
use inboard::k8s_openapi::api::core::v1::Namespace;
use inboard::kernel::{Input, Kernel, KernelConfig, Request, RequestId};
use inboard::object::kind::{KindInfo, Kinds};
use inboard::object::manifest::FieldValidation;
use inboard::object::patch::Patch;
use inboard::store::{DeleteOptions, Draft, Part, WriteOptions};
use inboard::time::Time;
use inboard_tests::oracle::{self, Tally};
use serde_json::{Value, json};

const NOW: Time = Time::from_secs(1_800_000_000);

/// Cases about what is not built, by the beginning of their names, and why.
const ELSEWHERE: &[(&str, &str)] = &[
    ("pod-binding", "a binding is no object: the kernel has a request of its own for it"),
    ("pod-resize", "no resize of pods"),
    ("rbac-", "who asks is known where the API is served"),
];

#[test]
fn writes_are_forbidden_with_the_words_of_kubernetes() {
    let folder = oracle::folder("validation");
    let mut tally = Tally::default();
    for name in oracle::cases(&folder, ".json").expect("the folder of cases can be read") {
        let text = fs::read_to_string(folder.join(format!("{name}.json"))).expect("the case can be read");
        let case: Value = serde_json::from_str(&text).expect("the case is JSON");
        let is_quota = name.starts_with("quota-");
        if case["response"]["code"] != 403 && !is_quota {
            continue;
        }
        match ELSEWHERE.iter().find(|(prefix, _)| name.starts_with(prefix)) {
            Some((_, why)) => tally.skip(&name, why),
            None => tally.count(&name, judge(&case)),
        }
    }
    let report = tally.report("admission");
    println!("{report}");
    assert!(tally.is_green(), "{report}");
}

fn judge(case: &Value) -> Result<(), String> {
    let mut server = Server::new();
    for request in case["setup"].as_array().into_iter().flatten() {
        match server.send(request)? {
            // A namespace is born with its service account here.
            Err(error) if error.reason() != Reason::AlreadyExists => return Err(format!("the set-up: {error}")),
            _ => {}
        }
    }
    let expected = &case["response"]["body"];
    match (server.send(&case["request"])?, expected["reason"].as_str()) {
        (Ok(()), None) => Ok(()),
        (Ok(()), Some(_)) => Err(format!("was let in, not answered: {}", expected["message"])),
        (Err(error), _) => {
            let found = serde_json::to_value(error.to_status()).map_err(|error| error.to_string())?;
            let lines = oracle::differences(expected, &found);
            if lines.is_empty() { Ok(()) } else { Err(lines.join("; ")) }
        }
    }
}

struct Server {
    kernel: Kernel,
    asked: u64,
}

impl Server {
    fn new() -> Self {
        let names: Vec<&'static str> =
            Kernel::new(&KernelConfig::default(), NOW).metrics().map(|(name, _)| name).collect();
        let controllers: BTreeMap<_, _> = names.into_iter().map(|name| (name, ControllerMode::Off)).collect();
        let config = KernelConfig { controllers, scheduler: None, ..KernelConfig::default() };
        let mut server = Self { kernel: Kernel::new(&config, NOW), asked: 0 };
        let mut namespace = Namespace::default();
        namespace.metadata.name = Some("test".to_owned());
        server.ask(Request::Create(Draft::of(namespace), WriteOptions::default())).expect("the name is free");
        server
    }

    fn ask(&mut self, request: Request) -> Result<(), ApiError> {
        self.asked += 1;
        let id = RequestId(self.asked);
        let output = self.kernel.step(NOW, [Input::Request(id, Box::new(request))]);
        let mut replies = output.replies.into_iter().filter(|(of, _)| *of == id);
        replies.next().map_or(Ok(()), |(_, reply)| reply.map(|_| ()))
    }

    /// The outer error says that the request cannot be made here.
    fn send(&mut self, request: &Value) -> Result<Result<(), ApiError>, String> {
        let path = request["path"].as_str().unwrap_or_default().split('?').next().unwrap_or_default();
        let (info, namespace, name, part) = place(path).ok_or_else(|| format!("no such path: {path}"))?;
        let options = WriteOptions::default();
        let request = match (request["method"].as_str(), name) {
            (Some("POST"), None) => {
                let mut body = request["body"].clone();
                if !namespace.is_empty() {
                    body["metadata"]["namespace"] = json!(namespace);
                }
                match self.kernel.store().decode(info.id, body) {
                    Ok(draft) => Request::Create(draft, options),
                    Err(error) => return Ok(Err(error)),
                }
            }
            (Some("PATCH"), Some(name)) => {
                let patch = Patch::Merge(request["body"].clone());
                Request::Patch {
                    kind: info.id,
                    namespace,
                    name,
                    part,
                    patch,
                    duplicates: Vec::new(),
                    validation: FieldValidation::Ignore,
                    options,
                }
            }
            (Some("DELETE"), Some(name)) => {
                Request::Delete { kind: info.id, namespace, name, options: DeleteOptions::default() }
            }
            (method, _) => return Err(format!("nobody knows how to {method:?} {path}")),
        };
        Ok(self.ask(request))
    }
}

fn place(path: &str) -> Option<(KindInfo, String, Option<String>, Part)> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let (group, version, rest) = match parts.as_slice() {
        ["api", version, rest @ ..] => ("", *version, rest),
        ["apis", group, version, rest @ ..] => (*group, *version, rest),
        _ => return None,
    };
    let (rest, part) = match rest {
        [rest @ .., "status"] => (rest, Part::Status),
        rest => (rest, Part::Main),
    };
    let (namespace, plural, name) = match rest {
        ["namespaces", namespace, plural] => (*namespace, *plural, None),
        ["namespaces", namespace, plural, name] => (*namespace, *plural, Some(*name)),
        [plural] => ("", *plural, None),
        [plural, name] => ("", *plural, Some(*name)),
        _ => return None,
    };
    let info = Kinds::built_in().by_plural(group, version, plural).cloned()?;
    Some((info, namespace.to_owned(), name.map(str::to_owned), part))
}
