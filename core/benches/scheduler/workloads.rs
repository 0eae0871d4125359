//! The workloads of upstream's `scheduler_perf`, by its names and with its parameters.
//!
//! What upstream does by the clock while it measures happens here after as many pods as upstream's threshold lets pass in
//! that time: one event each 200 ms is one each 120 pods.

use crate::templates::*;
use crate::world::World;

/// Some pods of one template, in one namespace or in several.
#[derive(Clone, Copy)]
pub(crate) struct Pods {
    /// How many in each namespace.
    pub(crate) each: usize,
    pub(crate) template: Template,
    /// The namespace, or what the names of several begin with.
    pub(crate) namespace: &'static str,
    /// 0 for the namespace itself.
    pub(crate) namespaces: usize,
    /// Each has a PersistentVolume and a claim of its own.
    pub(crate) has_claim: bool,
}

impl Pods {
    /// As many fewer.
    pub(crate) fn scaled(self, divisor: usize) -> Self {
        match self.namespaces {
            0 => Self { each: (self.each / divisor).max(usize::from(self.each > 0)), ..self },
            many if divisor > 1 => Self { each: (self.each / 10).max(1), namespaces: (many / 10).max(1), ..self },
            _ => self,
        }
    }

    pub(crate) fn count(self) -> usize {
        self.each * self.namespaces.max(1)
    }

    const fn within(self, namespace: &'static str) -> Self {
        Self { namespace, ..self }
    }

    const fn with_claims(self) -> Self {
        Self { has_claim: true, ..self }
    }
}

const fn pods(each: usize, template: Template) -> Pods {
    Pods { each, template, namespace: "default", namespaces: 0, has_claim: false }
}

/// 40 in each of 100 namespaces of one team.
const fn of_team(template: Template) -> Pods {
    Pods { each: 40, template, namespace: "init-ns", namespaces: 100, has_claim: false }
}

/// One row of the table.
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    /// Upstream's threshold in pods a second.
    pub(crate) upstream: u32,
    pub(crate) nodes: &'static [(usize, NodeTemplate)],
    pub(crate) before: &'static [Pods],
    /// What else is there: a Service, gated pods, pods that go.
    pub(crate) also: Also,
    pub(crate) measured: Pods,
    /// What happens each so many pods.
    pub(crate) meanwhile: fn(&mut World, usize),
    pub(crate) every: usize,
}

type Also = fn(&mut World, usize);

const fn workload(
    name: &'static str,
    upstream: u32,
    nodes: &'static [(usize, NodeTemplate)],
    before: &'static [Pods],
    measured: Pods,
) -> Workload {
    Workload { name, upstream, nodes, before, also: |_, _| {}, measured, meanwhile: |_, _| {}, every: 256 }
}

impl Workload {
    /// Everything before the measured pods, settled and checked.
    pub(crate) fn set_up(&self, world: &mut World, divisor: usize) {
        for (count, template) in self.nodes {
            for _ in 0..if *count == 1 { 1 } else { (count / divisor).max(3) } {
                world.create_node(*template);
            }
        }
        for (index, pods) in self.before.iter().enumerate() {
            let (name, pods) = (format!("before-{index}"), pods.scaled(divisor));
            world.create_pods(&name, &pods);
            world.pass_on();
            world.schedule(|_, _| {}, 256);
            assert_eq!(world.bound_of(&name), pods.count(), "{}: the pods before the measured ones run", self.name);
        }
        (self.also)(world, divisor);
    }
}

const PLAIN: &[(usize, NodeTemplate)] = &[(5000, node)];
const ONE_ZONE: &[(usize, NodeTemplate)] = &[(5000, node_in_zone1)];
const MOONS: &[(usize, NodeTemplate)] = &[(5000, node_on_moons)];

fn churn_unschedulable(world: &mut World, turn: usize) {
    world.create_pods(&format!("churn-{turn}"), &large());
}

