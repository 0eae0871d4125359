//! All functions, with the types that they take and give.
//!
//! A line is `[RECEIVER.]NAME(ARGUMENTS) RESULT`; capital letters stand for any type. Operators have the names that upstream
//! gives them. What is not listed does not exist.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::types::Type;

const LINES: &str = "
!_(bool) bool
-_(int) int
-_(double) double
_+_(int, int) int
_+_(uint, uint) uint
_+_(double, double) double
_+_(string, string) string
_+_(bytes, bytes) bytes
_+_(list<A>, list<A>) list<A>
_+_(duration, duration) duration
_+_(timestamp, duration) timestamp
_+_(duration, timestamp) timestamp
_-_(int, int) int
_-_(uint, uint) uint
_-_(double, double) double
_-_(duration, duration) duration
_-_(timestamp, duration) timestamp
_-_(timestamp, timestamp) duration
_*_(int, int) int
_*_(uint, uint) uint
_*_(double, double) double
_/_(int, int) int
_/_(uint, uint) uint
_/_(double, double) double
_%_(int, int) int
_%_(uint, uint) uint
_==_(A, A) bool
_!=_(A, A) bool
@in(A, list<A>) bool
@in(A, map<A, B>) bool
_[_](list<A>, int) A
_[_](map<A, B>, A) B
_[_](optional<list<A>>, int) optional<A>
_[_](optional<map<A, B>>, A) optional<B>
_[?_](list<A>, int) optional<A>
_[?_](map<A, B>, A) optional<B>
_[?_](optional<list<A>>, int) optional<A>
_[?_](optional<map<A, B>>, A) optional<B>
size(string) int
size(bytes) int
size(list<A>) int
size(map<A, B>) int
string.size() int
bytes.size() int
list<A>.size() int
map<A, B>.size() int
bool(bool) bool
bool(string) bool
int(int) int
int(uint) int
int(double) int
int(string) int
int(timestamp) int
int(duration) int
uint(uint) uint
uint(int) uint
uint(double) uint
uint(string) uint
double(double) double
double(int) double
double(uint) double
double(string) double
string(string) string
string(bool) string
string(int) string
string(uint) string
string(double) string
string(bytes) string
string(timestamp) string
string(duration) string
string(quantity) string
string(ip) string
string(cidr) string
bytes(bytes) bytes
bytes(string) bytes
duration(duration) duration
duration(string) duration
duration(int) duration
timestamp(timestamp) timestamp
timestamp(string) timestamp
timestamp(int) timestamp
type(A) type
dyn(A) dyn
string.contains(string) bool
string.startsWith(string) bool
string.endsWith(string) bool
string.matches(string) bool
matches(string, string) bool
string.charAt(int) string
string.indexOf(string) int
string.indexOf(string, int) int
string.lastIndexOf(string) int
string.lastIndexOf(string, int) int
string.lowerAscii() string
string.upperAscii() string
string.replace(string, string) string
string.replace(string, string, int) string
string.split(string) list<string>
string.split(string, int) list<string>
string.substring(int) string
string.substring(int, int) string
string.trim() string
string.reverse() string
list<string>.join() string
list<string>.join(string) string
string.format(list<dyn>) string
strings.quote(string) string
jsonpatch.escapeKey(string) string
string.find(string) string
string.findAll(string) list<string>
string.findAll(string, int) list<string>
list<int>.isSorted() bool
list<uint>.isSorted() bool
list<double>.isSorted() bool
list<bool>.isSorted() bool
list<string>.isSorted() bool
list<bytes>.isSorted() bool
list<duration>.isSorted() bool
list<timestamp>.isSorted() bool
list<int>.sum() int
list<uint>.sum() uint
list<double>.sum() double
list<duration>.sum() duration
list<int>.min() int
list<uint>.min() uint
list<double>.min() double
list<bool>.min() bool
list<string>.min() string
list<bytes>.min() bytes
list<duration>.min() duration
list<timestamp>.min() timestamp
list<int>.max() int
list<uint>.max() uint
list<double>.max() double
list<bool>.max() bool
list<string>.max() string
list<bytes>.max() bytes
list<duration>.max() duration
list<timestamp>.max() timestamp
list<A>.indexOf(A) int
list<A>.lastIndexOf(A) int
sets.contains(list<A>, list<A>) bool
sets.equivalent(list<A>, list<A>) bool
sets.intersects(list<A>, list<A>) bool
optional.of(A) optional<A>
optional.ofNonZeroValue(A) optional<A>
optional.none() optional<dyn>
optional<A>.hasValue() bool
optional<A>.value() A
optional<A>.or(optional<A>) optional<A>
optional<A>.orValue(A) A
isURL(string) bool
url(string) url
url.getScheme() string
url.getHost() string
url.getHostname() string
url.getPort() string
url.getEscapedPath() string
url.getQuery() map<string, list<string>>
isIP(string) bool
ip(string) ip
ip.isCanonical(string) bool
ip.family() int
ip.isUnspecified() bool
ip.isLoopback() bool
ip.isLinkLocalMulticast() bool
ip.isLinkLocalUnicast() bool
ip.isGlobalUnicast() bool
isCIDR(string) bool
cidr(string) cidr
cidr.containsIP(string) bool
cidr.containsIP(ip) bool
cidr.containsCIDR(string) bool
cidr.containsCIDR(cidr) bool
cidr.ip() ip
cidr.masked() cidr
cidr.prefixLength() int
isQuantity(string) bool
quantity(string) quantity
quantity.sign() int
quantity.isInteger() bool
quantity.asInteger() int
quantity.asApproximateFloat() double
quantity.add(quantity) quantity
quantity.add(int) quantity
quantity.sub(quantity) quantity
quantity.sub(int) quantity
quantity.isLessThan(quantity) bool
quantity.isGreaterThan(quantity) bool
quantity.compareTo(quantity) int
isSemver(string) bool
isSemver(string, bool) bool
semver(string) semver
semver(string, bool) semver
semver.isLessThan(semver) bool
semver.isGreaterThan(semver) bool
semver.compareTo(semver) int
semver.major() int
semver.minor() int
semver.patch() int
authorizer.path(string) pathcheck
authorizer.group(string) groupcheck
authorizer.serviceAccount(string, string) authorizer
groupcheck.resource(string) resourcecheck
resourcecheck.subresource(string) resourcecheck
resourcecheck.namespace(string) resourcecheck
resourcecheck.name(string) resourcecheck
resourcecheck.fieldSelector(string) resourcecheck
resourcecheck.labelSelector(string) resourcecheck
resourcecheck.check(string) decision
pathcheck.check(string) decision
decision.allowed() bool
decision.errored() bool
decision.error() string
decision.reason() string
format.dns1123Label() format
format.dns1123Subdomain() format
format.dns1035Label() format
format.qualifiedName() format
format.dns1123LabelPrefix() format
format.dns1123SubdomainPrefix() format
format.dns1035LabelPrefix() format
format.labelValue() format
format.uri() format
format.uuid() format
format.byte() format
format.date() format
format.datetime() format
format.validate(string) optional<list<string>>
";

