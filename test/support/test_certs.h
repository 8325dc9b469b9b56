/* SPDX-License-Identifier: MIT */
/* Certificates and keys for tests, PEM in memory. TEST KEYS: they are public, trust nothing by them. */
#ifndef TERN_SUPPORT_TEST_CERTS_H
#define TERN_SUPPORT_TEST_CERTS_H

extern const char tern_test_ca_pem[];       /* the CA that signed all leaves */
extern const char tern_test_other_ca_pem[]; /* a CA that signed none */

/* localhost, *.tern.example, 127.0.0.1, ::1 */
extern const char tern_test_leaf_pem[];
extern const char tern_test_leaf_key_pem[];

/* localhost, 127.0.0.1, ::1, until 2021 */
extern const char tern_test_expired_pem[];
extern const char tern_test_expired_key_pem[];

/* wrong.example only */
extern const char tern_test_wrong_pem[];
extern const char tern_test_wrong_key_pem[];

#endif
