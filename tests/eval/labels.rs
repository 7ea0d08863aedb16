//! `testdata/eval/labels.toml`: which detectors answer a label.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The committed table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Labels {
    words: BTreeMap<String, Vec<String>>,
    labels: BTreeMap<String, Entry>,
}

/// What answers a label.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Entry {
    /// Any of these; the first is the one a miss is counted against.
    pub(crate) detectors: Vec<String>,
    /// These may speak of it too; what they say must be right, but is no answer.
    pub(crate) explains: Vec<String>,
    /// Roles that an answer must name, where the truth has them.
    pub(crate) roles: Vec<String>,
    /// The label's present name.
    same_as: Option<String>,
    /// Why nobody answers it.
    nothing: Option<String>,
}

impl Labels {
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let all: Self = toml::from_str(text).map_err(|e| format!("labels.toml: {e}"))?;
        for (label, entry) in &all.labels {
            let ways = usize::from(!entry.detectors.is_empty())
                + usize::from(entry.same_as.is_some())
                + usize::from(entry.nothing.is_some());
            if ways != 1 {
                return Err(format!(
                    "labels.toml: {label}: give one of detectors, same_as, nothing"
                ));
            }
            if let Some(other) = &entry.same_as {
                all.find(other)?;
            }
        }
        Ok(all)
    }

    /// A label's name of today, and who answers it.
    pub(crate) fn find(&self, label: &str) -> Result<(String, &Entry), String> {
        let found = self
            .labels
            .get(label)
            .or_else(|| {
                let fits = |pattern: &str| self.fits(pattern, label);
                self.labels
                    .iter()
                    .find(|(pattern, _)| fits(pattern))
                    .map(|(_, entry)| entry)
            })
            .ok_or_else(|| {
                format!("label `{label}` is not in testdata/eval/labels.toml: which detector answers it?")
            })?;
        match &found.same_as {
            Some(other) if other != label => self.find(other),
            _ => Ok((label.to_owned(), found)),
        }
    }

    /// Every detector that some label names.
    pub(crate) fn detectors(&self) -> Vec<String> {
        let mut all: Vec<String> = self
            .labels
            .values()
            .flat_map(|e| e.detectors.iter().cloned())
            .collect();
        all.sort();
        all.dedup();
        all
    }

    fn fits(&self, pattern: &str, label: &str) -> bool {
        let (Some((kind, want)), Some((k, detail))) =
            (pattern.split_once(':'), label.split_once(':'))
        else {
            return false;
        };
        if kind != k {
            return false;
        }
        if want == "*" {
            return !detail.is_empty();
        }
        let (want, have): (Vec<&str>, Vec<&str>) =
            (want.split('-').collect(), detail.split('-').collect());
        want.len() == have.len()
            && want
                .iter()
                .zip(&have)
                .all(|(w, h)| match self.words.get(*w) {
                    Some(words) => words.iter().any(|word| word == h),
                    None => w == h,
                })
    }
}
