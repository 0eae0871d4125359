//! The images that tests run, made from Debian's packages: a `busybox` and an `nginx` small enough to be made anew.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use inboard_runtime_containerd::archive::{Layer, write_docker, write_oci};
use serde_json::json;

use super::host;

const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The archives of all images, made once a process and removed with the machine's other temporary files.
pub(super) fn archives() -> io::Result<Vec<PathBuf>> {
    static MADE: std::sync::OnceLock<Result<Vec<PathBuf>, String>> = std::sync::OnceLock::new();
    let made = MADE.get_or_init(|| {
        let dir = std::env::temp_dir().join("inboard-test-images");
        let make = || {
            std::fs::create_dir_all(&dir)?;
            Ok::<_, io::Error>(vec![busybox(&dir, "busybox", &["sh"])?, nginx(dir.join("nginx.tar"))?])
        };
        make().map_err(|error| error.to_string())
    });
    made.clone().map_err(io::Error::other)
}

/// The archives of `busybox` and of a `pause` for sandboxes of the CRI plugin.
pub(super) fn for_sandboxes() -> io::Result<Vec<PathBuf>> {
    let busybox_made = archives()?.swap_remove(0);
    let dir = busybox_made.parent().map(PathBuf::from).unwrap_or_default();
    Ok(vec![busybox_made, busybox(&dir, "pause", &["sleep", "1000000000"])?])
}

/// Another process may be reading the archive: it is put in its place when it is whole.
fn placed(path: PathBuf, write: impl FnOnce(&PathBuf) -> io::Result<()>) -> io::Result<PathBuf> {
    let beside = path.with_extension(format!("{}.new", std::process::id()));
    write(&beside)?;
    std::fs::rename(&beside, &path)?;
    Ok(path)
}

/// An image of this name with busybox in it, that runs this.
fn busybox(dir: &Path, name: &str, command: &[&str]) -> io::Result<PathBuf> {
    let program = host::find("busybox").ok_or_else(|| io::Error::other("busybox is not installed"))?;
    let list = Command::new(&program).arg("--list").output()?;
    let mut layer = Layer::new();
    base(&mut layer)?;
    layer.file("bin/busybox", 0o755, &std::fs::read(&program)?)?;
    for applet in String::from_utf8_lossy(&list.stdout).lines().filter(|applet| *applet != "busybox") {
        layer.link(&format!("bin/{applet}"), "busybox")?;
    }
    let config = json!({"Env": [PATH], "Cmd": command});
    let path = dir.join(format!("{name}.tar"));
    placed(path, |path| write_oci(path, &format!("docker.io/library/{name}:latest"), &config, layer))
}

fn nginx(path: PathBuf) -> io::Result<PathBuf> {
    let program = host::find("nginx").ok_or_else(|| io::Error::other("nginx is not installed"))?;
    let program = program.display().to_string();
    let mut layer = Layer::new();
    base(&mut layer)?;
    for dir in ["var", "var/log", "var/log/nginx", "var/lib", "var/lib/nginx", "usr", "usr/sbin", "usr/share", "html"] {
        layer.dir(dir, 0o755)?;
    }
    layer.copy(&program)?;
    for library in libraries(&program)? {
        layer.copy(&library)?;
    }
    // Something to look around with: exec probes, hooks.
    let shell = host::find("busybox").ok_or_else(|| io::Error::other("busybox is not installed"))?;
    layer.file("bin/busybox", 0o755, &std::fs::read(shell)?)?;
    for applet in ["sh", "cat", "sleep", "ls", "true", "false", "kill"] {
        layer.link(&format!("bin/{applet}"), "busybox")?;
    }
    layer.link("var/log/nginx/access.log", "/dev/stdout")?;
    layer.link("var/log/nginx/error.log", "/dev/stderr")?;
    layer.file("html/index.html", 0o644, b"<h1>Welcome to nginx!</h1>\n")?;
    layer.dir("etc/nginx", 0o755)?;
    layer.file("etc/nginx/nginx.conf", 0o644, NGINX_CONF.as_bytes())?;
    let config = json!({
        "Env": [PATH],
        "Cmd": ["nginx", "-g", "daemon off;"],
        "StopSignal": "SIGQUIT",
        "ExposedPorts": {"80/tcp": {}},
    });
    placed(path, |path| write_docker(path, &["nginx:latest", "nginx:1.22"], &config, layer))
}

const NGINX_CONF: &str = "user nginx;
worker_processes 1;
pid /run/nginx.pid;
error_log /var/log/nginx/error.log notice;
events { worker_connections 64; }
http {
    access_log /var/log/nginx/access.log;
    server { listen 80; root /html; }
}
";

fn base(layer: &mut Layer) -> io::Result<()> {
    for (dir, mode) in [
        ("bin", 0o755),
        ("etc", 0o755),
        ("root", 0o700),
        ("run", 0o755),
        ("tmp", 0o1777),
        ("proc", 0o555),
        ("sys", 0o555),
    ] {
        layer.dir(dir, mode)?;
    }
    let passwd = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n\
                  nginx:x:101:102:nginx:/:/bin/false\n";
    layer.file("etc/passwd", 0o644, passwd.as_bytes())?;
    layer.file("etc/group", 0o644, b"root:x:0:\nnginx:x:102:\nlog:x:7:nginx\nnobody:x:65534:\n")
}

/// The shared libraries that a program needs, with its loader.
fn libraries(program: &str) -> io::Result<Vec<String>> {
    let output = Command::new("ldd").arg(program).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let paths = text.lines().filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')));
    Ok(paths.map(str::to_owned).collect())
}
