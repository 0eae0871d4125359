//! A day of traffic in half an hour of virtual time: load goes up and down, and an autoscaler follows it.
//!
//! ```text
//! cargo run --example autoscale
//! cargo run --example autoscale -- plot.svg
//! ```
//! A Deployment of web servers shares the load evenly among its pods; each asks for half a core and may use a whole one.
//! A HorizontalPodAutoscaler keeps their use near 60 % of what they ask for. The plot of load and replicas is printed,
//! and written as SVG to the file that is named (or `autoscale.svg` among the temporary files).

use std::error::Error;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use inboard::prelude::*;
use inboard::{Api, Cluster, NodeSpec, PostParams};
use inboard_runtime_mock::{MockRuntime, share_cpu};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const NODES: [&str; 3] = ["host01", "host02", "host03"];
/// How often the traffic is set and the cluster is looked at.
const STEP: Duration = Duration::from_secs(10);
const STEPS: u32 = 240;
/// What one pod asks for and what it may use, in thousandths of a core.
const REQUEST: u64 = 500;
const LIMIT: u64 = 1000;

/// One look at the cluster.
#[derive(Clone, Copy)]
struct Moment {
    /// Thousandths of a core that the traffic needs.
    load: u64,
    replicas: i32,
    ready: i32,
}

/// The traffic over the day: (when, as a share of it; thousandths of a core), with straight lines between.
const DAY: [(f64, f64); 8] = [
    (0.0, 200.0),
    (0.12, 200.0),
    (0.2, 2400.0),
    (0.35, 2100.0),
    (0.42, 3600.0),
    (0.5, 3400.0),
    (0.6, 500.0),
    (1.0, 200.0),
];

fn traffic(step: u32) -> u64 {
    let now = f64::from(step) / f64::from(STEPS);
    let line = DAY.windows(2).find(|line| now <= line[1].0).unwrap_or(&DAY[DAY.len() - 2..]);
    let (from, to) = (line[0], line[1]);
    (from.1 + (to.1 - from.1) * (now - from.0) / (to.0 - from.0)) as u64
}

#[expect(clippy::print_stdout, reason = "an example shows what it did")]
fn main() -> Outcome {
    let path = std::env::args().nth(1).map_or_else(|| std::env::temp_dir().join("autoscale.svg"), PathBuf::from);
    // A paused clock goes on by itself to the next thing that happens.
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
    let day = tokio.block_on(day())?;
    print!("{}", in_text(&day));
    std::fs::write(&path, in_svg(&day))?;
    println!("\nwritten to {}", path.display());
    Ok(())
}

#[expect(clippy::print_stdout, reason = "an example shows what it did")]
async fn day() -> Outcome<Vec<Moment>> {
    let mocks: Vec<MockRuntime> = NODES.iter().map(|_| MockRuntime::builder().build()).collect();
    let nodes = NODES.iter().zip(&mocks).map(|(name, mock)| NodeSpec::new(*name, Arc::new(mock.clone())));
    let cluster = Cluster::builder().nodes(nodes).start().await?;
    let web =
        Container::builder("web", "nginx").request("cpu", format!("{REQUEST}m")).limit("cpu", format!("{LIMIT}m"));
    let deployment = Deployment::builder("web").replicas(1).container(web).build()?;
    let autoscaler = HorizontalPodAutoscaler::builder("web")
        .target("apps/v1", "Deployment", "web")
        .replicas_between(1, 15)
        .cpu_utilization(60)
        .scale_down(|rules| rules.stabilization_window_seconds = Some(120))
        .build()?;
    let deployments: Api<Deployment> = Api::default_namespaced(&cluster);
    deployments.create(&PostParams::default(), &deployment).await?;
    let autoscalers: Api<HorizontalPodAutoscaler> = Api::default_namespaced(&cluster);
    autoscalers.create(&PostParams::default(), &autoscaler).await?;
    let mut day = Vec::new();
    for step in 0..STEPS {
        let load = traffic(step);
        share_cpu(&mocks, "web-*", "web", load, LIMIT);
        tokio::time::sleep(STEP).await;
        let status = deployments.get("web").await?.status.unwrap_or_default();
        let (replicas, ready) = (status.replicas.unwrap_or(0), status.ready_replicas.unwrap_or(0));
        day.push(Moment { load, replicas, ready });
    }
    println!("{}", cluster.top_nodes().await?);
    for event in cluster.snapshot().await?.events() {
        if let inboard::store::Body::Event(record) = &event.body
            && record.draft.reason == "SuccessfulRescale"
        {
            println!("{}  {}", record.last.whole_second(), record.draft.message);
        }
    }
    Ok(day)
}

