//! Sandboxes: run, stop, remove, list.

use std::sync::Arc;

use inboard::ids::Uid;
use inboard::runtime::{
    Inventory, PodIdentity, RuntimeErrorKind, RuntimeInfo, SandboxConfig, SandboxId, SandboxState, SandboxStatus,
};
use inboard::time::Time;

use super::container::Container;
use super::serve::About;
use super::{Answer, MockState, error};
use crate::address::Address;
use crate::calls::Verb;
use crate::ids::{Key, hash_text};

/// What is kept of a sandbox. Small on purpose: a large cluster has one for each pod.
#[derive(Debug)]
pub(super) struct Sandbox {
    pub(super) id: SandboxId,
    pub(super) pod: PodIdentity,
    pub(super) hostname: Arc<str>,
    pub(super) created_at: Time,
    pub(super) attempt: u32,
    pub(super) address: Option<Address>,
    pub(super) ready: bool,
    pub(super) next_ordinal: u32,
    pub(super) containers: Vec<Container>,
}

/// A sandbox in the list, with what it is looked up by beside it.
#[derive(Debug)]
pub(super) struct SandboxEntry {
    pub(super) number: u64,
    /// Half of the pod's uid: enough to skip nearly all others.
    uid: u64,
    pub(super) sandbox: Box<Sandbox>,
}

impl SandboxEntry {
    fn is_of(&self, uid: Uid, attempt: u32) -> bool {
        self.uid == half(uid) && self.sandbox.pod.uid == uid && self.sandbox.attempt == attempt
    }
}

const fn half(uid: Uid) -> u64 {
    (uid.as_u128() & u64::MAX as u128) as u64
}

impl MockState {
    pub(super) fn sandbox(&self, number: u64) -> Option<&Sandbox> {
        let index = self.sandboxes.binary_search_by_key(&number, |entry| entry.number).ok()?;
        Some(&self.sandboxes[index].sandbox)
    }

    pub(super) fn sandbox_mut(&mut self, number: u64) -> Option<&mut Sandbox> {
        let index = self.sandboxes.binary_search_by_key(&number, |entry| entry.number).ok()?;
        Some(&mut self.sandboxes[index].sandbox)
    }

    pub(super) fn find_sandbox(&self, id: &SandboxId) -> Option<&Sandbox> {
        let key = Key::of_id(id.as_str(), self.salt)?;
        self.sandbox(key.sandbox_number()).filter(|sandbox| sandbox.id == *id)
    }

    /// The number of the sandbox with this id.
    pub(super) fn sandbox_number(&self, id: &SandboxId) -> Option<u64> {
        let number = Key::of_id(id.as_str(), self.salt)?.sandbox_number();
        self.sandbox(number).filter(|sandbox| sandbox.id == *id).map(|_| number)
    }

    pub(super) fn sandbox_status(&self, sandbox: &Sandbox) -> SandboxStatus {
        SandboxStatus {
            id: sandbox.id.clone(),
            pod: sandbox.pod.clone(),
            attempt: sandbox.attempt,
            state: if sandbox.ready { SandboxState::Ready } else { SandboxState::NotReady },
            created_at: sandbox.created_at,
            ips: sandbox.address.and_then(|address| self.addresses.ip(address)).into_iter().collect(),
        }
    }

    pub(crate) fn info(&mut self, now: Time) -> Answer<RuntimeInfo> {
        self.serve(now, Verb::Info, About::Node, |state, now| {
            let info = match &state.info {
                Some(info) => (**info).clone(),
                None => RuntimeInfo { name: "mock".into(), version: env!("CARGO_PKG_VERSION").into() },
            };
            (now, Ok(info)).into()
        })
    }

