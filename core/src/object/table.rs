//! Objects as lines of a table, with the columns and words of upstream's printers (`kubectl get`).
//!
//! Each kind has its columns and a function that makes one object's cells; kinds without them show their name and when they were created.

mod autoscaler;
mod cluster;
mod custom;
mod network;
mod others;
mod pod;
mod records;
mod storage;
mod workload;

use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1 as meta;
use serde_json::Value;

use super::kind::{self, KindId, KindInfo, TypedObject};
use crate::text::Text;
use crate::time::Time;

/// What stands where there is nothing.
const NONE: &str = "<none>";
/// As wide as a printed column is at least, without the space behind it.
const WIDTH_MIN: usize = 3;

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its title as upstream has it: `Up-to-date`.
    pub name: Text,
    /// Above 0 where it is only shown when asked for (`-o wide`).
    pub priority: i32,
    /// What its cells are.
    pub kind: ColumnKind,
    /// What its cells are, said more precisely: `name`, or what a definition says.
    pub format: Text,
}

/// What the cells of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// Texts.
    Text,
    /// Whole numbers.
    Integer,
    /// Numbers.
    Number,
    /// True or false.
    Boolean,
    /// Times.
    Date,
}

impl ColumnKind {
    /// As a table of the API calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Date => "date",
        }
    }
}

/// Objects of one kind, one in each row.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// The columns, the wide ones included.
    pub columns: Vec<Column>,
    /// The cells of each object: texts and numbers.
    pub rows: Vec<Vec<Value>>,
}

const NAME: Column = of_names("Name");

const fn of_names(name: &'static str) -> Column {
    Column { name: Text::Static(name), priority: 0, kind: ColumnKind::Text, format: Text::Static("name") }
}

const fn column(name: &'static str, priority: i32, kind: ColumnKind) -> Column {
    Column { name: Text::Static(name), priority, kind, format: Text::Static("") }
}

const fn narrow(name: &'static str) -> Column {
    column(name, 0, ColumnKind::Text)
}

const fn wide(name: &'static str) -> Column {
    column(name, 1, ColumnKind::Text)
}

const fn integer(name: &'static str) -> Column {
    column(name, 0, ColumnKind::Integer)
}

const fn boolean(name: &'static str) -> Column {
    column(name, 0, ColumnKind::Boolean)
}

const fn date(name: &'static str) -> Column {
    column(name, 0, ColumnKind::Date)
}

impl Table {
    /// The table of objects of one kind, as it is at `now`: ages count from there.
    pub fn of<'o>(kind: KindId, objects: impl IntoIterator<Item = &'o dyn TypedObject>, now: Time) -> Self {
        let rows = objects.into_iter().map(|object| cells(object, now)).collect();
        Self { columns: columns(kind).to_vec(), rows }
    }

    /// The table of objects that have no type: with the columns of their definition, or their names and ages.
    pub fn of_values<'o>(info: &KindInfo, objects: impl IntoIterator<Item = &'o Value>, now: Time) -> Self {
        if let Some(defined) = info.defined.as_deref()
            && let Some(columns) = custom::columns(defined)
        {
            let rows = objects.into_iter().map(|object| custom::cells(defined, object, now)).collect();
            return Self { columns, rows };
        }
        let row = |object: &Value| {
            let name = object.pointer("/metadata/name").cloned().unwrap_or_default();
            let created = object.pointer("/metadata/creationTimestamp").cloned().unwrap_or_default();
            let created: Option<meta::Time> = serde_json::from_value(created).ok();
            vec![name, age(created.as_ref(), now)]
        };
        let columns = vec![NAME, date("Age")];
        Self { columns, rows: objects.into_iter().map(row).collect() }
    }

    /// The table of a `Scale`, given as JSON: how many replicas there shall be, and how many there are.
    pub fn of_scale(scale: &Value, now: Time) -> Self {
        let row = vec![
            others::name(scale),
            others::number(scale, "/spec/replicas").into(),
            others::number(scale, "/status/replicas").into(),
            others::created(scale, now),
        ];
        Self { columns: vec![narrow("Name"), integer("Desired"), integer("Available"), narrow("Age")], rows: vec![row] }
    }

    /// As kubectl prints it, with a title line; `wide` shows all columns.
    pub fn print(&self, wide: bool) -> String {
        let shown: Vec<usize> =
            (0..self.columns.len()).filter(|index| wide || self.columns[*index].priority == 0).collect();
        let title = shown.iter().map(|index| self.columns[*index].name.to_uppercase()).collect();
        let mut lines: Vec<Vec<String>> = vec![title];
        for row in &self.rows {
            lines.push(shown.iter().map(|index| row.get(*index).map(text).unwrap_or_default()).collect());
        }
        let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).fold(WIDTH_MIN, usize::max);
        let widths: Vec<usize> = (0..shown.len()).map(width).collect();
        let mut printed = String::new();
        for line in &lines {
            let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            printed.push_str(cells.collect::<Vec<_>>().join("   ").trim_end());
            printed.push('\n');
        }
        printed
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.print(false))
    }
}

