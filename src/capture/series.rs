//! Several capture files as one source, as a rotating capture wrote them.

use std::collections::VecDeque;
use std::path::PathBuf;

use super::{CaptureError, End, FileSource, Fill, Source, SourceStats};
use crate::packet::Block;

/// Files read one after the other. Interfaces are numbered through, so that those of two files differ.
#[derive(Debug)]
pub struct Series {
    open: FileSource,
    /// The open file has ended.
    ended: bool,
    left: VecDeque<PathBuf>,
    filter: Option<String>,
    /// Counters of the files before the open one.
    before: SourceStats,
    /// Number of the open file's first interface.
    first_iface: u16,
    /// Interfaces seen of the open file.
    ifaces: u16,
    notices: VecDeque<String>,
}

impl Series {
    /// Opens the first file; `filter` holds for all of them.
    ///
    /// # Errors
    /// [`CaptureError`] if there is no first file, it cannot be read, or the filter does not compile.
    pub fn open(
        files: impl IntoIterator<Item = PathBuf>,
        filter: Option<&str>,
    ) -> Result<Self, CaptureError> {
        let mut left: VecDeque<PathBuf> = files.into_iter().collect();
        let first = left.pop_front().unwrap_or_default();
        let mut open = FileSource::open(&first)?;
        if let Some(filter) = filter {
            open.set_filter(filter)?;
        }
        Ok(Self {
            open,
            ended: false,
            left,
            filter: filter.map(str::to_owned),
            before: SourceStats::default(),
            first_iface: 0,
            ifaces: 0,
            notices: VecDeque::new(),
        })
    }

    /// Goes on to the next file that can be read. False if there is none.
    fn advance(&mut self) -> bool {
        while let Some(path) = self.left.pop_front() {
            let next = FileSource::open(&path).and_then(|mut next| {
                if let Some(filter) = &self.filter {
                    next.set_filter(filter)?;
                }
                Ok(next)
            });
            match next {
                Ok(next) => {
                    self.before = self.stats();
                    self.first_iface = self.first_iface.saturating_add(self.ifaces);
                    self.ifaces = 0;
                    self.open = next;
                    self.ended = false;
                    return true;
                }
                Err(e) => self.notices.push_back(format!("{e}; it is left out")),
            }
        }
        false
    }
}

impl Source for Series {
    fn fill(&mut self, block: &mut Block) -> Fill {
        if self.ended && !self.advance() {
            block.clear();
            return Fill::End(End::Finished);
        }
        let mut fill = self.open.fill(block);
        for frame in &mut block.frames {
            self.ifaces = self.ifaces.max(frame.iface.saturating_add(1));
            frame.iface = frame.iface.saturating_add(self.first_iface);
        }
        if let Fill::End(end) = &fill
            && !self.left.is_empty()
        {
            if *end != End::Finished {
                let notice = format!("{}: {end}", self.open.name());
                self.notices.push_back(notice);
            }
            self.ended = true;
            fill = Fill::Frames;
        }
        fill
    }

    fn name(&self) -> &str {
        self.open.name()
    }

    fn file(&self) -> Option<&str> {
        Some(self.open.name())
    }

    fn iface_name(&self, iface: u16) -> Option<&str> {
        self.open.iface_name(iface.checked_sub(self.first_iface)?)
    }

    fn stats(&mut self) -> SourceStats {
        let mut all = self.before;
        all.add(&self.open.stats());
        all
    }

    fn notice(&mut self) -> Option<String> {
        self.notices.pop_front().or_else(|| self.open.notice())
    }
}
