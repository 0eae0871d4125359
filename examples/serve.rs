//! A cluster that kubectl, helm and other programs can use: it serves the Kubernetes API until it is told to stop.
//!
//! ```text
//! cargo run --example serve -- --kubeconfig /tmp/inboard.kubeconfig
//! kubectl --kubeconfig /tmp/inboard.kubeconfig get nodes
//! ```
//! It prints one line, `ready` and its address, when it answers, and ends in order at SIGTERM or Ctrl-C. On TCP it serves
//! TLS with certificates of its own making, on loopback, to whoever has the token in the kubeconfig (with `--anywhere` also
//! where other machines reach it, at the address that `--listen` names); with `--insecure-http` it serves plain HTTP on loopback and asks nobody who they are, for test suites. With `--data` all
//! objects are there again after the next start with the same directory, and whoever knew the server or was known to it
//! still is: a kubeconfig stays good where `--listen` names the port.
//!
//! With `--features containerd` and `--runtime containerd` pods are real ones, on the containerd of the machine or of
//! `--containerd`; images that no registry has come from archives (`--image`).

use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use inboard::control::ControllerMode;
use inboard::runtime::Runtime;
use inboard::{Cluster, NodeLocal, NodeSpec, Shutdown};
use inboard_apiserver::{ApiServer, Certificates, Kubeconfig, Reach, Server, Tokens, User, kept_token, random_token};
use inboard_durability_file::FileStore;
use inboard_runtime_mock::MockRuntime;
use tokio::signal::unix::{SignalKind, signal};

const USAGE: &str = "\
usage: serve [--runtime mock|containerd] [--nodes N] [--listen ADDRESS:PORT [--anywhere] | --unix PATH]
             [--kubeconfig FILE] [--insecure-http] [--no-scheduler] [--no-controllers] [--seed N] [--data DIR]
             [--containerd SOCKET] [--image ARCHIVE]...";

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// What the command line says.
struct Options {
    runtime: String,
    nodes: usize,
    listen: SocketAddr,
    reach: Reach,
    unix: Option<PathBuf>,
    kubeconfig: Option<PathBuf>,
    insecure: bool,
    scheduler: bool,
    controllers: bool,
    seed: u64,
    data: Option<PathBuf>,
    containerd: Option<PathBuf>,
    /// Archives of images that every node gets.
    images: Vec<PathBuf>,
}

impl Options {
    fn read(words: impl Iterator<Item = String>) -> Outcome<Self> {
        let mut options = Self {
            runtime: "mock".to_owned(),
            nodes: 3,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            reach: Reach::Loopback,
            unix: None,
            kubeconfig: None,
            insecure: false,
            scheduler: true,
            controllers: true,
            seed: 0,
            data: None,
            containerd: None,
            images: Vec::new(),
        };
        let mut words = words;
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value\n{USAGE}"));
            match word.as_str() {
                "--runtime" => options.runtime = value()?,
                "--nodes" => options.nodes = parsed(&word, &value()?)?,
                "--listen" => options.listen = parsed(&word, &value()?)?,
                "--anywhere" => options.reach = Reach::Anywhere,
                "--unix" => options.unix = Some(value()?.into()),
                "--kubeconfig" => options.kubeconfig = Some(value()?.into()),
                "--data" => options.data = Some(value()?.into()),
                "--insecure-http" => options.insecure = true,
                "--no-scheduler" => options.scheduler = false,
                "--no-controllers" => options.controllers = false,
                "--seed" => options.seed = parsed(&word, &value()?)?,
                "--containerd" => options.containerd = Some(value()?.into()),
                "--image" => options.images.push(value()?.into()),
                _ => return Err(format!("unknown argument {word}\n{USAGE}").into()),
            }
        }
        if options.runtime == "mock" && (options.containerd.is_some() || !options.images.is_empty()) {
            return Err("--containerd and --image are for --runtime containerd: a mock has every image".into());
        }
        options.check_reach()?;
        Ok(options)
    }

    /// Other machines are let in only where that was said, and only by TLS.
    fn check_reach(&self) -> Outcome {
        let listen = self.listen;
        match self.reach {
            Reach::Anywhere if self.insecure || self.unix.is_some() => {
                Err("--anywhere is for TLS: neither for --insecure-http nor for --unix".into())
            }
            Reach::Loopback if !listen.ip().is_loopback() && !self.insecure => {
                let problem = "other machines reach it there; say so with --anywhere";
                Err(format!("--listen {listen}: {problem}").into())
            }
            Reach::Loopback | Reach::Anywhere => Ok(()),
        }
    }
}

