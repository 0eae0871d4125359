//! What containers do over time, told as stories.

use std::sync::Arc;

use inboard::runtime::{Call, ProbePurpose, Reply, SimulatedRuntime};
use inboard_runtime_mock::{ExecAnswer, MockState, Script, Usage};

use crate::world::{World, container_config, secs};

fn world(scripts: impl IntoIterator<Item = Script>) -> World {
    let builder = scripts.into_iter().fold(MockState::builder(), |builder, script| builder.script(script));
    World::new(builder.build_state())
}

#[test]
fn common_commands_run_for_as_long_as_they_say() {
    let mut world = world([]);
    world.run("job", "busybox", &["/bin/sleep", "30"], 0);
    world.run("fine", "busybox", &["true"], 0);
    world.run("broken", "busybox", &["sh", "-c", "echo starting; sleep 5; exit 3"], 0);
    world.run("server", "nginx", &[], 0);
    world.run("unknown", "python", &["python", "app.py"], 0);
    world.run("wrapped", "app", &["sh", "-c", "mkdir -p /run/app && exec app --serve"], 0);
    world.pass(secs(3600));
    assert_eq!(world.story(), "0s fine exited 0\n5s broken exited 3\n30s job exited 0\n");
    assert_eq!(world.state.next_event_at(), None, "an idle node makes no wake-ups");
}

#[test]
fn a_script_can_crash_twice_and_then_run() {
    let mut world = world([
        Script::image("flaky").on_attempts(..2).exits_after(secs(1), 1).termination_message("no luck"),
        Script::image("flaky").pull_takes(secs(4)).start_takes(secs(2)),
        Script::image("greedy").out_of_memory_after(secs(7)),
        Script::image("old").killed_after(secs(2), 11),
    ]);
    for attempt in 0..3 {
        world.run("flaky", "flaky", &[], attempt);
        world.tell(&format!("attempt {attempt} started"));
        world.pass(secs(10));
    }
    world.run("greedy", "greedy", &[], 0);
    world.run("old", "old", &[], 0);
    world.pass(secs(60));
    // Only the last attempt meets the second script's slow start, but every pull met its slow pull.
    let expected = "4s attempt 0 started\n5s flaky exited 1\n14s attempt 1 started\n15s flaky exited 1\n\
                    26s attempt 2 started\n38s old exited 139\n43s greedy out of memory\n";
    assert_eq!(world.story(), expected);
}

#[test]
fn probes_follow_the_script() {
    let mut world = world([Script::image("web")
        .started_after(secs(2))
        .ready_after(secs(5))
        .unready_after(secs(20))
        .unhealthy_after(secs(30))]);
    let id = world.run("web", "web", &[], 0);
    let mut seen = Vec::new();
    for _ in 0..8 {
        let ok = |world: &mut World, purpose| u8::from(world.probe(&id, purpose) == "ok");
        let now = world.now().as_secs();
        seen.push((
            now,
            ok(&mut world, ProbePurpose::Startup),
            ok(&mut world, ProbePurpose::Readiness),
            ok(&mut world, ProbePurpose::Liveness),
        ));
        world.pass(secs(5));
    }
    let expected = [
        (0, 0, 0, 1),
        (5, 1, 1, 1),
        (10, 1, 1, 1),
        (15, 1, 1, 1),
        (20, 1, 0, 1),
        (25, 1, 0, 1),
        (30, 1, 0, 0),
        (35, 1, 0, 0),
    ];
    assert_eq!(seen, expected, "seconds, started, ready, healthy");
    assert_eq!(world.probe(&id, ProbePurpose::Readiness), "HTTP probe failed with statuscode: 503");
}

#[test]
fn a_test_can_change_its_mind() {
    let mut world = world([Script::image("web").ready_after(secs(5))]);
    let id = world.run("web", "web", &[], 0);
    world.pass(secs(10));
    let mut seen = vec![world.probe(&id, ProbePurpose::Readiness)];
    assert_eq!(world.state.set_ready(world.now(), "w*", "main", false), 1);
    assert_eq!(world.state.set_healthy(world.now(), "other", "*", false), 0);
    seen.extend([world.probe(&id, ProbePurpose::Readiness), world.probe(&id, ProbePurpose::Liveness)]);
    assert_eq!(seen, ["ok", "HTTP probe failed with statuscode: 503", "ok"]);
    world.state.add_script(Script::image("web").exits_after(secs(1), 7));
    world.run("web-2", "web", &[], 0);
    world.pass(secs(10));
    assert_eq!(world.story(), "11s web-2 exited 7\n", "only containers made after it meet the new script");
}

