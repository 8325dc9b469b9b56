// SPDX-License-Identifier: MIT

//! What both roles share: the configuration, the socket, random ids.

use crate::Failure;
use ring::rand::{SecureRandom, SystemRandom};
use std::fmt;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

/// The largest UDP payload (RFC 9000 section 18.2); nginx refuses a larger max_udp_payload_size.
pub const DATAGRAM_MAX: usize = 65527;
pub const CHUNK_BYTES: usize = 64 * 1024;
const PAYLOAD_BYTES: usize = 1452;
/// What one call may send with UDP_SEGMENT: 64 datagrams, and less than 65,507 bytes.
const BURST_DATAGRAMS: usize = 44;
const SOCKET_BYTES: libc::c_int = 4 * 1024 * 1024;
const WINDOW_BYTES: u64 = 8 * 1024 * 1024;
const STREAMS_MAX: u64 = 100;

#[derive(Debug)]
pub struct CertificateRefused(pub String);

impl fmt::Display for CertificateRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "certificate refused: {}", self.0)
    }
}

impl std::error::Error for CertificateRefused {}

pub fn config() -> Result<quiche::Config, Failure> {
    let mut config = quiche::Config::new(quiche::PROTOCOL_VERSION)?;
    config.set_application_protos(quiche::h3::APPLICATION_PROTOCOL)?;
    config.set_max_idle_timeout(30_000);
    config.set_max_recv_udp_payload_size(DATAGRAM_MAX);
    config.set_max_send_udp_payload_size(PAYLOAD_BYTES);
    config.set_initial_max_data(WINDOW_BYTES);
    config.set_initial_max_stream_data_bidi_local(WINDOW_BYTES / 2);
    config.set_initial_max_stream_data_bidi_remote(WINDOW_BYTES / 2);
    config.set_initial_max_stream_data_uni(WINDOW_BYTES / 8);
    config.set_initial_max_streams_bidi(STREAMS_MAX);
    config.set_initial_max_streams_uni(STREAMS_MAX);
    config.enable_pacing(false);
    Ok(config)
}

pub fn random_id() -> Result<quiche::ConnectionId<'static>, Failure> {
    let mut bytes = vec![0; quiche::MAX_CONN_ID_LEN];
    SystemRandom::new().fill(&mut bytes).map_err(|_| "no randomness")?;
    Ok(quiche::ConnectionId::from_vec(bytes))
}

/// Waits for one datagram; None when the time is up first.
pub fn receive(
    socket: &UdpSocket,
    buffer: &mut [u8],
    wait: Duration,
) -> Result<Option<(usize, SocketAddr)>, Failure> {
    // A zero timeout would mean "for ever" to the socket.
    socket.set_read_timeout(Some(wait.max(Duration::from_millis(1))))?;
    match socket.recv_from(buffer) {
        Ok(received) => Ok(Some(received)),
        Err(error) => match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => Ok(None),
            _ => Err(error.into()),
        },
    }
}

/// A socket with buffers for bursts, as far as the system allows.
pub fn bind(address: &str) -> Result<UdpSocket, Failure> {
    use std::os::fd::AsRawFd;
    let socket = UdpSocket::bind(address)?;
    let bytes = SOCKET_BYTES;
    for option in [libc::SO_SNDBUF, libc::SO_RCVBUF] {
        let size = (&raw const bytes).cast();
        let length = size_of::<libc::c_int>() as libc::socklen_t;
        // SAFETY: the option's value is an int that lives longer than the call.
        unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, option, size, length) };
    }
    Ok(socket)
}

/// Datagrams of one size, the last may be shorter, in one call (UDP_SEGMENT).
fn send_burst(socket: &UdpSocket, burst: &[u8], size: usize, to: SocketAddr) -> Result<(), Failure> {
    use std::os::fd::AsRawFd;
    let segment = libc::c_int::try_from(size)?;
    let length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the option's value is an int that lives longer than the call.
    let status = unsafe {
        let value = (&raw const segment).cast();
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_UDP, libc::UDP_SEGMENT, value, length)
    };
    if status != 0 {
        for datagram in burst.chunks(size) {
            socket.send_to(datagram, to)?;
        }
        return Ok(());
    }
    socket.send_to(burst, to)?;
    Ok(())
}

/// Sends whatever the connection has to send, in bursts of datagrams of one size.
pub fn flush(connection: &mut quiche::Connection, socket: &UdpSocket) -> Result<(), Failure> {
    let mut burst = vec![0; PAYLOAD_BYTES * BURST_DATAGRAMS];
    let (mut filled, mut segment, mut target) = (0, 0, None);
    loop {
        if filled + PAYLOAD_BYTES > burst.len() {
            send_burst(socket, &burst[..filled], segment, target.ok_or("no target")?)?;
            (filled, segment) = (0, 0);
        }
        let size = match connection.send(&mut burst[filled..filled + PAYLOAD_BYTES]) {
            Ok((size, info)) => {
                if target.is_some_and(|to| to != info.to) || (segment != 0 && size > segment) {
                    let tail = burst[filled..filled + size].to_vec();
                    send_burst(socket, &burst[..filled], segment, target.unwrap_or(info.to))?;
                    burst[..size].copy_from_slice(&tail);
                    (filled, segment) = (0, 0);
                }
                target = Some(info.to);
                filled += size;
                segment = if segment == 0 { size } else { segment };
                size
            }
            Err(quiche::Error::Done) if filled == 0 => return Ok(()),
            Err(quiche::Error::Done) => 0,
            Err(error) => return Err(error.into()),
        };
        if size < segment {
            if let Some(to) = target {
                send_burst(socket, &burst[..filled], segment, to)?;
            }
            (filled, segment) = (0, 0);
        }
    }
}

/// A piece of a file on its way into a stream: what is read and not yet taken.
pub struct Outgoing {
    file: Box<dyn std::io::Read>,
    chunk: Vec<u8>,
    taken: usize,
    at_end: bool,
}

impl Outgoing {
    pub fn new(file: Box<dyn std::io::Read>) -> Self {
        Outgoing { file, chunk: Vec::new(), taken: 0, at_end: false }
    }

    fn refill(&mut self) -> Result<(), Failure> {
        self.chunk.resize(CHUNK_BYTES, 0);
        let size = self.file.read(&mut self.chunk)?;
        self.chunk.truncate(size);
        self.taken = 0;
        self.at_end = size == 0;
        Ok(())
    }

    /// Pushes until the stream takes no more; true when the body is complete.
    pub fn push(
        &mut self,
        h3: &mut quiche::h3::Connection,
        connection: &mut quiche::Connection,
        stream: u64,
    ) -> Result<bool, Failure> {
        loop {
            if self.taken == self.chunk.len() && !self.at_end {
                self.refill()?;
            }
            match h3.send_body(connection, stream, &self.chunk[self.taken..], self.at_end) {
                Ok(_) if self.at_end => return Ok(true),
                Ok(size) => self.taken += size,
                Err(quiche::h3::Error::Done) => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
    }
}
