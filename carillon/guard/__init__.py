"""Limits that every front uses: address classes, rate buckets. No I/O."""
