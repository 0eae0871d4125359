//! What a user sees at the terminal, and the transcript of it: every command with what it printed, without what differs
//! from one run to the next: generated names, ages, addresses, ids, and which node it was.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Mutex;

use inboard::k8s_openapi::api::core::v1::Pod;
use inboard::{Api, Cluster, ListParams};
use inboard_tests::kubectl::Kubectl;

/// A user at a keyboard.
pub(super) struct Terminal<'a> {
    pub(super) kubectl: &'a Kubectl,
    cluster: &'a Cluster,
    which: String,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// The names that were given out, and what stands for them.
    names: BTreeMap<String, String>,
    /// The hashes of templates.
    hashes: BTreeSet<String>,
    lines: Vec<String>,
}

impl<'a> Terminal<'a> {
    pub(super) fn new(kubectl: &'a Kubectl, cluster: &'a Cluster, which: String) -> Self {
        Self { kubectl, cluster, which, seen: Mutex::default() }
    }

    /// Types a command that must work, and returns what it prints.
    pub(super) async fn types(&self, words: &str) -> String {
        self.feeds(words, "").await
    }

    /// Types a command that reads a manifest.
    pub(super) async fn feeds(&self, words: &str, manifest: &str) -> String {
        let printed = self.does(words, &[], manifest).await;
        self.note(words, printed.lines());
        printed
    }

    /// Types a command whose last word has blanks in it.
    pub(super) async fn types_with(&self, words: &str, last: &str) -> String {
        let printed = self.does(words, &[last], "").await;
        self.note(&format!("{words} '{last}'"), printed.lines());
        printed
    }

    /// Types a command that says again and again how far it is: what it says last counts.
    pub(super) async fn waits(&self, words: &str) -> String {
        let printed = self.does(words, &[], "").await;
        self.note(words, printed.lines().last());
        printed
    }

    /// Types a command whose output depends on the moment.
    pub(super) async fn glances(&self, words: &str) -> String {
        let printed = self.does(words, &[], "").await;
        self.note(words, []);
        printed
    }

    /// Types a command that must print these lines.
    pub(super) async fn sees(&self, words: &str, manifest: &str, lines: &[&str]) {
        let printed = self.feeds(words, manifest).await;
        assert_eq!(printed.lines().collect::<Vec<_>>(), lines, "{}: kubectl {words}", self.which);
    }

    /// Types a `get`, and returns the cells of its lines, the title first.
    pub(super) async fn table(&self, words: &str) -> Vec<Vec<String>> {
        self.types(words).await.lines().map(cells).collect()
    }

    /// Types a command that must fail, and returns what it complains of.
    pub(super) async fn fails(&self, words: &str, manifest: &str) -> String {
        let done = self.kubectl.run_with(words, &[] as &[&str], manifest).await;
        assert_ne!(done.code, 0, "{}: kubectl {words}: {done:?}", self.which);
        self.note(words, done.stderr.lines());
        done.stderr
    }

    /// All that was typed and printed so far, ready to be compared.
    pub(super) fn transcript(&self) -> Vec<String> {
        self.seen.lock().expect("no panic before").lines.clone()
    }

    async fn does(&self, words: &str, more: &[&str], manifest: &str) -> String {
        self.learn_names().await;
        let done = self.kubectl.run_with(words, more, manifest).await;
        assert_eq!(done.code, 0, "{}: kubectl {words}: {done:?}\n{}", self.which, self.transcript().join("\n"));
        self.learn_names().await;
        done.stdout
    }

    async fn learn_names(&self) {
        let pods: Api<Pod> = Api::all(self.cluster);
        let pods = pods.list(&ListParams::default()).await.expect("pods").items;
        let mut seen = self.seen.lock().expect("no panic before");
        for pod in pods {
            let hash = pod.metadata.labels.and_then(|mut labels| labels.remove("pod-template-hash"));
            if let (Some(name), Some(begin)) = (pod.metadata.name, pod.metadata.generate_name) {
                seen.names.insert(name, format!("{begin}*"));
            }
            // A restart writes its time into the template.
            seen.hashes.extend(hash);
        }
    }

