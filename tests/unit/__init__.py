"""One rule or one part at a time, without a server."""
