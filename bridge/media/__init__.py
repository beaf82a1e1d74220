"""The media half of the bridge: forwarding RTP and RTCP between the endpoints of a conference. No I/O."""
