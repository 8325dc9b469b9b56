// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"golang.org/x/sync/errgroup"
)

// How many requests of --repeat are in flight at a time.
const concurrent = 20

type clientOptions struct {
	url, output, upload, cacert string
	repeat                      int
	maxTime                     time.Duration
}

func parseClient(args []string) (clientOptions, error) {
	var o clientOptions
	o.url = args[0]
	flags := flag.NewFlagSet("get", flag.ContinueOnError)
	flags.StringVar(&o.output, "o", os.DevNull, "write the body to this file")
	flags.StringVar(&o.upload, "T", "", "PUT this file")
	flags.StringVar(&o.cacert, "cacert", "", "trust only this CA")
	flags.IntVar(&o.repeat, "repeat", 1, "requests on the one connection")
	seconds := flags.Float64("max-time", 60, "seconds for everything")
	err := flags.Parse(args[1:])
	o.maxTime = time.Duration(*seconds * float64(time.Second))
	return o, err
}

func clientTLS(cacert string) (*tls.Config, error) {
	config := &tls.Config{}
	if cacert == "" {
		return config, nil
	}
	pem, err := os.ReadFile(cacert)
	if err != nil {
		return nil, err
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: no certificate in it", cacert)
	}
	return config, nil
}

// dialOnce lets the transport open one connection and no second one: a
// connection that dies in the middle must show.
func dialOnce() func(context.Context, string, *tls.Config, *quic.Config) (*quic.Conn, error) {
	var dialed atomic.Bool
	return func(ctx context.Context, addr string, t *tls.Config, q *quic.Config) (*quic.Conn, error) {
		if dialed.Swap(true) {
			return nil, errors.New("the one connection is gone")
		}
		return quic.DialAddr(ctx, addr, t, q)
	}
}

func request(ctx context.Context, client *http.Client, o clientOptions, out io.Writer) error {
	method, body, size := http.MethodGet, io.Reader(nil), int64(0)
	if o.upload != "" {
		file, err := os.Open(o.upload)
		if err != nil {
			return err
		}
		defer file.Close()
		info, err := file.Stat()
		if err != nil {
			return err
		}
		method, body, size = http.MethodPut, file, info.Size()
	}
	req, err := http.NewRequestWithContext(ctx, method, o.url, body)
	if err != nil {
		return err
	}
	req.ContentLength = size
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err = io.Copy(out, res.Body); err != nil {
		return err
	}
	if res.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("%s: %s", o.url, res.Status)
	}
	return nil
}

func get(args []string) error {
	o, err := parseClient(args)
	if err != nil {
		return err
	}
	tlsConfig, err := clientTLS(o.cacert)
	if err != nil {
		return err
	}
	transport := &http3.Transport{TLSClientConfig: tlsConfig, QUICConfig: config(), Dial: dialOnce()}
	defer transport.Close()
	client := &http.Client{Transport: transport}
	ctx, cancel := context.WithTimeout(context.Background(), o.maxTime)
	defer cancel()
	out, err := os.Create(o.output)
	if err != nil {
		return err
	}
	defer out.Close()
	if err = request(ctx, client, o, out); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(concurrent)
	for range o.repeat - 1 {
		group.Go(func() error { return request(ctx, client, o, io.Discard) })
	}
	return group.Wait()
}
