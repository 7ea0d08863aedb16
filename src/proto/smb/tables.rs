//! What an SMB connection must remember beside its sessions: trees, pipe handles, requests that await an
//! answer. All of it is bounded; the oldest goes first.

use std::collections::VecDeque;

use super::wire::FileId;
use crate::limits::{SMB_NAME_BYTES, SMB_PENDING, SMB_PIPES, SMB_TREES};
use crate::proto::dcerpc::Association;
use crate::proto::{deque_bytes, vec_bytes};
use crate::wire::{Text, Utf16};

/// What a tree leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Named pipes: IPC$.
    Pipe,
    /// Files or printers: of no interest.
    Other,
    /// The tree connect was not seen.
    Unknown,
}

/// Tree connects.
#[derive(Debug, Default)]
pub(super) struct Trees {
    /// Oldest first.
    all: VecDeque<Tree>,
}

#[derive(Debug)]
struct Tree {
    session: u64,
    id: u32,
    kind: Kind,
    /// Messages on an unknown tree that did not look like RPC.
    misses: u8,
}

/// After so many messages that are no RPC an unknown tree is taken for one of files.
const MISSES: u8 = 8;

impl Trees {
    /// Bytes of heap.
    pub(super) fn held(&self) -> usize {
        deque_bytes(&self.all)
    }

    pub(super) fn kind(&self, session: u64, id: u32) -> Kind {
        let found = self.all.iter().find(|t| t.id == id && t.session == session);
        found.map_or(Kind::Unknown, |tree| tree.kind)
    }

    pub(super) fn insert(&mut self, session: u64, id: u32, kind: Kind) {
        self.remove(session, id);
        if self.all.len() >= SMB_TREES {
            self.all.pop_front();
        }
        self.all.push_back(Tree {
            session,
            id,
            kind,
            misses: 0,
        });
    }

    pub(super) fn remove(&mut self, session: u64, id: u32) {
        self.all.retain(|t| t.id != id || t.session != session);
    }

    /// Something on this tree was no RPC.
    pub(super) fn missed(&mut self, session: u64, id: u32) {
        let mut found = self.all.iter_mut();
        match found.find(|t| t.id == id && t.session == session) {
            Some(tree) if tree.kind == Kind::Unknown => {
                tree.misses = tree.misses.saturating_add(1);
                if tree.misses >= MISSES {
                    tree.kind = Kind::Other;
                }
            }
            Some(_) => {}
            None => self.insert(session, id, Kind::Unknown),
        }
    }
}

/// Open pipes, and on trees of unknown kind whatever was opened.
#[derive(Debug, Default)]
pub(super) struct Handles {
    /// Oldest first.
    all: VecDeque<Handle>,
    last: u32,
    /// Counts what pipes are given, so that those given nothing for long are known.
    clock: u64,
    /// A pipe had to be forgotten on which something was said.
    pub(super) forgot: bool,
}

/// One open file that is or may be a pipe.
#[derive(Debug)]
pub(super) struct Handle {
    /// Tells handles apart for as long as the connection lasts; FileIds are used again.
    pub(super) serial: u32,
    session: u64,
    tree: u32,
    /// `None` until the answer to the CREATE names it.
    file: Option<FileId>,
    /// Lower case, without `\` and `pipe\`.
    pub(super) name: String,
    /// It certainly is a pipe.
    pub(super) certain: bool,
    /// Begins with the first bytes that look like RPC.
    pub(super) association: Option<Box<Association>>,
    /// When it was opened or given something last.
    used: u64,
}

impl Handle {
    fn association_held(&self) -> usize {
        self.association
            .as_ref()
            .map_or(0, |a| size_of::<Association>().saturating_add(a.held()))
    }
}

