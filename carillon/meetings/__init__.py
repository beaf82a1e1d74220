"""The commands about meetings that run: `carillon rooms` and `carillon participants`, and their words."""
