/* SPDX-License-Identifier: MIT */
/* All of tern. Take single headers where compile time matters: <tern/h3.h> for HTTP/3,
 * <tern/transport.h> for QUIC alone, <tern/io.h> for the ready loop, <tern/easy.h> for one call. */
#ifndef TERN_TERN_H
#define TERN_TERN_H

#include <tern/base.h>
#include <tern/cc.h>
#include <tern/certs.h>
#include <tern/config.h>
#include <tern/easy.h>
#include <tern/event.h>
#include <tern/h3.h>
#include <tern/io.h>
#include <tern/qlog.h>
#include <tern/transport.h>

#endif