impl Handles {
    /// Bytes of heap.
    pub(super) fn held(&self) -> usize {
        self.all
            .iter()
            .map(|h| h.name.capacity().saturating_add(h.association_held()))
            .fold(deque_bytes(&self.all), usize::saturating_add)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn insert(
        &mut self,
        (session, tree): (u64, u32),
        file: Option<FileId>,
        name: &[u8],
        certain: bool,
    ) -> u32 {
        if self.all.len() >= SMB_PIPES {
            // One that carried RPC goes last: opening more pipes costs a peer nothing. Of those the one
            // goes on which nothing was said for longest.
            let worth = |h: &Handle| (h.association.is_some(), h.certain, h.used);
            let least = (0..).zip(&self.all).min_by_key(|(_, h)| worth(h));
            let least = least.map_or(0, |(at, _)| at);
            let gone = self.all.remove(least);
            self.forgot |= gone.is_some_and(|h| h.association.is_some());
        }
        self.clock = self.clock.saturating_add(1);
        self.last = self.last.wrapping_add(1).max(1);
        self.all.push_back(Handle {
            serial: self.last,
            session,
            tree,
            file,
            name: pipe_name(name),
            certain,
            association: None,
            used: self.clock,
        });
        self.last
    }

    /// The handle, which is about to be given something.
    pub(super) fn give(&mut self, serial: u32) -> Option<&mut Handle> {
        self.clock = self.clock.saturating_add(1);
        let used = self.clock;
        let handle = self.get(serial)?;
        handle.used = used;
        Some(handle)
    }

    pub(super) fn find(&self, session: u64, file: FileId) -> Option<u32> {
        let mut all = self.all.iter();
        let found = all.find(|h| h.file == Some(file) && h.session == session);
        found.map(|handle| handle.serial)
    }

    /// The handle of a tree that has but one.
    pub(super) fn only(&self, session: u64, tree: u32) -> Option<u32> {
        let mut of_tree = self
            .all
            .iter()
            .filter(|h| h.session == session && h.tree == tree);
        let first = of_tree.next()?;
        of_tree.next().is_none().then_some(first.serial)
    }

    pub(super) fn get(&mut self, serial: u32) -> Option<&mut Handle> {
        self.all.iter_mut().find(|h| h.serial == serial)
    }

    /// The answer to a CREATE named the file.
    pub(super) fn bind(&mut self, serial: u32, file: FileId) {
        let Some(session) = self.get(serial).map(|h| h.session) else {
            return;
        };
        self.all
            .retain(|h| h.serial == serial || h.session != session || h.file != Some(file));
        if let Some(handle) = self.get(serial) {
            handle.file = Some(file);
        }
    }

    pub(super) fn remove(&mut self, serial: u32) {
        self.all.retain(|h| h.serial != serial);
    }

    /// Only requests are captured: a handle nobody named is the oldest open one whose answer was
    /// never seen, on the same tree.
    pub(super) fn christen(&mut self, serial: u32) {
        let Some((session, tree)) = self
            .get(serial)
            .filter(|h| h.name.is_empty())
            .map(|h| (h.session, h.tree))
        else {
            return;
        };
        let unanswered = |h: &Handle| h.file.is_none() && h.session == session && h.tree == tree;
        let at = self.all.iter().position(unanswered);
        if let Some(unanswered) = at.and_then(|at| self.all.remove(at))
            && let Some(handle) = self.get(serial)
        {
            handle.name = unanswered.name;
        }
    }
}

/// The pipe's name as rules know it: lower case, without leading `\` and `pipe\`.
fn pipe_name(utf16: &[u8]) -> String {
    let mut name = String::new();
    let units = utf16.get(..SMB_NAME_BYTES).unwrap_or(utf16);
    name.extend(
        Utf16::le(units)
            .chars()
            .flat_map(char::to_lowercase)
            .skip_while(|c| *c == '\\'),
    );
    if let Some(bare) = name.strip_prefix("pipe\\") {
        name = bare.trim_start_matches('\\').to_owned();
    }
    name
}

/// What an answer is awaited for.
#[derive(Debug)]
pub(super) enum Awaited {
    /// SESSION_SETUP, by the exchange's serial.
    SessionSetup(u32),
    /// TREE_CONNECT to a share, UTF-16.
    TreeConnect(Vec<u8>),
    /// CREATE of a file, UTF-16, with its handle if it may be a pipe.
    Create {
        name: Vec<u8>,
        is_pipe: bool,
        handle: Option<u32>,
    },
    /// CLOSE of a handle.
    Close(u32),
    /// READ or IOCTL: data of a handle.
    Data(u32),
}

impl Awaited {
    fn name_bytes(&self) -> usize {
        match self {
            Self::TreeConnect(name) | Self::Create { name, .. } => name.capacity(),
            Self::SessionSetup(_) | Self::Close(_) | Self::Data(_) => 0,
        }
    }
}

/// A request whose answer is awaited.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) message_id: u64,
    pub(super) session: u64,
    pub(super) tree: u32,
    pub(super) awaited: Awaited,
}

/// Requests whose answers are awaited, and the memory their names are kept in.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// Oldest first.
    all: VecDeque<Request>,
    /// Bytes of the names in `all`.
    names: usize,
    /// Buffers used again, so that opening files does not allocate.
    spare: Vec<Vec<u8>>,
}

/// Buffers kept for use again.
const SPARE: usize = 8;

impl Pending {
    /// Bytes of heap.
    pub(super) fn held(&self) -> usize {
        let spare = self.spare.iter().map(Vec::capacity);
        spare
            .fold(self.names, usize::saturating_add)
            .saturating_add(deque_bytes(&self.all))
            .saturating_add(vec_bytes(&self.spare))
    }

    /// A copy of a name; the first [`SMB_NAME_BYTES`] of it.
    pub(super) fn name(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut name = self.spare.pop().unwrap_or_default();
        name.clear();
        name.extend_from_slice(bytes.get(..SMB_NAME_BYTES).unwrap_or(bytes));
        name
    }

    /// The same of 8-bit text, as UTF-16.
    pub(super) fn widened(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut name = self.name(&[]);
        let most = SMB_NAME_BYTES / 2;
        let kept = bytes.get(..most).unwrap_or(bytes);
        name.extend(kept.iter().flat_map(|b| [*b, 0]));
        name
    }

