//! What of a pod matters to other pods: its namespace, its labels, and what it says of whom it wants near.
//!
//! Pods of one template are of one kin, and a node's row counts its pods by kin, so that what others ask of them is
//! worked out once for each kin and not for each pod.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Affinity, PodAffinityTerm, PodSpec, WeightedPodAffinityTerm};

use crate::object::selector::Selector;
use crate::store::{Meta, PodBody, StringMap};

/// A term of `podAffinity` or `podAntiAffinity`.
#[derive(Clone, Debug)]
pub(crate) struct Term {
    namespaces: Vec<String>,
    namespace_selector: Selector,
    selector: Selector,
    /// `topologyKey`
    pub(crate) key: String,
    /// Of a preferred term; negative for anti-affinity. 0 for a required one.
    pub(crate) weight: i64,
}

impl Term {
    fn of(term: &PodAffinityTerm, weight: i64, namespace: &str) -> Self {
        let listed = term.namespaces.clone().unwrap_or_default();
        let own = listed.is_empty() && term.namespace_selector.is_none();
        let compiled = |selector| Selector::compile(selector).unwrap_or_else(|_| Selector::nothing());
        Self {
            namespaces: if own { vec![namespace.to_owned()] } else { listed },
            namespace_selector: compiled(term.namespace_selector.as_ref()),
            selector: compiled(term.label_selector.as_ref()),
            key: term.topology_key.clone(),
            weight,
        }
    }

    /// The labels that it looks at.
    fn keys(&self) -> impl Iterator<Item = &str> {
        self.selector.requirements().iter().map(|one| one.key())
    }

    /// Whether it speaks of pods of this kin.
    pub(crate) fn covers(&self, kin: &Kin, namespaces: &Namespaces) -> bool {
        let in_namespace = self.namespaces.iter().any(|name| **name == *kin.namespace)
            || namespaces.get(&kin.namespace).is_some_and(|labels| self.namespace_selector.matches(labels));
        in_namespace && self.selector.matches(&kin.labels)
    }
}

/// All that a pod says of whom it wants near (`spec.affinity.podAffinity` and `podAntiAffinity`).
#[derive(Clone, Debug, Default)]
pub(crate) struct Terms {
    /// Never used again for others.
    pub(crate) number: u64,
    pub(crate) required_affinity: Vec<Term>,
    pub(crate) required_anti: Vec<Term>,
    /// Preferred terms of both; those of anti-affinity have a negative weight.
    pub(crate) preferred: Vec<Term>,
}

impl Terms {
    fn of(number: u64, affinity: Option<&Affinity>, namespace: &str) -> Self {
        let required = |terms: Option<&Vec<PodAffinityTerm>>| {
            terms.into_iter().flatten().map(|term| Term::of(term, 0, namespace)).collect()
        };
        let preferred = |terms: Option<&Vec<WeightedPodAffinityTerm>>, sign: i64| {
            let terms: Vec<_> = terms.into_iter().flatten().collect();
            let term = |one: &&WeightedPodAffinityTerm| {
                Term::of(&one.pod_affinity_term, sign * i64::from(one.weight), namespace)
            };
            terms.iter().map(term).collect::<Vec<_>>()
        };
        let near = affinity.and_then(|affinity| affinity.pod_affinity.as_ref());
        let far = affinity.and_then(|affinity| affinity.pod_anti_affinity.as_ref());
        let nearly = near.and_then(|near| near.preferred_during_scheduling_ignored_during_execution.as_ref());
        let farther = far.and_then(|far| far.preferred_during_scheduling_ignored_during_execution.as_ref());
        Self {
            number,
            required_affinity: required(
                near.and_then(|near| near.required_during_scheduling_ignored_during_execution.as_ref()),
            ),
            required_anti: required(
                far.and_then(|far| far.required_during_scheduling_ignored_during_execution.as_ref()),
            ),
            preferred: preferred(nearly, 1).into_iter().chain(preferred(farther, -1)).collect(),
        }
    }

    /// Whether nothing is said.
    pub(crate) const fn is_empty(&self) -> bool {
        self.required_affinity.is_empty() && self.required_anti.is_empty() && self.preferred.is_empty()
    }

    /// The labels of pods that they look at.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        let all = self.required_affinity.iter().chain(&self.required_anti).chain(&self.preferred);
        all.flat_map(Term::keys)
    }
}