pub(crate) const WORKLOADS: &[Workload] = &[
    workload("SchedulingBasic/5000Nodes_10000Pods", 680, PLAIN, &[pods(1000, plain)], pods(10_000, plain)),
    workload("SchedulingBasic/5000Nodes_50000Pods", 810, PLAIN, &[pods(5000, plain)], pods(50_000, plain)),
    workload("SchedulingDaemonset/15000Nodes", 1100, &[(1, big_node), (15_000, node)], &[], pods(30_000, daemon)),
    Workload {
        meanwhile: |world, turn| world.create_pods(&format!("churn-{turn}"), &pods(1, high_priority)),
        every: 114,
        ..workload("PreemptionAsync/5000Nodes", 570, PLAIN, &[pods(20_000, low_priority)], pods(5000, plain))
    },
    Workload {
        meanwhile: churn_unschedulable,
        every: 118,
        ..workload("Unschedulable/5kNodes/100Init/10kPods", 590, PLAIN, &[pods(100, plain)], pods(10_000, plain))
    },
    Workload {
        meanwhile: churn_unschedulable,
        every: 120,
        ..workload("Unschedulable/5kNodes/20kInit/10kPods", 600, PLAIN, &[pods(20_000, plain)], pods(10_000, plain))
    },
    Workload {
        meanwhile: World::mixed_churn,
        every: 237,
        ..workload("SchedulingWithMixedChurn/5000Nodes_10000Pods", 710, PLAIN, &[], pods(10_000, plain))
    },
    Workload {
        also: |world, divisor| {
            world.leave_waiting("gated", &pods(10_000, gated).scaled(divisor));
            world.create_pods("going", &pods(20_000, light).scaled(divisor));
            world.pass_on();
            world.schedule(|_, _| {}, 256);
        },
        meanwhile: |world, turn| world.delete_pod(&format!("going-{turn}")),
        every: 18,
        ..workload("SchedulingWhileGated/1Node_10000GatedPods", 910, &[(1, big_node)], &[], pods(20_000, light))
    },
    Workload {
        also: |world, divisor| {
            let going = pods(5000, with_finalizer).scaled(divisor);
            world.create_pods("going", &going);
            (0..going.count()).for_each(|index| world.delete_pod(&format!("going-{index}")));
            world.pass_on();
        },
        ..workload("SchedulingDeletedPodsWithFinalizers/5000Node_5000DeletingPods", 830, PLAIN, &[], pods(5000, light))
    },
    workload(
        "SchedulingPodAntiAffinity/5000Nodes_2000Pods",
        180,
        PLAIN,
        &[pods(1000, apart).within("sched-0")],
        pods(2000, apart).within("sched-1"),
    ),
    workload(
        "SchedulingPodMatchingAntiAffinity/5000Nodes_5000Pods",
        540,
        PLAIN,
        &[pods(1000, apart).within("sched-0")],
        pods(4000, green).within("sched-1"),
    ),
    workload(
        "SchedulingPodAffinity/5000Nodes_5000Pods",
        70,
        ONE_ZONE,
        &[pods(5000, together).within("sched-0")],
        pods(5000, together).within("sched-1"),
    ),
    workload(
        "SchedulingPreferredPodAffinity/5000Nodes_5000Pods",
        160,
        PLAIN,
        &[pods(5000, rather_together).within("sched-0")],
        pods(5000, rather_together).within("sched-1"),
    ),
    workload(
        "SchedulingPreferredPodAntiAffinity/5000Nodes_5000Pods",
        190,
        PLAIN,
        &[pods(5000, rather_apart).within("sched-0")],
        pods(5000, rather_apart).within("sched-1"),
    ),
    workload(
        "SchedulingNodeAffinity/5000Nodes_10000Pods",
        540,
        ONE_ZONE,
        &[pods(5000, in_zones)],
        pods(10_000, in_zones),
    ),
    workload(
        "MixedSchedulingBasePod/5000Nodes_5000Pods",
        540,
        ONE_ZONE,
        &[
            pods(2000, plain).within("sched-0"),
            pods(2000, together).within("sched-0"),
            pods(2000, apart).within("sched-0"),
            pods(2000, rather_together).within("sched-0"),
            pods(2000, rather_apart).within("sched-0"),
        ],
        pods(5000, plain),
    ),
    workload(
        "SchedulingRequiredPodAntiAffinityWithNSSelector/5000Nodes_2000Pods",
        140,
        &[(6000, node)],
        &[of_team(apart_in_team)],
        pods(2000, apart_in_team).within("measure-ns-0"),
    ),
    workload(
        "SchedulingPreferredAntiAffinityWithNSSelector/5000Nodes_2000Pods",
        180,
        PLAIN,
        &[of_team(rather_apart_in_team)],
        pods(2000, rather_apart_in_team).within("measure-ns-0"),
    ),
    workload(
        "SchedulingRequiredPodAffinityWithNSSelector/5000Nodes_2000Pods",
        180,
        ONE_ZONE,
        &[of_team(together_in_team)],
        pods(2000, together_in_team).within("measure-ns-0"),
    ),
    workload(
        "SchedulingPreferredAffinityWithNSSelector/5000Nodes_5000Pods",
        190,
        PLAIN,
        &[of_team(rather_together_in_team)],
        pods(5000, rather_together_in_team).within("measure-ns-0"),
    ),
    Workload {
        also: |world, divisor| world.leave_waiting("gated", &pods(10_000, gated_with_affinity).scaled(divisor)),
        ..workload("GatedPodsWithPodAffinity/1Node_10000GatedPods", 750, &[(1, big_node)], &[], pods(20_000, light))
    },
    workload("TopologySpreading/5000Nodes_5000Pods", 460, MOONS, &[pods(5000, plain)], pods(5000, spread)),
    workload(
        "PreferredTopologySpreading/5000Nodes_5000Pods",
        340,
        MOONS,
        &[pods(5000, plain)],
        pods(5000, rather_spread),
    ),
    Workload {
        also: |world, _| world.create_service("service-ns"),
        ..workload(
            "DefaultTopologySpreading/5000Nodes_50000Pods",
            160,
            MOONS,
            &[pods(5000, plain)],
            pods(50_000, of_service).within("service-ns"),
        )
    },
    workload(
        "SchedulingWithNodeInclusionPolicy/5000Nodes",
        270,
        &[(4000, node), (1000, tainted_node)],
        &[],
        pods(4000, spread_over_untainted),
    ),
    workload(
        "SchedulingSecrets/5000Nodes_10000Pods",
        790,
        PLAIN,
        &[pods(1000, with_secret)],
        pods(10_000, with_secret),
    ),
    Workload {
        also: |world, _| world.limit_volumes(),
        ..workload(
            "SchedulingCSIPVs/5000Nodes_5000Pods",
            100,
            PLAIN,
            &[pods(5000, plain).with_claims()],
            pods(5000, plain).with_claims(),
        )
    },
];

/// A pod that fits nowhere.
pub(crate) const fn large() -> Pods {
    pods(1, high_priority_large_cpu)
}
