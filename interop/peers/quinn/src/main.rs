// SPDX-License-Identifier: MIT

//! The quinn peer of the interop runs: an HTTP/3 client and server (quinn, h3)
//! with the command line that every peer program here shares.
//!
//!     quinn-peer get URL [-o FILE] [-T FILE] [--cacert F] [--repeat N] [--max-time S]
//!     quinn-peer serve DIR --listen ADDR --cert F --key F [--upload DIR]
//!
//! Exit codes: 0 everything complete, 1 failure, 2 usage, 4 certificate refused.

mod client;
mod server;

use std::collections::HashMap;
use std::error::Error;
use std::process::ExitCode;

pub type Failure = Box<dyn Error + Send + Sync>;

/// Options by name without their dashes; each one takes a value.
pub type Options = HashMap<String, String>;

fn parse(args: &[String]) -> Option<Options> {
    let mut options = Options::new();
    for pair in args.chunks(2) {
        let [name, value] = pair else { return None };
        options.insert(name.strip_prefix('-')?.trim_start_matches('-').into(), value.clone());
    }
    Some(options)
}

/// A certificate that we refused ourselves: a CRYPTO_ERROR (0x0100 to 0x01ff,
/// RFC 9001 section 4.8) that did not come from the peer.
fn is_refused_certificate(error: &Failure) -> bool {
    match error.downcast_ref::<quinn::ConnectionError>() {
        Some(quinn::ConnectionError::TransportError(local)) => {
            (0x100..0x200).contains(&u64::from(local.code))
        }
        _ => false,
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let options = if args.len() < 2 { None } else { parse(&args[2..]) };
    let result = match (args.first().map(String::as_str), options) {
        (Some("get"), Some(options)) => client::get(&args[1], &options).await,
        (Some("serve"), Some(options)) => server::serve(&args[1], &options).await,
        _ => {
            eprintln!("usage: quinn-peer get URL [options] | quinn-peer serve DIR [options]");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("quinn-peer: {error}");
            ExitCode::from(if is_refused_certificate(&error) { 4 } else { 1 })
        }
    }
}
