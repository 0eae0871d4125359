//! A real registry on the loopback, its images written straight into its storage, and a gate in front of it that asks
//! for tokens and breaks off answers.

mod gate;
mod image;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub use self::gate::{Gate, TOKEN};
pub use self::image::{Packing, TestImage, digest_of};

/// The name and the password that a registry with [`Access::Password`] wants.
pub const ACCOUNT: (&str, &str) = ("ali", "open sesame");
/// The password, as `htpasswd -B` writes it.
const ACCOUNT_LINE: &str = "ali:$2y$05$abcdefghijklmnopqrstuupx2xBUC4954936wVIjyyPHmUBFu0wCW\n";
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// Who may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody.
    Open,
    /// Whoever has the [`ACCOUNT`].
    Password,
    /// Anybody, by TLS with a certificate that only the test's own authority vouches for.
    Tls,
}

/// A registry of one test, gone with it.
#[derive(Debug)]
pub struct TestRegistry {
    dir: PathBuf,
    port: u16,
    child: Option<Child>,
}

impl TestRegistry {
    /// Starts one that keeps its images in a directory of this name below the test's.
    pub async fn start(dir: &Path, name: &str, access: Access) -> Self {
        let dir = dir.join(name);
        std::fs::create_dir_all(dir.join("store")).expect("a directory for the registry");
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = free.local_addr().expect("its number").port();
        drop(free);
        if access == Access::Tls {
            certificates(&dir);
        }
        std::fs::write(dir.join("htpasswd"), ACCOUNT_LINE).expect("the accounts");
        std::fs::write(dir.join("config.yml"), config(&dir, port, access)).expect("the registry's configuration");
        let mut registry = Self { dir, port, child: None };
        registry.launch().await;
        registry
    }

    /// Starts the process and waits until it answers.
    pub async fn launch(&mut self) {
        let log = std::fs::File::create(self.dir.join("log")).expect("a log");
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(self.dir.join("config.yml"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn()
            .expect("the registry starts");
        self.child = Some(child);
        let answers = async {
            while tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let waited = tokio::time::timeout(START_TIMEOUT, answers).await;
        let log = || std::fs::read_to_string(self.dir.join("log")).unwrap_or_default();
        assert!(waited.is_ok(), "the registry does not answer:\n{}", log());
    }

    /// Kills the process.
    pub fn kill(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        child.kill().and_then(|()| child.wait()).expect("the registry ends");
    }

    /// Host and port.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The port.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The certificate of the authority of a registry with [`Access::Tls`].
    pub fn authority(&self) -> Vec<u8> {
        std::fs::read(self.dir.join("ca.pem")).expect("the authority's certificate")
    }

    /// Puts an image into the registry, under a tag; its digest.
    pub fn publish(&self, repository: &str, tag: &str, image: &TestImage) -> String {
        let root = self.dir.join("store/docker/registry/v2");
        let write = |path: PathBuf, bytes: &[u8]| {
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            std::fs::write(path, bytes).expect("a file of the registry");
        };
        let hex = |digest: &str| digest.trim_start_matches("sha256:").to_owned();
        let folder = root.join("repositories").join(repository);
        for bytes in image.blobs() {
            let digest = digest_of(bytes);
            write(self.blob_path(&digest), bytes);
            write(folder.join("_layers/sha256").join(hex(&digest)).join("link"), digest.as_bytes());
        }
        for bytes in &image.documents() {
            let digest = digest_of(bytes);
            write(self.blob_path(&digest), bytes);
            write(folder.join("_manifests/revisions/sha256").join(hex(&digest)).join("link"), digest.as_bytes());
        }
        let top = digest_of(image.documents().last().expect("an image has a manifest"));
        let tag = folder.join("_manifests/tags").join(tag);
        write(tag.join("current/link"), top.as_bytes());
        write(tag.join("index/sha256").join(hex(&top)).join("link"), top.as_bytes());
        top
    }

    /// Where the registry keeps a blob.
    pub fn blob_path(&self, digest: &str) -> PathBuf {
        let hex = digest.trim_start_matches("sha256:");
        self.dir.join("store/docker/registry/v2/blobs/sha256").join(&hex[..2]).join(hex).join("data")
    }
}

impl Drop for TestRegistry {
    fn drop(&mut self) {
        self.kill();
    }
}

fn config(dir: &Path, port: u16, access: Access) -> String {
    let dir = dir.display();
    let mut text = format!(
        "version: 0.1\nlog:\n  level: error\n  accesslog: {{disabled: true}}\n\
         storage:\n  filesystem: {{rootdirectory: {dir}/store}}\n\
         http:\n  addr: 127.0.0.1:{port}\n"
    );
    match access {
        Access::Open => {}
        Access::Password => text += &format!("auth:\n  htpasswd: {{realm: tests, path: {dir}/htpasswd}}\n"),
        Access::Tls => text += &format!("  tls: {{certificate: {dir}/server.pem, key: {dir}/server.key}}\n"),
    }
    text
}

/// An authority of the test's own, and a server certificate from it for 127.0.0.1 and for what leads there too.
fn certificates(dir: &Path) {
    let script = "set -e
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=tests \
            -keyout ca.key -out ca.pem
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=registry \
            -keyout server.key -out server.csr
        printf 'subjectAltName=IP:127.0.0.1,IP:0.0.0.0\\nbasicConstraints=CA:FALSE\\n' >server.ext
        openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile server.ext \
            -out server.pem";
    let output = Command::new("sh").args(["-c", script]).current_dir(dir).output().expect("openssl runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
