//! What a plain `cargo test` leaves out, said where it is looked for.

#[cfg(not(feature = "containerd"))]
#[test]
#[ignore = "needs root, containerd and protoc: `tests/run` installs what is missing and runs them"]
fn tests_on_real_containers() {}
