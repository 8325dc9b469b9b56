// SPDX-License-Identifier: MIT

//! One connection, one or many requests, at most `CONCURRENT` of them at a time.

use crate::wire::{self, CertificateRefused, Outgoing};
use crate::{Failure, Options};
use quiche::h3::{self, Event, Header, NameValue};
use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::net::{SocketAddr, ToSocketAddrs, UdpSocket};
use std::time::{Duration, Instant};

const CONCURRENT: usize = 20;
const NO_ERROR: u64 = 0x100;
const LONGEST_WAIT: Duration = Duration::from_millis(500);

struct Target {
    host: String,
    authority: String,
    path: String,
    address: SocketAddr,
}

fn parse_url(url: &str) -> Result<Target, Failure> {
    let rest = url.strip_prefix("https://").ok_or("not an https URL")?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, port) = authority.split_once(':').unwrap_or((authority, "443"));
    let address = (host, port.parse::<u16>()?)
        .to_socket_addrs()?
        .find(SocketAddr::is_ipv4)
        .ok_or("no IPv4 address")?;
    Ok(Target { host: host.into(), authority: authority.into(), path: format!("/{path}"), address })
}

struct Client<'a> {
    target: &'a Target,
    /// Requests not yet sent.
    left: usize,
    /// Streams on their way, each with the upload that it still has to push.
    running: HashMap<u64, Option<Outgoing>>,
    upload: Option<&'a String>,
    output: Option<File>,
    output_stream: Option<u64>,
}

