//! What a cluster answers when it cannot do what was asked: Kubernetes's `Status`, as a Rust error.

use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ListMeta, Status, StatusCause, StatusDetails};

use crate::object::field::FieldErrors;

/// The `reason` of a failed request (`metav1.StatusReason`), each with its HTTP code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// 400: the request cannot be understood.
    BadRequest,
    /// 401: nobody knows who asks.
    Unauthorized,
    /// 403: not allowed, by permission, quota or the state of the namespace.
    Forbidden,
    /// 404: no such object, or kind.
    NotFound,
    /// 405: the kind does not do that.
    MethodNotAllowed,
    /// 406: the wanted format does not exist.
    NotAcceptable,
    /// 409: an object of that name exists.
    AlreadyExists,
    /// 409: the object has changed, or a precondition does not hold.
    Conflict,
    /// 410: that revision is no longer kept.
    Gone,
    /// 410: the continue token or watch is too old.
    Expired,
    /// 413: the request is too large.
    RequestEntityTooLarge,
    /// 415: the format is not understood.
    UnsupportedMediaType,
    /// 422: the object breaks a rule.
    Invalid,
    /// 429: try again later.
    TooManyRequests,
    /// 500: a fault of the cluster.
    InternalError,
    /// 500: the one who answers gives no reason.
    Unknown,
    /// 503: the cluster is stopping, or its storage does not take writes.
    ServiceUnavailable,
    /// 504: it took too long.
    Timeout,
}

impl Reason {
    const ALL: [Self; 18] = [
        Self::BadRequest,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::NotAcceptable,
        Self::AlreadyExists,
        Self::Conflict,
        Self::Gone,
        Self::Expired,
        Self::RequestEntityTooLarge,
        Self::UnsupportedMediaType,
        Self::Invalid,
        Self::TooManyRequests,
        Self::InternalError,
        Self::Unknown,
        Self::ServiceUnavailable,
        Self::Timeout,
    ];

    /// As in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "BadRequest",
            Self::Unauthorized => "Unauthorized",
            Self::Forbidden => "Forbidden",
            Self::NotFound => "NotFound",
            Self::MethodNotAllowed => "MethodNotAllowed",
            Self::NotAcceptable => "NotAcceptable",
            Self::AlreadyExists => "AlreadyExists",
            Self::Conflict => "Conflict",
            Self::Gone => "Gone",
            Self::Expired => "Expired",
            Self::RequestEntityTooLarge => "RequestEntityTooLarge",
            Self::UnsupportedMediaType => "UnsupportedMediaType",
            Self::Invalid => "Invalid",
            Self::TooManyRequests => "TooManyRequests",
            Self::InternalError => "InternalError",
            Self::Unknown => "",
            Self::ServiceUnavailable => "ServiceUnavailable",
            Self::Timeout => "Timeout",
        }
    }

    /// The HTTP code.
    pub const fn code(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::NotAcceptable => 406,
            Self::AlreadyExists | Self::Conflict => 409,
            Self::Gone | Self::Expired => 410,
            Self::RequestEntityTooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::Invalid => 422,
            Self::TooManyRequests => 429,
            Self::InternalError | Self::Unknown => 500,
            Self::ServiceUnavailable => 503,
            Self::Timeout => 504,
        }
    }
}

/// The object that an error is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// Its API group; empty for the core group.
    pub group: String,
    /// Its plural (`deployments`), or for [`Reason::Invalid`] its kind (`Deployment`), as upstream has it.
    pub kind: String,
    /// Its name.
    pub name: String,
}

impl Subject {
    /// An object of this group and plural (or kind).
    pub fn new(group: impl Into<String>, kind: impl Into<String>, name: impl Into<String>) -> Self {
        Self { group: group.into(), kind: kind.into(), name: name.into() }
    }

    fn qualified(&self) -> String {
        if self.group.is_empty() { self.kind.clone() } else { format!("{}.{}", self.kind, self.group) }
    }
}

