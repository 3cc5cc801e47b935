//! The files of Linux that describe the machine.

use std::fs;
use std::path::Path;

/// The files below a root. What cannot be read is absent.
pub(super) struct Files<'a>(pub(super) &'a Path);

impl Files<'_> {
    /// The text of a file.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.0.join(name)).ok()
    }

    /// The text of a file that holds one line, unless it is empty.
    pub(super) fn line(&self, name: &str) -> Option<String> {
        let text = self.text(name)?;
        // Strings of a device tree end in a zero byte.
        let line = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
        (!line.is_empty()).then(|| line.to_owned())
    }

    /// The number in a file.
    pub(super) fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.line(name)?.parse().ok()
    }

    /// The names in a folder, in no particular order.
    pub(super) fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.0.join(folder)).into_iter().flatten();
        let names = entries.flatten().map(|entry| entry.file_name());
        names.filter_map(|name| name.into_string().ok()).collect()
    }
}
