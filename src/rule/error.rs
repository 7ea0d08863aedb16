//! What is wrong with a rule, said to the person who wrote it: where, what, and what to do.

use std::fmt;

use super::yaml::Pos;

/// One thing that is wrong with a rule file.
///
/// ```text
/// rules/mine.yml:14:5: unknown field `opnumber`
///       opnumber: 0
///       ^^^^^^^^ dce_rpc call has: interface, endpoint, opnum, ...
///   did you mean `opnum`?
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleError {
    /// The file as it was named, or the name of a built-in rule.
    pub file: String,
    /// Line, from 1; 0 if it concerns the whole file.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// What is wrong.
    pub message: String,
    /// What stands there, if it helps to know, beside the caret.
    pub label: String,
    /// What to do, one line each.
    pub help: Vec<String>,
    /// The line of the file.
    pub source: String,
    /// Characters to underline.
    pub width: u32,
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        write!(f, ": {}", self.message)?;
        let source = self.source.trim_end();
        if source.is_empty() {
            if !self.label.is_empty() {
                write!(f, "\n  {}", self.label)?;
            }
        } else {
            let before = self.column.saturating_sub(1) as usize;
            // Tabs stay tabs, so that the caret stands below its word.
            let indent: String = source
                .chars()
                .chain(std::iter::repeat(' '))
                .take(before)
                .map(|c| if c == '\t' { '\t' } else { ' ' })
                .collect();
            let rest = source.chars().count().saturating_sub(before).max(1);
            let carets = "^".repeat((self.width.max(1) as usize).min(rest));
            write!(f, "\n  {source}\n  {indent}{carets}")?;
            if !self.label.is_empty() {
                write!(f, " {}", self.label)?;
            }
        }
        for line in &self.help {
            write!(f, "\n  {line}")?;
        }
        Ok(())
    }
}

impl std::error::Error for RuleError {}

/// A problem before it knows its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) at: Pos,
    pub(super) message: String,
    pub(super) label: String,
    pub(super) help: Vec<String>,
}

impl Problem {
    pub(super) fn new(at: Pos, message: impl Into<String>) -> Self {
        Self {
            at,
            message: message.into(),
            label: String::new(),
            help: Vec::new(),
        }
    }

    pub(super) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    pub(super) fn help(mut self, line: impl Into<String>) -> Self {
        self.help.push(line.into());
        self
    }

    /// Adds "did you mean", if one of the `known` words is near.
    pub(super) fn suggest<'a>(self, word: &str, known: impl Iterator<Item = &'a str>) -> Self {
        match nearest(word, known) {
            Some(near) => {
                let line = format!("did you mean `{near}`?");
                self.help(line)
            }
            None => self,
        }
    }

    /// Puts it into its file.
    pub(super) fn within(self, file: &str, text: &str) -> RuleError {
        let source = match self.at.line {
            0 => "",
            n => text.lines().nth(n as usize - 1).unwrap_or_default(),
        };
        RuleError {
            file: file.to_owned(),
            line: self.at.line,
            column: self.at.column,
            message: self.message,
            label: self.label,
            help: self.help,
            source: source.to_owned(),
            width: self.at.width,
        }
    }
}

/// The known word that looks most like `word`, if any does.
pub(super) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    known
        .map(|k| (strsim::jaro_winkler(&word, &k.to_lowercase()), k))
        .filter(|(score, _)| *score >= 0.8)
        .max_by(|(a, x), (b, y)| a.total_cmp(b).then_with(|| y.cmp(x)))
        .map(|(_, k)| k)
}

/// The words, each in backquotes, with commas.
pub(super) fn list<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = words.map(|w| format!("`{w}`")).collect();
    quoted.join(", ")
}
