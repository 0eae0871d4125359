//! Clients that are known by a certificate which the cluster has signed, typed with the real kubectl; and a server that is
//! the same to all of them after its next start.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use inboard::{Cluster, NodeSpec, Shutdown};
use inboard_apiserver::{ApiServer, Certificates, Kubeconfig, Reach, Server, Signer, Tokens, User, kept_token};
use inboard_runtime_mock::MockRuntime;
use inboard_tests::kubectl;
use tokio::process::Command;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A server whose secrets are kept in a folder, with the administrator's kubeconfig beside them.
struct Place {
    folder: PathBuf,
    program: PathBuf,
    cluster: Cluster,
    server: Server,
    certificates: Certificates,
    _signer: Signer,
}

impl Place {
    async fn start(folder: &Path, program: &Path) -> Self {
        let certificates = Certificates::kept_in(folder, &[LOOPBACK]).expect("certificates");
        let tokens = Tokens::kept_in(folder.join("tokens.key")).expect("a key");
        let tokens = tokens.root_certificate(certificates.authority());
        let node = NodeSpec::new("n1", std::sync::Arc::new(MockRuntime::builder().build()));
        let cluster = Cluster::builder().authority(tokens.clone()).node(node).start().await.expect("it starts");
        let token = kept_token(folder.join("admin.token")).expect("a token");
        let api = ApiServer::builder(&cluster).tokens(tokens).bearer(token.as_str(), User::admin()).closed().build();
        api.create_defaults().await.expect("roles");
        let signer = certificates.sign_requests(&cluster);
        let server = Server::tls(api, (LOOPBACK, 0).into(), Reach::Loopback, &certificates).await.expect("it listens");
        let config = Kubeconfig::new(server.address().to_string()).token(token).authority(certificates.authority());
        config.write(folder.join("admin.kubeconfig")).expect("it can be written");
        let (folder, program) = (folder.to_owned(), program.to_owned());
        Self { folder, program, cluster, server, certificates, _signer: signer }
    }

    async fn stop(self) {
        self.server.stop().await;
        self.cluster.shutdown(Shutdown::LeaveRunning).await.expect("it ends");
    }

    /// What kubectl answers to somebody.
    async fn types(&self, who: &str, words: &str, input: &str) -> String {
        let config = self.folder.join(format!("{who}.kubeconfig"));
        let mut command = Command::new(&self.program);
        command.arg("--kubeconfig").arg(config).arg("--cache-dir").arg(self.folder.join("cache"));
        command.args(words.split_whitespace()).env_clear().env("HOME", &self.folder);
        command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        let mut child = command.stderr(std::process::Stdio::piped()).spawn().expect("kubectl starts");
        let mut stdin = child.stdin.take().expect("an input");
        tokio::io::AsyncWriteExt::write_all(&mut stdin, input.as_bytes()).await.expect("it reads");
        drop(stdin);
        let output = child.wait_with_output().await.expect("an output");
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    }
}

