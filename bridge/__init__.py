"""The embedded media bridge: Colibri2 in; ICE, DTLS, SRTP, forwarding; bridge channel."""
