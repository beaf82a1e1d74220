"""The XMPP face of the bytestream proxy (XEP-0065); the bytes are the relay's business."""
