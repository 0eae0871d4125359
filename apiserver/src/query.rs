//! The query of a request: what every verb may be told behind the `?`.

use http::HeaderMap;
use http::header::USER_AGENT;
use inboard::cluster::Filter;
use inboard::error::Subject;
use inboard::k8s_openapi::apimachinery::pkg::apis::meta::v1::StatusCause;
use inboard::object::field::FieldErrors;
use inboard::object::kind::KindInfo;
use inboard::object::manifest::FieldValidation;
use inboard::time::Time;
use inboard::{ApiError, Reason};

use crate::route::decoded;

/// How long the name of a field manager may be.
const MANAGER_BYTES_MAX: usize = 128;

/// The names and values of a query, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads what stands behind the `?`. What cannot be read is left out, as upstream does.
    pub(crate) fn read(text: Option<&str>) -> Self {
        let parts = text.unwrap_or_default().split('&').filter(|part| !part.is_empty());
        let pair = |part: &str| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            Some((decoded(&name.replace('+', " "))?, decoded(&value.replace('+', " "))?))
        };
        Self(parts.filter_map(pair).collect())
    }

    /// The first value of a name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// The first value of a name, if it is not empty.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// All values of a name.
    pub(crate) fn all<'q>(&'q self, name: &str) -> impl Iterator<Item = &'q str> {
        let name = name.to_owned();
        self.0.iter().filter(move |(key, _)| *key == name).map(|(_, value)| value.as_str())
    }

    /// Whether a flag is up: `true`, `1`, or there without a value; anything else that is not `false` or `0` is true, too.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| !value.eq_ignore_ascii_case("false") && value != "0")
    }

    /// A number.
    pub(crate) fn number(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        text.parse()
            .map(Some)
            .map_err(|_| ApiError::bad_request(format!("strconv.ParseInt: parsing \"{text}\": invalid syntax")))
    }

    /// A moment.
    pub(crate) fn time(&self, name: &str) -> Result<Option<Time>, ApiError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let layout = "2006-01-02T15:04:05Z07:00";
        let problem = || format!("parsing time {text:?} as {layout:?}: cannot parse {text:?} as \"2006\"");
        let time = text.parse().map_err(|_| ApiError::bad_request(problem()))?;
        Ok(Some(Time::from_timestamp(time)))
    }

    /// What a list or a watch of a kind lets through; `name` is the one that stands in its path, if one does.
    pub(crate) fn filter(&self, info: &KindInfo, name: Option<&str>) -> Result<Filter, ApiError> {
        let filter = Filter::parse(self.get("labelSelector"), self.get("fieldSelector"))?;
        filter.check(info)?;
        match name {
            Some(name) if !filter.agrees_with(name) => {
                Err(ApiError::bad_request("fieldSelector metadata.name doesn't match requested name"))
            }
            Some(name) => Ok(filter.named(name)),
            None => Ok(filter),
        }
    }

    /// Whether nothing is to be kept; `options` is the kind of options that the query stands for.
    pub(crate) fn dry_run(&self, options: &str) -> Result<bool, ApiError> {
        Self::check_dry_run(self.all("dryRun").filter(|value| !value.is_empty()), options)
    }

    /// As [`Query::dry_run`], from the values themselves.
    pub(crate) fn check_dry_run<'v>(values: impl Iterator<Item = &'v str>, options: &str) -> Result<bool, ApiError> {
        let values: Vec<&str> = values.collect();
        if values.iter().all(|value| *value == "All") {
            return Ok(!values.is_empty());
        }
        let values = serde_json::to_string(&values).unwrap_or_default();
        let problem = format!("dryRun: Unsupported value: {values}: supported values: \"All\"");
        Err(invalid_options(options, &problem))
    }

    /// What to do with fields that a kind does not have; `options` is the kind of options that the query stands for.
    pub(crate) fn field_validation(&self, options: &str) -> Result<FieldValidation, ApiError> {
        match self.get("fieldValidation") {
            None | Some("" | "Warn") => Ok(FieldValidation::Warn),
            Some("Strict") => Ok(FieldValidation::Strict),
            Some("Ignore") => Ok(FieldValidation::Ignore),
            Some(other) => {
                let supported = "\"\", \"Ignore\", \"Strict\", \"Warn\"";
                let problem = format!("fieldValidation: Unsupported value: \"{other}\": supported values: {supported}");
                Err(invalid_options(options, &problem))
            }
        }
    }

    /// Who writes, for the fields that the write touches; the name of the client's program when it does not say.
    pub(crate) fn field_manager(&self, options: &str, headers: &HeaderMap) -> Result<String, ApiError> {
        let Some(name) = self.text("fieldManager") else {
            let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or("unknown");
            let mut program = String::new();
            for letter in agent.split('/').next().unwrap_or_default().chars().filter(|letter| !letter.is_control()) {
                if program.len() + letter.len_utf8() > MANAGER_BYTES_MAX {
                    break;
                }
                program.push(letter);
            }
            return Ok(if program.is_empty() { "unknown".to_owned() } else { program });
        };
        if name.len() > MANAGER_BYTES_MAX {
            let problem = format!("fieldManager: Too long: may not be more than {MANAGER_BYTES_MAX} bytes");
            return Err(invalid_options(options, &problem));
        }
        if let Some((at, letter)) = name.char_indices().find(|(_, letter)| letter.is_control()) {
            let (value, code) = (go_quoted(name), u32::from(letter));
            let problem =
                format!("fieldManager: Invalid value: {value}: invalid character U+{code:04X} (at position {at})");
            return Err(invalid_options(options, &problem));
        }
        Ok(name.to_owned())
    }
}

/// A text in quotes, as Go writes it.
fn go_quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{b}' => quoted.push_str("\\v"),
            control if control.is_control() => quoted.push_str(&format!("\\x{:02x}", u32::from(control))),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

/// Refuses the options of a request if anything is wrong with them; `kind` is what they are called.
pub(crate) fn options_are(kind: &str, errors: FieldErrors) -> Result<(), ApiError> {
    if errors.is_empty() { Ok(()) } else { Err(ApiError::invalid(Subject::new("meta.k8s.io", kind, ""), errors)) }
}

/// That the options of a request are not valid: `problem` begins with the field.
pub(crate) fn invalid_options(kind: &str, problem: &str) -> ApiError {
    let (field, message) = problem.split_once(": ").unwrap_or(("", problem));
    let reason = match message.split(": ").next().unwrap_or_default() {
        "Unsupported value" => "FieldValueNotSupported",
        "Forbidden" => "FieldValueForbidden",
        "Too long" => "FieldValueTooLong",
        _ => "FieldValueInvalid",
    };
    ApiError::new(Reason::Invalid, format!("{kind}.meta.k8s.io \"\" is invalid: {problem}"))
        .about(Subject::new("meta.k8s.io", kind, ""))
        .cause(StatusCause {
            field: Some(field.to_owned()),
            message: Some(message.to_owned()),
            reason: Some(reason.to_owned()),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_as_a_form() {
        let query =
            Query::read(Some("labelSelector=a%3Db%2Cc&watch&command=ls&command=-l+x&limit=5&force=false&x=%zz"));
        assert_eq!(query.get("labelSelector"), Some("a=b,c"));
        assert!(query.flag("watch") && !query.flag("force") && !query.flag("other"));
        assert_eq!(query.all("command").collect::<Vec<_>>(), ["ls", "-l x"]);
        assert_eq!(query.number("limit").expect("a number"), Some(5));
        assert_eq!(query.get("x"), None);
        assert!(Query::read(Some("limit=x")).number("limit").is_err());
    }
}