/// Pairs of types that can be put in order.
const ORDERED: [&str; 8] = ["bool", "int", "uint", "double", "string", "bytes", "timestamp", "duration"];
/// Numbers can be compared whatever they are.
const NUMBERS: [&str; 3] = ["int", "uint", "double"];
/// The parts of a time, each also in a time zone.
const OF_TIMESTAMP: [&str; 10] = [
    "getFullYear",
    "getMonth",
    "getDayOfYear",
    "getDayOfMonth",
    "getDate",
    "getDayOfWeek",
    "getHours",
    "getMinutes",
    "getSeconds",
    "getMilliseconds",
];
const OF_DURATION: [&str; 4] = ["getHours", "getMinutes", "getSeconds", "getMilliseconds"];

/// One way to call a function.
#[derive(Clone, Debug)]
pub(super) struct Signature {
    pub(super) receiver: Option<Type>,
    pub(super) arguments: Vec<Type>,
    pub(super) result: Type,
}

fn all() -> &'static BTreeMap<String, Vec<Signature>> {
    static ALL: OnceLock<BTreeMap<String, Vec<Signature>>> = OnceLock::new();
    ALL.get_or_init(|| {
        let mut all: BTreeMap<String, Vec<Signature>> = BTreeMap::new();
        for line in LINES.lines().filter(|line| !line.is_empty()) {
            let (name, signature) = read(line).expect("a test reads all lines, which are part of the program");
            all.entry(name).or_default().push(signature);
        }
        let typed = |name: &str| type_named(name).expect("the lists above name types");
        let mut add = |name: &str, receiver: Option<&str>, arguments: &[&str], result: Type| {
            let arguments = arguments.iter().map(|name| typed(name)).collect();
            let signature = Signature { receiver: receiver.map(typed), arguments, result };
            all.entry(name.to_owned()).or_default().push(signature);
        };
        for operator in ["_<_", "_<=_", "_>_", "_>=_"] {
            for name in ORDERED {
                add(operator, None, &[name, name], Type::Bool);
            }
            for (one, other) in NUMBERS.iter().flat_map(|one| NUMBERS.iter().map(move |other| (*one, *other))) {
                if one != other {
                    add(operator, None, &[one, other], Type::Bool);
                }
            }
        }
        for name in OF_TIMESTAMP {
            add(name, Some("timestamp"), &[], Type::Int);
            add(name, Some("timestamp"), &["string"], Type::Int);
        }
        for name in OF_DURATION {
            add(name, Some("duration"), &[], Type::Int);
        }
        all
    })
}

