/* SPDX-License-Identifier: MIT */
/* Classic BPF. Packets with a long header are left to the kernel's hash of the addresses, by an answer
 * that is no socket: so all connections of one peer's socket, and a GRO train of theirs, have one worker,
 * and the packets of a handshake stay together whatever ids they carry. */
#include "io/steer.h"

#include <sys/socket.h>

#include <linux/filter.h>

#define NO_SOCKET 0xffffffffu
#define REUSEPORT_CBPF 51 /* SO_ATTACH_REUSEPORT_CBPF, which some libc headers lack */

/* Byte 0 of a short packet is its first, bytes 1 to 6 are b0 ... b5 of the id. */
bool tern_steer_attach(int fd, const tern_steer *steer)
{
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x80, 14, 0),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 3),
      BPF_STMT(BPF_ALU | BPF_XOR | BPF_K, steer->key[0]),
      BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, steer->key[1] | 1),
      BPF_STMT(BPF_MISC | BPF_TAX, 0), /* X = x */
      BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 15),
      BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0),
      BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, steer->key[2] | 1),
      BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 16),
      BPF_STMT(BPF_MISC | BPF_TAX, 0), /* X = y >> 16 */
      BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 1),
      BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0),
      BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, steer->workers),
      BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 16),
      BPF_STMT(BPF_RET | BPF_A, 0),
      BPF_STMT(BPF_RET | BPF_K, NO_SOCKET),
  };
  struct sock_fprog program = {.len = sizeof code / sizeof code[0], .filter = code};
  return setsockopt(fd, SOL_SOCKET, REUSEPORT_CBPF, &program, sizeof program) == 0;
}
