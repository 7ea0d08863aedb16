//! New rules for a sensor that runs.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::rule::RuleSet;

/// Where rules are put for the capture thread to find. It hands them on with its next batch, so
/// every worker and the correlator change at the same packet, and nothing waits or is lost.
#[derive(Clone, Debug, Default)]
pub struct Reload {
    inner: Arc<Slot>,
}

#[derive(Debug, Default)]
struct Slot {
    /// Asked for every block, which a lock would slow.
    filled: AtomicBool,
    rules: Mutex<Option<Arc<RuleSet>>>,
}

impl Reload {
    /// Leaves rules to be taken; what was not taken before is dropped.
    pub fn put(&self, rules: Arc<RuleSet>) {
        let mut slot = self
            .inner
            .rules
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *slot = Some(rules);
        self.inner.filled.store(true, Ordering::Release);
    }

    pub(super) fn take(&self) -> Option<Arc<RuleSet>> {
        if !self.inner.filled.swap(false, Ordering::Acquire) {
            return None;
        }
        let mut slot = self
            .inner
            .rules
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        slot.take()
    }
}
