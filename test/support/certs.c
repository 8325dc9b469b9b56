/* SPDX-License-Identifier: MIT */
/* TEST KEYS: published here, so worth nothing. Made once with the openssl program: P-256, valid 2020 to
 * 2120 but for the expired one (2020 to 2021). See test_certs.h. */
#include "support/test_certs.h"

/* clang-format off */
const char tern_test_ca_pem[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBYjCCAQegAwIBAgIBATAKBggqhkjOPQQDAjAXMRUwEwYDVQQDDAx0ZXJuIHRl\n"
    "c3QgQ0EwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBcxFTATBgNV\n"
    "BAMMDHRlcm4gdGVzdCBDQTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABOCbj/D/\n"
    "aAb01ckFaLxiyKif24kBWLeFz83TUIQaQ6qwZq5DO0gb5MVP31OqvSE08j7JoNcy\n"
    "hoxKPLSq0ndqvtSjQjBAMA8GA1UdEwEB/wQFMAMBAf8wDgYDVR0PAQH/BAQDAgEG\n"
    "MB0GA1UdDgQWBBQmAwBck4xqyoD+G27mrIwLeiUmTDAKBggqhkjOPQQDAgNJADBG\n"
    "AiEA7PcYcpQ4XZx9Jzq/XPOo3zp2gR8m9f0VGGfgbwhYUhICIQC3TfZz+mKdABr7\n"
    "ktpgOYO/AIr0PhcAbIKou3d+rbC5rg==\n"
    "-----END CERTIFICATE-----\n";

const char tern_test_other_ca_pem[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBbTCCAROgAwIBAgIBAjAKBggqhkjOPQQDAjAdMRswGQYDVQQDDBJ0ZXJuIG90\n"
    "aGVyIHRlc3QgQ0EwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMB0x\n"
    "GzAZBgNVBAMMEnRlcm4gb3RoZXIgdGVzdCBDQTBZMBMGByqGSM49AgEGCCqGSM49\n"
    "AwEHA0IABAbrTEQZDvn8x6z/PczaCg0uAHfqaeRtToWfq4GXRJaKuN3CQojTIQkX\n"
    "UsaueGAvLU5XOXeCRDezEzPLs1YZ2EijQjBAMA8GA1UdEwEB/wQFMAMBAf8wDgYD\n"
    "VR0PAQH/BAQDAgEGMB0GA1UdDgQWBBRFnvvO6qVxocKLRRKEpg+LnMvAojAKBggq\n"
    "hkjOPQQDAgNIADBFAiAgJKzAAqQ/aBsdJIGRM/zIbZUWVw2KY8kPcBxcruEenwIh\n"
    "AKKGZNxYZO+3hoRMWtuni40C23f9A67TTIK384m7m4Ai\n"
    "-----END CERTIFICATE-----\n";

const char tern_test_leaf_pem[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIB0TCCAXegAwIBAgIBAzAKBggqhkjOPQQDAjAXMRUwEwYDVQQDDAx0ZXJuIHRl\n"
    "c3QgQ0EwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBQxEjAQBgNV\n"
    "BAMMCWxvY2FsaG9zdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABOaGkqSBjrU/\n"
    "Ej+2b3zIBCBeEv3yEvFZowx7xrX2vu1yOk5aXKWSsHTpoWe3LEGQ42zu0mqBKpSA\n"
    "UJ/OOnwZFo2jgbQwgbEwDAYDVR0TAQH/BAIwADAOBgNVHQ8BAf8EBAMCB4AwEwYD\n"
    "VR0lBAwwCgYIKwYBBQUHAwEwPAYDVR0RBDUwM4IJbG9jYWxob3N0gg4qLnRlcm4u\n"
    "ZXhhbXBsZYcEfwAAAYcQAAAAAAAAAAAAAAAAAAAAATAdBgNVHQ4EFgQUYSaGZZeW\n"
    "dFs2SwN4rXZLdFqotaEwHwYDVR0jBBgwFoAUJgMAXJOMasqA/htu5qyMC3olJkww\n"
    "CgYIKoZIzj0EAwIDSAAwRQIhALf7JmrwIWzS1O1yPxE7yXV+BKSfb3F+PQ5/4ige\n"
    "9DcNAiBhVuiqqCxnN5hld3xZt3xc77KUAEdU3kOp0USYZf8/EA==\n"
    "-----END CERTIFICATE-----\n";

const char tern_test_leaf_key_pem[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgFS4j1+nU4IwbGE+f\n"
    "tdbgXn3qHqtFkEwKWlPgZmoEWM+hRANCAATmhpKkgY61PxI/tm98yAQgXhL98hLx\n"
    "WaMMe8a19r7tcjpOWlylkrB06aFntyxBkONs7tJqgSqUgFCfzjp8GRaN\n"
    "-----END PRIVATE KEY-----\n";

const char tern_test_expired_pem[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBvzCCAWWgAwIBAgIBBDAKBggqhkjOPQQDAjAXMRUwEwYDVQQDDAx0ZXJuIHRl\n"
    "c3QgQ0EwHhcNMjAwMTAxMDAwMDAwWhcNMjEwMTAxMDAwMDAwWjAUMRIwEAYDVQQD\n"
    "DAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAROb4OwNvlymIzT\n"
    "l+vtkZ2smxGs+OmfBbjl9ScOjCbC1GnbUNe6RNDJ26afVamaRzfv1Oi0+skKYg1j\n"
    "+wXVVqOeo4GkMIGhMAwGA1UdEwEB/wQCMAAwDgYDVR0PAQH/BAQDAgeAMBMGA1Ud\n"
    "JQQMMAoGCCsGAQUFBwMBMCwGA1UdEQQlMCOCCWxvY2FsaG9zdIcEfwAAAYcQAAAA\n"
    "AAAAAAAAAAAAAAAAATAdBgNVHQ4EFgQUtfGuBxA2IIyIpqivdrryK7ZsT0AwHwYD\n"
    "VR0jBBgwFoAUJgMAXJOMasqA/htu5qyMC3olJkwwCgYIKoZIzj0EAwIDSAAwRQIg\n"
    "OH4uJ+JHISr603dVeaSRWFlSox2xDM7z+e0sYCp4P34CIQD3s4WxdgJgX9gu5UR7\n"
    "9vFCErD3r/KkNIKiGA6b3+MlHQ==\n"
    "-----END CERTIFICATE-----\n";

const char tern_test_expired_key_pem[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgi9EELhqa+RJHA2q9\n"
    "5loHMOXT3AmApWLhTxdpOu8sthuhRANCAAROb4OwNvlymIzTl+vtkZ2smxGs+Omf\n"
    "Bbjl9ScOjCbC1GnbUNe6RNDJ26afVamaRzfv1Oi0+skKYg1j+wXVVqOe\n"
    "-----END PRIVATE KEY-----\n";

const char tern_test_wrong_pem[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBsDCCAVegAwIBAgIBBTAKBggqhkjOPQQDAjAXMRUwEwYDVQQDDAx0ZXJuIHRl\n"
    "c3QgQ0EwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBgxFjAUBgNV\n"
    "BAMMDXdyb25nLmV4YW1wbGUwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARBIdrq\n"
    "lZylh6uLMoriBpjvUpCGtwmnA4tLsL+UXp3iRqWtokTkdYPyOAUfUOadssYUcjsG\n"
    "CEHAbFA6s6v21kBno4GQMIGNMAwGA1UdEwEB/wQCMAAwDgYDVR0PAQH/BAQDAgeA\n"
    "MBMGA1UdJQQMMAoGCCsGAQUFBwMBMBgGA1UdEQQRMA+CDXdyb25nLmV4YW1wbGUw\n"
    "HQYDVR0OBBYEFDlrs9NLxU73YdrDm6oia1sWnRzXMB8GA1UdIwQYMBaAFCYDAFyT\n"
    "jGrKgP4bbuasjAt6JSZMMAoGCCqGSM49BAMCA0cAMEQCIGdp9z9YXLzfmdvsOHrS\n"
    "+wojqVXZhe5Jw600aTpjj/HzAiAFODCDPq//DpMrkF0Jv/pgfJYbu8898zbaa88k\n"
    "lwYTSw==\n"
    "-----END CERTIFICATE-----\n";

const char tern_test_wrong_key_pem[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgjC0tpTD7iy76uzZ1\n"
    "38C63XjlP6BxrlRLpAUUVTlPE4OhRANCAARBIdrqlZylh6uLMoriBpjvUpCGtwmn\n"
    "A4tLsL+UXp3iRqWtokTkdYPyOAUfUOadssYUcjsGCEHAbFA6s6v21kBn\n"
    "-----END PRIVATE KEY-----\n";
/* clang-format on */
