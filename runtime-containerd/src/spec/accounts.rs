//! The users and groups of an image, read from its `/etc/passwd` and `/etc/group`.

use super::cannot_run;
use inboard::runtime::RuntimeError;

/// The texts of `/etc/passwd` and `/etc/group`; empty where the image has none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Accounts {
    pub(crate) passwd: String,
    pub(crate) group: String,
}

/// A user as a process has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ResolvedUser {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// The groups that `/etc/group` puts the user in.
    pub(crate) groups: Vec<u32>,
}

struct Entry<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
}

impl Accounts {
    /// Resolves `user`, `uid`, `user:group`, `uid:gid` or any mix; empty is root.
    ///
    /// A uid without an entry has group 0, as Docker and containerd have it; a name without one is an error.
    pub(crate) fn resolve(&self, text: &str) -> Result<ResolvedUser, RuntimeError> {
        let (user, group) = match text.split_once(':') {
            Some((user, group)) => (user, Some(group)),
            None => (text, None),
        };
        let entry = match user {
            "" => self.users().find(|entry| entry.uid == 0),
            user => match user.parse::<u32>() {
                Ok(uid) => Some(self.users().find(|entry| entry.uid == uid).unwrap_or(Entry { name: "", uid, gid: 0 })),
                Err(_) => Some(self.users().find(|entry| entry.name == user).ok_or_else(|| {
                    cannot_run(format!("unable to find user {user}: no matching entries in passwd file"))
                })?),
            },
        };
        let entry = entry.unwrap_or(Entry { name: "root", uid: 0, gid: 0 });
        let gid = match group {
            None | Some("") => entry.gid,
            Some(group) => match group.parse::<u32>() {
                Ok(gid) => gid,
                Err(_) => self.group_id(group)?,
            },
        };
        Ok(ResolvedUser { uid: entry.uid, gid, groups: self.groups_of(entry.name) })
    }

    fn users(&self) -> impl Iterator<Item = Entry<'_>> {
        self.passwd.lines().filter_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next().filter(|name| !name.is_empty())?;
            let uid = fields.nth(1)?.parse().ok()?;
            Some(Entry { name, uid, gid: fields.next()?.parse().ok()? })
        })
    }

    fn group_lines(&self) -> impl Iterator<Item = (&str, u32, &str)> {
        self.group.lines().filter_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            let gid = fields.nth(1)?.parse().ok()?;
            Some((name, gid, fields.next().unwrap_or("")))
        })
    }

    fn group_id(&self, name: &str) -> Result<u32, RuntimeError> {
        self.group_lines()
            .find_map(|(group, gid, _)| (group == name).then_some(gid))
            .ok_or_else(|| cannot_run(format!("unable to find group {name}: no matching entries in group file")))
    }

    fn groups_of(&self, user: &str) -> Vec<u32> {
        if user.is_empty() {
            return Vec::new();
        }
        self.group_lines()
            .filter(|(_, _, members)| members.split(',').any(|m| m == user))
            .map(|(_, gid, _)| gid)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_name_and_number_and_missing_names_are_told() {
        let accounts = Accounts {
            passwd: "root:x:0:0:root:/root:/bin/sh\nweb:x:101:102::/:/bin/false\nbroken\n".into(),
            group: "root:x:0:\nweb:x:102:\nlog:x:7:web,other\n".into(),
        };
        let rows = [
            ("", "0:0 []"),
            ("web", "101:102 [7]"),
            ("101", "101:102 [7]"),
            ("web:log", "101:7 [7]"),
            ("web:99", "101:99 [7]"),
            ("5000", "5000:0 []"),
            (":log", "0:7 []"),
            ("nobody", "unable to find user nobody: no matching entries in passwd file"),
            ("web:nope", "unable to find group nope: no matching entries in group file"),
        ];
        for (text, expected) in rows {
            let got = match accounts.resolve(text) {
                Ok(user) => format!("{}:{} {:?}", user.uid, user.gid, user.groups),
                Err(error) => error.to_string(),
            };
            assert_eq!(got, expected, "{text}");
        }
    }
}
