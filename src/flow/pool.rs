//! Buffers for what must be kept: taken, given back, never grown.
//!
//! Four sizes, because a buffer is accounted with its whole capacity: a peer that once
//! made us hold 64 KiB must not get that buffer again to hold a single byte.

use std::collections::VecDeque;

use super::held::Later;

/// Capacities kept for reuse, bytes: the rest of a head, a segment, a call, a tail.
const SIZES: [usize; 4] = [256, 2 * 1024, 16 * 1024, 128 * 1024];

/// Queues kept for reuse: places, and how many queues. The larger holds what `limits::AHEAD_SEGMENTS`
/// allows, each hole filled once.
const QUEUES: [(usize, usize); 2] = [(16, 1024), (160, 128)];

/// Free buffers, and how many bytes of buffers are out.
#[derive(Debug)]
pub(super) struct Pool {
    free: [Vec<Vec<u8>>; 4],
    queues: [Vec<VecDeque<Later>>; 2],
    free_bytes: usize,
    /// Bytes in `free` beyond which a buffer is dropped rather than kept.
    free_max: usize,
    /// Capacity of all buffers taken and not released.
    held: usize,
}

impl Pool {
    pub(super) fn new(free_max: usize) -> Self {
        Self {
            free: [const { Vec::new() }; 4],
            queues: [const { Vec::new() }; 2],
            free_bytes: 0,
            free_max,
            held: 0,
        }
    }

    /// Bytes of buffers in use.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// An empty buffer with room for `len` bytes; counts as held.
    pub(super) fn take(&mut self, len: usize) -> Vec<u8> {
        let fits = SIZES.iter().zip(&mut self.free).find(|(s, _)| **s >= len);
        let buf = match fits {
            Some((&size, free)) => match free.pop() {
                Some(buf) => {
                    self.free_bytes = self.free_bytes.saturating_sub(size);
                    buf
                }
                None => Vec::with_capacity(size),
            },
            None => Vec::with_capacity(len),
        };
        self.held = self.held.saturating_add(buf.capacity());
        buf
    }

    /// `buf` is held no longer, though somebody may still be reading it.
    ///
    /// Apart from [`Pool::give`] so that a decoder that panics while it reads the buffer
    /// does not leave its bytes counted for ever.
    pub(super) fn release(&mut self, buf: &Vec<u8>) {
        self.held = self.held.saturating_sub(buf.capacity());
    }

    /// An empty queue with room for `len` segments; counts as held.
    pub(super) fn queue(&mut self, len: usize) -> VecDeque<Later> {
        let fits = QUEUES.iter().zip(&mut self.queues);
        let queue = match fits.into_iter().find(|((room, _), _)| *room >= len) {
            Some(((room, _), free)) => free.pop().unwrap_or_else(|| VecDeque::with_capacity(*room)),
            None => VecDeque::with_capacity(len),
        };
        self.charge(queue_bytes(&queue));
        queue
    }

    /// An empty queue is held no longer.
    pub(super) fn give_queue(&mut self, queue: VecDeque<Later>) {
        self.discharge(queue_bytes(&queue));
        for ((room, most), free) in QUEUES.iter().zip(&mut self.queues) {
            if queue.capacity() == *room && free.len() < *most {
                free.push(queue);
                return;
            }
        }
    }

    /// Accounts `bytes` held elsewhere.
    pub(super) fn charge(&mut self, bytes: usize) {
        self.held = self.held.saturating_add(bytes);
    }

    /// Undoes [`Pool::charge`].
    pub(super) fn discharge(&mut self, bytes: usize) {
        self.held = self.held.saturating_sub(bytes);
    }

    /// Keeps a released buffer for the next user.
    pub(super) fn give(&mut self, mut buf: Vec<u8>) {
        let size = buf.capacity();
        let Some(free) = SIZES
            .iter()
            .zip(&mut self.free)
            .find_map(|(s, free)| (*s == size).then_some(free))
        else {
            return;
        };
        let after = self.free_bytes.saturating_add(size);
        if after <= self.free_max {
            self.free_bytes = after;
            buf.clear();
            free.push(buf);
        }
    }
}

fn queue_bytes(queue: &VecDeque<Later>) -> usize {
    queue.capacity().saturating_mul(size_of::<Later>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_capacity_and_reuses() {
        let mut pool = Pool::new(1 << 20);
        let a = pool.take(3);
        assert_eq!(pool.held(), 256);
        let b = pool.take(1460);
        assert_eq!(pool.held(), 256 + 2048);
        let at = b.as_ptr();
        pool.release(&b);
        pool.give(b);
        assert_eq!(pool.held(), 256);
        let c = pool.take(2000);
        assert_eq!(c.as_ptr(), at, "the same buffer again");
        pool.release(&a);
    }

    #[test]
    fn keeps_no_more_than_it_may() {
        let mut pool = Pool::new(2048);
        let bufs: Vec<_> = (0..4).map(|_| pool.take(2048)).collect();
        for b in bufs {
            pool.release(&b);
            pool.give(b);
        }
        assert_eq!(pool.free_bytes, 2048);
        let odd = pool.take(300_000);
        assert_eq!(pool.held(), odd.capacity());
        pool.release(&odd);
        pool.give(odd);
        assert_eq!((pool.held(), pool.free_bytes), (0, 2048));
    }
}