/// Columns and lines of the printed plot.
const WIDTH: usize = 80;
const HEIGHT: u64 = 14;

/// Load as a line of dots against the replicas' bars, both in pods: the load as it would be with every pod at its target.
fn in_text(day: &[Moment]) -> String {
    let needed = |moment: &Moment| moment.load as f64 / (REQUEST as f64 * 0.6);
    let most = day.iter().map(|moment| f64::from(moment.replicas).max(needed(moment))).fold(1.0, f64::max);
    let column = |index: usize| day[(index * day.len() / WIDTH).min(day.len() - 1)];
    let mut text = String::from("\nreplicas (█) and the load, in pods at their target (•)\n\n");
    for line in (1..=HEIGHT).rev() {
        let (top, low) = (most * line as f64 / HEIGHT as f64, most * (line - 1) as f64 / HEIGHT as f64);
        let cells: String = (0..WIDTH)
            .map(column)
            .map(|moment| match (needed(&moment), f64::from(moment.replicas)) {
                (load, _) if low < load && load <= top => '•',
                (_, replicas) if replicas > (low + top) / 2.0 => '█',
                _ => ' ',
            })
            .collect();
        let _ = writeln!(text, "{top:5.1} │{cells}");
    }
    let minutes = (STEP * STEPS).as_secs() / 60;
    let _ = writeln!(text, "      └{}\n       0 min{:>width$} min", "─".repeat(WIDTH), minutes, width = WIDTH - 9);
    text
}

fn in_svg(day: &[Moment]) -> String {
    let (width, height, edge) = (900.0, 320.0, 40.0);
    let most = day.iter().map(|moment| moment.replicas).max().unwrap_or(1).max(1);
    let most_load = day.iter().map(|moment| moment.load).max().unwrap_or(1).max(1);
    let x = |index: usize| edge + (width - 2.0 * edge) * index as f64 / day.len().max(1) as f64;
    let y = |share: f64| height - edge - (height - 2.0 * edge) * share;
    let line = |value: &dyn Fn(&Moment) -> f64| {
        let points = day.iter().enumerate().map(|(index, moment)| format!("{:.1},{:.1}", x(index), y(value(moment))));
        points.collect::<Vec<_>>().join(" ")
    };
    let load = line(&|moment| moment.load as f64 / most_load as f64);
    let replicas = line(&|moment| f64::from(moment.replicas) / f64::from(most));
    let ready = line(&|moment| f64::from(moment.ready) / f64::from(most));
    let minutes = (STEP * STEPS).as_secs() / 60;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <polyline points=\"{ready}\" fill=\"none\" stroke=\"#9ecae1\" stroke-width=\"4\"/>\n\
         <polyline points=\"{replicas}\" fill=\"none\" stroke=\"#08519c\" stroke-width=\"2\"/>\n\
         <polyline points=\"{load}\" fill=\"none\" stroke=\"#e6550d\" stroke-width=\"2\" stroke-dasharray=\"4 3\"/>\n\
         <text x=\"{edge}\" y=\"20\" fill=\"#08519c\">replicas, up to {most}</text>\n\
         <text x=\"180\" y=\"20\" fill=\"#e6550d\">load, up to {most_load}m of CPU</text>\n\
         <text x=\"{edge}\" y=\"{bottom}\">0 min</text>\n\
         <text x=\"{right}\" y=\"{bottom}\" text-anchor=\"end\">{minutes} min</text>\n\
         </svg>\n",
        bottom = height - 15.0,
        right = width - edge,
    )
}
