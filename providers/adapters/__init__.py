"""One module for each provider's HTTP interface, and `exchange`, the request they share."""