    pub(crate) fn run_pod_sandbox(&mut self, now: Time, config: &SandboxConfig) -> Answer<SandboxStatus> {
        self.serve(now, Verb::RunPodSandbox, About::Pod(&config.pod), |state, now| {
            let there = state.sandboxes.iter().find(|entry| entry.is_of(config.pod.uid, config.attempt));
            if let Some(entry) = there {
                return (now, Ok(state.sandbox_status(&entry.sandbox))).into();
            }
            if state.node.is_none() {
                state.addresses.on_node(config.node.as_str());
                // Nodes with the same seed have different ids.
                state.salt = hash_text(state.seed, config.node.as_str());
                state.node = Some(config.node.clone());
            }
            let address = if config.spec.host_network == Some(true) {
                None
            } else {
                let Some(address) = state.addresses.take() else {
                    let message = "no ip addresses available in the range of this node";
                    return (now, Err(error(RuntimeErrorKind::ResourceExhausted, message))).into();
                };
                Some(address)
            };
            let number = state.next_sandbox;
            state.next_sandbox += 1;
            let sandbox = Box::new(Sandbox {
                id: SandboxId::new(Key::sandbox(number).id(state.salt)),
                pod: config.pod.clone(),
                hostname: config.hostname.clone(),
                created_at: now,
                attempt: config.attempt,
                address,
                ready: true,
                next_ordinal: 1,
                containers: Vec::new(),
            });
            let status = state.sandbox_status(&sandbox);
            state.sandboxes.push(SandboxEntry { number, uid: half(config.pod.uid), sandbox });
            (now, Ok(status)).into()
        })
    }

    pub(crate) fn stop_pod_sandbox(&mut self, now: Time, id: &SandboxId) -> Answer<()> {
        self.serve(now, Verb::StopPodSandbox, About::Sandbox(id), |state, now| {
            if let Some(number) = state.sandbox_number(id) {
                state.stop_sandbox(now, number);
            }
            (now, Ok(())).into()
        })
    }

    /// Kills the containers of a sandbox and gives back its address.
    pub(super) fn stop_sandbox(&mut self, now: Time, number: u64) {
        let Some(sandbox) = self.sandbox_mut(number) else { return };
        sandbox.ready = false;
        let address = sandbox.address.take();
        let ordinals: Vec<u32> = sandbox.containers.iter().map(|container| container.ordinal).collect();
        for ordinal in ordinals {
            self.kill(now, Key::sandbox(number).container(ordinal));
        }
        if let Some(address) = address {
            self.addresses.give_back(address);
        }
    }

    pub(crate) fn remove_pod_sandbox(&mut self, now: Time, id: &SandboxId) -> Answer<()> {
        self.serve(now, Verb::RemovePodSandbox, About::Sandbox(id), |state, now| {
            if let Some(number) = state.sandbox_number(id) {
                state.stop_sandbox(now, number);
                state.sandboxes.retain(|entry| entry.number != number);
                // A large burst should not cost memory for ever after.
                if state.sandboxes.len() * 4 < state.sandboxes.capacity() {
                    state.sandboxes.shrink_to(state.sandboxes.len() * 2);
                }
            }
            (now, Ok(())).into()
        })
    }

    pub(crate) fn inventory(&mut self, now: Time) -> Answer<Inventory> {
        self.serve(now, Verb::Inventory, About::Node, |state, now| (now, Ok(state.list())).into())
    }

    /// Everything that this node holds, without a call being made: what a test looks at.
    pub fn list(&self) -> Inventory {
        self.list_at(self.now)
    }

    pub(super) fn list_at(&self, now: Time) -> Inventory {
        let mut sandboxes: Vec<&Sandbox> = self.sandboxes.iter().map(|entry| &*entry.sandbox).collect();
        sandboxes.sort_by_key(|sandbox| (&sandbox.pod, sandbox.attempt));
        let mut inventory = Inventory::default();
        for sandbox in sandboxes {
            inventory.sandboxes.push(self.sandbox_status(sandbox));
            let containers = sandbox.containers.iter();
            inventory.containers.extend(containers.map(|container| container.status(sandbox, now)));
        }
        inventory.volumes = self.volumes.pods().cloned().collect();
        inventory.claims = self.claims.held();
        inventory
    }
}
