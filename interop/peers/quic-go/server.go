// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

const shutdownTime = 2 * time.Second

var block [64 * 1024]byte

// store writes an upload and answers with the body's SHA-256, as tern does.
func store(dir string, w http.ResponseWriter, r *http.Request) {
	file, err := os.Create(filepath.Join(dir, filepath.Base(r.URL.Path)))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer file.Close()
	hash := sha256.New()
	if _, err = io.Copy(io.MultiWriter(file, hash), r.Body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusCreated)
	fmt.Fprintf(w, "%x\n", hash.Sum(nil))
}

// generate answers a path of digits with so many bytes, from memory: for figures.
func generate(w http.ResponseWriter, size int64) {
	w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
	for size > 0 {
		piece := min(size, int64(len(block)))
		if _, err := w.Write(block[:piece]); err != nil {
			return
		}
		size -= piece
	}
}

func handler(dir, upload string) http.Handler {
	files := http.FileServer(http.Dir(dir))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		size, err := strconv.ParseInt(strings.TrimPrefix(r.URL.Path, "/"), 10, 64)
		isUpload := r.Method == http.MethodPut || r.Method == http.MethodPost
		switch {
		case isUpload && err == nil: // only counted: for figures
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusCreated)
		case isUpload:
			store(upload, w, r)
		case err == nil:
			generate(w, size)
		default:
			files.ServeHTTP(w, r)
		}
	})
}

func serve(args []string) error {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	listen := flags.String("listen", "127.0.0.1:4433", "address and port")
	cert := flags.String("cert", "", "certificate chain, PEM")
	key := flags.String("key", "", "private key, PEM")
	upload := flags.String("upload", os.TempDir(), "folder for uploads")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	pair, err := tls.LoadX509KeyPair(*cert, *key)
	if err != nil {
		return err
	}
	socket, err := net.ListenPacket("udp", *listen)
	if err != nil {
		return err
	}
	var connections atomic.Int64
	server := &http3.Server{
		Handler:    handler(args[0], *upload),
		QUICConfig: config(),
		TLSConfig:  http3.ConfigureTLSConfig(&tls.Config{Certificates: []tls.Certificate{pair}}),
		ConnContext: func(ctx context.Context, c *quic.Conn) context.Context {
			fmt.Println("connection", connections.Add(1), c.RemoteAddr())
			return ctx
		},
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	done := make(chan error, 1)
	go func() { done <- server.Serve(socket) }()
	fmt.Println("listening on", socket.LocalAddr())
	select {
	case err = <-done:
		return err
	case <-stop:
	}
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTime)
	defer cancel()
	return server.Shutdown(ctx)
}