    fn note<'l>(&self, words: &str, printed: impl IntoIterator<Item = &'l str>) {
        let mut seen = self.seen.lock().expect("no panic before");
        let mut shown: Vec<String> = printed.into_iter().map(|line| without_chance(line, &seen)).collect();
        if words.starts_with("get ") {
            // Lists are in the order of names.
            shown.sort();
        }
        let typed = without_chance(&format!("$ kubectl {words}"), &seen);
        seen.lines.push(typed);
        seen.lines.extend(shown);
    }
}

/// The cells of a line: columns are three blanks apart, and a cell may have single blanks in it.
pub(super) fn cells(line: &str) -> Vec<String> {
    line.split("   ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect()
}

/// Fields whose values are nobody's choice.
const BY_CHANCE: [&str; 12] = [
    "Container ID:",
    "Image ID:",
    "Start Time:",
    "Started:",
    "Finished:",
    "creationTimestamp:",
    "resourceVersion:",
    "uid:",
    "lastTransitionTime:",
    "lastUpdateTime:",
    "checksum/config:",
    "clusterIP:",
];

/// A line without what differs from run to run.
fn without_chance(line: &str, seen: &Seen) -> String {
    if let Some(field) = BY_CHANCE.iter().find(|field| line.trim_start().starts_with(**field)) {
        return (*field).to_owned();
    }
    // What a pull took is told at the end of its message.
    let line = line.split(" including waiting). Image size: ").next().unwrap_or(line);
    let mut line = line.to_owned();
    for (name, stands) in &seen.names {
        line = line.replace(name.as_str(), stands);
    }
    for hash in &seen.hashes {
        line = line.replace(hash.as_str(), "HASH");
    }
    let words: Vec<String> = line.split_whitespace().map(word_without_chance).collect();
    words.join(" ")
}

fn word_without_chance(word: &str) -> String {
    let bare = word.trim_matches(|letter: char| !letter.is_alphanumeric());
    let stands = if is_age(bare) {
        "AGE"
    } else if bare.parse::<IpAddr>().is_ok()
        || bare.split(['/', ':']).next().is_some_and(|ip| ip.parse::<IpAddr>().is_ok())
    {
        "ADDRESS"
    } else if bare.starts_with("host0") {
        "NODE"
    } else {
        return word.to_owned();
    };
    word.replace(bare, stands)
}

/// Whether this is a time as kubectl tells it: `5s`, `2m10s`, `800ms`, `1.2s`.
fn is_age(word: &str) -> bool {
    let units = |letter: char| "smhdyµn".contains(letter);
    let numbers = |letter: char| letter.is_ascii_digit() || letter == '.';
    word.starts_with(|letter: char| letter.is_ascii_digit())
        && word.ends_with(units)
        && word.chars().all(|letter| units(letter) || numbers(letter))
}

#[test]
fn what_differs_from_run_to_run_is_not_compared() {
    let seen = Seen {
        names: BTreeMap::from([("nginx-5b4-abcde".to_owned(), "nginx-5b4-*".to_owned())]),
        hashes: BTreeSet::from(["5b4".to_owned()]),
        lines: Vec::new(),
    };
    let rows = [
        (
            "nginx-5b4-abcde   1/1   Running   1 (2m10s ago)   3s   10.88.1.7   host02   <none>",
            "nginx-HASH-* 1/1 Running 1 (AGE ago) AGE ADDRESS NODE <none>",
        ),
        ("pod/nginx-5b4-abcde condition met", "pod/nginx-HASH-* condition met"),
        ("    Container ID:   containerd://77", "Container ID:"),
        (
            "  Normal  Pulled  3s  kubelet  Successfully pulled image \"nginx\" in 2ms (2ms including waiting). Image size: 5 bytes.",
            "Normal Pulled AGE kubelet Successfully pulled image \"nginx\" in AGE (AGE",
        ),
        ("nginx   Deployment/nginx   cpu: 0%/50%   1   10   3   2s", "nginx Deployment/nginx cpu: 0%/50% 1 10 3 AGE"),
    ];
    for (line, shown) in rows {
        assert_eq!(without_chance(line, &seen), shown);
    }
}