fn parsed<T: std::str::FromStr>(word: &str, value: &str) -> Outcome<T>
where
    T::Err: std::fmt::Display,
{
    value.parse().map_err(|error| format!("{word} {value}: {error}").into())
}

/// What goes wrong is told as people read it, and ends with code 1.
#[expect(clippy::print_stderr, reason = "that is where people look")]
fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("serve: {}", with_causes(&*error));
            ExitCode::FAILURE
        }
    }
}

fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        told = format!("{told}: {error}");
        cause = error.source();
    }
    told
}

fn run() -> Outcome {
    let options = Options::read(std::env::args().skip(1))?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve(options))
}

#[expect(clippy::print_stdout, reason = "programs wait for this line")]
async fn serve(options: Options) -> Outcome {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // What clients know a server by, and what it knows them by: the same at each start with the same data.
    let secrets = options.data.as_ref().map(|data| data.join("pki"));
    let address = [options.listen.ip()];
    let (certificates, tokens, token) = match &secrets {
        Some(folder) => (
            Certificates::kept_in(folder, &address)?,
            Tokens::kept_in(folder.join("tokens.key"))?,
            kept_token(folder.join("admin.token"))?,
        ),
        None => (Certificates::generate(&address)?, Tokens::generate()?, random_token()?),
    };
    let tokens = tokens.root_certificate(certificates.authority());
    let mut builder = Cluster::builder()
        .authority(tokens.clone())
        .seed(options.seed)
        .storage_class(NodeLocal::class("local-path").default_class())
        .storage_class(NodeLocal::class("longhorn"));
    if let Some(directory) = &options.data {
        builder = builder.durability(FileStore::at(directory.join("cluster.redb")));
    }
    if !options.controllers {
        builder = builder.other_controllers(ControllerMode::Off);
    }
    if !options.scheduler {
        builder = builder.scheduler(None);
    }
    for number in 1..=options.nodes {
        let name = format!("host{number:02}");
        let runtime = runtime(&options, number).await?;
        builder = builder.node(NodeSpec::new(name.as_str(), runtime));
    }
    let cluster = builder.start().await?;
    let api = ApiServer::builder(&cluster).tokens(tokens).bearer(token.as_str(), User::admin());
    let is_open = options.insecure || options.unix.is_some();
    let api = if is_open { api.build() } else { api.closed().build() };
    api.create_defaults().await?;
    // Whoever was approved gets a certificate, by which this server knows them.
    let _signer = certificates.sign_requests(&cluster);
    let server = match &options.unix {
        Some(path) => Server::unix(api, path).await?,
        None if options.insecure => Server::insecure(api, options.listen).await?,
        None => Server::tls(api, options.listen, options.reach, &certificates).await?,
    };
    if let Some(path) = &options.kubeconfig {
        let config = Kubeconfig::new(server.address().to_string()).token(token);
        let config = if options.insecure { config } else { config.authority(certificates.authority()) };
        config.write(path).map_err(|error| format!("--kubeconfig {}: {error}", path.display()))?;
    }
    println!("ready {}", server.address());
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    server.stop().await;
    cluster.shutdown(Shutdown::Stop { grace: Duration::from_secs(5) }).await?;
    Ok(())
}

#[cfg(feature = "containerd")]
async fn runtime(options: &Options, number: usize) -> Outcome<Arc<dyn Runtime>> {
    match options.runtime.as_str() {
        "mock" => Ok(Arc::new(MockRuntime::builder().build())),
        "containerd" => {
            let name = format!("host{number:02}");
            // Several nodes on one daemon: each has its own names, addresses and files.
            let mut builder = inboard_runtime_containerd::ContainerdRuntime::builder()
                .namespace(format!("inboard-{name}"))
                .state_dir(std::env::temp_dir().join("inboard-serve").join(&name))
                .bridge(format!("inbserve{number}"))
                .pod_cidr(format!("10.125.{number}.0/24"))
                .cgroup_root(format!("/inboard-serve/{name}"));
            if let Some(socket) = &options.containerd {
                builder = builder.socket(socket);
            }
            let runtime = builder.build().await?;
            for archive in &options.images {
                runtime.import_image(archive).await?;
            }
            Ok(Arc::new(runtime))
        }
        other => Err(format!("--runtime {other}: there are mock and containerd").into()),
    }
}

#[cfg(not(feature = "containerd"))]
async fn runtime(options: &Options, _: usize) -> Outcome<Arc<dyn Runtime>> {
    match options.runtime.as_str() {
        "mock" => Ok(Arc::new(MockRuntime::builder().build())),
        "containerd" => Err("--runtime containerd needs --features containerd".into()),
        other => Err(format!("--runtime {other}: there are mock and containerd").into()),
    }
}
