//! In which form a client wants its answer: the `Accept` header as upstream reads it.
//!
//! The clauses are tried by their weight, then in their order; the first that can be served wins. Without the header the
//! answer is JSON.

use http::header::{ACCEPT, USER_AGENT};
use http::{HeaderMap, HeaderValue};
use inboard::object::kind::KindInfo;
use inboard::{ApiError, Reason};

use crate::protobuf;
use crate::query::Query;

/// How bytes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Json,
    Yaml,
    Protobuf,
}

impl Encoding {
    /// The media type, as `Content-Type` has it.
    pub(crate) const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Yaml => "application/yaml",
            Self::Protobuf => protobuf::MEDIA_TYPE,
        }
    }
}

/// What of an object is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// All of it.
    Whole,
    /// Its metadata: `PartialObjectMetadata`, or a list of them. The text is the version of `meta.k8s.io`.
    Metadata(&'static str, Count),
    /// A line of a table.
    Table(&'static str, Include),
}

/// Of how many objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Count {
    One,
    List,
}

impl Form {
    /// Refuses metadata of one object for a list, and the other way round.
    pub(crate) fn check(self, found: Count, info: &KindInfo) -> Result<(), ApiError> {
        let Self::Metadata(_, asked) = self else { return Ok(()) };
        let (list, asked, is) = match (asked, found) {
            (Count::One, Count::List) => ("List", "PartialObjectMetadata", "is a list"),
            (Count::List, Count::One) => ("", "PartialObjectMetadataList", "is not a list"),
            (Count::One, Count::One) | (Count::List, Count::List) => return Ok(()),
        };
        // Upstream names its own type.
        let (package, kind) = match (info.id.built_in(), info.group.split('.').next().unwrap_or_default()) {
            (None, _) => ("unstructured", "Unstructured"),
            (Some(_), "" | "events") => ("core", &*info.kind),
            (Some(_), group) => (group, &*info.kind),
        };
        let message = format!("you requested {asked}, but the requested object {is} (*{package}.{kind}{list})");
        Err(ApiError::new(Reason::NotAcceptable, message))
    }
}

/// What comes with each line of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Include {
    Nothing,
    Metadata,
    Object,
}

/// What a client wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) encoding: Encoding,
    pub(crate) form: Form,
    /// For people: with line breaks.
    pub(crate) is_pretty: bool,
}

/// What is told when none of the client's wishes can be met.
const NOT_ACCEPTABLE: &str = "only the following media types are accepted: application/json, application/yaml, \
                              application/vnd.kubernetes.protobuf";

impl Wanted {
    /// JSON, all of it.
    pub(crate) const PLAIN: Self = Self { encoding: Encoding::Json, form: Form::Whole, is_pretty: false };

    /// What the headers and the query ask for.
    pub(crate) fn read(headers: &HeaderMap, query: &Query) -> Result<Self, ApiError> {
        let is_pretty = match query.text("pretty") {
            Some(text) => matches!(text, "1" | "t" | "T" | "true" | "TRUE" | "True"),
            None => headers.get(USER_AGENT).is_some_and(is_for_people),
        };
        let (encoding, form, is_asked_pretty) = accepted(headers, query)?;
        Ok(Self { encoding, form, is_pretty: is_pretty || is_asked_pretty })
    }

    /// The same for something that is no object of a kind: its form is all of it.
    pub(crate) const fn whole(self) -> Self {
        Self { form: Form::Whole, ..self }
    }
}

/// Programs that show bytes as they come.
fn is_for_people(agent: &HeaderValue) -> bool {
    agent.to_str().is_ok_and(|agent| ["curl", "Wget", "Mozilla/5.0"].iter().any(|one| agent.starts_with(one)))
}

