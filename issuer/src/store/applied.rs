//! What a declaration changed, or would change: for the person who applies it.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Applied {
    /// `scope orders:read`, `role customer`, `client orders-app`.
    pub created: Vec<String>,
    pub updated: Vec<Updated>,
    pub deleted: Vec<Deleted>,
    /// Whose tokens end.
    pub revoked: Revoked,
    /// The clients that took their `secret_if_new`.
    #[serde(skip)]
    pub secrets_taken: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Updated {
    pub what: String,
    pub members: Vec<Difference>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Deleted {
    pub what: String,
    /// How many users lose something by it.
    pub users: usize,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Revoked {
    pub users: usize,
    pub clients: Vec<String>,
}

/// A member that is not as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Difference {
    /// `None`: there was nothing, or is nothing any more, that could have the member.
    Value {
        member: &'static str,
        from: Option<String>,
        to: Option<String>,
    },
    Set {
        member: &'static str,
        added: Vec<String>,
        removed: Vec<String>,
    },
}

impl Applied {
    pub fn changes(&self) -> usize {
        self.created.len() + self.updated.len() + self.deleted.len()
    }
}

impl Difference {
    /// `None`: they are the same.
    pub fn of_values<'a>(
        member: &'static str,
        from: impl Into<Option<&'a str>>,
        to: impl Into<Option<&'a str>>,
    ) -> Option<Self> {
        let (from, to) = (from.into(), to.into());
        // An empty text of something new says nothing.
        let differs = from != to && (from.unwrap_or_default() != "" || to.unwrap_or_default() != "");
        differs.then(|| Self::Value { member, from: from.map(str::to_owned), to: to.map(str::to_owned) })
    }

    /// The same for sets.
    pub fn of_sets<T: Ord + ToString>(
        member: &'static str,
        from: &BTreeSet<T>,
        to: &BTreeSet<T>,
    ) -> Option<Self> {
        let only = |one: &BTreeSet<T>, other| one.difference(other).map(T::to_string).collect();
        (from != to).then(|| Self::Set { member, added: only(to, from), removed: only(from, to) })
    }
}

impl fmt::Display for Updated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let members: Vec<String> = self.members.iter().map(Difference::to_string).collect();
        write!(f, "{}: {}", self.what, members.join("; "))
    }
}

impl fmt::Display for Deleted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.users {
            0 => f.write_str(&self.what),
            1 => write!(f, "{}, which 1 user held", self.what),
            users => write!(f, "{}, which {users} users held", self.what),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value { member, from, to } => {
                let (from, to) = (from.as_deref().unwrap_or_default(), to.as_deref().unwrap_or_default());
                write!(f, "{member} {from:?} becomes {to:?}")
            }
            Self::Set { member, added, removed } => {
                f.write_str(member)?;
                added.iter().try_for_each(|name| write!(f, " +{name}"))?;
                removed.iter().try_for_each(|name| write!(f, " -{name}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_names_the_member_and_both_sides() {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let members = [
            Difference::of_values("description", "", "Place orders"),
            Difference::of_values("name", "same", "same"),
            Difference::of_sets("scopes", &set(&["a", "b"]), &set(&["b", "c"])),
        ];
        let updated =
            Updated { what: "client app".to_owned(), members: members.into_iter().flatten().collect() };

        assert_eq!(updated.to_string(), r#"client app: description "" becomes "Place orders"; scopes +c -a"#);
    }
}
