// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"time"

	"github.com/quic-go/quic-go"
)

// The QUIC performance protocol, draft-banks-quic-performance-00 section 2.
const (
	perfALPN  = "perf"
	sizeBytes = 8
)

var errLength = errors.New("an answer of another length than asked for")

// zeroes is a body without end.
type zeroes struct{}

func (zeroes) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// answer reads how much is wanted, drains the rest, and sends that much.
func answer(in io.Reader, open func() (io.WriteCloser, error)) {
	var size uint64
	if binary.Read(in, binary.BigEndian, &size) != nil {
		return
	}
	if _, err := io.Copy(io.Discard, in); err != nil {
		return
	}
	out, err := open()
	if err != nil {
		return
	}
	if _, err = io.CopyN(out, zeroes{}, int64(size)); err == nil {
		out.Close()
	}
}

func answerAll(ctx context.Context, conn *quic.Conn) {
	go func() {
		for {
			stream, err := conn.AcceptUniStream(ctx)
			if err != nil {
				return
			}
			go answer(stream, func() (io.WriteCloser, error) { return conn.OpenUniStreamSync(ctx) })
		}
	}()
	for {
		stream, err := conn.AcceptStream(ctx)
		if err != nil {
			return
		}
		go answer(stream, func() (io.WriteCloser, error) { return stream, nil })
	}
}

func perfServe(args []string) error {
	flags := flag.NewFlagSet("perf-serve", flag.ContinueOnError)
	cert := flags.String("cert", "", "certificate chain, PEM")
	key := flags.String("key", "", "private key, PEM")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	pair, err := tls.LoadX509KeyPair(*cert, *key)
	if err != nil {
		return err
	}
	config := config()
	config.MaxIncomingStreams, config.MaxIncomingUniStreams = 1000, 1000
	listener, err := quic.ListenAddr(args[0],
		&tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{perfALPN}}, config)
	if err != nil {
		return err
	}
	for {
		conn, err := listener.Accept(context.Background())
		if err != nil {
			return err
		}
		go answerAll(context.Background(), conn)
	}
}

// ask sends one request and reads its answer.
func ask(in io.Reader, out io.WriteCloser, up, down int64) error {
	if err := binary.Write(out, binary.BigEndian, uint64(down)); err != nil {
		return err
	}
	if _, err := io.CopyN(out, zeroes{}, up); err != nil {
		return err
	}
	if err := out.Close(); err != nil {
		return err
	}
	got, err := io.Copy(io.Discard, in)
	if err == nil && got != down {
		return fmt.Errorf("%w: %d, not %d", errLength, got, down)
	}
	return err
}

// askUni asks on a unidirectional stream and waits for the server's.
func askUni(ctx context.Context, conn *quic.Conn, down int64) error {
	out, err := conn.OpenUniStreamSync(ctx)
	if err != nil {
		return err
	}
	received := make(chan error, 1)
	go func() {
		in, err := conn.AcceptUniStream(ctx)
		if err == nil {
			var got int64
			if got, err = io.Copy(io.Discard, in); err == nil && got != down {
				err = errLength
			}
		}
		received <- err
	}()
	if err = binary.Write(out, binary.BigEndian, uint64(down)); err != nil {
		return err
	}
	if err = out.Close(); err != nil {
		return err
	}
	return <-received
}

func perfGet(args []string) error {
	flags := flag.NewFlagSet("perf-get", flag.ContinueOnError)
	cacert := flags.String("cacert", "", "trusted certificates, PEM")
	up := flags.Int64("up", 0, "bytes to send on one stream")
	down := flags.Int64("down", 0, "bytes to ask for")
	requests := flags.Int("requests", 0, "small requests besides")
	maxTime := flags.Int("max-time", 30, "seconds")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	tlsConfig, err := clientTLS(*cacert)
	if err != nil {
		return err
	}
	tlsConfig.NextProtos = []string{perfALPN}
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(*maxTime)*time.Second)
	defer cancel()
	conn, err := quic.DialAddr(ctx, args[0], tlsConfig, config())
	if err != nil {
		return err
	}
	defer conn.CloseWithError(0, "")
	for i := range *requests + 1 {
		stream, err := conn.OpenStreamSync(ctx)
		if err != nil {
			return err
		}
		sent, wanted := *up, *down
		if i > 0 {
			sent, wanted = int64(i), int64(i)
		}
		if err = ask(stream, stream, sent, wanted); err != nil {
			return err
		}
	}
	return askUni(ctx, conn, *down)
}
