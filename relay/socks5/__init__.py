"""The SOCKS5 bytestream proxy of XEP-0065: handshakes, the table of streams, and what moves their bytes."""