/// A cell neither breaks the line nor commands the terminal.
fn text(cell: &Value) -> String {
    match cell {
        Value::String(text) => {
            let (shown, dots) =
                text.split_once(['\u{c}', '\n', '\r']).map_or((&**text, ""), |(first, _)| (first, "..."));
            format!("{}{dots}", shown.replace('\u{1b}', "^["))
        }
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// The columns of kinds that have none of their own, as upstream.
static NAME_AND_TIME: [Column; 2] = [NAME, date("Created At")];

/// The columns of a kind.
fn columns(kind: KindId) -> &'static [Column] {
    match kind {
        kind::POD => pod::COLUMNS,
        kind::DEPLOYMENT => workload::DEPLOYMENT,
        kind::REPLICA_SET => workload::REPLICA_SET,
        kind::STATEFUL_SET => workload::STATEFUL_SET,
        kind::DAEMON_SET => workload::DAEMON_SET,
        kind::HORIZONTAL_POD_AUTOSCALER => autoscaler::AUTOSCALER,
        kind::NODE => cluster::NODE,
        kind::SERVICE => cluster::SERVICE,
        kind::NAMESPACE => cluster::NAMESPACE,
        kind::EVENT => cluster::EVENT,
        kind::CONFIG_MAP => cluster::CONFIG_MAP,
        kind::SECRET => cluster::SECRET,
        _ => others::of(kind).map_or(&NAME_AND_TIME, |lines| lines.columns),
    }
}

fn cells(object: &dyn TypedObject, now: Time) -> Vec<Value> {
    macro_rules! first_of {
        ($($cells:path),* $(,)?) => {
            $(if let Some(object) = object.as_any().downcast_ref() { return $cells(object, now); })*
        };
    }
    first_of!(
        pod::cells,
        workload::deployment,
        workload::replica_set,
        workload::stateful_set,
        workload::daemon_set,
        autoscaler::autoscaler,
        cluster::node,
        cluster::service,
        cluster::namespace,
        cluster::event,
        cluster::config_map,
        cluster::secret,
    );
    if let Some(lines) = others::of(object.kind_id()) {
        return (lines.cells)(&object.to_value(), now);
    }
    let meta = object.metadata();
    let created = meta.creation_timestamp.as_ref().and_then(|time| serde_json::to_value(time).ok());
    vec![name(meta), created.unwrap_or_default()]
}

fn name(meta: &meta::ObjectMeta) -> Value {
    meta.name.as_deref().unwrap_or_default().into()
}

/// The age of an object.
fn created(meta: &meta::ObjectMeta, now: Time) -> Value {
    age(meta.creation_timestamp.as_ref(), now)
}

fn age(since: Option<&meta::Time>, now: Time) -> Value {
    age_of(since.map(Time::from_api), now)
}

fn age_of(since: Option<Time>, now: Time) -> Value {
    since.map_or_else(|| "<unknown>".to_owned(), |since| human_age(since, now)).into()
}

/// Whole seconds, of the time between and not of either end.
fn human_age(since: Time, now: Time) -> String {
    human_duration(now.as_nanos().saturating_sub(since.as_nanos()) / 1_000_000_000)
}

/// A duration as people read it: `45s`, `9m59s`, `179m`, `7h59m`, `47h`, `2d`. The longer, the coarser.
pub fn human_duration(seconds: i64) -> String {
    let two = |big: i64, unit: &str, small: i64, small_unit: &str| match small {
        0 => format!("{big}{unit}"),
        small => format!("{big}{unit}{small}{small_unit}"),
    };
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    let (days, years) = (hours / 24, hours / 24 / 365);
    match seconds {
        ..-1 => "<invalid>".to_owned(),
        -1..0 => "0s".to_owned(),
        0..120 => format!("{seconds}s"),
        _ if minutes < 10 => two(minutes, "m", seconds % 60, "s"),
        _ if minutes < 180 => format!("{minutes}m"),
        _ if hours < 8 => two(hours, "h", minutes % 60, "m"),
        _ if hours < 48 => format!("{hours}h"),
        _ if days < 8 => two(days, "d", hours % 24, "h"),
        _ if years < 2 => format!("{days}d"),
        _ if years < 8 => two(years, "y", days % 365, "d"),
        _ => format!("{years}y"),
    }
}

/// Labels as a selector would have them, sorted: `a=1,b=2`.
fn labels(labels: Option<&std::collections::BTreeMap<String, String>>) -> Value {
    let pairs: Vec<String> = labels.into_iter().flatten().map(|(key, value)| format!("{key}={value}")).collect();
    if pairs.is_empty() { NONE.into() } else { pairs.join(",").into() }
}
