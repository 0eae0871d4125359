//! Whom a client's certificate names: its common name is the user, its organizations are the groups. TLS has verified the
//! rest of it.

use inboard::object::subject::Subject;

use crate::identity::User;

/// The user of a certificate in DER; nobody where it names none.
pub(crate) fn user(certificate: &[u8]) -> Option<User> {
    let Subject { name, groups } = Subject::of_certificate(certificate)?;
    (!name.is_empty()).then(|| User::new(name, groups))
}
