//! Where packets are from, as people know it: interfaces by name, and files of a series.

use std::sync::RwLock;

use crate::capture::Watched;

/// Names of the source, learned as they are met, read by every thread.
#[derive(Debug, Default)]
pub(super) struct Origin {
    /// By the number in a flow.
    pub(super) ifaces: Vec<String>,
    /// What each interface counted, as of not long ago.
    pub(super) watched: Vec<Watched>,
    /// Number of the first packet of each file of a series, and its name.
    files: Vec<(u64, String)>,
}

/// Shared by the threads of a run.
pub(super) type Shared = RwLock<Origin>;

impl Origin {
    /// Packets from number `first` on are of the file `name`.
    pub(super) fn begin(&mut self, first: u64, name: &str) {
        if self.files.last().is_none_or(|(_, last)| last != name) {
            self.files.push((first, name.to_owned()));
        }
    }

    /// The interface's name, if it has one.
    pub(super) fn iface(&self, number: u16) -> Option<&str> {
        let name = self.ifaces.get(usize::from(number))?;
        (!name.is_empty()).then_some(name)
    }

    /// The file of a packet of a series, and the packet's number in it. Outside a series the
    /// number is as it was.
    pub(super) fn place(&self, number: u64) -> (Option<&str>, u64) {
        let after = self.files.partition_point(|(first, _)| *first <= number);
        let file = after.checked_sub(1).and_then(|at| self.files.get(at));
        match file {
            Some((first, name)) => (Some(name), number - first + 1),
            None => (None, number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_begin_again_with_every_file() {
        let mut origin = Origin::default();
        assert_eq!(origin.place(7), (None, 7));
        for (first, name) in [(1, "a"), (1, "a"), (11, "b"), (11, "b")] {
            origin.begin(first, name);
        }
        assert_eq!(origin.place(10), (Some("a"), 10));
        assert_eq!(origin.place(11), (Some("b"), 1));
        assert_eq!(origin.place(99), (Some("b"), 89));
    }
}
