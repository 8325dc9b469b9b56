/* SPDX-License-Identifier: MIT */
/* The worker's number in a connection id: the formula is beside tern_steer in <tern/config.h>. The
 * mask of the first two bytes comes from the four behind them, which are random, so two ids of one
 * worker have nothing in common that can be seen. */
#ifndef TERN_TRANSPORT_STEER_H
#define TERN_TRANSPORT_STEER_H

#include <tern/transport.h>

#define TERN_STEER_CID_BYTES_MIN 8

/* Makes random bytes, at least 6, an id of this worker. Quiet if it is alone. */
void tern_steer_mark(const tern_steer *steer, uint8_t *id);

#endif
