//! What must not be published: who measured, and on whose machine.

/// What stands where a name was.
const REMOVED: &str = "(removed)";

/// Names of accounts and machines that tell nothing about anybody, and that
/// are words of records as well.
const NOBODYS_NAMES: [&str; 16] = [
    "admin",
    "build",
    "ci",
    "debian",
    "docker",
    "fedora",
    "guest",
    "host",
    "linux",
    "localhost",
    "macos",
    "root",
    "runner",
    "ubuntu",
    "user",
    "windows",
];

/// Shorter names are syllables of anything.
const SHORTEST_NAME: usize = 2;

/// Words that must not be in a record that is published.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Private {
    home: Option<String>,
    names: Vec<String>,
}

impl Private {
    /// Looks for a home directory and for names, of the user and of the
    /// machine. Of a path or a name with dots, its last or first part counts as
    /// a name, too. Names that any machine may have, such as `root` or
    /// `localhost`, are not looked for.
    pub fn new<'a>(home: Option<&'a str>, names: impl IntoIterator<Item = &'a str>) -> Private {
        let home = home.map(|home| home.trim_end_matches(['/', '\\']));
        let home = home.filter(|home| !home.is_empty());
        let mut found: Vec<String> = Vec::new();
        let last = home.and_then(|home| home.rsplit(['/', '\\']).next());
        for name in names.into_iter().chain(last) {
            let first = name.split('.').next().unwrap_or(name);
            found.extend([name, first].map(str::to_owned));
        }
        found.retain(|name| {
            name.len() >= SHORTEST_NAME
                && !NOBODYS_NAMES
                    .iter()
                    .any(|nobody| nobody.eq_ignore_ascii_case(name))
        });
        // The longer first: a part must not be taken out of a whole.
        found.sort_by_key(|name| std::cmp::Reverse(name.len()));
        found.dedup();
        Private {
            home: home.map(str::to_owned),
            names: found,
        }
    }

    /// The text without what is private, if anything in it is.
    pub(super) fn removed_from(&self, text: &str) -> Option<String> {
        let mut changed = text.to_owned();
        if let Some(home) = &self.home {
            changed = replace_words(&changed, home, "~");
        }
        for name in &self.names {
            changed = replace_words(&changed, name, REMOVED);
        }
        (changed != text).then_some(changed)
    }
}

/// Replaces a word wherever it is not a part of a longer one, whatever its
/// case.
fn replace_words(text: &str, word: &str, by: &str) -> String {
    // Lower-case ASCII has the same length, so that positions agree.
    let (lower, wanted) = (text.to_ascii_lowercase(), word.to_ascii_lowercase());
    let is_part = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let mut replaced = String::with_capacity(text.len());
    let mut done = 0;
    for (start, _) in lower.match_indices(&wanted) {
        let end = start + wanted.len();
        let begins_inside = wanted.starts_with(char::is_alphanumeric)
            && is_part(lower[..start].chars().next_back());
        if start < done || begins_inside || is_part(lower[end..].chars().next()) {
            continue;
        }
        replaced.push_str(&text[done..start]);
        replaced.push_str(by);
        done = end;
    }
    replaced + &text[done..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_taken_out_whole() {
        let private = Private::new(
            Some("/home/alice/"),
            ["alice", "workhorse.example.org", "root", ""],
        );
        for (text, expected) in [
            ("-L/home/alice/lib", "-L~/lib"),
            ("--remap=/home/alice=x", "--remap=~=x"),
            ("Alice's", "(removed)'s"),
            ("on WORKHORSE", "on (removed)"),
            ("6.1-workhorse.example.org-rt", "6.1-(removed)-rt"),
            ("alice,alice", "(removed),(removed)"),
            ("/srv/alice", "/srv/(removed)"),
            (
                "/home/alice2 for Größe alice",
                "/home/alice2 for Größe (removed)",
            ),
        ] {
            assert_eq!(private.removed_from(text).as_deref(), Some(expected));
        }
        for text in ["malice", "alicesprings", "root", "", "workhorses"] {
            assert_eq!(private.removed_from(text), None, "{text}");
        }
    }

    #[test]
    fn the_last_part_of_a_home_is_a_name() {
        let private = Private::new(Some("/Users/bob"), []);
        let shown = private.removed_from("bob at /Users/bob").unwrap();
        assert_eq!(shown, "(removed) at ~");
        // The home of nobody is still a path of the machine.
        let private = Private::new(Some("/home/user"), ["user"]);
        let shown = private.removed_from("/home/user/x, user").unwrap();
        assert_eq!(shown, "~/x, user");
        assert_eq!(Private::new(Some("/"), []), Private::default());
    }
}