impl Client<'_> {
    fn start_one(
        &mut self,
        h3: &mut h3::Connection,
        quic: &mut quiche::Connection,
    ) -> Result<bool, Failure> {
        let upload = self.upload.map(File::open).transpose()?;
        let method: &[u8] = if upload.is_some() { b"PUT" } else { b"GET" };
        let mut head = vec![
            Header::new(b":method", method),
            Header::new(b":scheme", b"https"),
            Header::new(b":authority", self.target.authority.as_bytes()),
            Header::new(b":path", self.target.path.as_bytes()),
            Header::new(b"user-agent", b"quiche-peer"),
        ];
        if let Some(file) = &upload {
            let size = file.metadata()?.len().to_string();
            head.push(Header::new(b"content-length", size.as_bytes()));
        }
        match h3.send_request(quic, &head, upload.is_none()) {
            Ok(stream) => {
                self.left -= 1;
                self.output_stream.get_or_insert(stream);
                self.running.insert(stream, upload.map(|file| Outgoing::new(Box::new(file))));
                Ok(true)
            }
            Err(h3::Error::StreamBlocked)
            | Err(h3::Error::TransportError(quiche::Error::StreamLimit)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn write(
        &mut self,
        h3: &mut h3::Connection,
        quic: &mut quiche::Connection,
    ) -> Result<(), Failure> {
        while self.left > 0 && self.running.len() < CONCURRENT && self.start_one(h3, quic)? {}
        for (stream, upload) in &mut self.running {
            if let Some(body) = upload {
                if body.push(h3, quic, *stream)? {
                    *upload = None;
                }
            }
        }
        Ok(())
    }

    fn on_event(
        &mut self,
        h3: &mut h3::Connection,
        quic: &mut quiche::Connection,
        stream: u64,
        event: Event,
    ) -> Result<(), Failure> {
        match event {
            Event::Headers { list, .. } => {
                let status = list.iter().find(|field| field.name() == b":status");
                let value = status.map(|field| String::from_utf8_lossy(field.value()).into_owned());
                match value.as_deref() {
                    Some(text) if text < "400" => Ok(()),
                    other => Err(format!("status {other:?}").into()),
                }
            }
            Event::Data => self.on_data(h3, quic, stream),
            Event::Finished => {
                self.running.remove(&stream);
                Ok(())
            }
            Event::Reset(code) => Err(format!("stream {stream} reset with {code:#x}").into()),
            Event::PriorityUpdate | Event::GoAway => Ok(()),
        }
    }

    fn on_data(
        &mut self,
        h3: &mut h3::Connection,
        quic: &mut quiche::Connection,
        stream: u64,
    ) -> Result<(), Failure> {
        let mut piece = [0; wire::CHUNK_BYTES];
        while let Ok(size) = h3.recv_body(quic, stream, &mut piece) {
            if let (Some(file), true) = (&mut self.output, self.output_stream == Some(stream)) {
                file.write_all(&piece[..size])?;
            }
        }
        Ok(())
    }

    fn advance(
        &mut self,
        h3: &mut h3::Connection,
        quic: &mut quiche::Connection,
    ) -> Result<(), Failure> {
        loop {
            match h3.poll(quic) {
                Ok((stream, event)) => self.on_event(h3, quic, stream, event)?,
                Err(h3::Error::Done) => break,
                Err(error) => return Err(error.into()),
            }
        }
        self.write(h3, quic)
    }
}

/// Takes in every datagram that is there, or waits for the first.
fn receive(quic: &mut quiche::Connection, socket: &UdpSocket) -> Result<(), Failure> {
    let mut buffer = [0; wire::DATAGRAM_MAX];
    let wait = quic.timeout().unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT);
    let to = socket.local_addr()?;
    match wire::receive(socket, &mut buffer, wait)? {
        Some((size, from)) => {
            // A packet that fails to parse or decrypt is the connection's affair.
            let _ = quic.recv(&mut buffer[..size], quiche::RecvInfo { from, to });
        }
        None => {
            if quic.timeout().is_some_and(|left| left.is_zero()) {
                quic.on_timeout();
            }
        }
    }
    Ok(())
}

fn failure(quic: &quiche::Connection) -> Failure {
    match (quic.local_error(), quic.peer_error()) {
        (Some(error), _) if !error.is_app && (0x100..0x200).contains(&error.error_code) => {
            Box::new(CertificateRefused(format!("{error:?}")))
        }
        (local, peer) => format!("closed: local {local:?}, peer {peer:?}").into(),
    }
}

fn run(
    quic: &mut quiche::Connection,
    socket: &UdpSocket,
    client: &mut Client,
    end: Instant,
) -> Result<(), Failure> {
    let mut h3: Option<h3::Connection> = None;
    loop {
        wire::flush(quic, socket)?;
        receive(quic, socket)?;
        if quic.is_closed() || quic.is_draining() || quic.local_error().is_some() {
            wire::flush(quic, socket)?;
            return Err(failure(quic));
        }
        if h3.is_none() && quic.is_established() {
            h3 = Some(h3::Connection::with_transport(quic, &h3::Config::new()?)?);
        }
        if let Some(h3) = &mut h3 {
            client.advance(h3, quic)?;
            if client.left == 0 && client.running.is_empty() {
                return Ok(());
            }
        }
        if Instant::now() > end {
            return Err("out of time".into());
        }
    }
}

pub fn get(url: &str, options: &Options) -> Result<(), Failure> {
    let target = parse_url(url)?;
    let mut config = wire::config()?;
    if let Some(path) = options.get("cacert") {
        config.load_verify_locations_from_file(path)?;
    }
    config.verify_peer(true);
    let socket = wire::bind("0.0.0.0:0")?;
    socket.connect(target.address)?;
    let id = wire::random_id()?;
    let local = socket.local_addr()?;
    let mut quic = quiche::connect(Some(&target.host), &id, local, target.address, &mut config)?;
    if let Some(path) = std::env::var_os("SSLKEYLOGFILE") {
        quic.set_keylog(Box::new(File::options().append(true).create(true).open(path)?));
    }
    let mut client = Client {
        target: &target,
        left: options.get("repeat").map_or(Ok(1), |text| text.parse())?,
        running: HashMap::new(),
        upload: options.get("T"),
        output: options.get("o").map(File::create).transpose()?,
        output_stream: None,
    };
    let seconds: f64 = options.get("max-time").map_or(Ok(60.0), |text| text.parse())?;
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    let result = run(&mut quic, &socket, &mut client, end);
    let _ = quic.close(true, NO_ERROR, b"");
    let _ = wire::flush(&mut quic, &socket);
    result
}