/// The encoding and the form that can be served, and whether they are asked for with line breaks.
fn accepted(headers: &HeaderMap, query: &Query) -> Result<(Encoding, Form, bool), ApiError> {
    let clauses: Vec<&str> = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    if clauses.iter().all(|text| text.trim().is_empty()) {
        return Ok((Encoding::Json, Form::Whole, false));
    }
    let mut clauses: Vec<Clause<'_>> = clauses.iter().flat_map(|text| text.split(',')).map(Clause::read).collect();
    clauses.sort_by(|one, other| other.weight.total_cmp(&one.weight));
    for clause in &clauses {
        let Some(encoding) = clause.encoding() else { continue };
        let Some(form) = clause.form(query)? else { continue };
        return Ok((encoding, form, clause.parameter("pretty") == "1"));
    }
    Err(ApiError::new(Reason::NotAcceptable, NOT_ACCEPTABLE))
}

/// One wish of an `Accept` header.
struct Clause<'a> {
    media: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
    weight: f32,
}

impl<'a> Clause<'a> {
    fn read(text: &'a str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default();
        let parameters: Vec<(&str, &str)> = parts.filter_map(|part| part.split_once('=')).collect();
        let weight = parameters.iter().find(|(name, _)| *name == "q").and_then(|(_, value)| value.parse().ok());
        Self { media, parameters, weight: weight.unwrap_or(1.0) }
    }

    fn parameter(&self, name: &str) -> &'a str {
        self.parameters.iter().find(|(key, _)| *key == name).map(|(_, value)| *value).unwrap_or_default()
    }

    fn encoding(&self) -> Option<Encoding> {
        match self.media {
            "application/json" | "application/*" | "*/*" => Some(Encoding::Json),
            "application/yaml" => Some(Encoding::Yaml),
            protobuf::MEDIA_TYPE => Some(Encoding::Protobuf),
            _ => None,
        }
    }

    /// The form that is asked for; nothing when there is none of that name.
    fn form(&self, query: &Query) -> Result<Option<Form>, ApiError> {
        let version = match self.parameter("v") {
            "v1" => "v1",
            "v1beta1" => "v1beta1",
            _ => "",
        };
        Ok(match (self.parameter("as"), self.parameter("g"), version) {
            ("", ..) => Some(Form::Whole),
            (_, _, "") => None,
            // Tables have no protobuf.
            ("Table", ..) if self.media == protobuf::MEDIA_TYPE => None,
            ("Table", "meta.k8s.io", version) => Some(Form::Table(version, include(query)?)),
            ("PartialObjectMetadata", "meta.k8s.io", version) => Some(Form::Metadata(version, Count::One)),
            ("PartialObjectMetadataList", "meta.k8s.io", version) => Some(Form::Metadata(version, Count::List)),
            _ => None,
        })
    }
}

fn include(query: &Query) -> Result<Include, ApiError> {
    match query.text("includeObject") {
        None | Some("Metadata") => Ok(Include::Metadata),
        Some("None") => Ok(Include::Nothing),
        Some("Object") => Ok(Include::Object),
        Some(other) => Err(ApiError::bad_request(format!(
            "Unable to convert to Table as requested: includeObject: Invalid value: \"{other}\": must be 'Metadata', \
             'Object', 'None', or empty"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(accept: &str) -> Result<(Encoding, Form), Reason> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, accept.parse().expect("a header"));
        let wanted = Wanted::read(&headers, &Query::default()).map_err(|error| error.reason())?;
        Ok((wanted.encoding, wanted.form))
    }

    #[test]
    fn the_first_clause_that_can_be_served_wins() {
        let table = Form::Table("v1", Include::Metadata);
        for (accept, expected) in [
            ("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", Ok((Encoding::Json, table))),
            ("application/json;as=Nonsense;v=v1;g=meta.k8s.io,application/yaml", Ok((Encoding::Yaml, Form::Whole))),
            ("application/json;q=0.5,application/yaml", Ok((Encoding::Yaml, Form::Whole))),
            ("*/*", Ok((Encoding::Json, Form::Whole))),
            (
                "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
                Ok((Encoding::Json, Form::Metadata("v1", Count::One))),
            ),
            ("application/vnd.kubernetes.protobuf,application/json", Ok((Encoding::Protobuf, Form::Whole))),
            (
                "application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1;g=meta.k8s.io",
                Ok((Encoding::Json, table)),
            ),
            ("text/html", Err(Reason::NotAcceptable)),
        ] {
            assert_eq!(wanted(accept), expected, "{accept}");
        }
    }
}
