// SPDX-License-Identifier: MIT

//! Files out of one folder, uploads into another, until SIGTERM.

use crate::{Failure, Options};
use bytes::{Buf, Bytes};
use http::{Method, Response, StatusCode};
use rustls::pki_types::{pem::PemObject, CertificateDer, PrivateKeyDer};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::signal::unix::{signal, SignalKind};

const SHUTDOWN_TIME: Duration = Duration::from_millis(300);
const CHUNK_BYTES: usize = 64 * 1024;

type Stream = h3::server::RequestStream<h3_quinn::BidiStream<Bytes>, Bytes>;
type Resolver = h3::server::RequestResolver<h3_quinn::Connection, Bytes>;

#[derive(Clone)]
struct Folders {
    files: PathBuf,
    uploads: PathBuf,
}

fn option<'a>(options: &'a Options, name: &str) -> Result<&'a String, Failure> {
    options.get(name).ok_or_else(|| format!("--{name} is missing").into())
}

fn server_config(options: &Options) -> Result<quinn::ServerConfig, Failure> {
    let chain =
        CertificateDer::pem_file_iter(option(options, "cert")?)?.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(option(options, "key")?)?;
    let mut tls =
        rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key)?;
    tls.alpn_protocols = vec![b"h3".to_vec()];
    let crypto = quinn::crypto::rustls::QuicServerConfig::try_from(tls)?;
    Ok(quinn::ServerConfig::with_crypto(Arc::new(crypto)))
}

async fn answer(stream: &mut Stream, status: StatusCode) -> Result<(), Failure> {
    stream.send_response(Response::builder().status(status).body(())?).await?;
    Ok(())
}

async fn send_file(stream: &mut Stream, path: PathBuf) -> Result<(), Failure> {
    let Ok(mut file) = File::open(path).await else {
        return answer(stream, StatusCode::NOT_FOUND).await;
    };
    let size = file.metadata().await?.len();
    let head = Response::builder().header("content-length", size).body(())?;
    stream.send_response(head).await?;
    loop {
        let mut chunk = vec![0; CHUNK_BYTES];
        let count = file.read(&mut chunk).await?;
        if count == 0 {
            return Ok(());
        }
        chunk.truncate(count);
        stream.send_data(Bytes::from(chunk)).await?;
    }
}

/// So many bytes, from memory: for figures.
async fn generate(stream: &mut Stream, mut size: usize) -> Result<(), Failure> {
    static BLOCK: [u8; CHUNK_BYTES] = [0; CHUNK_BYTES];
    let head = Response::builder().header("content-length", size).body(())?;
    stream.send_response(head).await?;
    while size > 0 {
        let piece = size.min(CHUNK_BYTES);
        stream.send_data(Bytes::from_static(&BLOCK[..piece])).await?;
        size -= piece;
    }
    Ok(())
}

/// Only counts an upload: for figures.
async fn discard(stream: &mut Stream) -> Result<(), Failure> {
    while stream.recv_data().await?.is_some() {}
    answer(stream, StatusCode::CREATED).await
}

/// Writes the body and answers with its SHA-256, as tern does.
async fn store(stream: &mut Stream, path: PathBuf) -> Result<(), Failure> {
    let mut file = File::create(path).await?;
    let mut hash = ring::digest::Context::new(&ring::digest::SHA256);
    while let Some(mut piece) = stream.recv_data().await? {
        let bytes = piece.copy_to_bytes(piece.remaining());
        hash.update(&bytes);
        file.write_all(&bytes).await?;
    }
    file.flush().await?;
    let digest = hash.finish();
    let text: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    answer(stream, StatusCode::CREATED).await?;
    stream.send_data(Bytes::from(text + "\n")).await?;
    Ok(())
}

async fn handle(resolver: Resolver, folders: Folders) -> Result<(), Failure> {
    let (head, mut stream) = resolver.resolve_request().await?;
    let path = head.uri().path().trim_start_matches('/');
    if Path::new(path).components().any(|part| part.as_os_str() == "..") {
        answer(&mut stream, StatusCode::FORBIDDEN).await?;
    } else if *head.method() == Method::PUT || *head.method() == Method::POST {
        match path.parse::<u64>() {
            Ok(_) => discard(&mut stream).await?,
            Err(_) => store(&mut stream, folders.uploads.join(path)).await?,
        }
    } else if let Ok(size) = path.parse() {
        generate(&mut stream, size).await?;
    } else {
        send_file(&mut stream, folders.files.join(path)).await?;
    }
    stream.finish().await?;
    // A stream that is dropped before its end was read is answered with STOP_SENDING.
    while stream.recv_data().await?.is_some() {}
    Ok(())
}

async fn run_connection(incoming: quinn::Incoming, folders: Folders) -> Result<(), Failure> {
    let connection = incoming.await?;
    println!("connection {}", connection.remote_address());
    let mut h3 =
        h3::server::Connection::<_, Bytes>::new(h3_quinn::Connection::new(connection)).await?;
    while let Some(resolver) = h3.accept().await? {
        let folders = folders.clone();
        tokio::spawn(async move {
            if let Err(error) = handle(resolver, folders).await {
                eprintln!("request: {error}");
            }
        });
    }
    Ok(())
}

pub async fn serve(dir: &str, options: &Options) -> Result<(), Failure> {
    let listen = option(options, "listen")?.parse()?;
    let endpoint = quinn::Endpoint::server(server_config(options)?, listen)?;
    let uploads = options.get("upload").map_or_else(std::env::temp_dir, PathBuf::from);
    let folders = Folders { files: dir.into(), uploads };
    let mut terminate = signal(SignalKind::terminate())?;
    println!("listening on {}", endpoint.local_addr()?);
    loop {
        let incoming = tokio::select! {
            incoming = endpoint.accept() => incoming.ok_or("the endpoint closed")?,
            _ = terminate.recv() => break,
        };
        let folders = folders.clone();
        tokio::spawn(async move {
            if let Err(error) = run_connection(incoming, folders).await {
                eprintln!("connection: {error}");
            }
        });
    }
    endpoint.close(0x100u32.into(), b"shutdown");
    let _ = tokio::time::timeout(SHUTDOWN_TIME, endpoint.wait_idle()).await;
    Ok(())
}