/// The ways to call a function.
pub(super) fn of(name: &str) -> Option<&'static [Signature]> {
    all().get(name).map(Vec::as_slice)
}

/// Whether a name with a dot is that of a function, and not of a variable's.
pub(super) fn is_function(name: &str) -> bool {
    const SPACES: [&str; 6] = ["optional.", "sets.", "strings.", "ip.isCanonical", "format.", "jsonpatch."];
    SPACES.iter().any(|space| name.starts_with(space)) && name != "format.validate" && all().contains_key(name)
}

fn read(line: &str) -> Option<(String, Signature)> {
    let (head, rest) = line.split_once('(')?;
    let (arguments, result) = rest.rsplit_once(") ")?;
    let (receiver, name) = match head.rsplit_once('.') {
        // Functions of a space are called by their whole name.
        Some((space @ ("optional" | "sets" | "strings" | "jsonpatch"), _)) if !space.contains('<') => (None, head),
        Some(("format", name)) if name != "validate" => (None, head),
        Some(("ip", "isCanonical")) => (None, head),
        Some((receiver, name)) => (Some(type_named(receiver)?), name),
        None => (None, head),
    };
    let arguments = split(arguments).into_iter().map(type_named).collect::<Option<Vec<_>>>()?;
    Some((name.to_owned(), Signature { receiver, arguments, result: type_named(result)? }))
}

/// The parts between commas that are not in brackets.
fn split(list: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, one) in list.char_indices() {
        match one {
            '<' => depth += 1,
            '>' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(list[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(list[start..].trim());
    parts.retain(|part| !part.is_empty());
    parts
}

fn type_named(name: &str) -> Option<Type> {
    if let Some((outer, inner)) = name.split_once('<') {
        let parts = split(inner.strip_suffix('>')?);
        let part = |index: usize| type_named(parts.get(index)?);
        return match outer {
            "list" => Some(Type::list(part(0)?)),
            "map" => Some(Type::map(part(0)?, part(1)?)),
            "optional" => Some(Type::optional(part(0)?)),
            _ => None,
        };
    }
    Some(match name {
        "dyn" => Type::Dyn,
        "bool" => Type::Bool,
        "int" => Type::Int,
        "uint" => Type::Uint,
        "double" => Type::Double,
        "string" => Type::String,
        "bytes" => Type::Bytes,
        "duration" => Type::Duration,
        "timestamp" => Type::Timestamp,
        "type" => Type::Kind,
        "quantity" => Type::Named("quantity"),
        "url" => Type::Named("URL"),
        "ip" => Type::Named("IP"),
        "cidr" => Type::Named("CIDR"),
        "format" => Type::Named("NamedFormat"),
        "semver" => Type::Named("Semver"),
        "authorizer" => Type::Named("authorization.Authorizer"),
        "pathcheck" => Type::Named("authorization.PathCheck"),
        "groupcheck" => Type::Named("authorization.GroupCheck"),
        "resourcecheck" => Type::Named("authorization.ResourceCheck"),
        "decision" => Type::Named("authorization.Decision"),
        name if name.len() == 1 => Type::Variable(name.chars().next()?),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::{LINES, read};

    #[test]
    fn all_lines_can_be_read() {
        for line in LINES.lines().filter(|line| !line.is_empty()) {
            assert!(read(line).is_some(), "{line}");
        }
    }
}
