//! The built-in shell: a text in, what it writes, its exit code and how long it takes out.

use inboard_runtime_mock::MockState;

use crate::world::World;

/// Runs a text with `sh -c` in a container of its own; `2s` in front when it takes time.
fn sh(text: &str) -> String {
    let mut world = World::new(MockState::builder().build_state());
    let id = world.run("web-0", "busybox", &["sleep", "infinity"], 0);
    let before = world.now();
    let output = world.exec(&id, &["/bin/sh", "-c", text]);
    match (world.now() - before).as_secs_f64() {
        0.0 => output,
        took => format!("{took}s {output}"),
    }
}

#[test]
fn common_texts_do_what_they_say() {
    let rows = [
        ("true", "[0]"),
        ("false; exit 3", "[3]"),
        ("exit 300", "[44]"),
        ("echo hello  world", "hello world\n[0]"),
        ("echo 'a  b' \"c  d\" e\\ f", "a  b c  d e f\n[0]"),
        ("echo -n x; printf '%s-%s\\n' 1 2 3 4", "x1-2\n3-4\n[0]"),
        ("false && echo no || echo yes", "yes\n[0]"),
        ("true || echo no; ! false", "[0]"),
        ("X=5; Y=\"$X$X\"; echo ${Y}x $? $HOSTNAME", "55x 0 web-0\n[0]"),
        ("echo $(hostname) \"$(echo a; echo b)\"", "web-0 a\nb\n[0]"),
        ("sleep 2 && echo done", "2s done\n[0]"),
        ("sleep 0.5; sleep 1m", "60.5s [0]"),
        ("for i in 1 2 3; do echo $i; sleep 1; done", "3s 1\n2\n3\n[0]"),
        ("if [ -f /x ]; then echo there; elif false; then :; else echo absent; fi", "absent\n[0]"),
        ("i=; while [ \"$i\" != xxx ]; do i=x$i; done; echo $i", "xxx\n[0]"),
        ("until [ -e /go ]; do touch /go; sleep 4; done", "4s [0]"),
        ("mkdir -p /d/e; echo 1 > /d/e/f; echo 2 >> /d/e/f; cat /d/e/f; ls /d", "1\n2\ne\n[0]"),
        ("echo in | cat; echo out >&2", "in\nout\n[0]"),
        ("cat /nope", "cat: can't open '/nope': No such file or directory\n[1]"),
        ("cat /nope 2>/dev/null || echo none", "none\n[0]"),
        ("cat /etc/hostname", "web-0\n[0]"),
        ("rm /nope", "rm: can't remove '/nope': No such file or directory\n[1]"),
        ("rm -f /nope; echo x > /y; rm /y; ls /y", "ls: /y: No such file or directory\n[1]"),
        ("set -e; false || true; if false; then :; fi; false; echo no", "[1]"),
        ("nope; echo $?", "127\nsh: nope: not found\n[0]"),
        ("exec echo last; echo no", "last\n[0]"),
        ("# nothing\necho a # b\necho c", "a\nc\n[0]"),
        ("test 3 -gt 2 && test ! a = b", "[0]"),
        ("A=1 env | cat | true", "[0]"),
        ("mkdir -p /d/e; echo 1 > /d/e/f; tar cf /a d; tar xf /a -C /b; cat /b/d/e/f; ls /b/d", "1\ne\n[0]"),
        (
            "echo 1 > /f; tar cf - /f | tar -xmf - -C /c; cat /c/f",
            "1\ntar: removing leading '/' from member names\n[0]",
        ),
        (
            "tar cf - /nope > /a",
            "tar: removing leading '/' from member names\ntar: can't open '/nope': No such file or directory\n[1]",
        ),
        ("echo no archive > /a; tar xf /a", "tar: short read\n[1]"),
        ("read line < /etc/hostname; echo got $line", "got web-0\n[0]"),
    ];
    for (text, expected) in rows {
        assert_eq!(sh(text), expected, "{text}");
    }
}

/// Any text is run or refused, and always in the same way.
#[test]
fn no_text_does_harm() {
    let fragments = [
        "echo ",
        "x",
        "'",
        "\"",
        "$",
        "${",
        "}",
        "$(",
        ")",
        "`",
        ";",
        "&&",
        "||",
        "|",
        ">",
        ">>",
        "2>&1",
        "<",
        "\n",
        " ",
        "if ",
        "then ",
        "else ",
        "fi",
        "while ",
        "do ",
        "done",
        "for i in a b",
        "!",
        "{ ",
        "\\",
        "#",
        "é",
        "=",
        "X=1",
        "sleep 1",
        "exit ",
        "cat /etc/hosts",
        "[ -f /x ]",
        "printf %s%d%",
        "trap '' TERM",
        "kill -9 1",
        "exec ",
        "read y",
        "env ",
    ];
    // A linear congruential generator: the same texts in each run.
    let mut random = 0x1234_5678_9abc_def0_u64;
    for _ in 0..500 {
        let mut text = String::new();
        for _ in 0..12 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.push_str(fragments[(random >> 33) as usize % fragments.len()]);
        }
        assert_eq!(sh(&text), sh(&text), "{text}");
    }
}

/// A file that grows for a virtual month does not slow the rest down.
#[test]
fn a_program_can_write_for_a_long_time() {
    let mut world = World::new(MockState::builder().build_state());
    let text = "while true; do echo alive >> /tmp/log; echo tick; sleep 60; done";
    let id = world.run("web", "busybox", &["sh", "-c", text], 0);
    world.pass(std::time::Duration::from_secs(30 * 86_400));
    assert_eq!(world.exec(&id, &["stat", "-c", "%s", "/tmp/log"]), format!("{}\n[0]", 6 * (30 * 1_440 + 1)));
}

#[test]
fn what_is_not_understood_is_said_and_what_never_ends_is_given_up() {
    for text in ["sleep 1 &", "case x in x) ;; esac", "f() { :; }", "echo 'open", "cat <<EOF", "echo `date`", "if true"]
    {
        let output = sh(text);
        assert!(output.starts_with("sh: the mock's shell does not understand") && output.ends_with("[2]"), "{output}");
    }
    assert_eq!(
        sh("while true; do :; done"),
        "600s DeadlineExceeded: command \"/bin/sh -c while true; do :; done\" timed out after 600s"
    );
    let deep = format!("{}echo x{}", "$(".repeat(100_000), ")".repeat(100_000));
    assert!(sh(&deep).ends_with("[2]"));
    let deep = "if true; then ".repeat(100_000);
    assert!(sh(&deep).ends_with("[2]"));
    let grown = sh(
        "x=xxxxxxxxxxxxxxxx; for i in $x 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25; do x=$x$x; done",
    );
    assert_eq!(grown, "[0]", "a variable that doubles for ever does not fill the memory");
}
