"""The authoritative DNS server that sends visitors to the nearest live node."""
