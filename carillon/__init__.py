"""What all parts of carillon share: command line, settings, supervisor, log, control API."""

__version__ = "0.1.0"
