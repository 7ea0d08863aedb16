//! Several captures of one interface that share its packets: `PACKET_FANOUT`, packet(7).

use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// `PACKET_FANOUT_HASH`, which is 0, with `PACKET_FANOUT_FLAG_DEFRAG` (linux/if_packet.h).
const HASH_DEFRAG: libc::c_int = 0x8000;

/// Makes `socket` one of the sockets that share what arrives, by a symmetric hash of addresses and ports. The kernel puts
/// fragments together before it hashes, so that all of a datagram go to one socket.
///
/// All sockets of a `group` must be bound to one interface. Another program's group of the same number would share its
/// packets with us; so the number should be made of the process id.
///
/// # Errors
/// What the kernel said, `EINVAL` if the group belongs to another interface.
pub(super) fn join(socket: impl AsFd, group: u16) -> io::Result<()> {
    let value = libc::c_int::from(group) | HASH_DEFRAG << 16;
    let size = libc::socklen_t::try_from(size_of_val(&value)).unwrap_or(4);
    // No crate in reach has this option behind a safe function: rustix and socket2 have no general setsockopt,
    // that of nix wants an unsafe impl. This is the second of the two exceptions of CONTRIBUTING.md.
    #[allow(unsafe_code)]
    // SAFETY: `value` lives across the call, `size` is its size, and the kernel reads no more than that
    // (packet(7), PACKET_FANOUT takes an int). `socket` is borrowed, so its descriptor is open.
    let said = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_FANOUT,
            std::ptr::from_ref(&value).cast(),
            size,
        )
    };
    if said == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