/// A request that failed.
///
/// [`ApiError::reason`] tells programs what happened, the text tells people; [`ApiError::to_status`] gives the
/// Kubernetes form.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiError(Box<Inner>);

#[derive(Clone, Debug, PartialEq)]
struct Inner {
    reason: Reason,
    message: String,
    subject: Option<Subject>,
    causes: Vec<StatusCause>,
    retry_after_seconds: Option<i32>,
    resume_token: Option<String>,
    warnings: Vec<String>,
    /// What somebody else has answered, as it is told.
    status: Option<Box<Status>>,
}

impl ApiError {
    /// An error with this reason and text.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            reason,
            message: message.into(),
            subject: None,
            causes: Vec::new(),
            retry_after_seconds: None,
            resume_token: None,
            warnings: Vec::new(),
            status: None,
        }))
    }

    /// Names the object it is about.
    #[must_use]
    pub fn about(mut self, subject: Subject) -> Self {
        self.0.subject = Some(subject);
        self
    }

    /// Adds a cause.
    #[must_use]
    pub fn cause(mut self, cause: StatusCause) -> Self {
        self.0.causes.push(cause);
        self
    }

    /// Says when to try again.
    #[must_use]
    pub fn retry_after(mut self, seconds: i32) -> Self {
        self.0.retry_after_seconds = Some(seconds);
        self
    }

    /// Adds what whoever asked should know besides.
    #[must_use]
    pub fn warn(mut self, warnings: impl IntoIterator<Item = String>) -> Self {
        self.0.warnings.extend(warnings);
        self
    }

    /// What whoever asked should know besides.
    pub fn warnings(&self) -> &[String] {
        &self.0.warnings
    }

    /// Gives the token with which a list goes on (`metadata.continue`).
    #[must_use]
    pub fn resume_with(mut self, token: String) -> Self {
        self.0.resume_token = Some(token);
        self
    }

    /// No such object.
    pub fn not_found(subject: Subject) -> Self {
        Self::new(Reason::NotFound, format!("{} \"{}\" not found", subject.qualified(), subject.name)).about(subject)
    }

    /// An object of that name exists.
    pub fn already_exists(subject: Subject) -> Self {
        Self::new(Reason::AlreadyExists, format!("{} \"{}\" already exists", subject.qualified(), subject.name))
            .about(subject)
    }

    /// Every name that was drawn for the object is taken.
    pub fn no_unique_name(subject: Subject) -> Self {
        let (kind, name) = (subject.qualified(), &subject.name);
        let why = "the server was not able to generate a unique name for the object";
        Self::new(Reason::AlreadyExists, format!("{kind} \"{name}\" already exists, {why}"))
            .about(subject)
            .retry_after(1)
    }

    /// The same error, its text behind another one and a colon.
    #[must_use]
    pub fn within(mut self, context: &str) -> Self {
        self.0.message = format!("{context}: {}", self.0.message);
        self
    }

    /// The object has changed since it was read, or a precondition does not hold.
    pub fn conflict(subject: Subject, detail: impl fmt::Display) -> Self {
        let message =
            format!("Operation cannot be fulfilled on {} \"{}\": {detail}", subject.qualified(), subject.name);
        Self::new(Reason::Conflict, message).about(subject)
    }

    /// The text of a conflict by a stale `resourceVersion`.
    pub fn stale(subject: Subject) -> Self {
        Self::conflict(
            subject,
            "the object has been modified; please apply your changes to the latest version and try again",
        )
    }

    /// Not allowed.
    pub fn forbidden(subject: Subject, detail: impl fmt::Display) -> Self {
        let message = if subject.name.is_empty() {
            format!("{} is forbidden: {detail}", subject.qualified())
        } else {
            format!("{} \"{}\" is forbidden: {detail}", subject.qualified(), subject.name)
        };
        Self::new(Reason::Forbidden, message).about(subject)
    }

    /// The object breaks rules; `subject.kind` is its kind.
    pub fn invalid(subject: Subject, errors: FieldErrors) -> Self {
        let message = format!("{} \"{}\" is invalid: {errors}", subject.qualified(), subject.name);
        let mut error = Self::new(Reason::Invalid, message).about(subject);
        error.0.causes = errors
            .into_iter()
            .map(|error| StatusCause {
                field: Some(error.field),
                message: Some(error.message),
                reason: Some(error.problem.reason().to_owned()),
            })
            .collect();
        error
    }

    /// The request cannot be understood.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(Reason::BadRequest, message)
    }

    /// A fault of the cluster.
    pub fn internal(message: impl fmt::Display) -> Self {
        Self::new(Reason::InternalError, format!("Internal error occurred: {message}"))
    }

    /// What was asked for cannot be done, for a reason of the cluster's that is told as the cause too.
    pub fn failed(message: impl Into<String>) -> Self {
        let message = message.into();
        let cause = StatusCause { message: Some(message.clone()), ..StatusCause::default() };
        Self::internal(message).cause(cause)
    }

    /// What somebody else has answered, handed on as it is: a webhook that refuses a request.
    pub fn of_status(status: Status) -> Self {
        let code = status.code.and_then(|code| u16::try_from(code).ok()).unwrap_or(500);
        let named = status.reason.as_deref().unwrap_or_default();
        let reason = Reason::ALL.iter().find(|reason| reason.as_str() == named && !named.is_empty());
        let reason = reason.or_else(|| Reason::ALL.iter().find(|reason| reason.code() == code));
        let mut error =
            Self::new(reason.copied().unwrap_or(Reason::Unknown), status.message.clone().unwrap_or_default());
        error.0.status = Some(Box::new(status));
        error
    }

    /// The HTTP code.
    pub fn code(&self) -> u16 {
        let given = self.0.status.as_ref().and_then(|status| u16::try_from(status.code?).ok());
        given.unwrap_or_else(|| self.reason().code())
    }

    /// What happened, for programs.
    pub fn reason(&self) -> Reason {
        self.0.reason
    }

    /// What is wrong with which field, for [`Reason::Invalid`].
    pub fn causes(&self) -> &[StatusCause] {
        &self.0.causes
    }

    /// Whether it says that the namespace takes no new objects because it goes: whoever creates there need say nothing of it.
    pub fn is_namespace_terminating(&self) -> bool {
        self.causes().iter().any(|cause| cause.reason.as_deref() == Some("NamespaceTerminating"))
    }

    /// The object it is about.
    pub fn subject(&self) -> Option<&Subject> {
        self.0.subject.as_ref()
    }

    /// Whether it says that the object is not there.
    pub fn is_not_found(&self) -> bool {
        self.0.reason == Reason::NotFound
    }

    /// Whether it says that the object has changed.
    pub fn is_conflict(&self) -> bool {
        self.0.reason == Reason::Conflict
    }

    /// The Kubernetes form.
    pub fn to_status(&self) -> Status {
        let Inner { reason, message, subject, causes, retry_after_seconds, resume_token, warnings: _, status } =
            &*self.0;
        if let Some(status) = status {
            return Status::clone(status);
        }
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let has_details = subject.is_some() || !causes.is_empty() || retry_after_seconds.is_some();
        Status {
            code: Some(i32::from(reason.code())),
            details: has_details.then(|| StatusDetails {
                causes: (!causes.is_empty()).then(|| causes.clone()),
                group: subject.as_ref().and_then(|subject| some(&subject.group)),
                kind: subject.as_ref().and_then(|subject| some(&subject.kind)),
                name: subject.as_ref().and_then(|subject| some(&subject.name)),
                retry_after_seconds: *retry_after_seconds,
                uid: None,
            }),
            message: Some(message.clone()),
            metadata: ListMeta { continue_: resume_token.clone(), ..ListMeta::default() },
            reason: some(reason.as_str()),
            status: Some("Failure".to_owned()),
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for ApiError {}
