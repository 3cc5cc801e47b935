//! The name of a machine: fit for a folder, and about nobody.
//!
//! It is made of CPU model and CPU count alone. A host name, which often names
//! its owner or employer, must never get into a record, so nothing here asks
//! for one.

/// The longest model part of an id; enough for every model sold, and short
/// enough for every file system.
const MODEL_CHARACTERS: usize = 48;

/// Words that say nothing that the rest of a model name does not.
const EMPTY_WORDS: [&str; 4] = ["cpu", "processor", "r", "tm"];

/// A folder-safe id from the CPU model, as the machine names it, and a count
/// of CPUs.
///
/// The id holds lower-case ASCII letters, digits and single hyphens. A model
/// of which nothing is left becomes `unknown`.
///
/// ```
/// use detach_results::id::machine_id;
///
/// assert_eq!(machine_id("AMD EPYC", 2), "amd-epyc-2cpu");
/// assert_eq!(
///     machine_id("Intel(R) Xeon(R) Platinum 8176 CPU @ 2.10GHz", 224),
///     "intel-xeon-platinum-8176-224cpu",
/// );
/// ```
pub fn machine_id(cpu_model: &str, cpus: usize) -> String {
    // What follows the @ is a nominal frequency.
    let model = cpu_model.split('@').next().unwrap_or_default();
    let model = model.to_ascii_lowercase();
    let words: Vec<&str> = model
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();

    let mut name = String::new();
    for (position, word) in words.iter().enumerate() {
        // "64-Core Processor" repeats the count of one package, which need not
        // be what the process may use.
        let counts_cores = words.get(position + 1) == Some(&"core")
            && word.bytes().all(|byte| byte.is_ascii_digit());
        let names_cores = *word == "core"
            && position > 0
            && words[position - 1]
                .bytes()
                .all(|byte| byte.is_ascii_digit());
        if counts_cores || names_cores || EMPTY_WORDS.contains(word) {
            continue;
        }
        if name.len() + 1 + word.len() > MODEL_CHARACTERS {
            break;
        }
        if !name.is_empty() {
            name.push('-');
        }
        name.push_str(word);
    }
    if name.is_empty() {
        name.push_str("unknown");
    }
    format!("{name}-{cpus}cpu")
}

/// Whether an id can name a folder everywhere: lower-case ASCII letters,
/// digits and hyphens, neither empty nor longer than 80, beginning with a
/// letter or digit.
///
/// An id may come from a file that somebody sent; this keeps `../..` out of
/// paths.
pub fn is_folder_safe(id: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    id.len() <= 80
        && id.bytes().next().is_some_and(allowed)
        && id.bytes().all(|byte| allowed(byte) || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_of_several_makers() {
        let cases = [
            ("AMD EPYC", 2, "amd-epyc-2cpu"),
            ("AMD EPYC 7B13 64-Core Processor", 8, "amd-epyc-7b13-8cpu"),
            (
                "Intel(R) Core(TM) i7-8650U CPU @ 1.90GHz",
                8,
                "intel-core-i7-8650u-8cpu",
            ),
            ("Apple M2 Pro", 12, "apple-m2-pro-12cpu"),
            ("Neoverse-N1", 64, "neoverse-n1-64cpu"),
            ("unknown", 1, "unknown-1cpu"),
            ("", 4, "unknown-4cpu"),
            ("@@@ ///", 4, "unknown-4cpu"),
            ("../../etc", 4, "etc-4cpu"),
            ("Процессор X1", 4, "x1-4cpu"),
        ];
        for (model, cpus, expected) in cases {
            assert_eq!(machine_id(model, cpus), expected, "{model:?}");
        }
    }

    #[test]
    fn every_id_is_safe_even_from_hostile_models() {
        let long = "word ".repeat(100);
        let one_word = "x".repeat(500);
        for model in ["a/b\\c", "..", "nul\0byte", "-", &long, &one_word] {
            let id = machine_id(model, usize::MAX);
            assert!(is_folder_safe(&id), "{model:?} gave {id:?}");
        }
    }

    #[test]
    fn unsafe_ids_are_told_apart() {
        for id in ["", "..", "a/b", "-a", "A", "a b", "a.b", "a\\b", "ä"] {
            assert!(!is_folder_safe(id), "{id:?}");
        }
        assert!(!is_folder_safe(&"a".repeat(81)));
    }
}
