//! Random nodes and claims, against a search that tries every way to give out the devices: a pod is placed where there is
//! one, and only there, and what its claims have is right.

use std::collections::{BTreeMap, BTreeSet};

use inboard_tests::dice::Dice;

use super::words::outcome;

/// A device of the node, with its values for `a` and `b`.
#[derive(Clone, Debug)]
struct Device {
    name: String,
    a: u64,
    b: u64,
    is_taken: bool,
}

/// One device that a claim asks for: of which claim, in which request, and what its `a` must be.
#[derive(Clone, Debug)]
struct Slot {
    claim: usize,
    request: String,
    a: Option<u64>,
}

/// A constraint on `b` of all devices of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    Any,
    Same,
    Different,
}

struct Case {
    devices: Vec<Device>,
    slots: Vec<Slot>,
    rules: Vec<Rule>,
    there: Vec<String>,
}

fn case(dice: &mut Dice) -> Case {
    let mut there = vec!["node n".to_owned(), "class gpu".to_owned()];
    let devices: Vec<Device> = (0..=dice.roll(5))
        .map(|number| Device { name: format!("g{number}"), a: dice.roll(2), b: dice.roll(2), is_taken: dice.one_in(5) })
        .collect();
    let words = devices.iter().map(|device| format!("{},a={},b={}", device.name, device.a, device.b));
    there.push(format!("slice s on=n {}", words.collect::<Vec<_>>().join(" ")));
    for device in devices.iter().filter(|device| device.is_taken) {
        there.push(format!("claim of-{} r=gpu", device.name));
        there.push(format!("has of-{} n {}", device.name, device.name));
    }
    let (mut slots, mut rules) = (Vec::new(), Vec::new());
    for claim in 0..=dice.roll(2) as usize {
        let mut line = format!("claim c{claim}");
        for request in ["r", "t"].iter().take(1 + dice.roll(2) as usize) {
            let count = 1 + dice.roll(2);
            let a = dice.one_in(2).then(|| dice.roll(2));
            let test = a.map_or_else(String::new, |a| format!("?device.attributes['d'].a=={a}"));
            line += &format!(" {request}=gpu*{count}{test}");
            slots.extend((0..count).map(|_| Slot { claim, request: (*request).to_owned(), a }));
        }
        let rule = dice.pick(&[Rule::Any, Rule::Same, Rule::Different]);
        line += match rule {
            Rule::Any => "",
            Rule::Same => " match=d/b",
            Rule::Different => " distinct=d/b",
        };
        rules.push(rule);
        there.push(line);
    }
    Case { devices, slots, rules, there }
}

impl Case {
    /// Whether this device for each slot is right.
    fn is_right(&self, given: &[&Device]) -> bool {
        let mut seen = BTreeSet::new();
        let mut values: BTreeMap<usize, Vec<u64>> = BTreeMap::new();
        for (slot, device) in self.slots.iter().zip(given) {
            if device.is_taken || slot.a.is_some_and(|a| a != device.a) || !seen.insert(&device.name) {
                return false;
            }
            values.entry(slot.claim).or_default().push(device.b);
        }
        values.iter().all(|(claim, values)| {
            let different = values.iter().collect::<BTreeSet<_>>().len();
            match self.rules[*claim] {
                Rule::Any => true,
                Rule::Same => different == 1,
                Rule::Different => different == values.len(),
            }
        })
    }

    /// Whether there is any way.
    fn can_be<'c>(&'c self, given: &mut Vec<&'c Device>) -> bool {
        if given.len() == self.slots.len() {
            return self.is_right(given);
        }
        self.devices.iter().any(|device| {
            given.push(device);
            let found = self.is_right(given) && self.can_be(given);
            given.pop();
            found
        })
    }

    /// The devices that were given, slot by slot: `n c0(r=g0 r=g1) c1(t=g2)`.
    fn given(&self, found: &str) -> Vec<&Device> {
        let pairs = found.split(['(', ')', ' ']).filter_map(|part| part.split_once('='));
        let pairs: Vec<(&str, &str)> = pairs.collect();
        assert_eq!(pairs.len(), self.slots.len(), "{found}");
        let of_slot = |((request, name), slot): (&(&str, &str), &Slot)| {
            assert_eq!(*request, slot.request, "{found}");
            self.devices.iter().find(|device| device.name == *name).expect("a device of the node")
        };
        pairs.iter().zip(&self.slots).map(of_slot).collect()
    }
}

#[test]
fn a_pod_is_placed_where_there_is_a_way_to_serve_its_claims() {
    let mut placed = 0;
    for seed in 0..400 {
        let case = case(&mut Dice::new(seed));
        let claims: Vec<String> = (0..case.rules.len()).map(|claim| format!("c{claim}")).collect();
        let there: Vec<&str> = case.there.iter().map(String::as_str).collect();
        let found = outcome(&there, &claims.join(" "));
        let can_be = case.can_be(&mut Vec::new());
        assert_eq!(found.starts_with("n "), can_be, "{seed}: {there:#?}: {found}");
        if can_be {
            placed += 1;
            assert!(case.is_right(&case.given(&found)), "{seed}: {there:#?}: {found}");
        }
    }
    assert!((50..350).contains(&placed), "{placed} of 400 were placed");
}
