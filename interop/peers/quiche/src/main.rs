// SPDX-License-Identifier: MIT

//! The quiche peer of the interop runs: an HTTP/3 client and server on quiche and
//! one blocking socket, with the command line that every peer program here shares.
//!
//!     quiche-peer get URL [-o FILE] [-T FILE] [--cacert F] [--repeat N] [--max-time S]
//!     quiche-peer serve DIR --listen ADDR --cert F --key F [--upload DIR]
//!
//! Exit codes: 0 everything complete, 1 failure, 2 usage, 4 certificate refused.

mod client;
mod server;
mod wire;

use std::collections::HashMap;
use std::error::Error;
use std::process::ExitCode;

pub type Failure = Box<dyn Error>;

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

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let options = if args.len() < 2 { None } else { parse(&args[2..]) };
    let result = match (args.first().map(String::as_str), options) {
        (Some("get"), Some(options)) => client::get(&args[1], &options),
        (Some("serve"), Some(options)) => server::serve(&args[1], &options),
        _ => {
            eprintln!("usage: quiche-peer get URL [options] | quiche-peer serve DIR [options]");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("quiche-peer: {error}");
            ExitCode::from(if error.is::<wire::CertificateRefused>() { 4 } else { 1 })
        }
    }
}
