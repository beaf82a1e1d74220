"""What only the Jitsi family says: no other module of the package knows its names."""
