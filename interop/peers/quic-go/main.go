// SPDX-License-Identifier: MIT

// Command quic-go is the quic-go peer of the interop runs: an HTTP/3 client and
// server with the command line that every peer program here shares.
//
//	quic-go get URL [-o FILE] [-T FILE] [--cacert F] [--repeat N] [--max-time S]
//	quic-go serve DIR --listen ADDR --cert F --key F [--upload DIR]
//	quic-go perf-get HOST:PORT [--cacert F] [--down N] [--up N] [--requests N] [--max-time S]
//	quic-go perf-serve ADDR --cert F --key F
//
// Exit codes: 0 everything complete, 1 failure, 2 usage, 4 certificate refused.
// With QLOGDIR set, quic-go writes a qlog file per connection there.
package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/qlog"
)

const (
	exitFailure     = 1
	exitUsage       = 2
	exitCertificate = 4
)

var errUsage = errors.New("usage: quic-go get URL [options] | quic-go serve DIR [options]")

// config holds what both roles set on a connection.
func config() *quic.Config {
	return &quic.Config{
		MaxIdleTimeout: 30 * time.Second,
		Tracer:         qlog.DefaultConnectionTracer,
	}
}

// refusedCertificate tells a certificate that we refused from other failures:
// a CRYPTO_ERROR that we raised ourselves.
func refusedCertificate(err error) bool {
	var transport *quic.TransportError
	return errors.As(err, &transport) && transport.ErrorCode.IsCryptoError() && !transport.Remote
}

func run(args []string) error {
	if len(args) < 2 {
		return errUsage
	}
	switch args[0] {
	case "get":
		return get(args[1:])
	case "serve":
		return serve(args[1:])
	case "perf-get":
		return perfGet(args[1:])
	case "perf-serve":
		return perfServe(args[1:])
	}
	return errUsage
}

func main() {
	err := run(os.Args[1:])
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "quic-go:", err)
	switch {
	case errors.Is(err, errUsage):
		os.Exit(exitUsage)
	case refusedCertificate(err):
		os.Exit(exitCertificate)
	}
	os.Exit(exitFailure)
}
