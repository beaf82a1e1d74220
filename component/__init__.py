"""Conference focus, media services and relays of carillon on XEP-0114 component links."""
