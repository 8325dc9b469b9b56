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
const PAYLOAD_BYTES: usize = 1350;
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

/// Sends whatever the connection has to send.
pub fn flush(connection: &mut quiche::Connection, socket: &UdpSocket) -> Result<(), Failure> {
    let mut packet = [0; PAYLOAD_BYTES];
    loop {
        match connection.send(&mut packet) {
            Ok((size, info)) => {
                socket.send_to(&packet[..size], info.to)?;
            }
            Err(quiche::Error::Done) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// A piece of a file on its way into a stream: what is read and not yet taken.
pub struct Outgoing {
    file: std::fs::File,
    chunk: Vec<u8>,
    taken: usize,
    at_end: bool,
}

impl Outgoing {
    pub fn new(file: std::fs::File) -> Self {
        Outgoing { file, chunk: Vec::new(), taken: 0, at_end: false }
    }

    fn refill(&mut self) -> Result<(), Failure> {
        use std::io::Read;
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