    /// Waits for an answer; gives back the request that has to be forgotten for it.
    pub(super) fn push(&mut self, request: Request) -> Option<Request> {
        let forgotten = if self.all.len() >= SMB_PENDING {
            self.pop()
        } else {
            None
        };
        self.names = self.names.saturating_add(request.awaited.name_bytes());
        self.all.push_back(request);
        forgotten
    }

    /// The request with this MessageId, which stays.
    pub(super) fn peek(&self, message_id: u64) -> Option<&Awaited> {
        let found = self.all.iter().find(|r| r.message_id == message_id);
        found.map(|request| &request.awaited)
    }

    /// The request with this MessageId, which is answered.
    pub(super) fn take(&mut self, message_id: u64) -> Option<Request> {
        let at = self.all.iter().position(|r| r.message_id == message_id)?;
        let taken = self.all.remove(at);
        self.less(taken)
    }

    /// The oldest request.
    pub(super) fn pop(&mut self) -> Option<Request> {
        let taken = self.all.pop_front();
        self.less(taken)
    }

    fn less(&mut self, taken: Option<Request>) -> Option<Request> {
        let bytes = taken.as_ref().map_or(0, |r| r.awaited.name_bytes());
        self.names = self.names.saturating_sub(bytes);
        taken
    }

    /// Takes a request's buffer back.
    pub(super) fn recycle(&mut self, request: Request) {
        if let Awaited::TreeConnect(name) | Awaited::Create { name, .. } = request.awaited
            && self.spare.len() < SPARE
        {
            self.spare.push(name);
        }
    }
}

/// True if a share's path leads to named pipes.
pub(super) fn is_ipc(path: Text<'_>) -> bool {
    // Compared from the back, without decoding into memory.
    let Text::Utf16(units) = path else {
        return false;
    };
    let mut tail = ['\0'; 5];
    for c in units.chars() {
        tail.rotate_left(1);
        let [.., last] = &mut tail;
        *last = c.to_ascii_lowercase();
    }
    matches!(tail, ['\\', 'i', 'p', 'c', '$'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    #[test]
    fn names_of_pipes() {
        for written in ["lsarpc", "\\LSARPC", "\\pipe\\lsarpc", "PIPE\\lsarpc\0x"] {
            assert_eq!(pipe_name(&utf16(written)), "lsarpc", "{written}");
        }
        assert_eq!(pipe_name(&utf16("pipeline")), "pipeline");
    }

    #[test]
    fn shares_of_pipes() {
        assert!(is_ipc(Text::utf16(&utf16(r"\\10.0.0.1\IPC$"))));
        assert!(is_ipc(Text::utf16(&utf16(r"\\dc\ipc$"))));
        assert!(!is_ipc(Text::utf16(&utf16(r"\\dc\notipc$"))));
        assert!(!is_ipc(Text::utf16(&utf16("IPC"))));
    }

    #[test]
    fn uncertain_handles_go_first() {
        let mut handles = Handles::default();
        let pipe = handles.insert((1, 1), Some([1; 16]), b"", true);
        let file = handles.insert((1, 2), Some([2; 16]), b"", false);
        for _ in 0..SMB_PIPES {
            handles.insert((1, 1), None, b"", true);
        }
        assert!(handles.get(file).is_none());
        assert!(handles.get(pipe).is_none(), "then the oldest");
        assert_eq!(handles.all.len(), SMB_PIPES);
    }

    #[test]
    fn the_pipe_that_is_in_use_stays() {
        let mut handles = Handles::default();
        let old = handles.insert((1, 1), Some([1; 16]), b"", true);
        let mut idle = None;
        for serial in std::iter::once(old).chain(
            (1..SMB_PIPES)
                .map(|n| {
                    let file = [u8::try_from(n).unwrap(); 16];
                    handles.insert((1, 2), Some(file), b"", true)
                })
                .collect::<Vec<_>>(),
        ) {
            handles.get(serial).unwrap().association = Some(Box::default());
            idle = idle.or(Some(serial).filter(|s| *s != old));
        }
        // All carried RPC; on the oldest something is said again.
        handles.give(old);
        assert!(!handles.forgot);
        let new = handles.insert((1, 1), None, b"", true);
        assert!(handles.get(old).is_some(), "in use");
        assert!(handles.get(idle.unwrap()).is_none(), "idle for longest");
        assert!(handles.forgot, "which is said");
        // One that never carried anything goes before all of them.
        handles.insert((1, 1), None, b"", true);
        assert!(handles.get(new).is_none());
    }

    #[test]
    fn a_tree_of_files_is_found_out() {
        let mut trees = Trees::default();
        for _ in 0..=MISSES {
            assert_eq!(trees.kind(1, 5), Kind::Unknown);
            trees.missed(1, 5);
        }
        assert_eq!(trees.kind(1, 5), Kind::Other);
    }
}
