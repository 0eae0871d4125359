//! What holds on every node.

use super::Held;

pub(super) fn one_instance(held: &Held<'_>) -> Result<(), String> {
    let mut running: Vec<_> = held
        .inventory
        .containers
        .iter()
        .filter(|container| container.state.is_running())
        .map(|container| (container.pod.uid, &container.name, &container.pod.name))
        .collect();
    running.sort();
    match running.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(format!("container {} of pod {} runs twice on {}", pair[0].1, pair[0].2, held.node)),
        None => Ok(()),
    }
}