#[test]
fn stopping_takes_what_the_container_needs_and_no_more_than_its_grace() {
    let scripts = [
        Script::image("stubborn").ignores_sigterm(),
        Script::image("slow").stops_after(secs(3)).stops_with(0),
        Script::image("slower").stops_after(secs(300)),
    ];
    let mut world = world(scripts);
    for (name, command) in [
        ("stubborn", &[][..]),
        ("slow", &[]),
        ("slower", &[]),
        ("plain", &[]),
        ("trapped", &["sh", "-c", "trap 'echo bye; sleep 1; exit 5' TERM; sleep infinity"]),
    ] {
        let id = world.run(name, name, command, 0);
        world.call(&Call::StopContainer(id, secs(30))).expect("stopped");
        world.tell("stop answered");
    }
    let expected = "30s stubborn exited 137\n30s stop answered\n33s slow exited 0\n33s stop answered\n\
                    63s slower exited 137\n63s stop answered\n63s plain exited 143\n63s stop answered\n\
                    64s trapped exited 5\n93s stop answered\n";
    assert_eq!(world.story(), expected);
}

#[test]
fn usage_adds_up_and_can_be_set_from_outside() {
    let mut world = world([Script::image("web")
        .cpu(Usage::steps([(secs(0), 100), (secs(60), 500)]))
        .memory(Usage::constant(64 << 20))]);
    world.run("web", "web", &[], 0);
    world.pass(secs(180));
    let used = |world: &World| {
        let stats = world.state.usage();
        let main = &stats[0].containers[0];
        (main.cpu.as_secs_f64(), main.memory_working_set >> 20)
    };
    assert_eq!(used(&world), (6.0 + 60.0, 64));
    assert_eq!(world.state.set_cpu(world.now(), "web", "*", 2_000), 1);
    assert_eq!(world.state.set_memory(world.now(), "web", "*", 128 << 20), 1);
    world.pass(secs(10));
    assert_eq!(used(&world), (6.0 + 60.0 + 20.0, 128));
}

#[test]
fn scripts_answer_commands() {
    let answer = ExecAnswer::output("1.2.3\n").takes(secs(2));
    let mut world =
        world([Script::any().answers("app --version", answer).answers("app *", ExecAnswer::failure(4, "what?\n"))]);
    let id = world.run("web", "web", &[], 0);
    assert_eq!(world.exec(&id, &["app", "--version"]), "1.2.3\n[0]");
    assert_eq!(world.exec(&id, &["app", "nonsense"]), "what?\n[4]");
    assert_eq!(world.exec(&id, &["other"]), "CannotRun: exec: \"other\": executable file not found in $PATH");
    assert_eq!(world.now().as_secs(), 2);
}

#[test]
fn an_init_container_of_which_nothing_is_known_ends() {
    let mut world = world([]);
    world.pull("setup").expect("pulled");
    let sandbox = world.sandbox("web", "setup");
    let mut config = container_config("web", "setup", &["/usr/local/bin/prepare"], 0);
    config.kind = inboard::runtime::ContainerKind::Init;
    let Ok(Reply::Created(id)) = world.call(&Call::CreateContainer(sandbox, Arc::new(config))) else {
        panic!("not created");
    };
    world.call(&Call::StartContainer(id)).expect("started");
    assert_eq!(world.story(), "0s web exited 0\n");
}

#[test]
fn the_same_history_has_the_same_ids_and_another_seed_has_others() {
    let history = |seed| {
        let mut world = World::new(MockState::builder().seed(seed).build_state());
        for pod in ["a", "b", "c"] {
            world.run(pod, "busybox", &["sh", "-c", "sleep 3; exit 1"], 0);
        }
        world.pass(secs(10));
        format!("{:?}{}", world.state.list(), world.story())
    };
    assert_eq!(history(1), history(1));
    assert_ne!(history(1), history(2));
}
