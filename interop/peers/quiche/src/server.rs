// SPDX-License-Identifier: MIT

//! Files out of one folder, uploads into another, until SIGTERM.

use crate::wire::{self, Outgoing};
use crate::{Failure, Options};
use quiche::h3::{self, Event, Header, NameValue};
use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const LONGEST_WAIT: Duration = Duration::from_millis(200);
const NO_ERROR: u64 = 0x100;

static STOPPED: AtomicBool = AtomicBool::new(false);

struct Folders {
    files: PathBuf,
    uploads: PathBuf,
}

/// What a stream is busy with.
enum Work {
    /// Whether the status is on its way, and the body.
    Sending(bool, Outgoing),
    /// An upload that is only counted: for figures.
    Dropping,
    Storing(File, ring::digest::Context),
    /// An answer that waits for room in the stream.
    Answering(&'static [u8], Vec<u8>),
}

impl Work {
    /// The body is complete: what follows a finished upload.
    fn finish(&self) -> Work {
        if let Work::Dropping = self {
            return Work::Answering(b"201", Vec::new());
        }
        let Work::Storing(_, hash) = self else { return Work::Answering(b"500", Vec::new()) };
        let digest = hash.clone().finish();
        let text: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        Work::Answering(b"201", (text + "\n").into_bytes())
    }
}

struct Peer {
    quic: quiche::Connection,
    h3: Option<h3::Connection>,
    work: HashMap<u64, Work>,
}

fn field<'a>(list: &'a [Header], name: &[u8]) -> String {
    let found: Option<&'a Header> = list.iter().find(|field| field.name() == name);
    found.map_or(String::new(), |field| String::from_utf8_lossy(field.value()).into_owned())
}

fn begin(list: &[Header], folders: &Folders) -> Work {
    let path = field(list, b":path");
    let name = path.split('?').next().unwrap_or("").trim_start_matches('/');
    if Path::new(name).components().any(|part| part.as_os_str() == "..") {
        return Work::Answering(b"403", Vec::new());
    }
    if matches!(field(list, b":method").as_str(), "PUT" | "POST") {
        if name.parse::<u64>().is_ok() {
            return Work::Dropping;
        }
        return match File::create(folders.uploads.join(name)) {
            Ok(file) => Work::Storing(file, ring::digest::Context::new(&ring::digest::SHA256)),
            Err(_) => Work::Answering(b"500", Vec::new()),
        };
    }
    // So many bytes, from memory: for figures.
    if let Ok(size) = name.parse() {
        return Work::Sending(false, Outgoing::new(Box::new(std::io::repeat(0).take(size))));
    }
    match File::open(folders.files.join(name)) {
        Ok(file) => Work::Sending(false, Outgoing::new(Box::new(file))),
        Err(_) => Work::Answering(b"404", Vec::new()),
    }
}

impl Peer {
    fn on_event(&mut self, stream: u64, event: Event, folders: &Folders) -> Result<(), Failure> {
        let Some(h3) = &mut self.h3 else { return Ok(()) };
        match event {
            Event::Headers { list, .. } => {
                let work = begin(&list, folders);
                self.work.insert(stream, work);
            }
            Event::Data => {
                let mut piece = [0; wire::CHUNK_BYTES];
                while let Ok(size) = h3.recv_body(&mut self.quic, stream, &mut piece) {
                    if let Some(Work::Storing(file, hash)) = self.work.get_mut(&stream) {
                        hash.update(&piece[..size]);
                        file.write_all(&piece[..size])?;
                    }
                }
            }
            Event::Finished => {
                if let Some(work @ (Work::Storing(..) | Work::Dropping)) = self.work.get_mut(&stream) {
                    *work = work.finish();
                }
            }
            Event::Reset(_) => {
                self.work.remove(&stream);
            }
            Event::PriorityUpdate | Event::GoAway => {}
        }
        Ok(())
    }

    fn write(&mut self) -> Result<(), Failure> {
        let Some(h3) = &mut self.h3 else { return Ok(()) };
        let mut done = Vec::new();
        for (stream, work) in &mut self.work {
            let finished = match work {
                Work::Sending(has_head, body) => {
                    let head = [Header::new(b":status", b"200")];
                    if !*has_head {
                        match h3.send_response(&mut self.quic, *stream, &head, false) {
                            Err(h3::Error::StreamBlocked) => continue,
                            result => result?,
                        }
                        *has_head = true;
                    }
                    body.push(h3, &mut self.quic, *stream).unwrap_or(true)
                }
                Work::Storing(..) | Work::Dropping => false,
                Work::Answering(status, body) => {
                    let head = [Header::new(b":status", status)];
                    match h3.send_response(&mut self.quic, *stream, &head, body.is_empty()) {
                        Err(h3::Error::StreamBlocked) => false,
                        result => {
                            result?;
                            body.is_empty()
                                || h3.send_body(&mut self.quic, *stream, body, true).is_ok()
                        }
                    }
                }
            };
            if finished {
                done.push(*stream);
            }
        }
        for stream in done {
            self.work.remove(&stream);
        }
        Ok(())
    }