/// Pods that are alike to others.
#[derive(Debug)]
pub(crate) struct Kin {
    /// Never used again for another.
    pub(crate) number: u64,
    pub(crate) namespace: Arc<str>,
    pub(crate) labels: Arc<StringMap>,
    /// The deletion of the pod was asked for.
    pub(crate) ending: bool,
    pub(crate) terms: Arc<Terms>,
}

impl Kin {
    /// The same without the labels that nobody looks at: such as the name of its pod, which is each pod's own.
    pub(crate) fn as_seen_by(&self, keys: &BTreeSet<&str>) -> Self {
        let seen = self.labels.iter().filter(|(key, _)| keys.contains(key.as_str()));
        Self {
            number: 0,
            namespace: Arc::clone(&self.namespace),
            labels: Arc::new(seen.map(|(key, value)| (key.clone(), value.clone())).collect()),
            ending: self.ending,
            terms: Arc::clone(&self.terms),
        }
    }
}

impl PartialEq for Kin {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

/// The labels of the namespaces.
pub(crate) type Namespaces = BTreeMap<Arc<str>, Arc<StringMap>>;

/// What makes a kin; the text stands for the terms.
type Key = (Arc<str>, Arc<StringMap>, bool, Arc<str>);

/// All kins, each once.
#[derive(Debug, Default)]
pub(crate) struct Kins {
    known: BTreeMap<Key, Arc<Kin>>,
    /// How many are known before those that are no longer in use are looked for.
    limit: usize,
    /// What the affinities of specs come to, by the address of the spec, which is kept so that it stays its own.
    by_address: BTreeMap<usize, (Arc<PodSpec>, Arc<str>)>,
    terms: BTreeMap<(Arc<str>, Arc<str>), Arc<Terms>>,
    texts: BTreeSet<Arc<str>>,
    next: u64,
}

/// How many specs are remembered by their address.
const ADDRESSES_MAX: usize = 4096;
/// Fewer kins than this are not worth tidying up.
const KINS_MIN: usize = 1024;

impl Kins {
    /// The kin of a pod.
    pub(crate) fn of(&mut self, meta: &Meta, pod: &PodBody) -> Arc<Kin> {
        let text = self.text_of(&pod.spec);
        let key = (Arc::clone(&meta.namespace), Arc::clone(&meta.labels), meta.is_deleting(), text);
        if let Some(kin) = self.known.get(&key) {
            return Arc::clone(kin);
        }
        let terms = (Arc::clone(&key.0), Arc::clone(&key.3));
        self.next += 1;
        let number = self.next;
        let make = || Arc::new(Terms::of(number, pod.spec.affinity.as_ref(), &meta.namespace));
        let terms = Arc::clone(self.terms.entry(terms).or_insert_with(make));
        let kin =
            Arc::new(Kin { number, namespace: Arc::clone(&key.0), labels: Arc::clone(&key.1), ending: key.2, terms });
        if self.known.len() >= self.limit.max(KINS_MIN) {
            self.tidy();
        }
        self.known.insert(key, Arc::clone(&kin));
        kin
    }

    fn text_of(&mut self, spec: &Arc<PodSpec>) -> Arc<str> {
        let says =
            spec.affinity.as_ref().is_some_and(|all| all.pod_affinity.is_some() || all.pod_anti_affinity.is_some());
        if !says {
            return self.text("");
        }
        let address = Arc::as_ptr(spec).addr();
        if let Some((_, text)) = self.by_address.get(&address) {
            return Arc::clone(text);
        }
        let affinity = spec.affinity.as_ref();
        let said = affinity.map(|affinity| (&affinity.pod_affinity, &affinity.pod_anti_affinity));
        let text = self.text(&format!("{said:?}"));
        if self.by_address.len() >= ADDRESSES_MAX {
            self.by_address.clear();
        }
        self.by_address.insert(address, (Arc::clone(spec), Arc::clone(&text)));
        text
    }

    fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return Arc::clone(known);
        }
        let text: Arc<str> = text.into();
        self.texts.insert(Arc::clone(&text));
        text
    }

    /// Forgets what no pod is any more.
    fn tidy(&mut self) {
        self.known.retain(|_, kin| Arc::strong_count(kin) > 1);
        self.by_address.clear();
        self.terms.retain(|_, terms| Arc::strong_count(terms) > 1);
        let in_use: BTreeSet<Arc<str>> = self.terms.keys().map(|(_, text)| Arc::clone(text)).collect();
        self.texts = in_use;
        self.limit = self.known.len() * 2;
    }
}
