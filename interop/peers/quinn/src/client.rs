// SPDX-License-Identifier: MIT

//! One connection, one or many requests, at most `CONCURRENT` of them at a time.

use crate::{Failure, Options};
use bytes::{Buf, Bytes};
use http::{Method, Request, Uri};
use rustls::pki_types::{pem::PemObject, CertificateDer};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const CONCURRENT: usize = 20;
const CHUNK_BYTES: usize = 64 * 1024;

type Sender = h3::client::SendRequest<h3_quinn::OpenStreams, Bytes>;

fn client_config(options: &Options) -> Result<quinn::ClientConfig, Failure> {
    let mut roots = rustls::RootCertStore::empty();
    if let Some(path) = options.get("cacert") {
        for certificate in CertificateDer::pem_file_iter(path)? {
            roots.add(certificate?)?;
        }
    }
    let mut tls =
        rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    tls.alpn_protocols = vec![b"h3".to_vec()];
    tls.key_log = Arc::new(rustls::KeyLogFile::new());
    let crypto = quinn::crypto::rustls::QuicClientConfig::try_from(tls)?;
    Ok(quinn::ClientConfig::new(Arc::new(crypto)))
}

async fn resolve(uri: &Uri) -> Result<SocketAddr, Failure> {
    let host = uri.host().ok_or("no host in the URL")?;
    let found = tokio::net::lookup_host((host, uri.port_u16().unwrap_or(443))).await?;
    found.into_iter().find(SocketAddr::is_ipv4).ok_or_else(|| "no IPv4 address".into())
}

type Stream = h3::client::RequestStream<h3_quinn::BidiStream<Bytes>, Bytes>;

async fn send_file(stream: &mut Stream, path: &str) -> Result<(), Failure> {
    let mut file = File::open(path).await?;
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

async fn request(
    mut sender: Sender,
    uri: Uri,
    upload: Option<String>,
    mut output: Option<File>,
) -> Result<(), Failure> {
    let mut head = Request::builder().uri(uri);
    if let Some(path) = &upload {
        let size = tokio::fs::metadata(path).await?.len();
        head = head.method(Method::PUT).header("content-length", size);
    }
    let mut stream = sender.send_request(head.body(())?).await?;
    if let Some(path) = upload {
        send_file(&mut stream, &path).await?;
    }
    stream.finish().await?;
    let response = stream.recv_response().await?;
    while let Some(mut piece) = stream.recv_data().await? {
        let bytes = piece.copy_to_bytes(piece.remaining());
        if let Some(file) = output.as_mut() {
            file.write_all(&bytes).await?;
        }
    }
    if let Some(file) = output.as_mut() {
        file.flush().await?;
    }
    if response.status().as_u16() >= 400 {
        return Err(format!("status {}", response.status()).into());
    }
    Ok(())
}

async fn request_all(sender: Sender, uri: Uri, options: &Options) -> Result<(), Failure> {
    let output = match options.get("o") {
        Some(path) => Some(File::create(path).await?),
        None => None,
    };
    request(sender.clone(), uri.clone(), options.get("T").cloned(), output).await?;
    let repeat: usize = options.get("repeat").map_or(Ok(1), |text| text.parse())?;
    let mut running = tokio::task::JoinSet::new();
    for _ in 1..repeat {
        if running.len() >= CONCURRENT {
            running.join_next().await.ok_or("no task")???;
        }
        running.spawn(request(sender.clone(), uri.clone(), None, None));
    }
    while let Some(finished) = running.join_next().await {
        finished??;
    }
    Ok(())
}

pub async fn get(url: &str, options: &Options) -> Result<(), Failure> {
    let uri: Uri = url.parse()?;
    let mut endpoint = quinn::Endpoint::client("0.0.0.0:0".parse()?)?;
    endpoint.set_default_client_config(client_config(options)?);
    let address = resolve(&uri).await?;
    let connection = endpoint.connect(address, uri.host().unwrap_or_default())?.await?;
    let (mut driver, sender) = h3::client::new(h3_quinn::Connection::new(connection)).await?;
    let driving = tokio::spawn(async move { driver.wait_idle().await });
    let seconds = options.get("max-time").map_or(Ok(60.0), |text| text.parse())?;
    let work = request_all(sender, uri, options);
    let result = tokio::time::timeout(Duration::from_secs_f64(seconds), work).await?;
    // The last sender is gone: the driver closes the connection with H3_NO_ERROR.
    driving.await?;
    endpoint.wait_idle().await;
    result
}