    fn advance(&mut self, folders: &Folders) -> Result<(), Failure> {
        if self.h3.is_none() && self.quic.is_established() {
            self.h3 = Some(h3::Connection::with_transport(&mut self.quic, &h3::Config::new()?)?);
        }
        while let Some(h3) = &mut self.h3 {
            match h3.poll(&mut self.quic) {
                Ok((stream, event)) => self.on_event(stream, event, folders)?,
                Err(h3::Error::Done) => break,
                Err(error) => return Err(error.into()),
            }
        }
        self.write()
    }
}

struct Server {
    socket: UdpSocket,
    local: SocketAddr,
    config: quiche::Config,
    folders: Folders,
    peers: Vec<Peer>,
}

impl Server {
    /// The connection that a datagram is for, a new one if it may open one.
    fn find(
        &mut self,
        header: &quiche::Header,
        from: SocketAddr,
    ) -> Result<Option<usize>, Failure> {
        let known = |peer: &Peer| {
            let mut ids = peer.quic.source_ids();
            ids.any(|id| *id == header.dcid)
                || (header.ty == quiche::Type::Initial
                    && peer.quic.path_stats().any(|path| path.peer_addr == from))
        };
        if let Some(index) = self.peers.iter().position(known) {
            return Ok(Some(index));
        }
        if header.ty != quiche::Type::Initial {
            return Ok(None);
        }
        let id = wire::random_id()?;
        let quic = quiche::accept(&id, None, self.local, from, &mut self.config)?;
        println!("connection {from}");
        self.peers.push(Peer { quic, h3: None, work: HashMap::new() });
        Ok(Some(self.peers.len() - 1))
    }

    fn on_datagram(&mut self, datagram: &mut [u8], from: SocketAddr) -> Result<(), Failure> {
        let Ok(header) = quiche::Header::from_slice(datagram, quiche::MAX_CONN_ID_LEN) else {
            return Ok(());
        };
        if header.ty == quiche::Type::Initial && !quiche::version_is_supported(header.version) {
            let mut answer = [0; 256];
            let size = quiche::negotiate_version(&header.scid, &header.dcid, &mut answer)?;
            self.socket.send_to(&answer[..size], from)?;
            return Ok(());
        }
        let Some(index) = self.find(&header, from)? else { return Ok(()) };
        let info = quiche::RecvInfo { from, to: self.local };
        let peer = &mut self.peers[index];
        if let Err(error) = peer.quic.recv(datagram, info) {
            eprintln!("packet from {from}: {error}");
        }
        if let Err(error) = peer.advance(&self.folders) {
            eprintln!("connection from {from}: {error}");
        }
        Ok(())
    }

    fn step(&mut self) -> Result<(), Failure> {
        let mut buffer = [0; wire::DATAGRAM_MAX];
        let next = self.peers.iter().filter_map(|peer| peer.quic.timeout()).min();
        let wait = next.unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT);
        if let Some((size, from)) = wire::receive(&self.socket, &mut buffer, wait)? {
            self.on_datagram(&mut buffer[..size], from)?;
        }
        for peer in &mut self.peers {
            if peer.quic.timeout().is_some_and(|left| left.is_zero()) {
                peer.quic.on_timeout();
            }
            // Room may have come with the acknowledgement that was just read.
            let _ = peer.write();
            if let Err(error) = wire::flush(&mut peer.quic, &self.socket) {
                eprintln!("sending: {error}");
            }
        }
        self.peers.retain(|peer| !peer.quic.is_closed());
        Ok(())
    }
}

extern "C" fn on_terminate(_signal: libc::c_int) {
    STOPPED.store(true, Ordering::Relaxed);
}

fn option<'a>(options: &'a Options, name: &str) -> Result<&'a String, Failure> {
    options.get(name).ok_or_else(|| format!("--{name} is missing").into())
}

pub fn serve(dir: &str, options: &Options) -> Result<(), Failure> {
    let mut config = wire::config()?;
    config.load_cert_chain_from_pem_file(option(options, "cert")?)?;
    config.load_priv_key_from_pem_file(option(options, "key")?)?;
    let socket = wire::bind(option(options, "listen")?)?;
    let uploads = options.get("upload").map_or_else(std::env::temp_dir, PathBuf::from);
    let local = socket.local_addr()?;
    let folders = Folders { files: dir.into(), uploads };
    let mut server = Server { socket, local, config, folders, peers: Vec::new() };
    let handler: extern "C" fn(libc::c_int) = on_terminate;
    // SAFETY: the handler only stores into an atomic.
    unsafe { libc::signal(libc::SIGTERM, handler as libc::sighandler_t) };
    println!("listening on {local}");
    while !STOPPED.load(Ordering::Relaxed) {
        server.step()?;
    }
    for peer in &mut server.peers {
        let _ = peer.quic.close(true, NO_ERROR, b"shutdown");
        let _ = wire::flush(&mut peer.quic, &server.socket);
    }
    Ok(())
}