/// A request for a certificate of this subject, in base64; nothing where the program that makes them is missing.
#[expect(clippy::print_stderr, reason = "what a test leaves out is said")]
async fn request(folder: &Path, name: &str, subject: &str) -> Option<String> {
    let words = format!(
        "req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj {subject} -keyout {name}.key -out {name}.csr"
    );
    let done = Command::new("openssl").args(words.split_whitespace()).current_dir(folder).output().await;
    match done {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("left out: openssl is not installed; tests/run says what to install");
            return None;
        }
        done => assert!(done.is_ok_and(|done| done.status.success()), "{words}"),
    }
    let request = std::fs::read(folder.join(format!("{name}.csr"))).expect("a request");
    Some(base64::Engine::encode(&base64::engine::general_purpose::STANDARD, request))
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_a_certificate_is_known_by_it_once_approved() {
    for program in kubectl::versions(env!("CARGO_TARGET_TMPDIR")) {
        let version = program.parent().and_then(Path::file_name).expect("a folder").to_string_lossy().into_owned();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("certificates-{version}"));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a folder");
        let place = Place::start(&folder, &program).await;
        let Some(eve) = request(&folder, "eve", "/O=gardeners/O=cooks/CN=eve").await else { return place.stop().await };
        let root = request(&folder, "root", "/O=system:masters/CN=root").await.expect("a request");
        let manifest = |name: &str, usage: &str, request: &str| {
            format!(
                "---\n{{apiVersion: certificates.k8s.io/v1, kind: CertificateSigningRequest, metadata: {{name: {name}}}, spec: \
                 {{signerName: kubernetes.io/kube-apiserver-client, usages: [{usage}], request: {request}}}}}"
            )
        };
        for (name, usage) in [("eve", "client auth"), ("bad", "server auth")] {
            place.types("admin", "create -f -", &manifest(name, usage, &eve)).await;
            place.types("admin", &format!("certificate approve {name}"), "").await;
        }
        let refused = place.types("admin", "create -f -", &manifest("root", "client auth", &root)).await;
        let why = "\"root\" is forbidden: use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed";
        assert!(refused.contains(why), "{refused}");
        let wait = place.types("admin", "wait --for=jsonpath={.status.certificate} csr/eve", "").await;
        assert!(wait.contains("condition met"), "{wait}");
        let wait = place.types("admin", "wait --for=condition=Failed csr/bad", "").await;
        assert!(wait.contains("condition met"), "{wait}");
        let why = place.types("admin", "get csr bad -o jsonpath={.status.conditions[*].message}", "").await;
        assert!(why.contains("invalid usage for client certificate: server auth"), "{why}");

        let certificate =
            place.types("admin", "get csr eve -o go-template={{.status.certificate|base64decode}}", "").await;
        let key = std::fs::read_to_string(folder.join("eve.key")).expect("a key");
        let config = Kubeconfig::new(place.server.address().to_string())
            .authority(place.certificates.authority())
            .client_certificate(certificate, key);
        config.write(folder.join("eve.kubeconfig")).expect("it can be written");
        let whoami = place
            .types("eve", "auth whoami -o jsonpath={.status.userInfo.username}/{.status.userInfo.groups}", "")
            .await;
        assert_eq!(whoami, "eve/[\"cooks\",\"gardeners\",\"system:authenticated\"]");
        let refused = place.types("eve", "get pods", "").await;
        assert!(refused.contains("User \"eve\" cannot list resource \"pods\""), "{refused}");
        place.types("admin", "create clusterrolebinding g --clusterrole=view --group=gardeners", "").await;
        let allowed = place.types("eve", "get pods", "").await;
        assert!(allowed.contains("No resources found"), "{allowed}");
        // Who may write what a signer says is no signer yet.
        place.types("admin", "create -f -", &manifest("open", "client auth", &eve)).await;
        let all = "certificatesigningrequests,certificatesigningrequests/status";
        place.types("admin", &format!("create clusterrole c --verb=get,patch --resource={all}"), "").await;
        place.types("admin", "create clusterrolebinding c --clusterrole=c --group=cooks", "").await;
        let failed = r#"{"status":{"conditions":[{"type":"Failed","status":"True","reason":"No"}]}}"#;
        let patch = format!("patch csr open --subresource=status --type=merge -p {failed}");
        let refused = place.types("eve", &patch, "").await;
        let why = "user not permitted to sign requests with signerName \"kubernetes.io/kube-apiserver-client\"";
        assert!(refused.contains(why), "{refused}");
        // Signers are no objects, so that kubectl makes no rule about them from words.
        let rule =
            "{apiGroups: [certificates.k8s.io], resources: [signers], resourceNames: [kubernetes.io/*], verbs: [sign]}";
        let kind = "apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole";
        // Without the line before it, older kubectls take it for JSON.
        let role = format!("---\n{{{kind}, metadata: {{name: s}}, rules: [{rule}]}}");
        let made = place.types("admin", "create -f -", &role).await;
        assert!(made.contains("created"), "{made}");
        place.types("admin", "create clusterrolebinding s --clusterrole=s --group=cooks", "").await;
        let patched = place.types("eve", &patch, "").await;
        assert!(patched.contains("patched"), "{patched}");

        // The next server is another process to its clients, and the same to what they hold.
        place.stop().await;
        let next = Place::start(&folder, &program).await;
        let moved = |who: &str| {
            let path = folder.join(format!("{who}.kubeconfig"));
            let config = std::fs::read_to_string(&path).expect("a kubeconfig");
            let server = config.lines().find(|line| line.contains("server:")).expect("a server").trim().to_owned();
            std::fs::write(&path, config.replace(&server, &format!("server: {}", next.server.address())))
                .expect("written");
        };
        moved("eve");
        let whoami = next.types("eve", "auth whoami -o jsonpath={.status.userInfo.username}", "").await;
        assert_eq!(whoami, "eve");
        assert!(next.types("admin", "get nodes", "").await.contains("n1"));
        next.stop().await;
        std::fs::remove_dir_all(&folder).expect("its own folder");
    }
}
