//! Many packets to two ordered byte streams.
