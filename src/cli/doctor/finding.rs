//! What `mfa doctor` finds.

use serde::Serialize;

/// Severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum FindingState {
    Ok,
    Warn,
    Fail,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct DoctorFinding {
    pub(super) state: FindingState,
    pub(super) subject: &'static str,
    pub(super) text: String,
    /// What to do; none if it is well, or if the text says it.
    pub(super) remedy: Option<String>,
    #[serde(skip)]
    pub(super) audience: FindingAudience,
}

/// Who reads a finding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum FindingAudience {
    /// Administrators and support.
    #[default]
    All,
    /// Programs: there is a line about all of its kind.
    Json,
    /// People: that line.
    Text,
}

impl DoctorFinding {
    pub(super) fn new(state: FindingState, subject: &'static str, text: impl Into<String>) -> Self {
        Self { state, subject, text: text.into(), remedy: None, audience: FindingAudience::All }
    }
}

/// All findings, in the order of the checks.
#[derive(Debug, Default)]
pub(super) struct DoctorReport(pub(super) Vec<DoctorFinding>);

impl DoctorReport {
    pub(super) fn ok(&mut self, subject: &'static str, text: impl Into<String>) {
        self.0.push(DoctorFinding::new(FindingState::Ok, subject, text));
    }

    pub(super) fn warn(&mut self, subject: &'static str, text: impl Into<String>, remedy: impl Into<String>) {
        self.0.push(DoctorFinding {
            remedy: Some(remedy.into()),
            ..DoctorFinding::new(FindingState::Warn, subject, text)
        });
    }

    pub(super) fn fail(&mut self, subject: &'static str, text: impl Into<String>, remedy: impl Into<String>) {
        self.0.push(DoctorFinding {
            remedy: Some(remedy.into()),
            ..DoctorFinding::new(FindingState::Fail, subject, text)
        });
    }

    /// Words of others that hold their remedy, one thing a line.
    pub(super) fn told(&mut self, state: FindingState, subject: &'static str, words: impl std::fmt::Display) {
        for text in words.to_string().lines() {
            self.0.push(DoctorFinding::new(state, subject, text));
        }
    }

    /// A warning that only programs are shown.
    pub(super) fn quiet(&mut self, subject: &'static str, text: impl Into<String>) {
        self.0.push(DoctorFinding {
            audience: FindingAudience::Json,
            ..DoctorFinding::new(FindingState::Warn, subject, text)
        });
    }

    /// What people read instead of quiet ones.
    pub(super) fn summary(&mut self, subject: &'static str, text: impl Into<String>) {
        self.0.push(DoctorFinding {
            audience: FindingAudience::Text,
            ..DoctorFinding::new(FindingState::Warn, subject, text)
        });
    }

    /// What people read, the worst first.
    pub(super) fn lines(&self) -> Vec<&DoctorFinding> {
        let mut lines: Vec<_> =
            self.0.iter().filter(|finding| finding.audience != FindingAudience::Json).collect();
        let last = |finding: &DoctorFinding| finding.audience == FindingAudience::Text;
        lines.sort_by(|a, b| b.state.cmp(&a.state).then(last(a).cmp(&last(b))));
        lines
    }

    pub(super) fn worst(&self) -> FindingState {
        self.0.iter().map(|finding| finding.state).max().unwrap_or(FindingState::Ok)
    }
}
