/* SPDX-License-Identifier: MIT */
/* Transport parameters: byte 0 says whose, the rest is the extension. What is accepted is within its
 * bounds, and written again it reads the same. */
#include <stdint.h>
#include <string.h>

#include "base/assert.h"
#include "wire/params.h"
#include "wire/varint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_bounds(const struct tern_params *params)
{
  TERN_ASSERT(params->max_udp_payload_bytes >= 1200);
  TERN_ASSERT(params->ack_delay_exponent <= 20 && params->max_ack_delay_ms < 1 << 14);
  TERN_ASSERT(params->active_connection_id_limit >= 2);
  TERN_ASSERT(params->initial_max_streams_bidi <= TERN_STREAMS_MAX);
  TERN_ASSERT(params->initial_max_streams_uni <= TERN_STREAMS_MAX);
  TERN_ASSERT(params->initial_scid.len <= TERN_CID_MAX);
  TERN_ASSERT(params->initial_max_path_id <= UINT32_MAX);
  TERN_ASSERT(params->available_versions_count <= TERN_PARAMS_VERSIONS_MAX);
  if (params->has_preferred_address)
    TERN_ASSERT(params->preferred_address.cid.len >= 1);
}

/* A client's list may have been cut before its chosen version: such a one cannot be written back. */
static bool is_whole(const struct tern_params *params, bool is_server)
{
  if (is_server || !params->has_version_information)
    return true;
  for (size_t i = 0; i < params->available_versions_count; i++) {
    if (params->available_versions[i] == params->chosen_version)
      return true;
  }
  return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  if (size < 1)
    return 0;
  bool is_server = (data[0] & 1) != 0;
  struct tern_params params;
  struct tern_params back;
  uint64_t code = tern_params_read(tern_slice_of(data + 1, size - 1), is_server, &params);
  TERN_ASSERT(code == 0 || code == TERN_QUIC_TRANSPORT_PARAMETER_ERROR);
  if (code != 0)
    return 0;
  check_bounds(&params);
  if (!is_whole(&params, is_server))
    return 0;
  uint8_t bytes[TERN_PARAMS_SIZE_MAX];
  struct tern_writer writer = tern_writer_of(bytes, sizeof(bytes));
  tern_params_write(&writer, &params, is_server);
  TERN_ASSERT(!writer.is_full);
  TERN_ASSERT(tern_params_read(tern_slice_of(bytes, tern_writer_len(&writer)), is_server, &back) ==
              0);
  TERN_ASSERT(memcmp(&params, &back, sizeof(params)) == 0);
  return 0;
}
